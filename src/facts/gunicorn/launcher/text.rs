//! Shell text that leads to gunicorn: which command runs gunicorn, and whether the shell stays
//! running.

use super::super::shell::{Command, Joint, Reader, ShellValue, Variable};
use super::{COMMANDS, Launch, NotLaunched, Script, Shell, Stays, Walker, WrapperKind, assignment};
use crate::facts::shell::{ShellTask, task};
use crate::source::gunicorn::ArgumentWord;
use crate::source::{Lookup, Secret, Span, Text};

impl Walker<'_> {
    pub(super) fn shell(
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
        self.dash = matches!(kind, WrapperKind::Dash | WrapperKind::Sh) && execs == Some(false);
        let behind = words.get(1..).unwrap_or_default();
        let (at, is_text) = match task(behind.iter().map(|word| word.text.as_str())) {
            Some(ShellTask::Text(at)) => (at, true),
            Some(ShellTask::File(at)) => (at, false),
            None => return Err(NotLaunched::Unknown("a shell without a command".into())),
        };
        let Some(word) = behind.get(at) else {
            return Err(NotLaunched::Unknown("a shell without a command".into()));
        };
        if is_text {
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
    pub(super) fn text(
        mut self,
        text: &Text,
        execs: Option<Option<bool>>,
    ) -> Result<Launch, NotLaunched> {
        let mut reader = Reader::new(text);
        let mut local: Vec<(String, Variable)> = Vec::new();
        let mut exports_all = false;
        let mut ends_on_failure = false;
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
                    return Lookup::Unknown(why.clone());
                }
                match (context.variable)(name) {
                    Lookup::Set(value) => match value.expose_str() {
                        Some(text) => {
                            Lookup::Set(ShellValue { text: text.to_owned(), secret: true })
                        }
                        None => Lookup::Unknown(format!("{name} is not UTF-8")),
                    },
                    Lookup::Unset => Lookup::Unset,
                    Lookup::Unknown(why) => Lookup::Unknown(why),
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
                    Some(text) => {
                        Lookup::Set(ShellValue { text: text.to_owned(), secret: value.secret })
                    }
                    None => Lookup::Unknown(value.unknown.clone().unwrap_or_default()),
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
                    // dash goes on after `;` and the end of a line, without the file.
                    let ends = command.after == Joint::And
                        || ends_on_failure && command.after != Joint::Or;
                    if self.dash && builtin == "source" && ends {
                        self.launch.unknown_to_dash.get_or_insert(first.span);
                    }
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
                                    Some(text) => Lookup::Set(ShellValue {
                                        text: text.to_owned(),
                                        secret: value.secret,
                                    }),
                                    None => {
                                        Lookup::Unknown(value.unknown.clone().unwrap_or_default())
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
                        local.push((name, Lookup::Unset));
                    }
                }
                "set" => {
                    let flags = rest.first().map_or("", |word| word.text.as_str());
                    ends_on_failure |= flags.starts_with('-') && flags.contains('e');
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
                    let alone = last || exec && command.before == Joint::Sequence;
                    inner.launch.certain &= alone && !conditional;
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
            Some((_, Lookup::Set(ShellValue { text: value, .. }))) => {
                self.launch.environment.push((
                    name.to_owned(),
                    Secret::new(value.as_bytes()),
                    word.span,
                ));
            }
            Some((_, Lookup::Unknown(why))) => {
                self.launch.environment_unknown.push((name.to_owned(), why.clone(), word.span));
            }
            _ => {}
        }
    }
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
        Some(None) if simple => {
            Stays::Depends("it is not known whether the shell is bash or dash".into())
        }
        _ => Stays::Always,
    }
}
