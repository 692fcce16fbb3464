//! Who gives up first: nginx or gunicorn.

use std::collections::HashSet;
use std::time::Duration;

use crate::facts::nginx::{Destination, Model};
use crate::facts::{App, Nginx, Why};
use crate::rule::prelude::Span;
use crate::rule::{Edit, Safety, Sink};

crate::rule! {
    /// Slow requests get 504 although gunicorn still works on them: nginx gives up first.
    ///
    /// nginx waits `proxy_read_timeout` (60 s unless it is set) for an answer; gunicorn lets a
    /// worker be silent for `timeout` (30 s). If nginx's limit is not longer, the client gets 504
    /// while the worker still works, and its changes take effect although the client was told
    /// otherwise; gunicorn's own log, which would name the request, shows nothing.
    ///
    /// Proved by `proxy-timeout-too-short`: requests that take two seconds got 504 after one
    /// second, while gunicorn went on working on them.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_read_timeout 20s;
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
    ///         proxy_read_timeout 35s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     proxy_read_timeout 1m;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_connect_timeout 5s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N306 "proxy-timeout-too-short" {
        severity: Warning, impact: BadGateway, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

/// Where nothing sets it (D).
const DEFAULT_SECONDS: u64 = 60;

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.bounds().get()?;
    let model = app.nginx.model.get()?;
    let timeout = app.gunicorn.settings.timeout();
    // 0 is for ever: nginx gives up first whatever it is set to.
    let Some(seconds) = u64::try_from(*timeout.get()?).ok().filter(|seconds| *seconds > 0) else {
        return Ok(());
    };
    let mut seen = HashSet::new();
    for pass in app.http_passes() {
        let (waits, set) = match read_timeout(&app.nginx, pass) {
            Ok(found) => found,
            Err(why) => {
                out.skip(&why);
                continue;
            }
        };
        // What several locations inherit, and what they do not set, is said once.
        let key = (pass.server, set);
        if waits > Duration::from_secs(seconds) || seen.contains(&key) {
            continue;
        }
        seen.insert(key);
        let shown = in_seconds(waits);
        let draft = out.report(format!(
            "slow requests get 504 while gunicorn still works on them: proxy_read_timeout is \
             {shown}, and gunicorn's timeout is {seconds} s"
        ));
        let finding = match set {
            Some(span) => draft.at(span, format!("nginx gives up after {shown}")),
            None => draft.at(pass.word, format!("nginx gives up after {shown}, its default")),
        };
        finding.at_known(&timeout, format!("gunicorn gives up after {seconds} s"));
        let right = seconds.saturating_add(5);
        finding.help(match set {
            Some(_) => format!("change the line to: proxy_read_timeout {right}s;"),
            None => format!("next to proxy_pass: proxy_read_timeout {right}s;"),
        });
        let edits = edits(app, model, pass, set, right);
        let title = "make nginx wait longer than gunicorn";
        finding.fix_if(Safety::Safe, title, edits.unwrap_or_default());
    }
    Ok(())
}

/// The value where it is; else a line next to every pass of the server that has none.
fn edits(
    app: &App,
    model: &Model,
    pass: &Destination,
    set: Option<Span>,
    seconds: u64,
) -> Option<Vec<Edit>> {
    if set.is_some() {
        let line = model.effective_directive(pass.place(), "proxy_read_timeout")?;
        let edit = Edit::word(model, line.argument(0)?.span(), format!("{seconds}s"));
        return edit.map(|edit| vec![edit]);
    }
    let same = app.http_passes().filter(|other| {
        other.server == pass.server && matches!(read_timeout(&app.nginx, other), Ok((_, None)))
    });
    let line = format!("proxy_read_timeout {seconds}s;");
    same.map(|other| super::beside(model, other, None, &line)).collect()
}

fn in_seconds(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{} s", time.as_secs()),
        _ => format!("{} ms", time.as_millis()),
    }
}

/// How long nginx waits, and what says so.
fn read_timeout(nginx: &Nginx, pass: &Destination) -> Result<(Duration, Option<Span>), Why> {
    let set = nginx.time(pass.place(), "proxy_read_timeout")?;
    Ok(set.map_or((Duration::from_secs(DEFAULT_SECONDS), None), |(time, span)| (time, Some(span))))
}
