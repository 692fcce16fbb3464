//! What a rule proposes to change, by intent. Where the bytes then go (the file itself or a
//! drop-in, with which indentation and line ends) is decided in `src/fix/` alone.

use std::path::PathBuf;

use crate::facts::{App, Switch};
use crate::source::Span;
use crate::source::unit::Unit;

/// One change that a fix is made of. The edits of one fix are made all or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Other text where a value stands; an empty span inserts. The text is written as it is: it
    /// must need no quoting where it goes.
    Replace {
        /// What goes away.
        at: Span,
        /// What comes in its place.
        with: String,
    },
    /// A whole statement goes away: a unit's assignment, a directive of nginx, a line of an
    /// environment file; with its line where nothing else stands there.
    Remove {
        /// The statement.
        at: Span,
    },
    /// A word of a command line goes away, with the blanks and continuations that only it needed;
    /// several words where the span covers them.
    RemoveWord {
        /// The word.
        at: Span,
    },
    /// A setting of a unit has this value and no other.
    Set {
        /// The unit's name.
        unit: String,
        /// The section, without brackets.
        section: &'static str,
        /// The setting.
        key: &'static str,
        /// Its value as it is written in the file.
        value: String,
    },
    /// A line of its own before a statement, with that statement's indentation.
    Before {
        /// The statement.
        at: Span,
        /// The line, without indentation and end of line.
        line: String,
    },
    /// A line of its own, or several, behind a statement that begins its line, with that
    /// statement's indentation.
    After {
        /// The statement.
        at: Span,
        /// The line, without indentation and end of line.
        line: String,
    },
    /// A directive of nginx, or several, one a line, in a block: behind one that stands there, or
    /// last in the block.
    Insert {
        /// The block's directive, from its name on.
        block: Span,
        /// The directive in it behind which the new one goes.
        after: Option<Span>,
        /// The directive with its `;`.
        line: String,
    },
    /// A text at the end of a statement becomes a line of its own above it. What it says is not
    /// taken along here: it may be a secret.
    Lift {
        /// The statement.
        statement: Span,
        /// The text in it.
        text: Span,
    },
    /// Other permission bits.
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// The bits.
        mode: u32,
    },
}

impl Edit {
    /// Other text where a value stands.
    pub fn replace(at: Span, with: impl Into<String>) -> Self {
        Self::Replace { at, with: with.into() }
    }

    /// Text right behind a span.
    pub fn append(at: Span, text: impl Into<String>) -> Self {
        Self::Replace { at: Span { start: at.end, ..at }, with: text.into() }
    }

    /// Text right before a span.
    pub fn prepend(at: Span, text: impl Into<String>) -> Self {
        Self::Replace { at: Span { end: at.start, ..at }, with: text.into() }
    }

    /// A whole statement goes away.
    pub fn remove(at: Span) -> Self {
        Self::Remove { at }
    }

    /// A word of a command line goes away.
    pub fn remove_word(at: Span) -> Self {
        Self::RemoveWord { at }
    }

    /// A `[Service]` setting of a unit has this value and no other.
    pub fn set(unit: &Unit, key: &'static str, value: impl Into<String>) -> Self {
        Self::Set { unit: unit.name.to_string(), section: "Service", key, value: value.into() }
    }

    /// Switches a setting of gunicorn's off wherever it is on; nothing where one of the places
    /// cannot be told.
    pub fn switch_off(app: &App, setting: &str) -> Vec<Self> {
        let places = app.switches(setting).unwrap_or_default();
        let off = |place| match place {
            Switch::Word(at) => Self::remove_word(at),
            Switch::Part(at) => Self::replace(at, ""),
            // A line that goes away may leave an `if` without a body.
            Switch::Value(at) => Self::replace(at, "False"),
        };
        places.into_iter().map(off).collect()
    }

    /// The file in which it lies, where it names one by a place.
    pub fn place(&self) -> Option<Span> {
        match self {
            Self::Replace { at, .. }
            | Self::Remove { at }
            | Self::RemoveWord { at }
            | Self::Before { at, .. }
            | Self::After { at, .. } => Some(*at),
            Self::Insert { block, .. } => Some(*block),
            Self::Lift { statement, .. } => Some(*statement),
            Self::Set { .. } | Self::Mode { .. } => None,
        }
    }
}
