//! The session: the client's messages, one after the other, and the answers.
//!
//! Everything happens in one thread. All changes that arrived in the meantime are applied before
//! the next check, and an answer that depends on them is given after it.

mod findings;
mod notices;
mod requests;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io::Write;
use std::sync::mpsc::{Receiver, Sender};

use gen_lsp_types::Diagnostic;
use serde_json::{Value, json};

use super::actions::FIX_ALL;
use super::client::{self, Client};
use super::documents::Documents;
use super::folder::Folder;
use super::transport::{ErrorCode, Incoming, answer, notification, refusal, request};
use super::{Checker, Ended};
use crate::host::{HostError, TreeHost};
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
    /// Is the reader gone?
    gone: bool,
    phase: Phase,
    client: Client,
    documents: Documents,
    folders: Vec<Folder>,
    /// Is there a finding that it was not sent yet?
    unpublished: bool,
    /// What the client was last sent for each file, and for which version.
    published: BTreeMap<String, (Option<i32>, Vec<Diagnostic>)>,
    /// Did the client ever name a folder?
    has_folders: bool,
    /// Was it said that a file is in none?
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
            unpublished: false,
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
            // Whatever else is reported needs no answer.
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

/// The request that a message takes back.
fn cancelled(message: &Incoming) -> Option<String> {
    match message {
        Incoming::Notification { method, params } if method == "$/cancelRequest" => {
            Some(params["id"].to_string())
        }
        _ => None,
    }
}

/// The files as they are now: nothing that an earlier look remembers holds any more.
fn host() -> Result<TreeHost, HostError> {
    TreeHost::live()
}

/// A line for whoever reads the editor's log, about what cannot be said in the protocol. A reader
/// that is gone is not an error.
fn log(text: &str) {
    let _ = writeln!(std::io::stderr(), "deploy-doctor lsp: {text}");
}
