//! Inspects one inode through an open descriptor: its kind, its content, its metadata.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::fs::{self, IFlags, Mode, OFlags, Stat, StatVfsMountFlags};
use rustix::io::Errno;

use super::super::tree::metadata;
use super::super::{FileKind, READ_LIMIT};
use super::{Attribute, DiskErrorKind, Found, Held, Identity};

/// The largest size in bytes of one attribute, or of the list of all attributes (`xattr(7)`).
const ATTRIBUTE_LIMIT: usize = 64 << 10;

/// Inspects what has this name in the directory.
pub(super) fn inspect(directory: &OwnedFd, name: &OsStr) -> Result<Option<Found>, DiskErrorKind> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = match fs::openat(directory, name, flags, Mode::empty()) {
        Ok(handle) => handle,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(DiskErrorKind::from_errno(errno)),
    };
    let stat = fs::fstat(&handle).map_err(DiskErrorKind::from_errno)?;
    let kind = metadata(&stat).kind;
    if kind == FileKind::File || kind == FileKind::Directory {
        // Only now is it certain that opening the file for reading has no side effects.
        let opened = reopen(directory, name, identity(&stat))?;
        return inspect_open(&opened).map(Some);
    }
    let held = if kind == FileKind::Link {
        let text = fs::readlinkat(&handle, "", Vec::new()).map_err(DiskErrorKind::from_errno)?;
        Held::Target(PathBuf::from(OsString::from_vec(text.into_bytes())))
    } else {
        Held::Nothing
    };
    Ok(Some(found(&stat, held)))
}

/// Opens what a name referred to a moment ago for reading.
pub(super) fn reopen(
    directory: &OwnedFd,
    name: &OsStr,
    expected: Identity,
) -> Result<OwnedFd, DiskErrorKind> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let opened = match fs::openat(directory, name, flags | OFlags::CLOEXEC, Mode::empty()) {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Err(DiskErrorKind::Replaced),
        Err(errno) => return Err(DiskErrorKind::from_errno(errno)),
    };
    let stat = fs::fstat(&opened).map_err(DiskErrorKind::from_errno)?;
    if identity(&stat) == expected { Ok(opened) } else { Err(DiskErrorKind::Replaced) }
}

/// Inspects an open file or directory.
pub(super) fn inspect_open(opened: &OwnedFd) -> Result<Found, DiskErrorKind> {
    let stat = fs::fstat(opened).map_err(DiskErrorKind::from_errno)?;
    let held = if metadata(&stat).kind == FileKind::File {
        let mut bytes = Vec::new();
        let file = std::fs::File::from(opened.try_clone().map_err(words)?);
        file.take(READ_LIMIT + 1).read_to_end(&mut bytes).map_err(words)?;
        if bytes.len() as u64 > READ_LIMIT {
            return Err(DiskErrorKind::TooLarge);
        }
        Held::Bytes(bytes)
    } else {
        Held::Nothing
    };
    // A file system that does not support such flags has none set.
    let flags = fs::ioctl_getflags(opened).unwrap_or(IFlags::empty());
    let mount = fs::fstatvfs(opened).map_err(DiskErrorKind::from_errno)?;
    Ok(Found {
        attributes: attributes(opened)?,
        immutable: flags.contains(IFlags::IMMUTABLE),
        append_only: flags.contains(IFlags::APPEND),
        read_only: mount.f_flag.contains(StatVfsMountFlags::RDONLY),
        ..found(&stat, held)
    })
}

/// The extended attributes, sorted by name; empty if the file system does not support them.
pub(super) fn attributes(file: impl AsFd) -> Result<Vec<Attribute>, DiskErrorKind> {
    let mut list = vec![0_u8; ATTRIBUTE_LIMIT];
    let length = match fs::flistxattr(&file, list.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(Vec::new()),
        Err(errno) => return Err(DiskErrorKind::from_errno(errno)),
    };
    list.truncate(length);
    let mut attributes = Vec::new();
    for name in list.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let mut value = vec![0_u8; ATTRIBUTE_LIMIT];
        match fs::fgetxattr(&file, name, value.as_mut_slice()) {
            Ok(length) => value.truncate(length),
            // The attribute was removed in the meantime, or is listed but not readable for this
            // process.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => continue,
            Err(errno) => return Err(DiskErrorKind::from_errno(errno)),
        }
        attributes.push(Attribute { name: name.to_owned(), value });
    }
    attributes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(attributes)
}

pub(super) fn identity(stat: &Stat) -> Identity {
    Identity { device: stat.st_dev, inode: stat.st_ino }
}

fn words(error: std::io::Error) -> DiskErrorKind {
    error.raw_os_error().map_or_else(
        || DiskErrorKind::Other(error.to_string()),
        |code| DiskErrorKind::from_errno(Errno::from_raw_os_error(code)),
    )
}

// The number of links has 64 bits on x86_64 and 32 on aarch64.
#[allow(clippy::useless_conversion)]
fn found(stat: &Stat, held: Held) -> Found {
    Found {
        identity: identity(stat),
        metadata: metadata(stat),
        links: stat.st_nlink.into(),
        held,
        attributes: Vec::new(),
        immutable: false,
        append_only: false,
        read_only: false,
    }
}
