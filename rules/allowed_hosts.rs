//! Hosts that nginx passes on and Django refuses because `ALLOWED_HOSTS` does not contain them:
//! part of N303.

use crate::facts::nginx::{Destination, Model};
use crate::facts::{App, Passing};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Severity, Sink};
use crate::rules::refused_names::refused_names;

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
    let refuses = |name: &str| django.refuses(name) == Ok(true);
    let Some(refused) = refused_names(model, passes, refuses) else { return };
    let Some(first) = refused.names.first() else { return };
    let names = refused.words();
    let mut places: Vec<(Span, String)> =
        refused.told().map(|name| (name.span, format!("asked for as {}", name.text))).collect();
    places.extend(django.allowed_hosts.span().map(|span| (span, "does not contain it".to_owned())));
    out.report(format!(
        "Django answers 400 to every request for {names}: not in ALLOWED_HOSTS"
    ))
    .severity(if refused.others { Severity::Warning } else { Severity::Error })
    .at_each(places)
    .help(format!(
        "add it to ALLOWED_HOSTS in Django's settings, or to the variable they read it from: {}",
        first.text
    ))
    .subject("ALLOWED_HOSTS")
    .fix(Safety::Manual, "add the site's names to ALLOWED_HOSTS");
}
