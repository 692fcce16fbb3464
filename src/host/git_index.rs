//! Which files git tracks, according to its index (`gitformat-index(5)`).
//!
//! Used only for files that `.gitignore` names. Version 4 of the index (which shortens names), a
//! split index, and a work tree separate from its repository are not supported: then the files are
//! left out as `.gitignore` says, and are named in the report.

use std::fs;
use std::path::{Path, PathBuf};

/// A real index is far smaller.
const LIMIT: u64 = 256 << 20;
/// The length of the times, numbers, size, hash and flags that precede a file's name.
const BEFORE: usize = 62;

/// The index of the repository that a directory is in.
pub(super) struct Index {
    bytes: Vec<u8>,
    /// The directory's path relative to the top of the repository.
    below: PathBuf,
}

impl Index {
    pub(super) fn of(directory: &Path) -> Option<Self> {
        let full = fs::canonicalize(directory).ok()?;
        let top = full.ancestors().find(|above| above.join(".git").exists())?;
        let path = top.join(".git/index");
        let size = fs::metadata(&path).ok().filter(|found| found.is_file())?.len();
        let bytes = fs::read(&path).ok().filter(|_| size <= LIMIT)?;
        let version = bytes.get(..8)?.strip_prefix(b"DIRC")?;
        matches!(version, [0, 0, 0, 2 | 3])
            .then(|| Self { bytes, below: full.strip_prefix(top).unwrap_or(Path::new("")).into() })
    }

    /// Whether the index contains this file, named relative to the directory.
    pub(super) fn holds(&self, path: &Path) -> bool {
        let name = self.below.join(path);
        let name = name.as_os_str().as_encoded_bytes();
        memchr::memmem::find_iter(&self.bytes, name).any(|at| {
            // The length of the name is in the flags right before it; in version 3 there may be two
            // more bytes between them.
            let length = |from: usize| {
                let flags = self.bytes.get(at.checked_sub(from)?..)?.get(..2)?;
                Some(usize::from(u16::from_be_bytes([flags[0], flags[1]]) & 0x0fff))
            };
            let fits = |from| length(from) == Some(name.len().min(0x0fff));
            at >= BEFORE && self.bytes.get(at + name.len()) == Some(&0) && (fits(2) || fits(4))
        })
    }
}
