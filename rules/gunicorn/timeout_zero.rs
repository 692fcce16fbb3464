use crate::facts::gunicorn::is_sync;
use crate::rule::prelude::*;

crate::rule! {
    /// A hung worker is never replaced: each one is lost for good.
    ///
    /// gunicorn's master ends a worker that has not reported for `timeout` seconds and starts
    /// another. With 0 it never does: a request that waits for ever (on a lock, or on a service
    /// without its own timeout) keeps its worker for ever, and once the last worker is caught, the
    /// site is down until somebody restarts it. A reload does not free the workers either: the old
    /// ones wait for their requests to finish. 0 and more than an hour are reported for sync
    /// workers; with threads or asynchronous classes a hung request does not keep a worker from
    /// reporting.
    ///
    /// By hand: `--timeout 30` (gunicorn's default), or as long as the longest request may take,
    /// and restart.
    ///
    /// Proved by `timeout-zero`: three requests hung, one for each worker, and no other was answered
    /// any more; with gunicorn's own 30 s the workers were replaced and answered again.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --timeout 0 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --timeout 30 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 999999
    /// graceful_timeout = 30
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 30
    /// graceful_timeout = 30
    /// ```
    ///
    /// Healthy: a long timeout that ends, and threads.
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// timeout = 3600
    /// graceful_timeout = 3600
    /// ```
    G219 "timeout-zero" {
        severity: Warning, impact: Outage, fix: Some(Unsafe), item: WorkersReplaced, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

/// Nobody waits longer for an answer.
const LONGEST: i64 = 3600;
/// gunicorn's own.
const USUAL: i64 = 30;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let timeout = settings.timeout();
    let seconds = *timeout.get()?;
    if (1..=LONGEST).contains(&seconds) || seconds < 0 {
        return Ok(());
    }
    let class = settings.worker_class();
    let class = class.get()?;
    if !is_sync(class) {
        return Ok(());
    }
    let secret = settings.is_secret("timeout");
    let cause = match seconds {
        _ if secret => "timeout (from a variable) never ends one".to_owned(),
        0 => "timeout is 0".to_owned(),
        _ => format!("timeout is {seconds} s"),
    };
    let hand = Hand::of(app, "timeout", &Value::Number(USUAL));
    let finding = out
        .report(format!(
            "a hung worker is never replaced; once all hang, the site is down until a restart: \
             {cause}"
        ))
        .at_first([
            (timeout.span(), "how long a worker may be silent"),
            (app.gunicorn.started_at(), ""),
        ]);
    finding
        .help(format!("{}  (or as long as the longest request may take)", hand.line()))
        .by_hand(timeout.span());
    let edits = Edit::setting(app, "timeout", Value::Number(USUAL)).map(|edit| vec![edit]);
    finding.fix_or_why(Safety::Unsafe, hand.title(), edits);
    Ok(())
}
