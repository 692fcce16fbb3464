//! Whether nginx keeps its connections to an application open, which decides which requests are
//! lost when a worker stops.

use crate::facts::nginx::{BlockPlace, Model, Upstream, Version};
use crate::facts::{App, Known, Why};
use crate::rule::prelude::Span;

/// The first nginx that keeps connections to every `upstream {}` unless it is told not to, and that
/// speaks HTTP/1.1 without a `Connection` header by default.
const BY_DEFAULT: Version = Version(1, 29, 7);

/// How nginx reaches an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It closes each connection after one request.
    No,
    /// It keeps some, as this line says.
    Here(Span),
    /// It keeps some, because nothing says that it should not; the group that they lead to.
    ByDefault(Span),
}

/// Does this nginx keep connections unless it is told not to? Unknown with the version.
pub(super) fn by_default(version: &Known<Version>) -> Result<bool, Why> {
    version.get().map(|version| *version >= BY_DEFAULT).map_err(|_| {
        Why::depends(
            "nginx's version is not known: from 1.29.7 on it keeps connections to an `upstream` open by itself",
        )
    })
}

/// The first of the application's routes on which nginx keeps connections open.
pub(super) fn kept(app: &App) -> Result<Kept, Why> {
    if app.routes.is_empty() {
        return app.nginx.all_passes().map(|_| Kept::No);
    }
    let model = app.nginx.model.get()?;
    let mut unknown = None;
    for route in &app.routes {
        // Straight to an address or a socket it keeps none, in any version.
        let Some(group) = route.upstream.and_then(|id| model.upstream(id)) else { continue };
        let place = route.location.map_or(BlockPlace::Server(route.server), BlockPlace::Location);
        match on_route(&app.nginx.version, model, group, place) {
            Ok(Kept::No) => {}
            Ok(kept) => return Ok(kept),
            Err(why) => unknown = Some(why),
        }
    }
    // Another way to it, or what is in the group, may not have been read.
    let whole = app.nginx.all_passes().and_then(|_| app.nginx.all_upstreams());
    unknown.map_or_else(|| whole.map(|_| Kept::No), Err)
}

fn on_route(
    version: &Known<Version>,
    model: &Model,
    group: &Upstream,
    place: BlockPlace,
) -> Result<Kept, Why> {
    let kept = match &group.keepalive {
        Some(keepalive) if keepalive.value == Some(0) => return Ok(Kept::No),
        Some(keepalive) => Kept::Here(keepalive.span),
        None if model.config.not_read.iter().any(|part| part.parent == Some(group.directive)) => {
            return Err(unread());
        }
        None if by_default(version)? => Kept::ByDefault(group.span),
        None => return Ok(Kept::No),
    };
    let keeps = match (http(model, place)?, connection(model, place)?) {
        // gunicorn closes a connection where the request says so.
        (_, Some(Connection::Close)) | (Some(Http::Older), _) => false,
        (Some(Http::Newer), Some(Connection::Other)) => true,
        (Some(Http::Newer), None) | (None, _) => by_default(version)?,
    };
    Ok(if keeps { kept } else { Kept::No })
}

enum Http {
    Older,
    Newer,
}

/// `proxy_http_version`, where it is set.
fn http(model: &Model, place: BlockPlace) -> Result<Option<Http>, Why> {
    let version = model.effective(place, "proxy_http_version");
    if version.incomplete {
        return Err(unread());
    }
    let word = version.last().and_then(|id| word(model, id, 0));
    Ok(word.map(|word| if word == "1.0" { Http::Older } else { Http::Newer }))
}

enum Connection {
    Close,
    Other,
}

/// The `Connection` header, where it is set.
fn connection(model: &Model, place: BlockPlace) -> Result<Option<Connection>, Why> {
    let headers = model.effective(place, "proxy_set_header");
    if headers.incomplete {
        return Err(unread());
    }
    let named =
        |id: &&_| word(model, **id, 0).is_some_and(|name| name.eq_ignore_ascii_case("connection"));
    let value = headers.directives.iter().rev().find(named).and_then(|id| word(model, *id, 1));
    match value {
        None => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("close") => Ok(Some(Connection::Close)),
        // A map, mostly, which says `close` or nothing where no connection is upgraded.
        Some(value) if value.contains('$') => {
            Err(Why::depends(format!("nginx's Connection header hangs on {value}")))
        }
        Some(_) => Ok(Some(Connection::Other)),
    }
}

fn word(model: &Model, id: crate::facts::nginx::DirectiveId, at: usize) -> Option<String> {
    let directive = model.config.get(id)?;
    directive.argument(at).map(|word| word.text().into_owned())
}

fn unread() -> Why {
    Why::not_read("not all of nginx's configuration was read")
}
