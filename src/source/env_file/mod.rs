//! Environment files, read as systemd reads them for `EnvironmentFile=`.
//!
//! Source: `parse_env_file_internal()` of systemd (`src/basic/env-file.c`), systemd.exec(5), and
//! measurements on systemd 252 and 257, which take precedence over the man page. The syntax is not
//! that of a shell: nothing is expanded, a `#` within a line does not start a comment, and text
//! that is not understood is dropped, usually without a log entry.

mod hints;
mod machine;
mod record;

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::{Secret, SourceFile, Span, Spanned};

/// Linux's `MAX_ARG_STRLEN`, within which `NAME=value` and its final NUL must fit.
const LONGEST_ASSIGNMENT: usize = 32 * 4096;

/// What differs between versions of systemd: a comment that ends in a backslash. Before version
/// 254, such a comment swallowed the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// systemd 253 and older: such a comment continues on the next line.
    Before254,
    /// systemd 254 and newer: a comment ends with its line.
    Since254,
    /// The version is not known: the file is read as since 254, and [`EnvFile::before_254`]
    /// contains the other reading if that results in a different environment.
    Unknown,
}

impl Dialect {
    /// The dialect of a version of systemd, if known.
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

/// The kind of a text that a shell would expand.
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

/// A text in a value that a shell would expand. systemd passes it to the process as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expansion {
    /// The kind of the text.
    pub kind: ExpansionKind,
    /// The place of the text.
    pub span: Span,
    /// Whether it is in single quotes, where a shell would leave it alone too.
    pub single_quoted: bool,
}

/// An assignment that the process receives, unless a later one with the same name replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvAssignment {
    /// The variable's name.
    pub name: Spanned<String>,
    /// The value that the process receives.
    pub value: Secret,
    /// The value as written, with its quotes and continuations and without spaces around it. For an
    /// empty value, an empty span just after the `=`.
    pub value_span: Span,
    /// The whole logical line, without its line ending.
    pub span: Span,
    /// The physical lines, counted from 1.
    pub lines: RangeInclusive<usize>,
    /// How the value is quoted.
    pub quoting: Quoting,
    /// A quote that is never closed: the rest of the file is in this value.
    pub open_quote: Option<Span>,
    /// Names on further lines of this value that look like assignments of their own: a quote is
    /// missing, or a backslash joins the lines, and these variables are not set.
    pub swallowed: Vec<Spanned<String>>,
    /// ` # …` in an unquoted part: the text belongs to the value.
    pub comment: Option<Span>,
    /// Texts that a shell would expand.
    pub expansions: Vec<Expansion>,
    /// Backslashes that join two lines, each with its line ending.
    pub continuations: Vec<Span>,
    /// Backslashes before a CRLF, which join nothing.
    pub lost_continuations: Vec<Span>,
    /// The first backslash in an unquoted part that escapes an ordinary character and is dropped.
    pub dropped_backslash: Option<Span>,
    /// The first quote that is part of the value, because the value does not start with it.
    pub literal_quote: Option<Span>,
    /// Whether a later assignment with the same name replaces this one.
    pub overridden: bool,
}

impl EnvAssignment {
    /// Whether a quote is missing: either a quote is never closed, or it is closed by one that was
    /// meant to open a later value, so that text follows the closing quote and apparent assignments
    /// are inside.
    pub fn is_unbalanced(&self) -> bool {
        self.open_quote.is_some() || (self.quoting == Quoting::Mixed && !self.swallowed.is_empty())
    }

    /// The backslashes that join lines which look like assignments of their own to this one; none
    /// of them is in quotes.
    pub fn joining(&self) -> Vec<Span> {
        // Both lists are in the order of the file.
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
    /// An invalid name: white space, `-`, `.`, a digit at its start, …
    BadName,
    /// No `=` at all.
    NoEquals,
    /// About 2 MiB or more, while a process receives 128 KiB at most. Such a line also unsets what
    /// an earlier line set.
    TooLong,
}

/// A line that gives the process nothing. Its value is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// The reason.
    pub kind: IgnoredKind,
    /// The name that was meant. `None` if the text may be part of a secret (a line of a key).
    pub name: Option<String>,
    /// Everything before the `=`, or the whole text if there is none.
    pub name_span: Span,
    /// The whole logical line, without its line ending.
    pub span: Span,
    /// The physical lines, counted from 1.
    pub lines: RangeInclusive<usize>,
    /// Whether systemd logs `Ignoring invalid environment assignment` for it at the next start.
    /// Other ignored lines are not logged.
    pub logged: bool,
}

impl Ignored {
    /// The first byte of the line: for a hidden line, the length is hidden too.
    pub fn start(&self) -> Span {
        Span { end: self.span.start + 1, ..self.span }
    }
}

/// Why a unit with this file does not start (with `EnvironmentFile=-…`: why systemd ignores the
/// whole file).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A name or value is not UTF-8 for systemd (`Invalid argument`).
    NonUtf8,
    /// A NUL byte anywhere (`Bad message`).
    Nul,
    /// An assignment with more bytes than Linux passes to a process (128 KiB: status 203, `Argument
    /// list too long`), even with `EnvironmentFile=-…`. From 2 MiB on, it is only ignored.
    TooLong,
}

/// A fault that keeps a unit with this file from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The kind of the fault.
    pub kind: FaultKind,
    /// The name, value or byte.
    pub span: Span,
}

/// A comment that ends in a backslash and thus continues on the next line, which contains
/// assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwallowingComment {
    /// The backslashes before its line endings.
    pub backslashes: Vec<Span>,
    /// The names that are not set because of it.
    pub names: Vec<Spanned<String>>,
}

/// An environment file as systemd reads it.
#[derive(Debug, Clone, Default)]
pub struct EnvFile {
    /// The assignments in the order of the file, duplicates included.
    pub assignments: Vec<EnvAssignment>,
    /// The lines that give the process nothing.
    pub ignored: Vec<Ignored>,
    /// The first reason why the unit does not start. The assignments are listed all the same; with
    /// [`FaultKind::Nul`], only those before the byte.
    pub fatal: Option<Fault>,
    /// The comments, from `#` or `;` to the end of the line (or of the lines that it swallows).
    pub comments: Vec<Span>,
    /// Backslashes at the end of a comment, each with its line ending: before version 254, the next
    /// line is part of the comment.
    pub comment_continuations: Vec<Span>,
    /// Comments that swallow assignments in systemd before 254.
    pub swallowing_comments: Vec<SwallowingComment>,
    /// What systemd before 254 reads, if the version is unknown and the environment, or whether the
    /// unit starts, depends on it.
    pub before_254: Option<Box<EnvFile>>,
    last: HashMap<String, usize>,
}

impl EnvFile {
    /// The assignment that decides the value of a name: the last one.
    pub fn get(&self, name: &str) -> Option<&EnvAssignment> {
        self.last.get(name).and_then(|index| self.assignments.get(*index))
    }

    /// What the process receives from this file: the last assignment of every name, in order.
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

    /// Whether the value of a name depends on the version of systemd (see [`EnvFile::before_254`]).
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

    /// Marks, for every name, which assignments are replaced, and derives what follows from that.
    fn settle(mut self) -> Self {
        for (index, assignment) in self.assignments.iter().enumerate() {
            self.last.insert(assignment.name.value.clone(), index);
        }
        // systemd drops an assignment that is too long only after it has replaced an earlier one.
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

/// Whether systemd accepts a text as a variable's name: ASCII letters, digits and `_`, without a
/// digit at the start.
pub fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| !byte.is_ascii_digit())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}
