//! What a rule proposes to change, as an intent. How it is written (in the file itself or a
//! drop-in, with which quotes, indentation and line ends) is decided only in `src/fix/`.

use std::path::PathBuf;

use crate::facts::written::nginx;
use crate::facts::{App, Bound, Site, Spelling, Why};
use crate::source::Span;
use crate::source::nginx::Model;
use crate::source::unit::Unit;

/// The value that a setting of gunicorn is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(i64),
    /// Text, as gunicorn is to see it.
    Text(String),
    /// Text as written in a unit's file, including systemd's specifiers.
    OfUnit(String),
    /// Switched off: `False` in gunicorn's configuration file, elsewhere not given.
    Off,
    /// Not given.
    Unset,
}

/// One change of a fix. The edits of a fix are made all or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Replaces a value; an empty span inserts. The text is written as it is, so it must need no
    /// quoting at that place.
    Replace {
        /// The range that is removed.
        at: Span,
        /// The new text.
        with: String,
    },
    /// Removes a whole statement: a unit's assignment, a directive of nginx, a line of an
    /// environment file; with its line if nothing else is on it.
    Remove {
        /// The statement.
        at: Span,
    },
    /// Removes a word of a command line, with the spaces and continuations that only it needed;
    /// several words if the span covers several.
    RemoveWord {
        /// The word.
        at: Span,
    },
    /// Gives a setting of gunicorn another value, wherever it is set: see [`Edit::setting`].
    Setting {
        /// Its name in a configuration file.
        name: &'static str,
        /// The value.
        to: Value,
        /// Where it is or can be set.
        at: Site,
    },
    /// Gives a variable of the environment another value: see [`Edit::variable`].
    Variable {
        /// Its name.
        name: String,
        /// The value.
        to: String,
        /// Where it is set.
        at: Spelling,
    },
    /// Replaces a word of nginx, or a part of one: see [`Edit::word`].
    Word {
        /// The place of the word.
        at: Spelling,
        /// The new text.
        to: String,
    },
    /// Moves a socket to another path, in every line that names it: see [`Edit::socket`].
    Socket {
        /// The old endpoint.
        from: String,
        /// The new path.
        to: String,
        /// One place that names it.
        at: Spelling,
    },
    /// Ends the value of a unit's setting after one word, and makes the following words the value
    /// of another setting.
    Split {
        /// The last word that stays.
        left: Span,
        /// The first word of the other setting.
        right: Span,
        /// The other setting's name.
        key: String,
    },
    /// Gives a setting of a unit this single value.
    Set {
        /// The unit's name.
        unit: String,
        /// The section, without brackets.
        section: &'static str,
        /// The setting.
        key: &'static str,
        /// Its value as written in the file.
        value: String,
    },
    /// Inserts a line before a statement, with that statement's indentation.
    Before {
        /// The statement.
        at: Span,
        /// The line, without indentation and line ending.
        line: String,
    },
    /// Inserts one or several lines after a statement that begins its line, with that statement's
    /// indentation.
    After {
        /// The statement.
        at: Span,
        /// The line, without indentation and line ending.
        line: String,
    },
    /// Inserts one or several directives of nginx into a block, one per line: after an existing
    /// directive, or last in the block.
    Insert {
        /// The block's directive, from its name on.
        block: Span,
        /// The directive in it after which the new one goes.
        after: Option<Span>,
        /// The directive with its `;`.
        line: String,
    },
    /// Moves a text from the end of a statement to a line of its own above. The edit does not
    /// contain the text, which may be a secret.
    Lift {
        /// The statement.
        statement: Span,
        /// The text to move.
        text: Span,
    },
    /// Sets permission bits.
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// The bits.
        mode: u32,
    },
}

impl Edit {
    /// Replaces a value.
    pub fn replace(at: Span, with: impl Into<String>) -> Self {
        Self::Replace { at, with: with.into() }
    }

    /// Inserts text right after a span.
    pub fn append(at: Span, text: impl Into<String>) -> Self {
        Self::Replace { at: Span { start: at.end, ..at }, with: text.into() }
    }

    /// Inserts text right before a span.
    pub fn prepend(at: Span, text: impl Into<String>) -> Self {
        Self::Replace { at: Span { end: at.start, ..at }, with: text.into() }
    }

    /// Removes a whole statement.
    pub fn remove(at: Span) -> Self {
        Self::Remove { at }
    }

    /// Removes a word of a command line.
    pub fn remove_word(at: Span) -> Self {
        Self::RemoveWord { at }
    }

    /// Gives a `[Service]` setting of a unit this single value.
    pub fn set(unit: &Unit, key: &'static str, value: impl Into<String>) -> Self {
        Self::Set { unit: unit.name.to_string(), section: "Service", key, value: value.into() }
    }

    /// Gives a setting of gunicorn this value: in the statement that decides it, otherwise as a new
    /// argument.
    pub fn setting(app: &App, name: &'static str, to: Value) -> Result<Self, Why> {
        let at = app.setting_site(name)?;
        Ok(Self::Setting { name, to, at })
    }

    /// Like [`Edit::setting`], but as an argument of its own, which overrides every other layer
    /// except the command line.
    pub fn argument(app: &App, name: &'static str, to: Value) -> Result<Self, Why> {
        let at = app.free_site(name)?;
        Ok(Self::Setting { name, to, at })
    }

    /// Replaces one item of a list of gunicorn's settings.
    pub fn item(app: &App, name: &'static str, item: &str, to: String) -> Result<Self, Why> {
        let at = app.item_site(name, item)?;
        Ok(Self::Setting { name, to: Value::Text(to), at })
    }

    /// Switches a setting of gunicorn off wherever it is on.
    pub fn switch_off(app: &App, name: &'static str) -> Result<Vec<Self>, Why> {
        let off = |at| Self::Setting { name, to: Value::Off, at };
        Ok(app.switches(name)?.into_iter().map(off).collect())
    }

    /// Removes every argument that makes this setting of gunicorn.
    pub fn unset(app: &App, name: &'static str) -> Result<Vec<Self>, Why> {
        let unset = |at| Self::Setting { name, to: Value::Unset, at };
        Ok(app.argument_sites(name)?.into_iter().map(unset).collect())
    }

    /// Gives a variable this value for the application.
    pub fn variable(app: &App, name: &str, to: impl Into<String>) -> Result<Self, Why> {
        let at = app.variable_site(name)?;
        Ok(Self::Variable { name: name.to_owned(), to: to.into(), at })
    }

    /// Replaces a word of nginx. `None` if the old word contains escapes or a template's
    /// placeholder, or if the new word has characters that would need quotes and there are none; a
    /// variable's `$` is such a character. To remove the end of a URL with variables, see
    /// [`Edit::drop_end`].
    pub fn word(model: &Model, at: Span, to: impl Into<String>) -> Option<Self> {
        Self::word_at(nginx::word(model, at)?.0, to)
    }

    /// Like [`Edit::word`], for a part of a word.
    pub fn word_at(at: Spelling, to: impl Into<String>) -> Option<Self> {
        let to = to.into();
        at.holds(&to).then_some(Self::Word { at, to })
    }

    /// Removes this text from the end of a word of nginx, whose rest may contain variables. `None`
    /// if the word is not written exactly as it is read.
    pub fn drop_end(model: &Model, at: Span, end: &str) -> Option<Self> {
        Some(Self::Replace { at: nginx::end(model, at, end)?.span, with: String::new() })
    }

    /// Moves a socket to another path for everything that names it: gunicorn or systemd, whichever
    /// creates it, the unit's other lines, and nginx.
    pub fn socket(app: &App, from: &Bound, to: &str) -> Result<Vec<Self>, Why> {
        let of = |at| Self::Socket { from: from.endpoint.to_string(), to: to.to_owned(), at };
        Ok(app.socket_sites(from)?.into_iter().map(of).collect())
    }

    /// The place of the edit in a file, if it names one.
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
