//! A fix as changes on disk: for each path, the content when it was read and the content
//! afterwards. The plan creates the changes, the transaction writes them, and the history keeps
//! them so that they can be undone.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::host::{FileKind, Host, HostError, Metadata, Outcome, READ_LIMIT};

/// The present or new content of one path. Its bytes may be secret, so `Debug` shows only their
/// number.
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
    /// A directory; its entries are not part of this.
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
        /// The target, as written.
        target: PathBuf,
    },
}

impl Content {
    /// The content with this metadata and, for a file, these bytes.
    pub fn new(metadata: Metadata, bytes: Vec<u8>) -> Self {
        let Metadata { mode, uid, gid, .. } = metadata;
        match metadata.kind {
            FileKind::Directory => Self::Directory { mode, uid, gid },
            _ => Self::File { bytes, mode, uid, gid },
        }
    }

    /// The present content of a path, with links followed.
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

    /// The bytes, if it is a file.
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
/// The path is absolute, as the deployment sees it (under `--root DIR` without DIR), with links
/// resolved: if a file was reached through a link, this is the link's target, so that the link
/// stays. For files given on the command line, the path is as the user wrote it, with links
/// resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The path.
    pub path: PathBuf,
    /// The content when it was read. If anything else is found when writing, all changes are
    /// refused.
    pub before: Content,
    /// The new content.
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
