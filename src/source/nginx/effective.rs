//! Which directives apply in a location: nginx's rules of inheritance.
//!
//! A directive of one value is inherited from the nearest level that sets it. Cumulative ones
//! (`proxy_set_header` …) are inherited only by a level that sets none itself. Directives that pass
//! requests on reach only `if` and `limit_except` inside a location.

use super::config::{DirectiveId, DirectiveRef};
use super::id::{LocationId, ServerId};
use super::location::Location;
use super::location_kind::LocationKind;
use super::model::{Model, name_hash};
use super::pass::Pass;

/// The place a directive is asked for.
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
    /// All of the nearest level that sets any; those of the levels above are lost.
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

/// What holds in a place.
#[derive(Debug, Clone, Default)]
pub struct Effective {
    /// The directives that hold, in file order.
    pub directives: Vec<DirectiveId>,
    /// The block they are in; none for `http` of a fragment, and where nothing sets it.
    pub level: Option<DirectiveId>,
    /// Those of the next level above that set any, which would hold were there none nearer.
    pub lost: Vec<DirectiveId>,
    /// An include on the way was not read, so that there may be others.
    pub incomplete: bool,
}

impl Effective {
    /// The last of those that hold, which for a directive of one value is the one.
    pub fn last(&self) -> Option<DirectiveId> {
        self.directives.last().copied()
    }
}

impl Model {
    /// The directives of one name that hold in a place.
    pub fn effective(&self, place: Place, name: &str) -> Effective {
        let rule = inheritance(name);
        let mut found = Effective::default();
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
                // Of several fragments it is not known whether one is around the other.
                let count = here.len();
                here.retain(|id| entry.is_none() || self.config.entry_of(*id) == entry);
                found.incomplete |= found.directives.is_empty() && here.len() < count;
            }
            if found.directives.is_empty() {
                // An include that was not read may set it at this level or a nearer one; with an
                // additive directive it may add to those found here.
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

    /// A directive that holds in a place, where one does.
    pub fn effective_directive(&self, place: Place, name: &str) -> Option<DirectiveRef<'_>> {
        self.config.get(self.effective(place, name).last()?)
    }

    /// What a location hands requests to: its own, or for `if` and `limit_except` that of the
    /// location around it.
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

    /// The directives of one name that are in a block, in file order; without a block, those
    /// outside every block.
    pub fn named_in(&self, block: Option<DirectiveId>, name: &str) -> Vec<DirectiveId> {
        let block = block.map_or(u32::MAX, |block| block.0);
        let hash = name_hash(name.as_bytes());
        let start = self.simple.partition_point(|entry| (entry.0, entry.1) < (block, hash));
        let rest = self.simple.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(|entry| (entry.0, entry.1) == (block, hash))
            .map(|entry| DirectiveId(entry.2))
            .filter(|id| self.config.get(*id).is_some_and(|d| d.name().as_ref() == name.as_bytes()))
            .collect()
    }

    fn has_unread(&self, block: Option<DirectiveId>) -> bool {
        // Includes at the top of a fragment concern it as a whole.
        self.unread.contains(&block)
    }

    /// The blocks around a place, the innermost first.
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
    /// Is the level before it an `if` or `limit_except` in it?
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
