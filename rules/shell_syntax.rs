//! The parts of a unit's line that are shell syntax, but only plain text to systemd.

use crate::facts::App;
use crate::facts::service::Word;

/// Words of a shell that are no programs.
const BUILTINS: [&str; 14] = [
    "source", ".", "cd", "export", "set", "unset", "exec", "eval", "ulimit", "umask", "alias",
    "if", "for", "while",
];

/// Is this program one that only a shell could run?
pub(super) fn is_shell_program(program: &str) -> bool {
    BUILTINS.contains(&program) || program.starts_with('~') || assigns(program)
}

/// `NAME=value` in front of a command.
pub(super) fn assigns(program: &str) -> bool {
    let name = program.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// What of a word is a shell's.
pub(super) fn syntax(app: &App, word: &Word) -> Option<String> {
    let text = word.text.as_str();
    if quoted(app, word) {
        return None;
    }
    let bare = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let redirects = bare.starts_with('>') || bare.starts_with('<') || bare.starts_with("&>");
    // A template's `<placeholder>`.
    let angled = text.starts_with('<') && text.contains('>');
    if matches!(text, "&&" | "||" | "|" | "&" | ";;" | "#") || (redirects && !angled) {
        return Some(text.to_owned());
    }
    if text.starts_with('#') || (text.ends_with(';') && text.len() > 1) {
        return Some(text.to_owned());
    }
    if text.contains("$(") || text.contains('`') {
        return Some("$(…)".to_owned());
    }
    if text.starts_with("~/") || text.contains("=~/") {
        return Some("~".to_owned());
    }
    // `*` alone is a value (`--forwarded-allow-ips=*`); in a path it is a pattern.
    let pattern = text.contains('*') && text.contains('/') && text.starts_with('/');
    pattern.then(|| text.to_owned())
}

/// Was the word, or a part of it, in quotes or escaped, so that it is meant as it is?
fn quoted(app: &App, word: &Word) -> bool {
    let file = app.service.unit.files().find(|file| file.file.id == word.span.file);
    file.is_some_and(|file| {
        file.file.slice(word.span).iter().any(|byte| matches!(byte, b'"' | b'\'' | b'\\'))
    })
}
