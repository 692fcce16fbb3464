use crate::facts::gunicorn::WrapperKind;
use crate::facts::sockets::Sockets;
use crate::rule::prelude::*;

crate::rule! {
    /// gunicorn does not start: its user may not listen on a port this low.
    ///
    /// Only root, and a process with `CAP_NET_BIND_SERVICE`, may listen on a port below
    /// `net.ipv4.ip_unprivileged_port_start`, which is 1024 unless the host sets it (measured with
    /// gunicorn 23.0.0: `Can't connect to ('127.0.0.1', 81)`, status 1; older versions say
    /// `[Errno 13] Permission denied`). A socket that systemd hands over is opened by systemd, as root.
    ///
    /// In files of a host that is not running this is a warning: somebody may have given the capability
    /// to Python's own file (`setcap`), which files do not show.
    ///
    /// By hand: let gunicorn listen on a unix socket, or on a port from 1024 up, and nginx pass to it.
    /// Ports 80 and 443 are nginx's.
    ///
    /// Proved by `port-needs-privilege`: gunicorn could not listen (permission denied), and every
    /// request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock --bind 127.0.0.1:81 wsgi:app
    /// ```
    /// ```ini,good,drop-in
    /// [Service]
    /// AmbientCapabilities=CAP_NET_BIND_SERVICE
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock --bind 127.0.0.1:81 wsgi:app
    /// ```
    G236 "port-needs-privilege" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let service = &app.service;
    app.bounds().get()?;
    let Some(low) = &app.gunicorn.low_port else { return Ok(()) };
    let privileged =
        service.exec_start.last().is_some_and(|command| command.line.prefixes.full_privileges);
    let user = service.user.get()?;
    if user.is_root() || privileged {
        return Ok(());
    }
    if service.gives("CAP_NET_BIND_SERVICE") {
        return Ok(());
    }
    // `authbind` opens the port in gunicorn's place, and another network has its own lowest port.
    if let Some(wrapper) = app.gunicorn.launch.ok().and_then(|launch| launch.wrapper())
        && matches!(wrapper.kind, WrapperKind::Other(_))
    {
        return Err(Why::depends("the program that starts gunicorn may open the port"));
    }
    for key in ["PrivateNetwork", "NetworkNamespacePath"] {
        if service.unit.last("Service", key).is_some() {
            return Err(Why::depends(format!("{key}= gives it a network of its own")));
        }
    }
    let port = low.port;
    if port >= *low.first_free.get()? {
        return Ok(());
    }
    // What listens has its capability from somewhere.
    let listening = app.sockets.ok();
    let reached =
        |sockets: &Sockets| sockets.reached(&low.endpoint).map_or(true, |all| !all.is_empty());
    if listening.is_some_and(reached) {
        return Ok(());
    }
    let name = &user.name;
    let finding = out
        .report(format!("gunicorn does not start: {name} may not listen on port {port}"))
        .at_some(low.origin.span(), "only root may, or a process with CAP_NET_BIND_SERVICE")
        .at_known(&service.user, "runs as this user");
    if listening.is_none() {
        finding.severity(Severity::Warning);
    }
    finding
        .help(
            "Let gunicorn listen on a unix socket or on a port from 1024 up, and nginx pass to it \
             (ports 80 and 443 are nginx's); or, in [Service]:\n\
             AmbientCapabilities=CAP_NET_BIND_SERVICE",
        )
        .by_hand(low.origin.span())
        .fix(Safety::Manual, "listen where gunicorn's user may");
    Ok(())
}
