//! The block a directive is in.

use super::id::{LocationId, ServerId, UpstreamId};

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Outside every block.
    Main,
    /// Outside every block of a part of a configuration, where `http` or `server` may be round.
    Fragment,
    /// `http`.
    Http,
    /// `server` in `http`.
    Server(ServerId),
    /// `location`, `if` or `limit_except`.
    Location(LocationId),
    /// `upstream` in `http`.
    Upstream(UpstreamId),
    /// `events`, `stream`, `mail`, data, and what is not known: not looked into.
    Other,
}
