//! The only way in which repairs are written.
//!
//! [`Disk`] has one method for each single step that the kernel performs completely or not at all,
//! so that a test can make any of them fail, or kill the process before, after or during it. A step
//! identifies its target by an open directory and one name in it, never by a path, so that a
//! directory that is swapped in the meantime cannot redirect the step. [`TreeDisk`] performs the
//! steps.
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

/// An open directory. All steps on it affect this very inode, wherever its name leads by now.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// The path at which it was found, as the deployment sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// An open file or directory, for changes to its content, owner, mode or attributes.
#[derive(Debug)]
pub struct OpenFile {
    fd: OwnedFd,
    path: PathBuf,
    identity: Identity,
}

impl OpenFile {
    /// The path at which it was opened, as the deployment sees it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The identity of its inode.
    pub fn identity(&self) -> Identity {
        self.identity
    }
}

/// The lock of a state directory, which lasts until it is dropped or the process exits for any
/// reason.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started may still share the open file and thus the lock:
        // closing the file would not be enough.
        let _ = rustix::fs::flock(&self.fd, rustix::fs::FlockOperation::Unlock);
    }
}

/// The identity of an inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The number of the inode in it.
    pub inode: u64,
}

/// One extended attribute. Access control lists are extended attributes too
/// (`system.posix_acl_access`).
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, with the class as its prefix.
    pub name: OsString,
    /// Its value.
    pub value: Vec<u8>,
}

/// The content of an inode.
#[derive(Clone, PartialEq, Eq)]
pub enum Held {
    /// A regular file's bytes.
    Bytes(Vec<u8>),
    /// The target of a link, as written.
    Target(PathBuf),
    /// Nothing that can be read: a directory, a socket, a fifo, a device.
    Nothing,
}

/// One inode as it was found. It contains a file's bytes, so it has no `Debug`.
#[derive(Clone)]
pub struct Found {
    /// The identity of the inode.
    pub identity: Identity,
    /// Kind, mode, owner and size.
    pub metadata: Metadata,
    /// The number of its names.
    pub links: u64,
    /// Its content.
    pub held: Held,
    /// The extended attributes of a file or a directory, sorted by name.
    pub attributes: Vec<Attribute>,
    /// `chattr +i`: it cannot be changed, renamed or removed, even by root.
    pub immutable: bool,
    /// `chattr +a`: it can only grow.
    pub append_only: bool,
    /// Whether its file system is mounted read-only.
    pub read_only: bool,
}

/// What happens to the new name when a file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renaming {
    /// What has the new name now is replaced.
    Replace,
    /// The new name must not exist.
    New,
    /// The two names are exchanged; both must exist.
    Exchange,
}

/// The single steps of a repair.
pub trait Disk {
    /// The normalised path: absolute, without `.` and `..`.
    fn place(&self, path: &Path) -> PathBuf;

    /// The path with its links resolved as the deployment would. Only for the path to the state
    /// directory: the paths that are changed already contain no links.
    fn resolve(&self, path: &Path) -> Result<PathBuf, DiskError>;

    /// Opens a directory. A link anywhere in the path is an error, not followed.
    fn directory(&self, path: &Path) -> Result<Directory, DiskError>;

    /// Opens a subdirectory of an open directory. A link is an error.
    fn subdirectory(&self, directory: &Directory, name: &OsStr) -> Result<Directory, DiskError>;

    /// Inspects the open directory itself.
    fn inspect_directory(&self, directory: &Directory) -> Result<Found, DiskError>;

    /// Inspects what has this name. A link is not followed; a fifo or a device is not opened.
    fn inspect(&self, directory: &Directory, name: &OsStr) -> Result<Option<Found>, DiskError>;

    /// The names in a directory, sorted.
    fn list(&self, directory: &Directory) -> Result<Vec<OsString>, DiskError>;

    /// Opens a file or directory that was inspected, to set its owner, mode and attributes. Fails
    /// if the name now belongs to another inode.
    fn open(
        &self,
        directory: &Directory,
        name: &OsStr,
        identity: Identity,
    ) -> Result<OpenFile, DiskError>;

    /// The extended attributes of an open file.
    fn attributes(&self, file: &OpenFile) -> Result<Vec<Attribute>, DiskError>;

    /// Creates a file of mode 0600. The name must not exist.
    fn create(&self, directory: &Directory, name: &OsStr) -> Result<OpenFile, DiskError>;

    /// Appends bytes to a file that was just created.
    fn write(&self, file: &OpenFile, bytes: &[u8]) -> Result<(), DiskError>;

    /// Sets owner and group.
    fn set_owner(&self, file: &OpenFile, uid: u32, gid: u32) -> Result<(), DiskError>;

    /// Sets the permission bits.
    fn set_mode(&self, file: &OpenFile, mode: u32) -> Result<(), DiskError>;

    /// Sets an extended attribute.
    fn set_attribute(&self, file: &OpenFile, attribute: &Attribute) -> Result<(), DiskError>;

    /// Removes an extended attribute.
    fn remove_attribute(&self, file: &OpenFile, name: &OsStr) -> Result<(), DiskError>;

    /// Returns once content, owner, mode and attributes are on the disk.
    fn sync(&self, file: &OpenFile) -> Result<(), DiskError>;

    /// Returns once the directory's names are on the disk.
    fn sync_directory(&self, directory: &Directory) -> Result<(), DiskError>;

    /// Creates a symbolic link. The name must not exist.
    fn symlink(&self, directory: &Directory, name: &OsStr, target: &Path) -> Result<(), DiskError>;

    /// Sets owner and group of a symbolic link itself.
    fn set_link_owner(
        &self,
        directory: &Directory,
        name: &OsStr,
        uid: u32,
        gid: u32,
    ) -> Result<(), DiskError>;

    /// Renames something within a directory.
    fn rename(
        &self,
        directory: &Directory,
        from: &OsStr,
        to: &OsStr,
        how: Renaming,
    ) -> Result<(), DiskError>;

    /// Removes the name of a file or link.
    fn unlink(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Creates a directory of mode 0700.
    fn mkdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Removes an empty directory.
    fn rmdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError>;

    /// Takes the lock `name` in a directory, or fails at once with its holder.
    fn lock(&self, directory: &Directory, name: &OsStr) -> Result<Lock, DiskError>;

    /// The number of the user who performs the steps.
    fn user(&self) -> u32;

    /// Unpredictable text that can be part of a file name.
    fn unforeseeable(&self) -> String;
}
