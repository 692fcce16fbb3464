//! Masks text that people wrote: Python, nginx, units, scripts. Values that the readers marked as
//! secret are masked already; this module masks text that looks secret although no reader
//! recognised it.

use std::ops::Range;
use std::path::Path;

use super::assignments::shell_line;
use super::command::{command, generated, passwords, urls};
use super::keys;
use super::mask::Masker;
use crate::source::certificate::is_left_out;
use crate::source::python::texts::{Texts, texts};
use crate::source::secretive::is_secretive;
use crate::source::{FileId, SourceFile};

/// Endings of generated files that contain hashes and numbers by the thousand.
const MADE: [&str; 9] = ["crt", "cer", "json", "lock", "pem", "pub", "toml", "txt", "sqlite"];
/// Such files in installed packages.
const METADATA: [&str; 5] = ["METADATA", "PKG-INFO", "RECORD", "WHEEL", "INSTALLER"];

/// Masks text that looks secret.
pub(super) fn text(masker: &mut Masker, path: &Path, bytes: &mut [u8]) {
    keys::mask_private(masker, bytes);
    urls(masker, bytes);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if ending == "py" {
        return python(masker, path, bytes);
    }
    if MADE.contains(&ending) || METADATA.contains(&name) || path.starts_with("/var/lib") {
        return;
    }
    let shell = matches!(ending, "sh" | "bash" | "envrc") || bytes.starts_with(b"#!");
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        if shell {
            shell_line(masker, line);
            passwords(masker, line);
        }
        let first = line.trim_ascii_start();
        let exec = first.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"exec"));
        match exec {
            _ if is_left_out(line) => {}
            true => {
                let at = line.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
                command(masker, line.get_mut(at..).unwrap_or_default());
            }
            false => generated(masker, line),
        }
    }
}

/// Variables with the generated names of Alembic's migrations, which are shown.
const REVISIONS: [&[u8]; 4] = [b"revision", b"down_revision", b"depends_on", b"branch_labels"];

fn python(masker: &mut Masker, path: &Path, bytes: &mut [u8]) {
    let file = SourceFile::new(FileId(0), path, bytes.to_vec());
    let Some(Texts { strings, comments }) = texts(&file) else { return generated(masker, bytes) };
    for comment in comments {
        // The first two lines may contain the file's encoding.
        let line = file.position(u32::try_from(comment.start).unwrap_or(u32::MAX)).line;
        let text = bytes.get_mut(comment).unwrap_or_default();
        if line > 2 || memchr::memmem::find(text, b"coding").is_none() {
            masker.words(text, |_| false);
        }
    }
    for string in strings {
        let name = name_before(&file.bytes, string.start);
        let text = bytes.get_mut(content(&file.bytes, &string)).unwrap_or_default();
        match name {
            Some(name) if REVISIONS.contains(&name) => {}
            Some(name) if is_secretive(name) && !is_plain(text) => masker.secret(text, |_| false),
            _ => generated(masker, text),
        }
    }
}

/// The range of a string without its quotes and its prefix.
fn content(bytes: &[u8], string: &Range<usize>) -> Range<usize> {
    let text = bytes.get(string.clone()).unwrap_or_default();
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let prefix = text.iter().position(is_quote).filter(|at| *at <= 3);
    let Some(prefix) = prefix else { return string.clone() };
    let quotes = text.get(prefix..).unwrap_or_default().iter().take_while(|b| is_quote(b)).count();
    let start = prefix + quotes.min(3);
    let end = text.iter().rposition(|byte| !is_quote(byte)).map_or(start, |at| at + 1);
    string.start + start..string.start + end.max(start)
}

/// The name to which a string is assigned: `NAME = "…"`, `NAME="…"`, `"NAME": "…"`, `["NAME"] =
/// "…"`; within brackets, the name may be on an earlier line.
fn name_before(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let before = bytes.get(..at)?.trim_ascii_end();
    // Further strings on the line, and arguments of a call, belong to the same name: the line's
    // first.
    let line = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let before = before.get(line..)?;
    let sign = before.iter().rposition(|byte| matches!(byte, b'=' | b':'))?;
    let before = before.get(..sign)?.trim_ascii_end();
    let closes = |byte: &u8| matches!(byte, b'"' | b'\'' | b']' | b')');
    let end = before.iter().rposition(|byte| !closes(byte)).map_or(0, |at| at + 1);
    let before = before.get(..end)?;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let start = before.iter().rposition(|byte| !fits(byte)).map_or(0, |at| at + 1);
    before.get(start..).filter(|name| !name.is_empty())
}

/// Whether the text is the name of a variable, a class or a module, which no one would keep secret.
fn is_plain(text: &[u8]) -> bool {
    let dotted = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_');
    let capitals = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'_';
    let module = text.contains(&b'.') && text.iter().all(|b| dotted(b) || b.is_ascii_uppercase());
    text.is_empty() || module || text.iter().all(capitals)
}
