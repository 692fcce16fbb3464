//! Whether nginx serves a file itself.

use std::path::Path;

use super::nginx::StaticRoot;
use super::{Nginx, Why};
use crate::source::Span;
use crate::source::nginx::{Location, LocationKind, Model, Place, ServerId};

impl Nginx {
    /// The `root` or `alias` under which nginx serves this file (free of links), if any.
    pub fn serves_file(&self, file: &Path) -> Result<Option<&StaticRoot>, Why> {
        let mut unknown = None;
        for root in &self.statics {
            let Ok(rest) = file.strip_prefix(&root.place.resolved) else { continue };
            match self.reaches(root, rest) {
                Ok(true) => return Ok(Some(root)),
                Ok(false) => {}
                Err(why) => unknown = Some(why),
            }
        }
        unknown.map_or(Ok(None), Err)
    }

    /// The `root` or `alias` in which nginx looks for the file that a request names, by its index among
    /// `statics`, and the location that it chooses; `None` if it hands out none, or that is not sure.
    pub fn file_root(
        &self,
        server: ServerId,
        uri: &str,
    ) -> Option<(usize, &StaticRoot, &Location)> {
        let (model, location) = self.chosen(server, uri)?;
        let nearest = nearest(model, location).filter(|_| hands_out_files(model, location))?;
        let at = self.statics.iter().position(|root| root.span == nearest)?;
        self.statics.get(at).map(|root| (at, root, location))
    }

    /// The location that nginx chooses for a file and that names no directory for it, nor does
    /// anything around it: nginx looks in a directory that was compiled in.
    pub fn rootless(&self, server: ServerId, uri: &str) -> Option<&Location> {
        let (model, location) = self.chosen(server, uri)?;
        let roots = model.effective(Place::Location(location.id), "root");
        let none = nearest(model, location).is_none()
            && roots.directives.is_empty()
            && !roots.incomplete
            && location.handling.try_files.is_empty()
            && location.children.is_empty();
        (none && hands_out_files(model, location)).then_some(location)
    }

    /// The location that nginx chooses for a request, where that is sure.
    fn chosen(&self, server: ServerId, uri: &str) -> Option<(&Model, &Location)> {
        let model = self.model.ok()?;
        let located = model.locate(server, uri);
        let id = located.location.filter(|_| located.unknown.is_empty())?;
        Some((model, model.location(id)?))
    }

    /// Does the request for `rest` below this root meet the location in which the root holds?
    fn reaches(&self, root: &StaticRoot, rest: &Path) -> Result<bool, Why> {
        let model = self.model.get()?;
        let rest = rest.to_string_lossy();
        let own = root.location.and_then(|id| model.location(id));
        let uri = match own {
            Some(location) if root.alias => {
                if !matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop) {
                    return Ok(false);
                }
                format!("{}/{rest}", location.pattern.value.trim_end_matches('/'))
            }
            _ => format!("/{rest}"),
        };
        let located = model.locate(root.server, &uri);
        if !located.unknown.is_empty() {
            return Err(Why::not_understood("an nginx location cannot be evaluated"));
        }
        let Some(server) = model.server(root.server) else { return Ok(false) };
        if !server.handling.returns.is_empty() {
            return Ok(false);
        }
        let Some(id) = located.location else {
            return Ok(root.location.is_none() && server.handling.passes.is_empty());
        };
        let Some(location) = model.location(id) else { return Ok(false) };
        Ok(holds(model, root, location) && hands_out_files(model, location))
    }
}

/// Is this root the nearest one for the location?
fn holds(model: &Model, root: &StaticRoot, location: &Location) -> bool {
    nearest(model, location) == Some(root.span)
}

/// The `root` or `alias` that holds in a location.
fn nearest(model: &Model, location: &Location) -> Option<Span> {
    let nearest = std::iter::once(location)
        .chain(model.ancestors(location.id))
        .flat_map(|l| [&l.handling.alias, &l.handling.root])
        .flatten()
        .next()
        .or_else(|| model.server(location.server).and_then(|s| s.handling.root.as_ref()));
    nearest.map(|nearest| nearest.span)
}

/// Does the location look for files, and let people have them?
fn hands_out_files(model: &Model, location: &Location) -> bool {
    let handling = &location.handling;
    if handling.internal || !handling.returns.is_empty() {
        return false;
    }
    let denied =
        model.effective(Place::Location(location.id), "deny").directives.iter().any(|id| {
            model
                .config
                .get(*id)
                .and_then(|directive| directive.argument(0))
                .is_some_and(|word| word.value().as_ref() == b"all")
        });
    let tries = handling
        .try_files
        .iter()
        .any(|words| words.value.iter().any(|word| word.value.starts_with("$uri")));
    !denied && (tries || model.effective_passes(location.id).is_empty())
}
