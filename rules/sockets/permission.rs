use super::{bind, ways};
use crate::facts::{App, Endpoint, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every request gets 502: nginx's user may not connect to the socket as it stands.
    ///
    /// nginx logs `connect() failed (13: Permission denied)`. To connect takes the right to write to
    /// the socket's file and to pass through every directory on the way. Measured: gunicorn makes
    /// its socket with mode 0777 unless `-m` says otherwise, whatever `UMask=` is, so it is mostly
    /// a directory; a `.socket` unit has `SocketMode=` and `SocketUser=`.
    ///
    /// By hand: `namei -l /run/myapp/gunicorn.sock` shows every mode on the way.
    ///
    /// Proved by `socket-directory-mode`: gunicorn served and its socket had mode 0777, yet nginx
    /// logged `13: Permission denied` and every request got 502.
    ///
    /// Proved by `socket-mode`: the socket had mode 0770 and was not nginx's: every request got
    /// 502; without the option it has 0777, whatever UMask= says.
    ///
    /// ```proc,bad
    /// file /run/myapp/gunicorn.sock mode=0700 owner=1000:1000
    /// ```
    /// ```proc,fixed
    /// file /run/myapp/gunicorn.sock mode=0777 owner=1000:1000
    /// ```
    /// ```proc,good
    /// file /run/myapp/gunicorn.sock mode=0660 owner=1000:33
    /// ```
    S606 "permission" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    for route in ways(app) {
        let Endpoint::Unix(path) = &route.endpoint else { continue };
        let Some(place) = sockets.file(path) else { continue };
        // Without a listener rights do not matter yet.
        let listens = !sockets.reached(&route.endpoint)?.is_empty();
        if !listens || !place.exists()? {
            continue;
        }
        let user = app.nginx.user.get()?;
        if place.accessible(user, crate::facts::Want::Write)? {
            continue;
        }
        let blocked = place.blocked_at(user)?;
        let (what, metadata) = match (blocked, place.metadata()) {
            (Some(step), _) => (step.path.as_path(), step.metadata),
            (None, Some(metadata)) => (path.as_path(), *metadata),
            (None, None) => continue,
        };
        let activated = app.bounds().get()?.get(route.bound).is_some_and(|bound| bound.activated);
        let title = match blocked {
            Some(_) => "RuntimeDirectoryMode=0755",
            None if activated => "SocketMode=0666",
            None => "--umask 0",
        };
        let stem = app.name.strip_suffix(".service").unwrap_or(&app.name);
        out.report(format!(
            "every request gets 502: nginx's user {} may not {} {}",
            user.name,
            if blocked.is_some() { "pass through" } else { "write to" },
            what.display()
        ))
        .at_some(bind(app, route), "gunicorn's socket")
        .at(route.peer, format!("nginx connects here as {}", user.name))
        .evidence(
            EvidenceKind::File,
            format!(
                "{} has mode {:04o} and belongs to {}:{}",
                what.display(),
                metadata.mode,
                metadata.uid,
                metadata.gid
            ),
        )
        .help(format!("{title}\nthen: systemctl daemon-reload && systemctl restart {stem}"))
        .fix(Safety::Safe, title);
    }
    Ok(())
}
