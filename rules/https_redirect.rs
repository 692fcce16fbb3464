//! A Django that answers only https, behind an nginx that calls every request http: part of N303.

use crate::facts::Passing;
use crate::facts::nginx::{BlockPlace, Destination, Model, Server};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Severity, Sink};

/// Others that gunicorn believes; what sets one of them is not followed.
const OTHERS: [&str; 2] = ["X-Forwarded-Ssl", "X-Forwarded-Protocol"];

pub(super) fn check(front: &Passing, out: &mut Sink) {
    let Some(app) = front.app else { return };
    let Some(django) = &app.release.django else { return };
    // A repository's site often has no TLS before certbot has been run on the host.
    if !app.machine.whole || django.insists_on_https.ok() != Some(&true) {
        return;
    }
    // Somebody's own headers, and gunicorn's own TLS, are another story.
    let settings = &app.gunicorn.settings;
    if settings.get("secure_scheme_headers").is_set() || settings.get("certfile").is_set() {
        return;
    }
    let own = front.passes.iter().copied().filter(|pass| app.is_passed_at(pass.word));
    let own: Vec<&Destination> = own.collect();
    let model = front.model;
    if own.is_empty() || !model.servers.iter().all(|server| speaks_no_tls(model, server)) {
        return;
    }
    let sent: Option<Vec<Span>> = own.iter().map(|pass| sent_as_http(model, pass)).collect();
    let Some(sent) = sent else { return };
    // Where gunicorn has a port, another program of the host may speak TLS and ask it.
    let alone = app.gunicorn.bounds.ok().is_some_and(|binds| {
        binds.iter().all(|bound| matches!(bound.endpoint, crate::facts::Endpoint::Unix(_)))
    });
    let mut places: Vec<(Span, &str)> = Vec::new();
    places.extend(django.insists_on_https.span().map(|span| (span, "redirects what is not https")));
    let mut seen = std::collections::HashSet::new();
    let lines = sent.into_iter().filter(|span| seen.insert(*span));
    places.extend(lines.map(|span| (span, "always http: nginx speaks no TLS")));
    out.report(
        "Django redirects every request to https, for ever: nginx speaks no TLS, and tells Django \
         that each request came by http",
    )
    .severity(if alone { Severity::Error } else { Severity::Warning })
    .at_each(places)
    .help(
        "let nginx speak TLS (listen 443 ssl, with a certificate)\n\
         or, if something in front of nginx does, pass on what that says:\n\
         proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;\n\
         or, without TLS, in Django's settings: SECURE_SSL_REDIRECT = False",
    )
    .subject("SECURE_SSL_REDIRECT")
    .fix(Safety::Manual, "let nginx speak TLS, or stop the redirect");
}

fn speaks_no_tls(model: &Model, server: &Server) -> bool {
    let switched = model.effective(BlockPlace::Server(server.id), "ssl");
    server.listens_plainly() && switched.directives.is_empty() && !switched.incomplete
}

/// The value with which a pass says that each request came by http.
fn sent_as_http(model: &Model, pass: &Destination) -> Option<Span> {
    let set = model.effective(pass.place(), "proxy_set_header");
    if set.incomplete {
        return None;
    }
    let mut found = None;
    for line in set.directives.iter().filter_map(|id| model.config.get(*id)) {
        let (name, value) = (line.argument(0)?, line.argument(1)?);
        if OTHERS.iter().any(|other| name.text().eq_ignore_ascii_case(other)) {
            return None;
        }
        if name.text().eq_ignore_ascii_case("X-Forwarded-Proto") {
            let http = matches!(&*value.text(), "$scheme" | "http");
            found = Some(value.span()).filter(|_| http && found.is_none());
            found?;
        }
    }
    found
}
