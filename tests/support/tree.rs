//! A file tree on disk for tests of `--root`: files, directories, links, sockets, with modes and
//! owners. It is gone when it is dropped.
//!
//! ```ignore
//! let tree = Tree::new()
//!     .file("/etc/app.env", "A=1\n").mode(0o640).own(0, 33)
//!     .directory("/srv/app/releases/1")
//!     .link("/srv/app/current", "releases/1");
//! let host = tree.host();
//! ```

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use deploy_doctor::host::TreeHost;

/// A tree under construction, and then in use. Directories above an entry come into being by
/// themselves, mode 0755; files have mode 0644.
pub struct Tree {
    directory: tempfile::TempDir,
    /// What `mode`, `own` and `modified` speak of.
    last: PathBuf,
}

impl Tree {
    /// An empty tree.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let last = directory.path().to_owned();
        set_mode(&last, 0o755);
        Self { directory, last }
    }

    /// Adds a file.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let tree = self.at(path);
        fs::write(&tree.last, content).unwrap();
        tree.mode(0o644)
    }

    /// Adds a directory, or speaks of one that is there.
    pub fn directory(self, path: &str) -> Self {
        let tree = self.at(path);
        if tree.last.is_dir() {
            return tree;
        }
        fs::create_dir(&tree.last).unwrap();
        tree.mode(0o755)
    }

    /// Adds a symbolic link. An absolute target means a path inside the tree.
    pub fn link(self, path: &str, target: &str) -> Self {
        let tree = self.at(path);
        symlink(target, &tree.last).unwrap();
        tree
    }

    /// Adds a unix socket that nobody listens on.
    pub fn socket(self, path: &str) -> Self {
        let tree = self.at(path);
        // Bound by a short name: a socket's path is limited to some hundred bytes.
        let short = tempfile::tempdir().unwrap();
        let name = short.path().join("s");
        drop(UnixListener::bind(&name).unwrap());
        fs::rename(&name, &tree.last).unwrap();
        tree
    }

    /// Adds a named pipe.
    pub fn fifo(self, path: &str) -> Self {
        let tree = self.at(path);
        let made = std::process::Command::new("mkfifo").arg(&tree.last).status();
        assert!(made.unwrap().success(), "mkfifo {path}");
        tree
    }

    /// Sets the permission bits of the last entry.
    pub fn mode(self, mode: u32) -> Self {
        set_mode(&self.last, mode);
        self
    }

    /// Sets the owner of the last entry, a link's own too. Needs root, see [`can_own`].
    pub fn own(self, uid: u32, gid: u32) -> Self {
        let owned = std::os::unix::fs::lchown(&self.last, Some(uid), Some(gid));
        owned.unwrap_or_else(|error| panic!("{}: {error}", self.last.display()));
        self
    }

    /// Sets when the last entry (a file or directory) was changed, in seconds since 1970.
    pub fn modified(self, seconds: u64) -> Self {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        fs::File::open(&self.last).unwrap().set_modified(time).unwrap();
        self
    }

    /// Where the tree lies on this machine.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Where a path of the tree lies on this machine.
    pub fn path(&self, path: &str) -> PathBuf {
        let inside = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
        self.root().join(inside)
    }

    /// The tree as `--root` sees it.
    pub fn host(&self) -> TreeHost {
        TreeHost::open(self.root()).unwrap()
    }

    /// Turns to a path and makes the directories above it.
    fn at(mut self, path: &str) -> Self {
        let inside = Path::new(path).strip_prefix("/").expect("a path in a tree is absolute");
        let mut place = self.root().to_owned();
        let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(plain, "{path} could lead out of the tree");
        for part in inside.parent().into_iter().flat_map(Path::components) {
            place.push(part);
            if fs::symlink_metadata(&place).is_err() {
                fs::create_dir(&place).unwrap();
                set_mode(&place, 0o755);
            }
            let kind = fs::symlink_metadata(&place).unwrap();
            assert!(kind.is_dir(), "{} is no directory: name it by its own path", place.display());
        }
        self.last = self.root().join(inside);
        self
    }
}

/// Whether entries can be given to other users here.
pub fn can_own() -> bool {
    rustix::process::geteuid().is_root()
}

/// Modes are set after the fact, so that the umask has no say.
fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
