//! The effect of `ExecReload=` on gunicorn: an interpreter for the commands that people write
//! there: `kill`, `pkill`, `systemctl` and the shell text around them.

use std::path::PathBuf;

use super::App;
use super::gunicorn::shell::{Reader, ShellValue};
use super::shell::{base_name, script};
use crate::source::unit::exec::{ExecCommand, Word};
use crate::source::unit::value::parse_signal;
use crate::source::{Lookup, Span, Text};

/// What one command does to gunicorn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// SIGHUP to the master.
    Reloads,
    /// SIGUSR2 to the master: what ends the old master after it belongs to the hand-over.
    HandsOver,
    /// Nothing.
    Nothing,
    /// Something else than a reload.
    Harms(Harm),
    /// It signals the process of a pid file, which hits the master if the file is right.
    ByPidFile {
        /// The file, where it is named by its whole path.
        file: Option<PathBuf>,
        /// Is it the signal of a hand-over?
        hands_over: bool,
    },
    /// Not known, and why.
    Unknown(String),
}

/// What is not a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Harm {
    /// `pkill` and its like hit every process of a name.
    ByName {
        /// The program.
        program: String,
        /// The signal that it sends, `SIGTERM` unless it says another; `None` if none is of that name.
        signal: Option<String>,
        /// Does it look for gunicorn, and where?
        gunicorn: Option<Sought>,
    },
    /// `systemctl kill` signals every process of the unit, with this; `None` if no signal is of that
    /// name.
    WholeUnit(Option<String>),
    /// It calls `systemctl reload`.
    WaitsForItself,
    /// It calls a restart or a stop: the verb.
    Restarts(String),
    /// `kill` gets no process.
    NoTarget,
    /// The signal goes to the process group.
    ProcessGroup,
    /// The process is looked up by its name, which the workers share.
    LookedUp,
    /// The signal goes to another process: the word that names it.
    OtherTarget(String),
    /// A signal that ends gunicorn.
    Ends(String),
    /// A signal that gunicorn takes for something else than a reload, and goes on.
    ReloadsNothing(String),
    /// A signal that gunicorn does not handle.
    OtherSignal(String),
    /// No signal at all.
    NoSignal(String),
}

/// What a program that looks processes up by name compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sought {
    /// The name of the program.
    Name,
    /// The whole command line (`pkill -f`).
    CommandLine,
}

/// Does `ExecReload=` start a second master (USR2), which imports the code again?
pub fn hands_over(app: &App) -> bool {
    app.service.exec_reload.iter().flat_map(|command| effects(app, &command.line)).any(
        |(effect, _)| {
            matches!(effect, Effect::HandsOver | Effect::ByPidFile { hands_over: true, .. })
        },
    )
}

/// A word of a command, as far as it is known.
struct Argument {
    text: String,
    unknown: Option<String>,
}

/// The effect of each simple command of a line, in order, and where it is in a script of several.
pub fn effects(app: &App, line: &ExecCommand) -> Vec<(Effect, Option<Span>)> {
    if let Some(script) = script(line) {
        return script_effects(app, script);
    }
    let expanded = !line.prefixes.no_environment;
    let words: Vec<Argument> = std::iter::once(&line.program)
        .chain(&line.arguments)
        .filter_map(|word| argument(app, word, expanded))
        .collect();
    vec![(effect(&words), None)]
}

/// A word as `kill` would see it: `$MAINPID` stays, other variables are looked up.
fn argument(app: &App, word: &Word, expanded: bool) -> Option<Argument> {
    let text = word.text.as_str().to_owned();
    let mut unknown = word.unknown.clone();
    let names = word.variables.iter().filter(|v| expanded && v.name != "MAINPID");
    for variable in names {
        match app.environment.lookup(&variable.name) {
            Lookup::Unset if variable.range.len() == text.len() => return None,
            Lookup::Unset => {}
            Lookup::Set(_) => unknown = Some(format!("{} is a variable", variable.name)),
            Lookup::Unknown(why) => unknown = Some(why),
        }
    }
    if !expanded && text.contains("MAINPID") {
        // With the prefix `:` systemd expands nothing, so kill gets the name itself.
        return Some(Argument { text: "'$MAINPID'".to_owned(), unknown });
    }
    Some(Argument { text: text.replace("$$MAINPID", "$MAINPID"), unknown })
}

fn script_effects(app: &App, script: &Word) -> Vec<(Effect, Option<Span>)> {
    if let Some(why) = &script.unknown {
        return vec![(Effect::Unknown(why.clone()), None)];
    }
    let variable = |name: &str| match (name, app.environment.lookup(name)) {
        ("MAINPID", _) => Lookup::Set(ShellValue::shown("$MAINPID")),
        (_, Lookup::Unset) => Lookup::Unset,
        (_, Lookup::Set(_)) => Lookup::Unknown(format!("{name} is a variable")),
        (_, Lookup::Unknown(why)) => Lookup::Unknown(why),
    };
    let text = modern(&script.text);
    // Then nothing behind is where it says.
    let moved = text.as_str().len() != script.text.as_str().len();
    let mut reader = Reader::new(&text);
    let mut effects = Vec::new();
    loop {
        match reader.next(&variable) {
            Ok(Some(command)) => {
                let words: Vec<Argument> = command
                    .words
                    .iter()
                    .map(|word| Argument {
                        text: word.text.as_str().replace("$$MAINPID", "$MAINPID"),
                        unknown: word.unknown.clone(),
                    })
                    .collect();
                let whole = command.words.first().zip(command.words.last());
                let part = whole.map(|(first, last)| first.span.to(last.span));
                let nowhere = Span { end: script.span.start, ..script.span };
                effects.push((effect(&words), if moved { Some(nowhere) } else { part }));
            }
            Ok(None) => break,
            Err(why) => {
                effects.push((Effect::Unknown(why), None));
                break;
            }
        }
    }
    if let [(_, part)] = effects.as_mut_slice() {
        *part = None;
    }
    effects
}

/// A script with `` `cat FILE` `` written as `$(cat FILE)`, which the reader knows.
fn modern(script: &Text) -> Text {
    let mut opens = false;
    let mut written = String::with_capacity(script.as_str().len());
    for character in script.as_str().chars() {
        if character == '`' {
            opens = !opens;
            written.push_str(if opens { "$(" } else { ")" });
        } else {
            written.push(character);
        }
    }
    Text::verbatim(script.file(), &written, script.span().start as usize)
}

/// Programs that tell gunicorn nothing.
const HARMLESS: [&str; 16] = [
    "true", ":", "echo", "printf", "sleep", "touch", "test", "[", "nginx", "logger", "date",
    "mkdir", "chown", "chmod", "rm", "cd",
];

fn effect(words: &[Argument]) -> Effect {
    let Some(program) = words.first() else { return Effect::Nothing };
    if let Some(why) = &program.unknown {
        return Effect::Unknown(why.clone());
    }
    let rest = &words[1..];
    match base_name(&program.text) {
        "exec" | "sudo" | "command" | "env" => {
            let skipped = rest.iter().take_while(|word| word.text.contains('=')).count();
            effect(&rest[skipped..])
        }
        "kill" => kill(rest),
        name @ ("pkill" | "killall" | "killall5" | "skill") => Effect::Harms(by_name(name, rest)),
        "systemctl" | "service" => service_manager(rest),
        name if HARMLESS.contains(&name) => Effect::Nothing,
        name => Effect::Unknown(format!("the effect of `{name}` in ExecReload= is not known")),
    }
}

fn service_manager(words: &[Argument]) -> Effect {
    let is = |verb: &str| words.iter().any(|word| word.text == verb);
    let main = words
        .iter()
        .any(|word| ["--kill-who=main", "--kill-whom=main", "main"].contains(&word.text.as_str()));
    if is("kill") {
        let signal = signal_option(words).unwrap_or("TERM");
        return match main {
            true => by_signal(signal),
            false => Effect::Harms(Harm::WholeUnit(parse_signal(&signal.to_ascii_uppercase()))),
        };
    }
    let verb = ["restart", "try-restart", "stop", "reload-or-restart", "force-reload", "reload"]
        .into_iter()
        .find(|verb| is(verb));
    match verb {
        // Another unit's reload does gunicorn no harm.
        _ if words.iter().any(|word| word.text.starts_with("nginx")) => Effect::Nothing,
        Some("reload") => Effect::Harms(Harm::WaitsForItself),
        Some(verb) => Effect::Harms(Harm::Restarts(verb.to_owned())),
        None => Effect::Nothing,
    }
}

/// The signal that `-s X`, `--signal X` or `--signal=X` names.
fn signal_option(words: &[Argument]) -> Option<&str> {
    let at = |word: &Argument| matches!(word.text.as_str(), "-s" | "--signal");
    words.iter().find_map(|word| word.text.strip_prefix("--signal=")).or_else(|| {
        let at = words.iter().position(at)?;
        words.get(at + 1).map(|word| word.text.as_str())
    })
}

/// `pkill -9 -f gunicorn`, `killall -s QUIT gunicorn`.
fn by_name(program: &str, words: &[Argument]) -> Harm {
    let known = |name: &str| parse_signal(&name.to_ascii_uppercase());
    // `-9` and `-KILL`; `-f` and its like are of one small letter.
    let short = |word: &Argument| {
        let name = word.text.strip_prefix('-')?;
        let is_signal = name.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
        known(name).filter(|_| is_signal)
    };
    let signal = match signal_option(words) {
        Some(name) => known(name),
        None => words.iter().find_map(short).or_else(|| known("TERM")),
    };
    let whole_line = |word: &Argument| {
        let letters = word.text.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        word.text == "--full"
            || letters.is_some_and(|all| all.contains('f') && short(word).is_none())
    };
    let gunicorn = words.iter().any(|word| word.text.contains("gunicorn")).then(|| {
        match program == "pkill" && words.iter().any(whole_line) {
            true => Sought::CommandLine,
            false => Sought::Name,
        }
    });
    Harm::ByName { program: program.to_owned(), signal, gunicorn }
}

fn kill(words: &[Argument]) -> Effect {
    let mut signal = None;
    let mut targets: Vec<&Argument> = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        match text {
            "-s" | "-n" | "--signal" if targets.is_empty() => {
                signal = words.get(at);
                at += 1;
            }
            "-l" | "-L" | "--list" => return Effect::Nothing,
            "--" => {}
            _ if text.starts_with('-') && signal.is_none() && targets.is_empty() => {
                signal = Some(word);
            }
            _ => targets.push(word),
        }
    }
    if let Some(why) = signal.and_then(|word| word.unknown.clone()) {
        return Effect::Unknown(why);
    }
    let name = signal.map_or("TERM", |word| {
        let text = word.text.as_str();
        text.strip_prefix("--signal=").unwrap_or_else(|| text.trim_start_matches('-'))
    });
    let Some(target) = targets.first() else {
        return Effect::Harms(Harm::NoTarget);
    };
    match target.text.as_str() {
        "$MAINPID" | "${MAINPID}" => by_signal(name),
        "-$MAINPID" | "-${MAINPID}" => Effect::Harms(Harm::ProcessGroup),
        text if text.starts_with("$(") && (text.contains("pgrep") || text.contains("pidof")) => {
            Effect::Harms(Harm::LookedUp)
        }
        text if text.starts_with("$(") => match by_signal(name) {
            Effect::Reloads => Effect::ByPidFile { file: printed(text), hands_over: false },
            Effect::HandsOver => Effect::ByPidFile { file: printed(text), hands_over: true },
            // Celery has a pid file, too.
            _ if !text.contains("gunicorn") => {
                Effect::Unknown("it is not known whose process the pid file names".to_owned())
            }
            other => other,
        },
        _ => match &target.unknown {
            Some(why) => Effect::Unknown(why.clone()),
            None => Effect::Harms(Harm::OtherTarget(target.text.clone())),
        },
    }
}

/// The file of `$(cat FILE)` and `$(< FILE)`.
fn printed(text: &str) -> Option<PathBuf> {
    let inside = text.strip_prefix("$(")?.strip_suffix(')')?;
    let inside = inside.replacen('<', " < ", 1);
    let words: Vec<&str> = inside.split_whitespace().collect();
    let [program, path] = words.as_slice() else { return None };
    let path = path.trim_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c);
    let prints = matches!(base_name(program), "cat" | "<" | "head");
    (prints && path.starts_with('/') && path.chars().all(plain)).then(|| path.into())
}

fn by_signal(name: &str) -> Effect {
    match parse_signal(&name.to_ascii_uppercase()).as_deref() {
        Some("SIGHUP") => Effect::Reloads,
        Some("SIGUSR2") => Effect::HandsOver,
        Some(signal @ ("SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGKILL" | "SIGABRT")) => {
            Effect::Harms(Harm::Ends(signal.to_owned()))
        }
        Some(signal @ ("SIGUSR1" | "SIGTTIN" | "SIGTTOU" | "SIGWINCH")) => {
            Effect::Harms(Harm::ReloadsNothing(signal.to_owned()))
        }
        Some(signal) => Effect::Harms(Harm::OtherSignal(signal.to_owned())),
        None if name == "0" => Effect::Nothing,
        None => Effect::Harms(Harm::NoSignal(name.to_owned())),
    }
}
