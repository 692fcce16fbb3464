//! Where nginx passes requests to.

use std::rc::Rc;

use super::{
    Address, Host, LocationId, Model, Pass, Protocol, ServerId, Target, Upstream, UpstreamId,
};
use crate::facts::{Endpoint, TcpHost, Why};
use crate::source::Span;

/// One peer of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerEndpoint {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The word that names it: in `server` of the group, or in the pass itself.
    pub span: Span,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
}

/// A `proxy_pass` (`uwsgi_pass` …) and all that it can lead to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The server that it is in.
    pub server: ServerId,
    /// The location, `None` if it is right in the server.
    pub location: Option<LocationId>,
    /// The protocol.
    pub protocol: Protocol,
    /// The URL.
    pub word: Span,
    /// The group, where it leads to one.
    pub upstream: Option<UpstreamId>,
    /// Its peers. All that lead to one group share these.
    pub peers: Rc<[PeerEndpoint]>,
    /// Why there may be other peers.
    pub open: Option<Why>,
    /// Is one of its peers a socket of an application that was looked at?
    pub claimed: bool,
}

/// All passes of a configuration, those that are right in a server first.
pub(super) fn destinations(model: &Model) -> Vec<Destination> {
    // Most groups are led to from several locations.
    let groups = model.upstreams.iter().map(|group| group_peers(group).collect()).collect();
    let reader = DestinationReader { model, groups, none: Rc::default() };
    let mut found = Vec::with_capacity(model.locations.len());
    for server in &model.servers {
        let passes = server.handling.passes.iter();
        found.extend(passes.map(|pass| reader.destination(server.id, None, pass)));
    }
    for location in &model.locations {
        let passes = location.handling.passes.iter();
        let of = |pass| reader.destination(location.server, Some(location.id), pass);
        found.extend(passes.map(of));
    }
    found
}

fn group_peers(group: &Upstream) -> impl Iterator<Item = PeerEndpoint> {
    group.peers.iter().filter_map(|peer| {
        let endpoint = match peer.address.as_ref()? {
            Address::Unix(path) => Endpoint::unix(path),
            Address::Inet { host, port } => Endpoint::Tcp { host: tcp_host(host), port: *port },
        };
        Some(PeerEndpoint { endpoint, span: peer.word, backup: peer.backup, down: peer.down })
    })
}

struct DestinationReader<'m> {
    model: &'m Model,
    /// The peers of each group.
    groups: Vec<Rc<[PeerEndpoint]>>,
    /// No peers.
    none: Rc<[PeerEndpoint]>,
}

impl DestinationReader<'_> {
    fn destination(
        &self,
        server: ServerId,
        location: Option<LocationId>,
        pass: &Pass,
    ) -> Destination {
        let mut destination = Destination {
            server,
            location,
            protocol: pass.protocol,
            word: pass.word.span,
            upstream: None,
            peers: Rc::clone(&self.none),
            open: None,
            claimed: false,
        };
        destination.peers = match &pass.target {
            Target::Group(id) => self.group(*id, &mut destination),
            target => {
                let mut peers = Vec::new();
                self.add_target(target, &mut destination, &mut peers);
                peers.into()
            }
        };
        destination
    }

    /// Leads a destination to a group, whose peers are returned.
    fn group(&self, id: UpstreamId, destination: &mut Destination) -> Rc<[PeerEndpoint]> {
        destination.upstream = Some(id);
        if let Some(group) = self.model.upstream(id)
            && !group.complete
        {
            let why = format!("not all peers of upstream {} are known", group.name.value);
            destination.open = Some(Why::not_read(why));
        }
        self.groups.get(id.0 as usize).map(Rc::clone).unwrap_or_default()
    }

    fn add_target(
        &self,
        target: &Target,
        destination: &mut Destination,
        peers: &mut Vec<PeerEndpoint>,
    ) {
        let span = destination.word;
        let mut peer =
            |endpoint| peers.push(PeerEndpoint { endpoint, span, backup: false, down: false });
        match target {
            Target::Unix { path, .. } => peer(Endpoint::unix(path)),
            Target::Address { host, port, .. } => {
                peer(Endpoint::Tcp { host: tcp_host(host), port: *port });
            }
            Target::Group(id) => peers.extend(self.group(*id, destination).iter().cloned()),
            Target::Variable { values, complete } => {
                for value in values {
                    // A value is never a variable again, so this goes one level deep.
                    self.add_target(&value.target, destination, peers);
                }
                if !complete {
                    destination.open = Some(Why::depends("proxy_pass contains a variable"));
                }
            }
            Target::Malformed(_) => {}
            Target::Unknown => {
                destination.open = Some(Why::not_understood("proxy_pass contains a placeholder"));
            }
        }
    }
}

/// A host of nginx's as the kernel sees it.
pub fn tcp_host(host: &Host) -> TcpHost {
    match host {
        Host::Any => TcpHost::AnyV4,
        Host::AnyV6 => TcpHost::AnyV6 { only: false },
        Host::Ip(address) => TcpHost::of(*address),
        Host::Name(name) => TcpHost::parse(name),
    }
}
