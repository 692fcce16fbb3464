//! Follows what `ExecStart=` runs down to gunicorn itself, and says what stays running between
//! systemd and gunicorn's master.
//!
//! Measured: dash never execs the last command of `-c`; bash does when it is a simple command
//! without redirection, also after `&&`, `||` and `;`, but not in a pipe or before anything else;
//! for a script file neither shell does. `exec` does in both.

mod programs;
mod text;

pub use super::stays::Stays;
use super::wrappers;
use crate::facts::executable::is_python;
use crate::source::gunicorn::ArgumentWord;
use crate::source::{Lookup, Secret, Span, Text};

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
    /// Does it pass SIGHUP on, where it stays? `None` if that is not known.
    pub forwards_hup: Option<bool>,
    /// Where it is.
    pub span: Span,
    /// Where an `exec` makes this shell give way; `None` if that would change more than that.
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
    /// A command before gunicorn that the shell does not have, after which it does not go on:
    /// `source` in dash.
    pub unknown_to_dash: Option<Span>,
    /// What is between, outermost first.
    pub wrappers: Vec<Wrapper>,
    /// The scripts on the way, each from its first byte on.
    pub scripts: Vec<Text>,
    /// Does a shell on the way surely come to gunicorn, or fail before it?
    pub certain: bool,
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
    /// Not known, and why.
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
    Walker { context, launch: empty(), depth: 0, tainted: None, dash: false }.follow(words.to_vec())
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
        unknown_to_dash: None,
        wrappers: Vec::new(),
        scripts: Vec::new(),
        certain: true,
    }
}

#[derive(Clone)]
struct Walker<'a> {
    context: &'a LaunchContext<'a>,
    launch: Launch,
    depth: usize,
    /// The shell whose text is read is surely dash.
    dash: bool,
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
}

/// Another value at the same place.
fn named(place: &Text, value: &str) -> Text {
    let span = place.span();
    let mut text = Text::empty(span.file, span.start as usize);
    text.push_str(value, span.start as usize, span.end as usize);
    text
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
