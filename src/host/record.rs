//! A host that records what another host answers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::recording::{Bound, Recording};
use super::{Command, Host, HostError, HostErrorKind, Lookup, Metadata, Output, Room, RunError};

/// Asks the wrapped host each question once, and answers repeated questions from the recording: a
/// process that changes in the meantime cannot make the recording contradict itself.
pub struct RecordingHost<'h> {
    inner: &'h dyn Host,
    notes: RefCell<Recording>,
}

impl<'h> RecordingHost<'h> {
    /// A recorder without any answers yet.
    pub fn new(inner: &'h dyn Host) -> Self {
        let notes = Recording { now: inner.now(), ..Recording::default() };
        Self { inner, notes: RefCell::new(notes) }
    }

    /// What was answered so far.
    pub fn recording(&self) -> Recording {
        self.notes.borrow().clone()
    }

    fn once<K: Ord + Clone, V: Clone>(
        &self,
        of: impl Fn(&mut Recording) -> &mut BTreeMap<K, V>,
        key: &K,
        ask: impl FnOnce() -> V,
    ) -> V {
        if let Some(known) = of(&mut self.notes.borrow_mut()).get(key) {
            return known.clone();
        }
        let answer = ask();
        of(&mut self.notes.borrow_mut()).insert(key.clone(), answer.clone());
        answer
    }
}

/// Applies a limit to bytes that were read under a different limit.
pub(super) fn within(path: &Path, bytes: Vec<u8>, limit: u64) -> Result<Vec<u8>, HostError> {
    match bytes.len() as u64 {
        size if size > limit => {
            Err(HostError { path: path.into(), kind: HostErrorKind::TooLarge { size, limit } })
        }
        _ => Ok(bytes),
    }
}

/// The last `limit` bytes.
pub(super) fn last(mut bytes: Vec<u8>, limit: u64) -> Vec<u8> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    bytes.split_off(bytes.len().saturating_sub(limit))
}

impl Host for RecordingHost<'_> {
    fn look(&self, path: &Path) -> Lookup {
        self.once(|notes| &mut notes.looks, &path.to_path_buf(), || self.inner.look(path))
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        let ask = || self.inner.link_metadata(path);
        self.once(|notes| &mut notes.inodes, &path.to_path_buf(), ask)
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let known = self.notes.borrow().files.get(path).cloned();
        match known {
            Some(Ok(bytes)) => return within(path, bytes, limit),
            // The file may fit a larger limit.
            Some(Err(HostError { kind: HostErrorKind::TooLarge { limit: was, .. }, .. }))
                if was < limit => {}
            Some(Err(error)) => return Err(error),
            None => {}
        }
        let answer = self.inner.read(path, limit);
        self.notes.borrow_mut().files.insert(path.into(), answer.clone());
        answer
    }

    fn read_tail(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        let ask = || self.inner.read_tail(path, limit);
        let known = self.once(|notes| &mut notes.tails, &path.to_path_buf(), ask);
        known.map(|bytes| last(bytes, limit))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        self.once(|notes| &mut notes.links, &path.to_path_buf(), || self.inner.read_link(path))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        self.once(|notes| &mut notes.lists, &path.to_path_buf(), || self.inner.list(path))
    }

    fn link_targets(&self, path: &Path, limit: usize) -> Result<Vec<PathBuf>, HostError> {
        let ask = || self.inner.link_targets(path, limit);
        self.once(|notes| &mut notes.targets, &path.to_path_buf(), ask)
    }

    fn run(&self, command: &Command) -> Result<Output, RunError> {
        let ask = || self.inner.run(command);
        self.once(|notes| &mut notes.commands, &command.to_string(), ask)
    }

    fn bound(&self, path: &Path, networks: &[u32]) -> Result<Bound, HostError> {
        let ask = || self.inner.bound(path, networks);
        self.once(|notes| &mut notes.bound, &path.to_path_buf(), ask)
    }

    fn now(&self) -> Option<i64> {
        self.notes.borrow().now
    }

    fn room(&self, path: &Path) -> Result<Room, HostError> {
        self.once(|notes| &mut notes.rooms, &path.to_path_buf(), || self.inner.room(path))
    }

    fn asked(&self) -> Vec<(&'static str, Duration)> {
        self.inner.asked()
    }
}
