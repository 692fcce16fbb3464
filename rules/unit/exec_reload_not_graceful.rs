use crate::facts::gunicorn::shell::{Reader, Variable};
use crate::facts::shell::{base_name, script};
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Severity, Sink};
use crate::source::unit::VariableValue;
use crate::source::unit::exec::{ExecCommand, Word};
use crate::source::unit::value::parse_signal;
use crate::source::{Span, Text};

crate::rule! {
    /// `systemctl reload` kills gunicorn, or hits the wrong process, instead of reloading it.
    ///
    /// gunicorn reloads on SIGHUP to its master; SIGUSR2 starts a second master for a hand-over.
    /// TERM, INT, QUIT and KILL end it: the site is down while `systemctl reload` returns 0.
    /// `pkill` and `killall` also hit the workers, which die of SIGHUP in the middle of their
    /// requests, and those of other applications. `systemctl restart` inside a reload drops what
    /// is in flight. `kill` without a signal sends TERM. A variable that nothing sets leaves
    /// `kill` without a process. A pid file may be stale (a warning): systemd knows the process
    /// better than any file and says it in `$MAINPID`.
    ///
    /// By hand: `ExecReload=/bin/kill -s HUP $MAINPID` (after an empty `ExecReload=` if it stands
    /// in a drop-in), then `systemctl daemon-reload`.
    ///
    /// Proved by `exec-reload-term`: the reload returned 0 and the site answered 502 for
    /// more than two seconds, until Restart= brought it back.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s TERM $MAINPID
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/sh -c "pkill -HUP gunicorn"
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -HUP $PID
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/sh -c "kill -HUP $(cat /run/myapp/gunicorn.pid)"
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -1 ${MAINPID}
    /// ```
    ///
    /// With `+` or `!` gunicorn runs as root, which `User=` may not signal (measured on 252 and 262):
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=!/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=!/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=
    /// ExecReload=+/bin/kill -s HUP $MAINPID
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/sh -c 'echo reloading; exec kill -s SIGHUP "$MAINPID"'
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -s USR2 $MAINPID
    /// ExecReload=/bin/sh -c 'sleep 5; kill -s TERM $MAINPID'
    /// ```
    U102 "exec-reload-not-graceful" {
        severity: Error, impact: DroppedRequests, fix: Some(Safe), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// What a command of ExecReload= does to gunicorn.
enum Effect {
    /// SIGHUP to the master.
    Reloads,
    /// SIGUSR2 to the master: what ends the old master after it belongs to the hand-over.
    HandsOver,
    /// Nothing.
    Nothing,
    /// Something else than a reload: the consequence, then the cause.
    Harms(String),
    /// It hits the master if a file is right.
    Doubtful(String),
    /// It cannot be told.
    Unknown(String),
}

/// A simple command that is no reload.
struct Wrong<'a> {
    line: &'a ExecCommand,
    /// The command in the script of a shell; none where it is all that the line does.
    part: Option<Span>,
    message: String,
    severity: Severity,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let (mut reloads, mut unknown, mut wrong) = (false, None, Vec::new());
    for command in &app.service.exec_reload {
        let line = &command.line;
        for (effect, part) in effects(app, line) {
            let (message, severity) = match effect {
                Effect::Reloads => {
                    reloads = true;
                    if let Err(why) = may_signal(app, line, part, out) {
                        unknown = Some(why);
                    }
                    continue;
                }
                Effect::HandsOver => return Ok(()),
                Effect::Nothing => continue,
                Effect::Unknown(why) => {
                    unknown = Some(Why::new(why));
                    continue;
                }
                Effect::Harms(message) => (message, Severity::Error),
                Effect::Doubtful(message) => (message, Severity::Warning),
            };
            wrong.push(Wrong { line, part, message, severity });
        }
    }
    for (at, wrong) in wrong.iter().enumerate() {
        // One signal is enough.
        let change = match reloads || at > 0 {
            true => without(app, wrong),
            false => instead(app, wrong),
        };
        report(out, wrong.line, &wrong.message, wrong.severity, change);
    }
    if let Some(why) = unknown {
        return Err(why);
    }
    if let Some(last) = app.service.exec_reload.last().filter(|_| !reloads && wrong.is_empty()) {
        let message = "`systemctl reload` returns 0 and the old code goes on: ExecReload= sends \
                       gunicorn no signal";
        report(out, &last.line, message, Severity::Error, behind(app, &last.line));
    }
    Ok(())
}

/// With `+` or `!` before `ExecStart=`'s program gunicorn runs as root, and a reload without such a
/// prefix as `User=`, who may not signal it.
fn may_signal(
    app: &App,
    line: &ExecCommand,
    part: Option<Span>,
    out: &mut Sink,
) -> Result<(), Why> {
    let service = &app.service;
    let Some(start) = service.exec_start.last() else { return Ok(()) };
    if !start.line.prefixes.full_privileges || line.prefixes.full_privileges {
        return Ok(());
    }
    let user = service.user.get()?;
    let capable = service.unit.list("Service", "AmbientCapabilities");
    if user.is_root()
        || service.boolean("PermissionsStartOnly", false).ok() != Some(&false)
        || capable.iter().any(|line| line.value.as_str().contains("CAP_KILL"))
    {
        return Ok(());
    }
    let finding = out
        .report(format!(
            "every reload fails (status 1): gunicorn runs as root, and ExecReload= as {}, who may \
             not signal it",
            user.name
        ))
        .at(line.span, format!("run as {}", user.name))
        .at(start.line.program.span, "the prefix lets gunicorn run as root")
        .help("Give ExecReload= the prefix too:\nExecReload=+/bin/kill -s HUP $MAINPID");
    let edit = part.is_none().then(|| Edit::prepend(line.span, "+"));
    finding.fix_if(Safety::Safe, "ExecReload=+…", edit);
    Ok(())
}

fn report(
    out: &mut Sink,
    line: &ExecCommand,
    message: &str,
    severity: Severity,
    change: Option<(String, Edit)>,
) {
    let finding = out
        .report(message)
        .severity(severity)
        .at(line.span, "")
        .help(format!("In [Service]:\nExecReload=\n{}", super::RELOAD));
    match change {
        Some((title, edit)) => finding.fix(Safety::Safe, title).edit(edit),
        None => finding.fix(Safety::Manual, super::RELOAD),
    };
}

/// The reload in place of what is wrong.
fn instead(app: &App, wrong: &Wrong) -> Option<(String, Edit)> {
    let (at, with) = match wrong.part {
        Some(part) => (plain(app, part)?, super::HUP.trim_start_matches("/bin/")),
        None => (super::only_command(app, wrong.line)?.value.span(), super::HUP),
    };
    Some((super::RELOAD.to_owned(), Edit::replace(at, with)))
}

/// What is wrong goes away: another command reloads.
fn without(app: &App, wrong: &Wrong) -> Option<(String, Edit)> {
    if wrong.part.is_some() {
        return None;
    }
    let line = super::only_command(app, wrong.line)?;
    Some(("without this ExecReload=".to_owned(), Edit::remove(line.span)))
}

/// The reload after what does something else.
fn behind(app: &App, line: &ExecCommand) -> Option<(String, Edit)> {
    let assignment = super::only_command(app, line)?;
    let nothing = ["true", ":"].contains(&base_name(line.program.text.as_str()));
    let edit = match nothing {
        true => Edit::replace(assignment.value.span(), super::HUP),
        false => Edit::After { at: assignment.span, line: super::RELOAD.to_owned() },
    };
    Some((super::RELOAD.to_owned(), edit))
}

/// A command in a script that can be cut out as it stands: no quote begins or ends in it.
fn plain(app: &App, part: Span) -> Option<Span> {
    let text = app.written(part)?;
    let quotes = |byte: &u8| matches!(byte, b'\'' | b'"' | b'\\' | b'`' | b'\n' | b'\r');
    (!text.is_empty() && !text.iter().any(quotes)).then_some(part)
}

/// A word of a command, as far as it is known.
struct Argument {
    text: String,
    unknown: Option<String>,
}

/// The effect of each simple command of a line, in order, and where it stands in a script of
/// several.
fn effects(app: &App, line: &ExecCommand) -> Vec<(Effect, Option<Span>)> {
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
            VariableValue::Unset if variable.range.len() == text.len() => return None,
            VariableValue::Unset => {}
            VariableValue::Set(_) => unknown = Some(format!("{} is a variable", variable.name)),
            VariableValue::NotKnown(why) => unknown = Some(why),
        }
    }
    if !expanded && text.contains("MAINPID") {
        // The prefix `:`: kill gets the name itself.
        return Some(Argument { text: "'$MAINPID'".to_owned(), unknown });
    }
    Some(Argument { text: text.replace("$$MAINPID", "$MAINPID"), unknown })
}

fn script_effects(app: &App, script: &Word) -> Vec<(Effect, Option<Span>)> {
    if let Some(why) = &script.unknown {
        return vec![(Effect::Unknown(why.clone()), None)];
    }
    let variable = |name: &str| match (name, app.environment.lookup(name)) {
        ("MAINPID", _) => Variable::Value("$MAINPID".to_owned(), false),
        (_, VariableValue::Unset) => Variable::Unset,
        (_, VariableValue::Set(_)) => Variable::Unknown(format!("{name} is a variable")),
        (_, VariableValue::NotKnown(why)) => Variable::Unknown(why),
    };
    let text = modern(&script.text);
    // Then nothing behind stands where it says.
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
        name @ ("pkill" | "killall" | "killall5" | "skill") => Effect::Harms(format!(
            "a reload kills workers in the middle of their requests: `{name}` hits every process \
             of that name"
        )),
        "systemctl" | "service" => service_manager(rest),
        name if HARMLESS.contains(&name) => Effect::Nothing,
        name => Effect::Unknown(format!("what `{name}` in ExecReload= does is not known")),
    }
}

fn service_manager(words: &[Argument]) -> Effect {
    let is = |verb: &str| words.iter().any(|word| word.text == verb);
    let main = words
        .iter()
        .any(|word| ["--kill-who=main", "--kill-whom=main", "main"].contains(&word.text.as_str()));
    if is("kill") && main {
        let signal = words.iter().find_map(|w| w.text.strip_prefix("--signal=")).or_else(|| {
            let at =
                words.iter().position(|word| matches!(word.text.as_str(), "-s" | "--signal"))?;
            words.get(at + 1).map(|word| word.text.as_str())
        });
        return by_signal(signal.unwrap_or("TERM"));
    }
    if is("kill") {
        return Effect::Harms(
            "a reload kills workers in the middle of their requests: `systemctl kill` signals \
             every process of the unit"
                .to_owned(),
        );
    }
    let verb = ["restart", "try-restart", "stop", "reload-or-restart", "force-reload", "reload"]
        .into_iter()
        .find(|verb| is(verb));
    match verb {
        // Another unit's reload does gunicorn no harm.
        _ if words.iter().any(|word| word.text.starts_with("nginx")) => Effect::Nothing,
        Some("reload") => Effect::Harms(
            "the reload waits for itself: ExecReload= calls `systemctl reload`".to_owned(),
        ),
        Some(verb) => Effect::Harms(format!(
            "a reload drops the requests in flight: ExecReload= calls `{verb}`"
        )),
        None => Effect::Nothing,
    }
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
        return Effect::Harms(
            "every reload fails: `kill` in ExecReload= gets no process, as no variable of that \
             name is set ($MAINPID is)"
                .to_owned(),
        );
    };
    match target.text.as_str() {
        "$MAINPID" | "${MAINPID}" => by_signal(name),
        "-$MAINPID" | "-${MAINPID}" => Effect::Harms(
            "a reload kills workers in the middle of their requests: the signal goes to the whole \
             process group"
                .to_owned(),
        ),
        text if text.starts_with("$(") && (text.contains("pgrep") || text.contains("pidof")) => {
            Effect::Harms(
                "a reload kills workers in the middle of their requests: the process is looked up \
                 by its name, which the workers share"
                    .to_owned(),
            )
        }
        text if text.starts_with("$(") => match by_signal(name) {
            Effect::Reloads | Effect::HandsOver => Effect::Doubtful(
                "a stale pid file makes the reload hit nothing, or another process: ExecReload= \
                 does not use $MAINPID"
                    .to_owned(),
            ),
            other => other,
        },
        _ => match &target.unknown {
            Some(why) => Effect::Unknown(why.clone()),
            None => Effect::Harms(format!(
                "the reload does not reach gunicorn: ExecReload= signals {}, not $MAINPID",
                target.text
            )),
        },
    }
}

fn by_signal(name: &str) -> Effect {
    match parse_signal(&name.to_ascii_uppercase()).as_deref() {
        Some("SIGHUP") => Effect::Reloads,
        Some("SIGUSR2") => Effect::HandsOver,
        Some(signal @ ("SIGTERM" | "SIGINT" | "SIGQUIT" | "SIGKILL" | "SIGABRT")) => {
            Effect::Harms(format!(
                "`systemctl reload` takes the site down: ExecReload= sends {signal}, which ends \
                 gunicorn"
            ))
        }
        Some(signal @ ("SIGUSR1" | "SIGTTIN" | "SIGTTOU" | "SIGWINCH")) => Effect::Harms(format!(
            "`systemctl reload` returns 0 and the old code goes on: {signal} reloads nothing"
        )),
        Some(signal) => Effect::Harms(format!(
            "`systemctl reload` does not reload: gunicorn takes no {signal} for it"
        )),
        None if name == "0" => Effect::Nothing,
        None => Effect::Harms(format!("every reload fails: {name} is no signal")),
    }
}
