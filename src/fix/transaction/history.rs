//! Earlier changes: the transactions that the state directory keeps.

use std::path::{Path, PathBuf};

use super::state::{Shelf, State};
use super::{StoreError, TransactionId};
use crate::host::disk::Disk;

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was made and is still in place.
    Applied,
    /// The user undid it.
    Undone,
    /// It was undone because it did not validate or could not be finished.
    RolledBack,
    /// It was interrupted; the next run undoes it, or finishes undoing it.
    Interrupted,
}

/// One transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Its number.
    pub id: TransactionId,
    /// A title of a few words.
    pub title: String,
    /// The findings' codes.
    pub codes: Vec<String>,
    /// The applications.
    pub apps: Vec<String>,
    /// The time, in seconds since 1970.
    pub time: u64,
    /// The paths that it changed.
    pub paths: Vec<PathBuf>,
    /// Its outcome.
    pub outcome: Outcome,
}

/// Reads the history without a lock and without creating or changing anything; empty if there is no
/// state directory.
pub fn read(disk: &dyn Disk, state_dir: &Path) -> Result<Vec<HistoryEntry>, StoreError> {
    match Shelf::look(disk, &disk.place(state_dir))? {
        Some(shelf) => entries(&shelf),
        None => Ok(Vec::new()),
    }
}

/// Whether a transaction was interrupted, so that the next writing run will repair it. Needs no
/// lock and reads no journal.
pub fn is_interrupted(disk: &dyn Disk, state_dir: &Path) -> Result<bool, StoreError> {
    let Some(shelf) = Shelf::look(disk, &disk.place(state_dir))? else { return Ok(false) };
    for id in shelf.numbers()? {
        if shelf.state(id)?.is_some_and(|state| outcome(state) == Outcome::Interrupted) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn outcome(state: State) -> Outcome {
    match state {
        State::Committed => Outcome::Applied,
        State::Undone => Outcome::Undone,
        State::RolledBack => Outcome::RolledBack,
        State::Prepared | State::Undoing | State::RollingBack => Outcome::Interrupted,
    }
}

/// The entries of a state directory, the newest first.
pub(super) fn entries(shelf: &Shelf<'_>) -> Result<Vec<HistoryEntry>, StoreError> {
    let mut entries = Vec::new();
    for id in shelf.numbers()?.into_iter().rev() {
        // A transaction without a state never started.
        let Some(state) = shelf.state(id)? else { continue };
        let record = shelf.record(id)?;
        entries.push(HistoryEntry {
            id,
            title: record.description.title,
            codes: record.description.codes,
            apps: record.description.apps,
            time: record.description.time,
            paths: record.entries.into_iter().map(|entry| entry.change.path).collect(),
            outcome: outcome(state),
        });
    }
    Ok(entries)
}
