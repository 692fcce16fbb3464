use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Requests are cut off: gunicorn, or the kernel, has killed workers while they were at work.
    ///
    /// gunicorn kills a worker that has been silent for `timeout` seconds (30): with `sync`, any
    /// worker whose request takes longer. The visitor gets 500 (measured with `sync`: the worker
    /// still sends it) or 502, and the work is half done. In the log that is `WORKER TIMEOUT`;
    /// `sent SIGKILL` or `sent SIGSEGV` without it means that the worker was killed from outside,
    /// usually by the kernel when memory ran out, or crashed in a library. `SIGKILL! Perhaps out of
    /// memory?` during a stop proves no shortage (measured): only running units are checked, from
    /// their last start or reload on.
    ///
    /// By hand: find the request (`journalctl -u myapp | grep -A 30 'WORKER TIMEOUT'`), make it
    /// shorter or move its work to a queue; or raise `timeout`, and with it `proxy_read_timeout`
    /// and `graceful_timeout`. Memory: `journalctl -k | grep -i 'out of memory'`, fewer workers.
    ///
    /// Proved by `worker-timeout`: the visitor whose request took six seconds got 500 after two
    /// seconds; given enough time the same request got its answer.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,bad,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:25:00 +0000] [11] [CRITICAL] WORKER TIMEOUT (pid:14)"}
    /// {"MESSAGE": "[2026-04-21 09:25:01 +0000] [11] [ERROR] Worker (pid:14) was sent SIGKILL! Perhaps out of memory?"}
    /// {"MESSAGE": "[2026-04-21 09:25:01 +0000] [15] [INFO] Booting worker with pid: 15"}
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,fixed,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// ```
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,bad,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:25:01 +0000] [11] [ERROR] Worker (pid:14) was sent SIGKILL! Perhaps out of memory?"}
    /// ```
    /// Healthy: timeouts before the last reload, and workers that the reload ended:
    ///
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,good,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:25:00 +0000] [11] [CRITICAL] WORKER TIMEOUT (pid:14)"}
    /// {"MESSAGE": "[2026-04-21 09:30:00 +0000] [11] [INFO] Handling signal: hup"}
    /// {"MESSAGE": "[2026-04-21 09:30:01 +0000] [11] [ERROR] Worker (pid:14) was sent SIGTERM!"}
    /// {"MESSAGE": "[2026-04-21 09:30:01 +0000] [15] [INFO] Booting worker with pid: 15"}
    /// ```
    L803 "worker-timeout" {
        severity: Warning, impact: DroppedRequests, fix: Some(Manual), item: CleanLogs, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let (state, journal) = (app.state.get()?, app.journal.get()?);
    if !state.is_active() {
        return Ok(());
    }
    // A worker that does not even end at its timeout is killed as well.
    let killed = journal.killed.saturating_sub(journal.timeouts);
    if journal.timeouts > 0 {
        timed_out(app, journal.timeouts, out);
    }
    if killed > 0 {
        killed_from_outside(app, killed, out);
    }
    journal.whole()
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn timed_out(app: &App, count: usize, out: &mut Sink) {
    let name = &app.name;
    let (timeout, times) = (app.gunicorn.settings.timeout(), times(count));
    let within = match timeout.ok() {
        Some(seconds) => format!("{seconds} s"),
        None => "its timeout".to_owned(),
    };
    out.report(format!(
        "visitors get 500 or 502: gunicorn killed a worker that did not finish within {within}, \
         {times} since its last start or reload"
    ))
    .at_first([(timeout.span(), "the timeout"), (app.gunicorn.started_at(), "starts gunicorn")])
    .evidence(EvidenceKind::Journal, format!("journal of {name}: WORKER TIMEOUT, {times}"))
    .subject("timeout")
    .help(format!(
        "journalctl -u {name} | grep -A 30 'WORKER TIMEOUT'   shows the stack\nmake that request \
         shorter or move its work to a queue; or raise timeout, and proxy_read_timeout with it"
    ))
    .fix(Safety::Manual, "shorten the request, or raise the timeout");
}

fn killed_from_outside(app: &App, count: usize, out: &mut Sink) {
    let name = &app.name;
    let times = times(count);
    out.report(format!(
        "visitors get 502: a worker was killed from outside (memory ran out, or a library crashed), \
         {times} since the last start or reload"
    ))
    .at_some(app.gunicorn.started_at(), "starts gunicorn")
    .evidence(
        EvidenceKind::Journal,
        format!("journal of {name}: a worker was killed by a signal, {times}"),
    )
    .subject("killed")
    .help(
        "journalctl -k | grep -iE 'out of memory|segfault'\nif memory ran out: use fewer workers, \
         or max_requests with max_requests_jitter against a leak",
    )
    .fix(Safety::Manual, "find what killed it");
}
