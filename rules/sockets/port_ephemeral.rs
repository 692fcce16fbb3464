use crate::rule::prelude::*;

crate::rule! {
    /// gunicorn may find its port taken: it is among those that outgoing connections use.
    ///
    /// The kernel gives each outgoing connection its own port from `net.ipv4.ip_local_port_range`,
    /// 32768 to 60999 unless it is set. While gunicorn listens, its port is not given to others.
    /// When it is down for a moment, on a restart or at boot, any connection (to a database, to a
    /// package mirror) may take the port; then `bind` fails (measured: Errno 98, on 127.0.0.1 and
    /// on every address), gunicorn tries five times, a second apart, and exits. A reload does not
    /// bind again. Ports of `net.ipv4.ip_local_reserved_ports` are never given away.
    ///
    /// By hand: another port (8000), in nginx too; a unix socket; or `sysctl -w
    /// net.ipv4.ip_local_reserved_ports=40000`.
    ///
    /// ```ini,bad,drop-in,also=U122
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 127.0.0.1:40000 wsgi:app
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://127.0.0.1:40000;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```proc,bad
    /// - listen unix:/run/myapp/gunicorn.sock
    /// listen 127.0.0.1:40000 inode=40001
    /// ```
    ///
    /// Healthy: a unix socket has no port.
    ///
    /// ```text,good,live,file=/proc/sys/net/ipv4/ip_local_port_range
    /// 1024	65535
    /// ```
    S609 "port-ephemeral" {
        severity: Info, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let ports = app.machine.limits.outgoing_ports.get()?;
    for bound in app.bounds().get()? {
        let Endpoint::Tcp { port, .. } = &bound.endpoint else { continue };
        // systemd holds the others over a restart of the service.
        if bound.activated || !ports.hold(*port) {
            continue;
        }
        let secret = app.gunicorn.settings.is_secret("bind");
        let shown = if secret { "its port".to_owned() } else { format!("port {port}") };
        out.report(format!(
            "on a restart gunicorn may find {shown} taken and exit: outgoing connections use ports \
             {} to {}",
            ports.first, ports.last
        ))
        .at_first([(bound.origin.span(), "in that range"), (app.gunicorn.started_at(), "")])
        .help("bind to a port below that range, such as 8000, and make nginx connect to it")
        .by_hand(bound.origin.span())
        .fix(Safety::Manual, "use a port below that range");
    }
    Ok(())
}
