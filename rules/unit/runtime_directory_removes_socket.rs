use crate::facts::service::{ManagedDirectory, Unit};
use crate::rule::prelude::*;

crate::rule! {
    /// After the first restart every request gets 502, although gunicorn runs.
    ///
    /// systemd removes the directories of `RuntimeDirectory=` whenever the service stops, with
    /// everything in them. If the `.socket` unit listens on a path in such a directory, the path is
    /// gone from then on: systemd keeps listening on a socket that nothing can reach any more,
    /// until the `.socket` unit itself is restarted.
    ///
    /// The same happens where two units name one directory (a worker of Celery's beside the site, an
    /// instance of a template): whichever stops takes the other's socket with it, and a `oneshot` of
    /// a timer does so each time that it has ended. A warning where the other is not enabled.
    ///
    /// By hand: a directory of its own for each unit (`RuntimeDirectory=myapp-worker`); or, for one
    /// that the socket unit and the service share, `RuntimeDirectoryPreserve=yes`, or a path for `ListenStream=` that no service
    /// removes (`/run/myapp.socket`); then `systemctl daemon-reload` and
    /// `systemctl restart NAME.socket`.
    ///
    /// Proved by `runtime-directory-removes-socket`: after one restart of the service every
    /// request got 502 while the unit was active.
    ///
    /// Proved by `runtime-directory-shared`: a worker beside it was restarted, and from then on
    /// every request got 502 while the unit was active.
    ///
    /// ```ini,bad,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp/gunicorn.sock
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```ini,fixed,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp/gunicorn.sock
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```ini,fixed
    /// [Unit]
    /// Description=Gunicorn for myapp
    /// After=network.target
    ///
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn \
    ///     --workers 3 \
    ///     --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock \
    ///     wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=always
    /// RestartSec=3
    /// RuntimeDirectoryPreserve=yes
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// A second unit with the same directory:
    ///
    /// ```ini,bad,file=/etc/systemd/system/worker.service
    /// [Service]
    /// User=www-data
    /// RuntimeDirectory=myapp
    /// ExecStart=/srv/myapp/.venv/bin/celery -A wsgi worker
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```ini,good,file=/etc/systemd/system/worker.service
    /// [Service]
    /// User=www-data
    /// RuntimeDirectory=myapp
    /// RuntimeDirectoryPreserve=yes
    /// ExecStart=/srv/myapp/.venv/bin/celery -A wsgi worker
    /// ```
    /// ```ini,good,file=/etc/systemd/system/worker.service
    /// [Service]
    /// User=www-data
    /// RuntimeDirectory=myapp/worker
    /// ExecStart=/srv/myapp/.venv/bin/celery -A wsgi worker
    /// ```
    ///
    /// Healthy: the directory stays.
    ///
    /// ```ini,good,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp/gunicorn.sock
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// RuntimeDirectoryPreserve=yes
    /// ```
    U139 "runtime-directory-removes-socket" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: UpstreamStable, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    by_others(app, out)?;
    if service.sockets.is_empty() {
        return Ok(());
    }
    let preserve = service.word("RuntimeDirectoryPreserve", "no");
    let (severity, when) = match preserve.get()?.as_str() {
        "restart" => (Severity::Warning, "stop"),
        _ if service.boolean("RuntimeDirectoryPreserve", false).ok() == Some(&true) => {
            return Ok(());
        }
        _ => (Severity::Error, "restart"),
    };
    for bound in app.bounds().get()?.iter().filter(|bound| bound.activated) {
        let (Endpoint::Unix(path), Some(span)) = (&bound.endpoint, bound.origin.span()) else {
            continue;
        };
        let listens = |unit: &&Unit| unit.files().any(|file| file.file.id == span.file);
        let Some(unit) = service.sockets.iter().find(listens) else { continue };
        let goes = |made: &&ManagedDirectory| {
            made.path.starts_with("/run") && path.starts_with(&made.path)
        };
        if let Some(directory) = service.directories.get()?.iter().find(goes) {
            let (name, shown) = (&unit.name, directory.path.display());
            out.report(format!(
                "after a {when} of {} every request gets 502: systemd removes {shown}, and {name} \
                 keeps listening without {}",
                app.name,
                path.display()
            ))
            .severity(severity)
            .at(span, "is in the directory that is removed")
            .at(directory.span, "removed whenever the service stops")
            .fix(Safety::Safe, "RuntimeDirectoryPreserve=yes")
            .edit(Edit::set(&service.unit, "RuntimeDirectoryPreserve", "yes"));
        }
    }
    Ok(())
}

/// Another unit has the directory of the socket as its own, and takes it away when it stops.
fn by_others(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    if service.shared_directories.is_empty() {
        return Ok(());
    }
    for bound in app.bounds().get()? {
        let Endpoint::Unix(path) = &bound.endpoint else { continue };
        let mut others = service.shared_directories.iter();
        let Some(other) = others.find(|other| path.starts_with(&other.path)) else { continue };
        let (name, shown) = (&other.unit, other.path.display());
        let when = if other.kept_on_restart { "is stopped" } else { "is stopped or restarted" };
        let own = service.directories.get()?.iter().find(|made| path.starts_with(&made.path));
        let finding = out
            .report(format!(
                "when {name} {when}, every request to {} gets 502: systemd then removes {shown}, \
                 and with it {}",
                app.name,
                path.display()
            ))
            .severity(if other.enabled { Severity::Error } else { Severity::Warning })
            .at(other.span, format!("removed whenever {name} stops"))
            .at_some(own.map(|own| own.span), "the same directory")
            .subject(format!("{name} {shown}"))
            .help(format!(
                "give {name} its own RuntimeDirectory=, or in [Service] of {name}:\n\
                 RuntimeDirectoryPreserve=yes"
            ))
            .by_hand(Some(other.span));
        finding.fix(Safety::Manual, format!("a directory of its own for {name}"));
        return Ok(());
    }
    Ok(())
}
