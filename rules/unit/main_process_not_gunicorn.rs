use crate::facts::gunicorn::{Launch, Stays, Wrapper, WrapperKind};
use crate::facts::shell::script;
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// SIGHUP hits a shell or wrapper instead of gunicorn, and the whole site goes down on reload.
    ///
    /// systemd signals the main process, the one that `ExecStart=` started. Measured: dash
    /// (Debian's `/bin/sh`) stays running even for plain `sh -c "gunicorn …"`; bash is replaced by
    /// the last simple command of `-c`, even after `&&`, but not in a pipe, with a redirection, or
    /// with anything after it, and never in a script file. With `exec` both are replaced. `env`,
    /// `poetry run` and `pipenv run` are replaced. When the shell stays, SIGHUP kills it, systemd
    /// ends the rest of the unit, **and `systemctl reload` returns 0**. Under `Type=notify` the
    /// unit does not get that far: systemd accepts READY=1 only from the main process (with
    /// `NotifyAccess=main`, and also with `exec`), but gunicorn is its child, so the start itself
    /// times out and is killed, again and again. `uv run` stays running too but passes SIGHUP on,
    /// so only `Type=notify` suffers. If the outcome depends on something unknown (which shell
    /// `/bin/sh` is), this is a warning.
    ///
    /// An `ExecReload=` that signals gunicorn by its pid file bypasses the shell; a stop does not
    /// (a warning).
    ///
    /// By hand: start gunicorn directly, `ExecStart=/srv/myapp/.venv/bin/gunicorn …`, or put `exec`
    /// before it; then `systemctl daemon-reload` and, once, a restart.
    ///
    /// Proved by `shell-stays-main-process`: the reload returned 0 (on systemd 262 sometimes 1),
    /// its SIGHUP killed dash, and the site answered 502 for more than two seconds; with
    /// `bash -c`, which gunicorn replaced, nothing was lost.
    ///
    /// Proved by `shell-hides-readiness`: READY=1 was sent but not accepted, and the unit was
    /// killed at its start timeout again and again; behind bash, which gunicorn replaced, nothing
    /// was lost.
    ///
    /// ```tree,bad
    /// /usr/bin/dash mode=0755
    /// /bin/sh -> /usr/bin/dash
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Type=simple
    /// ExecStart=
    /// ExecStart=/bin/sh -c "cd /srv/myapp/current && /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,fixed
    /// /usr/bin/dash mode=0755
    /// /bin/sh -> /usr/bin/dash
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Type=simple
    /// ExecStart=
    /// ExecStart=/bin/sh -c "cd /srv/myapp/current && exec /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    ///
    /// bash is replaced by a simple last command, but stays running for a pipe:
    ///
    /// ```tree,bad
    /// /bin/bash mode=0755
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Type=simple
    /// ExecStart=
    /// ExecStart=/bin/bash -c "cd /srv/myapp/current && /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app 2>&1 | tee /var/log/myapp.log"
    /// ```
    ///
    /// Under `Type=notify` the start itself never completes:
    ///
    /// ```tree,bad
    /// /usr/bin/dash mode=0755
    /// /bin/sh -> /usr/bin/dash
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// NotifyAccess=exec
    /// ExecStart=
    /// ExecStart=/bin/sh -c "cd /srv/myapp/current && /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,good
    /// /bin/bash mode=0755
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/bin/bash -c "cd /srv/myapp/current && /srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp/gunicorn.sock wsgi:app"
    /// ```
    /// ```tree,good
    /// /usr/bin/env mode=0755
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/usr/bin/env LANG=C.UTF-8 /srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    U103 "main-process-not-gunicorn" {
        severity: Error, impact: Outage, fix: Some(Unsafe), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let launch = app.gunicorn.launch.get()?;
    let kind = app.service.kind();
    // There the main process is whoever the pid file names.
    if kind.get()? == "forking" {
        return Ok(());
    }
    let Some(wrapper) = launch.wrapper() else { return Ok(()) };
    let name = name(wrapper);
    let notify = hears_the_main_process_alone(app)?;
    let forwards = wrapper.forwards_hup == Some(true);
    let (message, severity) = match &wrapper.stays {
        Stays::Never => return Ok(()),
        Stays::Always if forwards && !notify => return Ok(()),
        Stays::Always if notify => (
            format!(
                "the start times out and is killed, again and again: Type=notify listens to \
                 {name}, which stays running as gunicorn's parent"
            ),
            Severity::Error,
        ),
        Stays::Always if reloads_past_it(app) => (
            format!(
                "a stop kills requests: SIGTERM hits {name}, which stays running as gunicorn's \
                     parent"
            ),
            Severity::Warning,
        ),
        Stays::Depends(on) if notify => (
            format!(
                "the start may time out and be killed: Type=notify listens to the main process, \
                 which may be {name} ({on})"
            ),
            Severity::Warning,
        ),
        Stays::Depends(_) if reloads_past_it(app) => return Ok(()),
        Stays::Always => (
            format!(
                "a reload takes the site down, even if it returns 0: SIGHUP hits {name}, which \
                 stays running as gunicorn's parent"
            ),
            Severity::Error,
        ),
        Stays::Depends(on) => (
            format!("a reload may take the site down: SIGHUP may hit {name} ({on})"),
            Severity::Warning,
        ),
    };
    let gunicorn = launch.gunicorn.as_ref().map(|word| word.span);
    let program = launch.gunicorn.as_ref().filter(|word| !word.secret).and_then(|w| w.value());
    let program =
        program.filter(|path| path.starts_with('/')).unwrap_or("/PATH/TO/VENV/bin/gunicorn");
    let by_prefix = app.service.exec_start.last().is_some_and(|c| c.line.prefixes.user_shell);
    let help = match wrapper.kind {
        _ if by_prefix => format!(
            "Remove the prefix |: it makes the user's shell run the line (/bin/sh if that shell is \
             nologin), and this shell stays running.\nExecStart={program} …"
        ),
        WrapperKind::Dash | WrapperKind::Bash | WrapperKind::Sh => format!(
            "In the shell command, put `exec` before gunicorn, with no pipe and nothing after it; or \
             start gunicorn directly:\nExecStart={program} …"
        ),
        _ => format!("Start gunicorn directly:\nExecStart={program} …"),
    };
    let finding = out
        .report(message)
        .severity(severity)
        .at(wrapper.span, "systemd's main process")
        .at_some(gunicorn.filter(|span| *span != wrapper.span), "its child")
        .help(help)
        .by_hand(app.service.exec_start.last().map(|command| command.line.span));
    match exec(app, launch, wrapper) {
        Some(edit) => finding.fix(Safety::Unsafe, "put exec before gunicorn").edit(edit),
        None => finding
            .fix(Safety::Manual, "put exec before gunicorn, or run gunicorn itself in ExecStart="),
    };
    Ok(())
}

/// Does systemd wait for a READY=1 that it takes from the main process alone? What a child sends is
/// heard with `NotifyAccess=all` only (`exec` means the processes that systemd itself started).
fn hears_the_main_process_alone(app: &App) -> Result<bool, Why> {
    let kind = app.service.kind();
    let since_253 = || app.machine.systemd.ok().is_some_and(|version| *version >= 253);
    let waits = match kind.get()?.as_str() {
        "notify" => true,
        // Older ones pass over the value.
        "notify-reload" => since_253(),
        _ => false,
    };
    Ok(waits && app.service.word("NotifyAccess", "main").get()? != "all")
}

/// `exec ` where it lets gunicorn take the shell's place.
fn exec(app: &App, launch: &Launch, wrapper: &Wrapper) -> Option<Edit> {
    let others = launch.wrappers.iter().filter(|other| *other != wrapper);
    if others.into_iter().any(|other| other.stays != Stays::Never) {
        return None;
    }
    let at = wrapper.exec_at?;
    if launch.scripts.iter().all(|script| script.file() != at.file) {
        // Without quotes the shell takes only the first word for its text.
        let line = &app.service.exec_start.last()?.line;
        let word = script(line).filter(|word| word.span.file == at.file)?;
        let inside = word.span.start < at.start && at.start < word.span.end;
        if !inside || !app.is_quoted(word.span) {
            return None;
        }
    }
    Some(Edit::prepend(at, "exec "))
}

/// Does ExecReload= signal another process than the main one (by a pid file)?
fn reloads_past_it(app: &App) -> bool {
    let reloads = &app.service.exec_reload;
    !reloads.is_empty()
        && reloads.iter().all(|command| {
            command.line.arguments.iter().all(|word| !word.text.as_str().contains("MAINPID"))
        })
}

fn name(wrapper: &Wrapper) -> String {
    match &wrapper.kind {
        WrapperKind::Dash => "dash".to_owned(),
        WrapperKind::Bash => "bash".to_owned(),
        WrapperKind::Sh => "sh".to_owned(),
        WrapperKind::Env => "env".to_owned(),
        WrapperKind::PoetryRun => "`poetry run`".to_owned(),
        WrapperKind::PipenvRun => "`pipenv run`".to_owned(),
        WrapperKind::UvRun => "`uv run`".to_owned(),
        WrapperKind::Other(name) => name.clone(),
    }
}
