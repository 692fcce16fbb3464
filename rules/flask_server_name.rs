//! `SERVER_NAME`, by which Flask before 3.1 answers 404 to requests for every other host: part of N303.

use crate::facts::gunicorn::Version;
use crate::facts::nginx::Destination;
use crate::rule::prelude::*;
use crate::rules::refused_names::refused_names;

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
    let passes = front.passes.iter().copied().filter(|pass| app.is_passed_at(pass.word));
    let passes: Vec<&Destination> = passes.collect();
    let refuses = |host: &str| !is_same(&own.value, host);
    let Some(refused) = refused_names(front.model, &passes, refuses) else { return Ok(()) };
    let Some(first) = refused.names.first() else { return Ok(()) };
    out.report(format!(
        "Flask answers 404 to every request for {}: SERVER_NAME is another host",
        refused.words()
    ))
    .severity(if refused.others { Severity::Warning } else { Severity::Error })
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
