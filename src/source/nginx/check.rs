//! What nginx refuses or warns about, as far as the files alone show it: duplicates, and directives
//! that its own modules would refuse.

use rustc_hash::FxHashMap;

use super::address::{Address, Host};
use super::buffers;
use super::config::DirectiveId;
use super::directives;
use super::fault::{Fault, FaultKind};
use super::location::Location;
use super::location_kind::LocationKind;
use super::model::Model;
use super::names;
use super::names_hash;
use super::pattern;
use super::scope::Scope;
use super::server::{Server, ServerNameKind};

pub(super) fn check(model: &mut Model, scopes: &[Scope]) {
    let mut faults = Vec::new();
    directives::check(&model.config, scopes, &mut faults);
    listens(&model.servers, &mut faults);
    server_names(&model.servers, &mut faults);
    locations(model, &mut faults);
    resolving(model, &mut faults);
    names::check(&model.config, scopes, &mut faults);
    pattern::check(model, &mut faults);
    buffers::check(model, &mut faults);
    names_hash::check(model, &mut faults);
    model.faults.append(&mut faults);
}

/// Each `upstream` whose names nginx has to resolve at run time, but without a resolver. Only a
/// configuration that was read as a whole shows that there is no resolver.
fn resolving(model: &Model, faults: &mut Vec<Fault>) {
    let config = &model.config;
    let whole = config.is_whole();
    // Looked up once for each `http`, which may contain thousands of upstreams.
    let mut resolvers: FxHashMap<DirectiveId, bool> = FxHashMap::default();
    for upstream in model.upstreams.iter().filter(|_| whole) {
        let http = config.get(upstream.directive).and_then(|block| block.parent());
        let resolver = http.is_some_and(|http| {
            *resolvers.entry(http.id).or_insert_with(|| {
                http.children().any(|directive| directive.name().as_ref() == b"resolver")
            })
        });
        upstream.check_resolving(resolver, faults);
    }
}

/// `a duplicate listen`, `a duplicate default server`.
fn listens(servers: &[Server], faults: &mut Vec<Fault>) {
    let mut defaults = FxHashMap::default();
    let mut own = FxHashMap::default();
    for server in servers {
        own.clear();
        for listen in &server.listens {
            let Some(address) = &listen.address else { continue };
            // QUIC is UDP, so its socket may share the address with a TCP socket.
            let address_key = (address, listen.quic);
            if let Some(first) = own.insert(address_key, listen.span) {
                let message = format!("a duplicate listen {address}");
                faults.push(
                    Fault::new(FaultKind::DuplicateListen, listen.span, message).with([first]),
                );
                continue;
            }
            if !listen.default_server {
                continue;
            }
            if let Some(first) = defaults.get(&address_key) {
                let message = format!("a duplicate default server for {address}");
                faults.push(
                    Fault::new(FaultKind::DuplicateDefaultServer, listen.span, message)
                        .with([*first]),
                );
            } else {
                defaults.insert(address_key, listen.span);
            }
        }
    }
}

/// `conflicting server name "x" on 0.0.0.0:80, ignored`: nginx only warns, and the first server
/// wins.
fn server_names(servers: &[Server], faults: &mut Vec<Fault>) {
    const DEFAULT: &Address = &Address::Inet { host: Host::Any, port: 80 };
    let mut known = FxHashMap::default();
    known.reserve(servers.len());
    for server in servers {
        let default = (server.listens.is_empty() && server.directive.is_some()).then_some(DEFAULT);
        let given = server.listens.iter().filter(|l| !l.quic).filter_map(|l| l.address.as_ref());
        for address in given.chain(default) {
            for name in &server.names {
                if matches!(name.kind, ServerNameKind::Regex | ServerNameKind::Unknown) {
                    continue;
                }
                let key = (address, name.text.as_str());
                let first = *known.entry(key).or_insert((server.id, name.span));
                if first.1 == name.span || (first.0 == server.id && name.text.is_empty()) {
                    continue;
                }
                let message =
                    format!("conflicting server name \"{}\" on {address}, ignored", name.text);
                faults.push(
                    Fault::new(FaultKind::ConflictingServerName, name.span, message)
                        .with([first.1]),
                );
            }
        }
    }
}

fn locations(model: &Model, faults: &mut Vec<Fault>) {
    let mut known = FxHashMap::default();
    known.reserve(model.locations.len());
    for location in &model.locations {
        if location.unknown {
            continue;
        }
        let class = match location.kind {
            LocationKind::Exact => 0,
            LocationKind::Prefix | LocationKind::PrefixStop => 1,
            _ => 2,
        };
        if class < 2 {
            let key = (location.server, location.parent, class, location.pattern.value.as_str());
            if let Some(first) = known.get(&key) {
                let message = format!("duplicate location \"{}\"", location.pattern.value);
                faults.push(
                    Fault::new(FaultKind::DuplicateLocation, location.span, message).with([*first]),
                );
            } else {
                known.insert(key, location.span);
            }
        }
        if let Some(parent) = location.parent.and_then(|parent| model.location(parent)) {
            faults.extend(nested(location, parent));
        }
    }
}

/// What `ngx_http_core_location` says about a location nested in another.
fn nested(location: &Location, parent: &Location) -> Option<Fault> {
    if matches!(location.kind, LocationKind::If | LocationKind::LimitExcept) || parent.unknown {
        return None;
    }
    let (name, outer) = (&location.pattern.value, &parent.pattern.value);
    let message = match parent.kind {
        LocationKind::Exact => {
            format!("location \"{name}\" cannot be inside the exact location \"{outer}\"")
        }
        LocationKind::Named => {
            format!("location \"{name}\" cannot be inside the named location \"{outer}\"")
        }
        _ if location.kind == LocationKind::Named => {
            format!("named location \"{name}\" can be on the server level only")
        }
        LocationKind::If | LocationKind::LimitExcept => return None,
        _ if matches!(location.kind, LocationKind::Regex { .. }) || name.starts_with(outer) => {
            return None;
        }
        _ => format!("location \"{name}\" is outside location \"{outer}\""),
    };
    Some(Fault::new(FaultKind::InvalidLocation, location.span, message).with([parent.span]))
}
