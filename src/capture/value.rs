//! Masks a variable's value except for the parts that the rules use and nobody can misuse.

use super::command::{arguments, command};
use super::mask::{Masker, words};
use super::names::{NEEDED, PLACEHOLDERS, PLAIN, SCHEMES, is_number, is_word_of};
use crate::source::secretive::{PLACEHOLDER_PARTS, is_secretive};

/// The schemes of URLs in a value: `postgresql+psycopg2://`.
fn schemes(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'_');
    let ends = memchr::memmem::find_iter(text, b"://");
    let scheme = |end: usize| {
        let before = text.get(..end)?;
        let start = before.iter().rposition(|byte| !fits(byte)).map_or(0, |at| at + 1);
        let scheme = before.get(start..)?;
        let known = scheme.split(|byte| *byte == b'+').all(|part| is_word_of(&SCHEMES, part));
        known.then_some(start..end)
    };
    ends.filter_map(scheme).collect()
}

/// The escapes in a value, which affect how it is read: `\n`, `\x41`; with `specifiers`, also those
/// of systemd, such as `%h`.
fn escapes(text: &[u8], specifiers: bool) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let length = match (byte, text.get(at + 1)) {
            (b'\\', Some(b'x')) => 4,
            (b'\\', Some(b'u')) => 6,
            (b'\\', Some(b'U')) => 10,
            (b'\\', Some(b'0'..=b'7')) => 4,
            (b'\\', Some(_)) => 2,
            (b'%', Some(_)) if specifiers => 2,
            _ => 1,
        };
        if length > 1 {
            found.push(at..(at + length).min(text.len()));
        }
        at += length;
    }
    found
}

/// The names of variables that a value contains, if these variables are set: `$HOME`, `${HOME}`.
fn names_of_others(masker: &Masker, text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let name = |at: usize| {
        let rest = text.get(at + 1..)?;
        let braces = usize::from(rest.first() == Some(&b'{'));
        let rest = rest.get(braces..)?;
        let name = rest.get(..name_length(rest))?;
        let start = at + 1 + braces;
        let known = std::str::from_utf8(name).is_ok_and(|name| NEEDED.contains(&name));
        (known || masker.variables.contains(name)).then_some(start..start + name.len())
    };
    memchr::memchr_iter(b'$', text).filter_map(name).collect()
}

/// The length of the variable name that begins here; 0 if there is none.
pub(super) fn name_length(text: &[u8]) -> usize {
    match text.first() {
        Some(first) if first.is_ascii_alphabetic() || *first == b'_' => {
            text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
        }
        _ => 0,
    }
}

/// A part of a text, to be changed separately from the rest.
pub(super) fn part<'t>(text: &'t mut [u8], range: &std::ops::Range<usize>) -> &'t mut [u8] {
    text.get_mut(range.clone()).unwrap_or_default()
}

/// Whether a value names files: one path, or several separated by colons.
fn is_path(value: &[u8]) -> bool {
    let begins = [b"/".as_slice(), b"./", b"../", b"~/", b"%h/"];
    begins.iter().any(|begin| value.starts_with(begin)) && !value.starts_with(b"//")
}

/// Masks the value of a variable, including its quotes and whatever else follows its `=`.
pub(super) fn value(masker: &mut Masker, name: Option<&[u8]>, text: &mut [u8], unit: bool) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'') || byte.is_ascii_whitespace();
    let from = text.iter().position(|byte| !is_quote(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|byte| !is_quote(byte)).map_or(from, |at| at + 1);
    let bare = text.get(from..to).unwrap_or_default().to_vec();
    if is_word_of(&PLAIN, &bare) {
        return;
    }
    let secretive = name.is_some_and(is_secretive);
    let known = name.and_then(|name| std::str::from_utf8(name).ok());
    let needed = known.is_some_and(|name| NEEDED.contains(&name) || masker.needed.contains(name));
    if needed && !secretive {
        match known {
            Some("GUNICORN_CMD_ARGS") => return arguments(masker, text),
            // A number, or a typo of one.
            Some(name) if is_number(name) && bare.iter().all(u8::is_ascii_digit) => return,
            Some(name) if is_number(name) => {}
            _ => return command(masker, text),
        }
    }
    let mut kept = schemes(text);
    kept.extend(escapes(text, unit));
    kept.extend(names_of_others(masker, text));
    kept.sort_by_key(|range| range.start);
    let path = !secretive && is_path(&bare);
    let paths: std::collections::HashSet<Vec<u8>> =
        words(&bare).filter(|word| path && masker.is_of_path(word)).map(<[u8]>::to_vec).collect();
    let keep = |word: &[u8]| is_word_of(&PLACEHOLDERS, word) || paths.contains(word);
    let mut at = 0;
    let end = text.len();
    for range in kept.into_iter().chain(std::iter::once(end..end)) {
        if range.start < at {
            continue;
        }
        around_placeholders(masker, part(text, &(at..range.start)), &keep);
        at = range.end;
    }
}

/// Masks words, but in a word that contains part of a placeholder, that part is kept.
fn around_placeholders(masker: &mut Masker, text: &mut [u8], keep: &dyn Fn(&[u8]) -> bool) {
    let lower = text.to_ascii_lowercase();
    let found = PLACEHOLDER_PARTS.iter().find_map(|one| {
        let at = memchr::memmem::find(&lower, one.as_bytes())?;
        Some(at..at + one.len())
    });
    match found {
        Some(found) => {
            let end = text.len();
            masker.words(part(text, &(0..found.start)), keep);
            masker.words(part(text, &(found.end..end)), keep);
        }
        None => masker.secret(text, keep),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(name: &str, text: &str) -> String {
        let mut masker = Masker::default();
        masker.path(b"/srv/myapp/current");
        let mut bytes = text.as_bytes().to_vec();
        value(&mut masker, Some(name.as_bytes()), &mut bytes, false);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_the_rules_go_by_stays() {
        for (name, text, wanted) in [
            ("WEB_CONCURRENCY", "4", "4"),
            ("DEBUG", "'true'", "'true'"),
            ("PIN", "1234", "9999"),
            ("X", "\"a b\" # c", "\"m n\" # o"),
            ("DATABASE_URL", "postgres://u:p@db/x", "postgres://m:n@ma/o"),
            ("DATABASE_URL", "postgresql+psycopg2://u", "postgresql+psycopg2://m"),
            ("ROOT", "/srv/myapp/hidden", "/srv/myapp/masked"),
            ("API_TOKEN", "/srv/myapp", "/mas/maske"),
            ("SECRET_KEY", "changeme", "changeme"),
            ("SECRET_KEY", "xychangeme12", "machangeme99"),
            ("SECRET_KEY", "your-secret-key-17", "your-secret-key-99"),
            ("GUNICORN_CMD_ARGS", "--workers 3 --env A=b", "--workers 3 --env A=m"),
            ("GUNICORN_CMD_ARGS", "-e A=b --x-token=c --key d", "-e A=o --m-maske=n --key p"),
            ("A", "x\\ny%h", "m\\nn%o"),
        ] {
            assert_eq!(masked(name, text), wanted, "{name}={text}");
        }
    }
}
