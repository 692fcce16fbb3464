//! A disk whose steps fail, are watched, or end the process with SIGKILL; and small trees to work
//! on. Included by the tests of the transaction.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use deploy_doctor::fix::transaction::{Description, Store};
use deploy_doctor::fix::{Change, Content};
use deploy_doctor::host::disk::{
    Attribute, Directory, Disk, DiskError, DiskErrorKind, Found, Identity, Lock, OpenFile,
    Renaming, TreeDisk,
};
use rustix::process::{Signal, getpid, kill_process};

/// Where the state directory is in every tree.
pub const STATE: &str = "/var/lib/deploy-doctor";

/// What happens at the step of a number; the steps that change something count, from 0 on.
pub enum Fault {
    /// Nothing: the steps are only counted.
    None,
    /// The process is killed before the step.
    Kill(usize),
    /// The process is killed when half of the bytes of a write are written.
    KillWithin(usize),
    /// This step fails.
    Fail(usize, DiskErrorKind),
    /// This step and all after it fail.
    FailFrom(usize, DiskErrorKind),
    /// Something happens before the step.
    Meanwhile(usize, Box<dyn Fn()>),
    /// Something happens after the step, which makes a directory.
    AfterMkdir(usize, Box<dyn Fn()>),
    /// Something happens before the step, and the process is killed before the next one.
    MeanwhileKill(usize, Box<dyn Fn()>),
}

/// A disk with a fault.
pub struct FaultDisk {
    inner: TreeDisk,
    fault: Fault,
    /// Can two names be exchanged? Not on NFS.
    exchange: bool,
    count: Cell<usize>,
    /// The steps that were done, in words.
    pub log: RefCell<Vec<String>>,
}

impl FaultDisk {
    pub fn new(root: &Path, fault: Fault) -> Self {
        let inner = TreeDisk::open(root).unwrap();
        Self { inner, fault, exchange: true, count: Cell::new(0), log: RefCell::default() }
    }

    pub fn with_exchange(self, exchange: bool) -> Self {
        Self { exchange, ..self }
    }

    /// How many steps were done.
    pub fn steps(&self) -> usize {
        self.count.get()
    }

    fn step(&self, what: &str, path: &Path) -> Result<(), DiskError> {
        let number = self.count.get();
        self.count.set(number + 1);
        self.log.borrow_mut().push(format!("{what} {}", path.display()));
        let fail = |kind: &DiskErrorKind| {
            Err(DiskError { path: path.into(), doing: "do the step", kind: kind.clone() })
        };
        match &self.fault {
            Fault::Kill(at) if *at == number => die(),
            Fault::Fail(at, kind) if *at == number => fail(kind),
            Fault::FailFrom(at, kind) if number >= *at => fail(kind),
            Fault::MeanwhileKill(at, _) if number == *at + 1 => die(),
            Fault::Meanwhile(at, act) | Fault::MeanwhileKill(at, act) if *at == number => {
                act();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn named(&self, what: &str, at: &Directory, name: &OsStr) -> Result<(), DiskError> {
        self.step(what, &at.path().join(name))
    }

    fn on(&self, what: &str, file: &OpenFile) -> Result<(), DiskError> {
        self.step(what, file.path())
    }
}

fn die() -> ! {
    kill_process(getpid(), Signal::KILL).unwrap();
    loop {
        std::thread::park();
    }
}

impl Disk for FaultDisk {
    fn place(&self, path: &Path) -> PathBuf {
        self.inner.place(path)
    }
    fn resolve(&self, path: &Path) -> Result<PathBuf, DiskError> {
        self.inner.resolve(path)
    }
    fn directory(&self, path: &Path) -> Result<Directory, DiskError> {
        self.inner.directory(path)
    }
    fn subdirectory(&self, directory: &Directory, name: &OsStr) -> Result<Directory, DiskError> {
        self.inner.subdirectory(directory, name)
    }
    fn inspect_directory(&self, directory: &Directory) -> Result<Found, DiskError> {
        self.inner.inspect_directory(directory)
    }
    fn inspect(&self, directory: &Directory, name: &OsStr) -> Result<Option<Found>, DiskError> {
        self.inner.inspect(directory, name)
    }
    fn list(&self, directory: &Directory) -> Result<Vec<OsString>, DiskError> {
        self.inner.list(directory)
    }
    fn open(
        &self,
        directory: &Directory,
        name: &OsStr,
        identity: Identity,
    ) -> Result<OpenFile, DiskError> {
        self.inner.open(directory, name, identity)
    }
    fn attributes(&self, file: &OpenFile) -> Result<Vec<Attribute>, DiskError> {
        self.inner.attributes(file)
    }
    fn create(&self, directory: &Directory, name: &OsStr) -> Result<OpenFile, DiskError> {
        self.named("create", directory, name)?;
        self.inner.create(directory, name)
    }
    fn write(&self, file: &OpenFile, bytes: &[u8]) -> Result<(), DiskError> {
        let number = self.count.get();
        self.on("write", file)?;
        if matches!(self.fault, Fault::KillWithin(at) if at == number) {
            self.inner.write(file, &bytes[..bytes.len() / 2])?;
            die();
        }
        self.inner.write(file, bytes)
    }
    fn set_owner(&self, file: &OpenFile, uid: u32, gid: u32) -> Result<(), DiskError> {
        self.on("set_owner", file)?;
        self.inner.set_owner(file, uid, gid)
    }
    fn set_mode(&self, file: &OpenFile, mode: u32) -> Result<(), DiskError> {
        self.on("set_mode", file)?;
        self.inner.set_mode(file, mode)
    }
    fn set_attribute(&self, file: &OpenFile, attribute: &Attribute) -> Result<(), DiskError> {
        self.on("set_attribute", file)?;
        self.inner.set_attribute(file, attribute)
    }
    fn remove_attribute(&self, file: &OpenFile, name: &OsStr) -> Result<(), DiskError> {
        self.on("remove_attribute", file)?;
        self.inner.remove_attribute(file, name)
    }
    fn sync(&self, file: &OpenFile) -> Result<(), DiskError> {
        self.on("sync", file)?;
        self.inner.sync(file)
    }
    fn sync_directory(&self, directory: &Directory) -> Result<(), DiskError> {
        self.step("sync_directory", directory.path())?;
        self.inner.sync_directory(directory)
    }
    fn symlink(&self, directory: &Directory, name: &OsStr, target: &Path) -> Result<(), DiskError> {
        self.named("symlink", directory, name)?;
        self.inner.symlink(directory, name, target)
    }
    fn set_link_owner(
        &self,
        directory: &Directory,
        name: &OsStr,
        uid: u32,
        gid: u32,
    ) -> Result<(), DiskError> {
        self.named("set_link_owner", directory, name)?;
        self.inner.set_link_owner(directory, name, uid, gid)
    }
    fn rename(
        &self,
        directory: &Directory,
        from: &OsStr,
        to: &OsStr,
        how: Renaming,
    ) -> Result<(), DiskError> {
        self.named(&format!("rename({how:?})"), directory, to)?;
        if !self.exchange && how == Renaming::Exchange {
            let path = directory.path().join(to);
            return Err(DiskError { path, doing: "exchange", kind: DiskErrorKind::Unsupported });
        }
        self.inner.rename(directory, from, to, how)
    }
    fn unlink(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        self.named("unlink", directory, name)?;
        self.inner.unlink(directory, name)
    }
    fn mkdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        let number = self.count.get();
        self.named("mkdir", directory, name)?;
        self.inner.mkdir(directory, name)?;
        if let Fault::AfterMkdir(at, act) = &self.fault
            && *at == number
        {
            act();
        }
        Ok(())
    }
    fn rmdir(&self, directory: &Directory, name: &OsStr) -> Result<(), DiskError> {
        self.named("rmdir", directory, name)?;
        self.inner.rmdir(directory, name)
    }
    fn lock(&self, directory: &Directory, name: &OsStr) -> Result<Lock, DiskError> {
        self.inner.lock(directory, name)
    }
    fn user(&self) -> u32 {
        self.inner.user()
    }
    fn unforeseeable(&self) -> String {
        self.inner.unforeseeable()
    }
}

/// All that is promised about one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub kind: char,
    pub mode: u32,
    pub owner: (u32, u32),
    pub content: Vec<u8>,
    pub attributes: Vec<(OsString, Vec<u8>)>,
}

/// Everything in a tree but the state directory, by path.
pub fn snapshot(root: &Path) -> Snapshot {
    let mut all = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path == root.join(STATE.trim_start_matches('/')) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let (kind, content) = if meta.is_symlink() {
                ('l', fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else if meta.is_dir() {
                todo.push(path.clone());
                ('d', Vec::new())
            } else if meta.is_file() {
                ('f', fs::read(&path).unwrap())
            } else {
                ('?', Vec::new())
            };
            let attributes = if meta.is_symlink() { Vec::new() } else { attributes(&path) };
            let standing = Standing {
                kind,
                mode: meta.mode() & 0o7777,
                owner: (meta.uid(), meta.gid()),
                content,
                attributes,
            };
            all.insert(path.strip_prefix(root).unwrap().into(), standing);
        }
    }
    all
}

/// Everything in a tree, by path.
pub type Snapshot = BTreeMap<PathBuf, Standing>;

/// The paths at which two states of a tree differ, with what stands there now.
pub fn differences(now: &Snapshot, then: &Snapshot) -> Vec<String> {
    let mut paths: Vec<_> = now.keys().chain(then.keys()).collect();
    paths.sort();
    paths.dedup();
    let differ = paths.into_iter().filter(|path| now.get(*path) != then.get(*path));
    differ.map(|path| format!("{}: {:?}", path.display(), now.get(path))).collect()
}

/// Fails with the paths that differ.
#[track_caller]
pub fn assert_same(now: &Snapshot, then: &Snapshot) {
    assert!(now == then, "{:#?}", differences(now, then));
}

/// A path's extended attributes.
pub fn attributes(path: &Path) -> Vec<(OsString, Vec<u8>)> {
    use std::os::unix::ffi::OsStrExt;
    let mut list = vec![0_u8; 65536];
    let Ok(length) = rustix::fs::llistxattr(path, list.as_mut_slice()) else { return Vec::new() };
    let mut all = Vec::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let mut value = vec![0_u8; 65536];
        let length = rustix::fs::lgetxattr(path, name, value.as_mut_slice()).unwrap();
        value.truncate(length);
        all.push((name.to_owned(), value));
    }
    all.sort();
    all
}

/// Are there temporary names left anywhere in the tree?
pub fn temporaries(root: &Path) -> Vec<PathBuf> {
    let names = snapshot(root).into_keys();
    names.filter(|path| path.to_string_lossy().contains(".deploy-doctor-")).collect()
}

/// What stands at a path of a tree, as the plan would have read it.
pub fn standing(root: &Path, path: &str) -> Content {
    let at = root.join(path.trim_start_matches('/'));
    let Ok(meta) = fs::symlink_metadata(&at) else { return Content::Absent };
    let (mode, uid, gid) = (meta.mode() & 0o7777, meta.uid(), meta.gid());
    if meta.is_symlink() {
        Content::Link { target: fs::read_link(&at).unwrap() }
    } else if meta.is_dir() {
        Content::Directory { mode, uid, gid }
    } else {
        Content::File { bytes: fs::read(&at).unwrap(), mode, uid, gid }
    }
}

/// The temporary name that lies in a directory.
pub fn temporary_in(directory: &Path) -> PathBuf {
    let mut names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    names.find(|path| path.to_string_lossy().contains("/.deploy-doctor-")).unwrap()
}

/// A change of what stands at a path now.
pub fn change(root: &Path, path: &str, after: Content) -> Change {
    Change { path: path.into(), before: standing(root, path), after }
}

/// A change of a file's bytes alone.
pub fn rewrite(root: &Path, path: &str, text: &str) -> Change {
    let before = standing(root, path);
    let after = match &before {
        Content::File { mode, uid, gid, .. } => {
            Content::File { bytes: text.into(), mode: *mode, uid: *uid, gid: *gid }
        }
        _ => own_file(text, 0o644),
    };
    Change { path: path.into(), before, after }
}

/// A file of the user that runs the test.
pub fn own_file(text: &str, mode: u32) -> Content {
    Content::File { bytes: text.into(), mode, uid: own().0, gid: own().1 }
}

/// A directory of the user that runs the test.
pub fn own_directory(mode: u32) -> Content {
    Content::Directory { mode, uid: own().0, gid: own().1 }
}

/// The user and group that run the test.
pub fn own() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

pub fn is_root() -> bool {
    own().0 == 0
}

/// Writes a file of a tree, and the directories above it.
pub fn put(root: &Path, path: &str, text: &str, mode: u32) {
    let at = root.join(path.trim_start_matches('/'));
    fs::create_dir_all(at.parent().unwrap()).unwrap();
    fs::write(&at, text).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn describe(title: &str) -> Description {
    Description {
        title: title.into(),
        codes: vec!["U101".into()],
        apps: vec!["myapp.service".into()],
        time: 1_700_000_000,
    }
}

/// Opens the store of a tree.
pub fn store(disk: &dyn Disk) -> Store<'_> {
    Store::open(disk, Path::new(STATE)).unwrap()
}

/// Says past the harness that something could not be tried here.
pub fn skip(reason: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED: {name}: {reason}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}
