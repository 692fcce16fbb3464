//! Names files relative to the top of their repository, so that a finding stays the same wherever
//! the repository was cloned and whatever its directory is called.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::host::tidy;

/// The directory relative to which files are named. By default, files are named as they were given.
#[derive(Debug, Clone, Default)]
pub struct Anchor {
    working: PathBuf,
    top: PathBuf,
}

impl Anchor {
    /// Names files below `top` relative to it. Both paths are absolute; given relative paths start
    /// at `working`.
    pub fn new(working: PathBuf, top: PathBuf) -> Self {
        Self { working, top }
    }

    /// The file's name relative to the top; as it was given if the file is elsewhere.
    pub(super) fn name<'p>(&self, path: &'p Path) -> Cow<'p, Path> {
        if self.top.as_os_str().is_empty() {
            return Cow::Borrowed(path);
        }
        match tidy(&self.working.join(path)).strip_prefix(&self.top) {
            Ok(below) => Cow::Owned(below.to_path_buf()),
            Err(_) => Cow::Borrowed(path),
        }
    }

    /// The name of an application, made relative if it is a path: of several units with one name,
    /// each is named by its path.
    pub(super) fn app<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match name.contains('/') {
            true => Cow::Owned(self.name(Path::new(name)).to_string_lossy().into_owned()),
            false => Cow::Borrowed(name),
        }
    }
}
