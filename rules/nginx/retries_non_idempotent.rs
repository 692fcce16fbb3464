use std::collections::HashSet;

use crate::rule::prelude::*;

crate::rule! {
    /// An order is placed twice, a mail is sent twice: nginx sends a POST again to the next server.
    ///
    /// When a server breaks off or does not answer in time, nginx tries the next one in the group.
    /// It resends a request already passed on only if that is harmless: not with POST, LOCK and
    /// PATCH. `non_idempotent` in `proxy_next_upstream` removes this protection. The next server
    /// repeats what the first one did before its worker died, was killed or was too slow.
    ///
    /// Only if the group has several servers to try. (Measured on nginx 1.22.1 and
    /// 1.30.6.)
    ///
    /// By hand: remove `non_idempotent`; a client that got 502 for a POST decides itself whether to
    /// try again.
    ///
    /// Proved by `retries-non-idempotent`: of one order two were written, and the client was told 502.
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
    /// No other server, or the others are not tried:
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
            "a POST may be carried out twice: if one of the {asked} servers breaks off, nginx \
             sends it to the next"
        ))
        .at(word.span(), "even requests that are unsafe to repeat")
        .at(pass.word, "passed on here")
        .help("there: proxy_next_upstream error timeout;")
        .fix(Safety::Unsafe, "do not send a POST again")
        .edit(match alone {
            true => Edit::replace(word.span(), "write error timeout"),
            false => Edit::remove_word(word.span()),
        });
    }
    Ok(())
}
