//! Paths that nginx passes on although they do not begin with SCRIPT_NAME: part of N305.

use crate::facts::nginx::{Destination, Location, LocationKind, Model};
use crate::facts::{App, Deployment};
use crate::rule::{Safety, Severity, Sink};

/// The workers that cut `SCRIPT_NAME` off the path by gunicorn's own code.
const WORKERS: [&str; 4] = ["sync", "gthread", "gevent", "eventlet"];

/// Reports it, once for each application.
pub(super) fn check(deployment: &Deployment, out: &mut Sink) {
    let Ok(model) = deployment.nginx.model.get() else { return };
    for app in &deployment.apps {
        if let Some(prefix) = prefix(app) {
            held_against(model, app, &prefix, out);
        }
    }
}

/// What paths have to begin with. It comes out of the environment, and is shown nowhere.
fn prefix(app: &App) -> Option<String> {
    let class = app.gunicorn.settings.worker_class();
    class.ok().filter(|class| WORKERS.contains(&class.as_str()))?;
    let variable = app.variable("SCRIPT_NAME").ok()??;
    let text = variable.value.expose_str()?.to_owned();
    (!text.is_empty()).then_some(text)
}

fn held_against(model: &Model, app: &App, prefix: &str, out: &mut Sink) {
    let mut seen = std::collections::BTreeSet::new();
    let (mut wrong, mut others) = (Vec::new(), false);
    for pass in app.http_passes().filter(|pass| seen.insert(pass.word)) {
        match passed_on(model, pass) {
            Some(asked) if never_begins(&asked, prefix) => wrong.push((pass, asked)),
            _ => others = true,
        }
    }
    let Some((_, first)) = wrong.first() else { return };
    let passed = &first.path;
    let span = app.variable("SCRIPT_NAME").ok().flatten().and_then(|variable| variable.span);
    let places = wrong.iter().map(|(pass, _)| (pass.word, "passed on from here".to_owned()));
    let places =
        places.chain(span.map(|span| (span, "every path must begin with this".to_owned())));
    let whole = if others { "to it here" } else { "to it" };
    let stripped = first.cut && first.location.starts_with(prefix);
    let help = match stripped {
        true => {
            "remove the path after the address, so that nginx passes the path on unchanged: \
                 proxy_pass http://APP;\nor take SCRIPT_NAME out"
        }
        false => {
            "set SCRIPT_NAME to the location's path, or remove it if the application is served at /"
        }
    };
    out.about(Some(app));
    out.report(format!(
        "every request that nginx passes {whole} gets 500: the paths begin with \
         {passed}, and gunicorn refuses any that do not begin with SCRIPT_NAME"
    ))
    .severity(if others { Severity::Warning } else { Severity::Error })
    .at_each(places.collect::<Vec<_>>())
    .subject("SCRIPT_NAME")
    .help(help)
    .fix(Safety::Manual, "set SCRIPT_NAME to the location's path");
}

/// What a pass passes on.
struct HandedOn {
    /// The location's own path.
    location: String,
    /// What the paths begin with that gunicorn is asked for.
    path: String,
    /// Is it another than the location's?
    cut: bool,
}

/// What comes of the paths of a location; nothing where that is not known.
fn passed_on(model: &Model, pass: &Destination) -> Option<HandedOn> {
    let location = model.location(pass.location?)?;
    let server = model.server(pass.server)?;
    let plain = |here: &Location| here.handling.rewrites.is_empty() && here.children.is_empty();
    let begins = matches!(
        location.kind,
        LocationKind::Exact | LocationKind::Prefix | LocationKind::PrefixStop
    );
    if !begins || !plain(location) || !server.handling.rewrites.is_empty() || location.unknown {
        return None;
    }
    // A header of this name goes before the variable where gunicorn believes it.
    let set = model.effective(pass.place(), "proxy_set_header");
    let names = set.directives.iter().filter_map(|id| model.config.get(*id)?.argument(0));
    let mut names = names.map(|name| name.text().to_ascii_lowercase());
    if set.incomplete || names.any(|name| name.replace('-', "_") == "script_name") {
        return None;
    }
    let uri = pass.pass(model)?.uri.clone();
    let own = location.pattern.value.clone();
    let path = uri.clone().unwrap_or_else(|| own.clone());
    (!path.contains('$')).then_some(HandedOn { cut: uri.is_some(), location: own, path })
}

/// Is there no request whose path begins with the prefix? Where nginx cuts just that off, nobody asks
/// for it twice.
fn never_begins(asked: &HandedOn, prefix: &str) -> bool {
    let (path, prefix) = (asked.path.as_str(), prefix.trim_end_matches('/'));
    if prefix.is_empty() || path.starts_with(prefix) {
        return false;
    }
    !prefix.starts_with(path) || asked.cut && asked.location.starts_with(prefix)
}
