//! A file tree read as a machine's root: this host (`/`) or a directory (`--root DIR`).
//!
//! Paths are walked component by component with directory descriptors and `O_NOFOLLOW`, so links,
//! even absolute ones, resolve inside the tree, `..` stops at its top, and a link that is swapped
//! in the meantime cannot lead outside.

use std::cell::{OnceCell, RefCell};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Seek, SeekFrom};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustc_hash::FxHashMap;
use rustix::fs::{self, Dir, FileType, Mode, OFlags, RawDir, ResolveFlags};
use rustix::io::Errno;

use super::ahead::Ahead;
use super::{
    Command, FileKind, Host, HostError, HostErrorKind, HttpAnswer, HttpError, HttpRequest, Import,
    LINK_LIMIT, LIST_LIMIT, LinkHop, Lookup, Metadata, Outcome, Output, Relinked, Room, RunError,
    Step, bound, http, run,
};

/// The most directories that are kept open. An open directory need not be walked to again.
const OPEN_LIMIT: usize = 256;
/// The longest target of a link, in bytes (`PATH_MAX`).
const PATH_LIMIT: usize = 4096;
/// The initial buffer for a file of unknown size: most files of a process are smaller.
const FIRST_READ: usize = 1024;

/// A directory of this machine seen as a root.
#[derive(Debug)]
pub struct TreeHost {
    top: Rc<Node>,
    /// Whether it is this machine itself, which answers requests.
    live: bool,
    /// Whether commands may be run.
    commands: bool,
    /// A link that is treated as if it led elsewhere.
    relinked: Option<Relinked>,
    /// Open directories, by their path with links resolved.
    directories: RefCell<FxHashMap<Box<[u8]>, Rc<Node>>>,
    /// `/proc`, if the kernel's own process table is mounted there.
    process_table: OnceCell<Option<Rc<Node>>>,
    /// The listening unix sockets and the files that they are bound to, requested once.
    sockets: OnceCell<Result<Vec<bound::BoundSocket>, Errno>>,
    /// The programs and servers that were asked, and how long each answer took.
    asked: RefCell<Vec<(&'static str, Duration)>>,
}

/// Something that was opened for inspection.
#[derive(Debug)]
struct Node {
    fd: OwnedFd,
    metadata: Metadata,
    /// The device and inode number.
    inode: (u64, u64),
    /// The directory in which it was found; `None` for the top and its direct entries. With it,
    /// `..` needs no call of the kernel.
    parent: Option<Rc<Self>>,
    /// The number of components of its path.
    depth: usize,
}

impl Node {
    fn new(fd: OwnedFd) -> Result<Self, Errno> {
        Self::below(None, fd)
    }

    fn below(parent: Option<&Rc<Self>>, fd: OwnedFd) -> Result<Self, Errno> {
        let stat = fs::fstat(&fd)?;
        Ok(Self {
            fd,
            metadata: metadata(&stat),
            inode: (stat.st_dev, stat.st_ino),
            parent: parent.map(Rc::clone),
            depth: depth_of(parent) + 1,
        })
    }
}

/// The number of components of a path; `None` is the top.
fn depth_of(node: Option<&Rc<Node>>) -> usize {
    node.map_or(0, |node| node.depth)
}

impl TreeHost {
    /// The host as it will be once this link is moved.
    #[must_use]
    pub fn relinked(self, relinked: Relinked) -> Self {
        Self { relinked: Some(relinked), ..self }
    }

    /// Where a link will lead, if it is the link to be moved.
    fn moved(&self, link: &Path) -> Option<PathBuf> {
        self.relinked.as_ref().filter(|moved| moved.link == link).map(|moved| moved.then.clone())
    }

    /// This machine's own file system, on which commands may be run.
    pub fn live() -> Result<Self, HostError> {
        let top = Path::new("/");
        Ok(Self { live: true, commands: true, ..Self::at(top, Node::new)? })
    }

    /// The host without permission to run commands.
    #[must_use]
    pub fn without_commands(self) -> Self {
        Self { commands: false, ..self }
    }

    /// The tree under `directory`. Fails if that is not a directory that can be opened.
    ///
    /// The directory's own mode does not count as the mode of `/`: `mktemp -d` creates it with
    /// 0700, and no machine runs with a root that only its owner may enter.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        Self::at(directory, |fd| {
            let mut node = Node::new(fd)?;
            node.metadata.mode = 0o755;
            Ok(node)
        })
    }

    fn at(
        directory: &Path,
        top: impl FnOnce(OwnedFd) -> Result<Node, Errno>,
    ) -> Result<Self, HostError> {
        let fail = |errno| HostError { path: directory.into(), kind: error_kind(errno) };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(directory, flags, Mode::empty()).map_err(fail)?;
        Ok(Self {
            top: Rc::new(top(fd).map_err(fail)?),
            live: false,
            commands: false,
            relinked: None,
            directories: RefCell::default(),
            process_table: OnceCell::new(),
            sockets: OnceCell::new(),
            asked: RefCell::default(),
        })
    }

    /// Walks `path`; `follow_last` says whether a link as the last component is followed.
    fn walk(&self, path: &Path, follow_last: bool) -> Walk {
        let mut resolved = PathBuf::with_capacity(path.as_os_str().len() + 1);
        resolved.push("/");
        let mut walk = Walk {
            lookup: Lookup {
                path: path.into(),
                resolved,
                links: Vec::new(),
                steps: Vec::new(),
                outcome: Outcome::Present(self.top.metadata),
            },
            here: None,
            crossed: 0,
        };
        // Below the last directory that is already open, none is; after `..` and links, one may be.
        let mut maybe_known = false;
        let mut ahead = Ahead::new(self.start(path, &mut walk));
        while let Some(name) = ahead.next() {
            walk.crossed = depth_of(walk.here.as_ref());
            if name == ".." {
                walk.here = walk.here.and_then(|here| here.parent.clone());
                walk.lookup.resolved.pop();
                maybe_known = true;
                continue;
            }
            if walk.here.as_ref().is_some_and(|here| here.metadata.kind != FileKind::Directory) {
                walk.lookup.outcome = failed(path, HostErrorKind::NotADirectory);
                return walk;
            }
            walk.lookup.resolved.push(name);
            let node = match self.enter(name, &walk, maybe_known) {
                Ok(node) => node,
                Err(Errno::NOENT) => {
                    walk.crossed += 1;
                    walk.lookup.outcome = Outcome::Missing { at: walk.lookup.resolved.clone() };
                    ahead.append_to(&mut walk.lookup.resolved);
                    return walk;
                }
                Err(errno) => {
                    walk.crossed += 1;
                    walk.lookup.outcome = failed(&walk.lookup.resolved, error_kind(errno));
                    walk.lookup.resolved.pop();
                    return walk;
                }
            };
            if node.metadata.kind == FileKind::Link && (follow_last || !ahead.is_empty()) {
                let next = walk.lookup.resolved.clone();
                walk.lookup.resolved.pop();
                if walk.lookup.links.len() == LINK_LIMIT {
                    walk.lookup.outcome = failed(path, HostErrorKind::LinkLoop);
                    return walk;
                }
                let read = || fs::readlinkat(&node.fd, "", Vec::with_capacity(PATH_LIMIT));
                let target = match self.moved(&next).map_or_else(
                    || read().map(|text| PathBuf::from(OsString::from_vec(text.into_bytes()))),
                    Ok,
                ) {
                    Ok(target) => target,
                    Err(errno) => {
                        walk.lookup.outcome = failed(&next, error_kind(errno));
                        return walk;
                    }
                };
                if target.is_absolute() {
                    walk.here = None;
                    walk.lookup.resolved = PathBuf::from("/");
                }
                ahead.first(&target);
                maybe_known = true;
                walk.lookup.links.push(LinkHop { link: next, target });
                continue;
            }
            walk.here = Some(node);
        }
        walk.crossed = depth_of(walk.here.as_ref());
        let last = walk.here.as_ref().unwrap_or(&self.top);
        walk.lookup.outcome = Outcome::Present(last.metadata);
        walk
    }

    /// Begins a walk at the last open directory of the path; returns the part of the path that is
    /// still to be walked.
    fn start<'p>(&self, path: &'p Path, walk: &mut Walk) -> &'p Path {
        let bytes = path.as_os_str().as_bytes();
        let directories = self.directories.borrow();
        // Only paths without links, `.` and `..` are in the map, so an equal path is without them
        // too.
        for at in memchr::memrchr_iter(b'/', bytes) {
            if let Some(node) = directories.get(&bytes[..at]) {
                walk.lookup.resolved.push(OsStr::from_bytes(&bytes[..at]));
                walk.here = Some(Rc::clone(node));
                return Path::new(OsStr::from_bytes(&bytes[at + 1..]));
            }
        }
        path
    }

    /// Goes one component further without following a link. The walk contains the path so far, with
    /// links resolved.
    fn enter(&self, name: &OsStr, walk: &Walk, maybe_known: bool) -> Result<Rc<Node>, Errno> {
        let path = walk.lookup.resolved.as_os_str().as_bytes();
        if maybe_known && let Some(node) = self.directories.borrow().get(path) {
            return Ok(Rc::clone(node));
        }
        let directory = walk.here.as_ref().unwrap_or(&self.top);
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&directory.fd, name, flags, Mode::empty())?;
        let node = Rc::new(Node::below(walk.here.as_ref(), fd)?);
        if node.metadata.kind == FileKind::Directory {
            let mut directories = self.directories.borrow_mut();
            // Clearing is cheap: directories that are used often are soon there again, and the
            // thousands of directories in /proc are each used a few times in a row.
            if directories.len() == OPEN_LIMIT {
                directories.clear();
            }
            directories.insert(path.into(), Rc::clone(&node));
        }
        Ok(node)
    }

    /// Opens for reading what a walk found. This does not need `/proc/self/fd`: the last component
    /// is opened again below its own directory, and must still be the same inode.
    fn reopen(&self, walk: &Walk, flags: OFlags) -> Result<OwnedFd, HostError> {
        let fail = |errno| HostError { path: walk.lookup.path.clone(), kind: error_kind(errno) };
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Some(handle) = walk.handle() else {
            return fs::openat(&self.top.fd, ".", flags, Mode::empty()).map_err(fail);
        };
        if walk.lookup.metadata().is_some_and(|m| m.kind == FileKind::Directory) {
            return fs::openat(&handle.fd, ".", flags, Mode::empty()).map_err(fail);
        }
        let name = walk.lookup.resolved.file_name().unwrap_or(OsStr::new("."));
        let directory = &handle.parent.as_ref().unwrap_or(&self.top).fd;
        let fd = fs::openat(directory, name, flags, Mode::empty()).map_err(fail)?;
        let opened = fs::fstat(&fd).map_err(fail)?;
        if handle.inode != (opened.st_dev, opened.st_ino) {
            return Err(HostError {
                path: walk.lookup.path.clone(),
                kind: HostErrorKind::Other("was replaced while it was read".into()),
            });
        }
        Ok(fd)
    }

    /// Opens a file or, with the flag for it, a directory of the kernel's process table in one step
    /// instead of one for each component, because a live check reads thousands. The kernel makes
    /// sure that there are no links, pipes or devices on the way (openat2(2)). `None` if anything
    /// differs; the ordinary walk then finds out what.
    fn open_of_process(&self, path: &Path, flags: OFlags) -> Option<OwnedFd> {
        let inside = path.strip_prefix("/proc").ok()?;
        let table = self.process_table.get_or_init(|| {
            let node = Rc::clone(self.walk(Path::new("/proc"), false).handle()?);
            let kind = fs::fstatfs(&node.fd).ok()?.f_type;
            (kind == fs::PROC_SUPER_MAGIC).then_some(node)
        });
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH
            | ResolveFlags::NO_SYMLINKS
            | ResolveFlags::NO_MAGICLINKS
            | ResolveFlags::NO_XDEV;
        fs::openat2(&table.as_ref()?.fd, inside, flags, Mode::empty(), resolve).ok()
    }

    /// Opens what a process sees at a path ([`super::seen_by`]); nothing for any other path. Links lead
    /// where they lead for the process.
    fn open_seen(&self, path: &Path, flags: OFlags) -> Option<Result<OwnedFd, HostError>> {
        let (root, inside) = super::seen(path)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if !self.live {
            return Some(Err(fail(HostErrorKind::NotGiven)));
        }
        let tree = match Self::open(&root) {
            Ok(tree) => tree,
            Err(error) if error.kind == HostErrorKind::NotFound => {
                return Some(Err(fail(HostErrorKind::Other("the process is gone".into()))));
            }
            Err(error) => return Some(Err(fail(error.kind))),
        };
        let walk = tree.walk(&Path::new("/").join(inside), true);
        let opened = present(&walk.lookup).and_then(|_| tree.reopen(&walk, flags));
        Some(opened.map_err(|error| fail(error.kind)))
    }

    /// Opens a directory so that its content can be listed.
    fn open_directory(&self, path: &Path) -> Result<OwnedFd, HostError> {
        let walk = self.walk(path, true);
        let found = present(&walk.lookup)?;
        if found.kind != FileKind::Directory {
            return Err(HostError { path: path.into(), kind: HostErrorKind::NotADirectory });
        }
        self.reopen(&walk, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    /// Records how long the answer of a program or server took.
    fn timed<T>(&self, whom: &'static str, ask: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let answer = ask();
        self.asked.borrow_mut().push((whom, began.elapsed()));
        answer
    }

    /// Opens a regular file for reading, and returns its size.
    fn open_file(
        &self,
        path: &Path,
        limit: Option<u64>,
    ) -> Result<(std::fs::File, u64), HostError> {
        if let Some(seen) = self.open_seen(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
        {
            let file = seen?;
            let fail = |kind| HostError { path: path.into(), kind };
            let stat = fs::fstat(&file).map_err(|errno| fail(error_kind(errno)))?;
            let found = metadata(&stat);
            return match found.kind {
                FileKind::File => Ok((std::fs::File::from(file), found.size)),
                kind => Err(fail(HostErrorKind::NotAFile(kind))),
            };
        }
        if let Some(fd) = self.open_of_process(path, OFlags::empty()) {
            return Ok((std::fs::File::from(fd), 0));
        }
        let walk = self.walk(path, true);
        let found = present(&walk.lookup)?;
        let fail = |kind| HostError { path: path.into(), kind };
        if found.kind != FileKind::File {
            return Err(fail(HostErrorKind::NotAFile(found.kind)));
        }
        if let Some(limit) = limit.filter(|limit| found.size > *limit) {
            return Err(fail(HostErrorKind::TooLarge { size: found.size, limit }));
        }
        Ok((std::fs::File::from(self.reopen(&walk, OFlags::RDONLY)?), found.size))
    }
}

impl Host for TreeHost {
    fn look(&self, path: &Path) -> Lookup {
        let mut walk = self.walk(path, true);
        walk.lookup.steps = walk.steps(&self.top);
        walk.lookup
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        present(&self.walk(path, false).lookup)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let fail = |kind| HostError { path: path.into(), kind };
        let (file, size) = self.open_file(path, Some(limit))?;
        let room = if size == 0 { FIRST_READ } else { usize::try_from(size).unwrap_or(0) + 1 };
        let mut bytes = Vec::with_capacity(room);
        // Files in /proc report size 0, and a file may grow while it is read, so the read is
        // limited.
        file.take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| fail(read_error(&error)))?;
        if bytes.len() as u64 > limit {
            return Err(fail(HostErrorKind::TooLarge { size: bytes.len() as u64, limit }));
        }
        Ok(bytes)
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let (mut file, _) = self.open_file(path, None)?;
        let other =
            |error: std::io::Error| HostError { path: path.into(), kind: read_error(&error) };
        // The current size: a log may have grown since the walk.
        let size = file.metadata().map_err(other)?.len();
        file.seek(SeekFrom::Start(size.saturating_sub(limit))).map_err(other)?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes).map_err(other)?;
        Ok(bytes)
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        if !self.commands {
            return Err(RunError::NotHere);
        }
        self.timed(command.program.name(), || run::run(command))
    }

    fn import(&self, import: &Import) -> Result<Output, RunError> {
        if !self.commands {
            return Err(RunError::NotHere);
        }
        self.timed("import", || run::import(import, self.relinked.as_ref()))
    }

    fn http(&self, request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
        if !self.live {
            return Err(HttpError::NotHere);
        }
        self.timed("request", || http::get(request))
    }

    fn bound(&self, path: &Path, networks: &[u32]) -> Result<Vec<(u64, Option<bool>)>, HostError> {
        if !self.live {
            return Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven });
        }
        let fail = |errno| HostError { path: path.into(), kind: error_kind(errno) };
        let walk = self.walk(path, true);
        present(&walk.lookup)?;
        let (device, inode) = walk.handle().unwrap_or(&self.top).inode;
        let device = (fs::major(device), fs::minor(device));
        let is_there = |socket: &bound::BoundSocket| {
            let same = u64::from(socket.inode) == inode & u64::from(u32::MAX);
            // Some file systems (btrfs, overlayfs) report a device number that differs from the
            // kernel's internal one.
            let told = (socket.device == device).then_some(same);
            (socket.socket, told)
        };
        let mut told: Vec<_> = match self.sockets.get_or_init(bound::sockets) {
            Ok(sockets) => sockets.iter().map(is_there).collect(),
            Err(errno) => return Err(fail(*errno)),
        };
        // Who may not enter another's network is not told of the sockets in it.
        for pid in networks {
            told.extend(bound::sockets_of(*pid).iter().flatten().map(is_there));
        }
        Ok(told)
    }

    fn now(&self) -> Option<i64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        since.as_secs().try_into().ok()
    }

    fn room(&self, path: &Path) -> Result<Room, HostError> {
        if !self.live {
            return Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven });
        }
        let fail = |errno| HostError { path: path.into(), kind: error_kind(errno) };
        let found = match self.open_seen(path, OFlags::PATH) {
            Some(seen) => fs::fstatvfs(&seen?),
            None => {
                let walk = self.walk(path, true);
                present(&walk.lookup)?;
                fs::fstatvfs(&walk.handle().unwrap_or(&self.top).fd)
            }
        };
        let found = found.map_err(fail)?;
        Ok(Room {
            size: found.f_blocks.saturating_mul(found.f_frsize),
            left: found.f_bavail.saturating_mul(found.f_frsize),
            files: found.f_files,
            files_left: found.f_favail,
            read_only: found.f_flag.contains(fs::StatVfsMountFlags::RDONLY),
        })
    }

    fn asked(&self) -> Vec<(&'static str, Duration)> {
        self.asked.borrow().clone()
    }

    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        let fail = |kind| HostError { path: path.into(), kind };
        let fd = match self.open_of_process(path, OFlags::DIRECTORY) {
            Some(fd) => fd,
            // The ordinary walk finds out why.
            None => self.open_directory(path)?,
        };
        let mut targets = Vec::new();
        let mut names = [MaybeUninit::uninit(); 4096];
        let mut target = [MaybeUninit::uninit(); PATH_LIMIT];
        let mut entries = RawDir::new(&fd, &mut names);
        let mut count = 0;
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|errno| fail(error_kind(errno)))?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            count += 1;
            if count > limit {
                return Err(fail(HostErrorKind::TooMany));
            }
            if let Ok((text, _)) = fs::readlinkat_raw(&fd, entry.file_name(), &mut target) {
                targets.push(PathBuf::from(OsStr::from_bytes(text)));
            }
        }
        Ok(targets)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        let walk = self.walk(path, false);
        present(&walk.lookup)?;
        if let Some(target) = self.moved(&walk.lookup.resolved) {
            return Ok(target);
        }
        let fail = |errno| HostError { path: path.into(), kind: error_kind(errno) };
        let handle = &walk.handle().unwrap_or(&self.top).fd;
        let text = fs::readlinkat(handle, "", Vec::new()).map_err(fail)?;
        Ok(PathBuf::from(OsString::from_vec(text.into_bytes())))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        let fail = |kind| HostError { path: path.into(), kind };
        let fd = self.open_directory(path)?;
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
    /// The lookup without its steps, which reading does not need.
    lookup: Lookup,
    /// The node that was reached; `None` at the top itself.
    here: Option<Rc<Node>>,
    /// The number of directories that were crossed, counting the top.
    crossed: usize,
}

impl Walk {
    /// The node of the last component; `None` if that is the top itself.
    fn handle(&self) -> Option<&Rc<Node>> {
        self.here.as_ref()
    }

    /// The directories that were crossed.
    fn steps(&self, top: &Node) -> Vec<Step> {
        let path = self.lookup.resolved.as_os_str().as_bytes();
        let mut nodes: Vec<&Node> =
            std::iter::successors(self.here.as_deref(), |node| node.parent.as_deref())
                .chain([top])
                .collect();
        nodes.reverse();
        let ends = memchr::memchr_iter(b'/', path).skip(1).chain([path.len()]);
        // `/` itself, then the path up to the slash after each name.
        let ends = std::iter::once(1).chain(ends);
        let crossed = ends.zip(nodes).take(self.crossed);
        let step = |(end, node): (usize, &Node)| Step {
            path: PathBuf::from(OsStr::from_bytes(&path[..end])),
            metadata: node.metadata,
        };
        crossed.map(step).collect()
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

fn read_error(error: &std::io::Error) -> HostErrorKind {
    match error.kind() {
        std::io::ErrorKind::IsADirectory => HostErrorKind::NotAFile(FileKind::Directory),
        _ => HostErrorKind::Other(error.to_string()),
    }
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

pub(super) fn metadata(stat: &fs::Stat) -> Metadata {
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
        mtime_nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
    }
}
