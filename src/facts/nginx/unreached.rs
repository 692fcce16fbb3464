//! The parts of nginx's configuration that no request reaches: names that it ignores, servers after
//! another address's default, locations whose requests others take.

use std::collections::{HashMap, HashSet};

use super::{
    Address, BlockPlace, DirectiveId, FaultKind, Location, LocationId, LocationKind, Model, Server,
    ServerId, ServerName, ServerNameKind,
};
use crate::facts::Why;
use crate::source::Span;

/// A name that no site has: who gets it is the default.
pub const NOBODY: &str = "deploy-doctor.invalid";

/// A name of a server that nginx ignores: an earlier server on the same address has it.
#[derive(Debug)]
pub struct IgnoredName<'m> {
    /// The server whose name does not count.
    pub server: &'m Server,
    /// The name there.
    pub name: &'m ServerName,
    /// The server that takes its requests.
    pub first: &'m Server,
    /// The name there.
    pub first_name: &'m ServerName,
}

/// Every `conflicting server name` that clients may ask for, each place once.
pub fn ignored_names(model: &Model) -> Vec<IgnoredName<'_>> {
    let faults = model.faults.iter().filter(|fault| fault.kind == FaultKind::ConflictingServerName);
    let mut faults = faults.peekable();
    // Hardly any configuration has one, and there may be thousands of names.
    if faults.peek().is_none() {
        return Vec::new();
    }
    let mut named: HashMap<Span, (&Server, &ServerName)> = HashMap::new();
    for server in &model.servers {
        named.extend(server.names.iter().map(|name| (name.span, (server, name))));
    }
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for fault in faults {
        let Some((server, name)) = named.get(&fault.span) else { continue };
        let first = fault.related.first().and_then(|span| named.get(span));
        let Some((first, first_name)) = first else { continue };
        if first.id != server.id && !catches_nothing(&name.text) && seen.insert(fault.span) {
            found.push(IgnoredName { server, name, first, first_name });
        }
    }
    found
}

/// Has the server a name that clients may ask for?
pub fn has_real_name(server: &Server) -> bool {
    server.names.iter().any(|name| {
        !matches!(name.kind, ServerNameKind::Exact | ServerNameKind::Empty)
            || !(catches_nothing(&name.text) || is_local(&name.text))
    })
}

/// Names that no client asks for.
fn catches_nothing(name: &str) -> bool {
    matches!(name, "" | "_" | "-" | "--" | "!@#")
}

/// Names that only the machine itself asks for.
pub fn is_local(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]" | "localhost.localdomain")
}

/// Which server takes what no name matches, on each address that a server listens on.
pub fn defaults(model: &Model, server: &Server) -> Result<Vec<(Address, ServerId)>, Why> {
    let mut found = Vec::new();
    for address in server.addresses() {
        let served = model.serve(&address, NOBODY);
        if !served.unknown.is_empty() {
            return Err(Why::not_understood("it is not known which server is the default"));
        }
        found.extend(served.server.map(|default| (address, default)));
    }
    Ok(found)
}

/// The locations of a server that are never chosen, each with the one that is chosen instead.
pub fn dead_locations(model: &Model, server: ServerId) -> Vec<(&Location, &Location)> {
    let Some(server) = model.server(server) else { return Vec::new() };
    let mut dead = Vec::new();
    let mut levels: Vec<(&[LocationId], bool)> = vec![(&server.locations, true)];
    while let Some((level, top)) = levels.pop() {
        let all: Vec<&Location> = level.iter().filter_map(|id| model.location(*id)).collect();
        let inner = all.iter().filter(|location| !location.children.is_empty());
        levels.extend(inner.map(|location| (location.children.as_slice(), false)));
        dead.extend(dead_in(&all, top));
    }
    dead
}

/// The locations of one level that are never chosen.
fn dead_in<'m>(level: &[&'m Location], top: bool) -> Vec<(&'m Location, &'m Location)> {
    let regexes: Vec<(&Location, bool)> = level
        .iter()
        .filter(|location| !location.unknown)
        .filter_map(|location| match location.kind {
            LocationKind::Regex { case_insensitive } => Some((*location, case_insensitive)),
            _ => None,
        })
        .collect();
    let mut dead: Vec<(&Location, &Location)> = Vec::new();
    let mut all: Option<&Location> = None;
    let mut known: HashMap<&str, (&Location, bool)> = HashMap::new();
    for (location, any_case) in &regexes {
        let pattern = location.pattern.value.as_str();
        if let Some(winner) = all {
            dead.push((location, winner));
            continue;
        }
        match known.get(pattern) {
            Some((winner, winner_any_case)) if *winner_any_case || !any_case => {
                dead.push((location, winner));
                continue;
            }
            _ => {
                known.insert(pattern, (location, *any_case));
            }
        }
        if matches_all(pattern) {
            all = Some(location);
        }
    }
    if !top {
        return dead;
    }
    let prefixes = || level.iter().filter(|location| location.kind == LocationKind::Prefix);
    // Regexes inside a prefix go before those outside it.
    let plain = prefixes().filter(|location| location.children.is_empty() && !location.unknown);
    if let Some(winner) = all {
        dead.extend(plain.map(|location| (*location, winner)));
    }
    let stops = level
        .iter()
        .find(|l| l.kind == LocationKind::PrefixStop && l.pattern.value == "/" && !l.unknown);
    if let Some(winner) = stops
        && prefixes().next().is_none()
        && !level.iter().any(|location| location.unknown)
    {
        let already: Vec<LocationId> = dead.iter().map(|(location, _)| location.id).collect();
        let rest = regexes.iter().filter(|(location, _)| !already.contains(&location.id));
        dead.extend(rest.map(|(location, _)| (*location, *winner)));
    }
    dead
}

/// The `try_files` of a location by which only requests for files that are there come to its pass,
/// and the status that all others get: `try_files $uri =404`; 500 where its last word leads to the
/// location itself, again and again: `try_files $uri /index.html`.
pub fn only_files(model: &Model, location: &Location) -> Option<(Span, u16)> {
    let line = location.handling.try_files.last()?;
    let (last, tried) = line.value.split_last()?;
    let status = match last.value.strip_prefix('=') {
        Some(status) => status.parse().ok()?,
        None if last.value.starts_with('/') && !last.value.contains(['$', '?']) => {
            let located = model.locate(location.server, &last.value);
            (located.unknown.is_empty() && located.location == Some(location.id)).then_some(500)?
        }
        None => return None,
    };
    // What is there whatever is asked for leads every request on.
    let by_path = |word: &str| word.starts_with("$uri") || word.starts_with("$request_uri");
    let by_path = !tried.is_empty() && tried.iter().all(|word| by_path(&word.value));
    (by_path && !error_page_answers(model, location.id, status)).then_some((line.span, status))
}

/// Does an `error_page` take over where a location would answer with this status? It does, too,
/// where an include that may contain one was not read.
pub fn error_page_answers(model: &Model, location: LocationId, status: u16) -> bool {
    let pages = model.effective(BlockPlace::Location(location), "error_page");
    let status = status.to_string();
    let names = |id: &DirectiveId| {
        model.config.get(*id).is_some_and(|page| page.arguments().any(|word| word.text() == status))
    };
    pages.incomplete || pages.directives.iter().any(names)
}

/// Regexes that every path matches.
pub fn matches_all(pattern: &str) -> bool {
    matches!(
        pattern,
        "/" | "^/"
            | "."
            | ".*"
            | "^"
            | "^.*"
            | ".*$"
            | "^.*$"
            | "^/.*"
            | "^/.*$"
            | "/.*"
            | "^(.*)$"
            | "^(.*)"
            | "^/(.*)$"
            | "^/(.*)"
            | "(.*)"
            | ".+"
            | "^.+$"
    )
}

/// Every `@name` that is anywhere but in the head of a location, Lua's code included.
pub fn mentioned_names(model: &Model) -> HashSet<Vec<u8>> {
    let mut found = HashSet::new();
    for directive in model.config.directives() {
        if directive.name().as_ref() == b"location" {
            continue;
        }
        for word in directive.arguments() {
            collect_names(&word.value(), &mut found);
        }
        if directive.name().ends_with(b"_by_lua_block")
            && let Some(body) = directive.body_span()
        {
            collect_names(directive.tree().file.slice(body), &mut found);
        }
    }
    found
}

/// Names are looked for up to this length, so that hostile text costs little.
const NAME_LIMIT: usize = 256;

fn collect_names(text: &[u8], found: &mut HashSet<Vec<u8>>) {
    for at in memchr::memchr_iter(b'@', text) {
        let rest = text.get(at..).unwrap_or_default();
        let rest = rest.get(..NAME_LIMIT).unwrap_or(rest);
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"\"';,()".contains(byte);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        found.insert(rest.get(..end).unwrap_or_default().to_vec());
    }
}
