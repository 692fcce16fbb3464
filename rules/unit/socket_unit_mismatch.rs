use crate::facts::service::Unit;
use crate::facts::socket_unit::{SocketFile, directory_mode, no_address};
use crate::facts::{Bound, Route};
use crate::rule::prelude::*;

crate::rule! {
    /// Every request gets 502: the `.socket` unit does not match nginx or the service.
    ///
    /// systemd creates the socket according to `SocketMode=`, `SocketUser=` and `SocketGroup=`,
    /// whatever gunicorn's own options are; nginx's user must be able to write to it. And gunicorn
    /// is handed a socket only if the `.socket` unit runs: if it is neither enabled nor named in
    /// the service's `Requires=`, the next boot starts the service without it. gunicorn then
    /// listens on its own `bind`, 127.0.0.1:8000 if nothing sets it. N301 reports a path that nginx
    /// does not connect to, and S606 the socket on a live host.
    ///
    /// By hand: in `[Socket]`, `SocketUser=` with nginx's user and `SocketMode=0660`; in the
    /// service's `[Unit]`, `Requires=NAME.socket`, and `systemctl enable NAME.socket`.
    ///
    /// Proved by `socket-unit-mode`: gunicorn served and was active, nginx's user could not write to
    /// its socket, and every request got 502.
    ///
    /// Proved by `socket-unit-not-started`: started as at boot, gunicorn was active on
    /// 127.0.0.1:8000, and every request got 502.
    ///
    /// An address that is none makes systemd refuse the `.socket` unit: it takes a path that begins with
    /// `/`, a port, or a number of an address with a port, but no `unix:`, no quotes and no host name.
    ///
    /// Proved by `socket-unit-no-address`: systemd refused the unit, gunicorn did not start, and every
    /// request got 502.
    ///
    /// ```ini,bad,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=unix:/run/myapp.sock
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```ini,bad,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
    /// SocketMode=0600
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```tree,bad
    /// /etc/systemd/system/sockets.target.wants/myapp.socket -> ../myapp.socket
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```ini,fixed,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
    /// SocketUser=www-data
    /// SocketMode=0600
    ///
    /// [Install]
    /// WantedBy=sockets.target
    /// ```
    /// ```tree,fixed
    /// /etc/systemd/system/sockets.target.wants/myapp.socket -> ../myapp.socket
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Nothing starts the socket, because `After=` does not:
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// After=myapp.socket
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current wsgi:app
    /// ```
    /// ```ini,bad,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: not enabled, but the service starts it; nginx can write to it through its group.
    ///
    /// ```ini,good,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// ```
    /// ```ini,good,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
    /// SocketGroup=www-data
    /// SocketMode=0660
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// systemd creates missing directories on the way to the socket with `DirectoryMode=`, owned by
    /// root (measured on 252):
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// ```
    /// ```ini,bad,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/site/myapp.sock
    /// SocketUser=www-data
    /// DirectoryMode=0700
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/site/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```ini,good,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// ```
    /// ```ini,good,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/site/myapp.sock
    /// SocketUser=www-data
    /// DirectoryMode=0711
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/site/myapp.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    U127 "socket-unit-mismatch" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for unit in &app.service.sockets {
        accepts(app, unit, out);
        refused(app, unit, out);
    }
    let bounds = app.bounds().get()?;
    for (index, bound) in bounds.iter().enumerate().filter(|(_, bound)| bound.activated) {
        // Whom nobody connects to is refused to nobody.
        let Some(route) = app.routes.iter().find(|route| route.bound == index) else { continue };
        for judged in [
            admits(app, bound, route, out),
            lets_pass(app, bound, route, out),
            is_started(app, bound, route, out),
        ] {
            if let Err(why) = judged {
                out.skip(&why);
            }
        }
    }
    Ok(())
}

/// May nginx connect to the socket, once systemd has made it?
fn admits(app: &App, bound: &Bound, route: &Route, out: &mut Sink) -> Result<(), Why> {
    let (Endpoint::Unix(path), Some(unit)) = (&bound.endpoint, app.service.socket_of(bound)) else {
        return Ok(());
    };
    if app.service.touches(path) {
        return Err(Why::depends(format!("a command of the unit may change {}", path.display())));
    }
    let nginx = app.nginx.user.get()?;
    let file = SocketFile::read(&app.machine, unit)?;
    if file.admits(nginx)? || stands(app, path) {
        return Ok(());
    }
    let name = &unit.name;
    out.report(format!(
        "every request gets 502: {name} creates {} with mode {:04o} for {}, so nginx's user {} \
         cannot write to it",
        path.display(),
        file.mode,
        file.user.name,
        nginx.name
    ))
    .at_some(file.span.or_else(|| bound.origin.span()), "decides who can connect")
    .at(route.peer, format!("nginx connects here as {}", nginx.name))
    .subject("mode")
    .help(format!("In [Socket] of {name}:\nSocketUser={}\nSocketMode=0660", nginx.name))
    .by_hand(file.span.or_else(|| bound.origin.span()))
    .fix(Safety::Manual, format!("set SocketUser={}, SocketMode=0660", nginx.name));
    Ok(())
}

/// May nginx pass through the directories that systemd makes for the socket? They are root's.
fn lets_pass(app: &App, bound: &Bound, route: &Route, out: &mut Sink) -> Result<(), Why> {
    let (Endpoint::Unix(path), Some(unit)) = (&bound.endpoint, app.service.socket_of(bound)) else {
        return Ok(());
    };
    let Some(Spanned { value: mode, span }) = directory_mode(unit)? else { return Ok(()) };
    let Some(directory) = path.parent() else { return Ok(()) };
    // What the service or a line of tmpfiles.d makes has a mode of its own, and so has what is there.
    let made = app.service.managed(directory)?.is_some()
        || app
            .machine
            .tmpfiles
            .ok()
            .into_iter()
            .flatten()
            .any(|made| directory.starts_with(&made.path))
        || app.socket_directories.iter().any(|(index, place)| {
            *index == route.bound && matches!(place.state.get(), Ok(State::Present(_)))
        });
    let nginx = app.nginx.user.get()?;
    if made || app.service.touches(directory) || nginx.may(Want::Execute, mode, 0, 0)? {
        return Ok(());
    }
    let name = &unit.name;
    out.report(format!(
        "every request gets 502: {name} makes {} with mode {mode:04o} for root, and nginx's user {} cannot \
         pass through it",
        directory.display(),
        nginx.name
    ))
    .at(span, "only root can pass")
    .at(route.peer, format!("nginx connects here as {}", nginx.name))
    .subject("directory mode")
    .help(format!("In [Socket] of {name}: DirectoryMode=0755, the default"))
    .by_hand(Some(span))
    .fix(Safety::Manual, "DirectoryMode=0755");
    Ok(())
}

/// Where the socket is there already, its mode is what counts: S606 looks at it.
fn stands(app: &App, path: &std::path::Path) -> bool {
    let file = app.sockets.ok().and_then(|sockets| sockets.file(path));
    file.is_some_and(|place| place.metadata().is_some())
}

/// Does anything start the socket before the service?
/// systemd refuses a unit that has no address to listen on.
fn refused(app: &App, unit: &Unit, out: &mut Sink) {
    let Some(lines) = no_address(unit) else { return };
    let name = &unit.name;
    let header = || {
        let mut sections = unit.files().flat_map(|file| &file.sections);
        sections.find(|section| section.value == "Socket").map(|section| section.span)
    };
    let (place, note, cause) = match lines.first() {
        Some(text) => (
            Some(text.span()),
            "neither a path nor a port",
            format!("`{}` is no address that it can listen on", text.as_str()),
        ),
        None => (header(), "nothing to listen on", "it has no ListenStream=".to_owned()),
    };
    let needed = ["Requires", "BindsTo", "Requisite"].iter().any(|key| {
        let lines = app.service.unit.list("Unit", key);
        let named = |text: &str| text.split_whitespace().any(|word| word == name.to_string());
        lines.iter().any(|line| named(line.value.as_str()))
    });
    let consequence = match needed {
        true => "gunicorn does not start, and nothing listens where nginx connects",
        false => "nothing listens where nginx connects",
    };
    out.report(format!("{consequence}: systemd refuses {name}, because {cause}"))
        .at_some(place, note)
        .subject("ListenStream")
        .help(
            "In [Socket], a path or a port, without a word or quotes before it:\n\
             ListenStream=/run/APP.sock\n\
             and check it with: systemd-analyze verify",
        )
        .by_hand(place)
        .fix(Safety::Manual, "write the address as systemd reads it");
}

/// `Accept=yes` starts an instance for each connection, of a template that is not there.
fn accepts(app: &App, unit: &Unit, out: &mut Sink) {
    let Some(line) = unit.last("Socket", "Accept") else { return };
    if !matches!(line.value.as_str().trim(), "yes" | "true" | "on" | "1" | "y" | "t") {
        return;
    }
    let name = unit.name.to_string();
    let stem = name.trim_end_matches(".socket");
    out.report(format!(
        "nothing listens where nginx connects: with Accept=yes {name} does not start {}, but needs \
         a {stem}@.service, one process per connection",
        app.name
    ))
    .at(line.value.span(), "one service per connection")
    .subject("Accept")
    .help("Accept=no is the default: remove the line")
    .by_hand(Some(line.value.span()))
    .fix(Safety::Manual, "use one service for all connections");
}

fn is_started(app: &App, bound: &Bound, route: &Route, out: &mut Sink) -> Result<(), Why> {
    let Some(unit) = app.service.socket_of(bound) else { return Ok(()) };
    let name = unit.name.to_string();
    // In a repository nothing is enabled yet.
    let unstarted = app.service.unstarted_sockets.contains(&name);
    if !unstarted || !*app.service.starts_at_boot().get()? {
        return Ok(());
    }
    let own = app.gunicorn.own_bounds.get()?;
    for bound in own {
        match route.endpoint.reaches(&bound.endpoint) {
            Some(true) => return Ok(()),
            Some(false) => {}
            None => {
                return Err(Why::depends(format!(
                    "only a resolver can tell whether {} is {}",
                    route.endpoint, bound.endpoint
                )));
            }
        }
    }
    let listens: Vec<String> = own.iter().map(|bound| bound.endpoint.to_string()).collect();
    let pulled = app.service.unit.pulled_by.first();
    let by = pulled.map_or_else(String::new, |pull| format!(": {}", pull.path.display()));
    out.report(format!(
        "after the next boot every request gets 502: nothing starts {name}, so gunicorn listens on \
         {}, but nginx connects to {}",
        listens.join(" and "),
        route.endpoint
    ))
    .at_some(bound.origin.span(), "systemd listens here once the unit is started")
    .at(route.peer, "nginx connects here")
    .evidence(EvidenceKind::File, format!("{} is started at boot{by}", app.name))
    .subject("start")
    .help(format!(
        "systemctl enable {name}\nor in [Unit] of {}, which starts it each time:\nRequires={name}",
        app.name
    ))
    .by_hand(app.service.defined_at())
    .fix(Safety::Manual, format!("systemctl enable {name}"));
    Ok(())
}
