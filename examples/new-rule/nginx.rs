use crate::rule::prelude::*;

crate::rule! {
    /// TODO: the consequence for the people who use the site, in one sentence.
    ///
    /// TODO: why it is so, and what was measured.
    ///
    /// By hand: TODO, then `nginx -t && systemctl reload nginx`.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///         # TODO: the fault
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///         # TODO: what the fix makes of it, byte for byte
    ///     }
    /// }
    /// ```
    ///
    /// TODO: what is nearly the same, and healthy:
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
    /// }
    /// ```
    Z000 "rule-name" {
        severity: Warning, impact: Hygiene, fix: Some(Safe), item: No502, hop: Nginx,
        since: "0.1.0", check: Passing(check)
    }
}

/// Runs once for each application, with the passes of nginx that lead to it.
fn check(nginx: &Passing, out: &mut Sink) -> Result<(), Why> {
    let model = nginx.model;
    for pass in &nginx.passes {
        // What holds at the pass, by nginx's rules of inheritance.
        let set = model.effective(pass.place(), "TODO");
        if set.incomplete {
            out.skip(&Why::not_read("an include that may set TODO was not read"));
            continue;
        }
        let Some(line) = set.last().and_then(|id| model.config.get(id)) else { continue };
        let Some(word) = line.argument(0) else { continue };
        if word.text() != "TODO" {
            continue;
        }
        // `Edit::word` writes another word, `Edit::drop_end` takes away the end of one,
        // `Edit::remove` a line.
        out.report("TODO the consequence, then the cause with its values")
            .at(line.head_span(), "TODO what is to be seen here")
            .help("TODO value;")
            .fix_if(Safety::Safe, "TODO value", Edit::word(model, word.span(), "value"));
    }
    Ok(())
}
