use crate::facts::gunicorn::Version;
use crate::rule::prelude::*;

crate::rule! {
    /// The start never succeeds: systemd waits for a readiness message that never comes.
    ///
    /// With `Type=notify` (or `notify-reload`) a unit counts as started once READY=1 has arrived.
    /// gunicorn sends it from 20.0 on. An older one, or one whose environment has lost
    /// NOTIFY_SOCKET, serves for as long as `TimeoutStartSec=` lasts (90 s by default), is then
    /// killed, and with `Restart=` that repeats for ever. If a shell or launcher stays between
    /// systemd and gunicorn, READY=1 is sent but not accepted: U103 reports that.
    ///
    /// By hand: a newer gunicorn, or `Type=exec`; then `systemctl daemon-reload` and
    /// `systemctl restart`.
    ///
    /// Proved by `notify-without-ready`: the unit was killed at its start timeout again and again,
    /// and requests got 502 in between.
    ///
    /// Proved by `type-oneshot`: the start did not end and was cut off by its time limit; every request
    /// got 502 after that.
    ///
    /// ```tree,bad
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-19.9.0.dist-info/
    /// ```
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-19.9.0.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 19.9.0
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// flask
    /// gunicorn
    /// ```
    ///
    /// `Type=oneshot` is for commands that finish: with gunicorn, `systemctl start` waits for ever,
    /// the state stays `activating`, and no reload is possible. With `Restart=always` or
    /// `on-success`, systemd (252 and 262) refuses the whole unit, which U128 reports.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Type=oneshot
    /// Restart=no
    /// ```
    ///
    /// `env -i` removes NOTIFY_SOCKET with all the rest:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// UnsetEnvironment=NOTIFY_SOCKET
    /// ```
    ///
    /// Healthy: nothing waits for READY=1.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// Type=exec
    /// UnsetEnvironment=NOTIFY_SOCKET
    /// ```
    U135 "notify-without-ready" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let kind = service.kind();
    if kind.get()? == "oneshot" && kind.is_set() && !service.unit.masked {
        // With `Restart=always` the unit is refused as a whole: that is U128's.
        let refused = |policy: &String| matches!(policy.as_str(), "always" | "on-success");
        if service.restart().ok().is_some_and(refused) {
            return Ok(());
        }
        out.report(
            "the start never ends: with Type=oneshot it is done only when gunicorn exits, and no \
             reload is possible until then",
        )
        .at_known(&kind, "waits for gunicorn to exit")
        .fix(Safety::Safe, "Type=exec")
        .edit(Edit::set(&service.unit, "Type", "exec"));
        return Ok(());
    }
    if !matches!(kind.get()?.as_str(), "notify" | "notify-reload") || service.unit.masked {
        return Ok(());
    }
    // What waits then is the shell or launcher.
    let launch = app.gunicorn.launch.get()?;
    let (place, cause) = if let Some(place) = service.unsets("NOTIFY_SOCKET") {
        (Some(place), "NOTIFY_SOCKET is removed from gunicorn's environment".to_owned())
    } else if launch.cleared || launch.unset.iter().any(|name| name == "NOTIFY_SOCKET") {
        (
            app.gunicorn.started_at(),
            "`env` removes NOTIFY_SOCKET from gunicorn's \
             environment"
                .to_owned(),
        )
    } else {
        match app.gunicorn.version.get()? {
            version if is_silent(version) => (
                app.gunicorn.started_at(),
                format!("gunicorn {version} sends no READY=1 (20.0 is the first to send it)"),
            ),
            _ => return Ok(()),
        }
    };
    out.report(format!(
        "the start times out and is killed, again and again: Type={} waits for READY=1, and {cause}",
        kind.ok().map_or("notify", String::as_str)
    ))
    .at_known(&kind, "waits for READY=1")
    .at_some(place, "never sends it")
    .fix(Safety::Safe, "Type=exec")
    .edit(Edit::set(&service.unit, "Type", "exec"));
    Ok(())
}

fn is_silent(version: &Version) -> bool {
    version.at_least("20.0") == Some(false)
}
