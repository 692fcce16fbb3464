use crate::facts::{App, Endpoint, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// gunicorn does not start on a newer kernel: `reuse_port` is refused for unix sockets.
    ///
    /// Linux used to accept SO_REUSEPORT on a unix socket without effect; from 6.13 on, and in
    /// older kernels maintained since, it answers "Operation not supported" (measured on 6.18:
    /// Errno 95), and gunicorn exits before it listens. The workers of one gunicorn share their
    /// socket without this option.
    ///
    /// If the kernel is unknown or older, this is a warning: the next kernel update takes the site
    /// down.
    ///
    /// Proved by `reuse-port-unix`: gunicorn exited with `Operation not supported` (Errno 95), and
    /// every request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --reuse-port --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// reuse_port = False
    /// ```
    G232 "reuse-port-unix" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

/// The first kernel that refuses it.
const REFUSES: (u32, u32) = (6, 13);

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let reuse = app.gunicorn.settings.reuse_port();
    if !*reuse.get()? {
        return Ok(());
    }
    let bounds = app.bounds().get()?;
    let Some(unix) =
        bounds.iter().find(|bound| !bound.activated && matches!(bound.endpoint, Endpoint::Unix(_)))
    else {
        return Ok(());
    };
    let refuses = app.machine.kernel.ok().is_some_and(|kernel| *kernel >= REFUSES);
    let when = if refuses { "" } else { " on a kernel from 6.13 on" };
    let edits = Edit::switch_off(app, "reuse_port");
    let severity = if refuses { Severity::Error } else { Severity::Warning };
    out.report(format!(
        "gunicorn does not start{when}: the kernel refuses reuse_port for {}",
        unix.endpoint
    ))
    .severity(severity)
    .at_known(&reuse, "sets SO_REUSEPORT")
    .at_some(unix.origin.span(), "on a unix socket")
    .help("Remove reuse_port: the workers share the socket without it.")
    .by_hand(reuse.span())
    .fix_or_why(Safety::Safe, "remove reuse_port", edits);
    Ok(())
}
