use crate::facts::nginx::{Destination, Location, LocationKind, Model, Pass, Target};
use crate::rule::prelude::*;

crate::rule! {
    /// Every request gets the same page, whichever it asked for: `proxy_pass` contains a variable, and
    /// a `/` or a path after it.
    ///
    /// Without variables the path in `proxy_pass` replaces only what the location matched: with
    /// `location /app/` and `http://127.0.0.1:8000/`, `/app/x?a=1` becomes `/x?a=1`. As soon as
    /// there is a variable anywhere in the URL, nginx passes on what is written, and nothing else:
    /// with `http://$backend/` a GET of `/app/x?a=1`, a POST to `/form` and every other request
    /// reach the application as `/` (measured with nginx 1.22.1), even after a `rewrite … break`.
    /// Every page is the home page, with status 200. `nginx -t` finds nothing.
    ///
    /// If nothing follows the address, as in `http://$backend`, path and query string are passed
    /// on unchanged, or as a `rewrite … break` left them.
    ///
    /// Not reported: a path with a variable in it (`http://$backend$request_uri`,
    /// `http://$backend/$1`), a single page that is meant (`location = /health`, or a path that does
    /// not end with `/`), and locations with a regular expression.
    ///
    /// By hand: remove what follows the variable; to take a prefix away, `rewrite ^/app/(.*)$ /$1
    /// break;` in the location as well. Then `nginx -t && systemctl reload nginx`.
    ///
    /// Proved by `uri-replaced-by-variable`: every path got the home page with status 200; with
    /// nothing after the variable each got its own.
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     location / {
    ///         proxy_pass http://$backend/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     location / {
    ///         proxy_pass http://$backend;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// The location's own path, repeated:
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://myapp; }
    ///     location ^~ /api/ { proxy_pass "http://$backend/api/"; }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://myapp; }
    ///     location ^~ /api/ { proxy_pass "http://$backend"; }
    /// }
    /// ```
    ///
    /// A named location behind `try_files`:
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current/static;
    ///     set $backend myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { try_files $uri @app; }
    ///     location @app { proxy_pass http://$backend/; }
    /// }
    /// ```
    /// ```nginx,fixed
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     root /srv/myapp/current/static;
    ///     set $backend myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { try_files $uri @app; }
    ///     location @app { proxy_pass http://$backend; }
    /// }
    /// ```
    ///
    /// A prefix that is meant to go needs a `rewrite` as well, and is left to a person; so is a
    /// path that is in the variable:
    ///
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://myapp; }
    ///     location /shop/ { proxy_pass http://$backend/; }
    /// }
    /// ```
    /// ```nginx,bad
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend http://myapp/;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass $backend; }
    /// }
    /// ```
    ///
    /// Healthy: nothing after the variable, variables in the path, a single page, and no variable.
    ///
    /// ```nginx,good
    /// upstream myapp { server unix:/run/myapp/gunicorn.sock fail_timeout=0; }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     set $backend myapp;
    ///     set $home http://myapp;
    ///     proxy_set_header Host $host;
    ///     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///     proxy_set_header X-Forwarded-Proto $scheme;
    ///     location / { proxy_pass http://$backend; }
    ///     location = / { proxy_pass http://$backend/; }
    ///     location = /health { proxy_pass http://$backend/up/; }
    ///     location /alive { proxy_pass http://$backend/up; }
    ///     location /all/ { proxy_pass http://$backend$request_uri; }
    ///     location ~ ^/re/(.*)$ { proxy_pass http://$backend/$1$is_args$args; }
    ///     location /home/ { proxy_pass $home; }
    ///     location /v1/ { proxy_pass http://myapp/; }
    /// }
    /// ```
    N332 "uri-replaced-by-variable" {
        severity: Error, impact: Outage, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: Passing(check)
    }
}

fn check(nginx: &Passing, out: &mut Sink) -> Result<(), Why> {
    let model = nginx.model;
    for destination in &nginx.passes {
        let location = destination.location.and_then(|id| model.location(id));
        let (Some(pass), Some(location)) = (destination.pass(model), location) else { continue };
        let Target::Variable { values, complete } = &pass.target else { continue };
        // Whoever writes a variable into the path has made the path up.
        if let Some(uri) = uri(&pass.word.value) {
            if is_directory(uri) && is_asked_for(model, location) {
                report(model, destination, pass, location, uri, out);
            }
            continue;
        }
        if !pass.word.value.contains("://") && !*complete {
            out.skip(&Why::depends(format!("what {} contains", pass.word.value)));
            continue;
        }
        let inside: Vec<&str> = values.iter().filter_map(|value| uri(&value.text)).collect();
        let set = values.first().and_then(|value| value.via.first().copied());
        if let Some(uri) = inside.first()
            && *complete
            && inside.len() == values.len()
            && inside.iter().all(|uri| is_directory(uri))
            && is_asked_for(model, location)
        {
            report_inside(model, destination, location, uri, set, out);
        }
    }
    Ok(())
}

/// What follows the address in a URL; nothing of a unix socket's, where a colon is before it.
fn uri(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    if rest.starts_with("unix:") {
        return None;
    }
    rest.find('/').and_then(|at| rest.get(at..))
}

/// A path without variables, as one writes it who wants the rest of the visitor's path behind it.
fn is_directory(uri: &str) -> bool {
    uri.ends_with('/') && !uri.contains(['$', '?', '#'])
}

/// Do clients ask for many paths in this location? A page for errors, or a check of nginx's own,
/// may have its one path.
fn is_asked_for(model: &Model, location: &Location) -> bool {
    if location.handling.internal || location.unknown {
        return false;
    }
    match location.kind {
        LocationKind::Prefix | LocationKind::PrefixStop => true,
        LocationKind::Named => is_fallback(model, location),
        _ => false,
    }
}

/// Does `try_files` hand every path to this named location?
fn is_fallback(model: &Model, named: &Location) -> bool {
    let locations = model.locations.iter().filter(|other| other.server == named.server);
    let own = model.server(named.server).map(|server| &server.handling);
    let mut all = locations.map(|location| &location.handling).chain(own);
    all.any(|handling| {
        let last = handling.try_files.iter().filter_map(|words| words.value.last());
        last.into_iter().any(|word| word.value == named.pattern.value)
    })
}

fn message(model: &Model, destination: &Destination, location: &Location, uri: &str) -> String {
    let which = match (location.kind, location.pattern.value.as_str()) {
        (LocationKind::Prefix, "/") | (LocationKind::Named, _) => "every request".to_owned(),
        _ => format!("every request to {}", destination.title(model)),
    };
    format!(
        "{which} gets the page of {uri}, whichever it asked for: nginx passes {uri} on instead of \
         the path, because proxy_pass contains a variable"
    )
}

fn report(
    model: &Model,
    destination: &Destination,
    pass: &Pass,
    location: &Location,
    uri: &str,
    out: &mut Sink,
) {
    let url = &pass.word.value;
    let Some(right) = url.strip_suffix(uri) else { return };
    let prefix = location.pattern.value.as_str();
    let finding = out
        .report(message(model, destination, location, uri))
        .at(destination.word, format!("{uri} replaces the whole path and the query string"));
    let rewrites = !location.handling.rewrites.is_empty();
    if rewrites || location.kind == LocationKind::Named || prefix == uri {
        // What a rewrite makes of the path is passed on then: its author's, not the visitor's.
        let safety = if rewrites { Safety::Unsafe } else { Safety::Safe };
        finding.help(format!("proxy_pass {right};")).fix_if(
            safety,
            format!("remove {uri} after the variable"),
            Edit::drop_end(model, destination.word, uri),
        );
        return;
    }
    finding
        .help(format!(
            "rewrite ^{prefix}(.*)$ {uri}$1 break;\nproxy_pass {right};\n\
             or, if the application knows the path with {prefix}, without the rewrite"
        ))
        .by_hand(Some(destination.word))
        .fix(Safety::Manual, "pass on the path that was asked for");
}

/// The path is in the variable's value.
fn report_inside(
    model: &Model,
    destination: &Destination,
    location: &Location,
    uri: &str,
    set: Option<Span>,
    out: &mut Sink,
) {
    out.report(message(model, destination, location, uri))
        .at(destination.word, "what the variable contains is passed on, and nothing else")
        .at_some(set, format!("{uri} comes from here"))
        .help(format!("remove {uri} at the end of the variable's value"))
        .by_hand(set)
        .fix(Safety::Manual, "remove the path from the variable");
}
