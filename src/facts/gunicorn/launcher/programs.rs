//! Programs that run another program: Python, `env`, `su`, wrappers, scripts.

use super::super::wrappers::{self, Spec};
use super::{
    COMMANDS, Launch, NotLaunched, Script, Shell, Stays, Walker, WrapperKind, assignment,
    base_name, is_gunicorn, is_python, named,
};
use crate::facts::executable::PYTHON_TAKES_A_VALUE;
use crate::source::gunicorn::ArgumentWord;
use crate::source::{FileId, Span, Text};

impl Walker<'_> {
    /// `python … -m gunicorn`, `python /venv/bin/gunicorn`; other words to follow for `-m` of a
    /// wrapper.
    pub(super) fn python(
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
                _ if PYTHON_TAKES_A_VALUE.contains(&text) => {
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

    pub(super) fn env(
        &mut self,
        words: Vec<ArgumentWord>,
    ) -> Result<Vec<ArgumentWord>, NotLaunched> {
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

    pub(super) fn wrapped(
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
    pub(super) fn su(
        mut self,
        program: &ArgumentWord,
        words: &[ArgumentWord],
    ) -> Result<Launch, NotLaunched> {
        self.wrap(WrapperKind::Other("su".into()), Stays::Always, Some(false), program.span);
        let at = words.iter().position(|w| matches!(w.text.as_str(), "-c" | "--command"));
        match at.and_then(|at| words.get(at + 1)) {
            // Which shell the user has is not known; su stays in any case.
            Some(text) => self.text(&text.text.clone(), None),
            None => Err(NotLaunched::Unknown("the command that su runs is not followed".into())),
        }
    }

    /// A program that is none of those: a script, or something that may start gunicorn.
    pub(super) fn other(
        mut self,
        program: &ArgumentWord,
        name: &str,
        words: &[ArgumentWord],
    ) -> Result<Launch, NotLaunched> {
        if let Some(launch) = self.meant_for_a_shell(program, name, words) {
            return Ok(launch);
        }
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
                    let why = format!("the effect of `{name}` is not known");
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
                self.dash = match kind {
                    WrapperKind::Sh => self.context.sh == Some(Shell::Dash),
                    ref kind => *kind == WrapperKind::Dash,
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
}

impl Walker<'_> {
    /// `source venv/bin/activate && gunicorn …` without a shell around it: systemd starts `source`, or
    /// fails to. The site is still the one that the rest of the line means.
    fn meant_for_a_shell(
        &self,
        program: &ArgumentWord,
        name: &str,
        words: &[ArgumentWord],
    ) -> Option<Launch> {
        let joins = |word: &ArgumentWord| {
            let text = word.text.as_str();
            matches!(text, "&&" | "||") || text.ends_with(';') || text == "exec"
        };
        let starts = words.iter().enumerate().filter(|(_, word)| joins(word));
        starts.take(COMMANDS).find_map(|(at, _)| {
            let rest = words.get(at + 1..)?;
            let mut walker = self.clone();
            let kind = WrapperKind::Other(name.to_owned());
            // It never comes to that, so nothing is to be said about who the main process is.
            walker.wrap(kind, Stays::Never, None, program.span);
            walker.launch.certain = false;
            walker.follow(rest.to_vec()).ok()
        })
    }
}

const NOWHERE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

fn first_of(words: &[ArgumentWord]) -> ArgumentWord {
    let empty = || ArgumentWord::known(Text::empty(FileId(u32::MAX), 0));
    words.first().cloned().unwrap_or_else(empty)
}
