//! The only access to the outside world.
//!
//! Everything that the program learns from a machine, a file tree or a repository comes through the
//! [`Host`] trait, so that a live host, an image under `--root` and a capture are read by the same
//! code. No code here depends on the meaning of the bytes.

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
pub mod view;
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
pub use view::{View, ViewHost};

/// The largest file that is read unless the caller says otherwise, in bytes.
pub const READ_LIMIT: u64 = 64 << 20;
/// The most names that one directory listing returns; more is an error and not silently cut off.
pub const LIST_LIMIT: usize = 100_000;
/// The most symbolic links that one path may cross, as in Linux (`path_resolution(7)`).
pub const LINK_LIMIT: usize = 40;

/// The kind of file that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link (only reported if links are not followed).
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
    /// Its kind.
    pub kind: FileKind,
    /// The permission bits, `0o7777` at most.
    pub mode: u32,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// The size in bytes.
    pub size: u64,
    /// The last change of the content, in seconds since 1970.
    pub mtime: i64,
    /// The rest of that time, in nanoseconds.
    #[serde(skip)]
    pub mtime_nanos: u32,
}

/// How much space is free in a file system, for everybody but root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Room {
    /// Its size in bytes.
    pub size: u64,
    /// The free bytes.
    pub left: u64,
    /// The total number of inodes; 0 if there is no limit.
    pub files: u64,
    /// The free inodes.
    pub files_left: u64,
    /// Whether nothing can be written there, however much space is free.
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
    /// The path of the link.
    pub link: PathBuf,
    /// The target of the link, as written.
    pub target: PathBuf,
}

/// A directory that must be searchable for the path to be reached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// The directory, with its links resolved.
    pub path: PathBuf,
    /// Its mode and owner.
    pub metadata: Metadata,
}

/// How the walk along a path ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Something exists at the end.
    Present(Metadata),
    /// Nothing exists there.
    Missing {
        /// The first missing component, with the links before it resolved.
        at: PathBuf,
    },
    /// Not known, with the reason.
    Failed(HostError),
}

/// The result of walking a path to its end: where it leads, and through what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The requested path.
    pub path: PathBuf,
    /// The path with its links resolved, as far as it could be followed.
    pub resolved: PathBuf,
    /// The links that were crossed, in order.
    pub links: Vec<LinkHop>,
    /// The directories that were crossed, from `/` on, without the last component.
    pub steps: Vec<Step>,
    /// How the walk ended.
    pub outcome: Outcome,
}

impl Lookup {
    /// A path at which nothing was looked at, and why.
    pub fn refused(path: &Path, error: HostError) -> Self {
        Self {
            path: path.into(),
            resolved: path.into(),
            links: Vec::new(),
            steps: Vec::new(),
            outcome: Outcome::Failed(error),
        }
    }

    /// The metadata, if something exists there.
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
    /// The permission to read it is missing.
    PermissionDenied,
    /// A component of the path is not a directory.
    NotADirectory,
    /// Something other than a regular file where a regular file is needed: a directory, a fifo, a
    /// device.
    NotAFile(FileKind),
    /// More than [`LINK_LIMIT`] links.
    LinkLoop,
    /// Larger than the limit, both in bytes.
    TooLarge {
        /// Its size.
        size: u64,
        /// The most bytes that are read.
        limit: u64,
    },
    /// More than [`LIST_LIMIT`] names in one directory, or matches of one pattern.
    TooMany,
    /// Only the files named on the command line are read, and this file is not among them.
    NotGiven,
    /// It is on a file system that the machine mounts there, and which is not in this tree.
    NotMounted,
    /// A service sees something else at the path than the machine does, and why.
    NotSeen(String),
    /// A capture is replayed, and it does not contain the answer to this question.
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
            Self::NotSeen(why) => f.write_str(why),
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
    /// The host that this one stands in front of, which answers all that this one does not: `None`
    /// if there is none, or if it must not be asked.
    fn wraps(&self) -> Option<&dyn Host> {
        None
    }

    /// Walks a path to its end, following links the way the deployment would.
    fn look(&self, path: &Path) -> Lookup;

    /// The metadata of the path itself: if the last component is a link, of the link.
    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError>;

    /// A regular file's bytes. Anything other than a regular file, and any file larger than `limit`
    /// bytes, is an error; a fifo or a device is never opened for reading.
    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError>;

    /// The target of a symbolic link, as written.
    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError>;

    /// The names in a directory in byte order, without `.` and `..`.
    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError>;

    /// The targets of the symbolic links in a directory, as written, in no particular order. What
    /// is not a link, or is removed in the meantime, is left out. More than `limit` names are an
    /// error.
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
    fn run(&self, command: &Command) -> Result<Output, RunError> {
        self.wraps().map_or(Err(RunError::NotHere), |base| base.run(command))
    }

    /// Imports the application's code, as its user. Only the live host does so.
    fn import(&self, import: &Import) -> Result<Output, RunError> {
        self.wraps().map_or(Err(RunError::NotHere), |base| base.import(import))
    }

    /// The listening unix sockets, by their number in `/proc/net/unix`: whether each is bound to
    /// the very file that is at this path now, `None` if that is not known. The kernel shows the
    /// sockets of one network namespace at a time: this program's own, and those of the given
    /// processes. Only the live host can answer this.
    fn bound(&self, path: &Path, networks: &[u32]) -> Result<Vec<(u64, Option<bool>)>, HostError> {
        match self.wraps() {
            Some(base) => base.bound(path, networks),
            None => Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven }),
        }
    }

    /// The current time in seconds since 1970, for things on a whole machine that expire.
    fn now(&self) -> Option<i64> {
        self.wraps()?.now()
    }

    /// How much space is free in the file system of a path. Only the live host can answer this.
    fn room(&self, path: &Path) -> Result<Room, HostError> {
        match self.wraps() {
            Some(base) => base.room(path),
            None => Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven }),
        }
    }

    /// The programs and servers that were asked so far, in order, and how long each answer took.
    fn asked(&self) -> Vec<(&'static str, Duration)> {
        self.wraps().map_or(Vec::new(), |base| base.asked())
    }

    /// Makes a request over HTTP. Only the live host does so.
    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        self.wraps().map_or(Err(HttpError::NotHere), |base| base.http(request))
    }

    /// The paths that match a shell pattern as `glob(3)` finds them: sorted; `*` and `?` do not
    /// match a leading dot or `/`; braces are literal; a dangling link matches too. A pattern
    /// without `*`, `?` or `[` matches itself if it exists.
    fn glob(&self, pattern: &Path) -> Result<Vec<PathBuf>, HostError> {
        glob::glob(self, pattern)
    }
}

/// Whether a directory is the top of a git work tree.
pub fn holds_git(host: &dyn Host, directory: &Path) -> bool {
    host.look(&directory.join(".git")).metadata().is_some()
}

/// Removes `.`, `..` and doubled slashes from an absolute path, by its text alone.
pub fn tidy(path: &Path) -> PathBuf {
    if is_tidy(path.as_os_str().as_encoded_bytes()) {
        return path.to_owned();
    }
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

/// Whether there is surely nothing to remove, which most paths show by what is behind their slashes.
fn is_tidy(path: &[u8]) -> bool {
    let removed = |rest: &[u8]| matches!(rest, [] | [b'/', ..] | [b'.'] | [b'.', b'.' | b'/', ..]);
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    path.first() != Some(&b'.')
        && slashes.into_iter().all(|(at, _)| !removed(path.get(at + 1..).unwrap_or_default()))
}
