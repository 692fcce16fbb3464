//! A tree without the file systems that its machine mounts into it: the content of such a mount
//! point is not known, although the directory looks empty.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::base::Base;
use super::{Host, HostError, HostErrorKind, Lookup, Metadata, Outcome};

/// A host on which some directories are mount points without anything mounted.
pub struct UnmountedHost<'h> {
    base: Base<'h>,
    points: Vec<PathBuf>,
}

impl<'h> UnmountedHost<'h> {
    /// The host without what is mounted at these points, which are absolute and contain no links.
    pub fn over(base: Box<dyn Host + 'h>, points: Vec<PathBuf>) -> Self {
        Self { base: Base::Own(base), points }
    }

    /// Like [`Self::over`], for a borrowed host.
    pub fn new(base: &'h dyn Host, points: Vec<PathBuf>) -> Self {
        Self { base: Base::Lent(base), points }
    }

    /// Whether a path without links is on one of the missing file systems.
    fn lacks(&self, path: &Path) -> bool {
        self.points.iter().any(|point| path.starts_with(point))
    }

    /// A missing file may be on a file system that is not mounted.
    fn told<T>(&self, path: &Path, found: Result<T, HostError>) -> Result<T, HostError> {
        found.map_err(|error| match self.look(path).outcome {
            Outcome::Failed(why)
                if error.kind == HostErrorKind::NotFound
                    && why.kind == HostErrorKind::NotMounted =>
            {
                why
            }
            _ => error,
        })
    }
}

impl Host for UnmountedHost<'_> {
    fn wraps(&self) -> Option<&dyn Host> {
        Some(&*self.base)
    }

    fn look(&self, path: &Path) -> Lookup {
        let mut lookup = self.base.look(path);
        // The directories on the way to a mount point may be missing too.
        if matches!(lookup.outcome, Outcome::Missing { .. }) && self.lacks(&lookup.resolved) {
            let kind = HostErrorKind::NotMounted;
            lookup.outcome = Outcome::Failed(HostError { path: path.into(), kind });
        }
        lookup
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        self.told(path, self.base.link_metadata(path))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.told(path, self.base.read(path, limit))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.told(path, self.base.read_link(path))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let names = self.told(path, self.base.list(path))?;
        // The mount point itself exists, and is empty.
        if names.is_empty() && self.lacks(&self.base.look(path).resolved) {
            return Err(HostError { path: path.into(), kind: HostErrorKind::NotMounted });
        }
        Ok(names)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        self.told(path, self.base.read_tail(path, limit))
    }

    // Does not use `list`: the tree reads the descriptors of a process in one step.
    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        self.told(path, self.base.link_targets(path, limit))
    }
}
