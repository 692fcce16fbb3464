//! Shells in command lines: which program is one, and which word is its script.

use crate::source::unit::exec::{ExecCommand, Word};

/// The shells that take `-c`.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "mksh"];

/// Words of a shell that are no programs.
const BUILTINS: [&str; 14] = [
    "source", ".", "cd", "export", "set", "unset", "exec", "eval", "ulimit", "umask", "alias",
    "if", "for", "while",
];

/// Is this a word that only a shell could run?
pub fn is_builtin(word: &str) -> bool {
    BUILTINS.contains(&word)
}

/// The last component of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Is this the program of a shell?
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&base_name(program))
}

/// The script of the first `sh -c SCRIPT` in a command (`env bash -lc SCRIPT` too).
pub fn script(command: &ExecCommand) -> Option<&Word> {
    let words: Vec<&Word> = std::iter::once(&command.program).chain(&command.arguments).collect();
    let at = words.iter().position(|word| is_shell(word.text.as_str()))?;
    let rest = words.get(at + 1..)?;
    let option = rest.iter().position(|word| {
        let text = word.text.as_str();
        text.starts_with('-') && !text.starts_with("--") && text.ends_with('c')
    })?;
    rest.get(option + 1).copied()
}

/// A word as it is typed in a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
