//! A running command line: is it gunicorn's, and which words are its arguments?

use super::super::{Known, Why};
use crate::source::secretive::is_secretive;

/// A command line of gunicorn, as `/proc/PID/cmdline` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The interpreter; `None` if the program is not a script.
    pub interpreter: Option<String>,
    /// The script; none for `python -m gunicorn`.
    pub program: Option<String>,
    /// The words behind it.
    pub arguments: Vec<String>,
}

/// Options of Python that take the next word.
const WITH_WORD: [&str; 4] = ["-W", "-X", "--check-hash-based-pycs", "-Q"];

/// Takes a command line apart. `None` if it is not gunicorn's; unknown where gunicorn put a
/// title in its place.
pub(super) fn running(words: &[String]) -> Option<Known<Running>> {
    let first = words.first()?;
    if first.starts_with("gunicorn: ") {
        return Some(Known::Unknown(Why::not_read(
            "setproctitle put a title in the place of gunicorn's command line",
        )));
    }
    let known = |interpreter: Option<&String>, program: Option<&String>, from: usize| {
        let running = Running {
            interpreter: interpreter.cloned(),
            program: program.cloned(),
            arguments: words.get(from..).unwrap_or_default().to_vec(),
        };
        Some(Known::Observed(running, "/proc"))
    };
    if is_gunicorn(first) {
        return known(None, Some(first), 1);
    }
    if !is_python(first) {
        return None;
    }
    let mut at = 1;
    while let Some(word) = words.get(at) {
        at += 1;
        if word == "-m" {
            let module = words.get(at)?;
            let own = module == "gunicorn" || module == "gunicorn.app.wsgiapp";
            return if own { known(Some(first), None, at + 1) } else { None };
        }
        if word == "-c" {
            return None;
        }
        if WITH_WORD.contains(&word.as_str()) {
            at += 1;
        } else if !word.starts_with('-') {
            return if is_gunicorn(word) { known(Some(first), Some(word), at) } else { None };
        }
    }
    None
}

/// Is this title a master's? `None` if it is none of gunicorn's.
pub(super) fn title_of_master(words: &[String]) -> Option<bool> {
    let title = words.first()?.strip_prefix("gunicorn: ")?;
    Some(title.starts_with("master"))
}

fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_gunicorn(word: &str) -> bool {
    let name = base(word);
    let rest = name.strip_prefix("gunicorn");
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == ':'))
}

fn is_python(word: &str) -> bool {
    let name = base(word);
    name.starts_with("python") || name.starts_with("pypy")
}

/// May a process of this short name be gunicorn? A script's process has the script's name, a
/// module's the interpreter's.
pub(super) fn may_be_gunicorn(name: &str) -> bool {
    name.starts_with("gunicorn") || is_python(name)
}

/// Words of a command line as they may be shown: not the value in `NAME=value`, and not that of an
/// option whose name suggests a secret.
pub fn shown(words: &[String]) -> String {
    let mut value_of_secret = false;
    let mut hidden = |word: &String| -> String {
        let is_value = std::mem::take(&mut value_of_secret);
        if is_value && !word.starts_with('-') {
            return "***".to_owned();
        }
        let option = word.strip_prefix("--").unwrap_or_default();
        match option.split_once('=') {
            Some((name, _)) if is_secretive(name.as_bytes()) => return format!("--{name}=***"),
            Some(_) => {}
            None => value_of_secret = is_secretive(option.as_bytes()),
        }
        let from = word.strip_prefix("--env=").map_or(0, |_| "--env=".len());
        let (flag, rest) = word.split_at(from);
        match rest.split_once('=') {
            Some((name, _)) if is_variable(name) => format!("{flag}{name}=***"),
            _ => word.clone(),
        }
    };
    words.iter().map(&mut hidden).collect::<Vec<_>>().join(" ")
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

impl Running {
    /// Where this command line differs from another: the first word of the other that it does not
    /// have, by number, or the number of words that agree where it only has more.
    pub fn differs_at(&self, arguments: &[&str]) -> Option<usize> {
        let agree =
            self.arguments.iter().zip(arguments).take_while(|(mine, other)| mine == *other).count();
        (agree < self.arguments.len().max(arguments.len())).then_some(agree)
    }
}

/// Reads what was not readable as a reason.
pub(super) fn unreadable(pid: u32, what: &str, error: &crate::host::HostError) -> Why {
    use crate::host::HostErrorKind;
    match error.kind {
        HostErrorKind::PermissionDenied => {
            Why::not_read(format!("{what} of process {pid} may only be read by root or its user"))
        }
        ref kind => Why::not_read(format!("{what} of process {pid}: {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn values_of_variables_and_of_secretive_options_are_hidden() {
        let line = |text: &str| shown(&text.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(
            line("gunicorn --x-password hunter2 --api-token=t0p --env A=b --keyfile k.pem app:app"),
            "gunicorn --x-password *** --api-token=*** --env A=*** --keyfile k.pem app:app"
        );
        assert_eq!(line("gunicorn --token --bind [::]:80"), "gunicorn --token --bind [::]:80");
    }
}
