//! Misread `Environment=` lines: variables that the application does not get, or gets with a value
//! other than the one written. Their values are never shown.

use std::collections::HashSet;

use super::Service;
use crate::source::unit::Unit;
use crate::source::unit::environment::{
    EnvironmentAssignment, EnvironmentFault, EnvironmentFaultKind, assignments,
};
use crate::source::{Span, placeholder};

/// What became of an assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LossKind {
    /// `%` starts a specifier, and there is none of that name: the whole assignment is dropped.
    Specifier,
    /// Spaces outside quotes: the variable gets only the first word.
    Blanks,
    /// Spaces around the `=`: `NAME = value` is three words, of which none assigns anything.
    Spaced,
    /// Two assignments in one pair of quotes: the second is a part of the first one's value.
    Joined,
    /// A quote that does not close, or an escape that systemd does not know: the rest of the line
    /// is ignored.
    Unclosed,
    /// A name with other signs than letters, digits and underscores.
    BadName,
    /// `$NAME` or `~`, which nobody expands here.
    NotExpanded,
}

/// A variable that does not arrive as it was written.
#[derive(Debug, Clone)]
pub struct LostAssignment {
    /// The variable that is assigned there.
    pub name: String,
    /// Further variables that were meant to be, and are not set by this.
    pub inner: Vec<String>,
    /// What became of it.
    pub kind: LossKind,
    /// The name.
    pub span: Span,
    /// What to write where, so that it means what was meant; empty where that is not known.
    pub repair: Vec<(Span, &'static str)>,
}

impl LostAssignment {
    /// Is this variable not set by it, or not as it was meant?
    pub fn concerns(&self, name: &str) -> bool {
        self.name == name || self.inner.iter().any(|inner| inner == name)
    }
}

/// Every specifier of any systemd.
const SPECIFIERS: &[u8] = b"aAbBCdDEfgGhHiIjJlLmMnNopPqsStTuUvVwWyY";

/// Looks through the unit's own assignments.
pub(super) fn read(service: &Service) -> Vec<LostAssignment> {
    let unit = &service.unit;
    let mut lost = Vec::new();
    // What the unit itself sets.
    let mut own = HashSet::new();
    for line in unit.list("Service", "Environment") {
        // What a template will write there may contain the quotes, and has no spaces of its own.
        if placeholder::holds(line.value.as_str()) {
            continue;
        }
        let (found, faults) = assignments(&line.value, &unit.specifiers);
        let mut strays: Vec<Span> = Vec::new();
        let mut left = faults.as_slice();
        while let [fault, rest @ ..] = left {
            left = rest;
            if let Some((spaced, words)) = spaced(unit, (fault, rest), &found) {
                lost.push(spaced);
                left = rest.get(words..).unwrap_or_default();
                continue;
            }
            match fault.kind {
                EnvironmentFaultKind::UnknownSpecifier => {
                    lost.extend(
                        written(unit, fault.span).and_then(|text| dropped(text, fault.span)),
                    );
                }
                EnvironmentFaultKind::NoEquals => strays.push(fault.span),
                EnvironmentFaultKind::Syntax => {
                    let text = written(unit, fault.span);
                    lost.extend(text.and_then(|text| {
                        refused(text, fault.span, LossKind::Unclosed)
                            .filter(|lost| is_name(lost.name.as_bytes()))
                    }));
                }
                EnvironmentFaultKind::BadName => {
                    let text = written(unit, fault.span);
                    lost.extend(text.and_then(|text| refused(text, fault.span, LossKind::BadName)));
                }
                _ => {}
            }
        }
        own.extend(found.iter().map(|one| one.name.value.clone()));
        for (index, one) in found.iter().enumerate() {
            let Some(text) = written(unit, one.span) else { continue };
            let next = found.get(index + 1).map_or(u32::MAX, |next| next.span.start);
            let behind = |span: &&Span| span.start >= one.span.end && span.start < next;
            let last = strays.iter().rfind(behind);
            if let Some(last) = last {
                lost.push(cut(one, *last, text, written(unit, *last)));
            } else if let Some(joined) = joined(one, text) {
                lost.push(joined);
            } else if let Some(name) = not_expanded(one, text, &own) {
                lost.push(LostAssignment {
                    name: one.name.value.clone(),
                    inner: vec![name],
                    kind: LossKind::NotExpanded,
                    span: one.name.span,
                    repair: Vec::new(),
                });
            }
        }
    }
    lost
}

/// A word of a unit's file as it is written.
fn written(unit: &Unit, span: Span) -> Option<&[u8]> {
    let file = unit.files().find(|file| file.file.id == span.file)?;
    Some(file.file.slice(span))
}

fn part(span: Span, start: usize, end: usize) -> Option<Span> {
    let at = |offset: usize| span.start.checked_add(u32::try_from(offset).ok()?);
    Some(Span { start: at(start)?, end: at(end)?, ..span })
}

fn is_name(text: &[u8]) -> bool {
    text.first().is_some_and(|first| !first.is_ascii_digit())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `%` that is not a specifier.
fn dropped(text: &[u8], span: Span) -> Option<LostAssignment> {
    let start = usize::from(matches!(text.first(), Some(b'"' | b'\'')));
    let equals = memchr::memchr(b'=', text)?;
    let name = text.get(start..equals).filter(|name| is_name(name))?;
    let mut repair = Vec::new();
    let mut known = false;
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'%', &text[at..]) {
        let place = at + next;
        match text.get(place + 1) {
            Some(b'%') => {
                at = place + 2;
                continue;
            }
            Some(letter) if SPECIFIERS.contains(letter) => known = true,
            _ => repair.push((part(span, place, place + 1)?, "%%")),
        }
        at = place + 1;
    }
    // One that is there may be meant as one, or not.
    if known {
        repair.clear();
    }
    Some(LostAssignment {
        name: String::from_utf8_lossy(name).into_owned(),
        inner: Vec::new(),
        kind: LossKind::Specifier,
        span: part(span, start, equals)?,
        repair,
    })
}

/// `NAME = value` or `NAME =value`: a name, and behind it a word that begins with `=`. With how many of
/// the words behind the name belong to it.
fn spaced(
    unit: &Unit,
    (name, rest): (&EnvironmentFault, &[EnvironmentFault]),
    found: &[EnvironmentAssignment],
) -> Option<(LostAssignment, usize)> {
    let [equals, behind @ ..] = rest else { return None };
    let text = written(unit, name.span).filter(|text| is_name(text))?;
    let sign = written(unit, equals.span).filter(|text| text.first() == Some(&b'='))?;
    let between = |one: &EnvironmentAssignment| {
        one.span.start >= name.span.end && one.span.end <= equals.span.start
    };
    if name.kind != EnvironmentFaultKind::NoEquals || found.iter().any(between) {
        return None;
    }
    let gap = |from: u32, to: u32| (Span { start: from, end: to, ..name.span }, "");
    let mut repair = vec![gap(name.span.end, equals.span.start)];
    // If several words follow, it is not known which belong to the value.
    let alone = |one: &EnvironmentFault| {
        let plain = |text: &[u8]| !text.iter().any(|byte| b"\"'\\=".contains(byte));
        written(unit, one.span).is_some_and(plain)
    };
    match (sign, behind, found.iter().any(|one| one.span.start >= equals.span.end)) {
        (b"=", [value], false) if alone(value) => {
            repair.push(gap(equals.span.end, value.span.start));
        }
        ([b'=', _, ..], [], false) => {}
        _ => repair.clear(),
    }
    let words = if sign == b"=" { 2 } else { 1 };
    let name = LostAssignment {
        name: String::from_utf8_lossy(text).into_owned(),
        inner: Vec::new(),
        kind: LossKind::Spaced,
        span: name.span,
        repair,
    };
    Some((name, words))
}

/// The variable gets its first word, and the rest up to `last` is ignored.
fn cut(
    one: &EnvironmentAssignment,
    last: Span,
    first_text: &[u8],
    last_text: Option<&[u8]>,
) -> LostAssignment {
    let plain = |text: &[u8]| !text.iter().any(|byte| b"\"'\\".contains(byte));
    let whole = plain(first_text) && last_text.is_some_and(plain) && last.file == one.span.file;
    let before = Span { end: one.span.start, ..one.span };
    let behind = Span { start: last.end, ..last };
    LostAssignment {
        name: one.name.value.clone(),
        inner: Vec::new(),
        kind: LossKind::Blanks,
        span: one.name.span,
        repair: if whole { vec![(before, "\""), (behind, "\"")] } else { Vec::new() },
    }
}

/// `"A=1 B=2"`: names in capitals behind a space in a value that is in quotes as a whole.
fn joined(one: &EnvironmentAssignment, text: &[u8]) -> Option<LostAssignment> {
    let quote = *text.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    if text.last() != Some(&quote) || text.contains(&b'\\') {
        return None;
    }
    let mut inner = Vec::new();
    let mut repair = Vec::new();
    let mut at = memchr::memchr(b'=', text)?;
    while let Some(next) = memchr::memchr(b' ', &text[at..]) {
        let blank = at + next;
        let rest = &text[blank..];
        let blanks = rest.iter().take_while(|byte| **byte == b' ').count();
        let word = &rest[blanks..];
        let length = word
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_')
            .count();
        at = blank + blanks;
        if word.get(length) == Some(&b'=') && length > 1 && is_name(&word[..length]) {
            inner.push(String::from_utf8_lossy(&word[..length]).into_owned());
            let with = if quote == b'"' { "\" \"" } else { "' '" };
            repair.push((part(one.span, blank, at)?, with));
        }
    }
    (!inner.is_empty()).then(|| LostAssignment {
        name: one.name.value.clone(),
        inner,
        kind: LossKind::Joined,
        span: one.name.span,
        repair,
    })
}

/// An assignment that systemd ignores as a whole, with the name that it was meant to have.
fn refused(text: &[u8], span: Span, kind: LossKind) -> Option<LostAssignment> {
    let start = usize::from(matches!(text.first(), Some(b'"' | b'\'')));
    let equals = memchr::memchr(b'=', text)?;
    let name = text.get(start..equals)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
    (!name.is_empty() && name.iter().all(plain)).then(|| LostAssignment {
        name: String::from_utf8_lossy(name).into_owned(),
        inner: Vec::new(),
        kind,
        span: part(span, start, equals).unwrap_or(span),
        repair: Vec::new(),
    })
}

/// Variables that are meant as such wherever they are.
const MEANT: [&str; 5] = ["PATH", "HOME", "PWD", "USER", "PYTHONPATH"];

/// `$PATH`, or `~` where a path begins: what is there and is not expanded.
fn not_expanded(one: &EnvironmentAssignment, text: &[u8], own: &HashSet<String>) -> Option<String> {
    let value = one.value.expose_str()?;
    // Single quotes say that it is meant as it is.
    if text.first() == Some(&b'\'') {
        return None;
    }
    if value.starts_with("~/") || value.contains(":~/") {
        return Some("~".to_owned());
    }
    let found = value.match_indices('$').find_map(|(at, _)| {
        let rest = value.get(at + 1..)?;
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = rest.get(..end.unwrap_or(rest.len()))?;
        let meant = MEANT.contains(&name) || (own.contains(name) && name != one.name.value);
        meant.then_some(name)
    })?;
    Some(format!("${found}"))
}
