//! `/proc/PID/environ`: the names of a running process's variables, and only a keyed hash of each
//! value. The values themselves are dropped at once.
//!
//! The kernel shows the environment as it was at the last execve(2), without the program's own
//! changes since then.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::source::Secret;

/// The key of the hashes, drawn anew in each run, so that a hash reveals nothing outside of the
/// run.
#[derive(Clone, Default)]
pub struct HashKey(RandomState);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

impl HashKey {
    fn of(&self, value: &[u8]) -> u64 {
        self.0.hash_one(value)
    }
}

/// The variables of a running process: names, and hashes that only serve for comparison.
#[derive(Clone)]
pub struct RunningEnvironment {
    key: HashKey,
    values: BTreeMap<String, u64>,
}

impl fmt::Debug for RunningEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl RunningEnvironment {
    /// Reads `/proc/PID/environ`. If a name occurs twice, the first value counts, as for getenv(3).
    pub fn read(bytes: &[u8], key: &HashKey) -> Self {
        let mut values = BTreeMap::new();
        for entry in bytes.split(|byte| *byte == 0) {
            let Some(at) = memchr::memchr(b'=', entry) else { continue };
            let (name, value) = entry.split_at(at);
            let name = String::from_utf8_lossy(name).into_owned();
            let value = value.get(1..).unwrap_or_default();
            values.entry(name).or_insert_with(|| key.of(value));
        }
        Self { key: key.clone(), values }
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether this name is set.
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Whether this name is set to exactly this value.
    pub fn holds(&self, name: &str, value: &Secret) -> bool {
        self.values.get(name) == Some(&self.key.of(value.expose()))
    }
}
