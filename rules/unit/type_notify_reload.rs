use crate::rule::prelude::*;

crate::rule! {
    /// Every `systemctl reload` fails, after waiting for a whole start timeout.
    ///
    /// With `Type=notify-reload` systemd (from 253 on) sends SIGHUP itself and then waits for the
    /// service to send RELOADING=1 and READY=1 again. No gunicorn does (measured with 23.0.0 to
    /// 27.0.1): the workers are replaced and serve the new code, but the command waits for
    /// `TimeoutStartSec=` (90 s by default) and returns 1, so the deployment that called it counts
    /// as failed. Before 253, systemd ignores this type, and a reload without `ExecReload=` is
    /// refused.
    ///
    /// By hand: `Type=notify`, `NotifyAccess=main` and
    /// `ExecReload=/bin/kill -s HUP $MAINPID`, then `systemctl daemon-reload`.
    ///
    /// Proved by `type-notify-reload`: `systemctl reload` waited for the whole start timeout and
    /// returned 1, though the workers were replaced and nothing was lost.
    ///
    /// ```ini,bad
    /// [Unit]
    /// Description=Gunicorn for myapp
    ///
    /// [Service]
    /// Type=notify-reload
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,fixed
    /// [Unit]
    /// Description=Gunicorn for myapp
    ///
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// An additional `ExecReload=` does not help:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Type=notify-reload
    /// ```
    /// ```tree,bad
    /// /usr/lib/systemd/libsystemd-shared-255.so mode=0644
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Type=notify
    /// ```
    /// ```tree,fixed
    /// /usr/lib/systemd/libsystemd-shared-255.so mode=0644
    /// ```
    ///
    /// Healthy: a later line that undoes it:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// Type=notify-reload
    /// Type=notify
    /// ```
    U106 "type-notify-reload" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// The first systemd that knows the type.
pub(super) const SINCE: u32 = 253;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    let kind = service.kind();
    if kind.get()? != "notify-reload" || service.unit.masked {
        return Ok(());
    }
    app.gunicorn.launch.get()?;
    let reloads = !service.unit.list("Service", "ExecReload").is_empty();
    let consequence = match app.machine.systemd.ok() {
        Some(version) if *version < SINCE => return Ok(()),
        Some(_) => "`systemctl reload` waits for the start timeout (90 s) and returns 1",
        // An older one reloads with ExecReload=, and refuses without it.
        None if reloads => {
            app.machine.systemd.get()?;
            return Ok(());
        }
        None => "every `systemctl reload` fails",
    };
    let mut edits = vec![Edit::set(&service.unit, "Type", "notify")];
    if !reloads {
        edits.push(Edit::set(&service.unit, "ExecReload", super::HUP));
    }
    out.report(format!(
        "{consequence}: Type=notify-reload waits for RELOADING=1, which no gunicorn sends"
    ))
    .at_known(&kind, "gunicorn supports notify")
    .fix(Safety::Safe, "set Type=notify with ExecReload=")
    .edits(edits);
    Ok(())
}
