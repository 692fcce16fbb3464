use std::net::Ipv4Addr;

use crate::facts::gunicorn::BindAddress;
use crate::facts::{App, Why};
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// gunicorn does not start: it reads `--bind` as the wrong address.
    ///
    /// A number alone is a host to gunicorn, not a port: `--bind 8000` is the address 0.0.31.64,
    /// port 8000, and cannot be bound. A path without `unix:` before it is a host name, and so is
    /// `myapp.sock`. gunicorn tries for five seconds and exits with 1.
    ///
    /// Proved by `bind-port-only`: gunicorn never listened on port 8000, and every request got 502.
    ///
    /// ```ini,bad,drop-in,also=N301
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind 8000 wsgi:app
    /// ```
    /// ```ini,bad,drop-in,also=N301
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind /run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,bad,drop-in,also=N301
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --chdir /srv/myapp/current \
    ///     --bind myapp.sock wsgi:app
    /// ```
    G234 "bind-malformed" {
        severity: Error, impact: Outage, fix: Some(Safe), item: ReloadSucceeds, hop: Socket,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    // What systemd hands over counts, whatever --bind says.
    if !app.service.sockets.is_empty() {
        return Ok(());
    }
    let settings = &app.gunicorn.settings;
    let binds = settings.bind();
    for bind in binds.get()? {
        let BindAddress::Tcp { host, port } = &bind.address else { continue };
        let text = bind.text.trim();
        let secret = settings.is_secret("bind");
        let (what, meant) = if !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit()) {
            if text.contains(':') {
                continue;
            }
            let address = host.parse().map_or_else(
                |_| String::new(),
                |number: u32| format!(" ({})", Ipv4Addr::from_bits(number)),
            );
            (format!("the host {host}{address}, port {port}"), format!("127.0.0.1:{text}"))
        } else if text.starts_with('/') && !text.contains(':') {
            ("a host name".to_owned(), format!("unix:{text}"))
        } else if text.ends_with(".sock") && !text.contains(':') {
            // Where it is to be only a person knows.
            ("a host name".to_owned(), format!("unix:/run/{}/{text}", app.stem()))
        } else {
            continue;
        };
        let message = match secret {
            true => {
                "gunicorn does not start: the address it is told to listen on is not valid".into()
            }
            false => format!("gunicorn does not start: it reads `{text}` as {what}; write {meant}"),
        };
        let whole = !text.ends_with(".sock") || text.starts_with('/');
        let edit = Edit::item(app, "bind", text, meant.clone()).ok().filter(|_| !secret && whole);
        out.report(message)
            .at_some(bind.span.or_else(|| app.gunicorn.started_at()), "gunicorn cannot listen here")
            .help(format!("Write --bind {meant}, the address nginx passes requests to"))
            .by_hand(app.gunicorn.started_at())
            .fix_if(Safety::Safe, format!("--bind {meant}"), edit)
            .uncovers();
    }
    Ok(())
}
