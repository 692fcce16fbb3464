//! The ways from nginx to an application: server → location → pass → peer → socket.

use std::ffi::OsStr;

use rustc_hash::FxHashMap;

use super::endpoint::{Bound, Endpoint};
use super::nginx::StaticRoot;
use super::{Known, Nginx};
use crate::source::Span;
use crate::source::nginx::{LocationId, LocationKind, ServerId, UpstreamId};

/// One way from a server of nginx to a socket of the application.
#[derive(Debug, Clone)]
pub struct Route {
    /// The index of the pass in [`Nginx::destinations`].
    pub destination: usize,
    /// The server.
    pub server: ServerId,
    /// The location, `None` if the pass is right in the server.
    pub location: Option<LocationId>,
    /// The group, where the pass leads to one.
    pub upstream: Option<UpstreamId>,
    /// The word that names the peer.
    pub peer: Span,
    /// Where nginx connects to.
    pub endpoint: Endpoint,
    /// The index of the socket in the application's bounds.
    pub bound: usize,
}

/// What sockets are looked up by.
#[derive(PartialEq, Eq, Hash)]
enum SocketKey<'e> {
    /// Endpoints' paths are tidied, so that the same path has the same text.
    Path(&'e OsStr),
    Port(u16),
}

impl<'e> SocketKey<'e> {
    fn of(endpoint: &'e Endpoint) -> Self {
        match endpoint {
            Endpoint::Unix(path) => Self::Path(path.as_os_str()),
            Endpoint::Tcp { port, .. } => Self::Port(*port),
        }
    }
}

/// Joins nginx's peers with the applications' sockets. Returns each application's routes, and
/// marks the destinations that lead to one.
pub fn connect(nginx: &mut Nginx, bounds: &[&Known<Vec<Bound>>]) -> Vec<Vec<Route>> {
    let mut sockets: FxHashMap<SocketKey<'_>, Vec<(usize, usize)>> = FxHashMap::default();
    for (app, bounds) in bounds.iter().enumerate() {
        for (index, bound) in bounds.ok().into_iter().flatten().enumerate() {
            sockets.entry(SocketKey::of(&bound.endpoint)).or_default().push((app, index));
        }
    }
    let mut routes = vec![Vec::new(); bounds.len()];
    for (index, destination) in nginx.destinations.iter_mut().enumerate() {
        for peer in destination.peers.iter() {
            let Some(near) = sockets.get(&SocketKey::of(&peer.endpoint)) else { continue };
            for (app, bound) in near {
                let Some(socket) = bounds[*app].ok().and_then(|list| list.get(*bound)) else {
                    continue;
                };
                if peer.endpoint.reaches(&socket.endpoint) != Some(true) {
                    continue;
                }
                destination.claimed = true;
                routes[*app].push(Route {
                    destination: index,
                    server: destination.server,
                    location: destination.location,
                    upstream: destination.upstream,
                    peer: peer.span,
                    endpoint: peer.endpoint.clone(),
                    bound: *bound,
                });
            }
        }
    }
    routes
}

impl Nginx {
    /// Every server that nginx may ask on these ways: the application's own, and the others of the same
    /// `upstream`.
    pub fn asked_beside(&self, routes: &[Route]) -> Vec<Endpoint> {
        let ways = routes.iter().filter_map(|route| self.destinations.get(route.destination));
        let others = ways.flat_map(|way| way.peers.iter()).map(|peer| peer.endpoint.clone());
        routes.iter().map(|route| route.endpoint.clone()).chain(others).collect()
    }

    /// The static directories of the servers that lead to an application by these routes: their
    /// index, themselves, and the prefix of the location that they are in.
    pub fn statics_of(&self, routes: &[Route]) -> Vec<(usize, &StaticRoot, String)> {
        let Some(model) = self.model.ok() else { return Vec::new() };
        let statics = self.statics.iter().enumerate();
        statics
            .filter(|(_, root)| routes.iter().any(|route| route.server == root.server))
            .filter_map(|(index, root)| {
                let location = model.location(root.location?)?;
                let prefix =
                    matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
                prefix.then(|| (index, root, location.pattern.value.clone()))
            })
            .collect()
    }
}
