//! Which files git tracks, according to its index (`gitformat-index(5)`).
//!
//! Used only for files that `.gitignore` names. There is no answer for version 4 (which shortens
//! names), for a split index, and for a work tree separate from its repository: such files are then
//! left out as `.gitignore` says, and named.

use std::fs;
use std::path::{Path, PathBuf};

/// An index is far smaller.
const LIMIT: u64 = 256 << 20;
/// Before a name stand the times, numbers, size, hash and flags of its file.
const BEFORE: usize = 62;

/// The index of the repository that a directory is in.
pub(super) struct Index {
    bytes: Vec<u8>,
    /// The directory's path from the top of the repository.
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

    /// Does it hold this file, named from the directory?
    pub(super) fn holds(&self, path: &Path) -> bool {
        let name = self.below.join(path);
        let name = name.as_os_str().as_encoded_bytes();
        memchr::memmem::find_iter(&self.bytes, name).any(|at| {
            // Its length is in the flags right before it, and in version 3 there may be two bytes
            // more between them.
            let length = |from: usize| {
                let flags = self.bytes.get(at.checked_sub(from)?..)?.get(..2)?;
                Some(usize::from(u16::from_be_bytes([flags[0], flags[1]]) & 0x0fff))
            };
            let fits = |from| length(from) == Some(name.len().min(0x0fff));
            at >= BEFORE && self.bytes.get(at + name.len()) == Some(&0) && (fits(2) || fits(4))
        })
    }
}
