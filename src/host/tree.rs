//! A file tree read as a machine's root: this host (`/`) or a directory (`--root DIR`).
//!
//! Paths are walked component by component with directory descriptors and `O_NOFOLLOW`, so a
//! link, absolute ones too, resolves inside the tree, `..` stops at its top, and a link that is
//! swapped while it is read cannot lead outside.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{self, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{
    Command, FileKind, Host, HostError, HostErrorKind, HttpAnswer, HttpError, HttpRequest, Import,
    LINK_LIMIT, LIST_LIMIT, LinkHop, Lookup, Metadata, Outcome, Output, RunError, Step, http, run,
};

/// The most directories that are kept open, so that each is walked to only once.
const OPEN_LIMIT: usize = 256;

/// A directory of this machine seen as a root.
#[derive(Debug)]
pub struct TreeHost {
    top: Rc<Node>,
    /// Is it this machine itself, which answers requests?
    live: bool,
    /// May commands be run?
    commands: bool,
    /// Directories by their path free of links.
    directories: RefCell<HashMap<PathBuf, Rc<Node>>>,
}

/// Something that was opened to be looked at.
#[derive(Debug)]
struct Node {
    fd: OwnedFd,
    metadata: Metadata,
}

impl TreeHost {
    /// This machine's own file system. Commands are run.
    pub fn live() -> Result<Self, HostError> {
        Ok(Self { live: true, commands: true, ..Self::open(Path::new("/"))? })
    }

    /// The same, but no command is run.
    #[must_use]
    pub fn without_commands(self) -> Self {
        Self { commands: false, ..self }
    }

    /// The tree under `directory`. Fails when that is not a directory that can be opened.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        let fail = |errno| HostError { path: directory.into(), kind: error_kind(errno) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(directory, flags, Mode::empty()).map_err(fail)?;
        let metadata = metadata(&fs::fstat(&fd).map_err(fail)?);
        Ok(Self {
            top: Rc::new(Node { fd, metadata }),
            live: false,
            commands: false,
            directories: RefCell::default(),
        })
    }

    /// Walks `path`; `follow_last` says whether a link in the last place is followed.
    fn walk(&self, path: &Path, follow_last: bool) -> Walk {
        let mut walk = Walk {
            lookup: Lookup {
                path: path.into(),
                resolved: PathBuf::from("/"),
                links: Vec::new(),
                steps: Vec::new(),
                outcome: Outcome::Present(self.top.metadata),
            },
            handle: None,
        };
        let mut todo: VecDeque<OsString> = VecDeque::new();
        super::walk_first(&mut todo, path);
        // The directories we stand in, below the top, so that `..` never needs the kernel.
        let mut stack: Vec<Rc<Node>> = Vec::new();
        while let Some(name) = todo.pop_front() {
            if name == ".." {
                stack.pop();
                walk.lookup.resolved.pop();
                walk.lookup.steps.pop();
                continue;
            }
            let directory = Rc::clone(stack.last().unwrap_or(&self.top));
            let here = directory.metadata;
            let next = walk.lookup.resolved.join(&name);
            if here.kind != FileKind::Directory {
                walk.lookup.outcome = failed(path, HostErrorKind::NotADirectory);
                return walk;
            }
            let node = match self.enter(&directory, &name, &next) {
                Ok(node) => node,
                Err(Errno::NOENT) => {
                    walk.step(here);
                    walk.lookup.outcome = Outcome::Missing { at: next.clone() };
                    walk.lookup.resolved = next;
                    for rest in todo {
                        walk.lookup.resolved.push(rest);
                    }
                    return walk;
                }
                Err(errno) => {
                    walk.step(here);
                    walk.lookup.outcome = failed(&next, error_kind(errno));
                    return walk;
                }
            };
            if node.metadata.kind == FileKind::Link && (follow_last || !todo.is_empty()) {
                if walk.lookup.links.len() == LINK_LIMIT {
                    walk.lookup.outcome = failed(path, HostErrorKind::LinkLoop);
                    return walk;
                }
                let target = match fs::readlinkat(&node.fd, "", Vec::new()) {
                    Ok(text) => PathBuf::from(OsString::from_vec(text.into_bytes())),
                    Err(errno) => {
                        walk.lookup.outcome = failed(&next, error_kind(errno));
                        return walk;
                    }
                };
                if target.is_absolute() {
                    stack.clear();
                    walk.lookup.steps.clear();
                    walk.lookup.resolved = PathBuf::from("/");
                }
                super::walk_first(&mut todo, &target);
                walk.lookup.links.push(LinkHop { link: next, target });
                continue;
            }
            walk.step(here);
            walk.lookup.resolved = next;
            stack.push(node);
        }
        walk.handle = stack.pop();
        let last = walk.handle.as_ref().unwrap_or(&self.top);
        walk.lookup.outcome = Outcome::Present(last.metadata);
        walk
    }

    /// One component further, without following a link.
    fn enter(&self, directory: &Node, name: &OsStr, path: &Path) -> Result<Rc<Node>, Errno> {
        if let Some(node) = self.directories.borrow().get(path) {
            return Ok(Rc::clone(node));
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&directory.fd, name, flags, Mode::empty())?;
        let metadata = metadata(&fs::fstat(&fd)?);
        let node = Rc::new(Node { fd, metadata });
        if metadata.kind == FileKind::Directory {
            let mut directories = self.directories.borrow_mut();
            // Starting anew is cheap: what is walked to often is soon there again, and thousands
            // of directories in /proc are each walked to a few times in a row.
            if directories.len() == OPEN_LIMIT {
                directories.clear();
            }
            directories.insert(path.into(), Rc::clone(&node));
        }
        Ok(node)
    }

    /// Opens what a walk found, for reading. `/proc/self/fd` is not needed: the last component is
    /// opened again below its own directory, and must still be the same inode.
    fn reopen(&self, walk: &Walk, flags: OFlags) -> Result<OwnedFd, HostError> {
        let fail = |errno| HostError { path: walk.lookup.path.clone(), kind: error_kind(errno) };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(handle) = &walk.handle else {
            return fs::openat(&self.top.fd, ".", flags, Mode::empty()).map_err(fail);
        };
        if walk.lookup.metadata().is_some_and(|m| m.kind == FileKind::Directory) {
            return fs::openat(&handle.fd, ".", flags, Mode::empty()).map_err(fail);
        }
        let resolved = &walk.lookup.resolved;
        let parent = self.walk(resolved.parent().unwrap_or(Path::new("/")), false);
        let name = resolved.file_name().unwrap_or(OsStr::new("."));
        let directory = &parent.handle.as_ref().unwrap_or(&self.top).fd;
        let fd = fs::openat(directory, name, flags, Mode::empty()).map_err(fail)?;
        let (a, b) = (fs::fstat(&handle.fd).map_err(fail)?, fs::fstat(&fd).map_err(fail)?);
        if (a.st_dev, a.st_ino) != (b.st_dev, b.st_ino) {
            return Err(HostError {
                path: walk.lookup.path.clone(),
                kind: HostErrorKind::Other("was replaced while it was read".into()),
            });
        }
        Ok(fd)
    }
}

impl Host for TreeHost {
    fn look(&self, path: &Path) -> Lookup {
        self.walk(path, true).lookup
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        present(&self.walk(path, false).lookup)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let walk = self.walk(path, true);
        let found = present(&walk.lookup)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if found.kind != FileKind::File {
            return Err(fail(HostErrorKind::NotAFile(found.kind)));
        }
        if found.size > limit {
            return Err(fail(HostErrorKind::TooLarge { size: found.size, limit }));
        }
        let fd = self.reopen(&walk, OFlags::RDONLY)?;
        let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or(0) + 1);
        // Files in /proc say size 0, and a file may grow while it is read: bound what is taken.
        std::fs::File::from(fd)
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| fail(HostErrorKind::Other(error.to_string())))?;
        if bytes.len() as u64 > limit {
            return Err(fail(HostErrorKind::TooLarge { size: bytes.len() as u64, limit }));
        }
        Ok(bytes)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let walk = self.walk(path, true);
        let found = present(&walk.lookup)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if found.kind != FileKind::File {
            return Err(fail(HostErrorKind::NotAFile(found.kind)));
        }
        let mut file = std::fs::File::from(self.reopen(&walk, OFlags::RDONLY)?);
        let other = |error: std::io::Error| fail(HostErrorKind::Other(error.to_string()));
        // The size now: a log may have grown since the walk.
        let size = file.metadata().map_err(other)?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(limit))).map_err(other)?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(other)?;
        Ok(bytes)
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        if self.commands { run::run(command) } else { Err(RunError::NotHere) }
    }

    fn import(&self, import: &Import) -> Result<Output, RunError> {
        if self.commands { run::import(import) } else { Err(RunError::NotHere) }
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        if self.live { http::get(request) } else { Err(HttpError::NotHere) }
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        let walk = self.walk(path, false);
        present(&walk.lookup)?;
        let fail = |errno| HostError { path: path.into(), kind: error_kind(errno) };
        let handle = &walk.handle.as_ref().unwrap_or(&self.top).fd;
        let text = fs::readlinkat(handle, "", Vec::new()).map_err(fail)?;
        Ok(PathBuf::from(OsString::from_vec(text.into_bytes())))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let walk = self.walk(path, true);
        let found = present(&walk.lookup)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if found.kind != FileKind::Directory {
            return Err(fail(HostErrorKind::NotADirectory));
        }
        let fd = self.reopen(&walk, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(fd).map_err(|errno| fail(error_kind(errno)))? {
            let entry = entry.map_err(|errno| fail(error_kind(errno)))?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == LIST_LIMIT {
                return Err(fail(HostErrorKind::TooMany));
            }
            names.push(OsString::from_vec(name.to_vec()));
        }
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    }
}

struct Walk {
    lookup: Lookup,
    /// The last component; none when that is the top itself.
    handle: Option<Rc<Node>>,
}

impl Walk {
    /// Records the directory we stand in as crossed.
    fn step(&mut self, metadata: Metadata) {
        let path = self.lookup.resolved.clone();
        if self.lookup.steps.last().is_none_or(|last| last.path != path) {
            self.lookup.steps.push(Step { path, metadata });
        }
    }
}

fn present(lookup: &Lookup) -> Result<Metadata, HostError> {
    match &lookup.outcome {
        Outcome::Present(metadata) => Ok(*metadata),
        Outcome::Missing { .. } => {
            Err(HostError { path: lookup.path.clone(), kind: HostErrorKind::NotFound })
        }
        Outcome::Failed(error) => Err(error.clone()),
    }
}

fn failed(path: &Path, kind: HostErrorKind) -> Outcome {
    Outcome::Failed(HostError { path: path.into(), kind })
}

fn error_kind(errno: Errno) -> HostErrorKind {
    match errno {
        Errno::NOENT => HostErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM => HostErrorKind::PermissionDenied,
        Errno::NOTDIR => HostErrorKind::NotADirectory,
        Errno::LOOP => HostErrorKind::LinkLoop,
        other => HostErrorKind::Other(std::io::Error::from(other).to_string()),
    }
}

fn metadata(stat: &fs::Stat) -> Metadata {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Link,
        FileType::Socket => FileKind::Socket,
        FileType::Fifo => FileKind::Fifo,
        FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
        _ => FileKind::File,
    };
    Metadata {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mtime: stat.st_mtime,
    }
}
