use crate::facts::{App, Service, Why};
use crate::rule::prelude::TimeSpan;
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// systemd kills gunicorn before its workers can finish their requests.
    ///
    /// On a stop or restart gunicorn gives its workers `graceful_timeout` seconds (30 by default);
    /// systemd waits for `TimeoutStopSec=` (90 by default) and then sends SIGKILL. Measured: with
    /// `TimeoutStopSec=2` and a graceful timeout of 15 seconds, the clients of running requests get
    /// 0 bytes after two seconds. (`TimeoutStopSec=5` is in gunicorn's own example.)
    ///
    /// By hand: `TimeoutStopSec=` a few seconds above `--graceful-timeout`, then `systemctl
    /// daemon-reload`.
    ///
    /// Proved by `stop-timeout`: a request that ran while the service was restarted was cut off and
    /// got 502; given enough time it got its answer.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// TimeoutStopSec=5
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TimeoutStopSec=40
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// TimeoutSec=20
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// TimeoutSec=20
    /// TimeoutStopSec=40
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// TimeoutStopSec=5
    /// TimeoutStopSec=infinity
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// TimeoutSec=1min
    /// ```
    U110 "stop-timeout-too-short" {
        severity: Warning, impact: DroppedRequests, fix: Some(Safe), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let graceful = app.gunicorn.settings.graceful_timeout();
    let stop = app.service.stop_timeout(&app.machine);
    let wanted = *graceful.get()?;
    let TimeSpan::Microseconds(given) = *stop.get()? else { return Ok(()) };
    let enough = i128::from(given) >= i128::from(wanted) * 1_000_000;
    if enough || !*app.service.boolean("SendSIGKILL", true).get()? {
        return Ok(());
    }
    let seconds = given / 1_000_000;
    let better = wanted.saturating_add(10);
    out.report(format!(
        "a stop or restart kills requests after {seconds} s: TimeoutStopSec= is below gunicorn's \
         graceful timeout of {wanted} s"
    ))
    .at_some(
        stop.span().or_else(|| super::place_for(&app.service, "TimeoutStopSec")),
        "then SIGKILL is sent",
    )
    .at_known(&graceful, "workers should have this long")
    .help(format!("In [Service]:\nTimeoutStopSec={better}"))
    .fix(Safety::Safe, format!("TimeoutStopSec={better}"))
    .edit(edit(&app.service, better));
    Ok(())
}

/// Where a later `TimeoutSec=` decides, behind it: that one is about the start too.
fn edit(service: &Service, seconds: i64) -> Edit {
    let decides = service.unit.last_of("Service", &["TimeoutStopSec", "TimeoutSec"]);
    match decides.filter(|assignment| assignment.key.value == "TimeoutSec") {
        Some(both) => Edit::After { at: both.span, line: format!("TimeoutStopSec={seconds}") },
        None => Edit::set(&service.unit, "TimeoutStopSec", seconds.to_string()),
    }
}
