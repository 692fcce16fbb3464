//! Values that are known, with their source, or unknown, with the reason.

use std::path::PathBuf;
use std::rc::Rc;

use serde::Serialize;

pub use super::why::{Why, WhyKind};
use crate::source::Span;

/// Where a value was set. Findings and fixes point at it, so that a fix changes the place that
/// decides and not the place where the value is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A range in a file that was read.
    Text(Span),
    /// A file or directory as such: that it is there, its mode, where its link leads.
    Path(PathBuf),
    /// A command's answer.
    Command(&'static str),
    /// The program's own default; the text says whose.
    Default(&'static str),
    /// Given on the command line of this program.
    Option(&'static str),
}

impl Origin {
    /// A place in a file.
    pub fn text(span: Span) -> Self {
        Self::Text(span)
    }

    /// The place in a file, if it is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Text(span) => Some(*span),
            _ => None,
        }
    }
}

/// Whose default a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whose {
    /// The program: `systemd`, `gunicorn`.
    pub program: &'static str,
    /// Its version, where the default was taken from that version's own table.
    pub version: Option<Rc<str>>,
}

impl Whose {
    /// systemd's, the same in every version that is supported.
    pub const SYSTEMD: Self = Self { program: "systemd", version: None };
    /// gunicorn's, the same in every version.
    pub const GUNICORN: Self = Self { program: "gunicorn", version: None };

    /// gunicorn's, of one version.
    pub fn gunicorn(version: Option<Rc<str>>) -> Self {
        Self { version, ..Self::GUNICORN }
    }
}

impl std::fmt::Display for Whose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(f, "{} {version}", self.program),
            None => f.write_str(self.program),
        }
    }
}

/// A value that was set, a program's own default, what can be seen on the host, or not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// Somebody set it, and where.
    Value(T, Origin),
    /// Nothing sets it: a program's own default.
    Default(T, Whose),
    /// Observed or worked out, not set by anybody: from what.
    Observed(T, &'static str),
    /// Not known, and why. No rule may guess.
    Unknown(Why),
}

impl<T> Known<T> {
    /// Set where that has a place, else worked out from this.
    pub fn at(value: T, origin: Option<Origin>, from: &'static str) -> Self {
        match origin {
            Some(origin) => Self::Value(value, origin),
            None => Self::Observed(value, from),
        }
    }

    /// The value, or the reason why it is not known; `?` in a rule then skips the rule.
    pub fn get(&self) -> Result<&T, Why> {
        match self {
            Self::Value(value, _) | Self::Default(value, _) | Self::Observed(value, _) => Ok(value),
            Self::Unknown(why) => Err(why.clone()),
        }
    }

    /// The value where it is known.
    pub fn ok(&self) -> Option<&T> {
        match self {
            Self::Value(value, _) | Self::Default(value, _) | Self::Observed(value, _) => {
                Some(value)
            }
            Self::Unknown(_) => None,
        }
    }

    /// The value itself, and where it was set; or the reason why it is not known.
    pub fn take(self) -> Result<(T, Option<Origin>), Why> {
        match self {
            Self::Value(value, origin) => Ok((value, Some(origin))),
            Self::Default(value, _) | Self::Observed(value, _) => Ok((value, None)),
            Self::Unknown(why) => Err(why),
        }
    }

    /// Where it was set; nothing for a default, what was observed and what is not known.
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Value(_, origin) => Some(origin),
            _ => None,
        }
    }

    /// The place in a file where it was set.
    pub fn span(&self) -> Option<Span> {
        self.origin().and_then(Origin::span)
    }

    /// Was it set by somebody, and not left at its default?
    pub fn is_set(&self) -> bool {
        matches!(self, Self::Value(..))
    }

    /// Another value made of it, from the same place.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Known<U> {
        match self {
            Self::Value(value, origin) => Known::Value(change(value), origin),
            Self::Default(value, whose) => Known::Default(change(value), whose),
            Self::Observed(value, from) => Known::Observed(change(value), from),
            Self::Unknown(why) => Known::Unknown(why),
        }
    }
}

impl<T: Serialize> Serialize for Known<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Value(value, _) => map.serialize_entry("value", value)?,
            Self::Default(value, _) => map.serialize_entry("default", value)?,
            Self::Observed(value, _) => map.serialize_entry("observed", value)?,
            Self::Unknown(why) => map.serialize_entry("unknown", why.text())?,
        }
        map.end()
    }
}
