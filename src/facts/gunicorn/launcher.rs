//! Sees through what `ExecStart=` runs down to gunicorn itself, and says what stays between
//! systemd and gunicorn's master.
//!
//! Measured: dash never execs the last command of `-c`; bash does when it is a simple command
//! without redirection, also after `&&`, `||` and `;`, and not in a pipe nor before anything else;
//! neither does for a script file. `exec` does in both.

use super::shell::{Command, Joint, Reader, Variable};
use super::wrappers::{self, Spec};
use crate::source::gunicorn::ArgumentWord;
use crate::source::python::Lookup;
use crate::source::{FileId, Secret, Span, Text};

/// Does a wrapper stay gunicorn's parent, so that signals for the main process reach it instead?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stays {
    /// It makes way.
    Never,
    /// It stays.
    Always,
    /// It depends, and on what.
    Depends(String),
}

/// What kind of wrapper it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrapperKind {
    /// `dash`
    Dash,
    /// `bash`
    Bash,
    /// `sh`, which may be either.
    Sh,
    /// `env`
    Env,
    /// `poetry run`
    PoetryRun,
    /// `pipenv run`
    PipenvRun,
    /// `uv run`
    UvRun,
    /// Any other, by its name.
    Other(String),
}

/// One program between systemd and gunicorn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapper {
    /// Which.
    pub kind: WrapperKind,
    /// Does it stay?
    pub stays: Stays,
    /// Does it pass SIGHUP on, where it stays? Nothing where that is not known.
    pub forwards_hup: Option<bool>,
    /// Where it stands.
    pub span: Span,
    /// Where an `exec` makes this shell give way; none where that would change more than that.
    pub exec_at: Option<Span>,
}

/// How gunicorn is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The path or name of the gunicorn program; none for `python -m gunicorn`.
    pub gunicorn: Option<ArgumentWord>,
    /// The Python interpreter, where it is named.
    pub interpreter: Option<ArgumentWord>,
    /// The words behind it.
    pub arguments: Vec<ArgumentWord>,
    /// Where the way leads by `cd`; relative to the unit's working directory unless absolute.
    pub working_directory: Option<ArgumentWord>,
    /// Variables set on the way.
    pub environment: Vec<(String, Secret, Span)>,
    /// Variables set on the way whose value is not known.
    pub environment_unknown: Vec<(String, String, Span)>,
    /// Variables taken away on the way.
    pub unset: Vec<String>,
    /// `env -i`: nothing else is left.
    pub cleared: bool,
    /// Files that a shell reads on the way (`. venv/bin/activate`): they may set any variable.
    pub sourced: Vec<ArgumentWord>,
    /// What is between, outermost first.
    pub wrappers: Vec<Wrapper>,
    /// The scripts on the way, each from its first byte on.
    pub scripts: Vec<Text>,
}

impl Launch {
    /// The outermost wrapper that stays or may stay; else the outermost one.
    pub fn wrapper(&self) -> Option<&Wrapper> {
        let of = |test: fn(&Stays) -> bool| self.wrappers.iter().find(|w| test(&w.stays));
        of(|stays| *stays == Stays::Always)
            .or_else(|| of(|stays| matches!(stays, Stays::Depends(_))))
            .or_else(|| self.wrappers.first())
    }

    /// Is gunicorn's master the main process?
    pub fn stays(&self) -> Stays {
        self.wrapper().map_or(Stays::Never, |wrapper| wrapper.stays.clone())
    }
}

/// Why there is no [`Launch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLaunched {
    /// It runs something else.
    NotGunicorn,
    /// It cannot be told, and why.
    Unknown(String),
}

/// Which shell `/bin/sh` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// Debian's, Ubuntu's.
    Dash,
    /// Fedora's, Arch's.
    Bash,
}

/// The text of a program that may be a script.
#[derive(Debug, Clone)]
pub enum Script {
    /// A script, `#!` included.
    Text(Text),
    /// A compiled program, or a script in another language.
    Other,
    /// Not read, and why.
    Unknown(String),
}

/// What is known around the command.
pub struct LaunchContext<'a> {
    /// Which shell `/bin/sh` is.
    pub sh: Option<Shell>,
    /// The unit's environment.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// The text behind a path.
    pub script: &'a dyn Fn(&str) -> Script,
}

/// How many wrappers are followed.
const DEPTH: usize = 8;
/// How many commands of a script are looked at.
const COMMANDS: usize = 400;

/// Follows the words of an `ExecStart=` down to gunicorn.
pub fn see_through(
    words: &[ArgumentWord],
    context: &LaunchContext<'_>,
) -> Result<Launch, NotLaunched> {
    Walker { context, launch: empty(), depth: 0, tainted: None }.follow(words.to_vec())
}

fn empty() -> Launch {
    Launch {
        gunicorn: None,
        interpreter: None,
        arguments: Vec::new(),
        working_directory: None,
        environment: Vec::new(),
        environment_unknown: Vec::new(),
        unset: Vec::new(),
        cleared: false,
        sourced: Vec::new(),
        wrappers: Vec::new(),
        scripts: Vec::new(),
    }
}

#[derive(Clone)]
struct Walker<'a> {
    context: &'a LaunchContext<'a>,
    launch: Launch,
    depth: usize,
    /// A sourced file may have set any variable.
    tainted: Option<String>,
}

/// The program's name without its directory; also of `${VENV}/bin/gunicorn`.
fn base_name(word: &ArgumentWord) -> &str {
    let name = word.text.as_str().rsplit('/').next().unwrap_or_default();
    let certain = word.unknown.is_none() || !name.contains(['$', '{', '}', '%', '`', '*', '?']);
    if certain { name } else { "" }
}

fn is_gunicorn(name: &str) -> bool {
    name.strip_prefix("gunicorn")
        .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-')))
}

fn is_python(name: &str) -> bool {
    ["python", "pypy"].iter().any(|prefix| {
        name.strip_prefix(prefix)
            .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
    })
}

impl Walker<'_> {
    fn follow(mut self, mut words: Vec<ArgumentWord>) -> Result<Launch, NotLaunched> {
        loop {
            self.depth += 1;
            if self.depth > DEPTH {
                return Err(NotLaunched::Unknown("too many wrappers".into()));
            }
            let Some(program) = words.first().cloned() else {
                return Err(NotLaunched::NotGunicorn);
            };
            let name = base_name(&program).to_owned();
            if is_gunicorn(&name) {
                self.launch.gunicorn = Some(program);
                self.launch.arguments = words.split_off(1);
                return Ok(self.launch);
            }
            if is_python(&name) {
                match self.python(words)? {
                    Some(rest) => words = rest,
                    None => return Ok(self.launch),
                }
                continue;
            }
            if matches!(name.as_str(), "sh" | "dash" | "bash" | "ash" | "zsh" | "ksh") {
                return self.shell(&program, &name, &words);
            }
            if name == "env" {
                words = self.env(words)?;
            } else if name == "su" {
                return self.su(&program, &words);
            } else if let Some(spec) = wrappers::find(&name) {
                words = self.wrapped(spec, &name, words)?;
            } else {
                return self.other(&program, &name, &words);
            }
        }
    }

    fn wrap(&mut self, kind: WrapperKind, stays: Stays, hup: Option<bool>, span: Span) {
        self.launch.wrappers.push(Wrapper { kind, stays, forwards_hup: hup, span, exec_at: None });
    }

    fn set(&mut self, name: &str, value: &ArgumentWord) {
        self.launch.unset.retain(|unset| unset != name);
        match value.value() {
            Some(text) => {
                let secret = Secret::new(text.as_bytes());
                self.launch.environment.push((name.to_owned(), secret, value.span));
            }
            None => {
                let why = value.unknown.clone().unwrap_or_default();
                self.launch.environment_unknown.push((name.to_owned(), why, value.span));
            }
        }
    }

    /// `python … -m gunicorn`, `python /venv/bin/gunicorn`; other words to follow for `-m` of a
    /// wrapper.
    fn python(
        &mut self,
        words: Vec<ArgumentWord>,
    ) -> Result<Option<Vec<ArgumentWord>>, NotLaunched> {
        let mut at = 1;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            let rest = |from: usize| words.get(from..).unwrap_or_default().to_vec();
            if word.unknown.is_some() && !is_gunicorn(base_name(word)) {
                let why = word.unknown.clone().unwrap_or_default();
                return Err(NotLaunched::Unknown(why));
            }
            let (module, next) = match text {
                "-m" => (words.get(at + 1).map(|m| m.text.as_str()), at + 2),
                "-W" | "-X" | "-Q" | "--check-hash-based-pycs" => {
                    at += 2;
                    continue;
                }
                "-c" | "-" => return Err(NotLaunched::NotGunicorn),
                _ if text.starts_with("-m") => (text.get(2..), at + 1),
                _ if text.starts_with('-') => {
                    // `-um gunicorn`: switches and `-m` in one word.
                    let joined = !text.starts_with("--") && text.ends_with('m');
                    if joined {
                        (words.get(at + 1).map(|m| m.text.as_str()), at + 2)
                    } else {
                        at += 1;
                        continue;
                    }
                }
                _ => {
                    if is_gunicorn(base_name(word)) {
                        self.launch.interpreter = words.first().cloned();
                        self.launch.gunicorn = Some(word.clone());
                        self.launch.arguments = rest(at + 1);
                        return Ok(None);
                    }
                    // A console script of a wrapper: `python /usr/bin/poetry run …`.
                    return match wrappers::find(base_name(word)) {
                        Some(_) => Ok(Some(rest(at))),
                        None => Err(NotLaunched::NotGunicorn),
                    };
                }
            };
            return match module {
                Some("gunicorn" | "gunicorn.app.wsgiapp" | "gunicorn.__main__") => {
                    self.launch.interpreter = words.first().cloned();
                    self.launch.arguments = rest(next);
                    Ok(None)
                }
                Some(module) if wrappers::find(module).is_some() => Ok(Some(rest(next - 1))),
                _ => Err(NotLaunched::NotGunicorn),
            };
        }
        Err(NotLaunched::NotGunicorn)
    }

    fn env(&mut self, words: Vec<ArgumentWord>) -> Result<Vec<ArgumentWord>, NotLaunched> {
        let span = words.first().map_or(NOWHERE, |word| word.span);
        self.wrap(WrapperKind::Env, Stays::Never, None, span);
        let mut at = 1;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            let next = || words.get(at + 1);
            match text {
                "-i" | "-" | "--ignore-environment" => self.launch.cleared = true,
                "-u" | "--unset" => {
                    self.launch.unset.extend(next().map(|name| name.text.as_str().to_owned()));
                    at += 1;
                }
                "-C" | "--chdir" => {
                    if let Some(directory) = next() {
                        self.change_directory(&directory.clone());
                    }
                    at += 1;
                }
                "--" => {
                    at += 1;
                    break;
                }
                _ if text.starts_with("--unset=") => {
                    self.launch.unset.push(text.trim_start_matches("--unset=").to_owned());
                }
                _ if text.starts_with("-S") || text.starts_with("--split-string") => {
                    return Err(NotLaunched::Unknown("`env -S` is not followed".into()));
                }
                _ if text.starts_with('-') => {}
                _ => match assignment(word) {
                    Some((name, value)) => self.set(&name, &value),
                    None => break,
                },
            }
            at += 1;
        }
        // What follows `--` may still be assignments.
        while let Some((name, value)) = words.get(at).and_then(assignment) {
            self.set(&name, &value);
            at += 1;
        }
        Ok(words.get(at..).unwrap_or_default().to_vec())
    }

    fn wrapped(
        &mut self,
        spec: &Spec,
        name: &str,
        words: Vec<ArgumentWord>,
    ) -> Result<Vec<ArgumentWord>, NotLaunched> {
        let span = words.first().map_or(NOWHERE, |word| word.span);
        let mut at = 1;
        let mut left = spec.positionals;
        let mut subcommand = spec.subcommand;
        let mut execs = false;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            if text == "--" {
                at += 1;
                if left == 0 && subcommand.is_none() {
                    break;
                }
                continue;
            }
            if text.starts_with('-') && text.len() > 1 {
                if word.unknown.is_some() && !text.contains('=') {
                    let why = format!("an option of {name} is not known");
                    return Err(NotLaunched::Unknown(why));
                }
                // `flock -F`, `uv run --directory D`, `uv run -m gunicorn`.
                execs |= matches!(text, "-F" | "--no-fork");
                let directory = matches!(text, "--directory" | "-C" | "--chdir" | "--cwd");
                if directory && let Some(value) = words.get(at + 1).cloned() {
                    self.change_directory(&value);
                }
                if matches!(text, "-m" | "--module") && name == "uv" {
                    break;
                }
                at += if spec.values.contains(&text) { 2 } else { 1 };
                continue;
            }
            if let Some(wanted) = subcommand {
                if text != wanted {
                    return Err(NotLaunched::NotGunicorn);
                }
                subcommand = None;
                at += 1;
                continue;
            }
            if matches!(name, "sudo")
                && let Some((name, value)) = assignment(word)
            {
                self.set(&name, &value);
                at += 1;
                continue;
            }
            if left == 0 {
                break;
            }
            left -= 1;
            at += 1;
        }
        let kind = match name {
            "poetry" => WrapperKind::PoetryRun,
            "pipenv" => WrapperKind::PipenvRun,
            "uv" => WrapperKind::UvRun,
            other => WrapperKind::Other(other.to_owned()),
        };
        let stays = if execs && name == "flock" { Stays::Never } else { spec.behaviour.stays() };
        self.wrap(kind, stays, spec.forwards_hup, span);
        let rest = words.get(at..).unwrap_or_default().to_vec();
        // `uv run -m gunicorn` is `python -m gunicorn`.
        if rest.first().is_some_and(|word| matches!(word.text.as_str(), "-m" | "--module")) {
            let module = rest.get(1).map(|word| word.text.as_str());
            if matches!(module, Some("gunicorn" | "gunicorn.app.wsgiapp")) {
                let mut python = rest.clone();
                if let Some(first) = python.first_mut() {
                    first.text = named(&first.text, "-m");
                }
                let first = first_of(&rest);
                let text = named(&first.text, "python");
                let interpreter = ArgumentWord { text, ..first };
                python.insert(0, interpreter);
                return Ok(python);
            }
            return Err(NotLaunched::NotGunicorn);
        }
        Ok(rest)
    }

    /// `su [-] [USER] -c 'text'`.
    fn su(mut self, program: &ArgumentWord, words: &[ArgumentWord]) -> Result<Launch, NotLaunched> {
        self.wrap(WrapperKind::Other("su".into()), Stays::Always, Some(false), program.span);
        let at = words.iter().position(|w| matches!(w.text.as_str(), "-c" | "--command"));
        match at.and_then(|at| words.get(at + 1)) {
            // Which shell the user has is not known; su stays in any case.
            Some(text) => self.text(&text.text.clone(), None),
            None => Err(NotLaunched::Unknown("what su runs is not followed".into())),
        }
    }

    /// A program that is none of those: a script, or something that may start gunicorn.
    fn other(
        mut self,
        program: &ArgumentWord,
        name: &str,
        words: &[ArgumentWord],
    ) -> Result<Launch, NotLaunched> {
        let mut later = words.iter().enumerate().skip(1);
        let found = later.find(|(_, word)| {
            word.text.as_str().contains("/gunicorn") && is_gunicorn(base_name(word))
        });
        if name == "flock" || found.is_some() {
            let (stays, at) = match name {
                "flock" => {
                    let execs = words.iter().any(|w| matches!(w.text.as_str(), "-F" | "--no-fork"));
                    (if execs { Stays::Never } else { Stays::Always }, found.map(|(at, _)| at))
                }
                _ => {
                    let why = format!("what `{name}` does is not known");
                    (Stays::Depends(why), found.map(|(at, _)| at))
                }
            };
            if let Some(at) = at {
                self.wrap(WrapperKind::Other(name.to_owned()), stays, None, program.span);
                return self.follow(words.get(at..).unwrap_or_default().to_vec());
            }
        }
        let Some(path) = program.value() else {
            let why = program.unknown.clone().unwrap_or_default();
            return Err(NotLaunched::Unknown(why));
        };
        match (self.context.script)(path) {
            Script::Text(text) => {
                let first = text.as_str().lines().next().unwrap_or_default().to_owned();
                let Some(interpreter) = first.strip_prefix("#!") else {
                    return Err(NotLaunched::Unknown("a script without `#!`".into()));
                };
                let mut parts = interpreter.split_whitespace();
                let mut shell = parts.next().unwrap_or_default().rsplit('/').next();
                if shell == Some("env") {
                    shell = parts.next();
                }
                let kind = match shell {
                    Some("sh") => WrapperKind::Sh,
                    Some("dash") => WrapperKind::Dash,
                    Some("bash") => WrapperKind::Bash,
                    Some(python) if is_python(python) => return Err(NotLaunched::NotGunicorn),
                    _ => return Err(NotLaunched::Unknown("a script in another language".into())),
                };
                self.wrap(kind, Stays::Always, Some(false), program.span);
                self.launch.scripts.push(text.clone());
                self.text(&text, None)
            }
            Script::Other => Err(NotLaunched::NotGunicorn),
            Script::Unknown(why) if name.ends_with(".sh") || name.contains("gunicorn") => {
                Err(NotLaunched::Unknown(why))
            }
            Script::Unknown(_) => Err(NotLaunched::NotGunicorn),
        }
    }

    fn shell(
        mut self,
        program: &ArgumentWord,
        name: &str,
        words: &[ArgumentWord],
    ) -> Result<Launch, NotLaunched> {
        let (kind, execs) = match (name, self.context.sh) {
            ("bash", _) => (WrapperKind::Bash, Some(true)),
            ("dash", _) => (WrapperKind::Dash, Some(false)),
            ("sh", Some(Shell::Bash)) => (WrapperKind::Sh, Some(true)),
            ("sh", Some(Shell::Dash)) => (WrapperKind::Sh, Some(false)),
            ("sh", None) => (WrapperKind::Sh, None),
            _ => (WrapperKind::Other(name.to_owned()), None),
        };
        let mut at = 1;
        let mut command = false;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            if text == "--" {
                at += 1;
                break;
            }
            if !text.starts_with(['-', '+']) || text.len() < 2 {
                break;
            }
            command |= text.starts_with('-') && !text.starts_with("--") && text.contains('c');
            let takes = !text.starts_with("--") && text.ends_with(['o', 'O']);
            let takes = takes || matches!(text, "--rcfile" | "--init-file");
            at += if takes { 2 } else { 1 };
        }
        let Some(word) = words.get(at) else {
            return Err(NotLaunched::Unknown("a shell without a command".into()));
        };
        if command {
            self.wrap(kind, Stays::Always, Some(false), program.span);
            let text = word.text.clone();
            return self.text(&text, Some(execs));
        }
        let Some(path) = word.value() else {
            return Err(NotLaunched::Unknown(word.unknown.clone().unwrap_or_default()));
        };
        match (self.context.script)(path) {
            Script::Text(text) => {
                self.wrap(kind, Stays::Always, Some(false), program.span);
                self.launch.scripts.push(text.clone());
                self.text(&text, None)
            }
            Script::Other => Err(NotLaunched::Unknown("not a shell script".into())),
            Script::Unknown(why) => Err(NotLaunched::Unknown(why)),
        }
    }

    /// Follows shell text. `execs` says whether this shell execs the last command of `-c` (inside:
    /// whether that is known); none for a script file or where the caller stays anyway.
    fn text(mut self, text: &Text, execs: Option<Option<bool>>) -> Result<Launch, NotLaunched> {
        let mut reader = Reader::new(text);
        let mut local: Vec<(String, Variable)> = Vec::new();
        let mut exports_all = false;
        let mut trapped = false;
        let mut piped = false;
        let mut reason = None;
        let mut commands = 0_usize;
        loop {
            commands += 1;
            if commands > COMMANDS {
                return Err(NotLaunched::Unknown("a script of too many commands".into()));
            }
            let context = self.context;
            let lookup = |name: &str| {
                if let Some((_, value)) = local.iter().rev().find(|(known, _)| known == name) {
                    return value.clone();
                }
                if let Some(why) = &self.tainted {
                    return Variable::Unknown(why.clone());
                }
                match (context.variable)(name) {
                    Lookup::Set(value) => match value.expose_str() {
                        Some(text) => Variable::Value(text.to_owned(), true),
                        None => Variable::Unknown(format!("{name} is not UTF-8")),
                    },
                    Lookup::Unset => Variable::Unset,
                    Lookup::Unknown(why) => Variable::Unknown(why),
                }
            };
            let command = match reader.next(&lookup) {
                Ok(Some(command)) => command,
                Ok(None) => break,
                Err(why) => return Err(NotLaunched::Unknown(why)),
            };
            let in_pipe = piped || command.after == Joint::Pipe;
            piped = command.after == Joint::Pipe;
            for (name, value) in &command.assignments {
                let variable = match value.value() {
                    Some(text) => Variable::Value(text.to_owned(), value.secret),
                    None => Variable::Unknown(value.unknown.clone().unwrap_or_default()),
                };
                if command.words.is_empty() {
                    let exported =
                        exports_all || !matches!((context.variable)(name), Lookup::Unset);
                    if exported {
                        self.set(name, value);
                    }
                    local.push((name.clone(), variable));
                }
            }
            let Some(first) = command.words.first() else { continue };
            let builtin = first.value().unwrap_or_default().to_owned();
            let rest = command.words.get(1..).unwrap_or_default();
            let conditional = command.before == Joint::Or || in_pipe;
            match builtin.as_str() {
                "cd" | "pushd" if conditional => {
                    return Err(NotLaunched::Unknown("a `cd` that may not happen".into()));
                }
                "cd" | "pushd" => match rest.iter().find(|word| word.text.as_str() != "--") {
                    Some(directory) => self.change_directory(&directory.clone()),
                    None => return Err(NotLaunched::Unknown("`cd` without a directory".into())),
                },
                "source" | "." => {
                    self.launch.sourced.extend(rest.first().cloned());
                    self.tainted = Some("a file that the script reads may set it".into());
                }
                "export" | "readonly" | "declare" | "typeset" => {
                    for word in rest {
                        match assignment(word) {
                            Some((name, value)) => {
                                if builtin == "export" {
                                    self.set(&name, &value);
                                }
                                let variable = match value.value() {
                                    Some(text) => Variable::Value(text.to_owned(), value.secret),
                                    None => {
                                        Variable::Unknown(value.unknown.clone().unwrap_or_default())
                                    }
                                };
                                local.push((name, variable));
                            }
                            None => self.export_local(word, &local),
                        }
                    }
                }
                "unset" => {
                    for word in rest {
                        let name = word.text.as_str().to_owned();
                        self.launch.environment.retain(|(set, ..)| *set != name);
                        self.launch.unset.push(name.clone());
                        local.push((name, Variable::Unset));
                    }
                }
                "set" => {
                    let flags = rest.first().map_or("", |word| word.text.as_str());
                    if flags.starts_with('-') && flags.contains('a') {
                        exports_all = true;
                    } else if flags.starts_with('+') && flags.contains('a') {
                        exports_all = false;
                    }
                }
                "trap" => trapped = true,
                "eval" => {
                    return Err(NotLaunched::Unknown("`eval` is not followed".into()));
                }
                "exit" | "return" if !conditional && command.before == Joint::Sequence => break,
                _ => {
                    let exec = builtin == "exec";
                    let words = match exec {
                        true => exec_words(rest),
                        false => command.words.clone(),
                    };
                    if words.is_empty() {
                        continue;
                    }
                    let mut inner = self.clone();
                    for (name, value) in &command.assignments {
                        inner.set(name, value);
                    }
                    let last = reader.only_blank();
                    let stays = stays(&command, exec, execs, last, in_pipe, trapped);
                    // Nothing may come after it that only a shell that stays can do.
                    let free = !exec && last && !in_pipe && !trapped;
                    let free = free && command.after == Joint::Sequence;
                    let exec_at = free.then_some(Span { end: first.span.start, ..first.span });
                    match inner.wrappers_then(words, stays, exec_at) {
                        Ok(launch) => return Ok(launch),
                        Err(NotLaunched::Unknown(why)) => reason = Some(why),
                        Err(NotLaunched::NotGunicorn) if exec && !conditional => break,
                        Err(NotLaunched::NotGunicorn) => {}
                    }
                }
            }
        }
        Err(reason.map_or(NotLaunched::NotGunicorn, NotLaunched::Unknown))
    }

    /// Goes on with a command of the shell that is the innermost wrapper so far.
    fn wrappers_then(
        mut self,
        words: Vec<ArgumentWord>,
        stays: Stays,
        exec_at: Option<Span>,
    ) -> Result<Launch, NotLaunched> {
        if let Some(shell) = self.launch.wrappers.last_mut() {
            // su's own shell: su stays whatever its shell does.
            if !matches!(&shell.kind, WrapperKind::Other(name) if name == "su") {
                shell.stays = stays;
                shell.exec_at = exec_at;
            }
        }
        self.follow(words)
    }

    fn export_local(&mut self, word: &ArgumentWord, local: &[(String, Variable)]) {
        let name = word.text.as_str();
        match local.iter().rev().find(|(known, _)| known == name) {
            Some((_, Variable::Value(value, _))) => {
                self.launch.environment.push((
                    name.to_owned(),
                    Secret::new(value.as_bytes()),
                    word.span,
                ));
            }
            Some((_, Variable::Unknown(why))) => {
                self.launch.environment_unknown.push((name.to_owned(), why.clone(), word.span));
            }
            _ => {}
        }
    }

    fn change_directory(&mut self, directory: &ArgumentWord) {
        let joined = match (&self.launch.working_directory, directory.value()) {
            (Some(before), Some(path)) if !path.starts_with('/') => match before.value() {
                Some(base) => {
                    let text = format!("{}/{path}", base.trim_end_matches('/'));
                    ArgumentWord { text: named(&directory.text, &text), ..directory.clone() }
                }
                None => before.clone(),
            },
            _ => directory.clone(),
        };
        self.launch.working_directory = Some(joined);
    }
}

const NOWHERE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

/// Another value at the same place.
fn named(place: &Text, value: &str) -> Text {
    let span = place.span();
    let mut text = Text::empty(span.file, span.start as usize);
    text.push_str(value, span.start as usize, span.end as usize);
    text
}

fn first_of(words: &[ArgumentWord]) -> ArgumentWord {
    let empty = || ArgumentWord::known(Text::empty(FileId(u32::MAX), 0));
    words.first().cloned().unwrap_or_else(empty)
}

/// `NAME=value` as its two parts.
fn assignment(word: &ArgumentWord) -> Option<(String, ArgumentWord)> {
    let text = word.text.as_str();
    let (name, _) = text.split_once('=')?;
    let first = name.bytes().next()?;
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !valid || first.is_ascii_digit() {
        return None;
    }
    let value = word.text.slice(name.len() + 1..text.len());
    Some((name.to_owned(), ArgumentWord { text: value, ..word.clone() }))
}

/// The program behind `exec` and its options.
fn exec_words(words: &[ArgumentWord]) -> Vec<ArgumentWord> {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        match word.text.as_str() {
            "-a" => at += 2,
            "-c" | "-l" | "-cl" => at += 1,
            "--" => {
                at += 1;
                break;
            }
            _ => break,
        }
    }
    words.get(at..).unwrap_or_default().to_vec()
}

/// Does the shell stay the parent of this command?
fn stays(
    command: &Command,
    exec: bool,
    execs: Option<Option<bool>>,
    last: bool,
    in_pipe: bool,
    trapped: bool,
) -> Stays {
    if command.after == Joint::Background {
        return Stays::Depends("gunicorn is started in the background of a shell".into());
    }
    if in_pipe {
        return Stays::Always;
    }
    if exec {
        return Stays::Never;
    }
    let simple = last && !command.redirected;
    match execs {
        Some(Some(true)) if simple && trapped => Stays::Depends("a trap was set".into()),
        Some(Some(true)) if simple => Stays::Never,
        Some(None) if simple => Stays::Depends("whether the shell is bash or dash".into()),
        _ => Stays::Always,
    }
}
