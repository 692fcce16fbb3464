use super::{holds, orphans, start};
use crate::facts::processes::Orphan;
use crate::facts::{App, Endpoint, Why};
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// Workers whose master is gone keep the port: gunicorn cannot start again, or old code keeps
    /// answering, and no reload, stop or restart reaches it.
    ///
    /// A master that is killed (by the kernel when memory runs out, by SIGHUP through a shell)
    /// takes its workers along only if systemd kills the rest of the unit. With `KillMode=process`
    /// or `none` they stay, and over TCP the new master finds the port taken: it logs `Connection
    /// in use` and exits after five tries. Measured, 20.1.0 to 27.0.1, after SIGKILL of the master:
    /// `gthread`, `gevent` and `asgi` workers end within a second, idle `sync` workers after half
    /// of `timeout` (15 s), a `sync` worker at work on a request once that is answered, and
    /// uvicorn's worker never.
    ///
    /// A worker is recognised by its title, or by the signals that it handles itself (`SigCgt` in
    /// `/proc/PID/status`): SIGUSR1 but not SIGHUP, whereas a master handles both.
    ///
    /// With a new master on a unix socket the old workers do no harm (a warning): the path leads to
    /// the new socket, and the old workers only finish the requests they have.
    ///
    /// By hand: `ps -fp PID`, then `kill -TERM PID`; `KillMode=mixed` keeps it from happening again.
    ///
    /// Proved by `orphan-workers`: one worker kept the port for as long as its long request took,
    /// gunicorn exited again and again with `Connection in use`, and nobody got an answer; with
    /// KillMode=mixed the site was back after some seconds.
    ///
    /// ```proc,bad
    /// 811 parent=1
    /// 812 parent=1
    /// 813 parent=1
    /// - 800
    /// ```
    /// ```proc,fixed
    /// ```
    /// Left over from the previous start, on a socket whose file now belongs to another process:
    ///
    /// ```proc,bad
    /// 711 like=811 parent=1 start=50 sockets=39001
    /// listen unix:/run/myapp/gunicorn.sock inode=39001
    /// replaced /run/myapp/gunicorn.sock inode=39001
    /// ```
    ///
    /// Healthy: a process that a worker left behind has the worker's handlers, and is younger than
    /// the master; a master that is just starting has no handlers yet:
    ///
    /// ```proc,good
    /// 911 like=811 parent=1 start=600
    /// ```
    P508 "orphan-workers" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: WorkersReplaced,
        hop: Workers, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let processes = app.processes.get()?;
    let orphans = orphans(app, processes);
    if orphans.is_empty() {
        return Ok(());
    }
    let at = orphans.iter().find_map(|orphan| holds(app, orphan));
    let served = !processes.masters.is_empty();
    report(app, &orphans, at, served, out);
    Ok(())
}

/// `at`: where one of them listens. `served`: does a master run next to them?
fn report(app: &App, orphans: &[&Orphan], at: Option<&Endpoint>, served: bool, out: &mut Sink) {
    let numbers: Vec<String> = orphans.iter().map(|one| one.process.pid.to_string()).collect();
    let (count, listed) = (numbers.len(), numbers.join(" "));
    let (who, go) = match count {
        1 => (format!("worker {listed}"), "still runs"),
        _ => (format!("workers {}", numbers.join(", ")), "still run"),
    };
    let consequence = match (at, served) {
        (Some(at), true) => format!(
            "old code is served alongside the new: {who} from an earlier start {go} without a \
             master, listening on {at}"
        ),
        (Some(at), false) => format!(
            "gunicorn cannot start while {who} {go} without a master, holding {at}; what they \
             still serve is old code"
        ),
        (None, false) => format!("the site has no gunicorn master: only {who} {go}, without one"),
        (None, true) => format!(
            "{who} from an earlier start {go} without a master: they keep memory and connections, \
             and no reload or restart reaches them"
        ),
    };
    let stem = app.stem();
    let finding = out.report(consequence).at_some(start(app), "starts gunicorn");
    for orphan in orphans.iter().take(5) {
        let (pid, parent) = (orphan.process.pid, orphan.process.parent);
        finding
            .evidence(EvidenceKind::Process, format!("worker {pid}, parent {parent}, no master"));
    }
    if at.is_none() && served {
        finding.severity(Severity::Warning);
    }
    let looked = numbers.join(",");
    let then = if served { String::new() } else { format!("\nsystemctl restart {stem}") };
    finding
        .help(format!(
            "Look at what they do, then end them:\nps -fp {looked}\nkill -TERM {listed}{then}"
        ))
        .subject("workers")
        .fix(Safety::Manual, format!("kill -TERM {listed}"));
}
