//! Splits a value into words as `extract_first_word()` of systemd does: quotes, escapes, white
//! space.

use crate::source::{Span, Text};

/// Why a word could not be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordFault {
    /// A quote is never closed.
    UnbalancedQuote,
    /// An escape that systemd does not know (only with [`Escapes::Strict`]).
    BadEscape,
}

/// How escapes are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// Decoded; an unknown escape stays as it is (`EXTRACT_CUNESCAPE`, then the retry with
    /// `EXTRACT_UNESCAPE_RELAX`).
    Decoded,
    /// Decoded; an unknown escape is a fault (`EXTRACT_CUNESCAPE` alone).
    Strict,
    /// A backslash is removed, and whatever follows stays (no flag).
    Dropped,
}

/// One word, unquoted and decoded.
#[derive(Debug, Clone)]
pub(super) struct RawWord {
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// For each byte, its place in the value: the first byte and the one after the last.
    places: Vec<(u32, u32)>,
    /// The start of the word in the value, quotes included.
    pub start: usize,
    /// The end of the word in the value, quotes included.
    pub end: usize,
    /// Whether it contains an escape that systemd does not know and keeps as written.
    pub unknown_escape: bool,
}

impl RawWord {
    /// The word's text with its map to the file, and whether it contained bytes that are not UTF-8,
    /// which are replaced.
    pub fn text(&self, value: &Text) -> (Text, bool) {
        let mut text = Text::empty(value.file(), self.span(value).start as usize);
        let mut at = 0;
        for chunk in self.bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let length = character.len_utf8();
                self.add_to(&mut text, value, character, at, length);
                at += length;
            }
            if !chunk.invalid().is_empty() {
                let length = chunk.invalid().len();
                self.add_to(&mut text, value, char::REPLACEMENT_CHARACTER, at, length);
                at += length;
            }
        }
        (text, std::str::from_utf8(&self.bytes).is_ok())
    }

    fn add_to(&self, text: &mut Text, value: &Text, character: char, at: usize, length: usize) {
        let first = self.places.get(at).map_or(self.start as u32, |place| place.0);
        let last = self.places.get(at + length - 1).map_or(self.end as u32, |place| place.1);
        let span = value.span_of(first as usize..last as usize);
        let mut buffer = [0; 4];
        text.push_str(character.encode_utf8(&mut buffer), span.start as usize, span.end as usize);
    }

    /// Joins the next word to this one, with a space between them.
    pub fn join(&mut self, next: Self) {
        self.bytes.push(b' ');
        self.places.push((self.end as u32, next.start as u32));
        self.bytes.extend(next.bytes);
        self.places.extend(next.places);
        self.end = next.end;
        self.unknown_escape |= next.unknown_escape;
    }

    /// The place of the word in the file, quotes included.
    pub fn span(&self, value: &Text) -> Span {
        value.span_of(self.start..self.end)
    }
}

/// Takes words off a value, one after the other.
#[derive(Debug)]
pub(super) struct Words<'v> {
    value: &'v str,
    /// The offset at which the next word is looked for.
    pub at: usize,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'v> Words<'v> {
    pub fn new(value: &'v str) -> Self {
        Self { value, at: 0 }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.value.as_bytes().get(at).copied()
    }

    pub fn skip_blanks(&mut self) {
        while self.byte(self.at).is_some_and(is_blank) {
            self.at += 1;
        }
    }

    /// The part of the value not yet read.
    pub fn rest(&self) -> &'v str {
        self.value.get(self.at..).unwrap_or_default()
    }

    /// Whether `token` is here as a word of its own.
    pub fn at_token(&self, token: &str) -> bool {
        self.rest().strip_prefix(token).is_some_and(|rest| rest.bytes().next().is_none_or(is_blank))
    }

    /// Reads the next word and the white space after it; `None` at the end.
    pub fn next(&mut self, escapes: Escapes) -> Result<Option<RawWord>, WordFault> {
        self.skip_blanks();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let start = self.at;
        let mut word = RawWord {
            bytes: Vec::new(),
            places: Vec::new(),
            start,
            end: start,
            unknown_escape: false,
        };
        let mut quote = None;
        while let Some(byte) = self.byte(self.at) {
            match (byte, quote) {
                (b'\\', _) => self.escape(&mut word, escapes, quote.is_some())?,
                (_, Some(open)) if byte == open => {
                    quote = None;
                    self.at += 1;
                }
                (b'"' | b'\'', None) => {
                    quote = Some(byte);
                    self.at += 1;
                }
                (_, None) if is_blank(byte) => break,
                _ => {
                    word.push(byte, self.at, self.at + 1);
                    self.at += 1;
                }
            }
        }
        if quote.is_some() {
            return Err(WordFault::UnbalancedQuote);
        }
        word.end = self.at;
        self.skip_blanks();
        Ok(Some(word))
    }

    fn escape(
        &mut self,
        word: &mut RawWord,
        escapes: Escapes,
        quoted: bool,
    ) -> Result<(), WordFault> {
        let start = self.at;
        let Some(next) = self.byte(start + 1) else {
            // A backslash is the last character.
            self.at += 1;
            return match (escapes, quoted) {
                (_, true) => Err(WordFault::UnbalancedQuote),
                (Escapes::Strict, false) => Err(WordFault::BadEscape),
                (Escapes::Dropped, false) => Ok(()),
                (Escapes::Decoded, false) => {
                    word.unknown_escape = true;
                    word.push(b'\\', start, start + 1);
                    Ok(())
                }
            };
        };
        if escapes == Escapes::Dropped {
            word.push(next, start, start + 2);
            self.at += 2;
            return Ok(());
        }
        match decode(self.value.as_bytes().get(start + 1..).unwrap_or_default()) {
            Some((Decoded::Byte(byte), length)) => {
                self.at = start + 1 + length;
                word.push(byte, start, self.at);
            }
            Some((Decoded::Character(character), length)) => {
                self.at = start + 1 + length;
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    word.push(byte, start, self.at);
                }
            }
            None if escapes == Escapes::Strict => return Err(WordFault::BadEscape),
            None => {
                word.unknown_escape = true;
                word.push(b'\\', start, start + 1);
                word.push(next, start + 1, start + 2);
                self.at = start + 2;
            }
        }
        Ok(())
    }
}

impl RawWord {
    fn push(&mut self, byte: u8, start: usize, end: usize) {
        let small = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        self.bytes.push(byte);
        self.places.push((small(start), small(end)));
    }
}

enum Decoded {
    Byte(u8),
    Character(char),
}

/// `cunescape_one()`: the decoded character after the backslash, and the length of its escape.
fn decode(text: &[u8]) -> Option<(Decoded, usize)> {
    let simple = |byte| Some((Decoded::Byte(byte), 1));
    match text.first()? {
        b'a' => simple(0x07),
        b'b' => simple(0x08),
        b'f' => simple(0x0c),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(0x0b),
        b's' => simple(b' '),
        byte @ (b'\\' | b'"' | b'\'') => simple(*byte),
        b'x' => {
            let value = number(text.get(1..3)?, 16)?;
            (value != 0).then_some((Decoded::Byte(u8::try_from(value).ok()?), 3))
        }
        b'u' => character(text.get(1..5)?, 5),
        b'U' => character(text.get(1..9)?, 9),
        b'0'..=b'7' => {
            let value = number(text.get(0..3)?, 8)?;
            (value != 0).then_some((Decoded::Byte(u8::try_from(value).ok()?), 3))
        }
        _ => None,
    }
}

fn character(digits: &[u8], length: usize) -> Option<(Decoded, usize)> {
    let value = number(digits, 16)?;
    let character = char::from_u32(value).filter(|c| *c != '\0')?;
    Some((Decoded::Character(character), length))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    digits.iter().try_fold(0u32, |value, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}

/// The span of a range of a value, for faults.
pub(super) fn span_of(value: &Text, start: usize, end: usize) -> Span {
    let length = value.as_str().len();
    value.span_of(start.min(length)..end.min(length))
}
