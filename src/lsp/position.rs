//! Places as the protocol counts them: lines from 0, ended by `\n`, `\r\n` or `\r`, and columns in
//! units of the negotiated encoding.

use super::protocol::{Position, Range};

/// The unit of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// Bytes of UTF-8.
    Utf8,
    /// Units of UTF-16, as JavaScript counts.
    Utf16,
}

impl Encoding {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16 => "utf-16",
        }
    }

    fn of(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
        }
    }

    /// How many units some bytes are. An invalid sequence counts as one character, as an editor
    /// shows it.
    fn units(self, bytes: &[u8]) -> usize {
        let of = |chunk: std::str::Utf8Chunk| {
            let valid: usize = chunk.valid().chars().map(|character| self.of(character)).sum();
            let replaced = !chunk.invalid().is_empty();
            valid + if replaced { self.of(char::REPLACEMENT_CHARACTER) } else { 0 }
        };
        bytes.utf8_chunks().map(of).sum()
    }

    /// The byte offset of a column in a line. A column within a character means its start; a column
    /// after the line means the end of the line.
    pub fn byte(self, line: &str, column: u32) -> usize {
        let content = content(line.as_bytes());
        let mut left = column as usize;
        for (at, character) in line[..content].char_indices() {
            let units = self.of(character);
            if left < units {
                return at;
            }
            left -= units;
        }
        content
    }
}

/// How many bytes of a line precede its line ending.
fn content(line: &[u8]) -> usize {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line).len()
}

/// The length in bytes of the first line of a text, including its line ending.
pub(super) fn first_line(text: &[u8]) -> usize {
    match memchr::memchr2(b'\n', b'\r', text) {
        None => text.len(),
        Some(at) if text[at..].starts_with(b"\r\n") => at + 2,
        Some(at) => at + 1,
    }
}

/// The offsets at which the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t [u8],
    starts: Vec<usize>,
    encoding: Encoding,
}

impl<'t> Lines<'t> {
    /// Finds the lines of a text.
    pub fn of(text: &'t [u8], encoding: Encoding) -> Self {
        let mut starts = vec![0];
        let mut at = 0;
        while at < text.len() {
            at += first_line(&text[at..]);
            if text[..at].ends_with(b"\n") || text[..at].ends_with(b"\r") {
                starts.push(at);
            }
        }
        Self { text, starts, encoding }
    }

    /// The position of a byte.
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.starts.partition_point(|start| *start <= offset).max(1) - 1;
        let start = self.starts[line];
        let end = self.starts.get(line + 1).copied().unwrap_or(self.text.len());
        let content = start + content(&self.text[start..end]);
        let column = self.encoding.units(&self.text[start..offset.min(content)]);
        Position { line: number(line), character: number(column) }
    }

    /// The range of some bytes.
    pub fn range(&self, start: usize, end: usize) -> Range {
        Range { start: self.position(start), end: self.position(end.max(start)) }
    }
}

/// The range of a whole line, counted from 1.
pub(super) fn whole_line(line: usize) -> Range {
    let line = number(line.saturating_sub(1));
    // A column after the end of the line means its end.
    let end = i32::MAX.unsigned_abs();
    Range { start: Position { line, character: 0 }, end: Position { line, character: end } }
}

/// Whether two ranges touch. An empty range touches the range it is in.
pub(super) fn touch(a: &Range, b: &Range) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn number(count: usize) -> u32 {
    // Numbers in the protocol have 31 bits.
    u32::try_from(count).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs())
}
