//! The only way in which repairs are written.
//!
//! [`Disk`] has one method for each single step that the kernel performs completely or not at all,
//! so that a test can make any of them fail, or kill the process before, after or during it. A step
//! names what it works on by an open directory and one name in it, never by a path, so that a
//! directory that is swapped in the meantime leads nowhere else. [`TreeDisk`] does the steps.
//!
//! Sources: `openat(2)`, `rename(2)`, `fsync(2)`, `xattr(7)`, `acl(5)`, `ioctl_iflags(2)`,
//! `flock(2)`.

mod error;
mod inspect;
mod tree;

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::Metadata;

pub use error::{DiskError, DiskErrorKind};
pub use tree::TreeDisk;

/// An open directory. All that happens in it happens in this very inode, wherever its name leads
/// by now.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Where it was found, as the deployment sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An open file or directory whose content, owner, mode or attributes are set.
#[derive(Debug)]
pub struct OpenFile {
    fd: OwnedFd,
    path: PathBuf,
    identity: Identity,
}

impl OpenFile {
    /// Where it was opened, as the deployment sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which inode it is.
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

/// The lock of a state directory, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started may still share the open file, and with it the
        // lock: closing it would not be enough.
        let _ = rustix::fs::flock(&self.fd, rustix::fs::FlockOperation::Unlock);
    }
}

/// Which inode something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The inode's number in it.
    pub inode: u64,
}

/// One extended attribute. Access lists are such, too (`system.posix_acl_access`).
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, with the class in front.
    pub name: OsString,
    /// Its value.
    pub value: Vec<u8>,
}

/// What something holds.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// A regular file's bytes.
    Bytes(Vec<u8>),
    /// What a link says.
    Target(PathBuf),
    /// Nothing that is read: a directory, a socket, a fifo, a device.
    Nothing,
}

/// One inode as it was found. It holds a file's bytes, so it has no `Debug`.
#[derive(Clone)]
pub struct Found {
    /// Which inode.
    pub identity: Identity,
    /// Kind, mode, owner and size.
    pub metadata: Metadata,
    /// Under how many names it is known.
    pub links: u64,
    /// What it holds.
    pub held: Held,
    /// The extended attributes of a file or a directory, sorted by name.
    pub attributes: Vec<Attribute>,
    /// `chattr +i`: it cannot be changed, renamed or removed, by root neither.
    pub immutable: bool,
    /// `chattr +a`: it can only grow.
    pub append_only: bool,
    /// It is on a file system that is mounted read-only.
    pub read_only: bool,
}

/// How a name is given to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    /// What has the name now, is gone.
    Replace,
    /// Nothing may have the name now.
    New,
    /// The two names are exchanged; both must be there.
    Exchange,
}

/// The single steps of writing.
pub trait Disk {
    /// The path as it is kept: absolute, without `.` and `..`.
    fn place(&self, path: &Path) -> PathBuf;

    /// The path free of links, which are followed as the deployment would. For the way to the state
    /// directory only: the paths that are changed are free of links as they are.
    fn resolve(&self, path: &Path) -> Result<PathBuf, DiskError>;

    /// Opens a directory. A link anywhere in the path is an error, not followed.
    fn directory(&self, path: &Path) -> Result<Directory, DiskError>;

    /// Opens a directory in a directory. A link is an error.
    fn subdirectory(&self, directory: &Directory, name: &OsStr) -> Result<Directory, DiskError>;

    /// What the open directory itself is.
    fn inspect_directory(&self, directory: &Directory) -> Result<Found, DiskError>;

    /// What has this name. A link is not followed; a fifo or a device is not opened.
    fn inspect(&self, directory: &Directory, name: &OsStr) -> Result<Option<Found>, DiskError>;

    /// The names in a directory, sorted.
    fn list(&self, directory: &Directory) -> Result<Vec<OsString>, DiskError>;

    /// Opens a file or directory that was found, to set its owner, mode and attributes; an error
    /// where the name has gone to another inode.
    fn open(
        &self,
        directory: &Directory,
        name: &OsStr,
        identity: Identity,
    ) -> Result<OpenFile, DiskError>;

    /// The extended attributes of an open file.
    fn attributes(&self, file: &OpenFile) -> Result<Vec<Attribute>, DiskError>;

    /// Makes a file of mode 0600 under a name that nothing has.
    fn create(&self, directory: &Directory, name: &OsStr) -> Result<OpenFile, DiskError>;

    /// Adds bytes to a file that was just made.
    fn write(&self, file: &OpenFile, bytes: &[u8]) -> Result<(), DiskError>;

    /// Sets owner and group.
    fn set_owner(&self, file: &OpenFile, uid: u32, gid: u32) -> Result<(), DiskError>;

    /// Sets the permission bits.
    fn set_mode(&self, file: &OpenFile, mode: u32) -> Result<(), DiskError>;

    /// Sets an extended attribute.
    fn set_attribute(&self, file: &OpenFile, attribute: &Attribute) -> Result<(), DiskError>;

    /// Takes an extended attribute away.
    fn remove_attribute(&self, file: &OpenFile, name: &OsStr) -> Result<(), DiskError>;

    /// Returns when content, owner, mode and attributes are on the disk.
    fn sync(&self, file: &OpenFile) -> Result<(), DiskError>;

    /// Returns when the directory's names are on the disk.
    fn sync_directory(&self, directory: &Directory) -> Result<(), DiskError>;

    /// Makes a symbolic link under a name that nothing has.
    fn symlink(&self, directory: &Directory, name: &OsStr, target: &Path) -> Result<(), DiskError>;

    /// Sets owner and group of a symbolic link itself.
    fn set_link_owner(
        &self,
        directory: &Directory,
        name: &OsStr,
        uid: u32,
        gid: u32,
    ) -> Result<(), DiskError>;

    /// Gives a name to what has another name in the same directory.
    fn rename(
        &self,
        directory: &Directory,
        from: &OsStr,
        to: &OsStr,
        how: Renaming,
    ) -> Result<(), DiskError>;

    /// Takes the name of a file or link away.
    fn unlink(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Makes a directory of mode 0700.
    fn mkdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Removes an empty directory.
    fn rmdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Takes the lock `name` in a directory, or says at once who holds it.
    fn lock(&self, directory: &Directory, name: &OsStr) -> Result<Lock, DiskError>;

    /// The number of the user that writes.
    fn user(&self) -> u32;

    /// Text that nobody can foresee, fit for a name.
    fn unforeseeable(&self) -> String;
}
