//! The intended form of environment file lines that systemd drops or cuts, if that is certain.

use std::ops::RangeInclusive;

use super::environment::ReadFile;
use crate::source::env_file::{EnvAssignment, Ignored, IgnoredKind, is_name};
use crate::source::{Span, Spanned};

/// Other text in a place.
type Mended = Option<(Span, &'static str)>;

/// A value that was meant to go on in the next line, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutValue {
    /// The lines that were meant to belong to it.
    pub lines: RangeInclusive<usize>,
    /// The carriage returns behind the backslashes.
    pub returns: Vec<Span>,
}

impl ReadFile {
    /// The lines that a value was meant to go on in: its backslash is before a carriage return, and
    /// escapes that. `None` if the next line is one of its own.
    pub fn cut(&self, assignment: &EnvAssignment) -> Option<CutValue> {
        let first = assignment.lost_continuations.first()?;
        let start = self.source.position(first.start).line;
        let (mut line, mut returns) = (start, Vec::new());
        loop {
            let span = self.source.line_span(line);
            let text = self.source.slice(span);
            if line > start && is_of_its_own(text) {
                break;
            }
            let Some(before) = text.strip_suffix(b"\\\r") else { break };
            let odd = before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 0;
            if !odd {
                break;
            }
            returns.push(Span { start: span.end - 1, ..span });
            line += 1;
        }
        let next = self.source.slice(self.source.line_span(line));
        // The last backslash has nothing behind it to join.
        if is_of_its_own(next) {
            returns.pop();
            line -= 1;
        }
        (!returns.is_empty()).then(|| CutValue { lines: start + 1..=line, returns })
    }

    /// What to write where, so that a dropped line sets the variable that it was meant to set.
    pub fn mended(&self, line: &Ignored) -> Mended {
        let name = self.meant(line);
        match line.kind {
            IgnoredKind::Export => without_export(self, line, name.as_ref()),
            IgnoredKind::Bom => without_mark(self, line),
            IgnoredKind::Colon => with_equals(self, line, name.as_ref()),
            _ => None,
        }
    }
}

/// A blank line, a comment or an assignment.
fn is_of_its_own(line: &[u8]) -> bool {
    let text = line.trim_ascii();
    let name = text.iter().position(|byte| *byte == b'=').and_then(|end| text.get(..end));
    text.is_empty() || text.starts_with(b"#") || name.is_some_and(|name| is_name(name.trim_ascii()))
}

/// `export ` goes, as long as a shell would have exported this one variable and no more.
fn without_export(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Mended {
    let name = name?.span;
    let before = Span { end: name.start, ..line.name_span };
    let rest = read.source.slice(Span { start: name.end, ..line.span });
    let alone = read.source.slice(before).trim_ascii() == b"export" && !sets_another(rest);
    alone.then_some((before, ""))
}

/// Does another word with a `=` in it follow behind `=value`?
fn sets_another(rest: &[u8]) -> bool {
    let value = rest.strip_prefix(b"=").unwrap_or(rest);
    // In quotes spaces belong to the value.
    if matches!(value.first(), Some(b'"' | b'\'')) {
        return false;
    }
    let words = value.split(u8::is_ascii_whitespace).skip(1);
    words.take_while(|word| !word.starts_with(b"#")).any(|word| word.contains(&b'='))
}

/// The byte order mark goes, with the `export` behind it.
fn without_mark(read: &ReadFile, line: &Ignored) -> Mended {
    let mark: &[u8] = b"\xef\xbb\xbf";
    let rest = read.source.bytes.strip_prefix(mark)?;
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let export = match rest.strip_prefix(b"export").map(blanks) {
        Some(count @ 1..) => b"export".len() + count,
        _ => 0,
    };
    Some((Span::new(line.span.file, 0, mark.len() + export), ""))
}

/// `NAME: value` as YAML has it becomes `NAME=value`, as long as the value is plain in both.
fn with_equals(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Mended {
    let name = name?.span;
    let text = read.source.slice(Span { start: name.end, ..line.span });
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let colon = blanks(text);
    let behind = text.get(colon..)?.strip_prefix(b":")?;
    let length = colon + 1 + blanks(behind);
    let value = text.get(length..)?.trim_ascii_end();
    // Lists, blocks, references and escapes mean something else there.
    let mut quotes = value.iter().filter(|byte| matches!(byte, b'"' | b'\''));
    let closes = match value {
        [open @ (b'"' | b'\''), .., end] => open == end && quotes.count() == 2,
        _ => quotes.next().is_none(),
    };
    let plain = closes
        && !value.contains(&b'\\')
        && !value.contains(&b'\n')
        && !matches!(
            value.first(),
            Some(b'|' | b'>' | b'[' | b'{' | b'&' | b'*' | b'!' | b'/' | b'@' | b'`')
        );
    let end = name.end.checked_add(u32::try_from(length).ok()?)?;
    plain.then_some((Span { start: name.end, end, ..name }, "="))
}
