use crate::facts::gunicorn::Layer;
use crate::facts::{App, Why};
use crate::rule::prelude::TimeSpan;
use crate::rule::{Edit, Hand, Safety, Sink, Value};

crate::rule! {
    /// A restart cuts off requests that gunicorn would otherwise let run.
    ///
    /// `timeout` is how long a sync worker may be busy with one request, `graceful_timeout` (30 s
    /// unless it is set) how long requests may continue once a stop begins. If the second is
    /// shorter, a site that allows requests of two minutes loses those that take longer than half a
    /// minute at every stop and restart. Measured: the limit applies to SIGTERM; a reload (SIGHUP)
    /// lets them finish, but not with `-k asgi`, whose workers apply it on reload too.
    ///
    /// By hand: `--graceful-timeout` (`graceful_timeout`) as long as `--timeout`, and
    /// `TimeoutStopSec=` a few seconds above both, or systemd kills first; then restart once. A
    /// stop may then take that long.
    ///
    /// Proved by `graceful-timeout`: a request that ran while the service was restarted was cut off
    /// after a second, though it was allowed thirty; with an equally long graceful timeout it got
    /// its answer.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --graceful-timeout 10 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --graceful-timeout 30 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    ///
    /// systemd must wait as long:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --timeout 50 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// TimeoutStopSec=40
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --graceful-timeout 50 --workers 3 --timeout 50 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// TimeoutStopSec=60
    /// ```
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 20
    /// graceful_timeout = 15
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 20
    /// graceful_timeout = 20
    /// ```
    ///
    /// Healthy: both equal, and workers without a limit, for which no value is long enough.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 35
    /// graceful_timeout = 35
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 0
    /// ```
    G206 "graceful-timeout-too-short" {
        severity: Warning, impact: DroppedRequests, fix: Some(Unsafe), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let (timeout, graceful) = (settings.timeout(), settings.graceful_timeout());
    let (allowed, given) = (*timeout.get()?, *graceful.get()?);
    // 0 is for ever.
    if allowed <= 0 || given >= allowed {
        return Ok(());
    }
    let layer = settings.layer("graceful_timeout").unwrap_or(Layer::Default);
    let secret = |name| settings.is_secret(name);
    let seconds = |name, number: i64| match secret(name) {
        true => format!("{name} (from a variable)"),
        false => format!("{name} of {number} s"),
    };
    // How long a variable lets requests run is not shown.
    let hand = Hand::of(app, "graceful_timeout", &Value::Number(allowed));
    let hand = match secret("timeout") {
        true => hand.saying("graceful_timeout as long as timeout"),
        false => hand,
    };
    let draft = out.report(format!(
        "{} cuts off requests too early: {} is below {}",
        // asgi workers do not let them finish at a reload either.
        match settings.worker_class().ok().is_some_and(|class| class == "asgi") {
            true => "a restart or reload",
            false => "a restart",
        },
        seconds("graceful_timeout", given),
        seconds("timeout", allowed),
    ));
    let finding = draft.at_first([
        (graceful.span(), "once a stop begins, requests have this long"),
        (app.gunicorn.started_at(), "graceful_timeout is 30 s by default"),
    ]);
    finding.at_known(&timeout, "otherwise, requests may take this long");
    if layer == Layer::CmdArgs {
        finding.subject("GUNICORN_CMD_ARGS");
    }
    let stop = stop_edit(app, allowed);
    let also = match (&stop, secret("timeout")) {
        (None, _) => String::new(),
        (Some(_), true) => "\nIn [Service]: TimeoutStopSec= a few seconds above that".to_owned(),
        (Some((_, seconds)), false) => format!("\nIn [Service]: TimeoutStopSec={seconds}"),
    };
    finding
        .help(format!("{}{also}", hand.line()))
        .by_hand(graceful.span().or_else(|| app.gunicorn.started_at()))
        .by_hand(stop.as_ref().and_then(|_| app.service.exec_start.last().map(|c| c.line.span)));
    // What a variable says would be seen in the change.
    let edit = match secret("timeout") {
        true => None,
        false => Edit::setting(app, "graceful_timeout", Value::Number(allowed)).ok(),
    };
    let stop = stop.filter(|_| edit.is_some()).map(|(edit, _)| edit);
    finding.fix_if(Safety::Unsafe, hand.title(), edit.into_iter().chain(stop));
    Ok(())
}

/// systemd waits longer than gunicorn does (U110), where it would not.
fn stop_edit(app: &App, graceful: i64) -> Option<(Edit, i64)> {
    let stop = app.service.stop_timeout(&app.machine);
    let TimeSpan::Microseconds(given) = *stop.ok()? else { return None };
    if i128::from(given) >= i128::from(graceful) * 1_000_000 {
        return None;
    }
    let seconds = graceful.saturating_add(10);
    let unit = &app.service.unit;
    let edit = match unit.last_of("Service", &["TimeoutStopSec", "TimeoutSec"]) {
        Some(assignment) => Edit::replace(assignment.value.span(), seconds.to_string()),
        None => Edit::set(unit, "TimeoutStopSec", seconds.to_string()),
    };
    Some((edit, seconds))
}
