//! Which server and which location nginx chooses for a request
//! (`ngx_http_find_virtual_server`, `ngx_http_core_find_location`).

use regex::bytes::{Regex, RegexBuilder};

use super::address::{Address, Host};
use super::id::{LocationId, ServerId};
use super::location::Location;
use super::location_kind::LocationKind;
use super::model::Model;
use super::server::{Server, ServerName, ServerNameKind};
use crate::source::Span;

/// Why nginx chose a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The server has this exact name.
    Name,
    /// One of the server's wildcard names matches.
    Wildcard,
    /// One of the server's regex names matches.
    Regex,
    /// No name matches, and the server is the `default_server`.
    DefaultServer,
    /// No name matches, and the server is the first on its address.
    First,
}

/// Which server takes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The server; `None` if no server listens on the address.
    pub server: Option<ServerId>,
    /// Why nginx chose the server.
    pub reason: Option<Reason>,
    /// Names and `listen`s that cannot be judged here and might take the request: a regex that
    /// cannot be compiled here, a placeholder.
    pub unknown: Vec<Span>,
}

/// Which location takes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The location; `None` if the server itself handles it.
    pub location: Option<LocationId>,
    /// Locations that cannot be judged here and might take the request.
    pub unknown: Vec<LocationId>,
}

impl Model {
    /// The servers on an address, in the order nginx reads them, and whether each is marked as the
    /// default. A request to one IP address reaches the servers that listen on that address; only
    /// if there are none does it reach those that listen on all addresses.
    pub fn servers_on(&self, address: &Address) -> Vec<(&Server, bool)> {
        let exact = self.listening(|here| here == address);
        if !exact.is_empty() {
            return exact;
        }
        let Address::Inet { host, port } = address else { return exact };
        let any = match host {
            Host::Ip(std::net::IpAddr::V6(_)) | Host::AnyV6 => Host::AnyV6,
            _ => Host::Any,
        };
        let any = Address::Inet { host: any, port: *port };
        self.listening(|here| *here == any)
    }

    fn listening(&self, wanted: impl Fn(&Address) -> bool) -> Vec<(&Server, bool)> {
        let mut found = Vec::new();
        for server in &self.servers {
            if server.listens.is_empty() {
                if server.addresses().iter().any(&wanted) {
                    found.push((server, false));
                }
                continue;
            }
            let here = server.listens.iter().filter(|l| l.address.as_ref().is_some_and(&wanted));
            let mut here = here.peekable();
            if here.peek().is_some() {
                found.push((server, here.any(|listen| listen.default_server)));
            }
        }
        found
    }

    /// The server that takes a request for `host` on an address.
    pub fn serve(&self, address: &Address, host: &str) -> Served {
        let servers = self.servers_on(address);
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let mut served = Served { server: None, reason: None, unknown: Vec::new() };
        let placeholders = self.servers.iter().flat_map(|server| &server.listens);
        served.unknown.extend(placeholders.filter(|l| l.address.is_none()).map(|l| l.span));
        let mut wildcard: Option<((u8, usize), ServerId)> = None;
        let mut exact = None;
        for (server, _) in &servers {
            for name in &server.names {
                if name.kind == ServerNameKind::Unknown {
                    served.unknown.push(name.span);
                }
                if exact.is_none() && matches_exactly(name, &host) {
                    exact = Some(server.id);
                }
                // The longest `*.x` takes precedence over the longest `x.*`.
                if let Some(rank) = wildcard_rank(name, &host)
                    && wildcard.is_none_or(|(best, _)| rank > best)
                {
                    wildcard = Some((rank, server.id));
                }
            }
        }
        let found = match (exact, wildcard) {
            (Some(server), _) => Some((server, Reason::Name)),
            (None, Some((_, server))) => Some((server, Reason::Wildcard)),
            (None, None) => by_regex(&servers, &host, &mut served.unknown),
        };
        let found = found.or_else(|| {
            let marked = servers.iter().find(|(_, default)| *default);
            match marked {
                Some((server, _)) => Some((server.id, Reason::DefaultServer)),
                None => servers.first().map(|(server, _)| (server.id, Reason::First)),
            }
        });
        served.server = found.map(|(server, _)| server);
        served.reason = found.map(|(_, reason)| reason);
        served
    }

    /// The location of a server that takes a URI: an exact (`=`) match first, then the longest
    /// prefix. Unless that prefix is `^~`, the first matching regex wins over it, searched from the
    /// innermost level out.
    pub fn locate(&self, server: ServerId, uri: &str) -> Located {
        let mut located = Located { location: None, unknown: Vec::new() };
        let Some(server) = self.server(server) else { return located };
        let mut level: &[LocationId] = &server.locations;
        loop {
            // Descends through the prefix locations and remembers each level's regexes.
            let mut regexes: Vec<&[LocationId]> = Vec::new();
            loop {
                let best = self.longest_prefix(level, uri, &mut located.unknown);
                let Some(best) = best else {
                    regexes.push(level);
                    break;
                };
                located.location = Some(best.id);
                if best.kind == LocationKind::Exact {
                    return located;
                }
                if best.kind != LocationKind::PrefixStop {
                    regexes.push(level);
                }
                level = &best.children;
            }
            let found = regexes
                .iter()
                .rev()
                .find_map(|level| self.first_regex(level, uri, &mut located.unknown));
            let Some(found) = found else { return located };
            located.location = Some(found.id);
            level = &found.children;
        }
    }

    fn longest_prefix(
        &self,
        level: &[LocationId],
        uri: &str,
        unknown: &mut Vec<LocationId>,
    ) -> Option<&Location> {
        let mut best: Option<&Location> = None;
        for location in level.iter().filter_map(|id| self.location(*id)) {
            let pattern = &location.pattern.value;
            match location.kind {
                LocationKind::Exact | LocationKind::Prefix | LocationKind::PrefixStop => {}
                _ => continue,
            }
            if location.unknown {
                unknown.push(location.id);
                continue;
            }
            if location.kind == LocationKind::Exact {
                if pattern == uri {
                    return Some(location);
                }
                continue;
            }
            let longer = best.is_none_or(|best| pattern.len() > best.pattern.value.len());
            if longer && uri.starts_with(pattern.as_str()) {
                best = Some(location);
            }
        }
        best
    }

    fn first_regex(
        &self,
        level: &[LocationId],
        uri: &str,
        unknown: &mut Vec<LocationId>,
    ) -> Option<&Location> {
        for location in level.iter().filter_map(|id| self.location(*id)) {
            let LocationKind::Regex { case_insensitive } = location.kind else { continue };
            let regex = (!location.unknown)
                .then(|| compile(&location.pattern.value, case_insensitive))
                .flatten();
            match regex {
                Some(regex) if regex.is_match(uri.as_bytes()) => return Some(location),
                Some(_) => {}
                None => unknown.push(location.id),
            }
        }
        None
    }
}

fn matches_exactly(name: &ServerName, host: &str) -> bool {
    match name.kind {
        ServerNameKind::Exact | ServerNameKind::Empty => name.text == host,
        ServerNameKind::ExactAndWildcard => name.text.strip_prefix('.') == Some(host),
        _ => false,
    }
}

fn wildcard_rank(name: &ServerName, host: &str) -> Option<(u8, usize)> {
    let text = name.text.as_str();
    match name.kind {
        ServerNameKind::WildcardStart | ServerNameKind::ExactAndWildcard => {
            let tail = text.strip_prefix('*').unwrap_or(text);
            (host.len() > tail.len() && host.ends_with(tail)).then_some((1, tail.len()))
        }
        ServerNameKind::WildcardEnd => {
            let head = text.strip_suffix('*').unwrap_or(text);
            (host.len() > head.len() && host.starts_with(head)).then_some((0, head.len()))
        }
        _ => None,
    }
}

fn by_regex(
    servers: &[(&Server, bool)],
    host: &str,
    unknown: &mut Vec<Span>,
) -> Option<(ServerId, Reason)> {
    for (server, _) in servers {
        for name in server.names.iter().filter(|name| name.kind == ServerNameKind::Regex) {
            match compile(&name.text, true) {
                Some(regex) if regex.is_match(host.as_bytes()) => {
                    return Some((server.id, Reason::Regex));
                }
                Some(_) => {}
                None => unknown.push(name.span),
            }
        }
    }
    None
}

/// Compiles a PCRE pattern, if this regex engine reads it too. Patterns match bytes, not
/// characters.
pub(super) fn compile(pattern: &str, case_insensitive: bool) -> Option<Regex> {
    // PCRE differs in two ways: its named groups can also be `(?'x'…)`, and its `$` also matches
    // before a final line feed, which no URI has.
    RegexBuilder::new(pattern)
        .unicode(false)
        .case_insensitive(case_insensitive)
        .size_limit(1 << 20)
        .build()
        .ok()
}
