//! Changes to bytes: where a line, a statement or a word begins and ends, and splicing.

use std::fmt;
use std::ops::Range;

/// A replacement of a range of a file.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Splice {
    /// The range that is removed; empty for an insertion.
    pub at: Range<usize>,
    /// The new bytes.
    pub with: Vec<u8>,
    /// What an insertion is for: two insertions at one place are both made if this differs.
    pub slot: Option<String>,
}

/// Does not show the bytes, which may be secret.
impl fmt::Debug for Splice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Splice({:?}, {} bytes, {:?})", self.at, self.with.len(), self.slot)
    }
}

impl Splice {
    pub fn new(at: Range<usize>, with: impl Into<Vec<u8>>) -> Self {
        Self { at, with: with.into(), slot: None }
    }

    /// Whether both can be made independently of each other.
    pub fn agrees(&self, other: &Self) -> bool {
        if self == other {
            return true;
        }
        let apart = self.at.end < other.at.start || other.at.end < self.at.start;
        let touch = self.at.end == other.at.start || other.at.end == self.at.start;
        let both_insert = self.at.is_empty() && other.at.is_empty();
        match (both_insert && self.at == other.at, &self.slot, &other.slot) {
            (true, Some(own), Some(others)) => own != others,
            (true, ..) => false,
            _ => apart || touch,
        }
    }
}

/// The bytes with every splice made. Identical splices are made once; splices at one place are made
/// in the given order.
pub(super) fn spliced(bytes: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut sorted: Vec<&Splice> = Vec::with_capacity(splices.len());
    for splice in splices {
        if !sorted.contains(&splice) {
            sorted.push(splice);
        }
    }
    sorted.sort_by_key(|splice| (splice.at.start, splice.at.end));
    let mut out = Vec::with_capacity(bytes.len() + 64);
    let mut at = 0;
    for splice in sorted {
        let start = splice.at.start.clamp(at, bytes.len());
        out.extend_from_slice(&bytes[at..start]);
        out.extend_from_slice(&splice.with);
        at = splice.at.end.clamp(start, bytes.len());
    }
    out.extend_from_slice(&bytes[at..]);
    out
}

/// Inserts a line before a statement, or text in front of it if the statement does not begin its
/// line.
pub(super) fn before(bytes: &[u8], at: usize, lines: &str) -> Splice {
    if begins_line(bytes, at) {
        return line_before(bytes, at, lines);
    }
    Splice::new(at..at, format!("{} ", one_line(lines)))
}

/// Several lines as one.
pub(super) fn one_line(lines: &str) -> String {
    lines.lines().collect::<Vec<_>>().join(" ")
}

/// The first byte of the line that contains `at`.
pub(super) fn line_start(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1)
}

/// The end of the line that contains `at`, before its line ending.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    let end = bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n);
    if end > at && bytes.get(end.wrapping_sub(1)) == Some(&b'\r') && end < bytes.len() {
        return end - 1;
    }
    end
}

/// The first byte of the next line.
fn next_line(bytes: &[u8], at: usize) -> usize {
    let at = at.min(bytes.len());
    bytes[at..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| at + n + 1)
}

/// The line ending of the line at `at`; for the last line, that of the file's first line.
pub(super) fn newline(bytes: &[u8], at: usize) -> &'static str {
    let end = bytes[at.min(bytes.len())..].iter().position(|b| *b == b'\n').map(|n| at + n);
    let end = end.or_else(|| bytes.iter().position(|b| *b == b'\n'));
    match end {
        Some(end) if end > 0 && bytes[end - 1] == b'\r' => "\r\n",
        _ => "\n",
    }
}

/// The white space at the beginning of the line that contains `at`.
pub(super) fn indentation(bytes: &[u8], at: usize) -> &[u8] {
    let start = line_start(bytes, at);
    let length = bytes[start..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    &bytes[start..start + length]
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'))
}

/// Whether only white space precedes `at` on its line.
pub(super) fn begins_line(bytes: &[u8], at: usize) -> bool {
    is_blank(&bytes[line_start(bytes, at)..at.min(bytes.len())])
}

/// Inserts a new line after the line that contains the byte before `at`, with an indentation.
pub(super) fn line_after(bytes: &[u8], at: usize, indentation: &[u8], lines: &str) -> Splice {
    let end = line_end(bytes, at);
    let newline = newline(bytes, at);
    let mut with = Vec::new();
    for line in lines.lines() {
        with.extend_from_slice(newline.as_bytes());
        if !line.is_empty() {
            with.extend_from_slice(indentation);
            with.extend_from_slice(line.as_bytes());
        }
    }
    Splice::new(end..end, with)
}

/// Inserts a new line before the line that contains `at`, with the same indentation.
pub(super) fn line_before(bytes: &[u8], at: usize, lines: &str) -> Splice {
    let start = line_start(bytes, at);
    let (indentation, newline) = (indentation(bytes, at), newline(bytes, at));
    let mut with = Vec::new();
    for line in lines.lines() {
        with.extend_from_slice(indentation);
        with.extend_from_slice(line.as_bytes());
        with.extend_from_slice(newline.as_bytes());
    }
    Splice::new(start..start, with)
}

/// Removes the end of a line, with the spaces before it.
pub(super) fn without_end(bytes: &[u8], at: Range<usize>) -> Splice {
    let line = line_start(bytes, at.start);
    let before = bytes.get(line..at.start).unwrap_or_default();
    let blanks = before.iter().rev().take_while(|b| is_blank(&[**b])).count();
    let end = line_end(bytes, at.end);
    let rest = bytes.get(at.end..end).unwrap_or_default();
    let end = if is_blank(rest) { end } else { at.end };
    Splice::new(at.start - blanks..end, "")
}

/// Removes a statement, and its lines if nothing else is on them.
pub(super) fn without_statement(bytes: &[u8], at: Range<usize>) -> Splice {
    let end = line_end(bytes, at.end);
    let alone = begins_line(bytes, at.start) && is_blank(&bytes[at.end.min(end)..end]);
    if alone {
        let start = line_start(bytes, at.start);
        return Splice::new(start..next_line(bytes, at.end), "");
    }
    without_word(bytes, at)
}

/// Removes a word of a command line, with the spaces before it; if the word is alone on a continued
/// line, the whole line.
pub(super) fn without_word(bytes: &[u8], at: Range<usize>) -> Splice {
    let blanks = |range: &[u8]| range.iter().rev().take_while(|b| is_blank(&[**b])).count();
    let line = line_start(bytes, at.start);
    if !begins_line(bytes, at.start) {
        let start = at.start - blanks(&bytes[line..at.start]);
        return Splice::new(start..at.end, "");
    }
    let end = line_end(bytes, at.end);
    let rest = &bytes[at.end.min(end)..end];
    let first = rest.iter().position(|b| !is_blank(&[*b]));
    match first {
        // `    --reload \` is between other lines.
        Some(found) if &rest[found..] == b"\\" => Splice::new(line..next_line(bytes, at.end), ""),
        Some(found) => Splice::new(at.start..at.end + found, ""),
        // It is the last line: the backslash before it is removed too.
        None => {
            let before = bytes[..line].iter().rposition(|b| !matches!(b, b'\n' | b'\r'));
            let joined = before.filter(|last| bytes[*last] == b'\\');
            let start = joined.map_or(at.start, |last| {
                let start = line_start(bytes, last);
                last - blanks(&bytes[start..last])
            });
            Splice::new(start..at.end, "")
        }
    }
}

/// Removes a word of a value, with the spaces before it, or after it if it is the first word.
pub(super) fn without_part(bytes: &[u8], at: Range<usize>, within: Range<usize>) -> Splice {
    let blanks = |byte: &&u8| byte.is_ascii_whitespace();
    let before = bytes.get(within.start..at.start).unwrap_or_default();
    let behind = bytes.get(at.end..within.end).unwrap_or_default();
    let gap = before.iter().rev().take_while(blanks).count();
    if gap < before.len() {
        return Splice::new(at.start - gap..at.end, "");
    }
    let gap = behind.iter().take_while(blanks).count();
    Splice::new(at.start..at.end + gap, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn without(text: &str, word: &str) -> String {
        let at = text.find(word).unwrap();
        let splice = without_word(text.as_bytes(), at..at + word.len());
        String::from_utf8(spliced(text.as_bytes(), &[splice])).unwrap()
    }

    #[test]
    fn a_word_goes_with_what_only_it_needed() {
        assert_eq!(without("run --x a", "--x"), "run a");
        assert_eq!(without("run a --x", "--x"), "run a");
        assert_eq!(without("run \\\n    --x \\\n    a\n", "--x"), "run \\\n    a\n");
        assert_eq!(without("run a \\\n    --x\n", "--x"), "run a\n");
        assert_eq!(without("run a \\\n    --x b\n", "--x"), "run a \\\n    b\n");
        assert_eq!(without("run a \\\r\n    --x\r\nB=1", "--x"), "run a\r\nB=1");
    }

    #[test]
    fn a_statement_goes_with_its_lines() {
        let gone = |text: &str, word: &str| {
            let at = text.find(word).unwrap();
            let splice = without_statement(text.as_bytes(), at..at + word.len());
            String::from_utf8(spliced(text.as_bytes(), &[splice])).unwrap()
        };
        assert_eq!(gone("a;\n  b;\nc;\n", "b;"), "a;\nc;\n");
        assert_eq!(gone("{ a; b; }\n", "b;"), "{ a; }\n");
        assert_eq!(gone("a\r\nb", "b"), "a\r\n");
    }

    #[test]
    fn the_end_of_a_line_goes_with_the_blanks_before_it() {
        let without = |text: &str, end: &str| {
            let at = text.find(end).unwrap();
            let splice = without_end(text.as_bytes(), at..at + end.len());
            String::from_utf8(spliced(text.as_bytes(), &[splice])).unwrap()
        };
        assert_eq!(without("A=b \t# c\r\nB=1", "# c"), "A=b\r\nB=1");
        assert_eq!(without("A=b # c \t\n", "# c"), "A=b\n");
        assert_eq!(without("A=\n# c\n", "# c"), "A=\n\n");
    }

    #[test]
    fn a_line_keeps_the_ends_of_lines_round_it() {
        let after = |text: &str, at: usize| {
            let splice = line_after(text.as_bytes(), at, b"  ", "x\ny");
            String::from_utf8(spliced(text.as_bytes(), &[splice])).unwrap()
        };
        assert_eq!(after("a\nb\n", 1), "a\n  x\n  y\nb\n");
        assert_eq!(after("a\r\nb\r\n", 1), "a\r\n  x\r\n  y\r\nb\r\n");
        assert_eq!(after("a\r\nb", 4), "a\r\nb\r\n  x\r\n  y");
    }

    #[test]
    fn insertions_at_one_place_agree_only_when_they_are_for_different_things() {
        let one = Splice { at: 3..3, with: b"a".to_vec(), slot: Some("A".into()) };
        let other = Splice { at: 3..3, with: b"b".to_vec(), slot: Some("B".into()) };
        assert!(one.agrees(&other) && one.agrees(&one.clone()));
        assert!(!one.agrees(&Splice { slot: Some("A".into()), ..other.clone() }));
        assert!(!Splice::new(1..4, "").agrees(&Splice::new(3..5, "")));
        assert!(Splice::new(1..3, "").agrees(&one));
    }
}
