//! The only access to the outside world.
//!
//! Everything that the program learns from a machine, a file tree or a repository comes through the
//! [`Host`] trait, so that a live host, an image under `--root` and a capture are read by the same
//! code. Nothing here knows what the bytes mean.

pub mod act;
mod ahead;
mod base;
mod bound;
pub mod disk;
pub mod files;
mod git_index;
mod glob;
pub mod http;
pub mod memory;
pub mod net;
pub mod overlay;
mod record;
pub mod recording;
mod relinked;
mod replay;
pub mod run;
pub mod tree;
mod unmounted;
pub mod unsaved;
pub mod walk;
pub mod write;

use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

pub use files::FilesHost;
pub use http::{HttpAnswer, HttpError, HttpRequest, HttpTarget};
pub use memory::MemoryHost;
pub use overlay::OverlayHost;
pub use record::RecordingHost;
pub use recording::Recording;
pub use relinked::Relinked;
pub use replay::ReplayHost;
pub use run::{Command, Import, Output, Program, RunError};
pub use tree::TreeHost;
pub use unmounted::UnmountedHost;
pub use unsaved::Unsaved;

/// The largest file that is read unless the caller says otherwise, in bytes.
pub const READ_LIMIT: u64 = 64 << 20;
/// The most names that one directory listing returns; more is an error, not a cut.
pub const LIST_LIMIT: usize = 100_000;
/// The most symbolic links one path may cross, as in Linux (`path_resolution(7)`).
pub const LINK_LIMIT: usize = 40;

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only seen where links are not followed).
    Link,
    /// A unix socket.
    Socket,
    /// A named pipe.
    Fifo,
    /// A character or block device. `/dev/null` is one.
    Device,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::File => "a file",
            FileKind::Directory => "a directory",
            FileKind::Link => "a link",
            FileKind::Socket => "a socket",
            FileKind::Fifo => "a fifo",
            FileKind::Device => "a device",
        })
    }
}

/// Mode, owner and size of one inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, seconds since 1970.
    pub mtime: i64,
    /// The rest of that time, in nanoseconds.
    #[serde(skip)]
    pub mtime_nanos: u32,
}

/// How much room is left in a file system, for everybody but root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Room {
    /// Its size in bytes.
    pub size: u64,
    /// The bytes that are left.
    pub left: u64,
    /// The files and directories that can be made at all; 0 where nothing limits them.
    pub files: u64,
    /// Those that can still be made.
    pub files_left: u64,
    /// Nothing can be written there, however much room there is.
    pub read_only: bool,
}

/// The path under which [`Host::read`] and [`Host::room`] look at what a running process sees: a
/// service may have mounts of its own (`PrivateTmp=`, `BindPaths=`, `RootDirectory=`).
pub fn seen_by(pid: u32, path: &Path) -> PathBuf {
    let inside = path.strip_prefix("/").unwrap_or(path);
    PathBuf::from(format!("/proc/{pid}/root")).join(inside)
}

/// Is this a path by [`seen_by`]?
pub fn is_seen(path: &Path) -> bool {
    seen(path).is_some()
}

/// The process's root and the path below it, of a path by [`seen_by`].
fn seen(path: &Path) -> Option<(PathBuf, &Path)> {
    let (pid, inside) = path.strip_prefix("/proc").ok()?.to_str()?.split_once('/')?;
    pid.parse::<u32>().ok()?;
    let inside = inside.strip_prefix("root/")?;
    Some((PathBuf::from(format!("/proc/{pid}/root")), Path::new(inside)))
}

/// One symbolic link that a path crossed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LinkHop {
    /// Where the link is.
    pub link: PathBuf,
    /// What it says, as written.
    pub target: PathBuf,
}

/// One directory that has to be searchable for the path to be reached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The directory, free of links.
    pub path: PathBuf,
    /// Its mode and owner.
    pub metadata: Metadata,
}

/// How the walk along a path ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something is there.
    Present(Metadata),
    /// Nothing is there; `at` is the first component that is missing, free of links before it.
    Missing {
        /// The first missing component.
        at: PathBuf,
    },
    /// Not known.
    Failed(HostError),
}

/// A path walked to its end: where it leads and through what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The path that was asked for.
    pub path: PathBuf,
    /// The path free of links; where nothing is there, as far as it could be followed.
    pub resolved: PathBuf,
    /// The links crossed, in order.
    pub links: Vec<LinkHop>,
    /// The directories crossed, from `/` on, without the last component.
    pub steps: Vec<Step>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Lookup {
    /// The metadata, where something is there.
    pub fn metadata(&self) -> Option<&Metadata> {
        match &self.outcome {
            Outcome::Present(metadata) => Some(metadata),
            _ => None,
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostError {
    /// The path as the deployment sees it.
    pub path: PathBuf,
    /// What went wrong.
    pub kind: HostErrorKind,
}

/// The kinds of [`HostError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostErrorKind {
    /// No such file or directory.
    NotFound,
    /// The right to read it is missing.
    PermissionDenied,
    /// A component of the path is not a directory.
    NotADirectory,
    /// Something other than a regular file where one is needed: a directory, a fifo, a device.
    NotAFile(FileKind),
    /// More than [`LINK_LIMIT`] links.
    LinkLoop,
    /// Larger than the limit, both in bytes.
    TooLarge {
        /// Its size.
        size: u64,
        /// What is read at most.
        limit: u64,
    },
    /// More than [`LIST_LIMIT`] names in one directory, or matches of one pattern.
    TooMany,
    /// Only the files named on the command line are read, and this is none of them.
    NotGiven,
    /// It is on a file system that the machine mounts there, and that is not in this tree.
    NotMounted,
    /// A capture is replayed, and this was not asked when it was taken.
    NotCaptured,
    /// Anything else, with the operating system's words.
    Other(String),
}

impl fmt::Display for HostErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("no such file or directory"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::NotADirectory => f.write_str("not a directory"),
            Self::NotAFile(kind) => write!(f, "is {kind}, not a file"),
            Self::LinkLoop => f.write_str("too many levels of symbolic links"),
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes, more than the {limit} that are read")
            }
            Self::TooMany => write!(f, "more than {LIST_LIMIT} names"),
            Self::NotGiven => f.write_str("not among the files given"),
            Self::NotMounted => {
                f.write_str("on a file system that is mounted there but is not part of this tree")
            }
            Self::NotCaptured => f.write_str("not in the capture"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.kind)
    }
}

impl std::error::Error for HostError {}

/// A machine, a file tree or a set of files.
///
/// Paths are absolute and as the deployment sees them (`/etc/nginx/nginx.conf` also under
/// `--root DIR`); for files named on the command line they are as the user wrote them.
pub trait Host {
    /// Walks a path to its end, following links the way the deployment would.
    fn look(&self, path: &Path) -> Lookup;

    /// The inode at the path itself, where the last component may be a link.
    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError>;

    /// A regular file's bytes. Anything else, and anything larger than `limit` bytes, is an error;
    /// a fifo or a device is never opened for reading.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError>;

    /// What a symbolic link says, as written.
    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError>;

    /// The names in a directory in byte order, without `.` and `..`.
    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError>;

    /// What the symbolic links in a directory say, as written, in no order; what is not a link, or
    /// is gone in the meantime, is left out. More than `limit` names are an error.
    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        let names = self.list(path)?;
        if names.len() > limit {
            return Err(HostError { path: path.into(), kind: HostErrorKind::TooMany });
        }
        Ok(names.iter().filter_map(|name| self.read_link(&path.join(name)).ok()).collect())
    }

    /// The last `limit` bytes of a regular file.
    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let mut bytes = self.read(path, READ_LIMIT)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(bytes.split_off(bytes.len().saturating_sub(limit)))
    }

    /// Runs a command. Only the live host runs anything.
    fn run(&self, _command: &Command) -> Result<Output, RunError> {
        Err(RunError::NotHere)
    }

    /// Imports the application's code, as its user. Only the live host does.
    fn import(&self, _import: &Import) -> Result<Output, RunError> {
        Err(RunError::NotHere)
    }

    /// The unix sockets that listen, by the number that `/proc/net/unix` has for each: is it bound
    /// to the very file that is at this path now? None if that is not known. Only the live host
    /// knows.
    fn bound(&self, path: &Path) -> Result<Vec<(u64, Option<bool>)>, HostError> {
        Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven })
    }

    /// What time it is, in seconds since 1970: for what a whole machine holds that ends on a day.
    fn now(&self) -> Option<i64> {
        None
    }

    /// How much room is left where a path is. Only the live host has any.
    fn room(&self, path: &Path) -> Result<Room, HostError> {
        Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven })
    }

    /// What others were asked so far, programs and servers, in order, and how long each answer
    /// took.
    fn asked(&self) -> Vec<(&'static str, Duration)> {
        Vec::new()
    }

    /// Makes a request over HTTP. Only the live host does.
    fn http(&self, _request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        Err(HttpError::NotHere)
    }

    /// The paths that match a shell pattern as `glob(3)` finds them: sorted, `*` and `?` do not
    /// match a leading dot or `/`, braces are literal, a link to nothing matches too.
    /// A pattern without `*`, `?` or `[` matches itself where it exists.
    fn glob(&self, pattern: &Path) -> Result<Vec<PathBuf>, HostError> {
        glob::glob(self, pattern)
    }
}

/// Is a directory the top of a git work tree?
pub fn holds_git(host: &dyn Host, directory: &Path) -> bool {
    host.look(&directory.join(".git")).metadata().is_some()
}

/// Takes `.`, `..` and doubled slashes out of an absolute path by its text alone.
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidied = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                if tidied.file_name().is_some() {
                    tidied.pop();
                } else if !tidied.is_absolute() {
                    tidied.push("..");
                }
            }
            Component::CurDir => {}
            other => tidied.push(other),
        }
    }
    tidied
}
