//! Where a repository is, so that a finding stays the same wherever the repository was cloned and
//! whatever its directory is called.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::host::tidy;

/// The directory that files are named from. The default names them as they were given.
#[derive(Debug, Clone, Default)]
pub struct Anchor {
    working: PathBuf,
    top: PathBuf,
}

impl Anchor {
    /// Files below `top` are named from there. Both are absolute; `working` is where the relative
    /// paths start that were given.
    pub fn new(working: PathBuf, top: PathBuf) -> Self {
        Self { working, top }
    }

    /// The file's name from the top on; as it was given where it is elsewhere.
    pub(super) fn name<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        if self.top.as_os_str().is_empty() {
            return Cow::Borrowed(path);
        }
        match tidy(&self.working.join(path)).strip_prefix(&self.top) {
            Ok(below) => Cow::Owned(below.to_path_buf()),
            Err(_) => Cow::Borrowed(path),
        }
    }

    /// The same for an application's name, which is its unit's path where several have one name.
    pub(super) fn app<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match name.contains('/') {
            true => Cow::Owned(self.name(Path::new(name)).to_string_lossy().into_owned()),
            false => Cow::Borrowed(name),
        }
    }
}
