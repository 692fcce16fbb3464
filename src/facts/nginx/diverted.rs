//! What keeps requests from a pass although it is in the location that nginx chooses for them:
//! `internal`, and a `rewrite` of every path. Measured with nginx 1.22.

use super::unreached::{error_page_answers, matches_all};
use super::{BlockPlace, Destination, DirectiveRef, Location, LocationId, Model, ServerId};
use crate::facts::Why;
use crate::source::Span;

/// A `rewrite` that leads every request of a block away from it.
#[derive(Debug)]
pub struct Rewritten {
    /// The directive.
    pub line: Span,
    /// The path that it makes, as far as it is the same for all.
    pub path: String,
    /// Where nginx looks for that.
    pub end: RewriteEnd,
}

/// Where requests end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteEnd {
    /// In the same location again and again: 500.
    Loop,
    /// In another location.
    Location(LocationId),
    /// Among the files of the server.
    Server,
}

/// The `rewrite` by which no request stays in a location, or, without one, by which all requests of a
/// server get another path before a location is chosen. None where that is not certain.
pub fn rewritten(
    model: &Model,
    server: ServerId,
    location: Option<&Location>,
) -> Option<Rewritten> {
    let block = match location {
        Some(location) => location.directive,
        None => model.server(server)?.directive?,
    };
    let (line, path, whole) = first_rewrite(&model.config.get(block)?)?;
    if !whole && !is_alike(model, server, &path) {
        return None;
    }
    let located = model.locate(server, &path);
    if !located.unknown.is_empty() {
        return None;
    }
    let end = match located.location {
        Some(found) if location.is_some_and(|own| own.id == found) => {
            (!error_page_answers(model, found, 500)).then_some(RewriteEnd::Loop)?
        }
        Some(found) => RewriteEnd::Location(found),
        None => RewriteEnd::Server,
    };
    Some(Rewritten { line, path, end })
}

/// The `rewrite` of every path that a block begins with, if nothing before or behind it may lead
/// past it, and what it makes of a path: all of it, or up to the first variable, with `/` where that
/// begins so.
fn first_rewrite(block: &DirectiveRef<'_>) -> Option<(Span, String, bool)> {
    let mut lines = block.children().filter(|line| {
        matches!(line.name().as_ref(), b"rewrite" | b"return" | b"break" | b"if" | b"include")
    });
    let first = lines.next().filter(|line| line.name().as_ref() == b"rewrite")?;
    let word = |at| first.argument(at).map(|word| word.text().into_owned());
    let (pattern, target, flag) = (word(0)?, word(1)?, word(2));
    let goes_on = match flag.as_deref() {
        Some("last") => true,
        // What is behind it is done, too.
        None => lines.next().is_none(),
        _ => false,
    };
    let placeholder = first.arguments().any(|word| word.has_placeholder());
    if !goes_on || placeholder || !matches_all(&pattern) || !target.starts_with('/') {
        return None;
    }
    let path = target.split('?').next()?;
    let Some((head, variable)) = path.split_once('$') else {
        return Some((first.head_span(), path.to_owned(), true));
    };
    let is_path =
        ["uri", "request_uri", "document_uri"].iter().any(|name| variable.starts_with(name))
            || variable.starts_with('1') && matches!(pattern.as_str(), "^(.*)$" | "^(.*)" | "(.*)");
    let slash = if is_path { "/" } else { "" };
    Some((first.head_span(), format!("{head}{slash}"), false))
}

/// Whether nginx chooses the same location for every path that begins with `path`.
fn is_alike(model: &Model, server: ServerId, path: &str) -> bool {
    let mut all = model.locations.iter().filter(|location| location.server == server);
    all.all(|location| {
        use super::LocationKind as K;
        let pattern = location.pattern.value.as_str();
        match location.kind {
            K::Exact => !location.unknown && !pattern.starts_with(path),
            K::Prefix | K::PrefixStop => {
                !location.unknown && (pattern == path || !pattern.starts_with(path))
            }
            K::Regex { .. } => matches_all(pattern),
            K::Named | K::If | K::LimitExcept => true,
        }
    })
}

/// May what a block does with requests lead them elsewhere once more?
pub fn leads_on(model: &Model, end: RewriteEnd, server: ServerId) -> bool {
    let place = match end {
        RewriteEnd::Loop => return false,
        RewriteEnd::Location(location) => BlockPlace::Location(location),
        RewriteEnd::Server => BlockPlace::Server(server),
    };
    let pages = model.effective(place, "error_page");
    let handling = match end {
        RewriteEnd::Location(location) => {
            model.location(location).map(|location| &location.handling)
        }
        _ => model.server(server).map(|server| &server.handling),
    };
    let leads = handling.is_none_or(|handling| {
        !handling.try_files.is_empty() || end != RewriteEnd::Server && !handling.rewrites.is_empty()
    });
    let children = match end {
        RewriteEnd::Location(location) => {
            model.location(location).is_none_or(|location| !location.children.is_empty())
        }
        _ => false,
    };
    leads || children || pages.incomplete || !pages.directives.is_empty()
}

/// The `internal` by which no client is let into the location of a pass, where nothing in its server
/// leads there from within: an error where something may. None where clients come in.
pub fn internal(model: &Model, pass: &Destination) -> Option<Result<Span, Why>> {
    let location = pass.location.and_then(|id| model.location(id))?;
    let around = std::iter::once(location).chain(model.ancestors(location.id));
    let closed = around.filter(|location| location.handling.internal).last()?;
    if location.kind == super::LocationKind::Named {
        return None;
    }
    let block = model.config.get(closed.directive);
    let line = block.and_then(|block| {
        let mut lines = block.children().filter(|line| line.name().as_ref() == b"internal");
        lines.next().map(|line| line.head_span())
    });
    let within = Why::depends("something in nginx may lead to an internal location");
    let server = model.server(pass.server).and_then(|server| server.directive);
    let leads = |name: &[u8]| {
        let leads = matches!(
            name,
            b"try_files"
                | b"rewrite"
                | b"auth_request"
                | b"mirror"
                | b"post_action"
                | b"ssi"
                | b"add_before_body"
                | b"add_after_body"
        );
        leads
            || [&b"js_"[..], b"perl"].iter().any(|start| name.starts_with(start))
            || memchr::memmem::find(name, b"_by_lua").is_some()
    };
    let here = |line: &DirectiveRef<'_>| {
        let mut at = line.parent();
        while let Some(block) = at {
            if block.name().as_ref() == b"server" {
                return Some(block.id) == server;
            }
            at = block.parent();
        }
        true
    };
    // A program that answers may name another location in its answer (X-Accel-Redirect).
    let others = model.locations.iter().filter(|other| other.server == pass.server);
    let answers = others.filter(|other| !other.handling.internal).any(|other| {
        let closed = model.ancestors(other.id).any(|around| around.handling.internal);
        !closed && !other.handling.passes.is_empty()
    });
    let index = location.pattern.value.contains("index");
    if answers
        || index
        || error_page_answers(model, location.id, 404)
        || model.config.named_any(leads).any(|line| here(&line))
    {
        return Some(Err(within));
    }
    line.map(Ok)
}
