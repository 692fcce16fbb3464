//! The result of looking up a variable.

use super::Secret;

/// The value of a variable, for a unit's command line, a shell or a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<T = Secret> {
    /// The variable has this value.
    Set(T),
    /// The variable is not set.
    Unset,
    /// Not known, with the reason.
    Unknown(String),
}

impl<T> Lookup<T> {
    /// Replaces the value, if the variable is set.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Lookup<U> {
        match self {
            Self::Set(value) => Lookup::Set(change(value)),
            Self::Unset => Lookup::Unset,
            Self::Unknown(why) => Lookup::Unknown(why),
        }
    }
}
