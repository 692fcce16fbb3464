use std::net::{IpAddr, Ipv6Addr};

use crate::facts::Route;
use crate::facts::nginx::Model;
use crate::rule::prelude::*;
use crate::rules::nginx::forwarded_headers_missing::sets;

crate::rule! {
    /// The application sees every https request as plain http: gunicorn does not trust nginx.
    ///
    /// nginx ends TLS and reports that in X-Forwarded-Proto. Over TCP gunicorn trusts it only from
    /// an address in `forwarded_allow_ips`, which is 127.0.0.1 (from 23 on also ::1) unless it is
    /// set; from any other address the request counts as `http`. Links and redirects then lead to
    /// http://, cookies that require https are not sent, and a redirect to https loops. Measured
    /// with 20.1.0, 23.0.0 and 27.0.1: that happens when nginx connects to another address of the
    /// machine (gunicorn sees that same address as the client), when `forwarded_allow_ips` names
    /// only others, with 20.1.0 over ::1, and with `--bind [::]:8000`, for which nginx at 127.0.0.1
    /// comes from ::ffff:127.0.0.1. A unix socket is always trusted. An application that reads the
    /// header itself (ProxyFix, SECURE_PROXY_SSL_HEADER) does not need this.
    ///
    /// `*` trusts anyone who reaches the port, which is harmless as long as only nginx does: see
    /// G205.
    ///
    /// By hand: make nginx connect to 127.0.0.1, or name its address: `--forwarded-allow-ips
    /// 127.0.0.1,10.0.0.5`; then restart.
    ///
    /// Proved by `forwarded-allow-ips`: over https the application saw a request over http.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 10.0.0.5:8000 wsgi:app
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/ssl/shop.pem;
    ///     ssl_certificate_key /etc/ssl/shop.key;
    ///     location / {
    ///         proxy_pass http://10.0.0.5:8000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,bad
    /// /etc/ssl/shop.pem certificate=example.com key=/etc/ssl/shop.key
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --forwarded-allow-ips 10.0.0.5 --bind 10.0.0.5:8000 wsgi:app
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 443 ssl default_server;
    ///     server_name example.com;
    ///     ssl_certificate /etc/ssl/shop.pem;
    ///     ssl_certificate_key /etc/ssl/shop.key;
    ///     location / {
    ///         proxy_pass http://10.0.0.5:8000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```tree,fixed
    /// /etc/ssl/shop.pem certificate=example.com key=/etc/ssl/shop.key
    /// ```
    G217 "forwarded-allow-ips" {
        severity: Warning, impact: Hygiene, fix: Some(Manual), item: No502, hop: Master,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    let Ok(model) = app.nginx.model.get() else { return Ok(()) };
    // One of them says it for all that come from the same place.
    let mut told: Vec<IpAddr> = Vec::new();
    for route in &app.routes {
        let Some(bound) = bounds.get(route.bound) else { continue };
        let Some(source) = source(&route.endpoint, &bound.endpoint) else { continue };
        if told.contains(&source) || !says_https(app, model, route) {
            continue;
        }
        if is_believed(app, source)? || sees_to_it_itself(app)? {
            continue;
        }
        told.push(source);
        report(app, bound, route, source, out);
    }
    Ok(())
}

/// The address that gunicorn sees nginx come from: the kernel takes the one that is connected to,
/// and for all of 127.0.0.0/8 127.0.0.1. None for a name.
fn source(to: &Endpoint, on: &Endpoint) -> Option<IpAddr> {
    const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;
    let (Endpoint::Tcp { host: to, .. }, Endpoint::Tcp { host: on, .. }) = (to, on) else {
        return None;
    };
    let address = match to {
        TcpHost::AnyV4 => IpAddr::V4(LOOPBACK),
        TcpHost::AnyV6 { .. } => IpAddr::V6(Ipv6Addr::LOCALHOST),
        TcpHost::Address(IpAddr::V4(ip)) if ip.is_loopback() => IpAddr::V4(LOOPBACK),
        TcpHost::Address(ip) => *ip,
        TcpHost::Localhost | TcpHost::Name(_) => return None,
    };
    Some(match (address, on) {
        // Over a socket that takes both, IPv4 comes in IPv6's clothes.
        (IpAddr::V4(ip), TcpHost::AnyV6 { .. }) => IpAddr::V6(ip.to_ipv6_mapped()),
        (address, _) => address,
    })
}

/// Does nginx speak TLS there, and say so?
fn says_https(app: &App, model: &Model, route: &Route) -> bool {
    let server = model.server(route.server);
    let tls = server.is_some_and(|server| server.listens.iter().any(|listen| listen.ssl));
    let pass = app.nginx.destinations.get(route.destination);
    tls && pass.is_some_and(|pass| {
        sets(model, &model.effective(pass.place(), "proxy_set_header"), "X-Forwarded-Proto")
    })
}

fn is_believed(app: &App, source: IpAddr) -> Result<bool, Why> {
    let settings = &app.gunicorn.settings;
    let class = settings.worker_class();
    let class = class.get()?;
    // Others than gunicorn's own read the header as they like, and so may other names of it.
    let own = ["sync", "gthread", "gevent", "eventlet", "tornado"].contains(&class.as_str());
    if !own || settings.get("secure_scheme_headers").is_set() {
        return Ok(true);
    }
    let allowed = settings.forwarded_allow_ips();
    Ok(allowed.get()?.iter().any(|item| holds(item, source)))
}

/// Is an address meant by an entry? What is not understood is taken for it.
fn holds(item: &str, source: IpAddr) -> bool {
    let Some((network, length)) = item.split_once('/') else {
        return item == "*" || item.parse::<IpAddr>().map_or(true, |address| address == source);
    };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return true;
    };
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32_u32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let ((network, width), (source, other)) = (bits(network), bits(source));
    let host = width.saturating_sub(length);
    width == other && (host >= 128 || network >> host == source >> host)
}

/// Does the application's own code deal with the header?
fn sees_to_it_itself(app: &App) -> Result<bool, Why> {
    let code = &app.release.code;
    code.application.get()?;
    if code.modules.iter().any(|module| module.names_forwarding) {
        return Ok(true);
    }
    let settings_read =
        |path: &std::path::PathBuf| code.modules.iter().any(|module| module.path == *path);
    match &code.django_settings {
        Some(path) if !settings_read(path) => {
            Err(Why::not_read("Django's settings, which may read X-Forwarded-Proto"))
        }
        _ => code.open.as_ref().map_or(Ok(false), |why| Err(why.clone())),
    }
}

fn report(app: &App, bound: &Bound, route: &Route, source: IpAddr, out: &mut Sink) {
    let allowed = app.gunicorn.settings.forwarded_allow_ips();
    let mapped = matches!(source, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
    let help = match (&route.endpoint, mapped) {
        (Endpoint::Tcp { port, .. }, true) => {
            format!("set --bind 127.0.0.1:{port}, where nginx connects")
        }
        _ => format!("set --forwarded-allow-ips 127.0.0.1,{source}"),
    };
    let finding = out
        .report(format!(
            "the application sees every https request as http: nginx connects from {source}, and \
             gunicorn trusts X-Forwarded-Proto only from other addresses"
        ))
        .at_first([
            (allowed.span(), "gunicorn trusts only these"),
            (bound.origin.span(), "so nginx connects from here"),
        ]);
    finding.at(route.peer, "nginx connects here");
    finding
        .subject(source.to_string())
        .help(help.clone())
        .by_hand(allowed.span().or(bound.origin.span()).or_else(|| app.gunicorn.started_at()))
        .fix(Safety::Manual, help);
}
