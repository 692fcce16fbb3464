//! The result of looking up a variable.

use super::Secret;

/// What a variable is set to, for whoever asks: a unit's command line, a shell, a configuration
/// file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T = Secret> {
    /// Set to this.
    Set(T),
    /// Not set.
    Unset,
    /// Not known, and why.
    Unknown(String),
}

impl<T> Lookup<T> {
    /// Another value made of the one that is set.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Set(value) => Lookup::Set(change(value)),
            Self::Unset => Lookup::Unset,
            Self::Unknown(why) => Lookup::Unknown(why),
        }
    }
}
