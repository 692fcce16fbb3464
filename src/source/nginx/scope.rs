//! The kinds of blocks that a directive can be in.

use super::id::{LocationId, ServerId, UpstreamId};

/// The kind of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Outside every block.
    Main,
    /// Outside every block of a part of a configuration, around which there may be an `http` or a
    /// `server`.
    Fragment,
    /// `http`.
    Http,
    /// `server` in `http`.
    Server(ServerId),
    /// `location`, `if` or `limit_except`.
    Location(LocationId),
    /// `upstream` in `http`.
    Upstream(UpstreamId),
    /// `events`, `stream`, `mail`, data, and unknown blocks: their content is not checked.
    Other,
}
