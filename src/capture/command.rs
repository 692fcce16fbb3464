//! Masks secrets in commands and their options.

use std::collections::HashSet;

use super::mask::{Masker, in_urls, is_generated, words};
use super::value::{part, value};
use crate::source::client_password;
use crate::source::gunicorn::{Action, SettingTable};
use crate::source::secretive::is_secretive;

/// Masks everything in gunicorn's arguments that gunicorn does not know, then everything that is
/// masked in any command.
pub(super) fn arguments(masker: &mut Masker, text: &mut [u8]) {
    let table = SettingTable::any_version();
    let mut hide_next = false;
    let mut numeric = false;
    let mut takes = false;
    for word in text.split_mut(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        let (name, from) = option(word);
        let Some(name) = name else {
            let number = word.iter().all(|byte| !byte.is_ascii_alphabetic());
            let wrong = std::mem::take(&mut numeric) && !number;
            // The `NAME=value` of --env is handled by `assigned`.
            let assigns = assigned(word, true).is_some();
            let given = std::mem::take(&mut takes) || assigns;
            if std::mem::take(&mut hide_next) || wrong || !given {
                masker.secret(word, |_| false);
            }
            continue;
        };
        let dashes =
            if memchr::memmem::find(word, b"--").is_some_and(|at| at <= 1) { "--" } else { "-" };
        let flag = format!("{dashes}{}", String::from_utf8_lossy(&name));
        let setting = table.settings().iter().chain(table.sometimes()).find(|setting| {
            let long = dashes == "--";
            let fits =
                |one: &&str| if long { one.starts_with(&flag) } else { flag.starts_with(*one) };
            setting.flags.iter().any(|one| fits(one) && (long || !one.starts_with("--")))
        });
        match setting {
            Some(setting) => {
                let number = matches!(setting.action, Action::Int | Action::AutoInt);
                numeric = number && from.is_none();
                // A value of --env that is not an assignment is only a part of one.
                takes = setting.takes_value() && from.is_none() && setting.name != "raw_env";
                if let Some(from) = from.filter(|_| number) {
                    let value = word.get_mut(from..).unwrap_or_default();
                    if value.iter().any(u8::is_ascii_alphabetic) {
                        masker.secret(value, |_| false);
                    }
                }
                hide_next = false;
            }
            None => {
                masker.secret(word, |_| false);
                hide_next = from.is_none();
                takes = false;
            }
        }
    }
    command(masker, text);
}

/// Masks in a command or in options: what follows `NAME=`, options whose names suggest a secret,
/// users and passwords in URLs, and generated words. Words are separated by spaces or NUL bytes.
pub(super) fn command(masker: &mut Masker, text: &mut [u8]) {
    let is_gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0;
    let mut at = 0;
    let mut hide_next = false;
    let mut assignment_next = false;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let Some(start) = rest.iter().position(|byte| !is_gap(byte)).map(|n| at + n) else { break };
        let rest = text.get(start..).unwrap_or_default();
        let end = rest.iter().position(is_gap).map_or(text.len(), |n| start + n);
        let word = text.get(start..end).unwrap_or_default().to_vec();
        let (option, from) = option(&word);
        if std::mem::take(&mut hide_next) && !word.starts_with(b"-") {
            masker.secret(part(text, &(start..end)), |_| false);
        } else if let Some((name, value_at)) = assigned(&word, std::mem::take(&mut assignment_next))
        {
            let name = name.to_vec();
            value(masker, Some(&name), part(text, &(start + value_at..end)), false);
        } else if let Some(option) = option {
            let secretive = is_secretive(&option);
            match from {
                Some(from) if secretive => {
                    masker.secret(part(text, &(start + from..end)), |_| false);
                }
                Some(_) => {}
                None => hide_next = secretive,
            }
            assignment_next = matches!(option.as_slice(), b"e" | b"env");
        }
        at = end;
    }
    passwords(masker, text);
    urls(masker, text);
    generated(masker, text);
}

/// Masks passwords that clients take in options whose names do not suggest a password.
pub(super) fn passwords(masker: &mut Masker, text: &mut [u8]) {
    for password in client_password::ranges(text) {
        masker.secret(part(text, &password), |_| false);
    }
}

/// Masks users and passwords in URLs.
pub(super) fn urls(masker: &mut Masker, text: &mut [u8]) {
    for url in in_urls(text) {
        value(masker, Some(b"PASSWORD"), part(text, &url), true);
    }
}

/// Masks words that look generated.
pub(super) fn generated(masker: &mut Masker, text: &mut [u8]) {
    let kept: HashSet<Vec<u8>> = words(text)
        .filter(|word| !is_generated(word) || masker.is_of_path(word))
        .map(<[u8]>::to_vec)
        .collect();
    masker.secret_words(text, |word| kept.contains(word));
}

/// The name of an option, and where its value begins within the word.
fn option(word: &[u8]) -> (Option<Vec<u8>>, Option<usize>) {
    let is_quote = |byte: &u8| matches!(byte, b'"' | b'\'');
    let quotes = word.iter().take_while(|byte| is_quote(byte)).count();
    let rest = word.get(quotes..).unwrap_or_default();
    let dashes = rest.iter().take_while(|byte| **byte == b'-').count();
    if dashes == 0 || dashes > 2 {
        return (None, None);
    }
    let name = rest.get(dashes..).unwrap_or_default();
    match name.iter().position(|byte| *byte == b'=') {
        Some(at) => (name.get(..at).map(<[u8]>::to_vec), Some(quotes + dashes + at + 1)),
        None => {
            let end = name.iter().rposition(|byte| !is_quote(byte)).map_or(0, |at| at + 1);
            (name.get(..end).map(<[u8]>::to_vec), None)
        }
    }
}

/// `NAME=value`, `--env=NAME=value`, `-eNAME=value`: the name, and the offset at which the value
/// begins.
fn assigned(word: &[u8], behind_env: bool) -> Option<(&[u8], usize)> {
    let begin = |at: usize| {
        let rest = word.get(at..)?;
        let quotes = rest.iter().take_while(|byte| matches!(byte, b'"' | b'\'')).count();
        let rest = rest.get(quotes..)?;
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        let name = rest.get(..length).filter(|name| !name.is_empty())?;
        (rest.get(length) == Some(&b'=')).then_some((name, at + quotes + length + 1))
    };
    let option = [b"--env=".as_slice(), b"-e"].into_iter().find(|one| word.starts_with(one));
    match option {
        Some(option) => begin(option.len()),
        None if behind_env || !word.starts_with(b"-") => begin(0),
        None => None,
    }
}
