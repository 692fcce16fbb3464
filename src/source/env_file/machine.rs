//! The state machine of systemd's `parse_env_file_internal()`, state for state, with offsets.

use super::hints;
use super::{EnvAssignment, EnvFile, Fault, FaultKind, Ignored, IgnoredKind, Quoting, is_name};
use crate::source::{Secret, SourceFile, Span, Spanned};

/// Linux's `MAX_ARG_STRLEN`: `NAME=value` and its final NUL must fit.
const LONGEST_ASSIGNMENT: usize = 32 * 4096;
/// `sysconf(_SC_ARG_MAX)` with the usual stack limit of 8 MiB, of which `env_value_is_valid()` and
/// `env_assignment_is_valid()` take off a little.
const ARG_MAX: usize = 2 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
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
struct Draft {
    value: Vec<u8>,
    /// From here on the value holds nothing but blanks, which go if the line ends here.
    blank_from: Option<usize>,
    /// Where the value as written starts, once something of it was seen.
    start: Option<usize>,
    /// After its last byte that counts.
    end: usize,
    quote: usize,
    unquoted: bool,
    single: bool,
    double: bool,
    comment: Option<usize>,
    expansions: hints::Expansions,
    continuations: Vec<Span>,
    lost_continuations: Vec<Span>,
    dropped_backslash: Option<Span>,
    literal_quote: Option<Span>,
}

struct Machine<'f> {
    file: &'f SourceFile,
    bytes: &'f [u8],
    continue_comments: bool,
    state: State,
    /// Where the physical line starts on which the key stands.
    line_start: usize,
    key_start: usize,
    /// After the last byte of the key that is no blank.
    key_end: usize,
    equals: usize,
    draft: Draft,
    out: EnvFile,
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

fn is_newline(byte: u8) -> bool {
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

    /// Looks at an ordinary byte of an unquoted part for what may be a mistake.
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

    /// A backslash before an end of line. With CRLF only the CR is eaten.
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

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file.id, start, end)
    }

    fn lines(&self, span: Span) -> std::ops::RangeInclusive<usize> {
        self.file.position(span.start).line..=self.file.position(span.end).line
    }

    fn end_comment(&mut self, at: usize) {
        let span = self.span(self.key_start, at);
        self.out.comments.push(span);
    }

    fn without_equals(&mut self, at: usize) {
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        let (kind, name) = hints::why_ignored(key, self.key_start, false);
        self.ignore(at, kind, name, false);
    }

    fn ignore(&mut self, at: usize, kind: IgnoredKind, name: Option<String>, logged: bool) {
        let span = self.span(self.line_start, at);
        self.out.ignored.push(Ignored {
            kind,
            name,
            name_span: self.span(self.key_start, self.key_end),
            span,
            lines: self.lines(span),
            logged,
        });
    }

    fn fault(&mut self, kind: FaultKind, span: Span) {
        self.out.fatal.get_or_insert(Fault { kind, span });
    }

    /// Takes the assignment that ends at `at`, as `load_env_file_push()` does, and later
    /// `strv_env_clean_with_callback()`.
    fn push(&mut self, at: usize) {
        let draft = std::mem::take(&mut self.draft);
        let start = draft.start.unwrap_or(self.equals + 1);
        let value_span = self.span(start, draft.end.max(start));
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        if !hints::is_utf8(key) {
            self.fault(FaultKind::NonUtf8, self.span(self.key_start, self.key_end));
        } else if !hints::is_utf8(&draft.value) {
            self.fault(FaultKind::NonUtf8, value_span);
        } else if !is_name(key) {
            let (kind, name) = hints::why_ignored(key, self.key_start, true);
            // A line of base64 ends in `=` or `==`: what stands before is no name to show.
            self.ignore(at, kind, name.filter(|_| draft.value != b"="), true);
        } else if draft.value.len() > ARG_MAX - 3 || key.len() + 1 + draft.value.len() > ARG_MAX - 1
        {
            let name = hints::presentable(key);
            self.ignore(at, IgnoredKind::TooLong, name, true);
        } else {
            if key.len() + 1 + draft.value.len() >= LONGEST_ASSIGNMENT {
                self.fault(FaultKind::TooLong, value_span);
            }
            let assignment = self.assignment(at, draft, value_span);
            self.out.assignments.push(assignment);
        }
    }

    fn assignment(&self, at: usize, draft: Draft, value_span: Span) -> EnvAssignment {
        let key = self.bytes.get(self.key_start..self.key_end).unwrap_or_default();
        let span = self.span(self.line_start, at);
        let open = matches!(
            self.state,
            State::SingleQuote | State::DoubleQuote | State::DoubleQuoteEscape
        );
        let quoted = draft.single || draft.double || open;
        let lines = self.lines(span);
        let swallowed = if quoted && lines.start() != lines.end() {
            hints::swallowed(self.file, value_span)
        } else {
            Vec::new()
        };
        EnvAssignment {
            name: Spanned {
                value: String::from_utf8_lossy(key).into_owned(),
                span: self.span(self.key_start, self.key_end),
            },
            value_span,
            span,
            lines,
            quoting: self.quoting(&draft, open),
            open_quote: open.then(|| self.span(draft.quote, draft.quote + 1)),
            swallowed,
            comment: draft.comment.map(|start| self.to_line_end(start, value_span)),
            expansions: draft.expansions.found,
            continuations: draft.continuations,
            lost_continuations: draft.lost_continuations,
            dropped_backslash: draft.dropped_backslash,
            literal_quote: draft.literal_quote,
            value: Secret::new(draft.value),
            overridden: false,
        }
    }

    fn quoting(&self, draft: &Draft, open: bool) -> Quoting {
        let single = draft.single || (open && self.state == State::SingleQuote);
        let double = draft.double || (open && self.state != State::SingleQuote);
        match (draft.unquoted, single, double) {
            (_, false, false) => Quoting::Unquoted,
            (false, true, false) => Quoting::Single,
            (false, false, true) => Quoting::Double,
            _ => Quoting::Mixed,
        }
    }

    /// A comment in a value ends with the line, or with the value where the line is continued.
    fn to_line_end(&self, start: usize, value: Span) -> Span {
        let end = (value.end as usize).max(start);
        let text = self.bytes.get(start..end).unwrap_or_default();
        let length = text.iter().position(|byte| is_newline(*byte)).unwrap_or(text.len());
        self.span(start, start + length)
    }
}
