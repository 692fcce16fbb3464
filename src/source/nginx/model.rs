//! The meaning of a configuration: the servers, locations, upstreams and variables that decide
//! which requests reach an application, and how.

use std::collections::HashSet;

use super::config::{Config, DirectiveId};
use super::fault::Fault;
use super::id::{LocationId, ServerId, UpstreamId};
use super::location::Location;
use super::location_kind::LocationKind;
use super::pass::{Groups, lower};
use super::server::Server;
use super::upstream::Upstream;
use super::variables::{Expansion, Variables, has_variable};
use crate::source::{Span, Spanned};

/// A configuration and what it means.
#[derive(Debug)]
pub struct Model {
    /// The directives that the model was built from.
    pub config: Config,
    /// The words of `user`: the user and, where given, the group.
    pub user: Option<Spanned<Vec<Spanned<String>>>>,
    /// The servers of `http`, in the order in which nginx reads them.
    pub servers: Vec<Server>,
    /// Their locations, in the same order.
    pub locations: Vec<Location>,
    /// The upstreams of `http`.
    pub upstreams: Vec<Upstream>,
    /// What variables can contain.
    pub variables: Variables,
    /// What nginx would refuse or warn about: faults of syntax, includes and meaning.
    pub faults: Vec<Fault>,
    /// The blocks with an include that was not read; `None` is the top of a file.
    pub(super) unread: HashSet<Option<DirectiveId>>,
    /// The upstreams by name, in lower case.
    pub(super) groups: Groups,
}

impl Model {
    /// The server with this index.
    pub fn server(&self, id: ServerId) -> Option<&Server> {
        self.servers.get(id.0 as usize)
    }

    /// The location with this index.
    pub fn location(&self, id: LocationId) -> Option<&Location> {
        self.locations.get(id.0 as usize)
    }

    /// The upstream with this index.
    pub fn upstream(&self, id: UpstreamId) -> Option<&Upstream> {
        self.upstreams.get(id.0 as usize)
    }

    /// The upstream with this name, which nginx compares case-insensitively.
    pub fn upstream_named(&self, name: &str) -> Option<&Upstream> {
        self.upstream(*self.groups.get(lower(name).as_ref())?)
    }

    /// A named location of a server, `@` included.
    pub fn named_location(&self, server: ServerId, name: &str) -> Option<&Location> {
        let ids = self.server(server)?.locations.iter();
        ids.filter_map(|id| self.location(*id))
            .find(|location| location.kind == LocationKind::Named && location.pattern.value == name)
    }

    /// The locations around a location, innermost first, without the location itself.
    pub fn ancestors(&self, id: LocationId) -> impl Iterator<Item = &Location> {
        let mut at = self.location(id).and_then(|location| location.parent);
        std::iter::from_fn(move || {
            let location = self.location(at?)?;
            at = location.parent;
            Some(location)
        })
    }

    /// The values that a text with variables can have in a server or location.
    pub fn expand(&self, text: &str, server: ServerId, location: Option<LocationId>) -> Expansion {
        if !has_variable(text) {
            return Expansion { values: vec![(text.to_owned(), Vec::new())], complete: true };
        }
        expand(&self.variables, &self.locations, text, server, location)
    }

    /// The `include` lines that lead to a directive, outermost first.
    pub fn chain(&self, directive: DirectiveId) -> Vec<Span> {
        self.config.chain(directive)
    }
}

/// The values that a text can have. A `set` has certainly run if it is in the server, or in a
/// location around the text that is not an `if`, or in the text's own `if`.
pub(super) fn expand(
    variables: &Variables,
    locations: &[Location],
    text: &str,
    server: ServerId,
    location: Option<LocationId>,
) -> Expansion {
    let certain = |set: &super::variables::Assignment| {
        let Some(place) = set.location else { return true };
        let mut at = location;
        while let Some(here) = at.and_then(|id| locations.get(id.0 as usize)) {
            if here.id == place {
                return here.kind != LocationKind::If || location == Some(place);
            }
            at = here.parent;
        }
        false
    };
    variables.expand(text, server, &certain)
}
