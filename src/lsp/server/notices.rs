//! The client's notifications: texts that it opens, changes and closes, and files and folders that
//! change.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::protocol::{DidChangeTextDocumentParams, DidOpenTextDocumentParams, Uri};
use serde::Deserialize;
use serde_json::Value;

use super::super::documents::{Document, real};
use super::super::folder::Folder;
use super::super::uri;
use super::{Server, Urgency, host};
use crate::config;
use crate::host::holds_git;
use crate::source::show;

impl Server<'_> {
    pub(super) fn opened(&mut self, params: Value) -> Option<()> {
        let text = DidOpenTextDocumentParams::deserialize(params).ok()?.text_document;
        // A text without a file is not deployed.
        let Some(path) = uri::path(&text.uri) else { return Some(()) };
        let real = host().map_or_else(|_| path.clone(), |host| real(&host, &path));
        if !self.folders.iter().any(|folder| folder.holds(&path) || folder.holds(&real)) {
            self.lone(&path);
        }
        self.documents.open(path.clone(), Document::new(text.uri, text.version, real, &text.text));
        self.touched(&path);
        Some(())
    }

    /// Handles a file that is in no folder: if the client named no folder at all, the repository
    /// around the file becomes one.
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
                "{} is not checked: it is in no folder of the workspace. Open the directory that \
                 contains the deployment",
                show::line(&path.to_string_lossy())
            );
            let method = if self.has_folders { "window/logMessage" } else { "window/showMessage" };
            self.say(method, Urgency::Info, &text);
        }
    }

    pub(super) fn edited(&mut self, params: Value) -> Option<()> {
        let params = DidChangeTextDocumentParams::deserialize(params).ok()?;
        let uri = &params.text_document.uri;
        let Some(path) = uri::path(uri) else { return Some(()) };
        let document = self.documents.get_mut(&path)?;
        document.change(params.text_document.version, params.content_changes, self.client.encoding);
        self.retold(&path);
        Some(())
    }

    pub(super) fn closed(&mut self, params: &Value) -> Option<()> {
        let uri = Uri(params["textDocument"]["uri"].as_str()?.to_owned());
        let Some(path) = uri::path(&uri) else { return Some(()) };
        self.touched(&path);
        self.documents.close(&path);
        Some(())
    }

    pub(super) fn saved(&mut self, params: &Value) -> Option<()> {
        let uri = Uri(params["textDocument"]["uri"].as_str()?.to_owned());
        if let Some(path) = uri::path(&uri) {
            self.touched(&path);
        }
        Some(())
    }

    pub(super) fn watched(&mut self, params: &Value) -> Option<()> {
        for change in params["changes"].as_array()? {
            // git's own files are not part of the deployment.
            let path = uri::path(&Uri(change["uri"].as_str()?.to_owned()));
            if let Some(path) = path.filter(|path| !path.iter().any(|part| part == ".git")) {
                self.touched(&path);
            }
        }
        Some(())
    }

    pub(super) fn folders_changed(&mut self, params: &Value) -> Option<()> {
        let paths = |which: &str| {
            let folders = params["event"][which].as_array().into_iter().flatten();
            let named = folders.filter_map(|folder| folder["uri"].as_str());
            named.filter_map(|text| uri::path(&Uri(text.to_owned()))).collect::<BTreeSet<_>>()
        };
        let removed = paths("removed");
        self.unpublished = true;
        self.folders.retain(|folder| !removed.contains(&folder.path));
        for path in paths("added") {
            self.has_folders = true;
            self.add(&path);
        }
        Some(())
    }

    pub(super) fn add(&mut self, path: &Path) {
        if self.folders.iter().all(|folder| folder.path != path) {
            let real = host().map_or_else(|_| path.to_path_buf(), |host| real(&host, path));
            self.folders.push(Folder::new(path.to_path_buf(), real));
        }
    }

    /// Marks the folders whose results a file's change makes out of date.
    fn touched(&mut self, path: &Path) {
        let real = self.documents.get(path).map(|document| document.real.clone());
        // The settings file may be in a directory above the folder.
        let of_all = path.file_name().is_some_and(|name| name == config::NAME);
        for folder in &mut self.folders {
            let holds = |path: &Path| folder.holds(path);
            folder.changed |= of_all || holds(path) || real.as_deref().is_some_and(holds);
        }
    }

    /// Like [`Self::touched`], for an open text that was edited. A text that no check has read
    /// affects no result: editing prose in a large repository should not cause checks of it.
    fn retold(&mut self, path: &Path) {
        let before: Vec<bool> = self.folders.iter().map(|folder| folder.changed).collect();
        self.touched(path);
        let Some(document) = self.documents.get(path) else { return };
        for (folder, before) in self.folders.iter_mut().zip(before) {
            folder.changed &= before || !folder.unread.contains(&document.real);
        }
    }
}
