use std::net::IpAddr;

use crate::facts::nginx::{Destination, Model, PeerEndpoint};
use crate::facts::{App, Bound, Deployment, Endpoint, TcpHost, Why};
use crate::rule::{Safety, Sink};
use crate::rules::nginx::{ON_THE_WAY, as_peer, rewrite};

crate::rule! {
    /// Every request gets 502: nginx connects over IPv6 but gunicorn listens only on IPv4, or the
    /// other way round.
    ///
    /// Port and machine are the same, and still the kernel refuses the connection: `0.0.0.0` and
    /// `127.0.0.1` are only IPv4, `[::1]` is only IPv6. `[::]` is both, unless a `.socket` unit
    /// says `BindIPv6Only=ipv6-only`. `--bind localhost:8000` is 127.0.0.1 and nothing else,
    /// because gunicorn makes an IPv6 socket only for a literal IPv6 address; to nginx, `localhost`
    /// is every address that `/etc/hosts` lists for it.
    ///
    /// By hand: `ss -ltn` shows the listening address; write the same one into nginx.
    ///
    /// Proved by `address-family`: gunicorn was up, and every request got 502.
    ///
    /// Proved by `address-family-localhost`: gunicorn listened on 127.0.0.1, and every request got
    /// 502.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// User=www-data
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind 127.0.0.1:8000 wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=always
    /// ```
    /// ```nginx,bad
    /// upstream myapp { server [::1]:8000 fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```ini,fixed
    /// [Service]
    /// Type=notify
    /// User=www-data
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind 127.0.0.1:8000 wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=always
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server 127.0.0.1:8000 fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Healthy: `[::]` accepts both:
    /// ```ini,good
    /// [Service]
    /// Type=notify
    /// User=www-data
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current --bind [::]:8000 wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// KillMode=mixed
    /// TimeoutStopSec=40
    /// Restart=always
    /// ```
    /// ```nginx,good
    /// upstream myapp { server 127.0.0.1:8000 fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    S604 "address-family" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for app in &deployment.apps {
        out.about(Some(app));
        if let Err(why) = judge(deployment, app, out) {
            out.skip(&why);
        }
    }
    Ok(())
}

fn judge(deployment: &Deployment, app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    if !bounds.iter().any(|bound| matches!(bound.endpoint, Endpoint::Tcp { .. })) {
        return Ok(());
    }
    let model = deployment.nginx.model.get()?;
    let mut told = Vec::new();
    for pass in &deployment.nginx.destinations {
        for peer in pass.peers.iter().filter(|peer| !peer.down) {
            let missed = bounds.iter().find(|bound| misses(app, &peer.endpoint, &bound.endpoint));
            let Some(bound) = missed.filter(|_| !told.contains(&peer.span)) else { continue };
            match leads_somewhere(deployment, app, pass) {
                Ok(true) => {}
                Ok(false) => {
                    told.push(peer.span);
                    report(app, model, (pass, peer), bound, out);
                }
                Err(why) => out.skip(&why),
            }
        }
    }
    Ok(())
}

/// Each address to which nginx connects, as far as files show: `localhost` may have one or two.
fn addresses(app: &App, to: &Endpoint) -> Vec<Endpoint> {
    if let Endpoint::Tcp { host: TcpHost::Localhost, port } = to
        && let Some(names) = app.machine.names.ok()
        && !names.localhost().is_empty()
    {
        let each = |ip: &IpAddr| Endpoint::Tcp { host: TcpHost::of(*ip), port: *port };
        return names.localhost().iter().map(each).collect();
    }
    vec![to.clone()]
}

fn misses(app: &App, to: &Endpoint, on: &Endpoint) -> bool {
    addresses(app, to).iter().all(|to| to.misses_family(on))
}

/// Does any peer of the pass lead to a socket that is, or may be, listened on?
fn leads_somewhere(deployment: &Deployment, app: &App, pass: &Destination) -> Result<bool, Why> {
    for peer in pass.peers.iter().filter(|peer| !peer.down) {
        for to in addresses(app, &peer.endpoint) {
            let listens = |sockets: &crate::facts::Sockets| {
                sockets.reached(&to).is_ok_and(|listeners| !listeners.is_empty())
            };
            if app.sockets.ok().is_some_and(listens) {
                return Ok(true);
            }
            for other in &deployment.apps {
                let reaches = |bound: &Bound| to.reaches(&bound.endpoint) != Some(false);
                if other.bounds().get()?.iter().any(reaches) {
                    return Ok(true);
                }
            }
        }
    }
    match &pass.open {
        Some(why) => Err(why.clone()),
        None => Ok(false),
    }
}

fn report(
    app: &App,
    model: &Model,
    (pass, peer): (&Destination, &PeerEndpoint),
    bound: &Bound,
    out: &mut Sink,
) {
    let (to, on) = (&peer.endpoint, &bound.endpoint);
    let right = as_peer(on);
    let (client, server) = if right.starts_with('[') { ("IPv4", "IPv6") } else { ("IPv6", "IPv4") };
    let finding = out
        .report(format!(
            "every request that nginx passes to {to} gets 502: it connects over {client}, but \
             gunicorn of {} listens on {on}, which is only {server}",
            app.name
        ))
        .at(peer.span, "nginx connects here");
    if pass.word != peer.span {
        finding.at(pass.word, "passed on here");
    }
    let listens = if bound.activated { "systemd listens here" } else { "gunicorn listens here" };
    finding.at_some(bound.origin.span(), listens);
    let scheme = if peer.span == pass.word { "proxy_pass http://" } else { "server " };
    let there = if bound.activated { "ListenStream=" } else { "--bind " };
    finding.help(format!(
        "in nginx: {scheme}{right};\nor make gunicorn listen there as well: add {there}{}",
        as_peer(to)
    ));
    let edit = rewrite(model, pass, peer, &right);
    finding
        .fix_if(Safety::Safe, format!("make nginx connect to {right}"), edit)
        .uncovers_rules(&ON_THE_WAY);
}
