//! Shells in command lines: which program is one, and which word is its script.

use crate::source::unit::exec::{ExecCommand, Word};

/// The shells that take `-c`.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "ash", "ksh", "zsh", "mksh"];

/// The last component of a path.
pub fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Is this the program of a shell?
pub fn is_shell(program: &str) -> bool {
    SHELLS.contains(&base_name(program))
}

/// What a shell is told to run, by its place among the words behind the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellTask {
    /// The text behind `-c`.
    Text(usize),
    /// A file.
    File(usize),
}

/// Passes over a shell's options; nothing for a shell that reads its input.
pub fn task<'w>(words: impl IntoIterator<Item = &'w str>) -> Option<ShellTask> {
    let mut words = words.into_iter().enumerate();
    let mut of = ShellTask::File as fn(usize) -> ShellTask;
    loop {
        let (at, word) = words.next()?;
        if word == "--" {
            return words.next().map(|(at, _)| of(at));
        }
        if !word.starts_with(['-', '+']) || word.len() < 2 {
            return Some(of(at));
        }
        let letters = if word.starts_with("--") { "" } else { word };
        if letters.starts_with('-') && letters.contains('c') {
            of = ShellTask::Text;
        } else if letters.starts_with('-') && letters.contains('s') {
            return None;
        }
        if letters.ends_with(['o', 'O']) || matches!(word, "--rcfile" | "--init-file") {
            words.next();
        }
    }
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

#[cfg(test)]
mod tests {
    use super::{ShellTask, task};

    #[test]
    fn what_a_shell_is_told_to_run() {
        let told = |line: &'static str| task(line.split(' '));
        assert_eq!(told("-e run.sh now"), Some(ShellTask::File(1)));
        assert_eq!(told("-lc text"), Some(ShellTask::Text(1)));
        assert_eq!(told("-o pipefail -c text"), Some(ShellTask::Text(3)));
        assert_eq!(told("--rcfile x -- -c"), Some(ShellTask::File(3)));
        assert_eq!(told("+e --login run.sh"), Some(ShellTask::File(2)));
        assert_eq!((told("-s run.sh"), told("-e")), (None, None));
    }
}
