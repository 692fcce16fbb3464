//! The session: what the client says, one message after the other, and what is answered.
//!
//! Everything happens in one thread. Changes that came meanwhile are all taken in before the next
//! check, and an answer that hangs on them is given after it.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender};

use gen_lsp_types::{
    CodeAction, Diagnostic, DidChangeTextDocumentParams, DidOpenTextDocumentParams, Hover,
    MarkupContent, MarkupKind, Uri, WorkspaceEdit,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::actions::{self, Data, FIX_ALL, Question};
use super::client::{self, Client};
use super::diagnostics::{self, Published, Words};
use super::documents::{Document, Documents, real};
use super::edit::workspace_edit;
use super::folder::Folder;
use super::names::Names;
use super::position::touch;
use super::transport::{ErrorCode, Incoming, answer, notification, refusal, request};
use super::{Checker, Ended, Wanted, uri};
use crate::config;
use crate::host::{HostError, TreeHost, Unsaved, holds_git};
use crate::source::show;

/// As many messages are taken in before the next check.
const BATCH: usize = 1000;

/// How far the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody said what the client can do.
    New,
    /// `initialize` was answered, and nothing came since.
    Greeted,
    /// As long as it goes on.
    Ready,
    /// `shutdown` was said.
    Stopped,
}

/// How urgent words are: the protocol's numbers.
#[derive(Debug, Clone, Copy)]
enum Urgency {
    Error = 1,
    Warning = 2,
    Info = 3,
}

/// One session.
pub(super) struct Server<'c> {
    checker: &'c dyn Checker,
    out: Sender<Value>,
    /// Does nobody read any more?
    gone: bool,
    phase: Phase,
    client: Client,
    documents: Documents,
    folders: Vec<Folder>,
    /// What the client was told of each file, and of which version.
    published: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)>,
    /// Did the client ever name a folder?
    has_folders: bool,
    /// Was it said that a file lies in none?
    lone_told: bool,
}

impl<'c> Server<'c> {
    /// A session that has not begun.
    pub fn new(checker: &'c dyn Checker, out: Sender<Value>) -> Self {
        Self {
            checker,
            out,
            gone: false,
            phase: Phase::New,
            client: Client::of(&Value::Null),
            documents: Documents::default(),
            folders: Vec::new(),
            published: BTreeMap::new(),
            has_folders: false,
            lone_told: false,
        }
    }

    /// Answers until the session ends.
    pub fn run(mut self, incoming: &Receiver<Incoming>) -> Ended {
        loop {
            let Ok(first) = incoming.recv() else { return Ended::Abruptly };
            let mut batch = VecDeque::from([first]);
            batch.extend(incoming.try_iter().take(BATCH));
            let cancelled: HashSet<String> = batch.iter().filter_map(cancelled).collect();
            for message in batch {
                if let Some(ended) = self.take(message, &cancelled) {
                    return ended;
                }
            }
            self.settle();
            if self.gone {
                return Ended::Abruptly;
            }
        }
    }

    fn take(&mut self, message: Incoming, cancelled: &HashSet<String>) -> Option<Ended> {
        if self.phase == Phase::Greeted {
            self.phase = Phase::Ready;
            self.begin();
        }
        match message {
            Incoming::Request { id, .. } if cancelled.contains(&id.to_string()) => {
                self.send(refusal(&id, ErrorCode::Cancelled, "the client took it back"));
            }
            Incoming::Request { id, method, params } => {
                let message = match self.answer(&method, &params) {
                    Ok(result) => answer(&id, result),
                    Err((code, why)) => refusal(&id, code, &why),
                };
                self.send(message);
            }
            Incoming::Notification { method, params } => return self.notice(&method, params),
            Incoming::Response { error: None } => {}
            Incoming::Response { error: Some(why) } => {
                log(&format!("the client refused what it was asked: {}", show::line(&why)));
            }
            Incoming::Broken { code, why } => {
                log(&format!("a message was not understood: {why}"));
                self.send(refusal(&Value::Null, code, &why));
            }
            Incoming::End(None) => return Some(Ended::Abruptly),
            Incoming::End(Some(why)) => return Some(Ended::NotUnderstood(why)),
        }
        None
    }

    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, (ErrorCode, String)> {
        match (self.phase, method) {
            (Phase::New, "initialize") => Ok(self.initialize(params)),
            (Phase::New, _) => {
                Err((ErrorCode::NotInitialized, "`initialize` comes first".to_owned()))
            }
            (Phase::Stopped, _) => {
                Err((ErrorCode::InvalidRequest, "after `shutdown` comes `exit`".to_owned()))
            }
            (_, "initialize") => {
                Err((ErrorCode::InvalidRequest, "the session has begun already".to_owned()))
            }
            (_, "shutdown") => {
                self.phase = Phase::Stopped;
                Ok(Value::Null)
            }
            (_, "textDocument/codeAction") => self.code_actions(params),
            (_, "codeAction/resolve") => self.resolve(params),
            (_, "textDocument/hover") => self.hover(params),
            _ => Err((ErrorCode::MethodNotFound, format!("{} is not served", show::line(method)))),
        }
    }

    fn notice(&mut self, method: &str, params: Value) -> Option<Ended> {
        match (self.phase, method) {
            (Phase::Stopped, "exit") => return Some(Ended::Asked),
            (_, "exit") => return Some(Ended::Abruptly),
            (Phase::New | Phase::Stopped, _) => return None,
            _ => {}
        }
        let understood = match method {
            "textDocument/didOpen" => self.opened(params),
            "textDocument/didChange" => self.edited(params),
            "textDocument/didClose" => self.closed(&params),
            "textDocument/didSave" => self.saved(&params),
            "workspace/didChangeWatchedFiles" => self.watched(&params),
            "workspace/didChangeWorkspaceFolders" => self.folders_changed(&params),
            // Whatever else is told needs no answer.
            _ => Some(()),
        };
        if understood.is_none() {
            let text = format!("{method} was not understood: what is shown may be out of date");
            self.say("window/logMessage", Urgency::Error, &text);
        }
        None
    }

    fn initialize(&mut self, params: &Value) -> Value {
        self.phase = Phase::Greeted;
        self.client = Client::of(params);
        for path in client::folders(params) {
            self.has_folders = true;
            self.add(&path);
        }
        json!({
            "capabilities": {
                "positionEncoding": self.client.encoding.name(),
                "textDocumentSync": {
                    "openClose": true,
                    // By parts.
                    "change": 2,
                    "save": { "includeText": false },
                },
                "hoverProvider": true,
                "codeActionProvider": {
                    "codeActionKinds": ["quickfix", FIX_ALL],
                    "resolveProvider": self.client.resolves,
                },
                "workspace": {
                    "workspaceFolders": { "supported": true, "changeNotifications": true },
                },
            },
            "serverInfo": { "name": "deploy-doctor", "version": env!("CARGO_PKG_VERSION") },
        })
    }

    /// What is asked of the client once it listens.
    fn begin(&mut self) {
        if self.client.watches {
            // Which files a deployment reads, only a check tells: a site of nginx has no ending.
            let register = json!({ "registrations": [{
                "id": "files",
                "method": "workspace/didChangeWatchedFiles",
                "registerOptions": { "watchers": [{ "globPattern": "**/*" }] },
            }] });
            self.send(request("register-files", "client/registerCapability", register));
        }
    }

    fn opened(&mut self, params: Value) -> Option<()> {
        let text = DidOpenTextDocumentParams::deserialize(params).ok()?.text_document;
        // A text without a file is nothing that is deployed.
        let Some(path) = uri::path(&text.uri) else { return Some(()) };
        let real = host().map_or_else(|_| path.clone(), |host| real(&host, &path));
        if !self.folders.iter().any(|folder| folder.holds(&path) || folder.holds(&real)) {
            self.lone(&path);
        }
        self.documents.open(path.clone(), Document::new(text.uri, text.version, real, &text.text));
        self.touched(&path);
        Some(())
    }

    /// A file that lies in no folder: where the client named none at all, the repository round it is
    /// one.
    fn lone(&mut self, path: &Path) {
        let repository = || {
            let host = host().ok()?;
            path.ancestors().skip(1).find(|directory| holds_git(&host, directory))
        };
        if let Some(top) = Some(path).filter(|_| !self.has_folders).and_then(|_| repository()) {
            return self.add(top);
        }
        if !std::mem::replace(&mut self.lone_told, true) {
            let text = format!(
                "{} is not checked: it lies in no folder of the workspace. Open the directory that \
                 holds the deployment",
                show::line(&path.to_string_lossy())
            );
            let method = if self.has_folders { "window/logMessage" } else { "window/showMessage" };
            self.say(method, Urgency::Info, &text);
        }
    }

    fn edited(&mut self, params: Value) -> Option<()> {
        let params = DidChangeTextDocumentParams::deserialize(params).ok()?;
        let uri = &params.text_document.text_document_identifier.uri;
        let Some(path) = uri::path(uri) else { return Some(()) };
        let document = self.documents.get_mut(&path)?;
        document.change(params.text_document.version, params.content_changes, self.client.encoding);
        self.touched(&path);
        Some(())
    }

    fn closed(&mut self, params: &Value) -> Option<()> {
        let uri = Uri(params["textDocument"]["uri"].as_str()?.to_owned());
        let Some(path) = uri::path(&uri) else { return Some(()) };
        self.touched(&path);
        self.documents.close(&path);
        Some(())
    }

    fn saved(&mut self, params: &Value) -> Option<()> {
        let uri = Uri(params["textDocument"]["uri"].as_str()?.to_owned());
        if let Some(path) = uri::path(&uri) {
            self.touched(&path);
        }
        Some(())
    }

    fn watched(&mut self, params: &Value) -> Option<()> {
        for change in params["changes"].as_array()? {
            // What git writes for itself is no file of the deployment.
            let path = uri::path(&Uri(change["uri"].as_str()?.to_owned()));
            if let Some(path) = path.filter(|path| !path.iter().any(|part| part == ".git")) {
                self.touched(&path);
            }
        }
        Some(())
    }

    fn folders_changed(&mut self, params: &Value) -> Option<()> {
        let paths = |which: &str| {
            let folders = params["event"][which].as_array().into_iter().flatten();
            let named = folders.filter_map(|folder| folder["uri"].as_str());
            named.filter_map(|text| uri::path(&Uri(text.to_owned()))).collect::<BTreeSet<_>>()
        };
        let removed = paths("removed");
        self.folders.retain(|folder| !removed.contains(&folder.path));
        for path in paths("added") {
            self.has_folders = true;
            self.add(&path);
        }
        Some(())
    }

    fn add(&mut self, path: &Path) {
        if self.folders.iter().all(|folder| folder.path != path) {
            let real = host().map_or_else(|_| path.to_path_buf(), |host| real(&host, path));
            self.folders.push(Folder::new(path.to_path_buf(), real));
        }
    }

    /// What a file's change makes out of date.
    fn touched(&mut self, path: &Path) {
        let real = self.documents.get(path).map(|document| document.real.clone());
        // The file of settings may lie above the folder.
        let of_all = path.file_name().is_some_and(|name| name == config::NAME);
        for folder in &mut self.folders {
            let holds = |path: &Path| folder.holds(path);
            folder.changed |= of_all || holds(path) || real.as_deref().is_some_and(holds);
        }
    }

    /// Checks what changed and publishes what is found.
    fn settle(&mut self) {
        if self.phase != Phase::Ready {
            return;
        }
        if self.folders.iter().any(|folder| folder.changed) {
            let unsaved = Rc::new(self.documents.unsaved());
            for at in 0..self.folders.len() {
                if self.folders[at].changed {
                    self.check(at, &unsaved);
                }
            }
        }
        self.publish();
    }

    fn check(&mut self, at: usize, unsaved: &Rc<Unsaved>) {
        let path = self.folders[at].path.clone();
        let mut published = Published::default();
        let mut empty = false;
        match host() {
            Ok(host) => {
                let names = Names::new(&path, host, &self.documents);
                let client = &self.client;
                let checked = self.checker.check(&path, unsaved, &mut |report| {
                    published = diagnostics::published(report, &names, client);
                });
                match checked {
                    Ok(found) => empty = !found,
                    Err(failure) => {
                        for problem in &failure.at {
                            diagnostics::problem_to(problem, &names, &mut published);
                        }
                        if published.marks.is_empty() {
                            published.words = vec![Words { text: failure.message, note: false }];
                        }
                    }
                }
            }
            Err(error) => {
                published.words.push(Words { text: error.to_string(), note: false });
            }
        }
        let folder = &mut self.folders[at];
        folder.changed = false;
        folder.edits.clear();
        folder.marks = published.marks;
        let before = std::mem::take(&mut folder.said);
        folder.said = published.words.iter().map(|words| words.text.clone()).collect();
        let shown = show::line(&path.to_string_lossy());
        for words in published.words.iter().filter(|words| !before.contains(&words.text)) {
            let text = format!("{shown}: {}", show::block(&words.text));
            // A workspace may well be no deployment: nobody is to click that away.
            match words.note || empty {
                true => self.say("window/logMessage", Urgency::Info, &text),
                false => self.say("window/showMessage", Urgency::Warning, &text),
            }
        }
    }

    /// Tells the client what it does not know yet.
    fn publish(&mut self) {
        let mut now: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)> = BTreeMap::new();
        let versions: BTreeMap<&str, i32> =
            self.documents.all().map(|one| (one.uri.0.as_str(), one.version)).collect();
        for mark in self.folders.iter().flat_map(|folder| &folder.marks) {
            let version = || versions.get(mark.uri.0.as_str()).copied();
            let (_, known) =
                now.entry(mark.uri.0.clone()).or_insert_with(|| (version(), Vec::new()));
            known.push(mark.diagnostic.clone());
        }
        for (_, diagnostics) in now.values_mut() {
            diagnostics.sort_by_key(|one| (one.range.start, one.range.end));
            // Of two folders one may lie in the other.
            diagnostics.dedup();
        }
        let mut messages = Vec::new();
        for uri in self.published.keys().filter(|uri| !now.contains_key(*uri)) {
            messages.push(json!({ "uri": uri, "diagnostics": [] }));
        }
        for (uri, told) in &now {
            if self.published.get(uri) != Some(told) {
                let mut message = json!({ "uri": uri, "diagnostics": told.1 });
                if let Some(version) = told.0 {
                    message["version"] = version.into();
                }
                messages.push(message);
            }
        }
        self.published = now;
        for message in messages {
            self.send(notification("textDocument/publishDiagnostics", message));
        }
    }

    fn code_actions(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        let question = Question::of(params).ok_or_else(not_understood)?;
        if !self.client.actions {
            return Ok(json!([]));
        }
        let document = uri::path(&question.uri).and_then(|path| self.documents.get(&path).cloned());
        let client = self.client.clone();
        let mut all = Vec::new();
        for at in 0..self.folders.len() {
            let folder = &self.folders[at];
            for offered in actions::offered(&question, folder, document.as_ref(), &client) {
                let mut action = offered.action;
                match offered.data {
                    Some(data) if client.resolves => action.data = serde_json::to_value(data).ok(),
                    // What cannot be made is not offered.
                    Some(data) => match self.edit(at, &data.wanted) {
                        Ok(edit) => action.edit = Some(edit),
                        Err(_) => continue,
                    },
                    None => {}
                }
                all.push(action);
            }
        }
        Ok(json!(all))
    }

    fn resolve(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        let mut action = CodeAction::deserialize(params).map_err(|_| not_understood())?;
        let Some(data) = &action.data else { return Ok(params.clone()) };
        let data = Data::deserialize(data).map_err(|_| not_understood())?;
        let at = self.folders.iter().position(|folder| folder.path == data.folder);
        let at = at.ok_or_else(not_understood)?;
        let edit = self.edit(at, &data.wanted);
        action.edit = Some(edit.map_err(|why| (ErrorCode::Failed, format!("not made: {why}")))?);
        Ok(json!(action))
    }

    /// The edit that fixes come to, worked out once for a state of the files.
    fn edit(&mut self, at: usize, wanted: &Wanted) -> Result<WorkspaceEdit, String> {
        if let Some(known) = self.folders[at].edits.get(wanted) {
            return known.clone();
        }
        let unsaved = Rc::new(self.documents.unsaved());
        let path = &self.folders[at].path;
        let edit = self.checker.changes(path, &unsaved, wanted).and_then(|changes| {
            let host = host().map_err(|error| error.to_string())?;
            let names = Names::new(path, host, &self.documents);
            workspace_edit(&changes, &names, &self.documents, &self.client)
        });
        self.folders[at].edits.insert(wanted.clone(), edit.clone());
        edit
    }

    fn hover(&mut self, params: &Value) -> Result<Value, (ErrorCode, String)> {
        self.settle();
        let uri = params["textDocument"]["uri"].as_str().ok_or_else(not_understood)?;
        let position = gen_lsp_types::Position::deserialize(&params["position"])
            .map_err(|_| not_understood())?;
        let here = gen_lsp_types::Range { start: position, end: position };
        let marks = self.folders.iter().flat_map(|folder| &folder.marks);
        let mut told = BTreeSet::new();
        let (mut pages, mut range) = (Vec::new(), None);
        for mark in marks.filter(|mark| mark.uri.0 == uri && touch(&mark.diagnostic.range, &here)) {
            let Some(rule) = mark.rule.filter(|rule| told.insert(rule.code)) else { continue };
            pages.push(crate::rule::page(rule));
            range.get_or_insert(mark.diagnostic.range);
        }
        if pages.is_empty() {
            return Ok(Value::Null);
        }
        let kind = match self.client.markdown {
            true => MarkupKind::Markdown,
            false => MarkupKind::PlainText,
        };
        let contents = MarkupContent { kind, value: pages.join("\n---\n\n") };
        Ok(json!(Hover { contents: contents.into(), range }))
    }

    fn say(&mut self, method: &str, urgency: Urgency, text: &str) {
        log(text);
        self.send(notification(method, json!({ "type": urgency as u32, "message": text })));
    }

    fn send(&mut self, message: Value) {
        self.gone |= self.out.send(message).is_err();
    }
}

fn not_understood() -> (ErrorCode, String) {
    (ErrorCode::InvalidParams, "the parameters are not understood".to_owned())
}

/// The request that a message takes back.
fn cancelled(message: &Incoming) -> Option<String> {
    match message {
        Incoming::Notification { method, params } if method == "$/cancelRequest" => {
            Some(params["id"].to_string())
        }
        _ => None,
    }
}

/// The files as they stand now: nothing that an earlier look remembers holds any more.
fn host() -> Result<TreeHost, HostError> {
    TreeHost::live()
}

/// A line for whoever reads the editor's log. A reader that is gone is no error.
fn log(text: &str) {
    let _ = writeln!(std::io::stderr(), "deploy-doctor lsp: {text}");
}
