use crate::facts::Route;
use crate::facts::gunicorn::Layer;
use crate::rule::prelude::*;

crate::rule! {
    /// Anyone who can reach the machine can talk to gunicorn without going through nginx.
    ///
    /// gunicorn listens on every address, or on a public one, though nginx on the same machine
    /// passes the requests to it. Anyone who connects to the port gets the application without TLS,
    /// without nginx's limits and passwords, and with any Host and X-Forwarded-For headers they
    /// like; and slow clients easily keep gunicorn's default workers busy. Only a firewall keeps
    /// such clients out, and files do not show one. A unit with `IPAddressDeny=` is not reported.
    /// `PORT` in the environment makes gunicorn listen on every address if nothing else sets
    /// `bind`.
    ///
    /// By hand: `--bind 127.0.0.1:8000`, or a unix socket; then restart once.
    ///
    /// Proved by `bind-exposed`: the application answered at an address of the machine other than
    /// nginx's, with a Host header of the client's choice.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 0.0.0.0:8000 wsgi:app
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://127.0.0.1:8000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 127.0.0.1:8000 wsgi:app
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://127.0.0.1:8000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: systemd lets in nothing from outside.
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// IPAddressDeny=any
    /// IPAddressAllow=localhost
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 0.0.0.0:8000 wsgi:app
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://127.0.0.1:8000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    G205 "bind-exposed" {
        severity: Warning, impact: Exposure, fix: Some(Unsafe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let bounds = app.bounds().get()?;
    if is_filtered(app) {
        return Ok(());
    }
    for (index, bound) in bounds.iter().enumerate() {
        let Endpoint::Tcp { host, port } = &bound.endpoint else { continue };
        let routes: Vec<&Route> = app.routes.iter().filter(|route| route.bound == index).collect();
        // Without nginx before it, it may be meant to be open.
        if host.is_open_to_others() && !app.routes.is_empty() {
            report(app, index, *port, &routes, out);
        }
    }
    Ok(())
}

/// Does systemd keep packets from others away from it?
pub(in crate::rules) fn is_filtered(app: &App) -> bool {
    let units = std::iter::once(&app.service.unit).chain(&app.service.sockets);
    let mut denied = units.flat_map(|unit| {
        ["Service", "Socket"].map(|section| unit.last(section, "IPAddressDeny").is_some())
    });
    denied.any(|is| is)
}

fn report(app: &App, index: usize, port: u16, routes: &[&Route], out: &mut Sink) {
    let Some(bound) = app.bounds().ok().and_then(|bounds| bounds.get(index)) else { return };
    let settings = &app.gunicorn.settings;
    let secret = !bound.activated && settings.is_secret("bind");
    let by_port = !bound.activated && settings.layer("bind") == Some(Layer::Environment);
    let on = match (&bound.endpoint, secret) {
        (_, true) if by_port => "on every address, on the port in PORT".to_owned(),
        (_, true) => "on an address that others can reach".to_owned(),
        (Endpoint::Tcp { host: TcpHost::Address(_), .. }, _) => {
            format!("on {}, which others can reach", bound.endpoint)
        }
        _ => format!("on every address ({})", bound.endpoint),
    };
    let to = narrower(port, routes);
    let write = match (&to, by_port, secret) {
        (_, true, _) => "In ExecStart=: --bind 127.0.0.1:${PORT}".to_owned(),
        (_, _, true) => "bind to 127.0.0.1 and the same port".to_owned(),
        (Some(to), ..) if bound.activated => format!("In the .socket unit: ListenStream={to}"),
        (Some(to), ..) => format!("--bind {to}"),
        (None, ..) => "bind only to 127.0.0.1, and let nginx pass to that".to_owned(),
    };
    let edit = match (&to, bound.activated || secret) {
        (Some(to), false) => {
            let binds = settings.bind();
            let text = binds.ok().and_then(|binds| binds.get(index)).map(|bind| bind.text.clone());
            text.and_then(|text| Edit::item(app, "bind", &text, to.to_string()).ok())
        }
        _ => None,
    };
    let finding = out
        .report(format!(
            "anyone who can reach this machine gets to the application without nginx, its TLS and \
             its limits: gunicorn listens {on}, and only a firewall would stop them"
        ))
        .at_first([
            (bound.origin.span(), "open to others"),
            (app.gunicorn.started_at(), "listens on every address"),
        ]);
    if let Some(route) = routes.first() {
        finding.at(route.peer, "nginx needs no more than this");
    }
    finding.help(write.clone()).by_hand(bound.origin.span().or_else(|| app.gunicorn.started_at()));
    finding.fix_if(Safety::Unsafe, write, edit);
}

/// The loopback address at which nginx finds it as before.
fn narrower(port: u16, routes: &[&Route]) -> Option<Endpoint> {
    let loopbacks = ["127.0.0.1", "::1"].map(TcpHost::parse);
    let mut narrower = loopbacks.into_iter().map(|host| Endpoint::Tcp { host, port });
    narrower.find(|to| routes.iter().all(|route| route.endpoint.reaches(to) == Some(true)))
}
