use crate::facts::sockets::Listener;
use crate::rule::prelude::*;

crate::rule! {
    /// Anyone who can reach the machine can talk to the running gunicorn without going through
    /// nginx.
    ///
    /// The master listens on a port on every address, or on a public one, and nginx on the same
    /// machine passes requests to it. Anyone who connects to the port gets the application without
    /// TLS, without nginx's limits and passwords, and with any headers they like; only a firewall
    /// keeps them out. If the files show where gunicorn listens, G205 reports it; this rule reports
    /// a bind that the files do not show.
    ///
    /// By hand: bind to `127.0.0.1`, then restart; `ss -ltnp` shows what listens where.
    ///
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// import socket
    /// bind = socket.gethostbyname("web") + ":8000"
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current wsgi:app
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
    /// ```proc,bad,also=U122
    /// - listen unix:/run/myapp/gunicorn.sock
    /// listen 0.0.0.0:8000 inode=40001
    /// ```
    ///
    /// Healthy: gunicorn listens only for this machine.
    ///
    /// ```proc,good
    /// listen 127.0.0.1:8000 inode=40001
    /// ```
    S608 "listening-exposed" {
        severity: Warning, impact: Exposure, fix: Some(Manual), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let sockets = app.sockets.get()?;
    let processes = app.processes.get()?;
    // What the files tell is G205's.
    if app.bounds().ok().is_some() || crate::rules::gunicorn::bind_exposed::is_filtered(app) {
        return Ok(());
    }
    let own = |listener: &&Listener| {
        let mut masters = processes.masters.iter();
        !listener.apart && masters.any(|master| listener.owners.contains(&master.process.pid))
    };
    for listener in sockets.listeners.iter().filter(own) {
        let Endpoint::Tcp { host, .. } = &listener.endpoint else { continue };
        let mut peers = app.nginx.destinations.iter().flat_map(|pass| pass.peers.iter());
        let peer = peers.find(|peer| peer.endpoint.reaches(&listener.endpoint) == Some(true));
        let Some(peer) = peer.filter(|_| host.is_open_to_others()) else { continue };
        out.report(format!(
            "anyone who can reach this machine gets to the application without nginx, its TLS and \
             its limits: gunicorn listens on {}, and only a firewall would stop them",
            listener.endpoint
        ))
        .at(peer.span, "nginx needs no more than this")
        .evidence(
            EvidenceKind::Socket,
            format!("{} is held by gunicorn's master", listener.endpoint),
        )
        .help("Bind gunicorn to 127.0.0.1 and the same port.")
        .by_hand(app.gunicorn.started_at())
        .fix(Safety::Manual, "bind to 127.0.0.1");
    }
    Ok(())
}
