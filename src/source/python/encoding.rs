//! Decodes bytes to text as CPython's tokenizer does: BOM, PEP 263 declaration, UTF-8 by default.

use super::super::{SourceFile, Span};
use super::SyntaxFault;

pub(super) enum Decoded {
    /// Text in which every byte has the offset that it has in the file.
    Text(String),
    /// Python refuses the bytes.
    Refused(SyntaxFault),
    /// This encoding is not supported here.
    Unknown(String),
}

pub(super) fn decode(file: &SourceFile) -> Decoded {
    let bytes = &file.bytes;
    let fault = |message: String, at: usize| {
        let span = Span::new(file.id, at, at + 1);
        Decoded::Refused(SyntaxFault { message, span })
    };
    if let Some(at) = bytes.iter().position(|b| *b == 0) {
        return fault("source code cannot contain null bytes".into(), at);
    }
    let bom = bytes.starts_with(b"\xef\xbb\xbf");
    let declared = declaration(bytes);
    let encoding = match &declared {
        Some((name, _)) => canonical(name),
        None => Encoding::Utf8,
    };
    if let (true, Some((name, at))) = (bom, &declared)
        && encoding != Encoding::Utf8
    {
        return fault(format!("encoding problem: {name} with BOM"), *at);
    }
    match encoding {
        Encoding::Utf8 => match std::str::from_utf8(bytes) {
            Ok(text) => Decoded::Text(text.to_owned()),
            Err(error) => {
                let at = error.valid_up_to();
                let byte = bytes.get(at).copied().unwrap_or(0);
                let declared = if declared.is_some() { "" } else { ", no encoding declared" };
                fault(format!("byte 0x{byte:02x} is not UTF-8{declared}"), at)
            }
        },
        Encoding::Ascii => match bytes.iter().position(|b| !b.is_ascii()) {
            Some(at) => fault("not ASCII, as the file declares".into(), at),
            None => Decoded::Text(String::from_utf8_lossy(bytes).into_owned()),
        },
        // A letter replaces every other character, so that all offsets remain.
        Encoding::SingleByte => {
            let ascii = |b: &u8| if b.is_ascii() { char::from(*b) } else { 'x' };
            Decoded::Text(bytes.iter().map(ascii).collect())
        }
        Encoding::Other => {
            let name = declared.map(|(name, _)| name).unwrap_or_default();
            Decoded::Unknown(format!("declares the encoding {name}, which is not read here"))
        }
    }
}

#[derive(PartialEq, Eq)]
enum Encoding {
    Utf8,
    Ascii,
    SingleByte,
    Other,
}

fn canonical(name: &str) -> Encoding {
    let name = name.to_ascii_lowercase().replace('_', "-");
    if name == "utf8" || name == "u8" || name == "utf" || name.starts_with("utf-8") {
        return Encoding::Utf8;
    }
    if matches!(name.as_str(), "ascii" | "us-ascii" | "646") {
        return Encoding::Ascii;
    }
    let single = name.starts_with("iso-8859-1") || name.starts_with("latin");
    if single || matches!(name.as_str(), "iso8859-1" | "l1") {
        return Encoding::SingleByte;
    }
    Encoding::Other
}

/// Finds `coding[:=]\s*NAME` in a comment on the first line, or on the second after a comment or an
/// empty line.
fn declaration(bytes: &[u8]) -> Option<(String, usize)> {
    let mut start = if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    for _ in 0..2 {
        let rest = bytes.get(start..)?;
        let length = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        let line = rest.get(..length)?;
        let blank = line.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\x0c')).count();
        match line.get(blank) {
            None => {}
            Some(b'#') => {
                if let Some((name, at)) = in_comment(line) {
                    return Some((name, start + at));
                }
            }
            Some(_) => return None,
        }
        start += length + usize::from(rest.get(length..length + 2) == Some(b"\r\n")) + 1;
    }
    None
}

fn in_comment(line: &[u8]) -> Option<(String, usize)> {
    let found = line
        .windows(7)
        .enumerate()
        .find(|(_, w)| w.starts_with(b"coding") && matches!(w.get(6), Some(b':' | b'=')));
    let mut at = found?.0 + 7;
    while matches!(line.get(at), Some(b' ' | b'\t')) {
        at += 1;
    }
    let name: String = line
        .get(at..)?
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        .map(|b| char::from(*b))
        .collect();
    (!name.is_empty()).then_some((name, at))
}
