//! What a line says about the server or location that it is in, by its name.

use super::pass::is_pass;

/// What a line is about. Most lines say nothing about which requests are handled, or how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Says {
    /// `user`.
    User,
    /// `listen`.
    Listen,
    /// `server_name`.
    ServerName,
    /// `set`.
    Set,
    /// `proxy_pass` and its like.
    Pass,
    /// `return`.
    Return,
    /// `rewrite`.
    Rewrite,
    /// `try_files`.
    TryFiles,
    /// `error_page`.
    ErrorPage,
    /// `root`.
    Root,
    /// `alias`.
    Alias,
    /// `internal`.
    Internal,
    /// Anything else.
    Nothing,
}

impl Says {
    /// What lines with this name are about.
    pub(super) fn of(name: &[u8]) -> Self {
        match name {
            b"user" => Self::User,
            b"listen" => Self::Listen,
            b"server_name" => Self::ServerName,
            b"set" => Self::Set,
            b"return" => Self::Return,
            b"rewrite" => Self::Rewrite,
            b"try_files" => Self::TryFiles,
            b"error_page" => Self::ErrorPage,
            b"root" => Self::Root,
            b"alias" => Self::Alias,
            b"internal" => Self::Internal,
            _ if is_pass(name) => Self::Pass,
            _ => Self::Nothing,
        }
    }

    /// Whether such a line makes a fragment part of a `server`.
    pub(super) fn is_servers(self) -> bool {
        matches!(
            self,
            Self::Listen
                | Self::ServerName
                | Self::Set
                | Self::Return
                | Self::Rewrite
                | Self::TryFiles
        )
    }
}
