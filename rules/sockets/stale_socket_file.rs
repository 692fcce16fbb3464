use super::{bind, ways, without_answer};
use crate::facts::{App, Endpoint, Why};
use crate::host::FileKind;
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Every request gets 502: the socket's file exists, but nothing listens on it any more.
    ///
    /// Measured: `kill -9` leaves the file behind, and so does a reload after the bind was changed.
    /// nginx logs `connect() failed (111: Connection refused)`. The next start of gunicorn replaces
    /// the file.
    ///
    /// By hand: `systemctl restart myapp`.
    ///
    /// Proved by `stale-socket-file`: the file existed, nothing listened on it, and every request
    /// got 502 (connection refused).
    ///
    /// ```proc,bad
    /// - listen unix:/run/myapp/gunicorn.sock
    /// ```
    /// ```proc,fixed
    /// ```
    /// ```proc,bad,also=P501
    /// - 800
    /// - listen unix:/run/myapp/gunicorn.sock
    /// ```
    ///
    /// Healthy: connections waiting in the queue do not count as a second listener:
    ///
    /// ```proc,good
    /// waiting unix:/run/myapp/gunicorn.sock
    /// ```
    S602 "stale-socket-file" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    for route in ways(app) {
        let Endpoint::Unix(path) = &route.endpoint else { continue };
        let Some(place) = sockets.file(path) else { continue };
        match place.is(FileKind::Socket) {
            Ok(true) if sockets.reached(&route.endpoint)?.is_empty() => {}
            Ok(_) => continue,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        }
        // Where no gunicorn runs at all, a restart ends as the last start did.
        let runs = app.processes.ok().is_none_or(|processes| !processes.masters.is_empty());
        let stem = app.stem();
        let cause = format!("{} exists, but nothing listens on it", path.display());
        let (message, severity) = without_answer(app, route, &cause);
        out.report(message).severity(severity).at_some(bind(app, route), "gunicorn should listen here")
        .at(route.peer, "nginx connects here")
        .evidence(EvidenceKind::Socket, format!("no socket listens on {}", path.display()))
        .help(match runs {
            true => format!("systemctl restart {stem}   (gunicorn replaces the file by itself)"),
            false => format!(
                "journalctl -u {stem} -n 50   shows why gunicorn does not run; repair the cause, \
                 then:\nsystemctl restart {stem}   (gunicorn replaces the file by itself)"
            ),
        })
        .fix(
            Safety::Manual,
            match runs {
                true => format!("systemctl restart {stem}"),
                false => format!("find why {stem} does not start"),
            },
        );
    }
    Ok(())
}
