//! `proxy_pass` with a URL that nginx refuses or misreads.

use rustc_hash::FxHashSet;

use crate::facts::gunicorn::SettingValue;
use crate::facts::nginx::{Address, Destination, LocationKind, Malformed, Model, Pass, Protocol};
use crate::facts::{App, Deployment, Why, WhyKind};
use crate::rule::{Edit, Finding, Safety, Severity, Sink};

crate::rule! {
    /// nginx does not load, or answers 502: the URL of `proxy_pass` is wrong.
    ///
    /// Measured on nginx 1.22: `unix:/p` without `http://`, a name without a scheme, a port after
    /// an upstream's name, and a URI part in a regex or named location, `if` or `limit_except` are
    /// refused; nginx then neither reloads nor starts. `http://unix:/p.sock/` and
    /// `http://unix:/p.sock/uri` pass `nginx -t`, but nginx reads everything after `unix:` as the
    /// socket's path: every request gets 502. A URI must follow a second colon:
    /// `http://unix:/p.sock:/uri`. With `https://` nginx speaks TLS to a gunicorn that has no
    /// certificate: 502 again.
    ///
    /// Every request also gets 502 with `uwsgi_pass`, unless gunicorn (24.1 and later) is set to
    /// speak uwsgi; if it is, every request through `proxy_pass` gets 500 (measured on 27.0.1).
    /// `fastcgi_pass` and `scgi_pass` give 502 too, and so does `grpc_pass`, because gRPC is HTTP/2
    /// (`upstream sent too large http2 frame`), unless gunicorn (26.2 and later) is set to speak
    /// HTTP/2 in clear text.
    ///
    /// With `SCRIPT_NAME` in its environment gunicorn answers 500 to every path that does not begin with
    /// it, `Request path '/' does not start with SCRIPT_NAME` (measured on 27.0.1): nginx must pass the
    /// path on unchanged, `location /shop/ { proxy_pass http://myapp; }` with `SCRIPT_NAME=/shop`, and no
    /// `/` after the address.
    ///
    /// Proved by `proxy-pass-malformed`: `nginx -t` found nothing, and every request got
    /// 502.
    ///
    /// Proved by `script-name`: gunicorn answered every request with 500 before the application saw it.
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock/;
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
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock:/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         uwsgi_pass unix:/run/myapp/gunicorn.sock;
    ///     }
    /// }
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         grpc_pass grpc://unix:/run/myapp/gunicorn.sock;
    ///     }
    /// }
    /// ```
    /// A slash after the socket in an `upstream`:
    ///
    /// ```nginx,bad
    /// upstream myapp {
    ///     server unix:/run/myapp/gunicorn.sock/;
    /// }
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://myapp;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    ///
    /// A URI after the address replaces the location's prefix, letter by letter: with `location
    /// /app/` and `http://myapp/app` a request for `/app/x` becomes `/appx`; with `location /app`
    /// and `http://myapp/` it becomes `//x` (measured). This is a warning:
    ///
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock:/api;
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
    ///     location /v1/ {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock:/api/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    ///     location = /health {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock:/up/;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    N305 "proxy-pass-malformed" {
        severity: Error, impact: BadGateway, fix: Some(Safe), item: No502, hop: Upstream,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    // Hardly any does: asked once, and not for each of thousands of passes.
    let with = |has: fn(&App) -> bool| deployment.apps.iter().filter(|app| has(app)).collect();
    let encrypted_apps: Vec<&App> = with(|app| speaks_tls(app) == Ok(true));
    let uwsgi_apps: Vec<&App> = with(speaks_uwsgi);
    directories(model, out);
    crate::rules::script_name::check(deployment, out);
    let mut seen = FxHashSet::default();
    seen.reserve(deployment.nginx.destinations.len());
    for destination in &deployment.nginx.destinations {
        let Some(pass) = destination.pass(model) else { continue };
        if !seen.insert(destination.word) {
            continue;
        }
        match &pass.malformed {
            Some(Malformed::HttpsToUnix) => {}
            Some(malformed) => {
                report(model, destination, pass, malformed, out);
                continue;
            }
            None => {}
        }
        if matches!(destination.protocol, Protocol::Http | Protocol::Https) {
            slashes(model, destination, pass, out);
            expects_uwsgi(&uwsgi_apps, destination, pass, out);
        }
        match destination.protocol {
            Protocol::Http => encrypted(&encrypted_apps, model, destination, pass, out),
            Protocol::Https => plain(deployment, model, destination, pass, out),
            Protocol::Grpc
            | Protocol::Uwsgi
            | Protocol::Fastcgi
            | Protocol::Scgi
            | Protocol::Memcached => foreign(deployment, destination, pass, out),
        }
    }
    Ok(())
}

fn report(
    model: &Model,
    destination: &Destination,
    pass: &Pass,
    malformed: &Malformed,
    out: &mut Sink,
) {
    let url = &pass.word.value;
    let refused = "nginx refuses to load";
    let (message, note, right) = match malformed {
        Malformed::UnixWithoutScheme { path } => (
            format!("{refused}: {url} lacks http://"),
            "\"invalid URL prefix\"",
            Some(format!("http://unix:{}", path.display())),
        ),
        Malformed::MissingScheme => (
            format!("{refused}: {url} lacks http://"),
            "\"invalid URL prefix\"",
            Some(format!("http://{url}")),
        ),
        Malformed::UnixUriWithoutColon { path, uri } => {
            let right = match uri.as_str() {
                "/" => format!("http://unix:{}", path.display()),
                uri => format!("http://unix:{}:{uri}", path.display()),
            };
            let message = format!(
                "every request gets 502: nginx reads all of {} as the socket's path",
                url.trim_start_matches("http://unix:"),
            );
            (message, "a URI must come after a second `:`", Some(right))
        }
        Malformed::PortOnUpstream { upstream, port } => {
            let name = model.upstream(*upstream).map_or("", |group| group.name.value.as_str());
            let right = url.replacen(&format!(":{port}"), "", 1);
            let message =
                format!("{refused}: {name} is an upstream and cannot have a port ({port})");
            (message, "the ports are in the upstream's server lines", Some(right))
        }
        Malformed::UriForbidden { uri, .. } => {
            let right = url.strip_suffix(uri.as_str()).map(|base| match base {
                base if base.contains("unix:") => base.trim_end_matches(':').to_owned(),
                base => base.to_owned(),
            });
            let place = destination.title(model);
            let message =
                format!("{refused}: in {place} proxy_pass cannot have a URI part ({uri})");
            (message, "without a URI part here", right)
        }
        Malformed::InvalidUrl(error) => {
            (format!("{refused}: {url}: {error}"), "nginx cannot parse this URL", None)
        }
        Malformed::HttpsToUnix => return,
    };
    let finding = out.report(message).at(destination.word, note);
    if let Malformed::PortOnUpstream { upstream, .. } = malformed
        && let Some(group) = model.upstream(*upstream)
    {
        finding.at(group.span, "the upstream");
    }
    match right {
        Some(right) => {
            finding.help(format!("proxy_pass {right};"));
            rewrite(model, finding, destination, right, "write the URL as nginx expects it");
        }
        None => {
            finding.help("write it as http://HOST:PORT or http://unix:/PATH, then run nginx -t");
        }
    }
}

/// `https://` to a gunicorn without a certificate.
fn plain(
    deployment: &Deployment,
    model: &Model,
    destination: &Destination,
    pass: &Pass,
    out: &mut Sink,
) {
    let mut served = None;
    for app in &deployment.apps {
        if app.is_passed_at(destination.word) {
            match speaks_tls(app) {
                Ok(true) => {}
                Ok(false) => served = Some(app),
                Err(why) => {
                    out.about(Some(app)).skip(&why);
                    out.about(None);
                }
            }
        }
    }
    let to_unix = pass.malformed == Some(Malformed::HttpsToUnix);
    // Without an application only a unix socket tells: nobody speaks TLS on one.
    let Some(app) = served else {
        if to_unix && deployment.apps.is_empty() {
            report_plain(model, destination, pass, "a unix socket", out);
        }
        return;
    };
    out.about(Some(app));
    report_plain(model, destination, pass, "gunicorn", out);
    out.about(None);
}

/// `http://` to a gunicorn with a certificate, which expects TLS.
fn encrypted(apps: &[&App], model: &Model, destination: &Destination, pass: &Pass, out: &mut Sink) {
    let Some(app) = apps.iter().copied().find(|app| app.is_passed_at(destination.word)) else {
        return;
    };
    let right = pass.word.value.replacen("http://", "https://", 1);
    out.about(Some(app));
    let finding = out
        .report(
            "every request gets 502: nginx speaks plain HTTP to gunicorn, which has a certificate and \
             expects TLS",
        )
        .at(destination.word, "http://");
    finding.at_some(app.gunicorn.settings.get("certfile").span(), "gunicorn speaks TLS with it");
    finding.help(format!(
        "proxy_pass {right};\nor remove certfile and keyfile from gunicorn if nginx ends TLS"
    ));
    rewrite(model, finding, destination, right, "pass on with https://");
    out.about(None);
}

/// `server unix:/run/x.sock/;`: with a slash behind it, it is a directory's name.
fn directories(model: &Model, out: &mut Sink) {
    for peer in model.upstreams.iter().flat_map(|group| &group.peers) {
        let Some(Address::Unix(path)) = &peer.address else { continue };
        if !path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            continue;
        }
        let path = path.to_string_lossy();
        let right = format!("unix:{}", path.trim_end_matches('/'));
        out.report(format!(
            "every request gets 502: nginx reads {path} as a directory, because of the slash at \
             its end"
        ))
        .at(peer.word, "a slash at its end")
        .subject(path.as_ref())
        .help(format!("server {right};"))
        .fix_if(
            Safety::Safe,
            "remove the slash after the socket",
            Edit::word(model, peer.word, right),
        )
        .uncovers_rules(&super::ON_THE_WAY);
    }
}

/// A URI that takes the place of a location's prefix, where one of both ends with a slash.
fn slashes(model: &Model, destination: &Destination, pass: &Pass, out: &mut Sink) {
    let location = destination.location.and_then(|id| model.location(id));
    let (Some(location), Some(uri)) = (location, &pass.uri) else { return };
    let prefix = location.pattern.value.as_str();
    let begins = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    // Variables, arguments and what a rewrite makes of it are another matter.
    let plain = |text: &str| !text.contains(['$', '?', '#']);
    if !begins
        || location.unknown
        || !location.handling.rewrites.is_empty()
        || !plain(prefix)
        || !plain(uri)
        || !prefix.starts_with('/')
    {
        return;
    }
    let (shown, note) = match (prefix.ends_with('/'), uri.ends_with('/')) {
        (true, false) => (format!("{uri}x"), "no slash at its end"),
        // `location /img_` and `/images/` may be meant so.
        (false, true) if uri == "/" => ("//x".to_owned(), "a slash at its end"),
        _ => return,
    };
    let right = match prefix.ends_with('/') {
        true => format!("{}/", pass.word.value),
        false => pass.word.value.trim_end_matches('/').to_owned(),
    };
    let asked = format!("{}/x", prefix.trim_end_matches('/'));
    let help = match prefix.ends_with('/') {
        true => format!("proxy_pass {right};"),
        false => format!("location {prefix}/ {{ with the same proxy_pass"),
    };
    out.about(None);
    out.report(format!(
        "requests below {prefix} reach the application under the wrong path: {asked} becomes \
         {shown}"
    ))
    .severity(Severity::Warning)
    .at(destination.word, note)
    .at(
        location.span,
        if prefix.ends_with('/') { "a slash at its end" } else { "no slash at its end" },
    )
    .help(format!("end both with a slash, or neither: {help}"))
    .subject(prefix)
    .fix(Safety::Manual, "end both with a slash");
}

/// `http://` to a gunicorn that is told to expect uWSGI's protocol.
fn expects_uwsgi(apps: &[&App], destination: &Destination, pass: &Pass, out: &mut Sink) {
    let passed = |app: &&&App| app.is_passed_at(destination.word);
    let Some(app) = apps.iter().find(passed) else { return };
    let url = pass.word.value.trim_start_matches("https://").trim_start_matches("http://");
    out.about(Some(app));
    out.report(
        "every request gets 500: nginx speaks HTTP to gunicorn, which is set to expect uWSGI's \
         protocol",
    )
    .at(destination.word, "passed on as HTTP")
    .at_some(app.gunicorn.settings.get("protocol").span(), "gunicorn expects uwsgi")
    .help(format!(
        "remove protocol = \"uwsgi\" from gunicorn's settings, and restart it\nor, in nginx: \
         uwsgi_pass {url}; with include uwsgi_params;"
    ))
    .fix(Safety::Manual, "use one protocol on both sides");
    out.about(None);
}

/// Does gunicorn speak nothing but uWSGI's protocol?
fn speaks_uwsgi(app: &App) -> bool {
    matches!(app.gunicorn.settings.get("protocol").get(), Ok(SettingValue::Text(name)) if name == "uwsgi")
}

/// `uwsgi_pass`, `fastcgi_pass`, `grpc_pass` and their like to a gunicorn that speaks HTTP/1.
fn foreign(deployment: &Deployment, destination: &Destination, pass: &Pass, out: &mut Sink) {
    let leads = |app: &&App| app.is_passed_at(destination.word);
    let Some(app) = deployment.apps.iter().find(leads) else { return };
    // gunicorn 24.1 brought `protocol = "uwsgi"`; HTTP/2, which is gRPC's, it speaks with a certificate,
    // and from 26.2 on where it is told to.
    let (setting, own) = match destination.protocol {
        Protocol::Grpc if speaks_tls(app) != Ok(false) => return,
        Protocol::Grpc => ("http2_cleartext", "off"),
        _ => ("protocol", "http"),
    };
    match app.gunicorn.settings.get(setting).get() {
        Ok(SettingValue::Text(known)) if known == own => {}
        Ok(_) => return,
        // An earlier version has no such setting.
        Err(why) if why.kind() == WhyKind::NotThere => {}
        Err(why) => {
            out.about(Some(app)).skip(&why);
            out.about(None);
            return;
        }
    }
    let directive = match destination.protocol {
        Protocol::Uwsgi => "uwsgi_pass",
        Protocol::Fastcgi => "fastcgi_pass",
        Protocol::Scgi => "scgi_pass",
        Protocol::Grpc => "grpc_pass",
        _ => "memcached_pass",
    };
    let url = &pass.word.value;
    let right = match url.split_once("://") {
        Some((_, rest)) => format!("http://{rest}"),
        None => format!("http://{url}"),
    };
    out.about(Some(app));
    out.report(format!(
        "every request gets 502: {directive} does not speak HTTP, which gunicorn expects"
    ))
    .at(destination.word, format!("passed on by {directive}"))
    .help(format!(
        "proxy_pass {right};\ninstead of {directive}, and proxy_set_header for its \
         params"
    ))
    .fix(Safety::Manual, "pass on with proxy_pass");
    out.about(None);
}

fn report_plain(model: &Model, destination: &Destination, pass: &Pass, whom: &str, out: &mut Sink) {
    let right = pass.word.value.replacen("https://", "http://", 1);
    let finding = out
        .report(format!(
            "every request gets 502: nginx speaks TLS to {whom}, which speaks plain HTTP"
        ))
        .at(destination.word, "https://");
    finding.help(format!("proxy_pass {right};"));
    rewrite(model, finding, destination, right, "pass on with http://");
}

/// Writes another URL in place of the one that is there.
fn rewrite(model: &Model, finding: &mut Finding, pass: &Destination, right: String, title: &str) {
    // A site that nginx refuses, or that leads nowhere, was not judged any further.
    match Edit::word(model, pass.word, right) {
        Some(edit) => {
            finding.fix(Safety::Safe, title).uncovers_rules(&super::ON_THE_WAY).edit(edit);
        }
        None => {
            finding.fix(Safety::Manual, title);
        }
    }
}

/// Does gunicorn itself speak TLS? It does where it has a certificate (`is_ssl` of its config.py).
fn speaks_tls(app: &App) -> Result<bool, Why> {
    for name in ["certfile", "keyfile"] {
        let setting = app.gunicorn.settings.get(name);
        setting.get()?;
        if setting.is_set() {
            return Ok(true);
        }
    }
    Ok(false)
}
