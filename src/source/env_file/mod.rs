//! Environment files, read as systemd reads them for `EnvironmentFile=`.
//!
//! Source: `parse_env_file_internal()` of systemd (`src/basic/env-file.c`), systemd.exec(5), and
//! measurements on systemd 252 and 257, which take precedence over the man page. It is not shell
//! syntax: nothing is expanded, a `#` within a line does not start a comment, and what is not
//! understood is dropped, usually without a log entry.

mod hints;
mod machine;
mod record;

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::{Secret, SourceFile, Span, Spanned};

/// Linux's `MAX_ARG_STRLEN`: `NAME=value` and its final NUL must fit.
const LONGEST_ASSIGNMENT: usize = 32 * 4096;

/// What differs between versions of systemd: a comment that ends in a backslash. Before version
/// 254 it swallowed the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// systemd 253 and older: such a comment goes on in the next line.
    Before254,
    /// systemd 254 and newer: a comment ends with its line.
    Since254,
    /// The version is not known: read as since 254, and [`EnvFile::before_254`] holds the other
    /// reading where it comes to another environment.
    Unknown,
}

impl Dialect {
    /// The dialect of a version of systemd, where it is known.
    pub fn of_version(version: Option<u32>) -> Self {
        match version {
            Some(254..) => Self::Since254,
            Some(_) => Self::Before254,
            None => Self::Unknown,
        }
    }
}

/// How a value is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quoting {
    /// No quotes, or quotes that are part of the value (`x"y"`, `it's`).
    Unquoted,
    /// `'…'`: verbatim.
    Single,
    /// `"…"`: a backslash escapes `"`, `\`, `` ` ``, `$` and the end of line.
    Double,
    /// Several parts (`"x"y`, `'a'"b"`).
    Mixed,
}

/// What a text that a shell would expand looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpansionKind {
    /// `$NAME`.
    Variable,
    /// `${NAME…}`.
    Braced,
    /// `$(…)`.
    Command,
    /// `` `…` ``.
    Backticks,
    /// `~` or `~/…` at the start of the value.
    Tilde,
}

/// A text in a value that a shell would expand. systemd hands it to the process as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion {
    /// What it looks like.
    pub kind: ExpansionKind,
    /// Where it is.
    pub span: Span,
    /// Whether it is in single quotes, where a shell would leave it alone too.
    pub single_quoted: bool,
}

/// One assignment that the process gets, unless a later one of the same name replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvAssignment {
    /// The variable's name.
    pub name: Spanned<String>,
    /// What the process gets.
    pub value: Secret,
    /// The value as written, with its quotes and continuations and without spaces around it. Where
    /// nothing is written it is empty and is just after the `=`.
    pub value_span: Span,
    /// The whole logical line, without its end of line.
    pub span: Span,
    /// The physical lines, counted from 1.
    pub lines: RangeInclusive<usize>,
    /// How the value is quoted.
    pub quoting: Quoting,
    /// A quote that is never closed: the rest of the file is in this value.
    pub open_quote: Option<Span>,
    /// Further lines of this value that look like assignments of their own: a quote is missing, or a
    /// backslash joins them, and these variables are not set.
    pub swallowed: Vec<Spanned<String>>,
    /// ` # …` in an unquoted part: it belongs to the value.
    pub comment: Option<Span>,
    /// Texts that a shell would expand.
    pub expansions: Vec<Expansion>,
    /// Backslashes before an end of line that join two lines, with that end of line.
    pub continuations: Vec<Span>,
    /// Backslashes before a CRLF, which do not join anything.
    pub lost_continuations: Vec<Span>,
    /// The first backslash in an unquoted part that escapes an ordinary character: it is dropped.
    pub dropped_backslash: Option<Span>,
    /// The first quote that is part of the value, since the value does not start with it.
    pub literal_quote: Option<Span>,
    /// A later assignment of the same name replaces this one.
    pub overridden: bool,
}

impl EnvAssignment {
    /// Is a quote missing? It is never closed; or it is closed by the one that was meant to open a
    /// later value, so that text follows the closing quote and what looks like assignments is
    /// inside.
    pub fn is_unbalanced(&self) -> bool {
        self.open_quote.is_some() || (self.quoting == Quoting::Mixed && !self.swallowed.is_empty())
    }

    /// The backslashes that join lines which look like assignments of their own to this one; none
    /// in quotes.
    pub fn joining(&self) -> Vec<Span> {
        // Both are in the order of the file.
        let before = |name: &Spanned<String>| {
            let above = self.continuations.partition_point(|end| end.end <= name.span.start);
            let end = self.continuations.get(above.checked_sub(1)?)?;
            Some(Span { end: end.start + 1, ..*end })
        };
        match self.quoting {
            Quoting::Unquoted => self.swallowed.iter().filter_map(before).collect(),
            _ => Vec::new(),
        }
    }
}

/// Why systemd sets nothing for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IgnoredKind {
    /// `export NAME=…`.
    Export,
    /// A byte order mark before the name: the first line of the file is lost.
    Bom,
    /// `NAME: …`.
    Colon,
    /// `[section]`.
    Section,
    /// `=…`.
    EmptyName,
    /// A name that is none: white space, `-`, `.`, a digit at its start, …
    BadName,
    /// No `=` at all.
    NoEquals,
    /// About 2 MiB or more, where a process gets 128 KiB at most. It also unsets what an earlier
    /// line set.
    TooLong,
}

/// A line of which the process gets nothing. Its value is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Why.
    pub kind: IgnoredKind,
    /// The name that was meant. Absent where the text may be a part of a secret (a line of a key).
    pub name: Option<String>,
    /// All that is before the `=`, or the whole text where there is none.
    pub name_span: Span,
    /// The whole logical line, without its end of line.
    pub span: Span,
    /// The physical lines, counted from 1.
    pub lines: RangeInclusive<usize>,
    /// Whether systemd logs `Ignoring invalid environment assignment` for it, at the next start.
    /// It is silent about the others.
    pub logged: bool,
}

impl Ignored {
    /// Its first byte: of a line that is hidden, how long it is is hidden, too.
    pub fn start(&self) -> Span {
        Span { end: self.span.start + 1, ..self.span }
    }
}

/// Why a unit with this file does not start (with `EnvironmentFile=-…`: why systemd ignores the
/// whole file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A name or value is not UTF-8, as systemd understands it (`Invalid argument`).
    NonUtf8,
    /// A NUL byte anywhere (`Bad message`).
    Nul,
    /// An assignment of more bytes than Linux hands to a process (128 KiB: status 203, `Argument
    /// list too long`), also with `EnvironmentFile=-…`. From 2 MiB on it is only ignored.
    TooLong,
}

/// What keeps a unit with this file from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub kind: FaultKind,
    /// The name, value or byte.
    pub span: Span,
}

/// A comment that ends in a backslash and so goes on in the next line, where there are assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwallowingComment {
    /// Its backslashes before an end of line.
    pub backslashes: Vec<Span>,
    /// The names that are not set.
    pub names: Vec<Spanned<String>>,
}

/// An environment file as systemd reads it.
#[derive(Debug, Clone, Default)]
pub struct EnvFile {
    /// The assignments in the order of the file, duplicates included.
    pub assignments: Vec<EnvAssignment>,
    /// The lines of which the process gets nothing.
    pub ignored: Vec<Ignored>,
    /// The first reason why the unit does not start. The assignments are listed all the same; with
    /// [`FaultKind::Nul`] those before the byte.
    pub fatal: Option<Fault>,
    /// The comments, from `#` or `;` to the end of the line (or of the lines that it swallows).
    pub comments: Vec<Span>,
    /// Backslashes at the end of a comment, with the end of line: before version 254 the next line
    /// is part of the comment.
    pub comment_continuations: Vec<Span>,
    /// Comments that swallow assignments, as systemd before 254 reads them.
    pub swallowing_comments: Vec<SwallowingComment>,
    /// What systemd before 254 reads, where the version is unknown and the environment, or whether
    /// the unit starts, depends on it.
    pub before_254: Option<Box<EnvFile>>,
    last: HashMap<String, usize>,
}

impl EnvFile {
    /// The assignment that decides about a name: the last one.
    pub fn get(&self, name: &str) -> Option<&EnvAssignment> {
        self.last.get(name).and_then(|index| self.assignments.get(*index))
    }

    /// What the process gets from this file: the last assignment of every name, in their order.
    pub fn effective(&self) -> impl Iterator<Item = &EnvAssignment> {
        self.assignments.iter().filter(|assignment| !assignment.overridden)
    }

    /// The assignments of each name that is assigned more than once, by first appearance.
    pub fn duplicates(&self) -> Vec<Vec<&EnvAssignment>> {
        let mut order: Vec<Vec<&EnvAssignment>> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for assignment in &self.assignments {
            let place = *places.entry(&assignment.name.value).or_insert(order.len());
            match order.get_mut(place) {
                Some(group) => group.push(assignment),
                None => order.push(vec![assignment]),
            }
        }
        order.retain(|group| group.len() > 1);
        order
    }

    /// Whether the version of systemd decides about a name's value (see [`EnvFile::before_254`]).
    pub fn depends_on_version(&self, name: &str) -> bool {
        self.before_254.as_ref().is_some_and(|other| {
            other.get(name).map(|a| &a.value) != self.get(name).map(|a| &a.value)
        })
    }

    fn same_environment(&self, other: &Self) -> bool {
        self.fatal.map(|f| f.kind) == other.fatal.map(|f| f.kind)
            && self.last.len() == other.last.len()
            && self.effective().all(|assignment| {
                other.get(&assignment.name.value).is_some_and(|a| a.value == assignment.value)
            })
    }

    /// Notes for every name which assignment is its last, and what comes of that.
    fn settle(mut self) -> Self {
        for (index, assignment) in self.assignments.iter().enumerate() {
            self.last.insert(assignment.name.value.clone(), index);
        }
        // systemd drops what is too long after it replaced what came before.
        for ignored in self.ignored.iter_mut().filter(|line| line.kind == IgnoredKind::TooLong) {
            let Some(name) = &ignored.name else { continue };
            let last = self.last.get(name).and_then(|index| self.assignments.get(*index));
            let replaced = last.is_some_and(|assignment| assignment.span > ignored.span);
            ignored.logged = !replaced;
            if !replaced {
                self.last.remove(name);
            }
        }
        for (index, assignment) in self.assignments.iter_mut().enumerate() {
            assignment.overridden = self.last.get(&assignment.name.value) != Some(&index);
            let length = assignment.name.value.len() + 1 + assignment.value.expose().len();
            if length >= LONGEST_ASSIGNMENT && !assignment.overridden && self.fatal.is_none() {
                let span = assignment.value_span;
                self.fatal = Some(Fault { kind: FaultKind::TooLong, span });
            }
        }
        self
    }
}

/// Reads an environment file.
pub fn parse(file: &SourceFile, dialect: Dialect) -> EnvFile {
    let continue_comments = dialect == Dialect::Before254;
    let mut read = machine::read(file, continue_comments).settle();
    if dialect == Dialect::Unknown && !read.comment_continuations.is_empty() {
        let other = machine::read(file, true).settle();
        if !read.same_environment(&other) {
            read.before_254 = Some(Box::new(other));
        }
    }
    read
}

/// Whether systemd takes a text for a variable's name: letters, digits and `_` of ASCII, no digit
/// first.
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| !byte.is_ascii_digit())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
