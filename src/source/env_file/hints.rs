//! The likely intention of a line that systemd reads differently from how it looks.

use super::{Expansion, ExpansionKind, IgnoredKind, is_name};
use crate::source::{FileId, SourceFile, Span, Spanned};

/// The longest text before a `=` that is shown as a name.
const LONGEST_NAME: usize = 64;

/// Texts in one value that a shell would expand, found from left to right.
#[derive(Default)]
pub(super) struct Expansions {
    pub(super) found: Vec<Expansion>,
    /// The offset up to which the value was searched.
    seen: usize,
    /// For each of `}`, `)` and backtick, the offset up to which the line contains none, so that
    /// each part is searched only once.
    without: [usize; 3],
}

impl Expansions {
    /// Checks the `$`, backtick or `~` at `at`.
    pub(super) fn look(&mut self, file: FileId, bytes: &[u8], at: usize, single_quoted: bool) {
        if at < self.seen {
            return;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let found = match rest {
            [b'~', rest @ ..] => {
                let alone = matches!(rest.first(), None | Some(b'/' | b' ' | b'\n' | b'\r'));
                alone.then_some((ExpansionKind::Tilde, 1))
            }
            [b'`', ..] => self.closed(bytes, at, b'`', 2).map(|n| (ExpansionKind::Backticks, n)),
            [b'$', b'(', ..] => {
                self.closed(bytes, at, b')', 1).map(|n| (ExpansionKind::Command, n))
            }
            [b'$', b'{', first, ..] if is_name(&[*first]) => {
                self.closed(bytes, at, b'}', 0).map(|n| (ExpansionKind::Braced, n))
            }
            [b'$', name @ ..] if name.first().is_some_and(|first| is_name(&[*first])) => {
                let in_name = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
                Some((ExpansionKind::Variable, 1 + name.iter().take_while(in_name).count()))
            }
            _ => None,
        };
        if let Some((kind, length)) = found {
            self.seen = at + length;
            let span = Span::new(file, at, at + length);
            self.found.push(Expansion { kind, span, single_quoted });
        }
    }

    /// The length up to and including `end`, on the same line.
    fn closed(&mut self, bytes: &[u8], at: usize, end: u8, slot: usize) -> Option<usize> {
        let without = self.without.get_mut(slot)?;
        if at < *without {
            return None;
        }
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let stop = rest.iter().position(|byte| *byte == end || *byte == b'\n');
        match stop {
            Some(length) if rest.get(length) == Some(&end) => Some(length + 2),
            _ => {
                *without = at + 1 + stop.unwrap_or(rest.len());
                None
            }
        }
    }
}

/// The names on the further lines of a value that look like assignments.
pub(super) fn swallowed(file: &SourceFile, value: Span) -> Vec<Spanned<String>> {
    let mut names = Vec::new();
    let mut start = value.start as usize;
    for line in file.slice(value).split_inclusive(|byte| *byte == b'\n') {
        let here = start;
        start += line.len();
        if here == value.start as usize {
            continue;
        }
        let indent = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let text = line.get(indent..).unwrap_or_default();
        let (indent, text) = match text.strip_prefix(b"export ") {
            Some(text) => (indent + b"export ".len(), text),
            None => (indent, text),
        };
        let Some(equals) = text.iter().position(|byte| *byte == b'=') else { continue };
        let name = text.get(..equals).unwrap_or_default();
        // The last line of a base64 key ends in `=` or `==`.
        let padding = text
            .get(equals + 1..)
            .is_none_or(|rest| rest.iter().all(|byte| matches!(byte, b'=' | b'\r' | b'\n')));
        if is_name(name) && !padding {
            let span = Span::new(file.id, here + indent, here + indent + equals);
            let value = String::from_utf8_lossy(name).into_owned();
            names.push(Spanned { value, span });
        }
    }
    names
}

/// Why systemd sets nothing for a line with this key, and the name that was probably meant.
pub(super) fn why_ignored(key: &[u8], start: usize, equals: bool) -> (IgnoredKind, Option<String>) {
    let trimmed = key.trim_ascii();
    if start == 0
        && let Some(rest) = trimmed.strip_prefix(b"\xef\xbb\xbf")
    {
        return (IgnoredKind::Bom, valid(rest.trim_ascii()));
    }
    if let Some(rest) = trimmed.strip_prefix(b"export")
        && rest.first().is_some_and(u8::is_ascii_whitespace)
    {
        return (IgnoredKind::Export, valid(rest.trim_ascii()));
    }
    if trimmed.starts_with(b"[") {
        return (IgnoredKind::Section, None);
    }
    if trimmed.starts_with(b"=") {
        return (IgnoredKind::EmptyName, None);
    }
    // Not the `:` of a URL, which appears when a value of several lines has lost its quotes.
    if let Some(colon) = trimmed.iter().position(|byte| *byte == b':')
        && trimmed.get(colon + 1) != Some(&b'/')
        && let Some(name) = valid(trimmed.get(..colon).unwrap_or_default().trim_ascii_end())
    {
        return (IgnoredKind::Colon, Some(name));
    }
    if !equals {
        return (IgnoredKind::NoEquals, None);
    }
    (IgnoredKind::BadName, presentable(trimmed))
}

fn valid(name: &[u8]) -> Option<String> {
    let shown = is_name(name) && name.len() <= LONGEST_NAME;
    shown.then(|| String::from_utf8_lossy(name).into_owned())
}

/// A wrong name, if it looks like a name rather than like part of a key or a URL.
fn presentable(name: &[u8]) -> Option<String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte);
    let shown = name.len() <= LONGEST_NAME && name.iter().all(fits);
    shown.then(|| String::from_utf8_lossy(name).into_owned())
}

/// Whether a `=` is the padding of base64 (`=` or `==`): the text before it is then part of a key,
/// and not a name to show.
pub(super) fn is_padding(key: &[u8], value: &[u8]) -> bool {
    let mixed = key.iter().any(u8::is_ascii_lowercase) && key.iter().any(u8::is_ascii_uppercase);
    value == b"=" || (value.is_empty() && mixed && key.len() >= 16)
}

/// Whether the text is UTF-8 for systemd's `utf8_is_valid()`, which refuses noncharacters.
pub(super) fn is_utf8(text: &[u8]) -> bool {
    let nonchar = |c: char| {
        let code = u32::from(c);
        (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
    };
    text.is_ascii() || std::str::from_utf8(text).is_ok_and(|text| !text.chars().any(nonchar))
}
