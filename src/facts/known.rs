//! What is known, from where, and what is not.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::source::Span;

/// Why a fact of the living host is not known from a file tree or a repository's files.
pub const NOT_LIVE: &str = "only a living host shows this";
/// Why a fact is not known that only `--preflight` shows.
pub const NOT_PREFLIGHT: &str = "only --preflight shows this";
/// Why a fact is not known that only `--probe` shows.
pub const NOT_PROBED: &str = "only --probe URL shows this";

/// The reasons that do not take a verdict away: more would have to be asked for.
pub const NEEDS_MORE: [&str; 3] = [NOT_LIVE, NOT_PREFLIGHT, NOT_PROBED];

/// Where a value comes from. Findings and fixes point at it, so that a fix changes the place that
/// decides and not the place where the value is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A range in a file that was read. `via` is the chain of includes or of `-c`/drop-in lines
    /// that led there, outermost first.
    Text {
        /// The place itself.
        span: Span,
        /// What led there.
        via: Vec<Span>,
    },
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
    /// A plain place in a file.
    pub fn text(span: Span) -> Self {
        Self::Text { span, via: Vec::new() }
    }

    /// The place in a file, if it is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Text { span, .. } => Some(*span),
            _ => None,
        }
    }
}

/// Why a value is not known. A rule that needs it is skipped with these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why(pub String);

impl Why {
    /// A reason in a few words: `the venv was not read`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value that is known, the program's own default, or not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known<T> {
    /// Known, and where it comes from.
    Value(T, Origin),
    /// Nothing sets it: the program's own default for this version.
    Default(T),
    /// Not known, and why. No rule may guess.
    Unknown(Why),
}

impl<T> Known<T> {
    /// Not known, with the reason.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(Why::new(why))
    }

    /// The value, or the reason why it is not known; `?` in a rule then skips the rule.
    pub fn get(&self) -> Result<&T, Why> {
        match self {
            Self::Value(value, _) | Self::Default(value) => Ok(value),
            Self::Unknown(why) => Err(why.clone()),
        }
    }

    /// The value where it is known.
    pub fn ok(&self) -> Option<&T> {
        match self {
            Self::Value(value, _) | Self::Default(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Where it was set; nothing for a default and for what is not known.
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
            Self::Default(value) => Known::Default(change(value)),
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
            Self::Default(value) => map.serialize_entry("default", value)?,
            Self::Unknown(why) => map.serialize_entry("unknown", &why.0)?,
        }
        map.end()
    }
}
