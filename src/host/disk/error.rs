//! Why a step of a repair failed.

use std::fmt;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a step did not happen. It never contains a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// The path as the deployment sees it.
    pub path: PathBuf,
    /// What the step tried to do.
    pub doing: &'static str,
    /// What went wrong.
    pub kind: DiskErrorKind,
}

/// The kinds of [`DiskError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// No such file or directory.
    NotFound,
    /// The name is already taken.
    Exists,
    /// The permission is missing (EACCES, EPERM).
    PermissionDenied,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file system, or the user's share of it, is full.
    Full,
    /// A link is in a place where links are not followed.
    Link,
    /// A component of the path is not a directory.
    NotADirectory,
    /// The directory is not empty.
    NotEmpty,
    /// The file system does not support this.
    Unsupported,
    /// The name now belongs to another inode.
    Replaced,
    /// Larger than the limit for reading.
    TooLarge,
    /// Another process has the lock.
    Locked {
        /// The process, according to the lock file.
        holder: String,
    },
    /// Any other error, in the operating system's words.
    Other(String),
}

impl DiskErrorKind {
    /// The kind of an error of the kernel.
    pub fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::NOENT => Self::NotFound,
            Errno::EXIST => Self::Exists,
            Errno::ACCESS | Errno::PERM => Self::PermissionDenied,
            Errno::ROFS => Self::ReadOnly,
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            Errno::LOOP => Self::Link,
            Errno::NOTDIR => Self::NotADirectory,
            Errno::NOTEMPTY => Self::NotEmpty,
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOTTY => Self::Unsupported,
            other => Self::Other(std::io::Error::from(other).to_string()),
        }
    }
}

impl fmt::Display for DiskErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such file or directory",
            Self::Exists => "something with this name exists already",
            Self::PermissionDenied => "permission denied",
            Self::ReadOnly => "the file system is mounted read-only",
            Self::Full => "no space left on the device",
            Self::Link => "there is a link in the path, and links are not followed when writing",
            Self::NotADirectory => "not a directory",
            Self::NotEmpty => "the directory is not empty",
            Self::Unsupported => "the file system does not support this",
            Self::Replaced => "was replaced in the meantime",
            Self::TooLarge => "too large",
            Self::Locked { holder } => return write!(f, "locked by {holder}"),
            Self::Other(text) => text,
        })
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: cannot {}: {}", self.path.display(), self.doing, self.kind)
    }
}

impl std::error::Error for DiskError {}
