//! Hosts that nginx passes on and Django refuses because `ALLOWED_HOSTS` does not contain them:
//! part of N303.

use std::collections::BTreeSet;

use crate::facts::nginx::{Destination, LocationId, LocationKind, Model, Server, ServerName};
use crate::facts::{App, Passing};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Severity, Sink};

/// Tells of hosts that Django refuses; returns whether it refuses whatever is sent.
pub(super) fn check(front: &Passing, out: &mut Sink) -> bool {
    let Some(app) = front.app else { return false };
    let Some(django) = &app.release.django else { return false };
    let own: Vec<&Destination> =
        front.passes.iter().copied().filter(|pass| app.is_passed_at(pass.word)).collect();
    let Some(first) = own.first() else { return false };
    if django.refuses_all() == Ok(true) {
        none_allowed(front.model, app, first, out);
        return true;
    }
    if django.asks_host.ok() == Some(&true) {
        some_refused(front.model, app, &own, out);
    }
    false
}

fn none_allowed(model: &Model, app: &App, pass: &Destination, out: &mut Sink) {
    let Some(django) = &app.release.django else { return };
    let names = model.server(pass.server).map_or(&[][..], |server| server.names.as_slice());
    let exact = names.iter().find(|name| name.is_host());
    let example = exact.map_or("example.com", |name| name.text.as_str());
    out.report("Django answers 400 to every request: ALLOWED_HOSTS is empty, and DEBUG is off")
        .severity(Severity::Error)
        .at_first([
            (django.allowed_hosts.span(), "is empty"),
            (django.debug.span(), "without debug mode every host must be allowed"),
            (Some(pass.word), "passed on to Django"),
        ])
        .help(format!("in Django's settings:\nALLOWED_HOSTS = [\"{example}\"]"))
        .subject("ALLOWED_HOSTS")
        .fix(Safety::Manual, "add the site's names to ALLOWED_HOSTS");
}

/// Names of the site that are passed on as they are asked for, and are none of Django's.
fn some_refused(model: &Model, app: &App, passes: &[&Destination], out: &mut Sink) {
    let Some(django) = &app.release.django else { return };
    let mut seen = BTreeSet::new();
    let mut refused: Vec<&ServerName> = Vec::new();
    let mut others = false;
    for pass in passes {
        let Some(server) = model.server(pass.server) else { continue };
        if !hands_names_on(model, server, pass) {
            others = true;
            continue;
        }
        for name in &server.names {
            if !name.is_host() {
                others = true;
            } else if seen.insert(name.text.as_str()) {
                match django.refuses(&name.text) {
                    Ok(true) => refused.push(name),
                    _ => others = true,
                }
            }
        }
    }
    // Besides a name of the site's own, an address or `localhost` may be there for the machine
    // alone.
    if others {
        refused.retain(|name| name.is_public());
    }
    let Some(first) = refused.first() else { return };
    let names: Vec<&str> = refused.iter().take(5).map(|name| name.text.as_str()).collect();
    let more = if refused.len() > names.len() { " …" } else { "" };
    let names = names.join(", ");
    let mut places: Vec<(Span, String)> = refused
        .iter()
        .take(5)
        .map(|name| (name.span, format!("asked for as {}", name.text)))
        .collect();
    places.extend(django.allowed_hosts.span().map(|span| (span, "does not contain it".to_owned())));
    out.report(format!(
        "Django answers 400 to every request for {names}{more}: not in ALLOWED_HOSTS"
    ))
    .severity(if others { Severity::Warning } else { Severity::Error })
    .at_each(places)
    .help(format!(
        "add it to ALLOWED_HOSTS in Django's settings, or to the variable they read it from: {}",
        first.text
    ))
    .subject("ALLOWED_HOSTS")
    .fix(Safety::Manual, "add the site's names to ALLOWED_HOSTS");
}

/// Does the pass send the host that was asked for, and is nothing else done for some hosts?
pub(super) fn hands_names_on(model: &Model, server: &Server, pass: &Destination) -> bool {
    let is_if = |ids: &[LocationId]| {
        let kinds = ids.iter().filter_map(|id| model.location(*id)).map(|here| here.kind);
        kinds.into_iter().any(|kind| kind == LocationKind::If)
    };
    let mut around = pass
        .location
        .and_then(|id| model.location(id))
        .into_iter()
        .chain(pass.location.into_iter().flat_map(|id| model.ancestors(id)));
    let branches = is_if(&server.locations)
        || !server.handling.returns.is_empty()
        || !server.handling.rewrites.is_empty()
        || around.any(|here| {
            here.kind == LocationKind::If
                || is_if(&here.children)
                || !here.handling.returns.is_empty()
                || !here.handling.rewrites.is_empty()
        });
    let set = model.effective(pass.place(), "proxy_set_header");
    if branches || set.incomplete {
        return false;
    }
    let lines = set.directives.iter().filter_map(|id| model.config.get(*id));
    let mut hosts = lines.filter(|line| {
        line.argument(0).is_some_and(|name| name.text().eq_ignore_ascii_case("host"))
    });
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    host.argument(1).is_some_and(|value| {
        matches!(
            &*value.text(),
            "$host" | "$http_host" | "$host:$server_port" | "$host:$proxy_port"
        )
    })
}
