//! The program that a unit's ExecStart= really starts, behind shells and wrappers.

use std::path::{Path, PathBuf};

use super::super::environment::as_lookup;
use super::super::gunicorn::launcher::{Script, Shell as LaunchShell};
use super::super::gunicorn::{
    Launch, LaunchContext, NotLaunched, Stays, Wrapper, WrapperKind, see_through,
};
use super::super::machine::Shell;
use super::super::place::tidy;
use super::super::service::Command;
use super::super::{Environment, Machine, Place, Service};
use crate::source::gunicorn::ArgumentWord;
use crate::source::unit::{ExecCommand, expand};
use crate::source::{Lookup, Sources, Text};

/// The largest script that is looked into, in bytes.
const SCRIPT_LIMIT: u64 = 256 << 10;

/// What a unit's ExecStart starts.
#[derive(Debug)]
pub enum Launched {
    /// gunicorn, and how.
    Gunicorn(Box<Launch>),
    /// Something else, named.
    Other(String),
    /// Not known, and why.
    Unknown(String),
}

/// What ExecStart starts.
pub fn launch(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    environment: &Environment,
) -> Launched {
    let Some(last) = service.exec_start.last() else {
        return match service.unit.exec_faults.first() {
            Some((_, fault)) => Launched::Unknown(format!("ExecStart=: {fault}")),
            None if service.unit.is_refused() => {
                Launched::Unknown("systemd refuses the unit".to_owned())
            }
            None => Launched::Other("it has no ExecStart=".to_owned()),
        };
    };
    // Several are for Type=oneshot; of a unit that systemd refuses for them the one that is meant.
    let started = |command| started(sources, machine, service, environment, command);
    let others = service.exec_start.iter().rev().skip(1).map(&started);
    match started(last) {
        Launched::Gunicorn(launch) => Launched::Gunicorn(launch),
        last if service.unit.is_refused() => {
            let mut others = others.filter(|one| matches!(one, Launched::Gunicorn(_)));
            others.next().unwrap_or(last)
        }
        last => last,
    }
}

/// What one command starts.
fn started(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    environment: &Environment,
    command: &Command,
) -> Launched {
    let words: Vec<ArgumentWord> = if command.line.prefixes.no_environment {
        let plain = expand(&command.line, |_| Lookup::Unset);
        plain.into_iter().map(argument).collect()
    } else {
        let systemd = service.unit.specifiers.systemd;
        let lookup = |name: &str| match environment.lookup_in_exec(name, systemd) {
            // What `envsubst` is meant to fill in looks just so.
            Lookup::Unset if !machine.whole => {
                Lookup::Unknown(format!("${{{name}}} is set nowhere here: it may be a placeholder"))
            }
            found => found,
        };
        expand(&command.line, lookup).into_iter().map(argument).collect()
    };
    hide_assignments(sources, &words);
    let sh = match machine.shell.ok() {
        Some(Shell::Dash) => Some(LaunchShell::Dash),
        Some(Shell::Bash) => Some(LaunchShell::Bash),
        _ => None,
    };
    let context = LaunchContext {
        sh,
        variable: &|name| as_lookup(environment.seen_by_gunicorn(None, name)),
        script: &|path| script(sources, machine, service, path),
    };
    let once = service.kind().ok().is_some_and(|kind| kind == "oneshot");
    match see_through(&words, &context) {
        // Besides the unit that serves: it looks at the settings before a start or a reload.
        Ok(launch) if once && only_looks(&launch) => {
            Launched::Other("it only makes gunicorn check its settings, Type=oneshot".to_owned())
        }
        Ok(mut launch) => {
            if command.line.prefixes.user_shell {
                launch.wrappers.insert(0, user_shell(sources, machine, service, &command.line));
            }
            Launched::Gunicorn(Box::new(launch))
        }
        Err(NotLaunched::NotGunicorn) => {
            let program = command.line.program.text.as_str();
            Launched::Other(format!("it runs {program}"))
        }
        // What is done once is not a server, whatever the script is called: a backup, a migration.
        Err(NotLaunched::Unknown(_)) if once => {
            let program = command.line.program.text.as_str();
            Launched::Other(format!("it runs {program} once, Type=oneshot"))
        }
        Err(NotLaunched::Unknown(why)) => Launched::Unknown(why),
    }
}

/// Is one of gunicorn's words an option with which it looks, tells and ends?
fn only_looks(launch: &Launch) -> bool {
    const LOOKS: [&str; 6] =
        ["--check-config", "--print-config", "--version", "-v", "--help", "-h"];
    launch.arguments.iter().any(|word| LOOKS.contains(&word.text.as_str()))
}

/// The prefix `|`: the login shell of `User=` runs the line as its `-c` text; `/bin/sh` where that is
/// nologin. bash then makes way, dash stays (measured on 262).
fn user_shell(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    line: &ExecCommand,
) -> Wrapper {
    let account = service.user.ok().and_then(|user| machine.accounts.ok()?.user(&user.name));
    let shell = account.map(|account| account.shell.as_path());
    let file = |path: &Path| {
        let resolved = sources.host().look(path).resolved;
        resolved.file_name().unwrap_or_default().to_string_lossy().into_owned()
    };
    let none = ["nologin", "false", ""];
    let (name, kind) = match shell.map(file) {
        Some(name) if none.contains(&name.as_str()) => match machine.shell.ok() {
            Some(Shell::Dash) => ("dash".to_owned(), WrapperKind::Dash),
            Some(Shell::Bash) => ("bash".to_owned(), WrapperKind::Bash),
            _ => ("/bin/sh".to_owned(), WrapperKind::Sh),
        },
        Some(name) if name == "dash" => (name, WrapperKind::Dash),
        Some(name) if name == "bash" => (name, WrapperKind::Bash),
        Some(name) => (name.clone(), WrapperKind::Other(name)),
        None => ("the user's shell".to_owned(), WrapperKind::Sh),
    };
    let stays = match kind {
        WrapperKind::Dash => Stays::Always,
        WrapperKind::Bash => Stays::Never,
        _ => Stays::Depends(format!("the prefix | lets {name} run the line")),
    };
    Wrapper { kind, stays, forwards_hup: Some(false), span: line.span, exec_at: None }
}

fn argument(word: crate::source::unit::ExpandedWord) -> ArgumentWord {
    ArgumentWord {
        text: word.text.unwrap_or(word.written),
        span: word.span,
        secret: word.secret,
        unknown: word.unknown,
        many: word.splits,
    }
}

/// `NAME=value` in a command line (`env A=b`, `--env A=b`, `A=b gunicorn` in a script): the value
/// is a variable's, and is not shown.
fn hide_assignments(sources: &Sources, words: &[ArgumentWord]) {
    for word in words {
        let text = word.text.as_str();
        for (at, _) in text.match_indices('=') {
            let before = &text[..at];
            let name = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next();
            let is_variable = name.is_some_and(|name| {
                name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
                    && !name.chars().any(|c| c.is_ascii_lowercase())
            });
            if !is_variable {
                continue;
            }
            let rest = &text[at + 1..];
            let whole = at + 1 + rest.len();
            // In a script other words follow; a word of its own is the value to its end.
            let is_script = text[..at].contains(char::is_whitespace);
            let end = match rest.find(char::is_whitespace) {
                Some(length) if is_script && !rest.starts_with(['"', '\'']) => at + 1 + length,
                Some(_) if is_script => closing_quote(text, at + 1),
                _ => whole,
            };
            sources.hide(word.text.span_of(at + 1..end));
        }
    }
}

fn closing_quote(text: &str, from: usize) -> usize {
    let quote = text.as_bytes().get(from).copied().unwrap_or(b' ');
    let rest = text.as_bytes().get(from + 1..).unwrap_or_default();
    match rest.iter().position(|byte| *byte == quote) {
        Some(length) => from + 1 + length + 1,
        None => text.len(),
    }
}

/// The text of a program that may be a script.
fn script(sources: &Sources, machine: &Machine, service: &Service, path: &str) -> Script {
    let base = service.working_directory.ok().and_then(Option::as_ref);
    let path = match base {
        _ if path.starts_with('/') => PathBuf::from(path),
        Some(base) => tidy(&base.path.join(path)),
        None => return Script::Unknown(format!("{path} was not read")),
    };
    let place = Place::look(sources.host(), &path, machine.owners_known);
    let Some(metadata) = place.metadata() else {
        return Script::Unknown(format!("{} was not read", path.display()));
    };
    if metadata.size > SCRIPT_LIMIT {
        return Script::Other;
    }
    match sources.load(&path) {
        Ok(file) if file.bytes.starts_with(b"#!") => match std::str::from_utf8(&file.bytes) {
            Ok(text) => Script::Text(Text::verbatim(file.id, text, 0)),
            Err(_) => Script::Unknown(format!("{} is not UTF-8", path.display())),
        },
        Ok(_) => Script::Other,
        Err(error) => Script::Unknown(error.to_string()),
    }
}
