use crate::rule::prelude::*;

crate::rule! {
    /// Uploads that the application would accept get 413 from nginx, and the application never sees
    /// them.
    ///
    /// nginx accepts requests of up to 1 MiB unless `client_max_body_size` says otherwise. Flask's
    /// `MAX_CONTENT_LENGTH` sets the application's limit; if that is larger, clients see nginx's
    /// error page instead of the application's own message, and gunicorn logs nothing.
    ///
    /// Reported if no location that leads to the application accepts requests of that size.
    ///
    /// By hand: next to `proxy_pass`: `client_max_body_size 16m;`, the same as MAX_CONTENT_LENGTH.
    ///
    /// ```python,bad
    /// import os
    /// from flask import Flask
    /// app = Flask(__name__)
    /// app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    /// app.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024
    /// ```
    /// ```python,fixed
    /// import os
    /// from flask import Flask
    /// app = Flask(__name__)
    /// app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    /// app.config["MAX_CONTENT_LENGTH"] = 1024 * 1024
    /// ```
    ///
    /// One location is for uploads:
    ///
    /// ```python,good
    /// import os
    /// from flask import Flask
    /// app = Flask(__name__)
    /// app.config["SECRET_KEY"] = os.environ["SECRET_KEY"]
    /// app.config["MAX_CONTENT_LENGTH"] = 1 << 24
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///     }
    ///     location /upload {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         client_max_body_size 16m;
    ///     }
    /// }
    /// ```
    N321 "body-size" {
        severity: Info, impact: Hygiene, fix: Some(Manual), item: UpstreamStable, hop: Nginx,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.nginx.model.get()?;
    let written = app.release.code.modules.iter().filter_map(|one| one.upload_limit.as_ref());
    let Some(limit) = written.max_by_key(|limit| limit.value) else { return Ok(()) };
    let mut largest: Option<(u64, Span)> = None;
    for pass in app.http_passes() {
        let (takes, set) = app.nginx.request_limit(pass.place())?;
        if takes == 0 || takes >= limit.value {
            return Ok(());
        }
        if largest.is_none_or(|(largest, _)| largest < takes) {
            largest = Some((takes, set.unwrap_or(pass.word)));
        }
    }
    let Some((takes, place)) = largest else { return Ok(()) };
    let (nginx, own) = (size(takes), size(limit.value));
    out.report(format!(
        "requests of more than {nginx} get 413 from nginx, though the application accepts up to \
         {own}"
    ))
    .at(place, format!("up to {nginx}"))
    .at(limit.span, format!("up to {own}"))
    .help(format!("next to proxy_pass: client_max_body_size {};", limit.value))
    .fix(Safety::Manual, "make nginx accept what the application accepts");
    Ok(())
}

/// `16 MiB`, `1.5 MiB`, `512 KiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;
    match bytes {
        bytes if bytes % MIB == 0 => format!("{} MiB", bytes / MIB),
        bytes if bytes >= MIB => format!("{:.1} MiB", bytes as f64 / MIB as f64),
        bytes if bytes >= KIB => format!("{} KiB", bytes / KIB),
        bytes => format!("{bytes} bytes"),
    }
}
