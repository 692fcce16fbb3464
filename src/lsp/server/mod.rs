//! The session: receives the client's messages in order and answers them.
//!
//! Everything happens in one thread. All changes that arrived in the meantime are applied before
//! the next check, and an answer that depends on a change is sent after it is applied.

mod findings;
mod notices;
mod requests;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender};

use super::protocol::Diagnostic;
use serde_json::{Value, json};

use super::actions::FIX_ALL;
use super::client::{self, Client};
use super::documents::Documents;
use super::folder::Folder;
use super::transport::{ErrorCode, Incoming, answer, notification, refusal, request};
use super::{Checker, Ended};
use crate::host::{HostError, TreeHost};
use crate::source::show;

/// The most messages that are processed before the next check.
const BATCH: usize = 1000;

/// The phase of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The client has not sent `initialize` yet.
    New,
    /// `initialize` was answered, and the client has not sent anything since.
    Greeted,
    /// The session is in progress.
    Ready,
    /// The client sent `shutdown`.
    Stopped,
}

/// The urgency of a message, with the protocol's numbers.
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
    /// Whether the client's input has ended.
    gone: bool,
    phase: Phase,
    client: Client,
    documents: Documents,
    folders: Vec<Folder>,
    /// Whether there is a finding that the client was not sent yet.
    unpublished: bool,
    /// The diagnostics that the client was last sent for each file, with the version of the file.
    published: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)>,
    /// Whether the client ever named a folder.
    has_folders: bool,
    /// Whether the client was told that a file is in no folder.
    lone_told: bool,
}

impl<'c> Server<'c> {
    /// A session that has not started.
    pub fn new(checker: &'c dyn Checker, out: Sender<Value>) -> Self {
        Self {
            checker,
            out,
            gone: false,
            phase: Phase::New,
            client: Client::of(&Value::Null),
            documents: Documents::default(),
            folders: Vec::new(),
            unpublished: false,
            published: BTreeMap::new(),
            has_folders: false,
            lone_told: false,
        }
    }

    /// Answers messages until the session ends.
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
                self.send(refusal(&id, ErrorCode::Cancelled, "the client cancelled it"));
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
                log(&format!("the client refused a request: {}", show::line(&why)));
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
                Err((ErrorCode::NotInitialized, "`initialize` must come first".to_owned()))
            }
            (Phase::Stopped, _) => {
                Err((ErrorCode::InvalidRequest, "only `exit` may follow `shutdown`".to_owned()))
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
            // Other notifications need no reaction.
            _ => Some(()),
        };
        if understood.is_none() {
            let text = format!(
                "{method} was not understood: the findings shown may be out of \
                 date"
            );
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
                    // Incremental changes.
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

    /// Sends the requests that are due once the client is initialized.
    fn begin(&mut self) {
        if self.client.watches {
            // Only a check knows which files a deployment reads: a site of nginx has no file name
            // extension.
            let register = json!({ "registrations": [{
                "id": "files",
                "method": "workspace/didChangeWatchedFiles",
                "registerOptions": { "watchers": [{ "globPattern": "**/*" }] },
            }] });
            self.send(request("register-files", "client/registerCapability", register));
        }
    }

    fn say(&mut self, method: &str, urgency: Urgency, text: &str) {
        self.send(notification(method, json!({ "type": urgency as u32, "message": text })));
    }

    fn send(&mut self, message: Value) {
        self.gone |= self.out.send(message).is_err();
    }
}

fn not_understood() -> (ErrorCode, String) {
    (ErrorCode::InvalidParams, "the parameters are not understood".to_owned())
}

/// The request that a message cancels.
fn cancelled(message: &Incoming) -> Option<String> {
    match message {
        Incoming::Notification { method, params } if method == "$/cancelRequest" => {
            Some(params["id"].to_string())
        }
        _ => None,
    }
}

/// The file system as it is now, without anything cached by an earlier host.
fn host() -> Result<TreeHost, HostError> {
    TreeHost::live()
}

/// Writes a line for readers of the editor's log, about what the protocol cannot express. Not being
/// able to write it is no error.
fn log(text: &str) {
    let _ = writeln!(std::io::stderr(), "deploy-doctor lsp: {text}");
}
