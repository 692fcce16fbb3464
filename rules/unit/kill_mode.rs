use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Severity, Sink};

crate::rule! {
    /// Old processes survive a stop, keep the socket and keep serving the old release.
    ///
    /// With `KillMode=none` systemd kills nothing at all: measured, gunicorn survives `systemctl
    /// stop`, and the next start meets a second master on the same socket. With `process` only the
    /// main process is signalled; a worker that outlives its master stays for ever (the master may
    /// be killed at `TimeoutStopSec=`, or exit on SIGHUP because of a broken configuration, which
    /// orphans the workers). `control-group`, which is the default, and `mixed` clean up; `mixed`
    /// first lets gunicorn stop its workers itself.
    ///
    /// By hand: `KillMode=mixed` in `[Service]`, then `systemctl daemon-reload`.
    ///
    /// Proved by `kill-mode-none`: after a restart the old master and its three workers were still
    /// there alongside the new ones.
    ///
    /// Proved by `orphan-workers`: one worker kept the port for as long as its long request took,
    /// gunicorn exited again and again with `Connection in use`, and nobody got an answer; with
    /// KillMode=mixed the site was back after some seconds.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillMode=none
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// KillMode=mixed
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// KillMode=process
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// KillMode=control-group
    /// ```
    U109 "kill-mode" {
        severity: Error, impact: StaleRelease, fix: Some(Safe), item: WorkersReplaced, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let mode = app.service.kill_mode();
    let (message, severity) = match mode.get()?.as_str() {
        "none" => (
            "a stop or restart leaves the old gunicorn running, on the same socket: KillMode=none",
            Severity::Error,
        ),
        "process" => (
            "workers that outlive their master are never killed and serve old code: KillMode=process",
            Severity::Warning,
        ),
        _ => return Ok(()),
    };
    out.report(message)
        .severity(severity)
        .at_known(&mode, "gunicorn needs mixed")
        .fix(Safety::Safe, "KillMode=mixed")
        .edit(Edit::set(&app.service.unit, "KillMode", "mixed"));
    Ok(())
}
