//! `SERVER_NAME`, by which Flask before 3.1 answers 404 to requests for every other host: part of N303.

use std::collections::BTreeSet;

use crate::facts::gunicorn::Version;
use crate::facts::nginx::ServerName;
use crate::rule::prelude::*;
use crate::rules::allowed_hosts::hands_names_on;

/// Names of the site that are passed on as they are asked for, and are not Flask's.
///
/// Measured with Flask 2.2.5, 3.0.3 and 3.1.2: before 3.1 the host has to be the same, the port too
/// unless it is the scheme's own; a subdomain is another host. 3.1 answers all.
pub(super) fn check(front: &Passing, out: &mut Sink) -> Result<(), Why> {
    let Some(app) = front.app else { return Ok(()) };
    let modules = &app.release.code.modules;
    let mut set =
        modules.iter().filter(|module| module.certain).filter_map(|m| m.server_name.as_ref());
    // Which of two counts, their order decides.
    let (Some(own), None) = (set.next(), set.next()) else { return Ok(()) };
    if answers_all(app)? {
        return Ok(());
    }
    let mut seen = BTreeSet::new();
    let mut refused: Vec<&ServerName> = Vec::new();
    let mut others = false;
    for pass in front.passes.iter().filter(|pass| app.is_passed_at(pass.word)) {
        let Some(server) = front.model.server(pass.server) else { continue };
        if !hands_names_on(front.model, server, pass) {
            others = true;
            continue;
        }
        for name in &server.names {
            if !name.is_public() || is_same(&own.value, &name.text) {
                others = true;
            } else if seen.insert(name.text.as_str()) {
                refused.push(name);
            }
        }
    }
    let Some(first) = refused.first() else { return Ok(()) };
    let names: Vec<&str> = refused.iter().take(5).map(|name| name.text.as_str()).collect();
    let more = if refused.len() > names.len() { " …" } else { "" };
    out.report(format!(
        "Flask answers 404 to every request for {}{more}: SERVER_NAME is another host",
        names.join(", ")
    ))
    .severity(if others { Severity::Warning } else { Severity::Error })
    .at(own.span, "the only host that Flask before 3.1 answers")
    .at(first.span, format!("asked for as {}", first.text))
    .subject("SERVER_NAME")
    .help(format!(
        "remove the line, or make it the name that visitors ask for: \"{}\" (before Flask 3.1 there can be \
         only one)",
        first.text
    ))
    .by_hand(Some(own.span))
    .fix(Safety::Manual, "remove SERVER_NAME");
    Ok(())
}

/// Does the installed Flask answer requests for every host?
fn answers_all(app: &App) -> Result<bool, Why> {
    let unknown = || Why::not_understood("Flask's version is not known");
    let venv = app.gunicorn.venv.get()?;
    let flask = venv.find("flask").next().ok_or_else(unknown)?;
    let version = flask.version.as_ref().and_then(|version| Version::parse(&version.to_string()));
    version.and_then(|version| version.at_least("3.1")).ok_or_else(unknown)
}

/// Is a request for this host one for `SERVER_NAME`, by http or by https?
fn is_same(own: &str, host: &str) -> bool {
    let own = own.strip_suffix(":80").or_else(|| own.strip_suffix(":443")).unwrap_or(own);
    own.eq_ignore_ascii_case(host)
}
