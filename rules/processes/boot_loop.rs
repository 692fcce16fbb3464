use super::start;
use crate::facts::{App, Journal, UnitState, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The site is down or nearly so: gunicorn or its workers exit and restart, over and over.
    ///
    /// Either gunicorn's workers exit right after they start, and the master keeps starting others:
    /// requests wait in the queue, and only the growing process numbers show it. An application
    /// that calls `app.run()` at import causes that: the first worker runs its own server and
    /// answers none of gunicorn's requests, the others find its port taken. Or the whole unit exits
    /// and `Restart=` starts it again.
    ///
    /// Counted are the workers that the journal shows starting since the last start or reload,
    /// except those for whose replacement gunicorn gives a reason (`max_requests`, a timeout, a
    /// signal).
    ///
    /// By hand: `journalctl -u myapp -n 100` shows how they exit; `systemctl show -p NRestarts
    /// myapp`.
    ///
    /// Proved by `app-import-exits`: `gunicorn --check-config` and the reload returned 0, the unit
    /// stayed active, and no request was answered any more: gunicorn starts workers for ever.
    ///
    /// ```text,bad,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// InvocationID=22222222222222222222222222222222
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,bad,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:20:01 +0000] [15] [INFO] Booting worker with pid: 15"}
    /// {"MESSAGE": "[2026-04-21 09:20:02 +0000] [16] [INFO] Booting worker with pid: 16"}
    /// {"MESSAGE": "[2026-04-21 09:20:03 +0000] [17] [INFO] Booting worker with pid: 17"}
    /// {"MESSAGE": "[2026-04-21 09:20:04 +0000] [18] [INFO] Booting worker with pid: 18"}
    /// {"MESSAGE": "[2026-04-21 09:20:05 +0000] [19] [INFO] Booting worker with pid: 19"}
    /// {"MESSAGE": "[2026-04-21 09:20:06 +0000] [20] [INFO] Booting worker with pid: 20"}
    /// {"MESSAGE": "[2026-04-21 09:20:07 +0000] [21] [INFO] Booting worker with pid: 21"}
    /// {"MESSAGE": "[2026-04-21 09:20:08 +0000] [22] [INFO] Booting worker with pid: 22"}
    /// {"MESSAGE": "[2026-04-21 09:20:09 +0000] [23] [INFO] Booting worker with pid: 23"}
    /// {"MESSAGE": "[2026-04-21 09:20:10 +0000] [24] [INFO] Booting worker with pid: 24"}
    /// ```
    /// ```text,fixed,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// InvocationID=22222222222222222222222222222222
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,fixed,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [15] [INFO] Booting worker with pid: 15"}
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [16] [INFO] Booting worker with pid: 16"}
    /// ```
    /// ```text,bad,command=systemctl show,also=L807
    /// Id=myapp.service
    /// ActiveState=activating
    /// SubState=auto-restart
    /// Result=exit-code
    /// NRestarts=4
    /// ExecMainCode=1
    /// ExecMainStatus=203
    /// ```
    ///
    /// Healthy: a limit on requests also replaces workers:
    ///
    /// ```text,good,command=systemctl show
    /// Id=myapp.service
    /// ActiveState=active
    /// SubState=running
    /// Result=success
    /// InvocationID=22222222222222222222222222222222
    /// NRestarts=3
    /// ExecMainStartTimestamp=Tue 2026-04-21 09:20:00 UTC
    /// ```
    /// ```text,good,command=journalctl
    /// {"MESSAGE": "[2026-04-21 09:20:00 +0000] [14] [INFO] Booting worker with pid: 14"}
    /// {"MESSAGE": "[2026-04-21 09:30:00 +0000] [14] [INFO] Autorestarting worker after current request."}
    /// {"MESSAGE": "[2026-04-21 09:30:00 +0000] [15] [INFO] Booting worker with pid: 15"}
    /// {"MESSAGE": "[2026-04-21 09:40:00 +0000] [15] [INFO] Autorestarting worker after current request."}
    /// {"MESSAGE": "[2026-04-21 09:40:00 +0000] [16] [INFO] Booting worker with pid: 16"}
    /// ```
    P505 "boot-loop" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

/// So many times does systemd start a unit again before it is a loop and not a mishap.
const RESTARTS: u64 = 2;
/// So many workers more than the settings ask for, twice over, before it is a loop.
const BEYOND: usize = 5;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let state = app.state.get()?;
    if state.sub == "auto-restart" && state.restarts >= RESTARTS {
        // Left-over workers that hold its port are P508's.
        let taken = |processes| {
            super::orphans(app, processes).iter().any(|o| super::holds(app, o).is_some())
        };
        if !app.processes.ok().is_some_and(taken) {
            unit_loops(app, state, out);
        }
        return Ok(());
    }
    if !state.is_active() {
        return Ok(());
    }
    let journal = app.journal.get()?;
    if journal.boots == 0 {
        return Err(Why::not_read(
            "the journal shows no worker's start: gunicorn logs elsewhere, or less than info",
        ));
    }
    let workers = usize::try_from(*app.gunicorn.settings.workers().get()?).unwrap_or(1);
    let unexplained = journal.boots.saturating_sub(journal.explained);
    if unexplained < workers.saturating_mul(2).saturating_add(BEYOND) {
        return journal.whole();
    }
    workers_loop(app, journal, workers, out);
    Ok(())
}

fn unit_loops(app: &App, state: &UnitState, out: &mut Sink) {
    let name = &app.name;
    let how = state.failure().map_or(String::new(), |failure| format!(" ({failure})"));
    let says = super::last_words(app).map_or(String::new(), |words| format!(": {words}"));
    let spare = app.spare();
    let cause = format!(
        "systemd has restarted {name} {} times, and it exits each time{how}{says}",
        state.restarts
    );
    out.report(super::down(spare.as_ref(), &cause))
        .at_some(start(app), "this exits right after it starts")
        .evidence(
            EvidenceKind::Command,
            format!("systemctl show {name}: SubState=auto-restart NRestarts={}", state.restarts),
        )
        .subject("unit")
        .help(format!(
            "journalctl -u {name} -n 100   shows how it exits; repair the cause, \
         then:\nsystemctl restart {name}"
        ))
        .fix(Safety::Manual, "find why it exits");
}

fn workers_loop(app: &App, journal: &Journal, workers: usize, out: &mut Sink) {
    let name = &app.name;
    out.report(format!(
        "requests hang: gunicorn of {name} has started {} workers since its last start or reload, \
         where the settings ask for {workers}; they keep exiting",
        journal.boots
    ))
    .at_some(start(app), "starts gunicorn")
    .evidence(
        EvidenceKind::Journal,
        format!("journal of {name}: Booting worker with pid, {} times", journal.boots),
    )
    .subject("workers")
    .help(format!(
        "journalctl -u {name} -n 100   shows how they exit (an app.run() at import, a \
         sys.exit());\nrepair the cause, then: systemctl restart {name}"
    ))
    .fix(Safety::Manual, "find why the workers exit");
}
