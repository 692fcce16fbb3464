//! What a host answered, question by question, so that the answers can be replayed elsewhere.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::{HostError, Lookup, Metadata, Output, Room, RunError};

/// Which unix sockets listen at a path: the answer of [`super::Host::bound`].
pub type Bound = Vec<(u64, Option<bool>)>;

/// Every question that was asked and its answer. Each question has one answer, however often it was
/// asked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// Paths walked to their end.
    pub looks: BTreeMap<PathBuf, Lookup>,
    /// Inodes, links not followed.
    pub inodes: BTreeMap<PathBuf, Result<Metadata, HostError>>,
    /// Files' bytes.
    pub files: BTreeMap<PathBuf, Result<Vec<u8>, HostError>>,
    /// Files' last bytes.
    pub tails: BTreeMap<PathBuf, Result<Vec<u8>, HostError>>,
    /// The targets of links.
    pub links: BTreeMap<PathBuf, Result<PathBuf, HostError>>,
    /// The names in directories.
    pub lists: BTreeMap<PathBuf, Result<Vec<OsString>, HostError>>,
    /// The targets of the links in directories.
    pub targets: BTreeMap<PathBuf, Result<Vec<PathBuf>, HostError>>,
    /// The sockets bound to paths.
    pub bound: BTreeMap<PathBuf, Result<Bound, HostError>>,
    /// The free space.
    pub rooms: BTreeMap<PathBuf, Result<Room, HostError>>,
    /// Commands, by their line.
    pub commands: BTreeMap<String, Result<Output, RunError>>,
    /// The time, in seconds since 1970.
    pub now: Option<i64>,
}

/// Does not show the content, because files contain secrets.
impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recording({} files, {} looks)", self.files.len(), self.looks.len())
    }
}
