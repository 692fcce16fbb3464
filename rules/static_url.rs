//! Django's pages request static files below a path where nginx does not serve them, because
//! `STATIC_URL` is not the location that leads to `STATIC_ROOT`: part of N312.

use crate::facts::front::location_title;
use crate::facts::nginx::{Location, LocationId, LocationKind, Model, ServerId, StaticRoot};
use crate::facts::{App, Deployment};
use crate::rule::prelude::Span;
use crate::rule::{Safety, Sink};

/// Reports it for an application, at most once for each directory that nginx serves; returns whether it
/// did.
pub(super) fn check(
    deployment: &Deployment,
    app: &App,
    seen: &mut std::collections::HashSet<Span>,
    out: &mut Sink,
) -> bool {
    let Ok(model) = deployment.nginx.model.get() else { return false };
    let Some(django) = &app.release.django else { return false };
    // In debug mode Django may serve them itself.
    if django.serves_statics || django.debug.ok() != Some(&false) {
        return false;
    }
    let (Some(Some(url)), Some(Some(root))) = (django.static_url.ok(), django.static_root.ok())
    else {
        return false;
    };
    // Another host serves them, or it depends on the path that the application is mounted at.
    let text = url.trim_matches('/');
    if text.is_empty() || url.contains("//") || !matches!(app.variable("SCRIPT_NAME"), Ok(None)) {
        return false;
    }
    let before = out.found();
    let url = format!("/{text}/");
    let own = |one: &&StaticRoot| app.routes.iter().any(|route| route.server == one.server);
    for directory in deployment.nginx.statics.iter().filter(own) {
        let served = directory.place.path.file_name();
        let location = directory.location.and_then(|id| model.location(id));
        let begins =
            |here: &&Location| matches!(here.kind, LocationKind::Prefix | LocationKind::PrefixStop);
        let Some(location) = location.filter(begins) else { continue };
        let prefix = location.pattern.value.as_str();
        // `root` leads to the directory by the location's own path.
        let leads = match directory.alias {
            true => served == root.file_name(),
            false => root.file_name().is_some_and(|name| prefix.trim_matches('/') == name),
        };
        if !leads
            || passed_on(model, app, location.server, &url).is_none()
            || !seen.insert(directory.span)
        {
            continue;
        }
        out.about(Some(app));
        out.report(format!(
            "static files get 404: Django's pages request them below {url}, which nginx passes on \
             to Django, but nginx serves them below {prefix}"
        ))
        .at(directory.span, format!("served for {}", location_title(model, location.id)))
        .at_known(&django.static_url, "Django's pages link to this")
        .help(format!(
            "use the same path in both: location {url} {{ … }} in nginx, or in Django's settings\n\
             STATIC_URL = \"{prefix}\""
        ))
        .fix(Safety::Manual, format!("serve {url}"));
    }
    out.found() != before
}

/// The location that hands what is asked for below the path to the application, whatever is in a
/// directory.
pub(super) fn passed_on(
    model: &Model,
    app: &App,
    server: ServerId,
    url: &str,
) -> Option<LocationId> {
    let server = model.server(server)?;
    let located = model.locate(server.id, &format!("{url}app.css"));
    let location = located.location.and_then(|id| model.location(id))?;
    let plain = |here: &Location| {
        let handling = &here.handling;
        handling.try_files.is_empty()
            && handling.rewrites.is_empty()
            && handling.returns.is_empty()
            && here.children.is_empty()
    };
    let passes = located.unknown.is_empty()
        && server.handling.rewrites.is_empty()
        && server.handling.try_files.is_empty()
        && plain(location)
        && app.routes.iter().any(|route| route.location == Some(location.id));
    passes.then_some(location.id)
}
