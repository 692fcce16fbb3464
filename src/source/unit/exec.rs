//! `ExecStart=` and similar settings, split as systemd splits them (systemd.service(5), "Command
//! lines"; `config_parse_exec()` of 252 and 257).

use std::fmt;
use std::ops::Range;

use super::specifier::{Expansion, Specifiers};
use super::word::{self, Escapes, RawWord, WordFault, Words};
use crate::source::{Span, Text, placeholder};

/// The prefixes before a command's program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExecPrefixes {
    /// `-`: a failure of the command does not count.
    pub ignore_failure: bool,
    /// `@`: the second word is the name that the process sees as its own (`argv[0]`).
    pub own_argv0: bool,
    /// `:`: variables are not expanded.
    pub no_environment: bool,
    /// `+` or `!`: the command runs with more privileges than `User=` and the sandbox allow.
    pub full_privileges: bool,
    /// `|` (from systemd 258 on): the shell of `User=` runs the words as its `-c` text; with `@`,
    /// as a login shell.
    pub user_shell: bool,
}

/// One command of an `Exec…=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// The prefixes before its program.
    pub prefixes: ExecPrefixes,
    /// The program: an absolute path or a bare name. Variables are not expanded in it.
    pub program: Word,
    /// The name that the program sees as its own, given after the prefix `@`.
    pub argv0: Option<Word>,
    /// Its arguments.
    pub arguments: Vec<Word>,
    /// The range from its prefixes to its last argument.
    pub span: Span,
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The text without quotes, with escapes decoded and specifiers expanded; variables are left as
    /// written.
    pub text: Text,
    /// The word as written, with its quotes.
    pub span: Span,
    /// Why the text is not known: a specifier that depends on the machine, or a template's
    /// placeholder.
    pub unknown: Option<String>,
    /// The variables in it.
    pub variables: Vec<Variable>,
}

/// `$NAME` or `${NAME}` in a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name, as systemd looks it up: for `$A/b` that is `A/b`.
    pub name: String,
    /// Its place in the file.
    pub span: Span,
    /// Its place in the word's text.
    pub range: Range<usize>,
    /// Whether it is written `${NAME}`.
    pub braced: bool,
    /// Whether its value is split at white space into any number of words, because `$NAME` is the
    /// whole word.
    pub splits: bool,
}

/// Why systemd does not accept a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecFault {
    /// What is wrong.
    pub kind: ExecFaultKind,
    /// The place of the fault.
    pub span: Span,
    /// Whether systemd refuses the unit. Otherwise (after the prefix `-`, or if the first word
    /// cannot be parsed) systemd ignores the rest of the line.
    pub refuses: bool,
    /// The commands of the line before the fault.
    pub before: Vec<ExecCommand>,
}

/// The kinds of [`ExecFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExecFaultKind {
    /// A quote that is not closed.
    UnbalancedQuote,
    /// A specifier that systemd does not have.
    UnknownSpecifier,
    /// Nothing after the prefixes.
    EmptyProgram,
    /// Control characters, quotes or backslashes in the program's name.
    UnsafeProgram,
    /// The program's path ends in a slash.
    DirectoryProgram,
    /// Neither an absolute path nor a bare name: `venv/bin/gunicorn`.
    RelativeProgram,
    /// The prefix `@` without a second word.
    MissingArgv0,
}

impl fmt::Display for ExecFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnbalancedQuote => "a quote is not closed",
            Self::UnknownSpecifier => "systemd has no such specifier (a literal % is written %%)",
            Self::EmptyProgram => "there is no program",
            Self::UnsafeProgram => {
                "the program's name contains quotes, backslashes or control characters"
            }
            Self::DirectoryProgram => "the program's path ends in a slash",
            Self::RelativeProgram => "the program is neither an absolute path nor a bare name",
            Self::MissingArgv0 => "the prefix @ needs a second word",
        })
    }
}

impl fmt::Display for ExecFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

/// The commands in one assignment's value; empty for an empty value, which resets the list.
pub fn commands(value: &Text, specifiers: &Specifiers) -> Result<Vec<ExecCommand>, ExecFault> {
    let mut reader = CommandReader {
        value,
        words: Words::new(value.as_str()),
        specifiers,
        placeholders: braces(value.as_str()),
        next_placeholder: 0,
    };
    let mut commands = Vec::new();
    loop {
        match reader.command() {
            Ok(Some((command, more))) => {
                commands.push(command);
                if !more {
                    return Ok(commands);
                }
            }
            Ok(None) => return Ok(commands),
            Err(CommandFault { kind, span, refuses }) => {
                return Err(ExecFault { kind, span, refuses, before: commands });
            }
        }
    }
}

struct CommandFault {
    kind: ExecFaultKind,
    span: Span,
    refuses: bool,
}

struct CommandReader<'v> {
    value: &'v Text,
    words: Words<'v>,
    specifiers: &'v Specifiers,
    /// The ranges of `{{ x }}` and `{% x %}`, which may contain white space and so extend over
    /// several words.
    placeholders: Vec<Range<usize>>,
    next_placeholder: usize,
}

impl CommandReader<'_> {
    /// Reads one command, and whether a lone `;` follows it.
    fn command(&mut self) -> Result<Option<(ExecCommand, bool)>, CommandFault> {
        self.words.skip_blanks();
        // A lone `;` in the place of a program separates nothing, so it is skipped.
        while self.words.at_token(";") {
            self.words.at += 1;
            self.words.skip_blanks();
        }
        let start = self.words.at;
        // A line whose first word cannot be parsed is ignored, not refused.
        let Some(mut first) = self.next(start, false)? else { return Ok(None) };
        self.join(&mut first, start)?;
        let (program, prefixes) = self.program(&first)?;
        let refuses = !prefixes.ignore_failure;
        // With `|`, the prefix `@` asks for a login shell and takes no extra word.
        let own_argv0 = prefixes.own_argv0 && !prefixes.user_shell;
        let argv0 = match own_argv0 {
            true => self.argument(start, refuses)?,
            false => None,
        };
        if own_argv0 && argv0.is_none() {
            let span = first.span(self.value);
            return Err(CommandFault { kind: ExecFaultKind::MissingArgv0, span, refuses });
        }
        let mut arguments = Vec::new();
        let mut more = false;
        while !self.words.rest().is_empty() {
            if self.words.at_token(";") {
                self.words.at += 1;
                self.words.skip_blanks();
                more = true;
                break;
            }
            match self.argument(start, refuses)? {
                Some(word) => arguments.push(word),
                None => break,
            }
        }
        let last = arguments.last().or(argv0.as_ref()).unwrap_or(&program).span;
        let span = first.span(self.value).to(last);
        Ok(Some((ExecCommand { prefixes, program, argv0, arguments, span }, more)))
    }

    fn next(&mut self, start: usize, refuses: bool) -> Result<Option<RawWord>, CommandFault> {
        let at = self.words.at;
        self.words.next(Escapes::Decoded).map_err(|fault| {
            let (WordFault::UnbalancedQuote | WordFault::BadEscape) = fault;
            let span = word::span_of(self.value, at.max(start), self.value.as_str().len());
            CommandFault { kind: ExecFaultKind::UnbalancedQuote, span, refuses }
        })
    }

    /// Joins words: `{{ venv }}/bin/gunicorn` is one program, whatever spaces its placeholder
    /// contains.
    fn join(&mut self, first: &mut RawWord, start: usize) -> Result<(), CommandFault> {
        let mut at = 0;
        while let Some(range) = self.placeholders.get(at) {
            if range.end <= first.end {
                at += 1;
            } else if range.start < first.end
                && let Some(next) = self.next(start, false)?
            {
                first.join(next);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn argument(&mut self, start: usize, refuses: bool) -> Result<Option<Word>, CommandFault> {
        if self.words.at_token("\\;") {
            let at = self.words.at;
            self.words.at += 2;
            self.words.skip_blanks();
            let text = self.value.slice(at + 1..at + 2);
            let span = self.value.span_of(at..at + 2);
            return Ok(Some(Word { text, span, unknown: None, variables: Vec::new() }));
        }
        let Some(raw) = self.next(start, refuses)? else { return Ok(None) };
        let (text, utf8) = raw.text(self.value);
        self.word(&raw, text, utf8, refuses).map(Some)
    }

    fn word(
        &mut self,
        raw: &RawWord,
        text: Text,
        utf8: bool,
        refuses: bool,
    ) -> Result<Word, CommandFault> {
        let span = raw.span(self.value);
        let placeholder = self.in_placeholder(raw) || placeholder::holds(text.as_str());
        let (text, mut unknown) = match self.specifiers.expand(&text) {
            Expansion::Known(text) => (text, None),
            Expansion::NotKnown { written, why } => (written, Some(why)),
            Expansion::Invalid(_) if placeholder => (text, None),
            Expansion::Invalid(span) => {
                return Err(CommandFault { kind: ExecFaultKind::UnknownSpecifier, span, refuses });
            }
        };
        if placeholder {
            unknown = Some("it contains a template's placeholder".into());
        } else if !utf8 {
            unknown = Some("it contains bytes that are not UTF-8".into());
        }
        let variables = variables(&text);
        Ok(Word { text, span, unknown, variables })
    }

    /// Whether the word overlaps a placeholder. Words come in order, so each range is skipped only
    /// once.
    fn in_placeholder(&mut self, raw: &RawWord) -> bool {
        while let Some(range) = self.placeholders.get(self.next_placeholder) {
            if range.end > raw.start {
                return range.start < raw.end;
            }
            self.next_placeholder += 1;
        }
        false
    }

    fn program(&mut self, raw: &RawWord) -> Result<(Word, ExecPrefixes), CommandFault> {
        let (whole, utf8) = raw.text(self.value);
        let (prefixes, length) = prefixes(whole.as_str(), self.specifiers.systemd);
        let refuses = !prefixes.ignore_failure;
        let text = whole.slice(length..whole.as_str().len());
        let mut word = self.word(raw, text, utf8, refuses)?;
        if length > 0
            && word.text.as_str()
                == self.value.as_str().get(raw.start + length..raw.end).unwrap_or("")
        {
            word.span = self.value.span_of(raw.start + length..raw.end);
        }
        match program_fault(word.text.as_str()) {
            // A lone `|` runs the shell itself.
            Some(ExecFaultKind::EmptyProgram) if prefixes.user_shell => Ok((word, prefixes)),
            Some(kind) if word.unknown.is_none() => {
                Err(CommandFault { kind, span: word.span, refuses })
            }
            _ => Ok((word, prefixes)),
        }
    }
}

/// The first version of systemd that has the prefix `|`.
const USER_SHELL_SINCE: u32 = 258;

/// The prefixes of a program, and their length in bytes.
fn prefixes(text: &str, systemd: Option<u32>) -> (ExecPrefixes, usize) {
    let knows_shell = systemd.is_none_or(|version| version >= USER_SHELL_SINCE);
    let mut found = ExecPrefixes::default();
    // `+`, `!` and `!!` exclude each other, except that a second `!` makes `!!`.
    let mut privileges = "";
    for (at, byte) in text.bytes().enumerate() {
        match (byte, privileges) {
            (b'-', _) if !found.ignore_failure => found.ignore_failure = true,
            // `@VENV@/bin/gunicorn` is a placeholder of a template.
            (b'@', _) if is_placeholder_at(text, at) => {
                return (found, at);
            }
            (b'@', _) if !found.own_argv0 => found.own_argv0 = true,
            (b':', _) if !found.no_environment => found.no_environment = true,
            (b'|', _) if knows_shell && !found.user_shell => found.user_shell = true,
            (b'+', "") => privileges = "+",
            (b'!', "") => privileges = "!",
            (b'!', "!") => privileges = "!!",
            _ => return (found, at),
        }
        // `!!` had a meaning only for kernels without ambient capabilities, and does not exist from
        // 258 on.
        found.full_privileges = matches!(privileges, "+" | "!");
    }
    (found, text.len())
}

/// Whether a placeholder starts here.
fn is_placeholder_at(text: &str, at: usize) -> bool {
    let found = text.get(at..).and_then(placeholder::find);
    found.is_some_and(|found| found.start == 0)
}

fn program_fault(path: &str) -> Option<ExecFaultKind> {
    let unsafe_byte = |b: u8| b < b' ' || matches!(b, b'"' | b'\'' | b'\\' | 0x7f);
    if path.is_empty() {
        Some(ExecFaultKind::EmptyProgram)
    } else if path.bytes().any(unsafe_byte) {
        Some(ExecFaultKind::UnsafeProgram)
    } else if path.ends_with('/') {
        Some(ExecFaultKind::DirectoryProgram)
    } else if !path.starts_with('/') && !is_file_name(path) {
        Some(ExecFaultKind::RelativeProgram)
    } else {
        None
    }
}

/// Whether `filename_is_valid()` accepts the name.
fn is_file_name(name: &str) -> bool {
    !name.contains('/') && name != "." && name != ".." && name.len() <= 255
}

/// The variables that systemd expands in a word.
fn variables(text: &Text) -> Vec<Variable> {
    let value = text.as_str();
    if let Some(name) = value.strip_prefix('$')
        && !name.starts_with(['{', '$'])
    {
        let range = 0..value.len();
        let span = text.span_of(range.clone());
        return vec![Variable { name: name.into(), span, range, braced: false, splits: true }];
    }
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = value.get(at..).and_then(|rest| rest.find('$')).map(|d| at + d) {
        let rest = value.get(dollar + 1..).unwrap_or_default();
        at = dollar + 1;
        if rest.starts_with('$') {
            at = dollar + 2;
        } else if rest.starts_with('{') {
            let Some(length) = rest.find(['}', ':']) else { break };
            // `${NAME:-3}` is a shell's syntax: systemd leaves it as it is (measured on 252 and
            // 262).
            if rest.as_bytes().get(length) == Some(&b':') {
                at = dollar + 1 + length + 1;
                continue;
            }
            let range = dollar..dollar + 1 + length + 1;
            at = range.end;
            found.push(Variable {
                name: rest.get(1..length).unwrap_or_default().to_owned(),
                span: text.span_of(range.clone()),
                range,
                braced: true,
                splits: false,
            });
        }
    }
    found
}

/// The ranges of `{{ x }}` and `{% x %}` in a value, found in time linear in its length.
fn braces(value: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    let next = |from: usize, what: &str| value.get(from..)?.find(what).map(|i| from + i);
    for (open, close) in [("{{", "}}"), ("{%", "%}")] {
        while let Some(start) = next(at, open) {
            let Some(end) = next(start + 2, close) else { break };
            found.push(start..end + 2);
            at = end + 2;
        }
        at = 0;
    }
    found.sort_by_key(|range| range.start);
    found
}
