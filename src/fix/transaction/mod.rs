//! Writes several changes, all or none, and undoes them.
//!
//! Before anything is changed, the content of each path is saved in the state directory; then a
//! journal records what will be done; only then is it done (write-ahead). [`Store::recover`] undoes
//! what a crash left half done. The order on the disk is ensured with `fsync(2)`; every single step
//! is atomic (`rename(2)`, `renameat2(2)`).

mod beside;
mod check;
mod dress;
mod error;
pub mod history;
pub(in crate::fix) mod journal;
mod perform;
mod restore;
pub(in crate::fix) mod state;
mod step;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Change, Content};
use crate::host::disk::{Directory, Disk, Found, Held, Lock};
use check::Handles;
use history::HistoryEntry;
use journal::{Entry, Record};
use perform::{Race, Trouble, perform};
use restore::restore;
use state::{Shelf, State};
use step::Step;

pub use error::{ApplyError, Left, Notice, Refusal, StoreError, UndoError, Why};

/// How many transactions are kept.
pub const HISTORY_LIMIT: usize = 100;

/// The number of a transaction. Numbers increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u64);

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A description of a transaction, for the history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// A title of a few words.
    pub title: String,
    /// The codes of the findings that it repairs.
    pub codes: Vec<String>,
    /// The applications.
    pub apps: Vec<String>,
    /// The time, in seconds since 1970.
    pub time: u64,
}

/// What [`Store::recover`] did with one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The transaction.
    pub id: TransactionId,
    /// Its description.
    pub description: Description,
    /// Whether an interrupted undo was finished. Otherwise the changes themselves were interrupted,
    /// and were undone.
    pub undo: bool,
    /// The paths that were not restored.
    pub left: Vec<Left>,
}

/// A transaction that was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The transaction.
    pub id: TransactionId,
    /// Its description.
    pub description: Description,
    /// The paths that the transaction had changed.
    pub paths: Vec<PathBuf>,
    /// The paths that were not restored, such as a directory that is not empty.
    pub left: Vec<Left>,
}

/// Opens a private directory below the state directory, with mode 0700, and creates what is
/// missing. A directory that somebody else created, or can read or write, is refused; so is a link.
pub fn directory_below(
    disk: &dyn Disk,
    state_dir: &Path,
    name: &str,
) -> Result<Directory, StoreError> {
    state::below(disk, &disk.place(state_dir), std::ffi::OsStr::new(name))
}

/// The transactions of one state directory, locked for this process until dropped.
pub struct Store<'d> {
    disk: &'d dyn Disk,
    shelf: Shelf<'d>,
    backup_beside: bool,
    _lock: Lock,
}

impl<'d> Store<'d> {
    /// Opens the state directory, creates it if it is missing (mode 0700), and locks it. A
    /// directory that somebody else created, or can read or write, is refused; so is a link.
    pub fn open(disk: &'d dyn Disk, state_dir: &Path) -> Result<Self, StoreError> {
        let (shelf, lock) = state::open(disk, &disk.place(state_dir))?;
        Ok(Self { disk, shelf, backup_beside: false, _lock: lock })
    }

    /// Also keeps the old content next to each changed file, as `.FILE.orig` (or `.FILE.orig.1` …
    /// if that exists already).
    #[must_use]
    pub fn with_backup_beside(self, backup_beside: bool) -> Self {
        Self { backup_beside, ..self }
    }

    /// Undoes, or finishes undoing, what an earlier run left half done. Must be called before
    /// reading any file that is to be changed.
    pub fn recover(&self) -> Result<Vec<Recovered>, StoreError> {
        let mut recovered = Vec::new();
        for id in self.shelf.numbers()?.into_iter().rev() {
            let Some(state) = self.shelf.state(id)? else {
                self.shelf.remove(id)?;
                continue;
            };
            if !state.is_open() {
                continue;
            }
            let record = self.shelf.record(id)?;
            let left = restore(&mut Handles::new(self.disk), &record)
                .map_err(|trouble| StoreError::Unfinished { id, why: trouble.cause })?;
            self.close(id, state, &left)?;
            let undo = state != State::Prepared;
            recovered.push(Recovered { id, description: record.description, undo, left });
        }
        Ok(recovered)
    }

    /// Records that a transaction was undone. One that was never complete is forgotten, unless
    /// paths were not restored: its backup may be their last copy.
    fn close(&self, id: TransactionId, state: State, left: &[Left]) -> Result<(), StoreError> {
        match state {
            State::Prepared if left.is_empty() => self.shelf.remove(id),
            State::Undoing => self.shelf.set_state(id, State::Undone),
            _ => self.shelf.set_state(id, State::RolledBack),
        }
    }

    fn ensure_finished(&self) -> Result<(), StoreError> {
        for id in self.shelf.numbers()? {
            if self.shelf.state(id)?.is_none_or(State::is_open) {
                let why = "it must be recovered first".to_owned();
                return Err(StoreError::Unfinished { id, why });
            }
        }
        Ok(())
    }

    /// Checks whether these changes would be refused, and otherwise returns what is worth knowing.
    /// Nothing is written.
    pub fn check(&self, changes: &[Change]) -> Result<Vec<Notice>, ApplyError> {
        let changes = self.placed(changes);
        let found = check::check(&mut Handles::new(self.disk), &changes);
        let found = found.map_err(ApplyError::Refused)?;
        let several = changes.into_iter().zip(found).filter_map(|(change, found)| match found {
            Some(Found { links, held: Held::Bytes(_), .. }) if links > 1 => {
                Some(Notice { path: change.path, names: links })
            }
            _ => None,
        });
        Ok(several.collect())
    }

    /// Makes all of the changes or none. Directories are created first and removed last, whatever
    /// the order of the changes. If anything fails, what was done is undone.
    pub fn apply(
        &self,
        changes: &[Change],
        what: &Description,
    ) -> Result<TransactionId, ApplyError> {
        self.ensure_finished()?;
        let mut handles = Handles::new(self.disk);
        let mut changes = self.placed(changes);
        let mut found = check::check(&mut handles, &changes).map_err(ApplyError::Refused)?;
        // A path whose content stays the same was checked too, but is not written.
        let mut stays = changes.iter().map(|change| change.before == change.after);
        found.retain(|_| !stays.next().unwrap_or(false));
        changes.retain(|change| change.before != change.after);
        if changes.is_empty() {
            return Err(ApplyError::Nothing);
        }
        if self.backup_beside {
            let beside = beside::backups(&mut handles, &changes)?;
            found.extend(beside.iter().map(|_| None));
            changes.extend(beside);
        }
        let record = self.record(changes, &found, what);
        let id = self.shelf.prepare(&record)?;
        let steps = forward(&record, found);
        let result = perform(&mut handles, &steps, Race::Stop).and_then(|_| {
            let commit = self.shelf.set_state(id, State::Committed);
            commit.map_err(|error| Trouble { cause: error.to_string(), begun: true })
        });
        match result {
            Ok(()) => {
                self.prune();
                Ok(id)
            }
            Err(trouble) => Err(self.withdraw(id, &record, &mut handles, trouble)),
        }
    }

    /// Undoes a transaction that failed on the way.
    fn withdraw(
        &self,
        id: TransactionId,
        record: &Record,
        handles: &mut Handles<'_>,
        trouble: Trouble,
    ) -> ApplyError {
        let all = |why: String| {
            let paths = record.entries.iter().map(|entry| entry.change.path.clone());
            paths.map(|path| Left { path, why: why.clone() }).collect()
        };
        // The final state may have been written and merely not synced. Then all changes are made,
        // and must not be half undone under a journal that calls them done.
        let prepared = match self.shelf.state(id) {
            Ok(Some(State::Prepared)) => Ok(()),
            _ => self.shelf.set_state(id, State::Prepared),
        };
        if let Err(error) = prepared {
            let left = all(format!("changed, and not undone ({error})"));
            return ApplyError::Failed { cause: trouble.cause, left };
        }
        let left = match restore(handles, record) {
            // If closing fails, the next run finds everything restored already.
            Ok(left) => {
                let _ = self.close(id, State::Prepared, &left);
                left
            }
            Err(second) => {
                all(format!("not known to be restored ({}); the next run continues", second.cause))
            }
        };
        ApplyError::Failed { cause: trouble.cause, left }
    }

    /// Undoes a transaction that was made but did not validate. What somebody else changed in the
    /// meantime stays as it is, and is reported.
    pub fn roll_back(&self, id: TransactionId) -> Result<Undone, UndoError> {
        self.ensure_finished()?;
        if !self.shelf.numbers()?.contains(&id) || self.shelf.state(id)? != Some(State::Committed) {
            return Err(StoreError::NotThere(id).into());
        }
        let record = self.shelf.record(id)?;
        self.take_back(id, record, State::RollingBack, &mut Handles::new(self.disk))
    }

    /// Undoes the last transaction that was not undone yet. Refused if anything that it changed has
    /// changed since.
    pub fn undo(&self) -> Result<Undone, UndoError> {
        self.ensure_finished()?;
        let mut last = None;
        for id in self.shelf.numbers()?.into_iter().rev() {
            if self.shelf.state(id)? == Some(State::Committed) {
                last = Some(id);
                break;
            }
        }
        let id = last.ok_or(UndoError::Nothing)?;
        let record = self.shelf.record(id)?;
        let mut handles = Handles::new(self.disk);
        let refusals = check::check_undo(&mut handles, &record);
        if refusals.is_empty() {
            self.take_back(id, record, State::Undoing, &mut handles)
        } else {
            Err(UndoError::Refused(refusals))
        }
    }

    fn take_back(
        &self,
        id: TransactionId,
        record: Record,
        state: State,
        handles: &mut Handles<'_>,
    ) -> Result<Undone, UndoError> {
        self.shelf.set_state(id, state)?;
        let left = match restore(handles, &record) {
            Ok(left) => left,
            Err(Trouble { cause, begun }) => {
                if !begun {
                    self.shelf.set_state(id, State::Committed)?;
                }
                return Err(UndoError::Failed { cause, begun });
            }
        };
        self.close(id, state, &left)?;
        let paths = record.entries.into_iter().map(|entry| entry.change.path).collect();
        Ok(Undone { id, description: record.description, paths, left })
    }

    /// All stored transactions, the newest first.
    pub fn history(&self) -> Result<Vec<HistoryEntry>, StoreError> {
        history::entries(&self.shelf)
    }

    fn placed(&self, changes: &[Change]) -> Vec<Change> {
        let place =
            |change: &Change| Change { path: self.disk.place(&change.path), ..change.clone() };
        changes.iter().map(place).collect()
    }

    fn record(&self, changes: Vec<Change>, found: &[Option<Found>], what: &Description) -> Record {
        let temporary = |end: &str| -> OsString {
            // A name with a leading dot, and without an ending that any program looks for, is
            // included by nobody.
            format!(".deploy-doctor-{}-{end}", self.disk.unforeseeable()).into()
        };
        let entries = changes.into_iter().zip(found).map(|(change, found)| Entry {
            link_owner: match (&change.before, found) {
                (Content::Link { .. }, Some(found)) => {
                    Some((found.metadata.uid, found.metadata.gid))
                }
                _ => None,
            },
            attributes: found.as_ref().map_or_else(Vec::new, |found| found.attributes.clone()),
            change,
            stage: temporary("new"),
            restore: temporary("old"),
        });
        Record { description: what.clone(), entries: entries.collect() }
    }

    /// Deletes the oldest transactions. If a deletion fails here, the next run does it.
    fn prune(&self) {
        let Ok(numbers) = self.shelf.numbers() else { return };
        for id in numbers.iter().take(numbers.len().saturating_sub(HISTORY_LIMIT)) {
            let _ = self.shelf.remove(*id);
        }
    }
}

/// The steps that make a transaction's changes.
fn forward(record: &Record, found: Vec<Option<Found>>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(found.len());
    for (entry, current) in record.entries.iter().zip(found) {
        let change = &entry.change;
        let Some((parent, name)) = check::split(&change.path) else { continue };
        let stays_file =
            matches!((&change.before, &change.after), (Content::File { .. }, Content::File { .. }));
        steps.push(Step {
            path: change.path.clone(),
            parent: parent.into(),
            name,
            temporary: entry.stage.clone(),
            current,
            target: change.after.clone(),
            attributes: stays_file.then(|| entry.attributes.clone()),
            link_owner: entry.link_owner,
        });
    }
    steps
}
