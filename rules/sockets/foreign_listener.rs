use super::{bind, ways};
use crate::facts::processes::{Holder, Processes};
use crate::facts::sockets::Listener;
use crate::facts::{App, Sockets, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Another program answers instead of gunicorn: it holds the socket that nginx connects to.
    ///
    /// gunicorn cannot bind a port that is taken: it logs `Connection in use`, tries five times and
    /// exits, and systemd keeps restarting it. Meanwhile nginx reaches the wrong program. The owner
    /// is found in `/proc/PID/fd`, which only root can read for other users' processes. A second
    /// gunicorn is reported by P507; a process of the unit itself does not count, and neither does
    /// systemd, which holds the socket of a `.socket` unit.
    ///
    /// By hand: `ss -ltnp` or `ss -lxp` shows which process listens. Stop it, or give one of the
    /// two another port; then `systemctl restart myapp`.
    ///
    /// Proved by `foreign-listener`: the other program took the requests and closed them
    /// unanswered: every request got 502.
    ///
    /// ```proc,bad
    /// - listen unix:/run/myapp/gunicorn.sock
    /// listen unix:/run/myapp/gunicorn.sock inode=40700
    /// 700 parent=1 unit=other.service user=0 start=200 sockets=40700 : /usr/bin/other
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad,also=P501
    /// - 800
    /// 700 parent=1 unit=docker.service user=0 start=200 sockets=40001 : /usr/bin/docker-proxy
    /// ```
    ///
    /// Healthy: a program on another socket, and a process of gunicorn's own unit:
    ///
    /// ```proc,good
    /// listen 127.0.0.1:9000 inode=40700
    /// 700 parent=1 unit=other.service user=0 start=200 sockets=40700 : /usr/bin/other
    /// ```
    S603 "foreign-listener" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    let processes = app.processes.get()?;
    for route in ways(app) {
        let Ok(reached) = sockets.reached(&route.endpoint) else { continue };
        // With a gunicorn among the holders the request arrives there, or it is P507's.
        if reached.is_empty() || reached.iter().any(|listener| !listener.owners.is_empty()) {
            continue;
        }
        for master in &processes.masters {
            master.sockets.get()?;
        }
        if sockets.listeners.iter().any(|own| own.apart && is_own(processes, own)) {
            out.skip(&Why::not_understood(
                "gunicorn listens in a network of its own: whether what listens here passes requests on \
                 to it is not known",
            ));
            continue;
        }
        let strangers = match strangers(app, sockets, &reached) {
            Ok(strangers) => strangers,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        let Some(first) = strangers.first() else { continue };
        let (pid, name) = (first.pid, &first.name);
        let place = match first.unit.ok() {
            Some(Some(unit)) => format!(" of {unit}"),
            _ => String::new(),
        };
        let stem = app.stem();
        out.report(format!(
            "requests reach another program: process {pid}, {name}{place}, holds {}, where nginx \
             connects",
            route.endpoint
        ))
        .at_some(bind(app, route), "gunicorn should listen here")
        .at(route.peer, "nginx connects here")
        .evidence(
            EvidenceKind::Socket,
            format!("{} belongs to process {pid}, {name}, not to gunicorn", route.endpoint),
        )
        .help(format!(
            "Stop that process or give it another address, then start gunicorn:\n\
             ps -fp {pid}; systemctl status {pid}\n\
             systemctl restart {stem}"
        ))
        .subject(name.clone())
        .fix(Safety::Manual, format!("stop process {pid}, then systemctl restart {stem}"));
    }
    Ok(())
}

fn is_own(processes: &Processes, listener: &Listener) -> bool {
    processes.masters.iter().any(|master| listener.owners.contains(&master.process.pid))
}

/// The processes that hold what nginx reaches; none of them where the unit's own do, or systemd.
fn strangers<'s>(
    app: &App,
    sockets: &'s Sockets,
    reached: &[&Listener],
) -> Result<Vec<&'s Holder>, Why> {
    let mut strangers = Vec::new();
    for listener in reached {
        for holder in sockets.holders(listener)? {
            if holder.pid == 1 || holder.unit.get()?.as_deref() == Some(app.name.as_str()) {
                return Ok(Vec::new());
            }
            strangers.push(holder);
        }
    }
    Ok(strangers)
}
