//! Finds several assignments in one text: `NAME=value` after `NAME=value`, in a unit, an
//! environment file or a shell script.

use super::mask::{Masker, is_generated};
use super::value::{name_length, part, value};

/// Where assignments begin in a text: the range of each name, and the offset after its `=`. The `=`
/// that pads base64 begins no assignment.
fn names(text: &[u8], unit: bool) -> Vec<(std::ops::Range<usize>, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let begins = before.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''));
        let rest = text.get(at..).unwrap_or_default();
        // systemd ignores names with other characters and reports them, so they must stay visible.
        let fits = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let length = match (begins, unit) {
            (false, _) => 0,
            (true, true) if rest.starts_with(b"-") => 0,
            (true, true) => rest.iter().take_while(fits).count(),
            (true, false) => name_length(rest),
        };
        let name = rest.get(..length).unwrap_or_default();
        let follows = rest.get(length + 1);
        let capitals = name.iter().all(|byte| byte.is_ascii_uppercase() || *byte == b'_');
        let filled = follows.is_some_and(|b| *b != b'=' && !b.is_ascii_whitespace());
        if (1..=64).contains(&length)
            && rest.get(length) == Some(&b'=')
            && !is_generated(name)
            && (filled || capitals)
        {
            found.push((at..at + length, at + length + 1));
            at += length + 1;
        } else {
            at += length.max(1);
        }
    }
    found
}

/// Masks the values of all assignments in a text, and the text before the first of them.
pub(super) fn assignments(masker: &mut Masker, text: &mut [u8], unit: bool) {
    let names = names(text, unit);
    let first = names.first().map_or(text.len(), |(name, _)| name.start);
    value(masker, None, part(text, &(0..first)), unit);
    named(masker, text, &names, unit);
}

/// Masks the values that a line of a shell script assigns to variables: each up to its closing
/// quote, or to the next space.
pub(super) fn shell_line(masker: &mut Masker, line: &mut [u8]) {
    for (name, from) in names(line, false) {
        let name = line.get(name).unwrap_or_default().to_vec();
        let rest = line.get(from..).unwrap_or_default();
        let quote = rest.first().copied().filter(|byte| matches!(byte, b'"' | b'\''));
        let end = match quote {
            Some(quote) => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.iter().position(|byte| *byte == quote).map(|at| at + 2)
            }
            None => rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b';' | b')')),
        };
        let end = from + end.unwrap_or(rest.len());
        // Here, the output of another command or the value of a variable is not a secret.
        let given = rest.strip_prefix(b"\"").unwrap_or(rest).starts_with(b"$");
        if !given {
            value(masker, Some(&name), part(line, &(from..end)), false);
        }
    }
}

/// Masks a value in a unit; of an assignment in it, only the assigned value.
pub(super) fn value_with_others(masker: &mut Masker, name: &[u8], text: &mut [u8]) {
    let names = names(text, true);
    let first = names.first().map_or(text.len(), |(name, _)| name.start);
    value(masker, Some(name), part(text, &(0..first)), true);
    named(masker, text, &names, true);
}

fn named(
    masker: &mut Masker,
    text: &mut [u8],
    names: &[(std::ops::Range<usize>, usize)],
    unit: bool,
) {
    for (number, (name, from)) in names.iter().enumerate() {
        let end = names.get(number + 1).map_or(text.len(), |(next, _)| next.start);
        let name = text.get(name.clone()).unwrap_or_default().to_vec();
        value(masker, Some(&name), part(text, &(*from..end)), unit);
    }
}

/// Masks every word in a list of variable names that is not such a name.
pub(super) fn name_list(masker: &mut Masker, text: &mut [u8]) {
    let is_gap = |byte: &u8| byte.is_ascii_whitespace();
    for word in text.split_mut(is_gap) {
        match word.iter().position(|byte| *byte == b'=') {
            Some(_) => assignments(masker, word, true),
            None if name_length(word) == word.len() && !is_generated(word) => {}
            None => value(masker, None, word, true),
        }
    }
}
