//! Performs the steps of a repair in this host's file system or in the tree under `--root DIR`.
//!
//! A path is followed from a descriptor of the root, component by component, each opened below the
//! previous one with `O_NOFOLLOW`: no link is followed, so nothing outside the root is reached.
//! `openat2(2)` with `RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH` would do the same in one call, but old
//! kernels and strict container profiles do not offer it, and one implementation is enough.

use std::collections::hash_map::RandomState;
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, Hasher};
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FlockOperation, Gid, Mode, OFlags, RenameFlags, Uid};
use rustix::fs::{XattrFlags, fremovexattr};
use rustix::io::Errno;

use super::super::tree::metadata;
use super::super::{Host, LIST_LIMIT, Outcome, TreeHost, tidy};
use super::inspect::{self, identity};
use super::{
    Attribute, Directory, Disk, DiskError, DiskErrorKind, Found, Identity, Lock, OpenFile, Renaming,
};

/// This host's file system, or the tree under a directory.
#[derive(Debug)]
pub struct TreeDisk {
    top: OwnedFd,
    /// The tree's root in this host's file system.
    root: PathBuf,
    /// Where relative paths start.
    base: PathBuf,
}

impl TreeDisk {
    /// This host's own file system.
    pub fn live() -> Result<Self, DiskError> {
        Self::open(Path::new("/"))
    }

    /// The tree under `root`; nothing outside it is written.
    pub fn open(root: &Path) -> Result<Self, DiskError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = fs::open(root, flags, Mode::empty()).map_err(|errno| DiskError {
            path: root.into(),
            doing: "open the root",
            kind: DiskErrorKind::from_errno(errno),
        })?;
        Ok(Self { top, root: root.into(), base: PathBuf::from("/") })
    }

    /// Lets relative paths start at `base`, for files named on the command line.
    #[must_use]
    pub fn at(self, base: &Path) -> Self {
        Self { base: base.into(), ..self }
    }

    fn enter(&self, directory: &OwnedFd, name: &OsStr, last: bool) -> Result<OwnedFd, Errno> {
        // A directory on the way only needs to be searchable; the last one must be readable too, so
        // that it can be synced.
        let access = if last { OFlags::RDONLY } else { OFlags::PATH };
        let flags = access | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match fs::openat(directory, name, flags, Mode::empty()) {
            // With O_NOFOLLOW|O_DIRECTORY, the kernel reports a link as "not a directory"; report
            // the link instead.
            Err(Errno::NOTDIR) if is_link(directory, name) => Err(Errno::LOOP),
            other => other,
        }
    }
}

fn is_link(directory: &OwnedFd, name: &OsStr) -> bool {
    fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| metadata(&stat).kind == super::super::FileKind::Link)
}

/// The error of a step on a name in a directory.
fn at<'a>(
    directory: &'a Directory,
    name: &'a OsStr,
    doing: &'static str,
) -> impl Fn(Errno) -> DiskError + 'a {
    move |errno| DiskError {
        path: directory.path.join(name),
        doing,
        kind: DiskErrorKind::from_errno(errno),
    }
}

/// The error of a step on an open file.
fn on<'a>(file: &'a OpenFile, doing: &'static str) -> impl Fn(Errno) -> DiskError + 'a {
    move |errno| DiskError {
        path: file.path.clone(),
        doing,
        kind: DiskErrorKind::from_errno(errno),
    }
}

fn owner(uid: u32, gid: u32) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
}

impl Disk for TreeDisk {
    fn place(&self, path: &Path) -> PathBuf {
        tidy(&self.base.join(path))
    }

    fn resolve(&self, path: &Path) -> Result<PathBuf, DiskError> {
        let fail = |kind| DiskError { path: path.into(), doing: "follow the path", kind };
        let host = TreeHost::open(&self.root)
            .map_err(|error| fail(DiskErrorKind::Other(error.kind.to_string())))?;
        let lookup = host.look(path);
        match lookup.outcome {
            Outcome::Failed(error) => Err(fail(DiskErrorKind::Other(error.kind.to_string()))),
            Outcome::Present(_) | Outcome::Missing { .. } => Ok(lookup.resolved),
        }
    }

    fn directory(&self, path: &Path) -> Result<Directory, DiskError> {
        let mut names = path.components().filter_map(|component| match component {
            Component::Normal(name) => Some(Ok(name)),
            Component::ParentDir => Some(Err(Errno::INVAL)),
            _ => None,
        });
        let mut walked = PathBuf::from("/");
        let fail = |at: &Path, errno| DiskError {
            path: at.into(),
            doing: "open the directory",
            kind: DiskErrorKind::from_errno(errno),
        };
        let mut fd = self.enter(&self.top, OsStr::new("."), true).map_err(|e| fail(&walked, e))?;
        let mut next = names.next();
        while let Some(name) = next {
            next = names.next();
            let name = name.map_err(|errno| fail(path, errno))?;
            walked.push(name);
            fd = self.enter(&fd, name, next.is_none()).map_err(|errno| fail(&walked, errno))?;
        }
        Ok(Directory { fd, path: walked })
    }

    fn subdirectory(&self, directory: &Directory, name: &OsStr) -> Result<Directory, DiskError> {
        let fd = self.enter(&directory.fd, name, true).map_err(at(
            directory,
            name,
            "open the directory",
        ))?;
        Ok(Directory { fd, path: directory.path.join(name) })
    }

    fn inspect_directory(&self, directory: &Directory) -> Result<Found, DiskError> {
        inspect::inspect_open(&directory.fd).map_err(|kind| DiskError {
            path: directory.path.clone(),
            doing: "look at it",
            kind,
        })
    }

    fn inspect(&self, directory: &Directory, name: &OsStr) -> Result<Option<Found>, DiskError> {
        inspect::inspect(&directory.fd, name).map_err(|kind| DiskError {
            path: directory.path.join(name),
            doing: "look at it",
            kind,
        })
    }

    fn list(&self, directory: &Directory) -> Result<Vec<OsString>, DiskError> {
        let fail = at(directory, OsStr::new(""), "list it");
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory.fd).map_err(&fail)? {
            let entry = entry.map_err(&fail)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if names.len() == LIST_LIMIT {
                return Err(fail(Errno::OVERFLOW));
            }
            names.push(OsString::from_vec(name.to_vec()));
        }
        names.sort_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
        Ok(names)
    }

    fn open(
        &self,
        directory: &Directory,
        name: &OsStr,
        identity: Identity,
    ) -> Result<OpenFile, DiskError> {
        let path = directory.path.join(name);
        match inspect::reopen(&directory.fd, name, identity) {
            Ok(fd) => Ok(OpenFile { fd, path, identity }),
            Err(kind) => Err(DiskError { path, doing: "open it", kind }),
        }
    }

    fn attributes(&self, file: &OpenFile) -> Result<Vec<Attribute>, DiskError> {
        inspect::attributes(&file.fd).map_err(|kind| DiskError {
            path: file.path.clone(),
            doing: "read its attributes",
            kind,
        })
    }

    fn create(&self, directory: &Directory, name: &OsStr) -> Result<OpenFile, DiskError> {
        let fail = at(directory, name, "make a file");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let fd = fs::openat(&directory.fd, name, flags | OFlags::CLOEXEC, Mode::from(0o600))
            .map_err(&fail)?;
        let identity = identity(&fs::fstat(&fd).map_err(&fail)?);
        Ok(OpenFile { fd, path: directory.path.join(name), identity })
    }

    fn write(&self, file: &OpenFile, mut bytes: &[u8]) -> Result<(), DiskError> {
        let fail = on(file, "write");
        while !bytes.is_empty() {
            match rustix::io::write(&file.fd, bytes) {
                Ok(0) => return Err(fail(Errno::NOSPC)),
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        Ok(())
    }

    fn set_owner(&self, file: &OpenFile, uid: u32, gid: u32) -> Result<(), DiskError> {
        let (uid, gid) = owner(uid, gid);
        fs::fchown(&file.fd, uid, gid).map_err(on(file, "set its owner"))
    }

    fn set_mode(&self, file: &OpenFile, mode: u32) -> Result<(), DiskError> {
        fs::fchmod(&file.fd, Mode::from_bits_truncate(mode)).map_err(on(file, "set its mode"))
    }

    fn set_attribute(&self, file: &OpenFile, attribute: &Attribute) -> Result<(), DiskError> {
        fs::fsetxattr(&file.fd, &attribute.name, &attribute.value, XattrFlags::empty())
            .map_err(on(file, "set an attribute"))
    }

    fn remove_attribute(&self, file: &OpenFile, name: &OsStr) -> Result<(), DiskError> {
        match fremovexattr(&file.fd, name) {
            Ok(()) | Err(Errno::NODATA) => Ok(()),
            Err(errno) => Err(on(file, "take an attribute away")(errno)),
        }
    }

    fn sync(&self, file: &OpenFile) -> Result<(), DiskError> {
        fs::fsync(&file.fd).map_err(on(file, "write it to the disk"))
    }

    fn sync_directory(&self, directory: &Directory) -> Result<(), DiskError> {
        match fs::fsync(&directory.fd) {
            // Some file systems cannot sync a directory, and do not have to.
            Ok(()) | Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(at(directory, OsStr::new(""), "write it to the disk")(errno)),
        }
    }

    fn symlink(&self, directory: &Directory, name: &OsStr, target: &Path) -> Result<(), DiskError> {
        fs::symlinkat(target, &directory.fd, name).map_err(at(directory, name, "make a link"))
    }

    fn set_link_owner(
        &self,
        directory: &Directory,
        name: &OsStr,
        uid: u32,
        gid: u32,
    ) -> Result<(), DiskError> {
        let fail = at(directory, name, "set the link's owner");
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let link = fs::openat(&directory.fd, name, flags, Mode::empty()).map_err(&fail)?;
        let stat = fs::fstat(&link).map_err(&fail)?;
        // Whoever may write in the directory may have put another user's file there.
        let ours = stat.st_uid == self.user() && stat.st_nlink == 1;
        if metadata(&stat).kind != super::super::FileKind::Link || !ours {
            return Err(DiskError { kind: DiskErrorKind::Replaced, ..fail(Errno::INVAL) });
        }
        let (uid, gid) = owner(uid, gid);
        fs::chownat(&link, "", uid, gid, AtFlags::EMPTY_PATH).map_err(&fail)
    }

    fn rename(
        &self,
        directory: &Directory,
        from: &OsStr,
        to: &OsStr,
        how: Renaming,
    ) -> Result<(), DiskError> {
        let fail = at(directory, to, "put it in place");
        let fd = &directory.fd;
        let flags = match how {
            Renaming::Replace => return fs::renameat(fd, from, fd, to).map_err(fail),
            Renaming::New => RenameFlags::NOREPLACE,
            Renaming::Exchange => RenameFlags::EXCHANGE,
        };
        match fs::renameat_with(fd, from, fd, to, flags) {
            // Without the flag (NFS, old kernels), creating a second name does the same: it fails
            // too if the name already exists.
            Err(Errno::INVAL | Errno::NOSYS) if how == Renaming::New => {
                fs::linkat(fd, from, fd, to, AtFlags::empty()).map_err(&fail)?;
                fs::unlinkat(fd, from, AtFlags::empty()).map_err(&fail)
            }
            other => other.map_err(fail),
        }
    }

    fn unlink(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        fs::unlinkat(&directory.fd, name, AtFlags::empty()).map_err(at(
            directory,
            name,
            "remove it",
        ))
    }

    fn mkdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        fs::mkdirat(&directory.fd, name, Mode::from(0o700)).map_err(at(
            directory,
            name,
            "make a directory",
        ))
    }

    fn rmdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        fs::unlinkat(&directory.fd, name, AtFlags::REMOVEDIR).map_err(at(
            directory,
            name,
            "remove the directory",
        ))
    }

    fn lock(&self, directory: &Directory, name: &OsStr) -> Result<Lock, DiskError> {
        let fail = at(directory, name, "take the lock");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&directory.fd, name, flags, Mode::from(0o600)).map_err(&fail)?;
        let other = |error: std::io::Error| DiskError {
            kind: DiskErrorKind::Other(error.to_string()),
            ..fail(Errno::IO)
        };
        let mut file = std::fs::File::from(fd);
        match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let _ = (&mut file).take(200).read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => "another run".to_owned(),
                    text => text.to_owned(),
                };
                let kind = DiskErrorKind::Locked { holder };
                return Err(DiskError { kind, ..fail(Errno::WOULDBLOCK) });
            }
            Err(errno) => return Err(fail(errno)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(other)?;
        writeln!(file, "process {}", std::process::id()).map_err(other)?;
        Ok(Lock { fd: file.into() })
    }

    fn user(&self) -> u32 {
        rustix::process::geteuid().as_raw()
    }

    fn unforeseeable(&self) -> String {
        // The standard library's hash keys come from the kernel's random numbers.
        format!("{:016x}", RandomState::new().build_hasher().finish())
    }
}
