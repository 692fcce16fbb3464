//! Translates the paths of a check into the names that the client uses for the same files.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::protocol::Uri;

use super::documents::{Documents, real};
use super::uri;
use crate::host::{FileKind, Host, TreeHost, tidy};

/// A file under the client's name for it.
#[derive(Debug, Clone)]
pub(super) struct Named {
    /// Its URI: the one under which it is open, if it is open.
    pub uri: Uri,
    /// Its path with links resolved.
    pub real: PathBuf,
    /// Whether there is such a file, on the disk or in the editor.
    pub is_file: bool,
}

/// The files of one folder, each looked up once.
pub(super) struct Names<'a> {
    folder: &'a Path,
    host: TreeHost,
    open: HashMap<&'a Path, &'a Uri>,
    known: RefCell<HashMap<PathBuf, Named>>,
}

impl<'a> Names<'a> {
    /// The names for a folder, given under the client's name for it.
    pub fn new(folder: &'a Path, host: TreeHost, documents: &'a Documents) -> Self {
        let open = documents.all().map(|one| (one.real.as_path(), &one.uri)).collect();
        Self { folder, host, open, known: RefCell::default() }
    }

    /// The name of a path that is relative to the folder.
    pub fn of(&self, path: &Path) -> Named {
        if let Some(known) = self.known.borrow().get(path) {
            return known.clone();
        }
        let named = self.look(path);
        self.known.borrow_mut().insert(path.into(), named.clone());
        named
    }

    fn look(&self, path: &Path) -> Named {
        let whole = tidy(&self.folder.join(path));
        let found = self.host.look(&whole).metadata().map(|found| found.kind);
        let real = real(&self.host, &whole);
        match self.open.get(real.as_path()) {
            Some(uri) => Named { uri: (*uri).clone(), real, is_file: true },
            None => {
                // A file is named through the folder, as the client does, whatever links lead to
                // it.
                let top = self.host.look(self.folder).resolved;
                let below = whole.strip_prefix(&top).map(|below| self.folder.join(below));
                let uri = uri::of(below.as_deref().unwrap_or(&whole));
                Named { uri, real, is_file: found == Some(FileKind::File) }
            }
        }
    }
}
