//! The state machine of systemd's `parse_env_file_internal()`, state for state, with offsets.

use super::hints;
use super::{EnvFile, Fault, FaultKind};
use crate::source::{SourceFile, Span};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    PreKey,
    Key,
    PreValue,
    Value,
    ValueEscape,
    SingleQuote,
    DoubleQuote,
    DoubleQuoteEscape,
    Comment,
    CommentEscape,
}

/// The value that is being read.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) value: Vec<u8>,
    /// The offset from which the value contains only white space, which is dropped if the line
    /// ends.
    pub(super) blank_from: Option<usize>,
    /// The start of the value as written, once part of it was read.
    pub(super) start: Option<usize>,
    /// The end of the value, after its last significant byte.
    pub(super) end: usize,
    pub(super) quote: usize,
    pub(super) unquoted: bool,
    pub(super) single: bool,
    pub(super) double: bool,
    pub(super) comment: Option<usize>,
    pub(super) expansions: hints::Expansions,
    pub(super) continuations: Vec<Span>,
    pub(super) lost_continuations: Vec<Span>,
    pub(super) dropped_backslash: Option<Span>,
    pub(super) literal_quote: Option<Span>,
}

pub(super) struct Machine<'f> {
    pub(super) file: &'f SourceFile,
    pub(super) bytes: &'f [u8],
    pub(super) continue_comments: bool,
    pub(super) state: State,
    /// The start of the physical line with the key.
    pub(super) line_start: usize,
    pub(super) key_start: usize,
    /// The end of the key, after its last byte that is not a space.
    pub(super) key_end: usize,
    pub(super) equals: usize,
    pub(super) draft: Draft,
    pub(super) out: EnvFile,
}

/// Reads the whole file.
pub(super) fn read(file: &SourceFile, continue_comments: bool) -> EnvFile {
    let nul = file.bytes.iter().position(|byte| *byte == 0);
    let bytes = nul.and_then(|at| file.bytes.get(..at)).unwrap_or(&file.bytes);
    let mut machine = Machine {
        file,
        bytes,
        continue_comments,
        state: State::PreKey,
        line_start: 0,
        key_start: 0,
        key_end: 0,
        equals: 0,
        draft: Draft::default(),
        out: EnvFile::default(),
    };
    machine.out.fatal =
        nul.map(|at| Fault { kind: FaultKind::Nul, span: Span::new(file.id, at, at + 1) });
    for (at, byte) in bytes.iter().enumerate() {
        machine.step(at, *byte);
    }
    machine.finish();
    machine.out
}

pub(super) fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Machine<'_> {
    fn step(&mut self, at: usize, byte: u8) {
        match self.state {
            State::PreKey => self.pre_key(at, byte),
            State::Key => self.key(at, byte),
            State::PreValue => self.pre_value(at, byte),
            State::Value => self.value(at, byte),
            State::ValueEscape => self.value_escape(at, byte),
            State::SingleQuote => self.single_quote(at, byte),
            State::DoubleQuote => self.double_quote(at, byte),
            State::DoubleQuoteEscape => self.double_quote_escape(at, byte),
            State::Comment => self.comment(at, byte),
            State::CommentEscape => self.comment_escape(at, byte),
        }
    }

    fn pre_key(&mut self, at: usize, byte: u8) {
        if is_newline(byte) {
            self.line_start = at + 1;
        } else if matches!(byte, b'#' | b';') {
            self.key_start = at;
            self.state = State::Comment;
        } else if !is_blank(byte) {
            self.key_start = at;
            self.key_end = at + 1;
            self.state = State::Key;
        }
    }

    fn key(&mut self, at: usize, byte: u8) {
        if is_newline(byte) {
            self.without_equals(at);
            self.next_line(at);
        } else if byte == b'=' {
            self.equals = at;
            self.draft = Draft { end: at + 1, ..Draft::default() };
            self.state = State::PreValue;
        } else if !is_blank(byte) {
            self.key_end = at + 1;
        }
    }

    fn pre_value(&mut self, at: usize, byte: u8) {
        match byte {
            b'\n' | b'\r' => {
                self.push(at);
                self.next_line(at);
            }
            b'\'' | b'"' => {
                self.draft.start.get_or_insert(at);
                self.draft.quote = at;
                self.draft.end = at + 1;
                self.state = if byte == b'"' { State::DoubleQuote } else { State::SingleQuote };
            }
            b'\\' => {
                self.draft.start.get_or_insert(at);
                self.draft.end = at + 1;
                self.state = State::ValueEscape;
            }
            b' ' | b'\t' => {}
            _ => {
                self.notice(at, byte);
                self.draft.start.get_or_insert(at);
                self.draft.unquoted = true;
                self.keep(at, byte);
                self.state = State::Value;
            }
        }
    }

    fn value(&mut self, at: usize, byte: u8) {
        if is_newline(byte) {
            self.trim();
            self.push(at);
            self.next_line(at);
        } else if byte == b'\\' {
            self.draft.blank_from = None;
            self.state = State::ValueEscape;
        } else if is_blank(byte) {
            let length = self.draft.value.len();
            self.draft.blank_from.get_or_insert(length);
            self.draft.value.push(byte);
        } else {
            self.notice(at, byte);
            self.draft.blank_from = None;
            self.keep(at, byte);
        }
    }

    /// Checks an ordinary byte of an unquoted part for a possible mistake.
    fn notice(&mut self, at: usize, byte: u8) {
        let before = at.checked_sub(1).and_then(|before| self.bytes.get(before));
        match byte {
            b'#' if before.is_some_and(|byte| is_blank(*byte)) => {
                self.draft.comment.get_or_insert(at);
            }
            b'\'' | b'"' => {
                let span = self.span(at, at + 1);
                self.draft.literal_quote.get_or_insert(span);
            }
            b'~' if self.draft.start.is_none() => self.expansion(at, false),
            b'$' | b'`' => self.expansion(at, false),
            _ => {}
        }
    }

    fn value_escape(&mut self, at: usize, byte: u8) {
        self.state = State::Value;
        self.draft.unquoted = true;
        if is_newline(byte) {
            self.joined(at);
            self.draft.end = at + 1;
        } else {
            let span = self.span(at - 1, at);
            if !is_blank(byte) && !matches!(byte, b'\\' | b'"' | b'\'' | b'$' | b'`' | b'#') {
                self.draft.dropped_backslash.get_or_insert(span);
            }
            self.keep(at, byte);
        }
    }

    /// Handles a backslash before a line ending. With CRLF, only the CR is dropped.
    fn joined(&mut self, at: usize) {
        let crlf = self.bytes.get(at) == Some(&b'\r') && self.bytes.get(at + 1) == Some(&b'\n');
        let span = self.span(at - 1, at + 1);
        let list =
            if crlf { &mut self.draft.lost_continuations } else { &mut self.draft.continuations };
        list.push(span);
    }

    fn single_quote(&mut self, at: usize, byte: u8) {
        if byte == b'\'' {
            self.draft.single = true;
            self.draft.end = at + 1;
            self.state = State::PreValue;
        } else {
            if matches!(byte, b'$' | b'`') {
                self.expansion(at, true);
            }
            self.keep(at, byte);
        }
    }

    fn double_quote(&mut self, at: usize, byte: u8) {
        if byte == b'"' {
            self.draft.double = true;
            self.draft.end = at + 1;
            self.state = State::PreValue;
        } else if byte == b'\\' {
            self.state = State::DoubleQuoteEscape;
        } else {
            if matches!(byte, b'$' | b'`') {
                self.expansion(at, false);
            }
            self.keep(at, byte);
        }
    }

    fn double_quote_escape(&mut self, at: usize, byte: u8) {
        self.state = State::DoubleQuote;
        if is_newline(byte) {
            self.joined(at);
        }
        match byte {
            b'\n' => self.draft.end = at + 1,
            b'"' | b'\\' | b'`' | b'$' => self.keep(at, byte),
            _ => {
                self.draft.value.push(b'\\');
                self.keep(at, byte);
            }
        }
    }

    fn comment(&mut self, at: usize, byte: u8) {
        if byte == b'\\' {
            self.state = State::CommentEscape;
        } else if is_newline(byte) {
            self.end_comment(at);
            self.next_line(at);
        }
    }

    fn comment_escape(&mut self, at: usize, byte: u8) {
        self.state = State::Comment;
        if !is_newline(byte) {
            return;
        }
        // With CRLF the CR is escaped and the LF ends the comment, in every version.
        if self.bytes.get(at..at + 2) != Some(b"\r\n") {
            let span = self.span(at - 1, at + 1);
            self.out.comment_continuations.push(span);
        }
        if !self.continue_comments {
            self.end_comment(at);
            self.next_line(at);
        }
    }

    fn finish(&mut self) {
        let end = self.bytes.len();
        match self.state {
            State::PreKey => {}
            State::Key => self.without_equals(end),
            State::Comment | State::CommentEscape => self.end_comment(end),
            State::Value => {
                self.trim();
                self.push(end);
            }
            State::PreValue => self.push(end),
            State::ValueEscape | State::DoubleQuoteEscape => {
                self.draft.end = end;
                self.push(end);
            }
            State::SingleQuote | State::DoubleQuote => self.push(end),
        }
    }

    fn next_line(&mut self, at: usize) {
        self.line_start = at + 1;
        self.state = State::PreKey;
    }

    fn keep(&mut self, at: usize, byte: u8) {
        self.draft.value.push(byte);
        self.draft.end = at + 1;
    }

    fn trim(&mut self) {
        if let Some(length) = self.draft.blank_from {
            self.draft.value.truncate(length);
        }
    }

    fn expansion(&mut self, at: usize, single_quoted: bool) {
        self.draft.expansions.look(self.file.id, self.bytes, at, single_quoted);
    }

    pub(super) fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file.id, start, end)
    }
}
