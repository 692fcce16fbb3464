use super::{bind, ways};
use crate::facts::sockets::Listener;
use crate::rule::prelude::*;

crate::rule! {
    /// Requests are refused now: the listen queue of gunicorn's socket is full.
    ///
    /// Connections wait in the queue until a worker takes them. If the queue of a unix socket is
    /// full, nginx answers 502 at once (`11: Resource temporarily unavailable`); over TCP,
    /// connections are delayed by seconds. It fills when all workers are busy or hang, or while
    /// they boot on reload. The queue is as long as gunicorn's `backlog` (2048 unless it is set)
    /// but never longer than `net.core.somaxconn`. G224 reports a queue that is too short for a
    /// reload.
    ///
    /// By hand: `ss -lx src /run/myapp/gunicorn.sock` (`ss -lt` for TCP) shows the queue: Recv-Q
    /// connections of at most Send-Q. If it stays full, find what the workers wait for (`journalctl
    /// -u myapp`, `py-spy dump`), or start more workers.
    ///
    /// Proved by `listen-queue-full`: the workers were stopped, the queue of four filled, and nginx
    /// answered 502 to every further request.
    ///
    /// ```ini,bad,drop-in,also=U122
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --backlog 2 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```proc,bad
    /// waiting unix:/run/myapp/gunicorn.sock
    /// waiting unix:/run/myapp/gunicorn.sock
    /// ```
    /// ```text,bad,file=/proc/sys/net/core/somaxconn
    /// 4096
    /// ```
    ///
    /// Healthy: two of at most 2048 connections wait.
    ///
    /// ```proc,good
    /// waiting unix:/run/myapp/gunicorn.sock
    /// waiting unix:/run/myapp/gunicorn.sock
    /// ```
    /// ```text,good,file=/proc/sys/net/core/somaxconn
    /// 4096
    /// ```
    S605 "listen-queue-full" {
        severity: Warning, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

/// What `Backlog=` was in older systemd where nothing set it; it is longer now.
const SYSTEMDS: i64 = 128;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    let processes = app.processes.get()?;
    let own = |listener: &&&Listener| {
        processes.masters.iter().any(|master| listener.owners.contains(&master.process.pid))
    };
    for route in ways(app) {
        let Ok(reached) = sockets.reached(&route.endpoint) else { continue };
        for listener in reached.iter().filter(own).filter(|listener| listener.queue > 0) {
            let Some(limit) = limit(app, route.bound, listener.queue)? else { continue };
            out.report(format!(
                "requests are refused now: {} connections wait at {}, and its queue is full \
                 ({limit})",
                listener.queue, route.endpoint
            ))
            .at_some(bind(app, route), "gunicorn listens here")
            .at(route.peer, "nginx connects here")
            .evidence(
                EvidenceKind::Socket,
                format!("{}: {} of {limit} wait", route.endpoint, listener.queue),
            )
            .help(format!(
                "find what the workers wait for: journalctl -u {} -n 50\nif this continues, add \
                 workers or threads; a longer --backlog only lets more requests wait",
                app.stem()
            ))
            .fix(Safety::Manual, "free the workers or start more");
        }
    }
    Ok(())
}

/// How many connections a queue holds with so many in it; `None` if they certainly fit.
fn limit(app: &App, bound: usize, waiting: u32) -> Result<Option<i64>, Why> {
    let bound = app.bounds().get()?.get(bound);
    let asked = *app.gunicorn.settings.backlog().get()?;
    let kernel = *app.machine.limits.longest_queue.get()?;
    let limit = asked.min(kernel).max(1);
    let Some(unit) = bound.and_then(|bound| app.service.socket_of(bound)) else {
        return Ok((i64::from(waiting) >= limit).then_some(limit));
    };
    // `Backlog=`, until gunicorn calls listen(2) anew; 27.0.1 does not, 23.0.0 does.
    let own = unit.last("Socket", "Backlog").and_then(|line| line.value.as_str().parse().ok());
    match i64::from(waiting) < limit.min(own.unwrap_or(SYSTEMDS)) {
        true => Ok(None),
        false => Err(Why::depends("the length of a .socket unit's queue depends on gunicorn")),
    }
}
