//! What a rule proposes to change, as an intent. How it is written (in the file itself or a
//! drop-in, with which quotes, indentation and line ends) is decided only in `src/fix/`.

use std::path::PathBuf;

use crate::facts::written::nginx;
use crate::facts::{App, Bound, Site, Spelling, Why};
use crate::source::Span;
use crate::source::nginx::Model;
use crate::source::unit::Unit;

/// What a setting of gunicorn's is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(i64),
    /// Text, as gunicorn is meant to see it.
    Text(String),
    /// Text as it is in a unit's file, systemd's specifiers and all.
    OfUnit(String),
    /// Switched off; in gunicorn's configuration file `False`, else not given.
    Off,
    /// Not given.
    Unset,
}

/// One change that a fix is made of. The edits of one fix are made all or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Other text where a value is; an empty span inserts. The text is written as it is: it must
    /// need no quoting where it goes.
    Replace {
        /// What goes away.
        at: Span,
        /// What comes in its place.
        with: String,
    },
    /// A whole statement goes away: a unit's assignment, a directive of nginx, a line of an
    /// environment file; with its line where nothing else is there.
    Remove {
        /// The statement.
        at: Span,
    },
    /// A word of a command line goes away, with the spaces and continuations that only it needed;
    /// several words where the span covers them.
    RemoveWord {
        /// The word.
        at: Span,
    },
    /// A setting of gunicorn's has another value, wherever it is made: see [`Edit::setting`].
    Setting {
        /// Its name in a configuration file.
        name: &'static str,
        /// The value.
        to: Value,
        /// Where it is made or can be.
        at: Site,
    },
    /// A variable of the environment has another value: see [`Edit::variable`].
    Variable {
        /// Its name.
        name: String,
        /// The value.
        to: String,
        /// Where it is set.
        at: Spelling,
    },
    /// A word of nginx's, or a part of one, is another: see [`Edit::word`].
    Word {
        /// Where it is.
        at: Spelling,
        /// What comes in its place.
        to: String,
    },
    /// A socket is at another path, in every line that names it: see [`Edit::socket`].
    Socket {
        /// The endpoint as it was.
        from: String,
        /// The path.
        to: String,
        /// One place that names it.
        at: Spelling,
    },
    /// The value of a unit's setting ends behind one word, and a setting of its own begins with
    /// another.
    Split {
        /// The last word of what stays.
        left: Span,
        /// The first of what goes on.
        right: Span,
        /// The new setting's name.
        key: String,
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
    /// A directive of nginx, or several, one a line, in a block: behind one that is there, or last
    /// in the block.
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
    /// Other text where a value is.
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

    /// A setting of gunicorn's has this value from now on: in the statement that decides it, else
    /// as a new argument.
    pub fn setting(app: &App, name: &'static str, to: Value) -> Result<Self, Why> {
        let at = app.setting_site(name)?;
        Ok(Self::Setting { name, to, at })
    }

    /// The same as an argument of its own, which beats whatever else sets it but the command line.
    pub fn argument(app: &App, name: &'static str, to: Value) -> Result<Self, Why> {
        let at = app.free_site(name)?;
        Ok(Self::Setting { name, to, at })
    }

    /// One item of a list of gunicorn's is another one.
    pub fn item(app: &App, name: &'static str, item: &str, to: String) -> Result<Self, Why> {
        let at = app.item_site(name, item)?;
        Ok(Self::Setting { name, to: Value::Text(to), at })
    }

    /// Switches a setting of gunicorn's off wherever it is on.
    pub fn switch_off(app: &App, name: &'static str) -> Result<Vec<Self>, Why> {
        let off = |at| Self::Setting { name, to: Value::Off, at };
        Ok(app.switches(name)?.into_iter().map(off).collect())
    }

    /// No argument makes this setting of gunicorn's any more.
    pub fn unset(app: &App, name: &'static str) -> Result<Vec<Self>, Why> {
        let unset = |at| Self::Setting { name, to: Value::Unset, at };
        Ok(app.argument_sites(name)?.into_iter().map(unset).collect())
    }

    /// A variable has this value for the application from now on.
    pub fn variable(app: &App, name: &str, to: impl Into<String>) -> Result<Self, Why> {
        let at = app.variable_site(name)?;
        Ok(Self::Variable { name: name.to_owned(), to: to.into(), at })
    }

    /// A word of nginx's is another one. `None` if there are escapes or a template's placeholder in
    /// it, or if the new one has characters that need quotes where there are none; a variable's `$` is
    /// such a character. To take a URL's end away, variables and all: [`Edit::drop_end`].
    pub fn word(model: &Model, at: Span, to: impl Into<String>) -> Option<Self> {
        Self::word_at(nginx::word(model, at)?.0, to)
    }

    /// The same for a part of a word.
    pub fn word_at(at: Spelling, to: impl Into<String>) -> Option<Self> {
        let to = to.into();
        at.holds(&to).then_some(Self::Word { at, to })
    }

    /// This text at the end of a word of nginx's goes away; what is before it may contain variables.
    /// `None` if the word is not written as it is read.
    pub fn drop_end(model: &Model, at: Span, end: &str) -> Option<Self> {
        Some(Self::Replace { at: nginx::end(model, at, end)?.span, with: String::new() })
    }

    /// A socket is at another path for all who name it: gunicorn or systemd, which makes it, the
    /// unit's other lines, and nginx.
    pub fn socket(app: &App, from: &Bound, to: &str) -> Result<Vec<Self>, Why> {
        let of = |at| Self::Socket { from: from.endpoint.to_string(), to: to.to_owned(), at };
        Ok(app.socket_sites(from)?.into_iter().map(of).collect())
    }

    /// The file in which it is, where it names one by a place.
    pub fn place(&self) -> Option<Span> {
        match self {
            Self::Replace { at, .. }
            | Self::Remove { at }
            | Self::RemoveWord { at }
            | Self::Before { at, .. }
            | Self::After { at, .. } => Some(*at),
            Self::Insert { block, .. } => Some(*block),
            Self::Lift { statement, .. } => Some(*statement),
            Self::Setting { at, .. } => Some(at.span()),
            Self::Variable { at, .. } | Self::Word { at, .. } | Self::Socket { at, .. } => {
                Some(at.span)
            }
            Self::Split { left, .. } => Some(*left),
            Self::Set { .. } | Self::Mode { .. } => None,
        }
    }
}
