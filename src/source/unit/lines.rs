//! Physical and logical lines of a unit file, as `config_parse()` and `read_line()` of systemd 252
//! and 257 split them.

use super::fault::{Fault, FaultKind};
use crate::source::{SourceFile, Span, Text};

/// The length in bytes at which systemd gives up on a line (`LONG_LINE_MAX`).
pub(super) const LINE_LIMIT: usize = 1 << 20;

/// The white space that systemd knows (`WHITESPACE`).
pub(super) const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The logical lines of a file: comments removed, continuations joined, white space at the ends not
/// yet stripped.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The logical lines, in order.
    pub logical: Vec<Text>,
    /// Every comment line.
    pub comments: Vec<Span>,
    /// Faults of the lines as such. The last fault may be fatal; what follows a fatal fault was not
    /// read.
    pub faults: Vec<Fault>,
}

/// Splits a file into its logical lines, up to the first fatal fault.
pub(super) fn read(file: &SourceFile) -> Lines {
    let mut reader = LineReader {
        file,
        lines: Lines::default(),
        joined: None,
        mark_seen: false,
        nul_seen: false,
    };
    let mut at = 0;
    while at < file.bytes.len() {
        let line = physical(&file.bytes, at);
        if reader.take(line.start, line.end).is_none() {
            return reader.lines;
        }
        reader.note_nul(line.end, line.next);
        at = line.next;
    }
    if let Some(text) = reader.joined.take() {
        reader.fault(FaultKind::EndsInContinuation, text.span());
        reader.lines.logical.push(text);
    }
    reader.lines
}

struct Physical {
    start: usize,
    end: usize,
    next: usize,
}

/// Reads one physical line. An end of line is `\n`, `\r`, NUL, or a run of them in which none
/// repeats and NUL comes last.
fn physical(bytes: &[u8], start: usize) -> Physical {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = rest.iter().position(|b| end_of_line(*b) != 0).unwrap_or(rest.len());
    let mut seen = 0;
    let mut next = start + length;
    while let Some(byte) = bytes.get(next) {
        let kind = end_of_line(*byte);
        if kind == 0 || seen & (kind | NUL) != 0 {
            break;
        }
        seen |= kind;
        next += 1;
    }
    Physical { start, end: start + length, next }
}

const NUL: u8 = 4;

fn end_of_line(byte: u8) -> u8 {
    match byte {
        b'\n' => 1,
        b'\r' => 2,
        0 => NUL,
        _ => 0,
    }
}

struct LineReader<'f> {
    file: &'f SourceFile,
    lines: Lines,
    /// The lines of an unfinished continuation.
    joined: Option<Text>,
    mark_seen: bool,
    nul_seen: bool,
}

impl LineReader<'_> {
    fn fault(&mut self, kind: FaultKind, span: Span) {
        self.lines.faults.push(Fault { kind, span, fatal: kind.is_fatal() });
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file.id, start, end)
    }

    /// One fault for NUL is enough; a file full of NULs needs no million faults.
    fn note_nul(&mut self, end: usize, next: usize) {
        let ending = self.file.bytes.get(end..next).unwrap_or_default();
        if self.nul_seen {
            return;
        }
        if let Some(at) = ending.iter().position(|b| *b == 0) {
            self.nul_seen = true;
            self.fault(FaultKind::Nul, self.span(end + at, end + at + 1));
        }
    }

    /// Reads one physical line. Returns `None` after a fatal fault.
    fn take(&mut self, mut start: usize, end: usize) -> Option<()> {
        let bytes = self.file.bytes.get(start..end)?;
        if bytes.len() >= LINE_LIMIT {
            self.fault(FaultKind::LineTooLong, self.span(start, end));
            return None;
        }
        let first = bytes.iter().find(|b| !matches!(b, b' ' | b'\t'));
        if matches!(first, Some(b'#' | b';')) {
            self.lines.comments.push(self.span(start, end));
            return Some(());
        }
        if !self.mark_seen && bytes.starts_with(BYTE_ORDER_MARK) {
            self.mark_seen = true;
            start += BYTE_ORDER_MARK.len();
            self.fault(FaultKind::ByteOrderMark, self.span(start - 3, start));
        }
        let bytes = self.file.bytes.get(start..end)?;
        let Ok(value) = std::str::from_utf8(bytes) else {
            return self.not_utf8(start, end);
        };
        self.join(value, start)
    }

    /// systemd checks the encoding once a logical line is complete. A line that is too long is
    /// found before that; otherwise it makes no difference which of the two faults is named.
    fn not_utf8(&mut self, start: usize, end: usize) -> Option<()> {
        self.fault(FaultKind::NotUtf8, self.span(start, end));
        None
    }

    fn join(&mut self, value: &str, start: usize) -> Option<()> {
        let end = start + value.len();
        let continuing = self.joined.is_some();
        let mut text = self.joined.take().unwrap_or_else(|| Text::empty(self.file.id, start));
        if continuing {
            if text.as_str().len() + value.len() > LINE_LIMIT {
                self.fault(FaultKind::LineTooLong, text.span().to(self.span(start, end)));
                return None;
            }
            if is_header(value.trim_matches(BLANK)) {
                self.fault(FaultKind::HeaderInContinuation, self.span(start, end));
            }
        }
        if is_continued(value) {
            text.push_str(&value[..value.len() - 1], start, end - 1);
            text.push_str(" ", end - 1, end);
            self.joined = Some(text);
            return Some(());
        }
        let trimmed = value.trim_end_matches(BLANK);
        if trimmed.len() < value.len() && is_continued(trimmed) {
            self.fault(FaultKind::BlankAfterBackslash, self.span(start + trimmed.len(), end));
        }
        text.push_str(value, start, end);
        self.lines.logical.push(text);
        Some(())
    }
}

fn is_continued(value: &str) -> bool {
    value.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn is_header(line: &str) -> bool {
    line.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic()))
}
