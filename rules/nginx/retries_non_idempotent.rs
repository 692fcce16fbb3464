use std::collections::HashSet;

use crate::rule::prelude::*;

crate::rule! {
    /// An order is placed twice, a mail is sent twice: nginx sends a POST again to the next server.
    ///
    /// When a server drops the connection or does not answer in time, nginx tries the next one in
    /// the `upstream`. It resends a request already passed on only if that is harmless, so not a
    /// POST, LOCK or PATCH. `non_idempotent` in `proxy_next_upstream` removes this protection. The
    /// next server repeats what the first one did before its worker died, was killed or was too
    /// slow.
    ///
    /// Reported only if the `upstream` has several servers to try. (Measured on nginx 1.22.1 and
    /// 1.30.6.)
    ///
    /// By hand: remove `non_idempotent`; a client that got 502 for a POST decides itself whether to
    /// try again.
    ///
    /// Proved by `retries-non-idempotent`: one order was written twice, and the client got 502.
    ///
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock max_fails=0;
    ///     server 10.0.0.2:8000 max_fails=0;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_next_upstream error timeout non_idempotent;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock max_fails=0;
    ///     server 10.0.0.2:8000 max_fails=0;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_next_upstream error timeout;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// Healthy: there is no other server, or the others are not tried:
    ///
    /// ```nginx,good
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_next_upstream error timeout non_idempotent;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,good
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock max_fails=0;
    ///     server 10.0.0.2:8000 max_fails=0;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_next_upstream error timeout;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N323 "retries-non-idempotent" {
        severity: Warning, impact: Hygiene, fix: Some(Unsafe), item: UpstreamStable, hop: Upstream,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    app.bounds().get()?;
    let model = app.nginx.model.get()?;
    let mut seen = HashSet::new();
    for pass in app.http_passes() {
        let asked = pass.peers.iter().filter(|peer| !peer.down).count();
        if asked < 2 {
            continue;
        }
        let Some(line) = model.effective_directive(pass.place(), "proxy_next_upstream") else {
            continue;
        };
        let words: Vec<_> = (0..).map_while(|at| line.argument(at)).collect();
        let Some(word) = words.iter().find(|word| word.value().as_ref() == b"non_idempotent")
        else {
            continue;
        };
        if !seen.insert(word.span()) {
            continue;
        }
        let alone = words.len() == 1;
        out.report(format!(
            "a POST may be carried out twice: if one of the {asked} servers fails partway, nginx \
             sends the request to the next"
        ))
        .at(word.span(), "even requests that are unsafe to repeat")
        .at(pass.word, "passed on here")
        .help("change the line to: proxy_next_upstream error timeout;")
        .fix(Safety::Unsafe, "do not resend a POST")
        .edit(match alone {
            true => Edit::replace(word.span(), "write error timeout"),
            false => Edit::remove_word(word.span()),
        });
    }
    Ok(())
}
