//! The syntax of a unit file (systemd.syntax(7)), as systemd itself reads it.
//!
//! The `configparser` crate splits names from values. The crate supports neither repeated sections
//! and names nor systemd's continuations and comments, and it trims Unicode white space, where
//! systemd trims only ASCII. Therefore it is given logical lines (see `lines`), each made unique by
//! its number and with sentinels around its parts, in portions that keep the crate's maps small.

use std::sync::Arc;

use configparser::ini::Ini;

use super::fault::{Fault, FaultKind};
use super::lines::{self, BLANK};
use crate::source::{SourceFile, Span, Spanned, Text};

/// How many bytes of lines are given to `configparser` at once.
const PORTION: usize = 1 << 20;

/// One unit file or drop-in, as written.
#[derive(Debug, Clone)]
pub struct UnitFile {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Every section header, in order, without its brackets.
    pub sections: Vec<Spanned<String>>,
    /// Every assignment, in order.
    pub assignments: Vec<Assignment>,
    /// What systemd does not read, or reads differently from how it looks, in order.
    pub faults: Vec<Fault>,
    /// Every comment line.
    pub comments: Vec<Span>,
}

/// One `Name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The section it is in, without brackets.
    pub section: Arc<str>,
    /// The name before `=`.
    pub key: Spanned<String>,
    /// The value, with continuations joined and white space at its ends removed.
    pub value: Text,
    /// The range from the name's first byte to the value's last.
    pub span: Span,
}

impl Assignment {
    /// Whether it sets `key` in `section`.
    pub fn is(&self, section: &str, key: &str) -> bool {
        // The keys are compared first: most differ already in length, while most sections are the
        // same.
        self.key.value == key && *self.section == *section
    }
}

impl UnitFile {
    /// The fault at which systemd stops reading this file.
    pub fn fatal(&self) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.fatal)
    }

    /// What follows a section's header on its line, without the spaces before it.
    pub fn behind_header(&self, line: Span) -> Option<Span> {
        let text = self.file.slice(line);
        let bracket = memchr::memchr(b']', text)?;
        let behind = text.get(bracket + 1..)?.trim_ascii_start().len();
        Some(Span::new(line.file, line.end as usize - behind, line.end as usize))
    }

    /// The backslash at the end of the line above, with the spaces before it.
    pub fn backslash_above(&self, at: Span) -> Option<Span> {
        let above = self.file.bytes.get(..at.start as usize)?;
        let line = above.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let kept = line.strip_suffix(b"\\")?.trim_ascii_end();
        Some(Span::new(at.file, kept.len(), line.len()))
    }

    /// The assignments of one key in a section, in order.
    pub fn all<'a>(
        &'a self,
        section: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a Assignment> {
        self.assignments.iter().filter(move |a| a.is(section, key))
    }
}

/// The first examined version that refuses a header that is empty or contains a `[`; 252 takes it
/// for the name of an unknown section.
const STRICT_HEADERS: u32 = 262;

/// Reads a unit file or drop-in by the rules that all versions of systemd share. Never fails: what
/// cannot be read is among the faults.
pub fn parse(file: Arc<SourceFile>) -> UnitFile {
    parse_as(file, None)
}

/// Reads a unit file or drop-in as this version of systemd does; if it is unknown, as all versions
/// do.
pub fn parse_as(file: Arc<SourceFile>, systemd: Option<u32>) -> UnitFile {
    let read = lines::read(&file);
    let mut parser = Parser {
        unit: UnitFile {
            file,
            sections: Vec::new(),
            assignments: Vec::new(),
            faults: Vec::new(),
            comments: read.comments,
        },
        section: None,
        strict: systemd.is_some_and(|version| version >= STRICT_HEADERS),
    };
    let mut complete = true;
    for portion in portions(&read.logical) {
        let mut splits = split(portion).into_iter();
        for line in portion {
            if complete && parser.line(line, splits.next().flatten()).is_none() {
                complete = false;
            }
        }
    }
    let mut unit = parser.unit;
    // After a fatal fault in a header systemd reads no further, so the faults of later lines are
    // dropped.
    let stop = unit.fatal().map(|fault| fault.span.start);
    unit.faults.extend(read.faults.into_iter().filter(|f| stop.is_none_or(|s| f.span.start < s)));
    unit.faults.sort_by_key(|fault| (fault.span.start, fault.fatal));
    unit
}

/// Divides the lines into runs of about [`PORTION`] bytes.
fn portions(mut lines: &[Text]) -> Vec<&[Text]> {
    let mut portions = Vec::new();
    while !lines.is_empty() {
        let mut size = 0;
        let count = lines
            .iter()
            .take_while(|line| {
                let first = size == 0;
                size += line.as_str().len() + 16;
                first || size <= PORTION
            })
            .count();
        let (portion, rest) = lines.split_at(count.max(1));
        portions.push(portion);
        lines = rest;
    }
    portions
}

/// How `configparser` splits one stripped line: the lengths of its name and of its value after `=`,
/// both with the white space around them; `None` for a header or an empty line.
type Split = Option<(usize, Option<usize>)>;

/// For each line, the lengths of the parts before and after its first `=`.
fn split(lines: &[Text]) -> Vec<Split> {
    let mut input = String::new();
    for (number, line) in lines.iter().enumerate() {
        let line = line.as_str().trim_matches(BLANK);
        if line.is_empty() || line.starts_with('[') {
            continue;
        }
        match line.split_once('=') {
            Some((key, value)) => input.push_str(&format!("{number}|{key}|=|{value}|\n")),
            None => input.push_str(&format!("{number}|{line}|\n")),
        }
    }
    let mut found = vec![None; lines.len()];
    let mut ini = Ini::new_from_defaults(defaults());
    // `configparser` cannot refuse the lines written above. If it ever did, all of them would be
    // reported as lines without `=` rather than ignored silently.
    let sections = ini.read(input).unwrap_or_default();
    for (key, value) in sections.into_values().flatten() {
        let Some((number, key)) = key.split_once('|') else { continue };
        let slot = number.parse().ok().and_then(|number: usize| found.get_mut(number));
        if let (Some(slot), Some(key)) = (slot, key.strip_suffix('|')) {
            *slot = Some((key.len(), value.map(|value| value.len().saturating_sub(2))));
        }
    }
    found
}

fn defaults() -> configparser::ini::IniDefault {
    let mut defaults = Ini::new_cs().defaults();
    defaults.default_section = String::new();
    defaults.comment_symbols = Vec::new();
    defaults.inline_comment_symbols = Some(Vec::new());
    defaults.enable_inline_comments = false;
    defaults.delimiters = vec!['='];
    defaults.case_sensitive = true;
    defaults.multiline = false;
    defaults
}

struct Parser {
    unit: UnitFile,
    section: Option<Arc<str>>,
    /// Whether a header that is empty or contains a `[` is refused.
    strict: bool,
}

impl Parser {
    fn fault(&mut self, kind: FaultKind, span: Span) {
        self.unit.faults.push(Fault { kind, span, fatal: kind.is_fatal() });
    }

    /// Reads one logical line. Returns `None` after a fatal fault.
    fn line(&mut self, whole: &Text, split: Split) -> Option<()> {
        let line = whole.trim();
        if line.as_str().is_empty() {
            return Some(());
        }
        if line.as_str().starts_with('[') {
            return self.header(&line);
        }
        let Some(section) = self.section.clone() else {
            self.fault(FaultKind::OutsideSection, line.span());
            return Some(());
        };
        let Some((key_length, Some(value_length))) = split else {
            self.fault(FaultKind::NoEquals, line.span());
            return Some(());
        };
        let key = line.slice(0..key_length).trim();
        let value = line.slice(key_length + 1..key_length + 1 + value_length).trim();
        if key.as_str().is_empty() {
            self.fault(FaultKind::EmptyKey, line.span());
            return Some(());
        }
        self.unit.assignments.push(Assignment {
            section,
            key: Spanned { value: key.as_str().to_owned(), span: key.span() },
            value,
            span: line.span(),
        });
        Some(())
    }

    fn header(&mut self, line: &Text) -> Option<()> {
        let Some(name) = line.as_str().get(1..).and_then(|rest| rest.strip_suffix(']')) else {
            let kind = match line.as_str().contains(']') {
                true => FaultKind::HeaderFollowedByText,
                false => FaultKind::HeaderUnclosed,
            };
            self.fault(kind, line.span());
            return None;
        };
        if name.bytes().any(|b| b < b' ' || matches!(b, b'"' | b'\'' | b'\\' | 0x7f)) {
            self.fault(FaultKind::HeaderBadCharacters, line.span());
            return None;
        }
        if self.strict && (name.is_empty() || name.contains('[')) {
            self.fault(FaultKind::HeaderNoName, line.span());
            return None;
        }
        self.section = Some(Arc::from(name));
        self.unit.sections.push(Spanned { value: name.to_owned(), span: line.span() });
        Some(())
    }
}
