use crate::facts::exec_reload::{Effect, Harm, effects};
use crate::facts::pid_file::{NamedProcess, PidFile};
use crate::facts::service::ExecCommand;
use crate::facts::shell::base_name;
use crate::facts::{App, Why};
use crate::rule::prelude::{Span, show};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// `systemctl reload` kills gunicorn, or hits the wrong process, instead of reloading it.
    ///
    /// gunicorn reloads on SIGHUP to its master; SIGUSR2 starts a second master for a hand-over.
    /// TERM, INT, QUIT and KILL end it: the site is down while `systemctl reload` returns 0.
    /// `pkill` and `killall` also hit the workers, which die of SIGHUP in the middle of their
    /// requests, and the gunicorn processes of other applications. `systemctl restart` inside a
    /// reload drops what is in flight. `kill` without a signal sends TERM. A variable that nothing
    /// sets leaves `kill` without a process. A pid file may be stale (a warning): systemd knows the
    /// process better than any file and provides it in `$MAINPID`. On a live host the file is read, as
    /// the service sees it: if it is missing, or names a process that is not gunicorn's master, that is
    /// an error.
    ///
    /// By hand: `ExecReload=/bin/kill -s HUP $MAINPID` (after an empty `ExecReload=` if it is in a
    /// drop-in), then `systemctl daemon-reload`.
    ///
    /// Proved by `exec-reload-term`: the reload returned 0 and the site answered 502 for
    /// more than two seconds, until Restart= brought it back.
    ///
    /// Proved by `pid-file-stale`: the pid file was gone from /tmp; the reload failed, and the old
    /// release went on answering every request.
    ///
    /// Proved by `pid-file-of-another`: the pid file named another program; the reload returned 0 and
    /// ended that program, and the old release went on answering every request.
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
    /// With `+` or `!` in `ExecStart=` gunicorn runs as root, and an `ExecReload=` that runs as
    /// `User=` cannot signal it (measured on 252 and 262):
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

/// What holds for every pid file.
const MAY_BE_STALE: &str = "with a stale pid file the reload hits no process or the wrong one: \
                            ExecReload= does not use $MAINPID";

/// What the next reload does with the pid file as it is now, if that is not a reload.
fn fails(file: &PidFile) -> Result<Option<String>, Why> {
    const FAILS: &str = "the next `systemctl reload` fails, and the old code keeps running";
    let path = file.path.display();
    Ok(Some(match file.names.get()? {
        NamedProcess::Master(_) => return Ok(None),
        NamedProcess::Missing => {
            format!("{FAILS}: ExecReload= reads the process from {path}, which does not exist")
        }
        NamedProcess::Nothing => {
            format!("{FAILS}: ExecReload= reads the process from {path}, which names none")
        }
        NamedProcess::Gone(pid) => {
            format!("{FAILS}: {path} names process {pid}, which does not run")
        }
        NamedProcess::Other(pid, name) => format!(
            "the next `systemctl reload` signals another program, and the old code keeps running: \
             {path} names process {pid} ({}), which is not gunicorn's master",
            show::line(name)
        ),
    }))
}

/// A simple command that is not a reload.
struct Wrong<'a> {
    line: &'a ExecCommand,
    /// The command in the script of a shell; `None` if it is all that the line does.
    part: Option<Span>,
    message: String,
    severity: Severity,
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let (mut reloads, mut unknown, mut wrong) = (false, None, Vec::new());
    let parts = app.service.exec_reload.iter().map(|command| effects(app, &command.line).len());
    let alone = parts.sum::<usize>() == 1;
    let by_main_pid = app
        .service
        .exec_reload
        .iter()
        .flat_map(|command| effects(app, &command.line))
        .any(|(effect, _)| effect == Effect::Reloads);
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
                // What ends the old master belongs to it.
                Effect::HandsOver if !alone => return Ok(()),
                Effect::HandsOver => (
                    "the old code runs alongside the new: USR2 starts a second master, and nothing \
                     here stops the first"
                        .to_owned(),
                    Severity::Error,
                ),
                Effect::Nothing => continue,
                Effect::Unknown(why) => {
                    unknown = Some(Why::not_understood(why));
                    continue;
                }
                Effect::Harms(harm) => (consequence(&harm), Severity::Error),
                Effect::ByPidFile { file, .. } => {
                    let file = file.filter(|_| !by_main_pid);
                    let known = file.and_then(|file| {
                        app.pid_files.iter().find(|known| known.path == file)
                    });
                    match known.map(fails) {
                        Some(Ok(Some(message))) => (message, Severity::Error),
                        Some(Err(why)) => {
                            out.skip(&why);
                            (MAY_BE_STALE.to_owned(), Severity::Warning)
                        }
                        Some(Ok(None)) | None => (MAY_BE_STALE.to_owned(), Severity::Warning),
                    }
                }
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
        let message = "`systemctl reload` returns 0 and the old code keeps running: ExecReload= \
                       sends gunicorn no signal";
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
    if user.is_root()
        || service.boolean("PermissionsStartOnly", false).ok() != Some(&false)
        || service.gives("CAP_KILL")
    {
        return Ok(());
    }
    let finding = out
        .report(format!(
            "every reload fails (status 1): gunicorn runs as root, and ExecReload= as {}, who \
             cannot signal it",
            user.name
        ))
        .at(line.span, format!("run as {}", user.name))
        .at(start.line.program.span, "this prefix makes gunicorn run as root")
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
        Some(part) => {
            (Some(part).filter(|part| app.is_whole(*part))?, super::HUP.trim_start_matches("/bin/"))
        }
        None => (app.service.only_command(wrong.line)?.value.span(), super::HUP),
    };
    Some((super::RELOAD.to_owned(), Edit::replace(at, with)))
}

/// What is wrong goes away: another command reloads.
fn without(app: &App, wrong: &Wrong) -> Option<(String, Edit)> {
    if wrong.part.is_some() {
        return None;
    }
    let line = app.service.only_command(wrong.line)?;
    Some(("without this ExecReload=".to_owned(), Edit::remove(line.span)))
}

/// The reload after what does something else.
fn behind(app: &App, line: &ExecCommand) -> Option<(String, Edit)> {
    let assignment = app.service.only_command(line)?;
    let nothing = ["true", ":"].contains(&base_name(line.program.text.as_str()));
    let edit = match nothing {
        true => Edit::replace(assignment.value.span(), super::HUP),
        false => Edit::After { at: assignment.span, line: super::RELOAD.to_owned() },
    };
    Some((super::RELOAD.to_owned(), edit))
}

/// The consequence, then the cause.
fn consequence(harm: &Harm) -> String {
    const KILLS: &str = "a reload kills workers in the middle of their requests";
    match harm {
        Harm::ByName { program, .. } => {
            format!("{KILLS}: `{program}` hits every process of that name")
        }
        Harm::WholeUnit(_) => {
            format!("{KILLS}: `systemctl kill` signals every process of the unit")
        }
        Harm::WaitsForItself => {
            "the reload waits for itself: ExecReload= calls `systemctl reload`".to_owned()
        }
        Harm::Restarts(verb) => {
            format!("a reload drops the requests in flight: ExecReload= calls `{verb}`")
        }
        Harm::NoTarget => "every reload fails: `kill` in ExecReload= gets no process, because no \
             variable of that name is set ($MAINPID is)"
            .to_owned(),
        Harm::ProcessGroup => format!("{KILLS}: the signal goes to the whole process group"),
        Harm::LookedUp => {
            format!("{KILLS}: the process is looked up by a name that the workers share")
        }
        Harm::OtherTarget(target) => format!(
            "the reload does not reach gunicorn: ExecReload= signals {target}, not $MAINPID"
        ),
        Harm::Ends(signal) => format!(
            "`systemctl reload` takes the site down: ExecReload= sends {signal}, which ends \
             gunicorn"
        ),
        Harm::ReloadsNothing(signal) => format!(
            "`systemctl reload` returns 0 and the old code keeps running: {signal} reloads nothing"
        ),
        Harm::OtherSignal(signal) => {
            format!("`systemctl reload` does not reload: gunicorn does not use {signal} for that")
        }
        Harm::NoSignal(name) => format!("every reload fails: {name} is not a signal"),
    }
}
