//! One folder of the workspace, with the results of its last check.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::protocol::{Diagnostic, Uri, WorkspaceEdit};

use super::Wanted;
use crate::rule::{Rule, Safety};

/// A diagnostic and the finding behind it.
#[derive(Clone)]
pub(super) struct Mark {
    /// The file in which it is shown.
    pub uri: Uri,
    /// The path of that file, with links resolved.
    pub real: PathBuf,
    /// The diagnostic as published.
    pub diagnostic: Diagnostic,
    /// The rule that found it; `None` if it is about something that could not be read.
    pub rule: Option<&'static Rule>,
    /// The fix that would remove it, if that is a change of text.
    pub offer: Option<Offer>,
    /// Whether the check reads comments in this file.
    pub holds_comments: bool,
}

/// A fix that an editor can make.
#[derive(Clone)]
pub(super) struct Offer {
    /// Identifies the fix.
    pub wanted: Wanted,
    /// What it does.
    pub title: String,
    /// How it may be applied.
    pub safety: Safety,
    /// The files that it changes, with links resolved.
    pub files: Vec<PathBuf>,
}

/// A folder and the results of its last check.
pub(super) struct Folder {
    /// Its path, under the client's name for it.
    pub path: PathBuf,
    /// The path with links resolved.
    pub real: PathBuf,
    /// Whether it must be checked again.
    pub changed: bool,
    /// The open texts that the last check did not read, by their paths with links resolved.
    pub unread: BTreeSet<PathBuf>,
    /// The diagnostics of the last check.
    pub marks: Vec<Mark>,
    /// The messages that were shown about the folder.
    pub said: BTreeSet<String>,
    /// Edits that were computed since the last check.
    pub edits: HashMap<Wanted, Result<WorkspaceEdit, String>>,
}

impl Folder {
    /// A folder that was not checked yet.
    pub fn new(path: PathBuf, real: PathBuf) -> Self {
        Self {
            path,
            real,
            changed: true,
            unread: BTreeSet::new(),
            marks: Vec::new(),
            said: BTreeSet::new(),
            edits: HashMap::new(),
        }
    }

    /// Whether this path is in the folder.
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.path) || path.starts_with(&self.real)
    }
}
