use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// gunicorn does not answer on its own socket, or answers with a server error.
    ///
    /// `--probe URL` also sends the URL's path straight to every application socket, past nginx,
    /// with the URL's host as `Host`. That shows which side of the socket is at fault: it is nginx
    /// if the site answers 502 and the socket is healthy. A status of 500 or more, a refused
    /// connection and 10 seconds of silence are findings.
    ///
    /// By hand: `curl -sv --unix-socket SOCKET http://localhost/`, then `journalctl -u UNIT`.
    ///
    /// Proved by `app-answers-500`: the service was active, gunicorn answered, and every request
    /// got 500, through nginx and straight at the socket.
    ///
    /// ```text,bad,probe=http://example.com/,also=L805
    /// example.com:80 502
    /// unix:/run/myapp/gunicorn.sock refused
    /// ```
    /// ```text,fixed,probe=http://example.com/
    /// example.com:80 200
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    /// ```text,bad,probe=unix:/run/myapp/gunicorn.sock
    /// unix:/run/myapp/gunicorn.sock 500
    /// ```
    /// ```text,good,probe=unix:/run/myapp/gunicorn.sock
    /// unix:/run/myapp/gunicorn.sock 302
    /// ```
    L806 "app-not-answering" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().ok().map(Vec::as_slice).unwrap_or_default();
    for probe in app.probes.get()? {
        let Some(bound) = bounds.get(probe.bound) else { continue };
        if let Some(why) = probe.not_made() {
            out.skip(&why);
            continue;
        }
        let Some(fault) = probe.fault() else { continue };
        let socket = &probe.target;
        let way = match socket.strip_prefix("unix:") {
            Some(path) => format!("--unix-socket {path} http://localhost/"),
            None => format!("http://{socket}/"),
        };
        out.report(format!("{} {fault} on {socket}, past nginx", app.name))
            .at_some(bound.origin.span(), "requested here, past nginx")
            .evidence(EvidenceKind::Http, format!("GET {socket}: {fault}"))
            .help(format!("curl -sv {way}\njournalctl -u {} -n 50", app.name))
            .fix(Safety::Manual, "find the cause in the unit's journal");
    }
    Ok(())
}
