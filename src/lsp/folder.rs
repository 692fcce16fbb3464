//! One folder of the workspace: what its last check found.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use gen_lsp_types::{Diagnostic, Uri, WorkspaceEdit};

use super::Wanted;
use crate::rule::{Rule, Safety};

/// A diagnostic with what is behind it.
#[derive(Clone)]
pub(super) struct Mark {
    /// The file that it is shown in.
    pub uri: Uri,
    /// The same free of links.
    pub real: PathBuf,
    /// As it is published.
    pub diagnostic: Diagnostic,
    /// The rule that found it; `None` if it is about what could not be read.
    pub rule: Option<&'static Rule>,
    /// What would remove it as a change of text.
    pub offer: Option<Offer>,
    /// Is a comment in this line's file read by the check?
    pub holds_comments: bool,
}

/// A fix that an editor can make.
#[derive(Clone)]
pub(super) struct Offer {
    /// Which it is.
    pub wanted: Wanted,
    /// What it does.
    pub title: String,
    /// How it may be applied.
    pub safety: Safety,
    /// The files that it changes, free of links.
    pub files: Vec<PathBuf>,
}

/// What the last check of a folder came to.
pub(super) struct Folder {
    /// Its path as the client names it.
    pub path: PathBuf,
    /// The same free of links.
    pub real: PathBuf,
    /// Is it to be checked again?
    pub changed: bool,
    /// The open texts that the last check did not ask for, by their paths free of links.
    pub unread: BTreeSet<PathBuf>,
    /// What was found.
    pub marks: Vec<Mark>,
    /// What was said about it besides that.
    pub said: BTreeSet<String>,
    /// Edits that were worked out since then.
    pub edits: HashMap<Wanted, Result<WorkspaceEdit, String>>,
}

impl Folder {
    /// One that was not checked yet.
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

    /// Does it hold this path?
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.path) || path.starts_with(&self.real)
    }
}
