//! The logical lines of a `requirements.txt`, as pip splits them: byte order marks,
//! `str.splitlines`, continuations, comments. Measured on pip 23.2 (`_internal/req/req_file.py`,
//! `utils/encoding.py`).

use crate::source::{SourceFile, Span};

/// One logical line, without its comment.
pub(super) struct Line {
    /// The text, joined if it was continued.
    pub text: String,
    /// The place, from the first physical line to the last.
    pub span: Span,
}

/// Text that could not be decoded.
pub(super) struct Undecodable {
    /// The place.
    pub span: Span,
    /// The reason.
    pub message: &'static str,
}

/// Splits a file into lines.
pub(super) fn lines(file: &SourceFile) -> (Vec<Line>, Vec<Undecodable>) {
    let bytes = file.bytes.as_slice();
    let mut bad = Vec::new();
    // PowerShell's `pip freeze > requirements.txt` writes UTF-16, which pip recognises by its byte
    // order mark.
    let wide = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => {
            bad.push(Undecodable { span: file.span(), message: "is UTF-32, which is not read" });
            return (Vec::new(), bad);
        }
        [0xff, 0xfe, rest @ ..] => Some((rest, false)),
        [0xfe, 0xff, rest @ ..] => Some((rest, true)),
        _ => None,
    };
    let physical = match wide {
        Some((rest, big_endian)) => wide_lines(file, rest, big_endian),
        None => narrow_lines(file, &mut bad),
    };
    (joined(physical), bad)
}

/// A physical line without its line ending, and its place.
type Physical = (String, Span);

fn narrow_lines(file: &SourceFile, bad: &mut Vec<Undecodable>) -> Vec<Physical> {
    let mark = if file.bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let bytes = file.bytes.get(mark..).unwrap_or_default();
    let mut lines = Vec::new();
    let mut start = mark;
    let ends = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0x0b | 0x0c | 0x1c..=0x1e);
    for piece in bytes.split_inclusive(ends) {
        let text = piece.strip_suffix(&[piece.last().copied().unwrap_or(0)]);
        let text = if piece.last().is_some_and(ends) { text.unwrap_or(piece) } else { piece };
        let span = Span::new(file.id, start, start + text.len());
        // CR LF is one line ending: the empty piece after CR is dropped.
        let after_return = start > mark && file.bytes.get(start - 1) == Some(&b'\r');
        start += piece.len();
        if piece == b"\n" && after_return {
            continue;
        }
        match std::str::from_utf8(text) {
            Ok(text) => lines.push((text.to_owned(), span)),
            Err(_) if text.trim_ascii_start().starts_with(b"#") => {
                lines.push((String::new(), span));
            }
            Err(_) => {
                bad.push(Undecodable { span, message: "is not UTF-8" });
                lines.push((String::new(), span));
            }
        }
    }
    lines
}

fn wide_lines(file: &SourceFile, rest: &[u8], big_endian: bool) -> Vec<Physical> {
    let unit = |pair: &[u8]| match pair {
        [a, b] if big_endian => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => u16::from(b'?'),
    };
    let units: Vec<u16> = rest.chunks(2).map(unit).collect();
    let mut lines = Vec::new();
    let mut start = 0;
    for piece in units.split_inclusive(|unit| *unit == 10) {
        let text = String::from_utf16_lossy(piece);
        let from = 2 + start * 2;
        // The last unit may be incomplete.
        let to = (from + piece.len() * 2).min(file.bytes.len());
        start += piece.len();
        let text = text.trim_end_matches(['\r', '\n']).to_owned();
        lines.push((text, Span::new(file.id, from, to)));
    }
    lines
}

/// Joins continued lines, then removes comments, in pip's order.
fn joined(physical: Vec<Physical>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut pending: Option<Line> = None;
    for (text, span) in physical {
        let comment = text.trim_start().starts_with('#');
        let continues = text.ends_with('\\') && !comment;
        let span = trimmed(&text, span);
        let line = pending.get_or_insert(Line { text: String::new(), span });
        line.span = line.span.to(span);
        if comment {
            line.text.push(' ');
        }
        line.text.push_str(if continues { text.trim_matches('\\') } else { &text });
        if !continues {
            lines.extend(pending.take());
        }
    }
    lines.extend(pending);
    for line in &mut lines {
        let whole = line.text.trim().len();
        let kept = without_comment(&line.text).trim().to_owned();
        // If the line is in the file as it is, its span does not include the comment.
        if (line.span.end - line.span.start) as usize == whole {
            line.span.end = line.span.start + small(kept.len());
        }
        line.text = kept;
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// A `#` at the start or after white space begins a comment.
fn without_comment(text: &str) -> &str {
    let mut after_blank = true;
    for (at, c) in text.char_indices() {
        if c == '#' && after_blank {
            return text.get(..at).unwrap_or(text);
        }
        after_blank = c.is_whitespace();
    }
    text
}

fn trimmed(text: &str, span: Span) -> Span {
    // In UTF-16 the lengths differ, so the whole line is used.
    if (span.end - span.start) as usize != text.len() {
        return span;
    }
    let start = text.len() - text.trim_start().len();
    let length = text.trim().len();
    Span { start: span.start + small(start), end: span.start + small(start + length), ..span }
}

fn small(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
