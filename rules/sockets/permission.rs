use super::{bind, ways, without_answer};
use std::path::Path;

use crate::facts::{App, Bound, Endpoint, Why};
use crate::rule::{Edit, EvidenceKind, Safety, Sink, Value};

crate::rule! {
    /// Every request gets 502: nginx's user cannot connect to the socket.
    ///
    /// nginx logs `connect() failed (13: Permission denied)`. Connecting needs the right to write
    /// to the socket's file and to pass through every directory on the way. Measured: gunicorn
    /// creates its socket with mode 0777 unless `-m` says otherwise, whatever `UMask=` is, so the
    /// cause is usually a directory; for a `.socket` unit it is `SocketMode=` or `SocketUser=`.
    ///
    /// By hand: `namei -l /run/myapp/gunicorn.sock` shows every mode on the way.
    ///
    /// Proved by `socket-directory-mode`: gunicorn served and its socket had mode 0777, yet nginx
    /// logged `13: Permission denied` and every request got 502.
    ///
    /// Proved by `socket-mode`: the socket had mode 0770 and did not belong to nginx's user: every
    /// request got 502; without the option its mode is 0777, whatever UMask= says.
    ///
    /// Proved by `umask-in-file`: the file was corrected and reloaded, and gunicorn 23.0.0 kept the
    /// socket that it had made, with mode 0770: every request went on getting 502; a restart
    /// creates a new socket.
    ///
    /// Proved by `umask-in-file-27`: the file was corrected and reloaded, and gunicorn 27.0.1 kept
    /// the socket that it had made, with mode 0770: every request went on getting 502; a restart
    /// creates a new socket.
    ///
    /// Proved by `socket-unit-mode`: gunicorn served and was active, nginx's user could not write to
    /// its socket, and every request got 502.
    ///
    /// By hand, for gunicorn's own socket: `--umask 0`, which is its default; if the socket has
    /// another mode without `--umask`, a command has changed it (`ExecStartPost=chmod …`). For the
    /// directory: `RuntimeDirectoryMode=0755`; for a `.socket` unit: `SocketMode=0666`.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// umask = 0o077  # nobody else reads our logs
    /// ```
    /// ```proc,bad,restarted
    /// file /run/myapp/gunicorn.sock mode=0700 owner=1000:1000
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// umask = 0  # nobody else reads our logs
    /// ```
    /// ```proc,fixed,restarted
    /// file /run/myapp/gunicorn.sock mode=0777 owner=1000:1000
    /// ```
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
        let bound = app.bounds().get()?.get(route.bound);
        let umask = app.gunicorn.settings.umask().span();
        let changed = umask.or_else(|| app.gunicorn.started_at());
        let (safety, title, edits, how) =
            remedy(app, bound, blocked.map(|step| step.path.as_path()));
        let cause = format!(
            "nginx's user {} cannot {} {}",
            user.name,
            if blocked.is_some() { "pass through" } else { "write to" },
            what.display()
        );
        let (message, severity) = without_answer(app, route, &cause);
        let finding = out
            .report(message)
            .severity(severity)
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
            .help(how)
            .by_hand(changed.filter(|_| blocked.is_none()));
        finding.fix_if(safety, title, edits);
    }
    Ok(())
}

/// What lets nginx in, and the same in words.
fn remedy(
    app: &App,
    bound: Option<&Bound>,
    blocked: Option<&Path>,
) -> (Safety, String, Option<Edit>, String) {
    let by_hand = |title: &str, how: String| (Safety::Manual, title.to_owned(), None, how);
    if let Some(directory) = blocked {
        let shown = directory.display();
        let made = app.service.directories.ok().into_iter().flatten();
        let mut made = made.filter(|made| made.path.starts_with("/run"));
        if made.any(|made| made.path == directory) {
            let title = "RuntimeDirectoryMode=0755";
            let edit = Edit::set(&app.service.unit, "RuntimeDirectoryMode", "0755");
            return (Safety::Safe, title.to_owned(), Some(edit), String::new());
        }
        let title = format!("chmod o+x {shown}");
        return by_hand(&title, title.clone());
    }
    if let Some(bound) = bound.filter(|bound| bound.activated) {
        let title = "SocketMode=0666";
        let at = bound.origin.span();
        let unit = app
            .service
            .sockets
            .iter()
            .find(|unit| at.is_some_and(|at| unit.files().any(|file| file.file.id == at.file)));
        let edit = unit.map(|unit| Edit::Set {
            unit: unit.name.to_string(),
            section: "Socket",
            key: "SocketMode",
            value: "0666".to_owned(),
        });
        return (Safety::Safe, title.to_owned(), edit, format!("In [Socket]:\n{title}"));
    }
    let umask = app.gunicorn.settings.umask();
    if !umask.is_set() || umask.ok() == Some(&0) {
        let how = "gunicorn creates its socket with mode 0777, so something has changed the mode \
                   since (ExecStartPost=, chmod): remove that.";
        return by_hand("keep the socket's mode", how.to_owned());
    }
    // Whatever the application writes gets other modes too.
    let how = "--umask 0 in gunicorn's options".to_owned();
    let edit = Edit::setting(app, "umask", Value::Number(0)).ok();
    (Safety::Unsafe, "set --umask 0".to_owned(), edit, how)
}
