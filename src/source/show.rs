//! Source text in a form that is safe to show: secrets hidden, control characters replaced, length
//! bounded.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use super::{SourceFile, Span};

/// The text in place of a hidden value. Its length reveals nothing about the value's length.
pub const MASK: &str = "***";

/// A range of a file in a form that may be shown, with a map from the file's bytes to the shown
/// text.
#[derive(Debug)]
pub struct Excerpt {
    /// The text that may be shown.
    pub text: String,
    start: usize,
    /// For each byte of the range, and for its end, the offset in `text`.
    map: Vec<u32>,
}

impl Excerpt {
    /// `hidden` must be sorted and without overlaps, as [`super::Sources::hidden`] returns it.
    pub fn new(file: &SourceFile, hidden: &[Span], range: Span) -> Self {
        let bytes = file.slice(range);
        let start = range.start as usize;
        let mut excerpt = Self { text: String::with_capacity(bytes.len()), start, map: Vec::new() };
        let masks = masks(bytes, start, hidden);
        let mut masks = masks.into_iter().peekable();
        let mut at = 0;
        while at < bytes.len() {
            if let Some(mask) = masks.next_if(|mask| mask.start <= at) {
                excerpt.push(MASK, mask.end.saturating_sub(at));
                at = at.max(mask.end);
                continue;
            }
            let until = masks.peek().map_or(bytes.len(), |mask| mask.start);
            at += excerpt.push_bytes(&bytes[at..until]);
        }
        excerpt.map.push(u32::try_from(excerpt.text.len()).unwrap_or(u32::MAX));
        excerpt
    }

    /// The place of a span of the file in the shown text, cut to the range.
    pub fn locate(&self, span: Span) -> Range<usize> {
        let place = |offset: u32| {
            let index = (offset as usize).saturating_sub(self.start).min(self.map.len() - 1);
            self.map[index] as usize
        };
        let start = place(span.start);
        // A span that ends inside a mask covers the whole mask.
        let end = place(span.end).max(start);
        if end == start && span.end > span.start {
            let rest = &self.text[start..];
            let width = if rest.starts_with(MASK) {
                MASK.len()
            } else {
                rest.chars().next().map_or(0, char::len_utf8)
            };
            return start..start + width;
        }
        start..end
    }

    /// Adds `shown` in place of `length` bytes of the file.
    fn push(&mut self, shown: &str, length: usize) {
        let at = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        self.map.extend(std::iter::repeat_n(at, length));
        self.text.push_str(shown);
    }

    /// Adds bytes as text and returns how many were taken: all of them.
    fn push_bytes(&mut self, bytes: &[u8]) -> usize {
        for chunk in bytes.utf8_chunks() {
            let mut buffer = [0; 4];
            for character in chunk.valid().chars() {
                let length = character.len_utf8();
                match character {
                    '\n' => self.push("\n", length),
                    '\t' => self.push(" ", length),
                    '\r' => self.push("", length),
                    // A terminal executes escape sequences, including those in a checked file.
                    c if c.is_control() || is_direction(c) => self.push("\u{fffd}", length),
                    c => self.push(c.encode_utf8(&mut buffer), length),
                }
            }
            if !chunk.invalid().is_empty() {
                self.push("\u{fffd}", chunk.invalid().len());
            }
        }
        bytes.len()
    }
}

/// Characters that change the direction of text, and can make a line look different from what it
/// is.
fn is_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The ranges to mask, relative to `bytes`: hidden ranges, and what precedes the `@` of a URL.
fn masks(bytes: &[u8], start: usize, hidden: &[Span]) -> Vec<Range<usize>> {
    let end = start + bytes.len();
    let first = hidden.partition_point(|span| span.end as usize <= start);
    let mut masks: Vec<Range<usize>> = hidden[first..]
        .iter()
        .take_while(|span| (span.start as usize) < end)
        .map(|span| (span.start as usize).max(start) - start..(span.end as usize).min(end) - start)
        .collect();
    for at in memchr::memmem::find_iter(bytes, b"://") {
        let from = at + 3;
        let rest = &bytes[from..];
        let length = rest
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\'' | b'?' | b';'))
            .unwrap_or(rest.len());
        if let Some(at_sign) = rest[..length].iter().rposition(|b| *b == b'@') {
            masks.push(from..from + at_sign);
        }
    }
    masks.sort_by_key(|mask| mask.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(masks.len());
    for mask in masks {
        match merged.last_mut() {
            Some(last) if mask.start <= last.end => last.end = last.end.max(mask.end),
            _ => merged.push(mask),
        }
    }
    merged
}

/// A server's response, which may be a page that lists settings, in a form that is safe to show.
pub fn answer(text: &str) -> String {
    let mut hidden = super::redact::ranges(std::path::Path::new(""), text.as_bytes());
    hidden.extend(super::redact::ranges_of_message(text.as_bytes()));
    hidden.extend(super::redact::tokens(text.as_bytes()));
    masked(text, hidden)
}

/// Text of any origin (a message with a value in it) in a form that is safe to show on one line.
pub fn line(text: &str) -> String {
    masked(text, super::redact::ranges_of_message(text.as_bytes())).replace('\n', " ")
}

fn masked(text: &str, mut hidden: Vec<Range<usize>>) -> String {
    // Most messages are safe to show as they are.
    let changed = |c: char| c.is_control() && c != '\n' || is_direction(c);
    // Nearly all of them are of letters that a look at the bytes shows to be harmless.
    let harmless = |byte: u8| matches!(byte, b' '..=b'?' | b'A'..=b'~' | b'\n');
    if hidden.is_empty() && text.bytes().all(harmless) {
        return text.to_owned();
    }
    if hidden.is_empty() && !text.contains('@') && !text.contains(changed) {
        return text.to_owned();
    }
    let file = SourceFile::new(super::FileId(0), "", text.as_bytes());
    hidden.retain(|range| range.start < range.end);
    hidden.sort_by_key(|range| (range.start, range.end));
    // Overlapping and adjacent ranges are merged.
    let mut spans: Vec<Span> = Vec::with_capacity(hidden.len());
    let mut until = 0;
    for range in hidden {
        let start = range.start.max(until);
        if start < range.end {
            spans.push(Span::new(file.id, start, range.end));
            until = range.end;
        }
    }
    Excerpt::new(&file, &spans, file.span()).text
}

/// Like [`line`], but line endings are kept, for help of several lines.
pub fn block(text: &str) -> String {
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// The last component of a path, as people would mention it: `2026-05-01`, `myapp.service`.
pub fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
}

/// `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Excerpt, line};
    use crate::source::{FileId, SourceFile, Span};

    #[test]
    fn hidden_ranges_are_masked_and_spans_follow() {
        let file = SourceFile::new(FileId(0), "/x", b"SECRET=hunter2 # note".to_vec());
        let excerpt = Excerpt::new(&file, &[Span::new(FileId(0), 7, 14)], file.span());
        assert_eq!(excerpt.text, "SECRET=*** # note");
        assert_eq!(excerpt.locate(Span::new(FileId(0), 0, 6)), 0..6);
        assert_eq!(excerpt.locate(Span::new(FileId(0), 7, 14)), 7..10);
        assert_eq!(excerpt.locate(Span::new(FileId(0), 9, 11)), 7..10);
        assert_eq!(excerpt.locate(Span::new(FileId(0), 15, 16)), 11..12);
    }

    #[test]
    fn urls_lose_their_passwords_and_escapes_their_power() {
        assert_eq!(line("https://user:pass@example.com/x"), "https://***@example.com/x");
        assert_eq!(line("unix:/run/a.sock a@b"), "unix:/run/a.sock a@b");
        assert_eq!(line("a\u{1b}[31mb\u{202e}c\nd"), "a\u{fffd}[31mb\u{fffd}c d");
    }
}
