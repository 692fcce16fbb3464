//! A link as it will be after it is moved.

use std::path::PathBuf;

/// A link as it will be after it is moved, on a host that is examined before that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relinked {
    /// The link's path, with the links before it resolved.
    pub link: PathBuf,
    /// The directory that it leads to now, with links resolved.
    pub now: PathBuf,
    /// The directory that it will lead to, with links resolved.
    pub then: PathBuf,
}
