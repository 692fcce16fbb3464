use crate::facts::nginx::{Address, Host, Model, tcp_host};
use crate::facts::{App, Bound, Deployment, Endpoint, TcpHost, Why};
use crate::rule::{Safety, Severity, Sink};

crate::rule! {
    /// Two units listen on one socket: one of them does not start, or takes the socket from the
    /// other.
    ///
    /// A port can be bound once: the second gunicorn exits with "Address already in use". With a
    /// unix socket, the second takes the path over, and no request reaches the first any more; and
    /// whichever stops first deletes the file the other listens on (measured). After the next
    /// restart or reboot the site is down, or the wrong application answers.
    ///
    /// The other may be nginx itself: gunicorn on a port that an nginx server listens on.
    ///
    /// If one of the two is not enabled, this is a warning: it does harm only when somebody starts
    /// it.
    ///
    /// Proved by `socket-shared`: when the other unit was stopped, it deleted the socket: every
    /// request got 502 while the unit was active.
    ///
    /// ```ini,bad,file=/etc/systemd/system/old-shop.service
    /// [Unit]
    /// Description=The shop, as it was
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
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=on-failure
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    ///
    /// Healthy: systemd never lets both run.
    ///
    /// ```ini,good,file=/etc/systemd/system/old-shop.service
    /// [Unit]
    /// Description=The shop, as it was
    /// After=network.target
    /// Conflicts=myapp.service
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
    /// ExecReload=/bin/kill -HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=on-failure
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    G225 "socket-shared" {
        severity: Error, impact: BadGateway, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for (at, first) in deployment.apps.iter().enumerate() {
        let bounds = match first.bounds().get() {
            Ok(bounds) => bounds,
            Err(why) => {
                out.about(Some(first)).skip(&why);
                continue;
            }
        };
        if let Some(model) = deployment.nginx.model.ok() {
            with_nginx(first, bounds, model, out);
        }
        for second in deployment.apps.iter().skip(at + 1) {
            let others = second.bounds().ok().into_iter().flatten();
            let pairs = others.flat_map(|other| bounds.iter().map(move |bound| (bound, other)));
            if let Some((bound, other)) = pairs.into_iter().find(|(a, b)| shared(a, b)) {
                report(first, second, bound, other, out);
            }
        }
    }
    Ok(())
}

/// Does nginx listen there itself?
fn with_nginx(app: &App, bounds: &[Bound], model: &Model, out: &mut Sink) {
    // Files of a repository may be for several hosts.
    let one_host = app.machine.whole || !app.routes.is_empty();
    if app.gunicorn.settings.refused().is_some() || !one_host {
        return;
    }
    let listens = || model.servers.iter().flat_map(|server| &server.listens);
    for bound in bounds {
        let taken = listens().find(|listen| match &listen.address {
            Some(Address::Inet { host, port }) if !listen.quic => {
                let at = |endpoint: &Endpoint| match endpoint {
                    Endpoint::Tcp { port, .. } => Some(*port),
                    Endpoint::Unix(_) => None,
                };
                // Of thousands hardly any has the port.
                at(&bound.endpoint) == Some(*port)
                    && both(&bound.endpoint, &Endpoint::Tcp { host: listening(host), port: *port })
            }
            _ => false,
        });
        let Some(listen) = taken else { continue };
        out.about(Some(app))
            .report(format!(
                "nginx and {} both listen on {}: whichever starts second fails, and nginx passes \
                 requests to itself",
                app.name, bound.endpoint
            ))
            .at_first([(bound.origin.span(), "gunicorn"), (app.gunicorn.started_at(), "gunicorn")])
            .at(listen.span, "nginx")
            .subject(format!("nginx {}", bound.endpoint))
            .help("make gunicorn listen on a unix socket or on its own port, here and in nginx")
            .fix(Safety::Manual, "give gunicorn its own socket");
        return;
    }
}

/// Where nginx listens: on `[::]` for IPv6 alone.
fn listening(host: &Host) -> TcpHost {
    match host {
        Host::AnyV6 => TcpHost::AnyV6 { only: true },
        other => tcp_host(other),
    }
}

/// Can only one of the two have it?
fn shared(a: &Bound, b: &Bound) -> bool {
    both(&a.endpoint, &b.endpoint)
}

fn both(a: &Endpoint, b: &Endpoint) -> bool {
    match (a, b) {
        (Endpoint::Unix(a), Endpoint::Unix(b)) => a == b,
        (Endpoint::Tcp { host: a, port: p }, Endpoint::Tcp { host: b, port: q }) => {
            p == q && (overlap(a, b) || overlap(b, a))
        }
        _ => false,
    }
}

/// Does a listener on one host keep another from listening on the other?
fn overlap(a: &TcpHost, b: &TcpHost) -> bool {
    use TcpHost::{Address, AnyV4, AnyV6, Localhost};
    match (a, b) {
        (AnyV4, Localhost | AnyV6 { only: false }) => true,
        (AnyV4, Address(address)) => address.is_ipv4(),
        (AnyV6 { only }, Address(address)) => !only || address.is_ipv6(),
        (AnyV6 { only }, Localhost) => !only,
        // gunicorn and nginx listen on IPv4's loopback then.
        (Localhost, Address(address)) => address.is_ipv4() && address.is_loopback(),
        _ => a == b,
    }
}

fn report(first: &App, second: &App, bound: &Bound, other: &Bound, out: &mut Sink) {
    // Who shares a port on purpose says so in both.
    let reuses = |app: &App| app.gunicorn.settings.reuse_port().ok() == Some(&true);
    let tcp = matches!(bound.endpoint, Endpoint::Tcp { .. });
    if tcp && reuses(first) && reuses(second) || excludes(first, second) {
        return;
    }
    let harm = match tcp {
        true => "the second one to start fails",
        false => "the second takes the socket from the first, and the first to stop deletes it",
    };
    let both = first.service.unit.is_enabled() && second.service.unit.is_enabled();
    let severity = if both { Severity::Error } else { Severity::Warning };
    // Which of them is the left-over is known where one alone is enabled; else a person knows.
    let ends = |name: &str| format!("systemctl disable --now {name}");
    let left_over = match (first.service.unit.is_enabled(), second.service.unit.is_enabled()) {
        (true, false) => ends(&second.name),
        (false, true) => ends(&first.name),
        _ => format!(
            "{}   # or\n{}   # whichever one it is: the other serves",
            ends(&first.name),
            ends(&second.name)
        ),
    };
    out.about(Some(first))
        .report(format!("{} and {} listen on {}: {harm}", first.name, second.name, bound.endpoint))
        .severity(severity)
        .at_first([
            (bound.origin.span(), first.name.clone()),
            (first.gunicorn.started_at(), first.name.clone()),
        ])
        .at_some(other.origin.span().or_else(|| second.gunicorn.started_at()), second.name.clone())
        .subject(format!("{} {}", first.name, second.name))
        .help(format!(
            "Give each its own socket, here and in nginx; or, if one of them is a leftover:\n\
             {left_over}"
        ))
        .fix(Safety::Manual, "give each unit its own socket");
}

/// Does `Conflicts=` keep one away while the other runs?
fn excludes(first: &App, second: &App) -> bool {
    let names = |app: &App, other: &str| {
        let lists = app.service.unit.list("Unit", "Conflicts");
        lists.iter().any(|a| a.value.as_str().split_whitespace().any(|name| name == other))
    };
    names(first, &second.name) || names(second, &first.name)
}
