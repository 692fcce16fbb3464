use crate::facts::gunicorn::{SettingValue, Stays};
use crate::facts::{App, Known, Whose, Why, WhyKind};
use crate::rule::prelude::TimeSpan;
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// systemd kills gunicorn again and again: `WatchdogSec=` waits for a sign of life that gunicorn
    /// never sends.
    ///
    /// With `WatchdogSec=` a service must send `WATCHDOG=1` at least that often (sd_notify(3)).
    /// gunicorn sends `READY=1` once and nothing after it, in every version up to 27.0.1 (read in
    /// its source). systemd then kills the main process with SIGABRT, whatever `Type=` is, and the
    /// workers with it; requests in progress are lost, and without `Restart=` the site stays down.
    /// gunicorn's own `--timeout` watches its workers.
    ///
    /// Not checked if something else may send it: anything in the unit with `NotifyAccess=all`, a
    /// wrapper that stays the main process, or a hook in gunicorn's configuration file.
    ///
    /// By hand: remove `WatchdogSec=` from `[Service]` (in a drop-in: `WatchdogSec=0`), then
    /// `systemctl daemon-reload` and, once, a restart.
    ///
    /// Proved by `watchdog`: systemd killed gunicorn every three seconds, and requests got 502
    /// until it was started again.
    ///
    /// Proved by `runtime-max-sec`: systemd stopped gunicorn every three seconds, and requests got
    /// 502 until it was started again.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// WatchdogSec=30
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// WatchdogSec=0
    /// ```
    ///
    /// Healthy: no limit.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// WatchdogSec=infinity
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// WatchdogSec=0
    /// ```
    ///
    /// `RuntimeMaxSec=` stops the service after that time, however well it runs, and counts that as
    /// a failure (`Service reached runtime time limit`, measured on 252): with `Restart=always`,
    /// `on-failure` or `on-abnormal` the service is down while it is started again, otherwise it
    /// stays down. With a `.socket` unit, requests wait in the meantime.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// RuntimeMaxSec=1d
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// RuntimeMaxSec=1d
    /// Restart=on-abort
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeMaxSec=infinity
    /// ```
    U123 "watchdog" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// gunicorn's hooks that run in the master, whose word systemd takes.
const HOOKS: [&str; 8] = [
    "on_starting",
    "on_reload",
    "when_ready",
    "pre_fork",
    "child_exit",
    "nworkers_changed",
    "pre_exec",
    "ssl_context",
];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    ends(app, out)?;
    let service = &app.service;
    let watchdog =
        service.seconds("WatchdogSec", Known::Default(TimeSpan::Infinity, Whose::SYSTEMD));
    let limit = match *watchdog.get()? {
        TimeSpan::Infinity | TimeSpan::Microseconds(0) => return Ok(()),
        TimeSpan::Microseconds(limit) => limit,
    };
    silent(app)?;
    let seconds = limit as f64 / 1e6;
    out.report(format!(
        "systemd kills gunicorn every {seconds} s: WatchdogSec= waits for a sign of life that \
         gunicorn never sends"
    ))
    .at_known(&watchdog, "then SIGABRT is sent")
    .at_some(app.gunicorn.started_at(), "sends READY=1 once and no WATCHDOG=1")
    .help("Remove WatchdogSec= from [Service], or in a drop-in:\nWatchdogSec=0")
    .fix(Safety::Safe, "WatchdogSec=0")
    .edit(Edit::set(&service.unit, "WatchdogSec", "0"));
    Ok(())
}

/// `RuntimeMaxSec=`: systemd ends the service, and starts it again or not. `oneshot` has no such limit.
fn ends(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let never = Known::Default(TimeSpan::Infinity, Whose::SYSTEMD);
    let limit = service.seconds("RuntimeMaxSec", never);
    let TimeSpan::Microseconds(span @ 1..) = *limit.get()? else { return Ok(()) };
    let handed = app.bounds().ok().is_some_and(|bounds| bounds.iter().any(|bound| bound.activated));
    if handed || service.kind().get()? == "oneshot" {
        return Ok(());
    }
    let seconds = span as f64 / 1e6;
    let restart = service.restart();
    let again = matches!(restart.get()?.as_str(), "always" | "on-failure" | "on-abnormal");
    let (severity, consequence, note) = match again {
        true => (
            Severity::Warning,
            "and requests get 502 until gunicorn is started again",
            "every time gunicorn has run that long",
        ),
        false => (
            Severity::Error,
            "and the site stays down: Restart= does not start gunicorn again",
            "then gunicorn is stopped for good",
        ),
    };
    out.report(format!("systemd ends gunicorn after {seconds} s, {consequence}"))
        .severity(severity)
        .at_known(&limit, note)
        .subject("RuntimeMaxSec")
        .help(
            "Remove RuntimeMaxSec= from [Service], or in a drop-in: RuntimeMaxSec=infinity\n\
             if this is meant for workers that grow, let gunicorn replace them one by one: \
             --max-requests 1000 --max-requests-jitter 100",
        )
        .fix(Safety::Unsafe, "set RuntimeMaxSec=infinity")
        .edit(Edit::set(&service.unit, "RuntimeMaxSec", "infinity"));
    Ok(())
}

/// Is there nothing that may send the sign of life in gunicorn's place?
fn silent(app: &App) -> Result<(), Why> {
    let may = |who: &str| Err(Why::depends(format!("{who} may send systemd its sign of life")));
    if app.service.word("NotifyAccess", "main").get()? == "all" {
        return may("with NotifyAccess=all anything in the unit");
    }
    if app.gunicorn.launch.get()?.wrapper().is_some_and(|wrapper| wrapper.stays != Stays::Never) {
        return may("the program that starts gunicorn");
    }
    for hook in HOOKS {
        match app.gunicorn.settings.get(hook) {
            Known::Value(SettingValue::Callable, _) => {
                return may("a hook of gunicorn's configuration");
            }
            // An older gunicorn does not have each of them.
            Known::Unknown(why) if why.kind() == WhyKind::NotThere => {}
            Known::Unknown(why) => return Err(why),
            Known::Value(..) | Known::Default(..) | Known::Observed(..) => {}
        }
    }
    Ok(())
}
