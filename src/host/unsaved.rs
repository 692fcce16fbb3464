//! The unsaved texts of an editor, which are read instead of the files on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::overlay::{Asked, Entry};
use super::{FileKind, Host, Metadata, Outcome, OverlayHost};

/// The texts, by the paths of their files, which are absolute and contain no links.
#[derive(Clone, Default)]
pub struct Unsaved {
    texts: BTreeMap<PathBuf, Arc<[u8]>>,
    asked: Asked,
}

/// Does not show the texts, which may contain secrets.
impl fmt::Debug for Unsaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unsaved({} files)", self.texts.len())
    }
}

impl Unsaved {
    /// Makes this text the content of this path from now on.
    pub fn put(&mut self, path: impl Into<PathBuf>, text: impl Into<Arc<[u8]>>) {
        self.texts.insert(path.into(), text.into());
    }

    /// The host with these texts in place of its own files. What the host hides, and what is not a
    /// regular file, stays as it is.
    pub fn over<'h>(&self, base: Box<dyn Host + 'h>) -> OverlayHost<'h> {
        let entries: Vec<(PathBuf, Entry)> = self
            .texts
            .iter()
            .filter_map(|(path, text)| {
                let metadata = match base.look(path).outcome {
                    Outcome::Present(found) if found.kind == FileKind::File => found,
                    Outcome::Missing { .. } => new_file(),
                    Outcome::Present(_) | Outcome::Failed(_) => return None,
                };
                let metadata = Metadata { size: text.len() as u64, ..metadata };
                Some((path.clone(), Entry { metadata, bytes: Arc::clone(text) }))
            })
            .collect();
        let mut overlay = OverlayHost::over(base);
        overlay.note(Rc::clone(&self.asked));
        for (path, entry) in entries {
            overlay.put(path, entry);
        }
        overlay
    }

    /// The texts that were not read so far, so that no result depends on them.
    pub fn unasked(&self) -> BTreeSet<PathBuf> {
        let asked = self.asked.borrow();
        self.texts.keys().filter(|path| !asked.contains(*path)).cloned().collect()
    }

    /// The files below a directory that were never written, relative to it.
    pub fn new_files(&self, host: &dyn Host, directory: &Path) -> Vec<PathBuf> {
        let top = host.look(directory).resolved;
        let is_new = |path: &Path| matches!(host.look(path).outcome, Outcome::Missing { .. });
        let below = self.texts.keys().filter(|path| path.starts_with(&top) && is_new(path));
        below.filter_map(|path| path.strip_prefix(&top).ok()).map(Path::to_path_buf).collect()
    }
}

/// The metadata of a file that its writer is yet to create.
fn new_file() -> Metadata {
    Metadata {
        kind: FileKind::File,
        mode: 0o644,
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        size: 0,
        mtime: 0,
        mtime_nanos: 0,
    }
}
