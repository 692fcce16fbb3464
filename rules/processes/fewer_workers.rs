use super::super::running_command::difference;
use super::start;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// Requests wait or are lost because fewer workers are running than configured.
    ///
    /// SIGTTOU removes workers until the next reload, a worker that keeps being killed is missing
    /// until it is replaced, and a larger number in a unit or configuration file applies only after
    /// a restart or reload. With one worker no request is served while it is being replaced.
    ///
    /// By hand: `journalctl -u myapp` for workers that die; otherwise `systemctl reload myapp`, or,
    /// if `ExecStart=` sets the number, `systemctl restart myapp`.
    ///
    /// Proved by `fewer-workers`: one request of three seconds held up every other one; with the
    /// three workers configured they were answered meanwhile.
    ///
    /// ```proc,bad
    /// - 812
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad
    /// - 812
    /// - 813
    /// ```
    ///
    /// Healthy: one worker more than configured, because SIGTTIN adds one.
    ///
    /// ```proc,good
    /// 814 like=811 start=900
    /// ```
    P502 "fewer-workers" {
        severity: Error, impact: DroppedRequests, fix: Some(Manual), item: MultipleWorkers,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

/// How long a master may take to start its workers, in seconds.
const START: i64 = 5;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    // None at all is P501's.
    let Some(master) = processes.masters.last() else { return Ok(()) };
    let workers = app.gunicorn.workers();
    let (configured, live) = (*workers.get()?, master.workers.len());
    let lives = i64::try_from(live).unwrap_or(i64::MAX);
    if lives >= configured {
        return Ok(());
    }
    // U122 says so, and that a restart is needed.
    if let Ok(running) = master.running.get()
        && matches!(difference(app, running), Ok(Some(_)))
    {
        return Err(Why::depends(
            "gunicorn runs with another command line than ExecStart= has now (U122)",
        ));
    }
    if processes.now.get()?.saturating_sub(*master.process.started.get()?) < START {
        return Err(Why::depends("gunicorn has just started"));
    }
    let (severity, consequence) = match live {
        0 => (Severity::Error, "no request is served"),
        1 => (Severity::Error, "requests wait while the only worker is busy or being replaced"),
        _ => (Severity::Warning, "requests wait longer"),
    };
    let alive = if live == 1 { "worker lives" } else { "workers live" };
    let stem = app.stem();
    out.report(format!("{consequence}: {live} {alive} of {configured} configured"))
        .severity(severity)
        .at_first([(workers.span(), "this many are configured"), (start(app), "starts gunicorn")])
        .evidence(
            EvidenceKind::Process,
            format!("master {}, {live} {alive} below it", master.process.pid),
        )
        .help(format!(
            "journalctl -u {stem} -n 50   shows workers that die; if none do:\nsystemctl reload \
             {stem}\nor, if ExecStart= sets the number: systemctl restart {stem}"
        ))
        .fix(Safety::Manual, format!("systemctl reload {stem}"));
    Ok(())
}
