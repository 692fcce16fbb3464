//! Finds parts of the text at a position.

use super::spelling::part;
use crate::facts::App;
use crate::source::Span;

impl App {
    fn text_at(&self, at: Span) -> Option<&str> {
        std::str::from_utf8(self.written(at)?).ok()
    }

    /// Where a text is first in what is written at a place.
    pub fn find_in(&self, at: Span, text: &str) -> Option<Span> {
        let start = memchr::memmem::find(self.written(at)?, text.as_bytes())?;
        Some(part(at, start..start + text.len()))
    }

    /// The `~` of `~/…` or `--option=~/…`, where nothing else is before it.
    pub fn tilde_in(&self, word: Span) -> Option<Span> {
        let text = self.written(word)?;
        let at = match text.starts_with(b"~/") {
            true => 0,
            false => memchr::memmem::find(text, b"=~/")? + 1,
        };
        Some(part(word, at..at + 1))
    }

    /// Is all of it on one line?
    pub fn is_one_line(&self, at: Span) -> bool {
        self.written(at).is_some_and(|text| !text.contains(&b'\n'))
    }

    /// Can it be cut out of a script as it is: does no quote begin or end in it?
    pub fn is_whole(&self, at: Span) -> bool {
        let quotes = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\' | b'`' | b'\n' | b'\r');
        self.written(at).is_some_and(|text| !text.is_empty() && !text.iter().any(quotes))
    }

    /// Does a word begin and end with the same quote?
    pub fn is_quoted(&self, word: Span) -> bool {
        let text = self.written(word).unwrap_or_default();
        let quote = text.first().filter(|byte| matches!(byte, b'"' | b'\''));
        quote.is_some() && text.last() == quote
    }

    /// The flag at the beginning of an argument: `--bind` of `--bind=…`.
    pub fn flag_at(&self, argument: Span) -> Option<(Span, &str)> {
        let text = self.text_at(argument)?;
        let flag = text.split('=').next()?;
        Some((part(argument, 0..flag.len()), flag))
    }

    /// A word of the form `NAME:OPTION` without its option.
    pub fn without_option(&self, word: Span, option: &str) -> Option<&str> {
        let name = self.text_at(word)?.strip_suffix(option)?;
        Some(name.trim_end_matches(':'))
    }

    /// The prefixes of a command of systemd's, `-@:+!|`, and what follows them.
    pub fn prefixes_at(&self, command: Span) -> Option<(&str, &str)> {
        let text = self.text_at(command)?;
        let program = text.trim_start_matches(['-', '@', ':', '+', '!', '|']);
        Some(text.split_at(text.len() - program.len()))
    }
}
