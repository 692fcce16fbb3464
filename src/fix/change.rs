//! A fix as changes on disk: for each path, the content when it was read and the content
//! afterwards. The plan makes these, the transaction writes them, and the history keeps them so
//! that they can be undone.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::host::{FileKind, Host, HostError, Metadata, Outcome, READ_LIMIT};

/// What is there, or is to be, at one path. Its bytes may be secret, so `Debug` tells their number.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// Its bytes.
        bytes: Vec<u8>,
        /// Its permission bits.
        mode: u32,
        /// The owning user's number.
        uid: u32,
        /// The owning group's number.
        gid: u32,
    },
    /// A directory; what is in it is not part of this.
    Directory {
        /// Its permission bits.
        mode: u32,
        /// The owning user's number.
        uid: u32,
        /// The owning group's number.
        gid: u32,
    },
    /// A symbolic link.
    Link {
        /// What it says, as written.
        target: PathBuf,
    },
}

impl Content {
    /// What has this metadata and, where it is a file, these bytes.
    pub fn new(metadata: Metadata, bytes: Vec<u8>) -> Self {
        let Metadata { mode, uid, gid, .. } = metadata;
        match metadata.kind {
            FileKind::Directory => Self::Directory { mode, uid, gid },
            _ => Self::File { bytes, mode, uid, gid },
        }
    }

    /// What is at a path now, where links were followed.
    pub fn read(host: &dyn Host, path: &Path) -> Result<Self, HostError> {
        match host.look(path).outcome {
            Outcome::Missing { .. } => Ok(Self::Absent),
            Outcome::Failed(error) => Err(error),
            Outcome::Present(metadata) => {
                let bytes = match metadata.kind {
                    FileKind::File => host.read(path, READ_LIMIT)?,
                    _ => Vec::new(),
                };
                Ok(Self::new(metadata, bytes))
            }
        }
    }

    /// A file's bytes.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            _ => None,
        }
    }

    /// The permission bits of a file or directory.
    pub fn mode(&self) -> Option<u32> {
        match self {
            Self::File { mode, .. } | Self::Directory { mode, .. } => Some(*mode),
            _ => None,
        }
    }
}

/// The change of one path.
///
/// The path is absolute, as the deployment sees it (under `--root DIR` without DIR), and free of
/// links: where a file was reached through a link, this names the link's target, so that the link
/// stays. For files given on the command line it is as the user wrote it, with links resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: PathBuf,
    /// What was there when it was read. Anything else found at the writing refuses the whole.
    pub before: Content,
    /// What must be there.
    pub after: Content,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::File { bytes, mode, uid, gid } => {
                write!(f, "File({} bytes, {mode:04o}, {uid}:{gid})", bytes.len())
            }
            Self::Directory { mode, uid, gid } => {
                write!(f, "Directory({mode:04o}, {uid}:{gid})")
            }
            Self::Link { target } => write!(f, "Link({})", target.display()),
        }
    }
}
