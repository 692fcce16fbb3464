//! Whether a wrapper is replaced by gunicorn or stays running.

/// Does a wrapper stay gunicorn's parent, so that signals for the main process reach it instead?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// It makes way.
    Never,
    /// It stays.
    Always,
    /// It depends, and on what.
    Depends(String),
}
