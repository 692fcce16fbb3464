use crate::facts::gunicorn::Layer;
use crate::facts::nginx::PeerEndpoint;
use crate::rule::prelude::*;

crate::rule! {
    /// Nothing answers on the address in `--bind`: systemd hands gunicorn the sockets of a
    /// `.socket` unit.
    ///
    /// Started with sockets from systemd, gunicorn listens only on those. Other addresses in
    /// `--bind`, `bind` or `GUNICORN_CMD_ARGS` are silently ignored (measured with 20.1.0, 23.0.0
    /// and 27.0.1), so a health check, a second site or whoever changes `--bind` waits in vain. A
    /// bind to the socket's own address does no harm, and a `.socket` unit that is not started at
    /// boot is U127. If nginx passes every request to the ignored address, it is N301.
    ///
    /// By hand: remove `--bind`; or, to keep the address, add it to the `.socket` unit as another
    /// `ListenStream=`, then `systemctl daemon-reload`, and stop the service, restart the socket
    /// and start the service again.
    ///
    /// Proved by `bind-ignored`: the unit was active and served through its socket, and every
    /// connection to the port that `--bind` names was refused.
    ///
    /// ```ini,bad,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --bind 127.0.0.1:8000 \
    ///     --chdir /srv/myapp/current wsgi:app
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
    /// ```ini,fixed,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 \
    ///     --chdir /srv/myapp/current wsgi:app
    /// ```
    /// ```ini,fixed,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
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
    /// Healthy: both name the same socket.
    ///
    /// ```ini,good,drop-in
    /// [Unit]
    /// Requires=myapp.socket
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --bind unix:/run/myapp.sock \
    ///     --chdir /srv/myapp/current wsgi:app
    /// ```
    /// ```ini,good,file=/etc/systemd/system/myapp.socket
    /// [Socket]
    /// ListenStream=/run/myapp.sock
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
    G226 "bind-ignored" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let layer = settings.layer("bind").unwrap_or(Layer::Default);
    // After a boot that starts no `.socket` unit the bind counts: U127.
    let is_handed = !app.service.sockets.is_empty() && app.service.unstarted_sockets.is_empty();
    if !is_handed || layer < Layer::ConfigFile {
        return Ok(());
    }
    let handed = app.bounds().get()?;
    for bound in app.gunicorn.own_bounds.get()? {
        // A name only a resolver could turn into the socket's address.
        let answers = |of: &Bound| bound.endpoint.reaches(&of.endpoint) != Some(false);
        let peer = passes_to(app, bound);
        // Where that is all that nginx passes to, N301 says it.
        let unreached = peer.is_some() && app.routes.is_empty();
        if !unreached && !handed.iter().any(answers) {
            report(app, layer, bound, peer, out);
        }
    }
    Ok(())
}

/// The first peer of nginx's that is the address.
fn passes_to<'a>(app: &'a App, bound: &Bound) -> Option<&'a PeerEndpoint> {
    let mut peers = app.nginx.destinations.iter().flat_map(|pass| pass.peers.iter());
    peers.find(|peer| peer.endpoint.reaches(&bound.endpoint) == Some(true))
}

fn report(app: &App, layer: Layer, bound: &Bound, peer: Option<&PeerEndpoint>, out: &mut Sink) {
    let name = match layer {
        Layer::ConfigFile => "bind of the configuration file",
        Layer::CmdArgs => "--bind of GUNICORN_CMD_ARGS",
        _ => "--bind",
    };
    let place = match app.gunicorn.settings.is_secret("bind") {
        true => "on the address it names".to_owned(),
        false => format!("on {}", bound.endpoint),
    };
    let units: Vec<String> = app.service.sockets.iter().map(|unit| unit.name.to_string()).collect();
    let units = units.join(" and ");
    let who = if peer.is_some() { "nginx gets no answer" } else { "nothing answers" };
    let title = match layer {
        Layer::ConfigFile => "remove bind from the configuration file",
        Layer::CmdArgs => "remove --bind from GUNICORN_CMD_ARGS",
        _ => "remove --bind from ExecStart=",
    };
    let finding = out
        .report(format!(
            "{who} {place}: systemd hands gunicorn the socket of {units}, and gunicorn ignores \
             {name}"
        ))
        .at_first([
            (bound.origin.span(), "ignored"),
            (app.gunicorn.started_at(), "starts with systemd's sockets"),
        ]);
    if let Some(peer) = peer {
        finding.at(peer.span, "nginx connects here");
    }
    let handed = app.bounds().ok().and_then(|handed| handed.first());
    finding.at_some(handed.and_then(|handed| handed.origin.span()), "gunicorn listens here");
    finding
        .help(format!("{title}; to keep the address, add ListenStream= to {units}"))
        .by_hand(bound.origin.span());
    finding.fix_or_why(Safety::Safe, title, Edit::unset(app, "bind"));
}
