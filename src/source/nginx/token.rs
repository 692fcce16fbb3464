//! Splits a file into words byte for byte as nginx's own `ngx_conf_read_token` (1.22.1) does.
//!
//! White space is space, tab, CR and LF. Outside quotes, `;` and `{` end a word, except a `{` right
//! after `$`. A `}`, a quote or a `#` is special only where a word would start. A backslash takes
//! the next byte as it is. nginx reads through a buffer of 4096 bytes, which limits the length of
//! words and also of comments.

use std::borrow::Cow;

use super::fault::FaultKind;

/// nginx's `NGX_CONF_BUFFER`.
const BUFFER: usize = 4096;

/// How a word is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// No quotes.
    None,
    /// With `'`.
    Single,
    /// With `"`.
    Double,
}

/// The place of a word of a directive, quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
    /// Its quotes.
    pub quote: Quote,
    /// Whether it contains a backslash, so that it may have to be decoded.
    pub escaped: bool,
}

impl Word {
    /// The bytes between the quotes, as they are in the file.
    #[inline]
    pub fn raw<'a>(&self, source: &'a [u8]) -> &'a [u8] {
        let inset = u32::from(self.quote != Quote::None);
        let start = (self.start + inset) as usize;
        source.get(start..(self.end - inset) as usize).unwrap_or_default()
    }

    /// The value that nginx sees; borrowed if nothing had to be decoded.
    #[inline]
    pub fn value<'a>(&self, source: &'a [u8]) -> Cow<'a, [u8]> {
        let raw = self.raw(source);
        if self.escaped { decode(raw) } else { Cow::Borrowed(raw) }
    }
}

/// Bytes as text; those that are not UTF-8 are replaced. Nearly all are, which is found out faster
/// than what would have to be replaced.
pub(super) fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// `\"`, `\'`, `\\`, `\t`, `\r` and `\n` are decoded; every other backslash stays.
fn decode(raw: &[u8]) -> Cow<'_, [u8]> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, tail @ ..] = rest {
        let (value, used) = match (byte, tail.first()) {
            (b'\\', Some(next @ (b'"' | b'\'' | b'\\'))) => (*next, 2),
            (b'\\', Some(b't')) => (b'\t', 2),
            (b'\\', Some(b'r')) => (b'\r', 2),
            (b'\\', Some(b'n')) => (b'\n', 2),
            _ => (*byte, 1),
        };
        decoded.push(value);
        rest = rest.get(used..).unwrap_or_default();
    }
    if decoded.len() == raw.len() { Cow::Borrowed(raw) } else { Cow::Owned(decoded) }
}

/// How a run of words ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With `;`.
    Semicolon,
    /// With `{`.
    BlockStart,
    /// With `}`, before any word.
    BlockDone,
    /// With the file, before any word.
    FileDone,
}

/// Why nginx's tokenizer stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFault {
    /// Its kind.
    pub kind: FaultKind,
    /// The first byte of the place.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// nginx's message.
    pub message: String,
}

const BLANK: u8 = 1;
/// Bytes that end an unquoted word, or that need a closer look inside one.
const STOP: u8 = 2;

/// Bytes that every template's placeholder has one of.
const MARK: u8 = 4;
/// Bytes that are not the first of a plain word.
const START: u8 = 8;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    class[b' ' as usize] = BLANK | STOP | START;
    class[b'\t' as usize] = BLANK | STOP | START;
    class[b'\r' as usize] = BLANK | STOP | START;
    class[b'\n' as usize] = BLANK | STOP | START;
    class[b';' as usize] = STOP | START;
    class[b'{' as usize] = STOP | START | MARK;
    class[b'\\' as usize] = STOP | START;
    class[b'$' as usize] = STOP;
    class[b'}' as usize] = START;
    class[b'#' as usize] = START;
    class[b'"' as usize] = START;
    class[b'\'' as usize] = START;
    class[b'_' as usize] = MARK;
    class[b'@' as usize] = MARK;
    class[b'<' as usize] = MARK;
    class[b'%' as usize] = MARK;
    class
};

fn class(byte: u8) -> u8 {
    CLASS[byte as usize]
}

/// How many bytes there are before the first of class [`STOP`].
#[inline]
fn length_before_stop(bytes: &[u8]) -> usize {
    let is_stop = |byte: &u8| class(*byte) & STOP != 0;
    // Eight bytes a turn.
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (turn, chunk) in chunks.iter().enumerate() {
        if let Some(at) = chunk.iter().position(is_stop) {
            return turn * 8 + at;
        }
    }
    chunks.len() * 8 + rest.iter().position(is_stop).unwrap_or(rest.len())
}

/// Whether the bytes have one in them without which there is no placeholder.
pub(super) fn has_mark(bytes: &[u8]) -> bool {
    bytes.iter().any(|byte| class(*byte) & MARK != 0)
}

/// The offset of the first byte from `at` on that is no white space.
fn after_blanks(source: &[u8], mut at: usize) -> usize {
    loop {
        let rest = source.get(at..).unwrap_or_default();
        // Lines are indented by runs of spaces.
        if rest.first_chunk() == Some(b"    ") {
            at += 4;
        } else if rest.first().is_some_and(|byte| class(*byte) & BLANK != 0) {
            at += 1;
        } else {
            return at;
        }
    }
}

/// Reads a file's words, directive by directive.
#[derive(Debug)]
pub struct Tokenizer<'a> {
    source: &'a [u8],
    at: usize,
    /// Whether the file is a template: `{{ … }}` is part of a word, and `{% … %}` is a fault.
    template: bool,
}

impl<'a> Tokenizer<'a> {
    /// Reads from the first byte on, as nginx does.
    pub fn new(source: &'a [u8]) -> Self {
        Self { source, at: 0, template: false }
    }

    /// Like [`Self::new`], but for a template: `{{ … }}` takes the place of a word or a part of
    /// one.
    pub fn template(source: &'a [u8]) -> Self {
        Self { source, at: 0, template: true }
    }

    /// The offset up to which the source was read.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Continues at another offset, after a block that is not made of words.
    pub fn skip_to(&mut self, offset: usize) {
        self.at = offset.min(self.source.len());
    }

    /// Reads words up to the next `;`, `{`, `}` or the end of the file, as one call of nginx's
    /// function does. The start and end of each comment on the way are added to `comments`.
    pub fn read(
        &mut self,
        words: &mut Vec<Word>,
        comments: &mut Vec<(u32, u32)>,
    ) -> Result<Ending, TokenFault> {
        let before = words.len();
        loop {
            self.at = after_blanks(self.source, self.at);
            if let Some((word, ended)) = self.plain() {
                words.push(word);
                self.at += 1;
                match ended {
                    b';' => return Ok(Ending::Semicolon),
                    b'{' => return Ok(Ending::BlockStart),
                    _ => continue,
                }
            }
            let Some(&byte) = self.source.get(self.at) else {
                if words.len() > before {
                    return Err(self.end_in_directive(words.get(before)));
                }
                return Ok(Ending::FileDone);
            };
            let start = self.at;
            match byte {
                b'{' if self.template && self.source[start..].starts_with(b"{{") => {
                    let word = self.bare(start)?;
                    words.push(word);
                }
                b'{' | b';' => {
                    if words.len() == before {
                        return Err(self.unexpected(start));
                    }
                    self.at += 1;
                    return Ok(if byte == b';' { Ending::Semicolon } else { Ending::BlockStart });
                }
                b'}' => {
                    if words.len() > before {
                        return Err(self.unexpected(start));
                    }
                    self.at += 1;
                    return Ok(Ending::BlockDone);
                }
                b'#' => comments.push(self.comment(start)?),
                b'"' | b'\'' => {
                    let word = self.quoted(start, byte)?;
                    words.push(word);
                }
                _ => {
                    let word = self.bare(start)?;
                    words.push(word);
                }
            }
        }
    }

    /// The word here and the byte that ends it, if it has no quotes and every byte in it stands for
    /// itself, as in most words; `None` for all others, and for what is no word.
    #[inline]
    fn plain(&mut self) -> Option<(Word, u8)> {
        let rest = self.source.get(self.at..)?;
        if class(*rest.first()?) & START != 0 {
            return None;
        }
        // A word that fills nginx's buffer is judged where words are looked at byte by byte.
        let near = rest.get(..BUFFER - 1).unwrap_or(rest);
        let mut length = length_before_stop(near);
        let ended = loop {
            match near.get(length)? {
                // A `$` is as any other byte, but for what may follow it.
                b'$' if !self.template && *near.get(length + 1)? != b'{' => {
                    length += 1 + length_before_stop(near.get(length + 1..)?);
                }
                b'$' | b'\\' => return None,
                b'{' if self.template => return None,
                ended => break *ended,
            }
        };
        let start = small(self.at);
        self.at += length;
        let word = Word { start, end: small(self.at), quote: Quote::None, escaped: false };
        Some((word, ended))
    }

    fn comment(&mut self, start: usize) -> Result<(u32, u32), TokenFault> {
        let rest = &self.source[start..];
        let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        // nginx counts a comment as the start of a word until its line ends.
        self.buffered(start, length)?;
        self.at = start + length;
        Ok((small(start), small(start + length)))
    }

    /// A word without quotes, from its first byte on.
    fn bare(&mut self, start: usize) -> Result<Word, TokenFault> {
        let source = self.source;
        let mut at = start;
        let mut escaped = false;
        // nginx lets a word begin with a byte that would later end it, but the caller has handled
        // those bytes.
        while let Some(&byte) = source.get(at) {
            if class(byte) & STOP == 0 {
                at += 1;
                continue;
            }
            match byte {
                b'\\' => {
                    escaped = true;
                    at += 2;
                }
                b'$' => {
                    at += 1;
                    if self.template && source[at..].starts_with(b"{{") {
                        continue;
                    }
                    while source.get(at) == Some(&b'{') {
                        at += 1;
                    }
                }
                b'{' if self.template && source[at..].starts_with(b"{{") => {
                    let Some(length) = find(&source[at..], b"}}") else {
                        return Err(self.template_fault(at));
                    };
                    at += length;
                }
                b'{' if self.template && source[at..].starts_with(b"{%") => {
                    return Err(self.template_fault(at));
                }
                _ => break,
            }
        }
        if at >= source.len() {
            self.buffered(start, source.len() - start)?;
            return Err(self.unterminated(start, FaultKind::UnexpectedEnd));
        }
        // After a word that ends in white space, nginx keeps the word in its buffer for one byte
        // more.
        let held = at + usize::from(class(source[at]) & BLANK != 0);
        self.buffered(start, held - start)?;
        self.at = at;
        Ok(Word { start: small(start), end: small(at), quote: Quote::None, escaped })
    }

    /// A word in quotes, from its opening quote on, with the check of what follows it.
    fn quoted(&mut self, start: usize, mark: u8) -> Result<Word, TokenFault> {
        let source = self.source;
        let content = start + 1;
        let mut at = content;
        let mut escaped = false;
        loop {
            let rest = source.get(at..).unwrap_or_default();
            let Some(length) = rest.iter().position(|byte| *byte == mark || *byte == b'\\') else {
                if source.len() > content + BUFFER {
                    return Err(self.too_long(content, Some(mark)));
                }
                return Err(self.unterminated(start, FaultKind::UnterminatedQuote));
            };
            at += length;
            if source[at] == mark {
                break;
            }
            escaped = true;
            at += 2;
        }
        let end = at + 1;
        if at - content >= BUFFER {
            return Err(self.too_long(content, Some(mark)));
        }
        self.buffered(content, end - content)?;
        match source.get(end) {
            None => return Err(self.unterminated(start, FaultKind::UnexpectedEnd)),
            Some(b';' | b'{' | b')') => {}
            Some(byte) if class(*byte) & BLANK != 0 => {
                self.buffered(content, end + 1 - content)?;
            }
            Some(byte) => {
                let message = format!("unexpected \"{}\"", shown(&[*byte]));
                return Err(TokenFault {
                    kind: FaultKind::AfterQuote,
                    start: end,
                    end: end + 1,
                    message,
                });
            }
        }
        self.at = end;
        let quote = if mark == b'"' { Quote::Double } else { Quote::Single };
        Ok(Word { start: small(start), end: small(end), quote, escaped })
    }

    /// nginx's buffer contains a word from its first byte on. If the buffer is full and there is
    /// more to read, the word is too long.
    fn buffered(&self, start: usize, held: usize) -> Result<(), TokenFault> {
        if held >= BUFFER && self.source.len() > start + BUFFER {
            return Err(self.too_long(start, None));
        }
        Ok(())
    }

    fn too_long(&self, start: usize, mark: Option<u8>) -> TokenFault {
        let message = match mark {
            Some(mark) => format!(
                "too long parameter, probably missing terminating \"{}\" character",
                mark as char
            ),
            None => {
                let head = self.source.get(start..start + 10).unwrap_or_default();
                format!("too long parameter \"{}...\" started", shown(head))
            }
        };
        let end = (start + BUFFER).min(self.source.len());
        TokenFault { kind: FaultKind::TooLongParameter, start, end, message }
    }

    fn unexpected(&self, at: usize) -> TokenFault {
        let byte = self.source.get(at).copied().unwrap_or_default();
        if self.template && byte == b'{' {
            return self.template_fault(at);
        }
        TokenFault {
            kind: FaultKind::UnexpectedCharacter,
            start: at,
            end: at + 1,
            message: format!("unexpected \"{}\"", byte as char),
        }
    }

    fn end_in_directive(&self, first: Option<&Word>) -> TokenFault {
        self.unterminated(
            first.map_or(self.at, |word| word.start as usize),
            FaultKind::UnexpectedEnd,
        )
    }

    fn unterminated(&self, start: usize, kind: FaultKind) -> TokenFault {
        let message = "unexpected end of file, expecting \";\" or \"}\"";
        TokenFault { kind, start, end: self.source.len(), message: message.into() }
    }

    fn template_fault(&self, at: usize) -> TokenFault {
        let rest = &self.source[at..];
        let mark: &[u8] = if rest.starts_with(b"{{") { b"}}" } else { b"%}" };
        let line = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let end = at + find(&rest[..line], mark).unwrap_or(line);
        TokenFault { kind: FaultKind::Template, start: at, end, message: TEMPLATE.into() }
    }
}

/// The message for a file that is a template of another.
pub(super) const TEMPLATE: &str = "template syntax: only the file that it produces can be read: \
                                   render it and name the result with --nginx";

/// The length up to and including the first `mark`.
fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark).map(|at| at + mark.len())
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn small(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Ending, Tokenizer};

    fn words(source: &str) -> Option<Vec<&str>> {
        let (mut words, mut comments) = (Vec::new(), Vec::new());
        let ending = Tokenizer::new(source.as_bytes()).read(&mut words, &mut comments).ok()?;
        assert!(matches!(ending, Ending::Semicolon | Ending::BlockStart), "{source}");
        Some(words.iter().map(|word| &source[word.start as usize..word.end as usize]).collect())
    }

    #[test]
    fn a_dollar_and_what_may_follow_it_are_part_of_a_word() {
        for (source, expected) in [
            ("a $b;", ["a", "$b"]),
            ("a $;", ["a", "$"]),
            ("a $$ ;", ["a", "$$"]),
            ("a ${b}c;", ["a", "${b}c"]),
            ("a x$b{", ["a", "x$b"]),
            ("a x$\\;;", ["a", "x$\\;"]),
            ("a\tb}\"#'\r\n;", ["a", "b}\"#'"]),
            ("a \u{1}b\u{1f};", ["a", "\u{1}b\u{1f}"]),
        ] {
            assert_eq!(words(source), Some(expected.to_vec()), "{source}");
        }
    }

    /// White space after a word is in the same buffer, a `;` is not.
    #[test]
    fn a_word_that_fills_the_buffer_is_refused() {
        for (length, end, fits) in
            [(4094, " ;", true), (4095, ";", true), (4095, " ;", false), (4096, ";", false)]
        {
            for start in ["x", "$"] {
                let word = start.to_owned() + &"x".repeat(length - 1);
                let source = format!("{word}{end}{}", " ".repeat(8));
                assert_eq!(words(&source).is_some(), fits, "{start} {length} {end}");
            }
        }
    }
}
