//! Why a step of writing failed.

use std::fmt;
use std::path::PathBuf;

use rustix::io::Errno;

/// Why a step did not happen. It never holds content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskError {
    /// The path as the deployment sees it.
    pub path: PathBuf,
    /// What was tried.
    pub doing: &'static str,
    /// What went wrong.
    pub kind: DiskErrorKind,
}

/// The kinds of [`DiskError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// No such file or directory.
    NotFound,
    /// Something has the name already.
    Exists,
    /// The right is missing (EACCES, EPERM).
    PermissionDenied,
    /// The file system is mounted read-only.
    ReadOnly,
    /// The file system, or what the user may have of it, is full.
    Full,
    /// A link is in the way, where none is followed.
    Link,
    /// A component of the path is not a directory.
    NotADirectory,
    /// The directory is not empty.
    NotEmpty,
    /// The file system does not know how to do this.
    Unsupported,
    /// The name has gone to another inode in the meantime.
    Replaced,
    /// Larger than what is read.
    TooLarge,
    /// Somebody else holds the lock.
    Locked {
        /// Who: what the lock's file says.
        holder: String,
    },
    /// Anything else, in the operating system's words.
    Other(String),
}

impl DiskErrorKind {
    /// What the kernel's error means here.
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
