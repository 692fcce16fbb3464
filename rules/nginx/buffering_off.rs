use std::collections::HashSet;

use crate::rule::prelude::*;

crate::rule! {
    /// A few slow clients keep the whole site waiting: each client keeps a worker busy until it has
    /// read its answer.
    ///
    /// nginx reads an answer from gunicorn as fast as gunicorn sends it, and passes it to the
    /// client at the client's pace. With `proxy_buffering off` gunicorn must wait for the client
    /// instead. A sync worker does nothing else in the meantime: once there are as many slow
    /// clients (phones on a train) as workers, nobody else gets an answer. gunicorn's own
    /// documentation requires a buffering proxy in front of sync workers. (Measured on nginx 1.22.1
    /// and 1.30.6.)
    ///
    /// By hand: remove the line, or move it to a location of its own for the requests that stream,
    /// and give gunicorn threads (`worker_class = "gthread"`, `threads = 4`).
    ///
    /// Proved by `buffering-off`: three clients that did not read their answers kept every other
    /// request waiting until they were gone.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_buffering off;
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
    ///         proxy_buffering on;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Healthy: answers of another server:
    ///
    /// ```nginx,good
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location /events/ {
    ///         proxy_pass http://127.0.0.1:9000;
    ///         proxy_buffering off;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N320 "buffering-off" {
        severity: Warning, impact: Slow, fix: Some(Unsafe), item: UpstreamStable, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.bounds().get()?;
    let model = app.nginx.model.get()?;
    let mut seen = HashSet::new();
    for pass in app.http_passes() {
        let Some(line) = model.effective_directive(pass.place(), "proxy_buffering") else {
            continue;
        };
        let Some(word) = line.argument(0).filter(|word| word.value().eq_ignore_ascii_case(b"off"))
        else {
            continue;
        };
        if !seen.insert(word.span()) {
            continue;
        }
        let class = app.gunicorn.settings.worker_class();
        if class.get()? != "sync" {
            return Ok(());
        }
        let workers = app.gunicorn.settings.workers();
        let count = match workers.ok() {
            Some(1) => "one slow client keeps".to_owned(),
            Some(count) => format!("{count} slow clients keep"),
            None => "as many slow clients as there are workers keep".to_owned(),
        };
        out.report(format!(
            "{count} everybody else waiting: a sync worker is busy until the client has read its \
             answer"
        ))
        .at(word.span(), "nginx does not buffer the answer")
        .at(pass.word, "passed on here")
        .help(
            "change the line to: proxy_buffering on;\n\
             or give gunicorn threads: worker_class = \"gthread\", threads = 4",
        )
        .fix(Safety::Unsafe, "let nginx buffer answers")
        .edit(Edit::replace(word.span(), "on"));
    }
    Ok(())
}
