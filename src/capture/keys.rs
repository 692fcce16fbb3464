//! Masks private keys and other private content in a machine's own files.

use super::mask::Masker;
use crate::source::certificate::private_keys;

/// Masks the private keys in a text whose line structure must be kept.
pub(super) fn mask_private(masker: &mut Masker, bytes: &mut [u8]) {
    for range in private_keys(bytes) {
        let Some(block) = bytes.get_mut(range) else { continue };
        let first = block.iter().position(|b| *b == b'\n').unwrap_or(block.len());
        let last = block.iter().rposition(|b| *b == b'\n').unwrap_or(block.len());
        // A key on one line, with `\n` written out, has its first and last line in that line.
        let (from, to) = match first < last {
            true => (first, last),
            false => (27.min(block.len()), block.len()),
        };
        masker.words(block.get_mut(from..to).unwrap_or_default(), |word| {
            matches!(word, b"END" | b"PRIVATE" | b"KEY" | b"RSA" | b"EC" | b"OPENSSH" | b"n")
        });
    }
}

/// Masks passwords and people's names in `/etc/passwd` and similar files.
pub(super) fn accounts(masker: &mut Masker, bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        let fields = line.split_mut(|byte| *byte == b':');
        for (number, field) in fields.enumerate() {
            match number {
                1 if !matches!(&*field, b"" | b"x" | b"*" | b"!" | b"!!") => {
                    masker.words(field, |_| false);
                }
                4 => masker.words(field, |_| false),
                _ => {}
            }
        }
    }
}

/// Reduces a program or another binary file to what is looked for in it: nginx's version.
pub(super) fn cut_program(bytes: &[u8]) -> Vec<u8> {
    const BEFORE: usize = 2;
    const BEHIND: usize = 80;
    const MOST: usize = 400;
    // The first line of a script names its interpreter, whatever follows.
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let head = if bytes.starts_with(b"#!") { line.min(256) } else { 4.min(bytes.len()) };
    let mut kept = bytes.get(..head).unwrap_or_default().to_vec();
    if bytes.starts_with(b"#!") {
        kept.push(b'\n');
    }
    let mut until = 0;
    for at in memchr::memmem::find_iter(bytes, b"nginx").take(MOST) {
        let start = at.saturating_sub(BEFORE).max(until);
        let end = (at + BEHIND).min(bytes.len());
        if start > until {
            kept.push(0);
        }
        kept.extend_from_slice(bytes.get(start..end).unwrap_or_default());
        until = end.max(until);
    }
    kept.push(0);
    kept
}

/// The metadata of an installed package, without its description.
pub(super) fn cut_description(bytes: &[u8]) -> Vec<u8> {
    let ends = [b"\n\n".as_slice(), b"\r\n\r\n"];
    let end = ends.iter().filter_map(|end| Some(memchr::memmem::find(bytes, end)? + end.len()));
    bytes.get(..end.min().unwrap_or(bytes.len())).unwrap_or_default().to_vec()
}

/// A list of packages, reduced to those that are looked for.
pub(super) fn cut_packages(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let wanted = |stanza: &&str| {
        stanza.lines().any(|line| {
            let name = line.strip_prefix("Package: ").or_else(|| line.strip_prefix("P:"));
            name.is_some_and(|name| name.starts_with("nginx"))
        })
    };
    let kept: Vec<&str> = text.split("\n\n").filter(wanted).collect();
    kept.join("\n\n").into_bytes()
}
