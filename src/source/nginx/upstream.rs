//! `upstream` blocks (ngx_http_upstream_module).

use std::time::Duration;

use super::address::{Address, Host, Url, parse_url, path_of};
use super::config::{DirectiveId, DirectiveRef};
use super::fault::{Fault, FaultKind};
use super::id::UpstreamId;
use super::token::text_of;
use super::value::parse_time_seconds;
use super::version::Version;
use crate::source::{Span, Spanned};

/// How an `upstream` chooses among its peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Weighted round robin, the default.
    RoundRobin,
    /// `ip_hash`.
    IpHash,
    /// `least_conn`.
    LeastConn,
    /// `hash …`.
    Hash,
    /// `random …`.
    Random,
    /// `least_time …` and other methods of nginx's commercial version or of third-party modules.
    Other,
}

/// An `upstream`.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Its index.
    pub id: UpstreamId,
    /// The directive of its block.
    pub directive: DirectiveId,
    /// Its name, which nginx compares case-insensitively.
    pub name: Spanned<String>,
    /// Its `server` lines.
    pub peers: Vec<Peer>,
    /// `keepalive`: how many idle connections each worker keeps.
    pub keepalive: Option<Spanned<Option<u64>>>,
    /// `zone`: its words.
    pub zone: Option<Span>,
    /// Whether it has a `resolver` of its own.
    pub resolver: bool,
    /// How it chooses among its peers.
    pub method: Spanned<Method>,
    /// The range from its name to the last word before the brace.
    pub span: Span,
    /// Whether all of it is known: no include in it was left unread, and no word is a placeholder.
    pub complete: bool,
}

/// A `server` of an `upstream`. To nginx, a host name with several addresses is several servers.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its address; `None` if it is a placeholder or nginx would refuse it.
    pub address: Option<Address>,
    /// Whether the port was left to its default, 80.
    pub default_port: bool,
    /// `backup`.
    pub backup: bool,
    /// `down`.
    pub down: bool,
    /// `max_fails=`, if it is set and a number (nginx's default is 1).
    pub max_fails: Option<Spanned<u64>>,
    /// `fail_timeout=`, if it is set and a time (nginx's default is 10 s).
    pub fail_timeout: Option<Spanned<Duration>>,
    /// `resolve`: nginx resolves the name again and again.
    pub resolve: Option<Span>,
    /// `service=`: the name's SRV records contain the hosts and ports.
    pub service: bool,
    /// The place of the address alone.
    pub word: Span,
    /// The whole directive, without `;`.
    pub span: Span,
}

impl Upstream {
    pub(super) fn new(id: UpstreamId, directive: &DirectiveRef<'_>) -> Self {
        let word = directive.argument(0);
        let name = Spanned {
            value: word.map_or_else(String::new, |word| word.text().into_owned()),
            span: word.map_or_else(|| directive.name_span(), |word| word.span()),
        };
        Self {
            id,
            directive: directive.id,
            name,
            peers: Vec::new(),
            keepalive: None,
            zone: None,
            resolver: false,
            method: Spanned { value: Method::RoundRobin, span: directive.head_span() },
            span: directive.head_span(),
            complete: !word.is_some_and(|word| word.has_placeholder()),
        }
    }

    /// Records a directive of its block.
    pub(super) fn take(
        &mut self,
        directive: &DirectiveRef<'_>,
        name: &[u8],
        version: Option<Version>,
        faults: &mut Vec<Fault>,
    ) {
        let span = directive.head_span();
        let method = match name {
            b"server" => {
                if let Some(peer) = Peer::read(directive, version, faults) {
                    self.check_backup(&peer, faults);
                    self.complete &= peer.address.is_some();
                    self.peers.push(peer);
                }
                return;
            }
            b"keepalive" => {
                let count = directive.argument(0).and_then(|w| w.text().parse().ok());
                self.keepalive = Some(Spanned { value: count, span });
                return;
            }
            b"zone" => {
                self.zone = Some(span);
                return;
            }
            b"resolver" => {
                self.resolver = true;
                return;
            }
            b"ip_hash" => Method::IpHash,
            b"least_conn" => Method::LeastConn,
            b"hash" => Method::Hash,
            b"random" => Method::Random,
            b"least_time" | b"fair" | b"consistent_hash" | b"sticky" => Method::Other,
            _ => return,
        };
        self.method = Spanned { value: method, span };
    }

    /// nginx checks against the method set so far, so a method below the servers raises no fault.
    fn check_backup(&self, peer: &Peer, faults: &mut Vec<Fault>) {
        if peer.backup
            && matches!(self.method.value, Method::IpHash | Method::Hash | Method::Random)
        {
            faults.push(
                Fault::new(
                    FaultKind::BackupNotSupported,
                    peer.span,
                    "balancing method does not support parameter \"backup\"",
                )
                .with([self.method.span]),
            );
        }
    }

    /// Checks that names resolved at run time have what nginx needs for them: memory shared by all
    /// workers, and a resolver. `resolver` says whether the `http` around the `upstream` sets one.
    pub(super) fn check_resolving(&self, resolver: bool, faults: &mut Vec<Fault>) {
        let name = |peer: &&Peer| {
            matches!(&peer.address, Some(Address::Inet { host: Host::Name(_), .. }))
                || (peer.service && peer.address.is_none())
        };
        let asks = |peer: &Peer| peer.resolve.filter(|_| name(&peer));
        let Some(span) = self.peers.iter().find_map(asks) else { return };
        let what = "resolving names at run time requires upstream";
        let group = &self.name.value;
        let message = match (self.zone, resolver || self.resolver) {
            (None, _) => format!("{what} \"{group}\" to be in shared memory"),
            (_, false) => {
                format!("no resolver defined to resolve names at run time in upstream \"{group}\"")
            }
            _ => return,
        };
        faults.push(Fault::new(FaultKind::CannotResolve, span, message));
    }

    /// Checks the `upstream` as a whole.
    pub(super) fn check(&self, faults: &mut Vec<Fault>) {
        if !self.complete {
            return;
        }
        if self.peers.is_empty() {
            let message = "no servers are inside upstream";
            faults.push(Fault::new(FaultKind::EmptyUpstream, self.span, message));
        } else if self.peers.iter().all(|peer| peer.backup) {
            let message = format!("no servers in upstream \"{}\"", self.name.value);
            faults.push(Fault::new(FaultKind::EmptyUpstream, self.span, message));
        }
    }
}

/// The first version with `resolve` and `service=`, and the first with `route=` and `drain`.
const RESOLVE: Version = Version(1, 27, 3);
const STICKY: Version = Version(1, 29, 6);

impl Peer {
    fn read(
        directive: &DirectiveRef<'_>,
        version: Option<Version>,
        faults: &mut Vec<Fault>,
    ) -> Option<Self> {
        let word = directive.argument(0)?;
        let mut peer = Self {
            address: None,
            default_port: false,
            backup: false,
            down: false,
            max_fails: None,
            fail_timeout: None,
            resolve: None,
            service: false,
            word: word.span(),
            span: directive.head_span(),
        };
        if !word.has_placeholder() {
            match parse_url(&word.value(), false) {
                Ok(Url::Unix { path, .. }) => peer.address = Some(Address::Unix(path_of(path))),
                Ok(Url::Inet { host, port, .. }) => {
                    peer.default_port = port.is_none();
                    peer.address = Some(Address::Inet {
                        host: Host::new(&text_of(host)),
                        port: port.unwrap_or(80),
                    });
                }
                Err(error) => {
                    let message = format!("{error} in upstream \"{}\"", word.text());
                    faults.push(Fault::new(FaultKind::InvalidPeer, word.span(), message));
                }
            }
        }
        for parameter in directive.arguments().skip(1) {
            let span = parameter.span();
            if parameter.has_placeholder() {
                continue;
            }
            let value = parameter.value();
            let known = match value.as_ref() {
                b"backup" => {
                    peer.backup = true;
                    true
                }
                b"down" => {
                    peer.down = true;
                    true
                }
                b"resolve" => {
                    peer.resolve = Some(span);
                    version.is_none_or(|version| version >= RESOLVE)
                }
                b"drain" => version.is_none_or(|version| version >= STICKY),
                value => peer.take(value, span, version),
            };
            if !known {
                let message = format!("invalid parameter \"{}\"", parameter.text());
                faults.push(Fault::new(FaultKind::InvalidPeer, span, message));
            }
        }
        // Only the resolver knows which hosts and ports the records name.
        if peer.service {
            peer.address = None;
        }
        Some(peer)
    }

    /// Records a parameter `name=value`; returns whether nginx accepts it.
    fn take(&mut self, parameter: &[u8], span: Span, version: Option<Version>) -> bool {
        let from = |first| version.is_none_or(|version| version >= first);
        let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        if let Some(value) = parameter.strip_prefix(b"max_fails=") {
            self.max_fails = number(value).map(|value| Spanned { value, span });
            return self.max_fails.is_some();
        }
        if let Some(value) = parameter.strip_prefix(b"fail_timeout=") {
            self.fail_timeout = parse_time_seconds(value).map(|value| Spanned { value, span });
            return self.fail_timeout.is_some();
        }
        if let Some(value) = parameter.strip_prefix(b"weight=") {
            return number(value).is_some_and(|weight: u64| weight > 0);
        }
        if let Some(value) = parameter.strip_prefix(b"max_conns=") {
            return number(value).is_some();
        }
        if parameter.starts_with(b"service=") {
            self.service = true;
            return from(RESOLVE);
        }
        if parameter.starts_with(b"route=") {
            return from(STICKY);
        }
        // A parameter of nginx's commercial version, whose version is never known here.
        parameter.starts_with(b"slow_start=") && version.is_none()
    }
}
