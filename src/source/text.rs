//! Text that was joined, unquoted or decoded, with the place in the file that each part of it came
//! from.

use std::ops::Range;

use super::{FileId, Span};

/// A decoded value with a map back to its file: a unit's logical line after its continuations were
/// joined, a word of it without its quotes, a script inside such a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    file: FileId,
    value: String,
    /// Each piece says: from `at` in the value on, the bytes are at `from` in the file, one for
    /// one.
    pieces: Vec<Piece>,
    /// The file offset just after the last byte.
    end: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    at: u32,
    from: u32,
}

impl Text {
    /// Empty text at `offset`.
    pub fn empty(file: FileId, offset: usize) -> Self {
        Self { file, value: String::new(), pieces: Vec::new(), end: small(offset) }
    }

    /// Text that is in the file exactly as it is.
    pub fn verbatim(file: FileId, value: &str, offset: usize) -> Self {
        let mut text = Self::empty(file, offset);
        text.push_str(value, offset, offset + value.len());
        text
    }

    /// Appends `value`, which is in the file from `start` to `end`. If the lengths differ (an
    /// escape was decoded), the place of every byte is that whole range.
    pub fn push_str(&mut self, value: &str, start: usize, end: usize) {
        if value.is_empty() {
            return;
        }
        let at = small(self.value.len());
        let continues = self.pieces.last().is_some_and(|p| p.from + (at - p.at) == small(start));
        if !continues {
            self.pieces.push(Piece { at, from: small(start) });
        }
        self.value.push_str(value);
        self.end = small(end);
    }

    /// The file that contains it.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The decoded value.
    pub fn as_str(&self) -> &str {
        &self.value
    }

    /// The place of the whole text.
    pub fn span(&self) -> Span {
        let start = self.pieces.first().map_or(self.end, |p| p.from);
        Span { file: self.file, start, end: self.end.max(start) }
    }

    /// The place of a byte range of the value, from the first to the last of its bytes.
    pub fn span_of(&self, range: Range<usize>) -> Span {
        let start = self.offset(range.start);
        let end = if range.end >= self.value.len() {
            self.end
        } else if range.is_empty() {
            start
        } else {
            self.offset(range.end - 1) + 1
        };
        Span { file: self.file, start, end: end.max(start) }
    }

    /// The offset in the file of one byte of the value.
    pub fn offset(&self, index: usize) -> u32 {
        let index = small(index);
        let after = self.pieces.partition_point(|p| p.at <= index);
        match after.checked_sub(1).and_then(|i| self.pieces.get(i)) {
            Some(piece) => (piece.from + (index - piece.at)).min(self.end),
            None => self.end,
        }
    }

    /// A part of the text, with its own map. The range must be on character boundaries.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let span = self.span_of(range.clone());
        let mut part = Self::empty(self.file, span.start as usize);
        let Some(value) = self.value.get(range.clone()) else { return part };
        part.value = value.to_owned();
        part.end = span.end;
        let (start, end) = (small(range.start), small(range.end));
        let first = self.pieces.partition_point(|p| p.at <= start).saturating_sub(1);
        for piece in &self.pieces[first.min(self.pieces.len())..] {
            if piece.at >= end {
                break;
            }
            let skip = start.saturating_sub(piece.at);
            part.pieces.push(Piece { at: piece.at.saturating_sub(start), from: piece.from + skip });
        }
        part
    }

    /// The text without white space (as systemd and nginx define it) at both ends.
    pub fn trim(&self) -> Self {
        const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];
        let start = self.value.len() - self.value.trim_start_matches(BLANK).len();
        let end = self.value.trim_end_matches(BLANK).len().max(start);
        self.slice(start..end)
    }
}

fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
