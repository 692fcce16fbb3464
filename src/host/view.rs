//! A machine as a service sees it, whose unit mounts other files over some of its paths.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Host, HostError, HostErrorKind, Lookup, Metadata, Room};

/// What a service sees of the machine's paths. The deepest entry around a path decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// Why what is at a path, and below it, is not the machine's; `None` where it is.
    mounts: Vec<(PathBuf, Option<String>)>,
}

impl View {
    /// Takes in a mount: a path that starts with `/`, and why the machine's files are not seen there.
    pub fn mount(&mut self, at: PathBuf, why: Option<String>) {
        self.mounts.push((at, why));
    }

    /// Why it is not known what is at a path; `None` if it is what the machine has there.
    pub fn hides(&self, path: &Path) -> Option<&str> {
        let around = self.mounts.iter().filter(|(at, _)| path.starts_with(at));
        // Of two mounts at one path the later one is seen.
        around.max_by_key(|(at, _)| at.components().count())?.1.as_deref()
    }

    /// Is every path the machine's own?
    pub fn is_whole(&self) -> bool {
        self.mounts.iter().all(|(_, why)| why.is_none())
    }
}

/// A host through the eyes of one service at a time, or of none.
pub struct ViewHost<'h> {
    base: &'h dyn Host,
    view: RefCell<Option<Rc<View>>>,
}

impl<'h> ViewHost<'h> {
    /// As the machine itself sees it.
    pub fn new(base: &'h dyn Host) -> Self {
        Self { base, view: RefCell::default() }
    }

    /// The machine.
    pub fn base(&self) -> &'h dyn Host {
        self.base
    }

    /// Sees it as a service does from now on. Returns the view before.
    pub fn change(&self, view: Option<Rc<View>>) -> Option<Rc<View>> {
        self.view.replace(view.filter(|view| !view.is_whole()))
    }

    /// The error for a path that is not seen, nor one that a link on the way leads to.
    pub fn check(&self, path: &Path) -> Result<(), HostError> {
        let view = self.view.borrow();
        let Some(view) = view.as_ref() else { return Ok(()) };
        let hidden = |at: &Path| view.hides(at).map(str::to_owned);
        let why = hidden(path).or_else(|| {
            let lookup = self.base.look(path);
            let links = lookup.links.iter().map(|hop| hop.link.as_path());
            links.chain([lookup.resolved.as_path()]).find_map(hidden)
        });
        match why {
            Some(why) => Err(HostError { path: path.into(), kind: HostErrorKind::NotSeen(why) }),
            None => Ok(()),
        }
    }
}

impl Host for ViewHost<'_> {
    fn wraps(&self) -> Option<&dyn Host> {
        Some(self.base)
    }

    fn look(&self, path: &Path) -> Lookup {
        match self.check(path) {
            Ok(()) => self.base.look(path),
            Err(error) => Lookup::refused(path, error),
        }
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        self.check(path)?;
        self.base.link_metadata(path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.check(path)?;
        self.base.read(path, limit)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.check(path)?;
        self.base.read_link(path)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        self.check(path)?;
        self.base.list(path)
    }

    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        self.check(path)?;
        self.base.link_targets(path, limit)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.check(path)?;
        self.base.read_tail(path, limit)
    }

    fn room(&self, path: &Path) -> Result<Room, HostError> {
        self.check(path)?;
        self.base.room(path)
    }
}
