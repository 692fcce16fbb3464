//! The releases next to the current one, which a rollback can go back to.

use std::path::PathBuf;

use super::super::Known;

/// A release next to the current one.
#[derive(Debug, Clone)]
pub struct PreviousRelease {
    /// Its directory.
    pub path: PathBuf,
    /// Does it hold the application's module where the current one does? Unknown where that is not
    /// known about the current one.
    pub has_application: Known<bool>,
    /// Does it have a virtual environment where the current one has its own? True where that one is
    /// outside the releases.
    pub has_venv: Known<bool>,
    /// A directory of Python's search path that was changed at the very moment at which the
    /// current release's was, and the application's modules that it lacks.
    pub alike: Option<Alike>,
}

/// A directory that Python takes for the one it listed already: same path through the release
/// link, same time of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alike {
    /// The directory in that release.
    pub path: PathBuf,
    /// The same in the current one.
    pub current: PathBuf,
    /// The time that both have, in seconds since 1970.
    pub time: i64,
    /// Modules and packages that certainly are imported from there and that it lacks.
    pub lacks: Vec<String>,
}
