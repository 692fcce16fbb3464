//! Which directives apply in a location: nginx's rules of inheritance.
//!
//! A directive with one value is inherited from the nearest level that sets it. Cumulative ones
//! (`proxy_set_header` …) are inherited only by a level that sets none itself. Directives that pass
//! requests on are inherited only by `if` and `limit_except` inside a location.

use super::config::{DirectiveId, DirectiveRef};
use super::id::{LocationId, ServerId};
use super::location::Location;
use super::location_kind::LocationKind;
use super::model::Model;
use super::pass::Pass;
use super::tree::{Body, NONE};

/// The place for which a directive is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Outside every server, in `http`.
    Http,
    /// In a server, outside its locations.
    Server(ServerId),
    /// In a location.
    Location(LocationId),
}

/// How a directive is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inheritance {
    /// From the nearest level that sets it.
    Nearest,
    /// All lines of the nearest level that sets any; those of outer levels are lost.
    AllOrNone,
    /// Not at all.
    Never,
    /// Only by `if` and `limit_except`.
    InnerBlocks,
}

/// How a directive is inherited, by its name.
pub fn inheritance(name: &str) -> Inheritance {
    match name {
        "proxy_set_header"
        | "add_header"
        | "add_trailer"
        | "proxy_hide_header"
        | "proxy_pass_header"
        | "proxy_cookie_path"
        | "proxy_cookie_domain"
        | "proxy_cookie_flags"
        | "proxy_redirect"
        | "proxy_no_cache"
        | "proxy_cache_bypass"
        | "proxy_cache_valid"
        | "uwsgi_param"
        | "fastcgi_param"
        | "scgi_param"
        | "grpc_set_header"
        | "access_log"
        | "error_log"
        | "error_page"
        | "allow"
        | "deny"
        | "limit_req"
        | "limit_conn"
        | "index"
        | "sub_filter"
        | "auth_request_set"
        | "uwsgi_hide_header"
        | "fastcgi_hide_header"
        | "grpc_hide_header"
        | "gzip_types" => Inheritance::AllOrNone,
        "return" | "rewrite" | "set" | "break" | "try_files" | "alias" | "internal" | "listen"
        | "server_name" | "include" => Inheritance::Never,
        "proxy_pass" | "uwsgi_pass" | "fastcgi_pass" | "grpc_pass" | "scgi_pass"
        | "memcached_pass" => Inheritance::InnerBlocks,
        _ => Inheritance::Nearest,
    }
}

/// The directives that apply in a place.
#[derive(Debug, Clone, Default)]
pub struct Effective {
    /// The directives that apply, in file order.
    pub directives: Vec<DirectiveId>,
    /// The block that contains them; `None` for `http` of a fragment, and if no level sets the
    /// directive.
    pub level: Option<DirectiveId>,
    /// The directives of the next outer level that sets any: they would apply if no nearer level
    /// set one.
    pub lost: Vec<DirectiveId>,
    /// Whether an include on the way was not read, so that there may be other directives.
    pub incomplete: bool,
}

impl Effective {
    /// The last directive that applies; for a directive with one value, the only one.
    pub fn last(&self) -> Option<DirectiveId> {
        self.directives.last().copied()
    }
}

impl Model {
    /// The directives with this name that apply in a place.
    pub fn effective(&self, place: Place, name: &str) -> Effective {
        let rule = inheritance(name);
        let mut found = Effective::default();
        // Most names are nowhere, which then need not be found out block by block.
        if self.unread.is_empty() && self.config.names.lines(name.as_bytes()).is_empty() {
            return found;
        }
        let block = match place {
            Place::Http => None,
            Place::Server(id) => self.server(id).and_then(|server| server.directive),
            Place::Location(id) => self.location(id).map(|location| location.directive),
        };
        let entry = block.and_then(|block| self.config.entry_of(block));
        for (index, level) in self.levels(place).into_iter().enumerate() {
            if index > 0 && !inherits(rule, level.inner) {
                break;
            }
            let mut here = self.named_in(level.block, name);
            if level.block.is_none() {
                // Of several fragments, it is not known whether one contains another.
                let count = here.len();
                here.retain(|id| entry.is_none() || self.config.entry_of(*id) == entry);
                found.incomplete |= found.directives.is_empty() && here.len() < count;
            }
            if found.directives.is_empty() {
                // An unread include may set the directive at this level or a nearer one; a
                // cumulative directive may have more lines than those found here.
                found.incomplete |= self.has_unread(level.block)
                    && (here.is_empty() || rule == Inheritance::AllOrNone);
            }
            if here.is_empty() {
                continue;
            }
            if found.directives.is_empty() {
                found.directives = here;
                found.level = level.block;
                if rule != Inheritance::AllOrNone {
                    break;
                }
            } else {
                found.lost = here;
                break;
            }
        }
        found
    }

    /// The directive with this name that applies in a place, if any.
    pub fn effective_directive(&self, place: Place, name: &str) -> Option<DirectiveRef<'_>> {
        self.config.get(self.effective(place, name).last()?)
    }

    /// Where a location passes requests: by its own directives, or for `if` and `limit_except` by
    /// those of the location around it.
    pub fn effective_passes(&self, location: LocationId) -> &[Pass] {
        let mut at = self.location(location);
        while let Some(here) = at {
            let inner = matches!(here.kind, LocationKind::If | LocationKind::LimitExcept);
            if !here.handling.passes.is_empty() || !inner {
                return &here.handling.passes;
            }
            at = here.parent.and_then(|parent| self.location(parent));
        }
        &[]
    }

    /// The directives with this name that are directly in a block, in file order; without a block,
    /// those outside every block.
    pub fn named_in(&self, block: Option<DirectiveId>, name: &str) -> Vec<DirectiveId> {
        let block = block.map_or(NONE, |block| block.0);
        let lines = self.config.names.lines_in(block, name.as_bytes());
        let simple =
            |id: &DirectiveId| self.config.get(*id).is_some_and(|d| d.body() == Body::None);
        lines.iter().map(|(_, id)| DirectiveId(*id)).filter(simple).collect()
    }

    fn has_unread(&self, block: Option<DirectiveId>) -> bool {
        // An include at the top of a fragment affects the whole fragment.
        self.unread.contains(&block)
    }

    /// The blocks around a place, innermost first.
    fn levels(&self, place: Place) -> Vec<Level> {
        let mut levels = Vec::new();
        let mut inner = false;
        let server = match place {
            Place::Http => None,
            Place::Server(server) => Some(server),
            Place::Location(location) => {
                let ancestors = self.ancestors(location);
                let chain = self.location(location).into_iter().chain(ancestors);
                let mut server = None;
                for here in chain {
                    levels.push(Level { block: Some(here.directive), inner });
                    inner = is_inner(here);
                    server = Some(here.server);
                }
                server
            }
        };
        let server = server.and_then(|server| self.server(server));
        let http = match server {
            Some(server) => match server.directive {
                Some(block) => {
                    levels.push(Level { block: Some(block), inner });
                    inner = false;
                    self.config.get(block).and_then(|block| block.parent())
                }
                None => None,
            },
            None => self.config.roots().find(|root| root.name().as_ref() == b"http"),
        };
        levels.push(Level { block: http.map(|http| http.id), inner });
        levels
    }
}

#[derive(Clone, Copy)]
struct Level {
    block: Option<DirectiveId>,
    /// Whether the level before this one is an `if` or `limit_except` inside it.
    inner: bool,
}

fn is_inner(location: &Location) -> bool {
    matches!(location.kind, LocationKind::If | LocationKind::LimitExcept)
}

fn inherits(rule: Inheritance, inner: bool) -> bool {
    match rule {
        Inheritance::Nearest | Inheritance::AllOrNone => true,
        Inheritance::Never => false,
        Inheritance::InnerBlocks => inner,
    }
}
