use crate::facts::exec_reload::{Effect, Harm, Sought, effects};
use crate::facts::gunicorn::Stays;
use crate::facts::service::{ExecCommand, Service};
use crate::rule::prelude::*;

crate::rule! {
    /// Every stop and restart cuts off the requests in progress.
    ///
    /// systemd stops a service with `KillSignal=` (SIGTERM unless it is set), and restarts it with
    /// `RestartKillSignal=` (the same unless it is set). SIGTERM tells gunicorn to let the workers
    /// finish, for up to `graceful_timeout`. SIGQUIT and SIGINT tell it to shut down quickly, and
    /// SIGKILL ends it before it can do anything: requests in progress get 500 or a reset.
    /// `KillSignal=SIGQUIT` comes from units of other servers (nginx, uWSGI), for which that signal
    /// means the opposite.
    ///
    /// By hand: `KillSignal=SIGTERM`, then `systemctl daemon-reload`. No restart is needed.
    ///
    /// Proved by `kill-signal`: a request that ran while the service was restarted did not get
    /// its answer; with SIGTERM it did.
    ///
    /// Proved by `exec-stop-quit`: a request that ran while the service was restarted did not get
    /// its answer; without that line it did.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillSignal=SIGQUIT
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// KillSignal=SIGTERM
    /// ```
    ///
    /// Other spellings, and the setting that applies only to restarts:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillSignal=INT
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillSignal=9
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillSignal=SIGHUP
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RestartKillSignal=SIGQUIT
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// RestartKillSignal=SIGTERM
    /// ```
    ///
    /// The unit's own stop command runs before that signal:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStop=/bin/kill -s QUIT $MAINPID
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ```
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStop=/usr/bin/pkill -9 gunicorn
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStop=/bin/systemctl kill -s KILL myapp.service
    /// ```
    ///
    /// Healthy: SIGTERM by name or number, and settings for the signals sent after it.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// KillSignal=SIGQUIT
    /// KillSignal=15
    /// FinalKillSignal=SIGKILL
    /// ExecStop=/bin/kill -s TERM $MAINPID
    /// ExecStop=/usr/bin/pkill -9 -f celery.shop
    /// ```
    U137 "kill-signal" {
        severity: Error, impact: DroppedRequests, fix: Some(Safe), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    // Where something else is the main process, what it does with a signal is another rule's.
    if app.gunicorn.launch.get()?.stays() != Stays::Never || service.kill_mode().get()? == "none" {
        return Ok(());
    }
    let stop = service.signal("KillSignal", "SIGTERM");
    let restart = service.signal("RestartKillSignal", "");
    let stop_does = harm(stop.get()?);
    let when = match restart.get()?.as_str() {
        "" => "stop and restart",
        _ => "stop",
    };
    if let Some(harm) = stop_does {
        report(app, "KillSignal", &stop, when, harm, out);
    }
    if let Some(harm) = harm(restart.get()?) {
        report(app, "RestartKillSignal", &restart, "restart", harm, out);
    }
    for command in &service.exec_stop {
        // Of several commands one may wait, or come only where another failed.
        if let [(Effect::Harms(what), place)] = &effects(app, &command.line)[..]
            && let Some(signal) = sent_to_gunicorn(app, &command.line, what)
            && let Some(harm) = harm(signal)
        {
            report_command(service, (signal, harm), (&command.line, *place), out);
        }
    }
    Ok(())
}

/// The signal that a command sends to gunicorn's processes.
fn sent_to_gunicorn<'h>(app: &App, line: &ExecCommand, harm: &'h Harm) -> Option<&'h str> {
    let own = |name: &str| name == app.name || name == app.stem();
    let names_unit = || line.arguments.iter().any(|word| own(word.text.as_str()));
    let by_its_name = || {
        let words = app.service.exec_start.first().map(|command| &command.line.program);
        words.is_some_and(|program| program.text.as_str().ends_with("/gunicorn"))
    };
    match harm {
        Harm::Ends(signal) => Some(signal),
        Harm::WholeUnit(signal) if names_unit() => signal.as_deref(),
        Harm::ByName { signal, gunicorn: Some(Sought::CommandLine), .. } => signal.as_deref(),
        // Started as `python -m gunicorn` it bears Python's name.
        Harm::ByName { signal, gunicorn: Some(Sought::Name), .. } if by_its_name() => {
            signal.as_deref()
        }
        _ => None,
    }
}

/// `ExecStop=/bin/kill -s QUIT $MAINPID`.
fn report_command(
    service: &Service,
    (signal, harm): (&str, &str),
    (line, part): (&ExecCommand, Option<Span>),
    out: &mut Sink,
) {
    // One of several commands of a shell is a person's to take out.
    let only = service.only_command(line).filter(|_| part.is_none());
    let edit = only.map(|line| Edit::remove(line.span));
    out.report(format!(
        "every stop and restart cuts off requests: ExecStop= sends {signal}, {harm}"
    ))
    .at(part.unwrap_or(line.span), "without it systemd sends SIGTERM")
    .help("Remove the line")
    .fix_if(Safety::Safe, "without this ExecStop=", edit);
}

/// What a signal makes gunicorn do, where that is not to finish its requests.
fn harm(signal: &str) -> Option<&'static str> {
    match signal {
        "SIGQUIT" | "SIGINT" => Some("which is gunicorn's quick shutdown"),
        "SIGKILL" => Some("which leaves gunicorn no time"),
        "SIGHUP" => {
            Some("on which gunicorn reloads and keeps running, until it is killed at the timeout")
        }
        "SIGUSR1" | "SIGUSR2" | "SIGWINCH" | "SIGTTIN" | "SIGTTOU" => {
            Some("which stops nothing: gunicorn keeps running until it is killed at the timeout")
        }
        _ => None,
    }
}

fn report(
    app: &App,
    setting: &'static str,
    signal: &Known<String>,
    when: &str,
    harm: &str,
    out: &mut Sink,
) {
    out.report(format!(
        "every {when} cuts off requests: systemd sends {}, {harm}",
        signal.ok().map_or("", String::as_str)
    ))
    .at_known(signal, "SIGTERM lets the workers finish")
    .fix(Safety::Safe, format!("{setting}=SIGTERM"))
    .edit(Edit::set(&app.service.unit, setting, "SIGTERM"));
}
