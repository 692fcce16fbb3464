//! An editor of few words: `deploy-doctor lsp` at the other end of two pipes, and a reading of its
//! edits that owes nothing to the program's own.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::command::{Copied, finish, program};

/// Longer than any answer may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What a client of today can do.
pub fn able() -> Value {
    json!({
        "workspace": {
            "workspaceEdit": { "documentChanges": true },
            "workspaceFolders": true,
        },
        "textDocument": {
            "publishDiagnostics": { "relatedInformation": true },
            "hover": { "contentFormat": ["markdown", "plaintext"] },
            "codeAction": { "codeActionLiteralSupport": { "codeActionKind": { "valueSet": [] } } },
        },
    })
}

pub struct Editor {
    child: Child,
    input: Option<ChildStdin>,
    incoming: Receiver<Value>,
    next: i64,
    /// The last diagnostics of each file.
    pub shown: BTreeMap<PathBuf, Vec<Value>>,
    /// The version with which they came.
    pub versions: BTreeMap<PathBuf, Option<i64>>,
    /// Everything that came, as it came.
    pub heard: Vec<Value>,
    /// What `initialize` was answered.
    pub greeting: Value,
}

/// How the server ended.
pub struct Gone {
    pub code: Option<i32>,
    pub stderr: String,
}

impl Editor {
    /// A server that was told nothing yet.
    pub fn silent() -> Self {
        let mut child = Command::new(program())
            .arg("lsp")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let (sender, incoming) = channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(message) = message(&mut output) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take(),
            child,
            incoming,
            next: 0,
            shown: BTreeMap::new(),
            versions: BTreeMap::new(),
            heard: Vec::new(),
            greeting: Value::Null,
        }
    }

    /// A session over folders.
    pub fn over(folders: &[&Path], capabilities: Value) -> Self {
        let folder = |path: &&Path| json!({ "uri": uri(path), "name": "x" });
        let folders: Vec<Value> = folders.iter().map(folder).collect();
        Self::with(json!({
            "processId": null,
            "rootUri": null,
            "workspaceFolders": folders,
            "capabilities": capabilities,
        }))
    }

    /// A session with these parameters of `initialize`.
    pub fn with(params: Value) -> Self {
        let mut editor = Self::silent();
        editor.greeting = editor.ask("initialize", params).unwrap();
        editor.tell("initialized", json!({}));
        editor
    }

    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        // A server that ended does not read any more.
        let _ = input.write_all(bytes).and_then(|()| input.flush());
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{text}", text.len()).as_bytes());
    }

    pub fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Asks and waits; what comes meanwhile is taken in.
    pub fn ask(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        self.next += 1;
        let id = self.next;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.hear().expect("the server ended");
            if message["id"] == id && message.get("method").is_none() {
                return match message.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(message["result"].clone()),
                };
            }
        }
    }

    /// The next message; `None` if the server ended.
    pub fn hear(&mut self) -> Option<Value> {
        let message = match self.incoming.recv_timeout(LIMIT) {
            Ok(message) => message,
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return None,
            Err(error) => panic!("no answer: {error}"),
        };
        self.heard.push(message.clone());
        if message["method"] == "textDocument/publishDiagnostics" {
            let params = &message["params"];
            let path = path(params["uri"].as_str().unwrap());
            self.shown.insert(path.clone(), params["diagnostics"].as_array().unwrap().clone());
            self.versions.insert(path, params["version"].as_i64());
        }
        Some(message)
    }

    /// Waits until all that was told has been taken in and its diagnostics are out.
    pub fn settle(&mut self) -> &mut Self {
        let nowhere = json!({ "textDocument": { "uri": "file:///nowhere" }, "position": { "line": 0, "character": 0 } });
        self.ask("textDocument/hover", nowhere).unwrap();
        self
    }

    pub fn open(&mut self, path: &Path, text: &str) -> &mut Self {
        let document = json!({ "uri": uri(path), "languageId": "x", "version": 1, "text": text });
        self.tell("textDocument/didOpen", json!({ "textDocument": document }));
        self
    }

    /// The whole text anew.
    pub fn replace(&mut self, path: &Path, version: i64, text: &str) -> &mut Self {
        self.change(path, version, json!([{ "text": text }]))
    }

    pub fn change(&mut self, path: &Path, version: i64, changes: Value) -> &mut Self {
        let document = json!({ "uri": uri(path), "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.tell("textDocument/didChange", params);
        self
    }

    /// The codes shown in a file, in their order.
    pub fn codes(&self, path: &Path) -> Vec<String> {
        let shown = self.shown.get(path).into_iter().flatten();
        shown.map(|one| one["code"].as_str().unwrap_or("-").to_owned()).collect()
    }

    /// The actions for a whole file.
    pub fn actions(&mut self, path: &Path, context: Value) -> Vec<Value> {
        let range = json!({ "start": { "line": 0, "character": 0 }, "end": { "line": 9999, "character": 0 } });
        let params =
            json!({ "textDocument": { "uri": uri(path) }, "range": range, "context": context });
        self.ask("textDocument/codeAction", params).unwrap().as_array().unwrap().clone()
    }

    /// Ends the session as it should end.
    pub fn close(mut self) -> Gone {
        assert_eq!(self.ask("shutdown", Value::Null), Ok(Value::Null));
        self.tell("exit", Value::Null);
        self.gone()
    }

    /// Closes the pipe, and waits for the end.
    pub fn gone(mut self) -> Gone {
        self.input = None;
        while self.hear().is_some() {}
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        Gone { code: self.child.wait().unwrap().code(), stderr }
    }

    /// Goes away without reading what is still said.
    pub fn deaf(mut self) -> Option<i32> {
        let (_, silence) = channel();
        self.incoming = silence;
        self.input = None;
        self.child.wait().unwrap().code()
    }
}

fn message(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.parse().unwrap();
        }
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// The names in these tests hold nothing that a URI escapes but blanks and `@`.
pub fn path(uri: &str) -> PathBuf {
    let path = uri.strip_prefix("file://").unwrap();
    PathBuf::from(path.replace("%20", " ").replace("%40", "@"))
}

/// The files that an edit changes, as it leaves them; `texts` are those that are open. Columns are
/// units of UTF-16.
pub fn edited(edit: &Value, texts: &BTreeMap<PathBuf, String>) -> BTreeMap<PathBuf, String> {
    let mut after = BTreeMap::new();
    let changes = edit["documentChanges"].as_array().into_iter().flatten();
    let changes = changes.map(|one| (one["textDocument"]["uri"].as_str().unwrap(), &one["edits"]));
    let plain = edit["changes"].as_object().into_iter().flatten();
    for (uri, edits) in changes.chain(plain.map(|(uri, edits)| (uri.as_str(), edits))) {
        let path = path(uri);
        let read = || fs::read_to_string(&path).unwrap();
        let text = texts.get(&path).cloned().unwrap_or_else(read);
        let mut units: Vec<u16> = text.encode_utf16().collect();
        let mut edits = edits.as_array().unwrap().clone();
        // From the end on, so that places stay.
        edits.sort_by_key(|edit| std::cmp::Reverse(place(&units, &edit["range"]["start"])));
        for edit in edits {
            let start = place(&units, &edit["range"]["start"]);
            let end = place(&units, &edit["range"]["end"]);
            units.splice(start..end, edit["newText"].as_str().unwrap().encode_utf16());
        }
        after.insert(path, String::from_utf16(&units).unwrap());
    }
    after
}

fn place(units: &[u16], position: &Value) -> usize {
    let newlines = units.iter().enumerate().filter(|(_, unit)| **unit == u16::from(b'\n'));
    let starts: Vec<usize> = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
    let line = position["line"].as_u64().unwrap() as usize;
    starts[line] + position["character"].as_u64().unwrap() as usize
}

/// Every file below a directory.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            match path.symlink_metadata().unwrap() {
                kind if kind.is_dir() => left.push(path),
                kind if kind.is_file() => {
                    let below = path.strip_prefix(folder).unwrap().to_path_buf();
                    found.insert(below, fs::read(&path).unwrap());
                }
                _ => {}
            }
        }
    }
    found
}

/// What `fix . --apply` makes of a case.
pub fn fixed(case: &Copied, options: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut command = Command::new(program());
    command.args(["fix", ".", "--apply"]).args(options).current_dir(case.root());
    command.env("XDG_STATE_HOME", case.directory.path().join("state"));
    let ran = finish(command);
    assert!(ran.stdout.contains("Written, and checked again"), "{}", ran.all());
    files(&case.root())
}

/// A deployment of one application with faults in all its files.
pub fn broken() -> Copied {
    let copied = Copied::of("repository");
    copied
        .edit("deploy/shop.service", "ExecReload=/bin/kill -s HUP $MAINPID\n", "")
        .edit("deploy/shop.service", "KillMode=mixed", "KillMode=process")
        .edit("deploy/shop.service", "Gunicorn for shop", "Gunicorn for 🦀 café")
        .edit("deploy/shop.nginx.conf", "        proxy_set_header X-Forwarded-Proto $scheme;\n", "")
        .edit("deploy/gunicorn.conf.py", "workers = 3\n", "workers = 3\nreload = True  # 🦀\n");
    copied
}
