use std::time::Duration;

use crate::rule::prelude::*;
use crate::rules::kept_connections::{Kept, kept};

crate::rule! {
    /// Now and then a POST gets 502, without a reload and without a fault in the application: gunicorn
    /// closes an idle connection at the moment when nginx sends on it.
    ///
    /// nginx keeps connections to an `upstream` with `keepalive` open for 60 s (`keepalive_timeout`
    /// in the `upstream`), and from 1.29.7 on to every `upstream`; gthread closes them after its
    /// own `keepalive`, 2 s. A request that arrives during the close is reset. nginx resends a GET,
    /// but must not resend a POST. Measured with 40 clients that sent a POST every two seconds,
    /// nginx 1.22.1: 4 of 1,400 got 502 with gunicorn 23.0.0, 2 of 1,401 with 27.0.1, and none of
    /// 1,402 with `keepalive = 65`.
    ///
    /// It is an info if nginx keeps connections by default. Reported for gunicorn 27.0 and later:
    /// with older versions kept connections lose more, and G207 says what to do. sync workers keep
    /// no connections.
    ///
    /// By hand: `keepalive = 65` in gunicorn's settings, so nginx closes first.
    ///
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock fail_timeout=0;
    ///     keepalive 16;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_http_version 1.1;
    ///         proxy_set_header Connection "";
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```text,bad,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,bad,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask
    /// gunicorn
    /// ```
    /// ```tree,bad
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "gthread"
    /// threads = 4
    /// keepalive = 2
    /// ```
    /// ```nginx,fixed
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock fail_timeout=0;
    ///     keepalive 16;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_http_version 1.1;
    ///         proxy_set_header Connection "";
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```text,fixed,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,fixed,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask
    /// gunicorn
    /// ```
    /// ```tree,fixed
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "gthread"
    /// threads = 4
    /// keepalive = 65
    /// ```
    ///
    /// Healthy: nginx closes first.
    ///
    /// ```nginx,good
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock fail_timeout=0;
    ///     keepalive 16;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_http_version 1.1;
    ///         proxy_set_header Connection "";
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```text,good,file=/srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-27.0.1.dist-info/METADATA
    /// Metadata-Version: 2.1
    /// Name: gunicorn
    /// Version: 27.0.1
    /// ```
    /// ```text,good,file=/srv/myapp/releases/2026-04-21/requirements.txt
    /// Flask
    /// gunicorn
    /// ```
    /// ```tree,good
    /// - /srv/myapp/.venv/lib/python3.11/site-packages/gunicorn-23.0.0.dist-info
    /// ```
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// worker_class = "gthread"
    /// threads = 4
    /// keepalive = 75
    /// ```
    N309 "upstream-keepalive-race" {
        severity: Warning, impact: BadGateway, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

/// By how much gunicorn should wait longer, in seconds.
const MARGIN: u64 = 5;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.bounds().get()?;
    let model = app.nginx.model.get()?;
    let settings = &app.gunicorn.settings;
    if settings.worker_class().get()? != "gthread" {
        return Ok(());
    }
    match app.gunicorn.version.get()?.at_least("27.0") {
        Some(true) => {}
        // G207 tells of worse, with another cure.
        _ => return Ok(()),
    }
    let (place, severity) = match kept(app)? {
        Kept::No => return Ok(()),
        Kept::Here(place) => (place, Severity::Warning),
        Kept::ByDefault(place) => (place, Severity::Info),
    };
    let own = settings.keepalive();
    let Ok(own_seconds) = u64::try_from(*own.get()?) else { return Ok(()) };
    let mut longest = Duration::ZERO;
    for route in &app.routes {
        let Some(group) = route.upstream.and_then(|id| model.upstream(id)) else { continue };
        longest = longest.max(app.nginx.idle_limit(group)?);
    }
    if Duration::from_secs(own_seconds) > longest {
        return Ok(());
    }
    let waits = longest.as_secs();
    let right = waits.saturating_add(MARGIN);
    let finding = out
        .report(format!(
            "now and then a POST gets 502: gunicorn closes an idle connection after {own_seconds} \
             s, but nginx reuses it for up to {waits} s"
        ))
        .severity(severity)
        .at(place, "kept open here")
        .at_known(&own, format!("closed after {own_seconds} s"))
        .help(format!("keepalive = {right} in gunicorn's settings, so that nginx closes first"));
    let to = i64::try_from(right).unwrap_or(i64::MAX);
    let edits = Edit::setting(app, "keepalive", Value::Number(to)).map(|edit| vec![edit]);
    finding.fix_if(Safety::Safe, format!("set keepalive = {right}"), edits.unwrap_or_default());
    Ok(())
}
