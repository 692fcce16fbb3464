//! How a value is written: in which language, between which quotes.

use std::ops::Range;

use crate::source::Span;

/// In which language a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// A command line of systemd's: `ExecStart=`.
    Exec,
    /// Another setting of a unit: `Environment=`.
    Assignment,
    /// An environment file.
    EnvironmentFile,
    /// A shell's script, or a text that `ExecStart=` hands to a shell.
    Shell,
    /// GUNICORN_CMD_ARGS, which gunicorn cuts into words as `shlex` does.
    Words,
    /// gunicorn's configuration file.
    Python,
    /// nginx's configuration.
    Nginx,
}

/// Quotes around a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// `'`
    Single,
    /// `"`
    Double,
}

impl Quote {
    pub(super) fn of(byte: u8) -> Option<Self> {
        match byte {
            b'\'' => Some(Self::Single),
            b'"' => Some(Self::Double),
            _ => None,
        }
    }
}

/// Where a value is written, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling {
    /// The value, without the quotes right around it.
    pub span: Span,
    /// The language it is written in.
    pub syntax: Syntax,
    /// The quotes that are open where it is, whether they begin there or before.
    pub quote: Option<Quote>,
    /// Of a word of GUNICORN_CMD_ARGS: how the variable itself is written.
    pub within: Option<Within>,
}

/// A value that holds words of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Within {
    /// All of it, without the quotes right around it.
    pub span: Span,
    /// The language it is written in.
    pub syntax: Syntax,
    /// The quotes that are open where it is.
    pub quote: Option<Quote>,
}

impl Spelling {
    /// Can a text stand there without being escaped? Between quotes everything but quotes and
    /// backslashes can.
    pub fn holds(&self, text: &str) -> bool {
        let marks = ['"', '\'', '\\', '\n', '\r'];
        (self.quote.is_some() && !text.contains(marks)) || is_plain(text)
    }
}

/// Does a text mean itself in every language, whatever is around it?
pub fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,:=[]".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

impl From<Spelling> for Within {
    fn from(of: Spelling) -> Self {
        Self { span: of.span, syntax: of.syntax, quote: of.quote }
    }
}

/// Without one pair of quotes around it.
pub(super) fn unquoted(span: Span, text: &[u8]) -> (Span, &[u8]) {
    match text {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => {
            (Span { start: span.start + 1, end: span.end - 1, ..span }, inner)
        }
        _ => (span, text),
    }
}

/// The span without its first bytes.
pub(super) fn from(span: Span, bytes: usize) -> Span {
    let start = span.start.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    Span { start: start.min(span.end), ..span }
}

/// A part of a span.
pub(super) fn part(span: Span, of: Range<usize>) -> Span {
    let start = span.start as usize;
    Span::new(span.file, start + of.start, start + of.end)
}

/// The quotes that are open behind a text.
pub(super) fn open_quote(text: &[u8]) -> Option<Quote> {
    let mut state = QuoteState::default();
    text.iter().for_each(|byte| state.read(*byte));
    state.quote.and_then(Quote::of)
}

/// Between quotes, or behind a backslash?
#[derive(Default)]
struct QuoteState {
    quote: Option<u8>,
    escaped: bool,
}

impl QuoteState {
    fn read(&mut self, byte: u8) {
        match (self.escaped, byte, self.quote) {
            (true, ..) => self.escaped = false,
            (_, b'\\', None | Some(b'"')) => self.escaped = true,
            (_, byte, Some(open)) if byte == open => self.quote = None,
            (_, b'"' | b'\'', None) => self.quote = Some(byte),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_open_until_they_close() {
        assert_eq!(open_quote(b"a 'b"), Some(Quote::Single));
        assert_eq!(open_quote(b"a 'b' \"c\\\""), Some(Quote::Double));
        assert_eq!(open_quote(b"a 'b' \"c\" \\\""), None);
    }
}
