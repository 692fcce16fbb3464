use super::{bind, ways, without_answer};
use crate::facts::sockets::Listener;
use crate::facts::{App, Endpoint, Route, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every request gets 502: nothing listens where nginx connects.
    ///
    /// nginx logs `connect() failed (111: Connection refused)` for a port and `(2: No such file or
    /// directory)` for a socket. Either gunicorn does not run (P501), or its bind differs from the
    /// files: a changed `--bind` applies only after a restart.
    ///
    /// A TCP port is reached only from the network namespace that it is in: with `PrivateNetwork=` or
    /// `NetworkNamespacePath=` gunicorn listens where nginx does not come to. A unix socket is reached from
    /// every network.
    ///
    /// If nginx passes the requests to another server of the same `upstream`, which it does after every
    /// connection that fails, nothing is lost: a warning.
    ///
    /// By hand: `systemctl restart myapp`, then `ss -lx | grep gunicorn.sock` or `ss -ltn`.
    ///
    /// Proved by `bind-changed`: both reloads returned 0, gunicorn kept its old socket, nginx went
    /// to the new one, and every request got 502.
    ///
    /// Proved by `socket-unit-not-started`: started as at boot, gunicorn was active on
    /// 127.0.0.1:8000, and every request got 502.
    ///
    /// Proved by `another-network`: gunicorn was up and listened on 127.0.0.1:8000 in its own network,
    /// and every request got 502.
    ///
    /// Proved by `one-server-of-two-stopped`: the unit had no process, nginx passed its requests to the
    /// other service, and none was lost, POST included.
    ///
    /// Proved by `one-server-of-two-not-passed-on`: the unit had no process, and half of the requests got
    /// 502.
    ///
    /// ```proc,bad
    /// - listen unix:/run/myapp/gunicorn.sock
    /// - file /run/myapp/gunicorn.sock
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,good
    /// listen unix:/run/other.sock inode=40009
    /// ```
    ///
    /// Healthy: gunicorn's network is its own, and its socket is in the file system.
    ///
    /// ```proc,good
    /// - listen unix:/run/myapp/gunicorn.sock
    /// listen unix:/run/myapp/gunicorn.sock inode=40001 of=800
    /// 800 net=4026532100
    /// ```
    S601 "not-listening" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    for route in ways(app) {
        match sockets.reached(&route.endpoint) {
            Ok(listeners) if listeners.is_empty() => {}
            Ok(_) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        }
        if let Endpoint::Unix(path) = &route.endpoint
            && let Some(place) = sockets.file(path)
            && place.is(crate::host::FileKind::Socket)?
        {
            // The file is there and dead: S602.
            continue;
        }
        let masters = app.processes.get()?.masters.as_slice();
        let held = sockets.listeners.iter().filter(|listener| {
            masters.iter().any(|master| listener.owners.contains(&master.process.pid))
        });
        let held: Vec<&Listener> = held.collect();
        if let Some(apart) = held.iter().find(|listener| listener.apart) {
            in_another_network(app, route, apart, out);
            continue;
        }
        let held: Vec<String> = held.iter().map(|one| one.endpoint.to_string()).collect();
        let instead = match held.as_slice() {
            [] => String::new(),
            held => format!("; gunicorn listens on {}", held.join(", ")),
        };
        let stem = app.stem();
        let cause = format!("nothing listens on {}, where nginx connects{instead}", route.endpoint);
        let (message, severity) = without_answer(app, route, &cause);
        out.report(message)
            .severity(severity)
            .at_some(bind(app, route), "gunicorn should listen here")
            .at(route.peer, "nginx connects here")
            .evidence(EvidenceKind::Socket, format!("no socket listens on {}", route.endpoint))
            .help(format!("systemctl restart {stem}\njournalctl -u {stem} -n 50   if it fails"))
            .fix(Safety::Manual, format!("systemctl restart {stem}"));
    }
    Ok(())
}

/// gunicorn listens, and nginx does not reach the network that it listens in.
fn in_another_network(app: &App, route: &Route, listener: &Listener, out: &mut Sink) {
    let unit = &app.service.unit;
    let settings = ["NetworkNamespacePath", "PrivateNetwork"];
    let setting = settings.into_iter().find_map(|key| Some((key, unit.last("Service", key)?)));
    let on = &listener.endpoint;
    let cause = format!(
        "gunicorn listens on {on} in a network of its own, and nothing listens on {} in nginx's",
        route.endpoint
    );
    let (message, severity) = without_answer(app, route, &cause);
    let finding = out
        .report(message)
        .severity(severity)
        .at(route.peer, "nginx connects here")
        .evidence(EvidenceKind::Socket, format!("{on} is in another network namespace than nginx"));
    let remove = match setting {
        Some((key, line)) => {
            finding.at(line.value.span(), "gunicorn's own network");
            format!("remove {key}=")
        }
        None => "start gunicorn in nginx's network".to_owned(),
    };
    finding
        .help(format!(
            "{remove}, or listen on a unix socket, which every network reaches: bind \
             unix:/run/APP/gunicorn.sock"
        ))
        .fix(Safety::Manual, "share a network with nginx, or a unix socket");
}
