//! A link as it will be, before it is moved.

use std::path::PathBuf;

/// A link as it will be, on a host that is looked at before it is moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relinked {
    /// The link, free of links before it.
    pub link: PathBuf,
    /// The directory that it leads to now, free of links.
    pub now: PathBuf,
    /// The directory that it will lead to, free of links.
    pub then: PathBuf,
}
