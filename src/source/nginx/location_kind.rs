//! The kinds of blocks that handle some of the requests of a server.

/// The kind of a [`Location`](super::Location).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LocationKind {
    /// `location = /x`.
    Exact,
    /// `location /x`.
    Prefix,
    /// `location ^~ /x`: a prefix that prevents nginx from trying regexes.
    PrefixStop,
    /// `location ~ x`.
    Regex {
        /// `~*`.
        case_insensitive: bool,
    },
    /// `location @x`.
    Named,
    /// `if (…)`.
    If,
    /// `limit_except METHOD …`.
    LimitExcept,
}
