//! `deploy-doctor lsp`: how a session begins, goes wrong and ends.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::lsp::read;
use crate::support::command::{Copied, finish, program};
use crate::support::editor::{Editor, able, uri};

#[test]
fn a_session_ends_as_the_protocol_says() {
    let mut editor = Editor::with(json!({ "capabilities": {} }));
    assert_eq!(editor.ask("initialize", json!({})).unwrap_err()["code"], -32600);
    assert_eq!(editor.ask("shutdown", Value::Null), Ok(Value::Null));
    assert_eq!(editor.ask("shutdown", Value::Null).unwrap_err()["code"], -32600);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.gone().code, Some(0));

    let mut editor = Editor::with(json!({ "capabilities": {} }));
    editor.tell("exit", Value::Null);
    assert_eq!(editor.gone().code, Some(1), "exit without shutdown");
    let editor = Editor::with(json!({ "capabilities": {} }));
    assert_eq!(editor.gone().code, Some(1), "the pipe was closed");
    assert_eq!(Editor::silent().gone().code, Some(1), "nothing was said");

    let mut editor = Editor::silent();
    assert_eq!(editor.ask("textDocument/hover", json!({})).unwrap_err()["code"], -32002);
    editor.tell("exit", Value::Null);
    assert_eq!(editor.gone().code, Some(1));
}

#[test]
fn what_is_not_served_is_said() {
    let mut editor = Editor::with(json!({ "capabilities": {} }));
    for method in ["textDocument/definition", "workspace/executeCommand", "x/\u{1b}[31m", ""] {
        assert_eq!(editor.ask(method, json!({})).unwrap_err()["code"], -32601, "{method}");
    }
    for (method, params) in [
        ("textDocument/hover", json!({})),
        ("textDocument/hover", json!([1, 2])),
        (
            "textDocument/hover",
            json!({ "textDocument": { "uri": "file:///x" }, "position": { "line": -1, "character": 0 } }),
        ),
        ("textDocument/codeAction", json!({ "textDocument": 7 })),
        ("codeAction/resolve", json!("x")),
        (
            "codeAction/resolve",
            json!({ "title": "x", "data": { "folder": "/x", "wanted": "all" } }),
        ),
    ] {
        assert_eq!(
            editor.ask(method, params.clone()).unwrap_err()["code"],
            -32602,
            "{method} {params}"
        );
    }
    // Notifications that are not understood are no end, nor are those that nobody knows.
    for (method, params) in [
        ("textDocument/didOpen", json!({})),
        (
            "textDocument/didChange",
            json!({ "textDocument": { "uri": "file:///none", "version": 1 }, "contentChanges": [] }),
        ),
        ("textDocument/didClose", json!(null)),
        ("textDocument/didClose", json!({ "textDocument": { "uri": "untitled:Untitled-1" } })),
        ("workspace/didChangeWatchedFiles", json!({ "changes": "x" })),
        (
            "workspace/didChangeWorkspaceFolders",
            json!({ "event": { "added": [{ "uri": "ssh://host/x" }] } }),
        ),
        ("$/setTrace", json!({ "value": "off" })),
        ("never/heard", json!({})),
    ] {
        editor.tell(method, params);
    }
    editor.settle();
    assert_eq!(editor.close().code, Some(0));
}

#[test]
fn a_request_that_was_taken_back_is_not_answered() {
    let copied = Copied::of("capistrano");
    let mut editor = Editor::over(&[&copied.root()], able());
    editor.settle();
    // Written at once, so that both are there when the first is taken in.
    let frame = |message: Value| {
        let text = message.to_string();
        format!("Content-Length: {}\r\n\r\n{text}", text.len())
    };
    let place = json!({ "textDocument": { "uri": "file:///x" }, "position": { "line": 0, "character": 0 } });
    let mut bytes = String::new();
    for id in 100..150 {
        bytes += &frame(
            json!({ "jsonrpc": "2.0", "id": id, "method": "textDocument/hover", "params": place }),
        );
    }
    bytes +=
        &frame(json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": 149 } }));
    editor.write(bytes.as_bytes());
    editor.settle();
    let answer = |id: i64| editor.heard.iter().find(|one| one["id"] == id).unwrap();
    assert!(answer(100).get("result").is_some());
    // It may have been answered already; it is answered once, in either way.
    let last = answer(149);
    assert!(last.get("result").is_some() || last["error"]["code"] == -32800, "{last}");
    editor.close();
}

#[test]
fn a_message_that_is_none_is_refused_and_the_session_goes_on() {
    let secret = "hunter2-canary";
    let mut editor = Editor::with(json!({ "capabilities": {} }));
    let deep = "[".repeat(100_000);
    for body in [
        format!("{{\"method\": \"{secret}"),
        "[]".to_owned(),
        "7".to_owned(),
        "{}".to_owned(),
        format!("{{\"id\": {{}}, \"method\": \"{secret}\"}}"),
        "{\"id\": 1, \"method\": 7}".to_owned(),
        deep,
        "\u{fffd}\0".to_owned(),
        String::new(),
    ] {
        editor.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }
    editor.write(b"Content-Length: 2\r\nContent-Type: application/vscode-jsonrpc; charset=utf-8\r\n\r\n\xff\xfe");
    editor.settle();
    let refused = editor.heard.iter().filter(|one| one.get("error").is_some());
    let codes: Vec<i64> = refused.map(|one| one["error"]["code"].as_i64().unwrap()).collect();
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| [-32700, -32600].contains(code)), "{codes:?}");
    assert!(!format!("{:?}", editor.heard).contains(secret));
    let gone = editor.close();
    assert_eq!(gone.code, Some(0));
    assert!(!gone.stderr.contains(secret) && !gone.stderr.contains("panic"), "{}", gone.stderr);
}

#[test]
fn what_is_not_the_protocol_ends_it_in_words() {
    for (bytes, words) in [
        (&b"hello\n"[..], "header `Content-Length: N`"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "header `Content-Length: N`"),
        (b"Content-Type: x\r\n\r\n{}", "header `Content-Length: N`"),
        (b"Content-Length: many\r\n\r\n", "header `Content-Length: N`"),
        (b"Content-Length: -1\r\n\r\n", "header `Content-Length: N`"),
        (b"Content-Length: 99999999999\r\n\r\n{}", "more than"),
        (b"Content-Length: 18446744073709551616\r\n\r\n{}", "header `Content-Length: N`"),
        (b"Content-Length: 100\r\n\r\n{}", "within a message"),
        (b"Content-Length: 1", "no end"),
        (b"\xff\xfe\r\n", "header `Content-Length: N`"),
    ] {
        let mut editor = Editor::silent();
        editor.write(bytes);
        let gone = editor.gone();
        assert_eq!(gone.code, Some(2), "{}", gone.stderr);
        assert!(gone.stderr.contains(words), "{words}: {}", gone.stderr);
        assert!(!gone.stderr.contains("internal error"), "{}", gone.stderr);
    }
    let mut editor = Editor::silent();
    editor.write(&[b'x'; 100_000]);
    assert_eq!(editor.gone().code, Some(2));
}

#[test]
fn a_client_that_goes_away_in_the_midst_is_no_panic() {
    let copied = Copied::of("capistrano");
    for _ in 0..3 {
        let mut editor = Editor::over(&[&copied.root()], able());
        let unit = copied.root().join("etc/systemd/system/shop.service");
        editor.open(&unit, &read(&unit));
        assert_eq!(editor.deaf(), Some(1));
    }
    // Nobody reads what it says, on either output.
    let mut child = Command::new(program())
        .arg("lsp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn no_value_of_a_variable_is_told() {
    let copied = Copied::of("capistrano");
    let folder = copied.root();
    let canary = "canary-5f3a";
    let env = folder.join("srv/shop/shared/shop.env");
    let text = read(&env).replace("0c6a7e15d2f94b3a8e7d6c5b4a392817", canary);
    let text = format!("{text}API_TOKEN={canary} # {canary}\nPATH_TO={canary}\n");
    fs::write(&env, &text).unwrap();
    copied.edit(
        "etc/systemd/system/shop.service",
        "[Service]\n",
        &format!("[Service]\nEnvironment=PASSWORD={canary}\n"),
    );
    let mut editor = Editor::over(&[&folder], able());
    editor.open(&env, &format!("{text}\nexport OTHER={canary}\n")).settle();
    assert!(editor.codes(&env).contains(&"E401".to_owned()), "{:?}", editor.shown);
    let paths: Vec<_> = editor.shown.keys().cloned().collect();
    let mut edits = 0;
    for path in paths {
        let actions = editor.actions(&path, json!({ "diagnostics": [] }));
        edits += actions.iter().filter(|one| one.get("edit").is_some()).count();
        for line in 0..30 {
            let params = json!({ "textDocument": { "uri": uri(&path) }, "position": { "line": line, "character": 5 } });
            editor.ask("textDocument/hover", params).unwrap();
        }
    }
    assert!(edits > 5);
    assert!(!format!("{:?}", editor.heard).contains(canary));
    let gone = editor.close();
    assert!(!gone.stderr.contains(canary), "{}", gone.stderr);
}

#[test]
fn many_changes_of_many_texts_are_taken_in() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let unit = folder.join("deploy/shop.service");
    let text = read(&unit);
    let mut editor = Editor::over(&[&folder], able());
    for at in 0..200 {
        editor.open(&folder.join(format!("docs/{at}.txt")), &"a line\n".repeat(50));
    }
    // One change of twenty thousand places, and as many changes of one.
    let long = format!("{text}{}", "# a comment\n".repeat(20_000));
    editor.open(&unit, &long);
    let first = text.lines().count();
    let places: Vec<Value> = (0..20_000)
        .rev()
        .map(|at| {
            let at = |character: u64| json!({ "line": first + at, "character": character });
            json!({ "range": { "start": at(2), "end": at(3) }, "text": "the" })
        })
        .collect();
    editor.change(&unit, 2, json!(places));
    for version in 3..2000 {
        let place = json!({ "line": first, "character": 0 });
        let change = json!([{ "range": { "start": place, "end": place }, "text": "#" }]);
        editor.change(&unit, version, change);
    }
    editor.settle();
    assert!(editor.shown.values().all(Vec::is_empty), "{:?}", editor.shown);
    let line = text.lines().position(|line| line.starts_with("ExecReload=")).unwrap();
    let gone = json!({ "start": { "line": line, "character": 0 }, "end": { "line": line + 1, "character": 0 } });
    editor.change(&unit, 2000, json!([{ "range": gone, "text": "" }])).settle();
    assert_eq!(
        (editor.codes(&unit), editor.versions[&unit]),
        (vec!["U101".to_owned()], Some(2000))
    );
    editor.close();
}

#[test]
fn names_that_are_no_words_are_names() {
    let copied = Copied::of("repository");
    let folder = copied.root();
    let odd = "deploy/a#b?c%41 é🦀.service";
    copied.write(
        odd,
        read(folder.join("deploy/shop.service")).replace("KillMode=mixed", "KillMode=process"),
    );
    let mut editor = Editor::over(&[&folder], able());
    editor.settle();
    let published =
        editor.heard.iter().filter(|one| one["method"] == "textDocument/publishDiagnostics");
    let uris: Vec<&str> = published.map(|one| one["params"]["uri"].as_str().unwrap()).collect();
    let wanted = uri(&folder.join("deploy/a%23b%3Fc%2541%20%C3%A9%F0%9F%A6%80.service"));
    assert!(uris.contains(&wanted.as_str()), "{uris:?}");
    // The same name, as the client may write it, is that file.
    let text = read(folder.join(odd)).replace("KillMode=process", "KillMode=mixed");
    let document = json!({ "uri": wanted, "languageId": "x", "version": 1, "text": text });
    editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
    editor.settle();
    let last = editor.heard.iter().rfind(|one| one["params"]["uri"] == *wanted).unwrap();
    let codes: Vec<&Value> =
        last["params"]["diagnostics"].as_array().unwrap().iter().map(|one| &one["code"]).collect();
    assert!(!codes.contains(&&json!("U109")), "{codes:?}");
    editor.close();
}

#[test]
fn at_a_terminal_it_says_what_it_is_for() {
    // `script` gives it one.
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{} lsp", program()), "/dev/null"]);
    let ran = finish(command);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stdout.contains("started by an editor"), "{}", ran.all());
    // As some editors start it.
    let mut command = Command::new(program());
    command.args(["lsp", "--stdio"]);
    assert_eq!(finish(command).code, Some(1));
}
