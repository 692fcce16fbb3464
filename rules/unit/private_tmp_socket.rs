use std::path::Path;

use crate::facts::{App, Endpoint, Why};
use crate::rule::Sink;
use crate::rules::runtime_directory;

crate::rule! {
    /// nginx cannot see gunicorn's socket: `PrivateTmp=` gives each service its own /tmp, and every
    /// request gets 502.
    ///
    /// With `PrivateTmp=yes` (or `DynamicUser=yes`, which implies it) a socket in /tmp or /var/tmp
    /// is in a directory that no other service sees. If `PrivateTmp=` is set on nginx's unit, as
    /// Fedora and RHEL ship it, the effect is the same from the other side.
    ///
    /// By hand: `RuntimeDirectory=myapp`, `--bind unix:/run/myapp/gunicorn.sock`, and the same path
    /// in nginx; do not set `PrivateTmp=no`.
    ///
    /// Proved by `private-tmp`: nginx did not find the socket, and every request got 502.
    ///
    /// ```ini,bad
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// PrivateTmp=yes
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/tmp/myapp.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/tmp/myapp.sock fail_timeout=0;
    /// }
    ///
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```ini,fixed
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// RuntimeDirectory=myapp
    /// PrivateTmp=yes
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```nginx,fixed
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock fail_timeout=0;
    /// }
    ///
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// Healthy: without `PrivateTmp=` both see the same /tmp.
    ///
    /// ```ini,good
    /// [Service]
    /// Type=notify
    /// NotifyAccess=main
    /// User=www-data
    /// Group=www-data
    /// PrivateTmp=no
    /// WorkingDirectory=/srv/myapp/current
    /// EnvironmentFile=/etc/myapp.env
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/tmp/myapp.sock wsgi:app
    /// ExecReload=/bin/kill -s HUP $MAINPID
    /// TimeoutStopSec=40
    /// Restart=always
    ///
    /// [Install]
    /// WantedBy=multi-user.target
    /// ```
    /// ```nginx,good
    /// upstream myapp {
    ///     server unix:/tmp/myapp.sock fail_timeout=0;
    /// }
    ///
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    U118 "private-tmp-socket" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for (index, bound) in app.bounds().get()?.iter().enumerate() {
        let Endpoint::Unix(path) = &bound.endpoint else { continue };
        if !["/tmp", "/var/tmp"].iter().any(|top| path.starts_with(Path::new(top))) {
            continue;
        }
        let routes: Vec<_> = app.routes.iter().filter(|route| route.bound == index).collect();
        let own = app.service.private_tmp();
        let nginx = &app.nginx.private_tmp;
        // systemd itself listens outside of the service's /tmp.
        let hidden_here = !bound.activated && *own.get()? && !joined(app);
        let hidden_there = !hidden_here && !routes.is_empty() && *nginx.get()?;
        let cause = match (hidden_here, hidden_there) {
            (true, _) => "PrivateTmp= hides it in gunicorn's own /tmp",
            (_, true) => "nginx's PrivateTmp= gives nginx another /tmp",
            _ => continue,
        };
        let finding = out
            .report(format!(
                "every request gets 502: nginx does not see {}: {cause}",
                path.display()
            ))
            .at_some(bound.origin.span(), "the socket")
            .at_some(if hidden_here { own.span() } else { nginx.span() }, "a private /tmp")
            .at_some(routes.first().map(|route| route.peer), "nginx connects here");
        runtime_directory::go(app, bound).of(finding);
    }
    Ok(())
}

/// `JoinsNamespaceOf=` lets units share one private /tmp.
fn joined(app: &App) -> bool {
    !app.service.unit.list("Unit", "JoinsNamespaceOf").is_empty()
}
