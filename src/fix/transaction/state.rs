//! The state directory: the lock, and one directory for each transaction.
//!
//! ```text
//! lock                      the process that uses the directory
//! transactions/00000007/    mode 0700
//!     before-0 …            the old content of each path, mode 0600
//!     journal.json          the changes to be made
//!     state                 the transaction's state; written last: without it, nothing was begun
//! ```

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::journal::{Record, before_name};
use super::{Content, StoreError, TransactionId};
use crate::host::FileKind;
use crate::host::disk::{Directory, Disk, DiskError, DiskErrorKind, Held, Lock};

const JOURNAL: &str = "journal.json";
const STATE: &str = "state";
const TRANSACTIONS: &str = "transactions";

/// The state of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::fix) enum State {
    /// About to be made; after a crash, it is undone.
    Prepared,
    /// Completed.
    Committed,
    /// Being undone because the user asked for it; after a crash, the undo continues.
    Undoing,
    /// Undone.
    Undone,
    /// Being undone because it did not validate.
    RollingBack,
    /// Undone because it did not validate.
    RolledBack,
}

const STATES: [(State, &str); 6] = [
    (State::Prepared, "prepared"),
    (State::Committed, "committed"),
    (State::Undoing, "undoing"),
    (State::Undone, "undone"),
    (State::RollingBack, "rolling-back"),
    (State::RolledBack, "rolled-back"),
];

impl State {
    /// Whether the next run must continue it.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Prepared | Self::Undoing | Self::RollingBack)
    }
}

/// Reads transactions without a lock and without changing anything.
pub(in crate::fix) struct Shelf<'d> {
    disk: &'d dyn Disk,
    transactions: Directory,
}

impl<'d> Shelf<'d> {
    /// The transactions of a state directory, if it exists.
    pub(in crate::fix) fn look(
        disk: &'d dyn Disk,
        path: &Path,
    ) -> Result<Option<Self>, StoreError> {
        let there = |result: Result<Directory, DiskError>| match result {
            Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => Ok(None),
            other => other.map(Some),
        };
        let Some(parent) = there(disk.directory(&disk.resolve(parent(path))?))? else {
            return Ok(None);
        };
        let Some(state) = there(disk.subdirectory(&parent, name(path)?))? else { return Ok(None) };
        trust(disk, &state)?;
        let Some(transactions) = there(disk.subdirectory(&state, OsStr::new(TRANSACTIONS)))? else {
            return Ok(None);
        };
        trust(disk, &transactions)?;
        Ok(Some(Self { disk, transactions }))
    }

    /// The numbers of all transactions, the oldest first.
    pub(in crate::fix) fn numbers(&self) -> Result<Vec<TransactionId>, StoreError> {
        let names = self.disk.list(&self.transactions)?;
        let mut numbers: Vec<_> = names
            .iter()
            .filter_map(|name| name.to_str()?.parse().ok().map(TransactionId))
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The state of a transaction; `None` if it never started.
    pub(in crate::fix) fn state(&self, id: TransactionId) -> Result<Option<State>, StoreError> {
        let directory = self.open(id)?;
        let Some(bytes) = self.read(&directory, OsStr::new(STATE))? else { return Ok(None) };
        let said = STATES.iter().find(|(_, word)| bytes == word.as_bytes());
        let damaged = || StoreError::Damaged {
            path: directory.path().join(STATE),
            why: "it names no state".into(),
        };
        said.map(|(state, _)| Some(*state)).ok_or_else(damaged)
    }

    /// A transaction's journal.
    pub(in crate::fix) fn record(&self, id: TransactionId) -> Result<Record, StoreError> {
        let directory = self.open(id)?;
        let path = directory.path().join(JOURNAL);
        let Some(bytes) = self.read(&directory, OsStr::new(JOURNAL))? else {
            return Err(StoreError::Damaged { path, why: "it is missing".into() });
        };
        let kept = |name: &OsStr| self.read(&directory, name).ok().flatten();
        Record::read(&bytes, kept).map_err(|why| StoreError::Damaged { path, why })
    }

    fn open(&self, id: TransactionId) -> Result<Directory, StoreError> {
        Ok(self.disk.subdirectory(&self.transactions, &directory_name(id))?)
    }

    fn read(&self, directory: &Directory, name: &OsStr) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.disk.inspect(directory, name)?.and_then(|found| match found.held {
            Held::Bytes(bytes) => Some(bytes),
            Held::Target(_) | Held::Nothing => None,
        }))
    }

    /// Stores a new transaction that is ready to be made.
    pub(super) fn prepare(&self, record: &Record) -> Result<TransactionId, StoreError> {
        let last = self.numbers()?.last().map_or(0, |id| id.0);
        let id = TransactionId(last.saturating_add(1));
        let result = self.keep(id, record);
        if result.is_err() {
            // Whatever remains has no state, so the next run removes it.
            let _ = self.remove(id);
        }
        result.map(|()| id)
    }

    fn keep(&self, id: TransactionId, record: &Record) -> Result<(), StoreError> {
        self.disk.mkdir(&self.transactions, &directory_name(id))?;
        let directory = self.open(id)?;
        for (number, entry) in record.entries.iter().enumerate() {
            if let Content::File { bytes, .. } = &entry.change.before {
                self.write(&directory, &before_name(number), bytes)?;
            }
        }
        let journal = record
            .write()
            .map_err(|why| StoreError::Damaged { path: directory.path().join(JOURNAL), why })?;
        self.write(&directory, OsStr::new(JOURNAL), &journal)?;
        self.disk.sync_directory(&self.transactions)?;
        self.set_state(id, State::Prepared)
    }

    fn write(&self, directory: &Directory, name: &OsStr, bytes: &[u8]) -> Result<(), DiskError> {
        let file = self.disk.create(directory, name)?;
        self.disk.write(&file, bytes)?;
        self.disk.sync(&file)
    }

    /// Sets the state of a transaction atomically.
    pub(super) fn set_state(&self, id: TransactionId, state: State) -> Result<(), StoreError> {
        let directory = self.open(id)?;
        let word = STATES.iter().find(|(known, _)| *known == state).map_or("", |(_, word)| word);
        let new = OsStr::new("state.new");
        match self.disk.unlink(&directory, new) {
            Ok(()) | Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.write(&directory, new, word.as_bytes())?;
        let to = OsStr::new(STATE);
        self.disk.rename(&directory, new, to, crate::host::disk::Renaming::Replace)?;
        Ok(self.disk.sync_directory(&directory)?)
    }

    /// Deletes a transaction. Its state is deleted first, so that a partial deletion counts as a
    /// complete one.
    pub(super) fn remove(&self, id: TransactionId) -> Result<(), StoreError> {
        let directory = match self.open(id) {
            Err(StoreError::Disk(DiskError { kind: DiskErrorKind::NotFound, .. })) => return Ok(()),
            other => other?,
        };
        let mut names = self.disk.list(&directory)?;
        names.sort_by_key(|name| name != STATE);
        for name in names {
            self.disk.unlink(&directory, &name)?;
        }
        Ok(self.disk.rmdir(&self.transactions, &directory_name(id))?)
    }
}

/// Opens the state directory, creates it if it is missing, and locks it.
pub(super) fn open<'d>(disk: &'d dyn Disk, path: &Path) -> Result<(Shelf<'d>, Lock), StoreError> {
    let above = make_way(disk, &disk.resolve(parent(path))?)?;
    let (state, _) = make(disk, &above, name(path)?)?;
    trust(disk, &state)?;
    let lock = disk.lock(&state, OsStr::new("lock")).map_err(|error| match error.kind {
        DiskErrorKind::Locked { holder } => StoreError::Busy { holder },
        _ => StoreError::Disk(error),
    })?;
    let (transactions, _) = make(disk, &state, OsStr::new(TRANSACTIONS))?;
    trust(disk, &transactions)?;
    disk.sync_directory(&state)?;
    Ok((Shelf { disk, transactions }, lock))
}

/// Opens a directory below the state directory, and creates both if they are missing.
pub(super) fn below(disk: &dyn Disk, path: &Path, child: &OsStr) -> Result<Directory, StoreError> {
    let above = make_way(disk, &disk.resolve(parent(path))?)?;
    let (state, _) = make(disk, &above, name(path)?)?;
    trust(disk, &state)?;
    let (directory, _) = make(disk, &state, child)?;
    trust(disk, &directory)?;
    disk.sync_directory(&state)?;
    Ok(directory)
}

/// Opens a directory with mode 0700, and creates it if it is missing; returns whether it did.
fn make(disk: &dyn Disk, above: &Directory, name: &OsStr) -> Result<(Directory, bool), StoreError> {
    let mut made = true;
    match disk.mkdir(above, name) {
        Ok(()) => disk.sync_directory(above)?,
        Err(DiskError { kind: DiskErrorKind::Exists, .. }) => made = false,
        Err(error) => return Err(error.into()),
    }
    let directory = disk.subdirectory(above, name).map_err(|error| match error.kind {
        DiskErrorKind::Link | DiskErrorKind::NotADirectory => StoreError::Untrusted {
            path: error.path,
            why: "is a link or something else that is not a directory".into(),
        },
        _ => error.into(),
    })?;
    Ok((directory, made))
}

/// Opens the directory above the state directory, and creates what is missing of its path.
fn make_way(disk: &dyn Disk, path: &Path) -> Result<Directory, StoreError> {
    let mut missing: Vec<&OsStr> = Vec::new();
    let mut at = path;
    let mut directory = loop {
        match disk.directory(at) {
            Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => {}
            other => break other?,
        }
        let (Some(above), Some(name)) = (at.parent(), at.file_name()) else {
            break disk.directory(at)?;
        };
        missing.push(name);
        at = above;
    };
    while let Some(name) = missing.pop() {
        let made;
        (directory, made) = make(disk, &directory, name)?;
        // For root, with the mode that distributions' packages use; for a user, as the XDG base
        // directory specification says.
        if made && disk.user() == 0 {
            let found = disk.inspect_directory(&directory)?;
            let file = disk.open(&directory, OsStr::new("."), found.identity)?;
            disk.set_mode(&file, 0o755)?;
        }
    }
    Ok(directory)
}

/// Checks that nobody else created the directory, and that nobody else can write or read in it.
fn trust(disk: &dyn Disk, directory: &Directory) -> Result<(), StoreError> {
    let found = disk.inspect_directory(directory)?;
    let untrusted = |why| StoreError::Untrusted { path: directory.path().into(), why };
    let (own, owner, mode) = (disk.user(), found.metadata.uid, found.metadata.mode);
    if found.metadata.kind != FileKind::Directory {
        return Err(untrusted("is not a directory".into()));
    }
    if owner != own {
        return Err(untrusted(format!("belongs to user {owner}, not to user {own}")));
    }
    if mode & 0o077 != 0 {
        return Err(untrusted(format!("has mode {mode:04o}, not 0700")));
    }
    Ok(())
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

fn name(path: &Path) -> Result<&OsStr, StoreError> {
    path.file_name().ok_or_else(|| StoreError::Untrusted {
        path: PathBuf::from(path),
        why: "is not a directory name".into(),
    })
}

fn directory_name(id: TransactionId) -> OsString {
    format!("{:08}", id.0).into()
}
