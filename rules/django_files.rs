//! Static files and uploads of a Django project for which nginx does not look where they are: part of
//! N312.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::facts::nginx::{Model, ServerId, StaticRoot};
use crate::facts::release::django_files::{DjangoFiles, LookedIn, Unserved};
use crate::facts::{App, Deployment};
use crate::rule::prelude::Span;
use crate::rule::{EvidenceKind, Safety, Sink};

/// Does something else answer where a file is not there?
type FallsBack<'a> = dyn Fn(&Model, &LookedIn) -> bool + 'a;

/// Reports it for an application, each once. `other_url` says whether nginx was already reported to serve
/// the static files below another path, and `falls_back` whether something else answers where a file is
/// not there.
pub(super) fn check(
    deployment: &Deployment,
    app: &App,
    (other_url, falls_back): (bool, &FallsBack<'_>),
    seen: &mut HashSet<Span>,
    out: &mut Sink,
) {
    let Ok(model) = deployment.nginx.model.get() else { return };
    for unserved in &app.release.unserved {
        match &unserved.looked_in {
            Some(at) => {
                let Some(directory) = deployment.nginx.statics.get(at.root) else { continue };
                if !falls_back(model, at) && seen.insert(directory.span) {
                    out.about(Some(app));
                    elsewhere(app, unserved, at, directory, out);
                }
            }
            None if other_url && unserved.what == DjangoFiles::Static => {}
            None => {
                let Some(word) = passed_on(model, app, unserved.server, &unserved.url) else {
                    continue;
                };
                if seen.insert(unserved.said) {
                    out.about(Some(app));
                    nowhere(app, unserved, word, out);
                }
            }
        }
    }
}

/// The directory as it should be written: by the release's link, so that it moves with the release.
fn by_link(app: &App, unserved: &Unserved) -> PathBuf {
    let directory = &unserved.directory;
    let link = app.release.link.as_ref();
    let inside = link.and_then(|link| Some((link, directory.strip_prefix(&link.resolved).ok()?)));
    inside.map_or_else(|| directory.clone(), |(link, rest)| link.path.join(rest))
}

fn elsewhere(
    app: &App,
    unserved: &Unserved,
    at: &LookedIn,
    directory: &StaticRoot,
    out: &mut Sink,
) {
    let Unserved { url, .. } = unserved;
    let own = by_link(app, unserved);
    let (own, looked_in) = (own.display(), at.path.display());
    let word = if directory.alias { "alias" } else { "root" };
    let example = unserved.example.as_deref().unwrap_or_default();
    let of_admin = example.starts_with("admin/");
    let files = match of_admin {
        true => "static files of Django's admin and of packages",
        false => "static files",
    };
    let message = match (unserved.what, at.same) {
        (DjangoFiles::Static, true) => format!(
            "{files} get 404: {looked_in} has no {example}, because collectstatic has not been run"
        ),
        (DjangoFiles::Static, false) => format!(
            "{files} get 404: nginx looks for {url} in {looked_in}, which has no {example}; \
             collectstatic copies it to {own}"
        ),
        (DjangoFiles::Media, _) => format!(
            "uploaded files get 404: nginx looks for {url} in {looked_in}, but Django saves them in {own}"
        ),
    };
    let help = match (at.same, directory.alias) {
        (true, _) => {
            "python manage.py collectstatic --noinput\nin the release, as whoever deploys it"
                .to_owned()
        }
        (false, true) => format!("alias {own}/;\nthen check with: nginx -t"),
        (false, false) => format!("alias {own}/; instead of the root\nthen check with: nginx -t"),
    };
    let draft = out.report(message);
    let finding = draft.at(directory.span, format!("this {word} is where nginx looks"));
    finding.at(unserved.said, said(unserved.what));
    if unserved.what == DjangoFiles::Static {
        finding.evidence(EvidenceKind::File, format!("{looked_in}/{example} does not exist"));
    }
    finding.help(help);
    match at.same {
        true => finding.fix(Safety::Manual, "run collectstatic"),
        false => finding.fix(Safety::Manual, format!("make nginx look in {own}")),
    };
}

fn nowhere(app: &App, unserved: &Unserved, word: Span, out: &mut Sink) {
    let Unserved { url, .. } = unserved;
    let own = by_link(app, unserved);
    let own = own.display();
    let files = match unserved.what {
        DjangoFiles::Static => "static files",
        DjangoFiles::Media => "uploaded files",
    };
    let draft = out.report(format!(
        "{files} get 404: nginx passes {url} on to Django, which serves no files when DEBUG is off"
    ));
    let finding = draft.at(word, "passed on to Django");
    finding.at(unserved.said, said(unserved.what));
    finding.help(format!(
        "in nginx's server, next to the location that passes requests on:\n\
         location {url} {{ alias {own}/; }}\nthen check with: nginx -t"
    ));
    finding.fix(Safety::Manual, format!("serve {url} from {own}"));
}

fn said(what: DjangoFiles) -> &'static str {
    match what {
        DjangoFiles::Static => "collectstatic copies to this directory",
        DjangoFiles::Media => "Django saves uploads here",
    }
}

/// The pass that hands what is asked for below the path to a Django which does not serve it.
fn passed_on(model: &Model, app: &App, server: ServerId, url: &str) -> Option<Span> {
    let django = app.release.django.as_ref()?;
    let mounted = !matches!(app.variable("SCRIPT_NAME"), Ok(None));
    if django.serves_statics || mounted || django.debug.ok() != Some(&false) {
        return None;
    }
    let location = super::static_url::passed_on(model, app, server, url)?;
    app.routes.iter().find(|route| route.location == Some(location)).map(|route| route.peer)
}
