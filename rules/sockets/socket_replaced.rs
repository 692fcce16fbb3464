use super::{bind, ways, without_answer};
use crate::facts::sockets::Listener;
use crate::facts::{App, Endpoint, Route, Sockets, Why};
use crate::host::FileKind;
use crate::rule::{EvidenceKind, Safety, Severity, Sink};

crate::rule! {
    /// nginx does not reach gunicorn: the socket's file was replaced or removed, and gunicorn still
    /// listens on the old one.
    ///
    /// Measured: a process that binds the path again, usually a second gunicorn, removes the first
    /// one's file and creates its own. The first keeps listening where nothing can reach it, and
    /// `/proc/net/unix` and `ss -lx` still show the path for it. When one of the two stops, it
    /// deletes the file of the other: nginx then logs `connect() failed (2: No such file or
    /// directory)` while the unit is active. The kernel knows which file a socket was bound to
    /// (sock_diag(7), `ss -xe`), and this rule compares that file with the one at the path now.
    ///
    /// By hand: compare `ino:` in `ss -lxe` with the file's inode (`stat -c %i`); then `systemctl
    /// restart myapp`.
    ///
    /// Proved by `second-master`: the second master took the requests, and when it stopped it
    /// deleted the socket: every request got 502 while the unit was active.
    ///
    /// The socket file of a `.socket` unit can disappear too, so that no request arrives: if it is
    /// in a `RuntimeDirectory=` of the service, it is removed when the service stops. systemd
    /// recreates the file only when the socket unit is restarted.
    ///
    /// Proved by `socket-unit-file-gone`: both units were active, systemd and gunicorn kept
    /// listening, and every request got 502.
    ///
    /// Proved by `socket-file-removed`: the unit was active, gunicorn kept listening, and every
    /// request got 502.
    ///
    /// ```proc,bad
    /// replaced /run/myapp/gunicorn.sock inode=40001
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad
    /// - file /run/myapp/gunicorn.sock
    /// ```
    /// ```proc,bad
    /// replaced /run/myapp/gunicorn.sock inode=40001
    /// listen unix:/run/myapp/gunicorn.sock inode=40700
    /// 700 parent=1 unit=other.service user=0 start=200 sockets=40700 : /usr/bin/other
    /// ```
    ///
    /// Healthy: the reverse, where the other process's socket is the one out of reach.
    ///
    /// ```proc,good
    /// listen unix:/run/myapp/gunicorn.sock inode=40700
    /// replaced /run/myapp/gunicorn.sock inode=40700
    /// 700 parent=1 unit=other.service user=0 start=200 sockets=40700 : /usr/bin/other
    /// ```
    S607 "socket-replaced" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    let masters = app.processes.get()?.masters.as_slice();
    for master in masters {
        master.sockets.get()?;
    }
    for route in ways(app) {
        let Endpoint::Unix(_) = &route.endpoint else { continue };
        let mut own = sockets.reached(&route.endpoint)?;
        // A socket that systemd made is the application's even while no gunicorn runs.
        let activated = is_activated(app, route);
        own.retain(|one| {
            masters.iter().any(|master| one.owners.contains(&master.process.pid))
                || (activated && is_systemds(sockets, one))
        });
        own.retain(|one| !sockets.was_closed(one));
        if own.is_empty() {
            continue;
        }
        match lost(app, sockets, route, &own) {
            Ok(None) => {}
            Ok(Some(lost)) => report(app, route, lost, out),
            Err(why) => out.skip(&why),
        }
    }
    Ok(())
}

/// Is it systemd that makes the socket, by a `.socket` unit?
fn is_activated(app: &App, route: &Route) -> bool {
    app.bounds().ok().and_then(|all| all.get(route.bound)).is_some_and(|bound| bound.activated)
}

fn is_systemds(sockets: &Sockets, listener: &Listener) -> bool {
    listener.owners.is_empty()
        && sockets.holders(listener).is_ok_and(|all| all.iter().any(|holder| holder.pid == 1))
}

/// What became of the file.
#[derive(Clone, Copy)]
enum Lost {
    Gone,
    Replaced,
}

fn lost(
    app: &App,
    sockets: &Sockets,
    route: &Route,
    own: &[&Listener],
) -> Result<Option<Lost>, Why> {
    let Endpoint::Unix(path) = &route.endpoint else { return Ok(None) };
    let Some(place) = sockets.file(path) else { return Ok(None) };
    if place.is(FileKind::Socket)? {
        for listener in own {
            if sockets.is_at(listener, path)? {
                return Ok(None);
            }
        }
        return Ok(Some(Lost::Replaced));
    }
    // The file of a socket that systemd made is where everybody sees it.
    if is_activated(app, route) {
        return Ok(Some(if place.exists()? { Lost::Replaced } else { Lost::Gone }));
    }
    // With mounts of its own gunicorn may have made the file where nobody else sees it.
    let processes = app.processes.get()?;
    for master in &processes.masters {
        if master.process.mounts.get()? != processes.mounts.get()? {
            return Err(Why::not_understood("gunicorn has its own view of the file system"));
        }
    }
    Ok(Some(if place.exists()? { Lost::Replaced } else { Lost::Gone }))
}

fn report(app: &App, route: &Route, lost: Lost, out: &mut Sink) {
    let Endpoint::Unix(path) = &route.endpoint else { return };
    let path = path.display();
    let (happened, evidence) = match lost {
        Lost::Gone => ("was removed", format!("nothing is at {path}")),
        Lost::Replaced => (
            "is no longer gunicorn's",
            format!("the file at {path} is not the one gunicorn's socket is bound to"),
        ),
    };
    let stem = app.stem();
    let (listens, help, fix) = match is_activated(app, route) {
        // systemd makes the file when the socket unit starts, and that it does only while the
        // service is stopped.
        true => {
            let units: Vec<String> =
                app.service.sockets.iter().map(|unit| unit.name.to_string()).collect();
            let units = units.join(" ");
            let again = format!("systemctl stop {stem} {units} && systemctl start {units} {stem}");
            ("systemd keeps listening", again.clone(), again)
        }
        false => (
            "gunicorn keeps listening",
            format!(
                "ss -lxp | grep {path}   shows what else listens there; stop it, then:\n\
                 systemctl restart {stem}"
            ),
            format!("systemctl restart {stem}"),
        ),
    };
    let cause = format!("{path} {happened}, and {listens} without it");
    // Where another program has the path, nginx meets that one.
    let spare = matches!(lost, Lost::Gone).then(|| app.spare_for(&route.endpoint)).flatten();
    let (message, severity) = match spare {
        Some(_) => without_answer(app, route, &cause),
        None => (format!("requests do not reach gunicorn: {cause}"), Severity::Error),
    };
    out.report(message)
        .severity(severity)
        .at_some(bind(app, route), "gunicorn's socket")
        .at(route.peer, "nginx connects here")
        .evidence(EvidenceKind::Socket, evidence)
        .help(help)
        .fix(Safety::Manual, fix);
}
