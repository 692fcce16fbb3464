//! Checks the folders in which something changed, and sends the client whatever is new.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::protocol::Diagnostic;
use serde_json::json;

use super::super::diagnostics::{self, Published, Words};
use super::super::names::Names;
use super::super::transport::notification;
use super::{Phase, Server, Urgency, host};
use crate::host::Unsaved;
use crate::source::show;

impl Server<'_> {
    /// Checks the folders that changed and publishes the findings.
    pub(super) fn settle(&mut self) {
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
        if std::mem::take(&mut self.unpublished) {
            self.publish();
        }
    }

    fn check(&mut self, at: usize, unsaved: &Rc<Unsaved>) {
        self.unpublished = true;
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
        folder.unread = unsaved.unasked();
        folder.edits.clear();
        folder.marks = published.marks;
        let before = std::mem::take(&mut folder.said);
        folder.said = published.words.iter().map(|words| words.text.clone()).collect();
        let shown = show::line(&path.to_string_lossy());
        for words in published.words.iter().filter(|words| !before.contains(&words.text)) {
            let text = format!("{shown}: {}", show::block(&words.text));
            // A workspace may well contain no deployment, and nobody should have to dismiss a
            // message about that.
            match words.note || empty {
                true => self.say("window/logMessage", Urgency::Info, &text),
                false => self.say("window/showMessage", Urgency::Warning, &text),
            }
        }
    }

    /// Sends the client the diagnostics that it does not have yet.
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
            let key = |one: &Diagnostic| (one.range.start, one.range.end, json!(one).to_string());
            diagnostics.sort_by_cached_key(key);
            // One folder may be inside another, so both may contain a diagnostic.
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
}
