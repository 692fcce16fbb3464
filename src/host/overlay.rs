//! A host as it would be after changes that are not written yet. A plan is checked on such a host
//! before anything is touched.
//!
//! What is running (processes, sockets, commands) would not change with the files, so they are not
//! visible here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::base::Base;
use super::{
    FileKind, Host, HostError, HostErrorKind, LinkHop, Lookup, Metadata, Outcome, Step, tidy,
};

/// What the overlay has at a path in place of the host's own.
#[derive(Clone)]
pub struct Entry {
    /// Its kind (a file or a directory), mode and owner.
    pub metadata: Metadata,
    /// A file's bytes.
    pub bytes: Arc<[u8]>,
}

/// Does not show the bytes, which may contain secrets.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({:?}, {} bytes)", self.metadata, self.bytes.len())
    }
}

/// A host with some paths changed. The paths are absolute and contain no links.
pub struct OverlayHost<'h> {
    base: Base<'h>,
    entries: BTreeMap<PathBuf, Entry>,
    /// The names of the entries in each directory, so that a listing examines only its own entries.
    names: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// The entries that were read, if that is to be recorded.
    asked: Option<Asked>,
}

/// Paths that were read.
pub type Asked = Rc<RefCell<BTreeSet<PathBuf>>>;

impl<'h> OverlayHost<'h> {
    /// The host as it is, but without what is running.
    pub fn new(base: &'h dyn Host) -> Self {
        Self::on(Base::Lent(base))
    }

    /// Like [`Self::new`], for a host that the overlay owns.
    pub fn over(base: Box<dyn Host + 'h>) -> Self {
        Self::on(Base::Own(base))
    }

    fn on(base: Base<'h>) -> Self {
        Self { base, entries: BTreeMap::new(), names: BTreeMap::new(), asked: None }
    }

    /// Changes one path.
    pub fn put(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        let path = path.into();
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            self.names.entry(directory.into()).or_default().insert(name.into());
        }
        self.entries.insert(path, entry);
    }

    /// Records which of the changed paths are read.
    pub fn note(&mut self, asked: Asked) {
        self.asked = Some(asked);
    }

    /// The entry at a path without links, if it was changed; records that it was read.
    fn changed(&self, path: &Path) -> Option<&Entry> {
        let entry = self.entries.get(path)?;
        if let Some(asked) = &self.asked {
            asked.borrow_mut().insert(path.into());
        }
        Some(entry)
    }

    /// The entry at a path, if it was changed.
    pub fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The path with its links resolved, even if its end does not exist.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let lookup = self.base.look(path);
        let Outcome::Missing { at } = lookup.outcome else { return lookup.resolved };
        match (path.parent(), path.file_name()) {
            (Some(parent), Some(name))
                if matches!(self.base.look(parent).outcome, Outcome::Missing { .. }) =>
            {
                self.resolve(parent).join(name)
            }
            _ => at,
        }
    }

    fn lives(path: &Path) -> bool {
        tidy(path).starts_with("/proc")
    }

    fn missing(path: &Path) -> HostError {
        HostError { path: path.into(), kind: HostErrorKind::NotFound }
    }

    /// The lookup of a path that exists only because of the changes.
    fn look_at_new(&self, path: &Path, base: Lookup) -> Lookup {
        let resolved = self.resolve(path);
        let Some(entry) = self.changed(&resolved) else { return base };
        let mut steps = Vec::new();
        if let Some(parent) = resolved.parent() {
            let around = self.look(parent);
            steps.extend(around.steps);
            if let Outcome::Present(metadata) = around.outcome {
                steps.push(Step { path: parent.into(), metadata });
            }
        }
        let links: Vec<LinkHop> = base.links;
        Lookup {
            path: path.into(),
            resolved,
            links,
            steps,
            outcome: Outcome::Present(entry.metadata),
        }
    }
}

impl Host for OverlayHost<'_> {
    fn look(&self, path: &Path) -> Lookup {
        if Self::lives(path) {
            return Lookup {
                path: path.into(),
                resolved: path.into(),
                links: Vec::new(),
                steps: Vec::new(),
                outcome: Outcome::Missing { at: "/proc".into() },
            };
        }
        let mut lookup = self.base.look(path);
        if self.entries.is_empty() {
            return lookup;
        }
        for step in &mut lookup.steps {
            if let Some(entry) = self.entries.get(&step.path) {
                step.metadata = entry.metadata;
            }
        }
        match lookup.outcome {
            Outcome::Present(_) => {
                if let Some(entry) = self.changed(&lookup.resolved) {
                    lookup.outcome = Outcome::Present(entry.metadata);
                }
                lookup
            }
            Outcome::Missing { .. } => self.look_at_new(path, lookup),
            Outcome::Failed(_) => lookup,
        }
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        if Self::lives(path) {
            return Err(Self::missing(path));
        }
        let found = self.base.link_metadata(path);
        if matches!(&found, Ok(metadata) if metadata.kind == FileKind::Link) {
            return found;
        }
        match self.changed(&self.resolve(path)) {
            Some(entry) => Ok(entry.metadata),
            None => found,
        }
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        if Self::lives(path) {
            return Err(Self::missing(path));
        }
        if !self.entries.is_empty()
            && let Some(entry) = self.changed(&self.resolve(path))
        {
            let size = entry.bytes.len() as u64;
            return match entry.metadata.kind {
                FileKind::File if size > limit => {
                    let kind = HostErrorKind::TooLarge { size, limit };
                    Err(HostError { path: path.into(), kind })
                }
                FileKind::File => Ok(entry.bytes.to_vec()),
                kind => Err(HostError { path: path.into(), kind: HostErrorKind::NotAFile(kind) }),
            };
        }
        self.base.read(path, limit)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.base.read_link(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        if Self::lives(path) {
            return Err(Self::missing(path));
        }
        if self.entries.is_empty() {
            return self.base.list(path);
        }
        let directory = self.resolve(path);
        let mut names = match self.base.list(path) {
            Ok(names) => names,
            Err(_) if self.entries.contains_key(&directory) => Vec::new(),
            Err(error) => return Err(error),
        };
        names.extend(self.names.get(&directory).into_iter().flatten().cloned());
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        if Self::lives(path) {
            return Err(Self::missing(path));
        }
        self.base.read_tail(path, limit)
    }
}
