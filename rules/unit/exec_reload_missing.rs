use crate::facts::{App, Service, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Safety, Sink};
use crate::rules::unit::type_notify_reload::SINCE as NOTIFY_RELOAD_SINCE;

crate::rule! {
    /// `systemctl reload` fails, so people restart instead, and every restart drops the requests in
    /// flight.
    ///
    /// systemd cannot reload a service that does not say how. Measured: without `ExecReload=` the
    /// command exits with status 3 and `Job type reload is not applicable for unit …`; `systemctl
    /// reload-or-restart` restarts. With `RefreshOnReload=` (systemd 260) it returns 0, and
    /// gunicorn gets nothing. gunicorn reloads on SIGHUP: new workers take over while the old ones
    /// finish.
    ///
    /// With a `.socket` unit the restart loses nothing, because systemd keeps the socket, and with
    /// it the connections that arrive in the meantime (500 of 500 requests were answered);
    /// `systemctl reload` still fails.
    ///
    /// By hand: add `ExecReload=/bin/kill -s HUP $MAINPID` to `[Service]`, then
    /// `systemctl daemon-reload`. No restart is needed.
    ///
    /// Proved by `exec-reload-missing`: `systemctl reload` returned 3, and the restart that
    /// followed lost requests.
    ///
    /// ```ini,bad
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
    /// An empty assignment in a drop-in removes `ExecReload=`; a later line that sets it again is
    /// fine.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecReload=
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// ExecReload=
    /// ExecReload=/bin/kill -HUP $MAINPID
    /// ```
    U101 "exec-reload-missing" {
        severity: Error, impact: DroppedRequests, fix: Some(Safe), item: ExecReload, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

/// `RefreshOnReload=`, from systemd 260 on: with it a reload is done without `ExecReload=` too.
fn refreshes(service: &Service) -> Option<Span> {
    let set = service.unit.last("Service", "RefreshOnReload")?;
    service.unit.specifiers.systemd?;
    // It may name what is refreshed instead, `credentials` for one.
    (service.boolean("RefreshOnReload", true).ok() != Some(&false)).then_some(set.span)
}

/// What mentions a reload, and is silent while there is none.
const OF_A_RELOAD: [&str; 6] = ["U103", "U113", "G203", "G207", "G222", "R716"];

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    service.whole()?;
    // systemd itself sends the signal then (`ReloadSignal=`); that this type fails in another way
    // is another rule's. An old systemd does not know the type, and ignores it.
    let old = app.machine.systemd.ok().is_some_and(|version| *version < NOTIFY_RELOAD_SINCE);
    if (!old && service.kind().get()? == "notify-reload") || service.unit.masked {
        return Ok(());
    }
    if !service.unit.list("Service", "ExecReload").is_empty() {
        return Ok(());
    }
    if let Some(refresh) = refreshes(service) {
        out.report(format!(
            "`systemctl reload {}` returns 0 and the old code keeps running: RefreshOnReload= \
             makes systemd reload its own part, and gunicorn gets no signal",
            app.name
        ))
        .at(refresh, "there is no ExecReload= with it")
        .help(format!("Add to [Service]:\n{}", super::RELOAD))
        .fix(Safety::Safe, super::RELOAD)
        .edit(Edit::set(&service.unit, "ExecReload", super::HUP))
        .uncovers_rules(&OF_A_RELOAD);
        return Ok(());
    }
    let reset = service.unit.all("Service", "ExecReload").last().is_some();
    let note = if reset { "this removes ExecReload=" } else { "no ExecReload= here" };
    // systemd keeps a socket that it hands over, and with it what connects during a restart.
    let restart = match service.sockets_read() {
        _ if !service.sockets.is_empty() => "",
        Ok(()) => ", and a restart drops requests",
        Err(_) => ", and a restart may drop requests",
    };
    out.report(format!("`systemctl reload {}` fails: there is no ExecReload={restart}", app.name))
        .at_some(super::place_for(service, "ExecReload"), note)
        .help(format!("Add to [Service]:\n{}", super::RELOAD))
        .fix(Safety::Safe, super::RELOAD)
        .edit(Edit::set(&service.unit, "ExecReload", super::HUP))
        .uncovers_rules(&OF_A_RELOAD);
    Ok(())
}
