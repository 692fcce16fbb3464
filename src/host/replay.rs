//! A host that replays the recorded answers of another host, on any machine: nothing outside is
//! touched.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::record::{last, within};
use super::recording::{Bound, Recording};
use super::{Command, Host, HostError, HostErrorKind, Lookup, Metadata, Output, Room, RunError};

/// Answers from a recording. What was never asked is unknown, which is not the same as absent.
#[derive(Debug, Clone)]
pub struct ReplayHost {
    notes: Rc<Recording>,
}

impl ReplayHost {
    /// A host that answers from this recording.
    pub fn new(notes: Rc<Recording>) -> Self {
        Self { notes }
    }
}

fn unknown(path: &Path) -> HostError {
    HostError { path: path.into(), kind: HostErrorKind::NotCaptured }
}

fn known<V: Clone>(
    answers: &BTreeMap<PathBuf, Result<V, HostError>>,
    path: &Path,
) -> Result<V, HostError> {
    answers.get(path).cloned().unwrap_or_else(|| Err(unknown(path)))
}

impl Host for ReplayHost {
    fn look(&self, path: &Path) -> Lookup {
        self.notes.looks.get(path).cloned().unwrap_or_else(|| Lookup::refused(path, unknown(path)))
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        known(&self.notes.inodes, path)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        match self.notes.files.get(path) {
            Some(Ok(bytes)) => within(path, bytes.clone(), limit),
            Some(Err(error)) => match error.kind {
                HostErrorKind::TooLarge { limit: was, .. } if was < limit => Err(unknown(path)),
                HostErrorKind::TooLarge { size, .. } => Err(HostError {
                    path: error.path.clone(),
                    kind: HostErrorKind::TooLarge { size, limit },
                }),
                _ => Err(error.clone()),
            },
            None => Err(unknown(path)),
        }
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        known(&self.notes.tails, path).map(|bytes| last(bytes, limit))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        known(&self.notes.links, path)
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        known(&self.notes.lists, path)
    }

    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        let targets = known(&self.notes.targets, path)?;
        match targets.len() > limit {
            true => Err(HostError { path: path.into(), kind: HostErrorKind::TooMany }),
            false => Ok(targets),
        }
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let line = command.to_string();
        self.notes
            .commands
            .get(&line)
            .cloned()
            .unwrap_or_else(|| Err(RunError::Failed(format!("{line} is not in the capture"))))
    }

    fn bound(&self, path: &Path, _networks: &[u32]) -> Result<Bound, HostError> {
        known(&self.notes.bound, path)
    }

    fn now(&self) -> Option<i64> {
        self.notes.now
    }

    fn room(&self, path: &Path) -> Result<Room, HostError> {
        known(&self.notes.rooms, path)
    }
}
