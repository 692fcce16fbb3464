//! nginx speaks HTTP/2 to a gunicorn that speaks only HTTP/1.

use std::collections::HashSet;

use crate::facts::gunicorn::SettingValue;
use crate::facts::nginx::Version;
use crate::rule::prelude::*;

crate::rule! {
    /// Every request gets 502: nginx passes requests on in HTTP/2, but gunicorn speaks only HTTP/1.
    ///
    /// From 1.29.4 on nginx accepts `proxy_http_version 2;`, and so does `nginx -t`. gunicorn
    /// speaks HTTP/2 without encryption only from 26.2.0 on, and only if `http2_cleartext` is set.
    /// Measured on nginx 1.30.6: every request gets 502, and the error log says `upstream sent too
    /// large http2 frame`. Older versions of nginx refuse the line.
    ///
    /// Proved by `upstream-http2`: `nginx -t` found nothing, and every request got 502.
    ///
    /// ```text,bad,file=/usr/sbin/nginx
    /// nginx version: nginx/1.30.6;
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_http_version 2;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_http_version 1.1;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     listen 8443;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_http_version 1.1;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N331 "upstream-http2" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

/// The first nginx that passes requests on by HTTP/2.
const SINCE: Version = Version(1, 29, 4);

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.bounds().get()?;
    let model = app.nginx.model.get()?;
    // An older nginx refuses the line, which is another rule's.
    if app.nginx.version.ok().is_some_and(|version| *version < SINCE) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for pass in app.http_passes() {
        let Some(line) = model.effective_directive(pass.place(), "proxy_http_version") else {
            continue;
        };
        let Some(word) = line.argument(0).filter(|word| word.value().as_ref() == b"2") else {
            continue;
        };
        if !seen.insert(word.span()) {
            continue;
        }
        // Only a gunicorn that has the setting is known to speak it.
        let settings = &app.gunicorn.settings;
        if settings.layer("http2_cleartext").is_some()
            && *settings.get("http2_cleartext").get()? != SettingValue::Text("off".to_owned())
        {
            return Ok(());
        }
        out.report(
            "every request gets 502: nginx passes it on in HTTP/2, but gunicorn speaks HTTP/1",
        )
        .at(word.span(), "gunicorn does not speak HTTP/2")
        .at(pass.word, "passed on here")
        .help("change the line to: proxy_http_version 1.1;")
        .fix(Safety::Safe, "set proxy_http_version 1.1")
        .edit(Edit::replace(word.span(), "1.1"));
    }
    Ok(())
}
