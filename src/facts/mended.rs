//! What a line of an environment file that systemd drops was meant to be, where that is certain.

use super::environment::ReadFile;
use crate::source::env_file::{Ignored, IgnoredKind};
use crate::source::{Span, Spanned};

/// Other text in a place.
type Mended = Option<(Span, &'static str)>;

impl ReadFile {
    /// What to write where, so that a dropped line sets the variable that it was meant to set.
    pub fn mended(&self, line: &Ignored) -> Mended {
        let name = self.meant(line);
        match line.kind {
            IgnoredKind::Export => without_export(self, line, name.as_ref()),
            IgnoredKind::Bom => without_mark(self, line),
            IgnoredKind::Colon => with_equals(self, line, name.as_ref()),
            _ => None,
        }
    }
}

/// `export ` goes, as long as a shell would have exported this one variable and no more.
fn without_export(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Mended {
    let name = name?.span;
    let before = Span { end: name.start, ..line.name_span };
    let rest = read.source.slice(Span { start: name.end, ..line.span });
    let alone = read.source.slice(before).trim_ascii() == b"export" && !sets_another(rest);
    alone.then_some((before, ""))
}

/// Does another word with a `=` in it follow behind `=value`?
fn sets_another(rest: &[u8]) -> bool {
    let value = rest.strip_prefix(b"=").unwrap_or(rest);
    // In quotes blanks belong to the value.
    if matches!(value.first(), Some(b'"' | b'\'')) {
        return false;
    }
    let words = value.split(u8::is_ascii_whitespace).skip(1);
    words.take_while(|word| !word.starts_with(b"#")).any(|word| word.contains(&b'='))
}

/// The byte order mark goes, with the `export` behind it.
fn without_mark(read: &ReadFile, line: &Ignored) -> Mended {
    let mark: &[u8] = b"\xef\xbb\xbf";
    let rest = read.source.bytes.strip_prefix(mark)?;
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let export = match rest.strip_prefix(b"export").map(blanks) {
        Some(count @ 1..) => b"export".len() + count,
        _ => 0,
    };
    Some((Span::new(line.span.file, 0, mark.len() + export), ""))
}

/// `NAME: value` as YAML has it becomes `NAME=value`, as long as the value is plain in both.
fn with_equals(read: &ReadFile, line: &Ignored, name: Option<&Spanned<String>>) -> Mended {
    let name = name?.span;
    let text = read.source.slice(Span { start: name.end, ..line.span });
    let blanks = |text: &[u8]| text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    let colon = blanks(text);
    let behind = text.get(colon..)?.strip_prefix(b":")?;
    let length = colon + 1 + blanks(behind);
    let value = text.get(length..)?.trim_ascii_end();
    // Lists, blocks, references and escapes mean something else there.
    let mut quotes = value.iter().filter(|byte| matches!(byte, b'"' | b'\''));
    let closes = match value {
        [open @ (b'"' | b'\''), .., end] => open == end && quotes.count() == 2,
        _ => quotes.next().is_none(),
    };
    let plain = closes
        && !value.contains(&b'\\')
        && !value.contains(&b'\n')
        && !matches!(
            value.first(),
            Some(b'|' | b'>' | b'[' | b'{' | b'&' | b'*' | b'!' | b'/' | b'@' | b'`')
        );
    let end = name.end.checked_add(u32::try_from(length).ok()?)?;
    plain.then_some((Span { start: name.end, end, ..name }, "="))
}
