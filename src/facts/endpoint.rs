//! The address of a socket: the common form of nginx's peers, gunicorn's binds and `.socket` units.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::place::tidy;
use super::{Known, Origin};

/// The host part of a TCP endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TcpHost {
    /// Every IPv4 address of the machine: an empty host, `0.0.0.0` or `*`. Nobody reaches it over
    /// IPv6.
    AnyV4,
    /// `[::]`: every IPv6 address, and every IPv4 address too unless the socket is for IPv6 alone.
    AnyV6 {
        /// `IPV6_V6ONLY`.
        only: bool,
    },
    /// `localhost`. nginx connects to each address that it has; gunicorn listens on 127.0.0.1
    /// alone, because it takes for IPv6 only what is written as an IPv6 address.
    Localhost,
    /// One address; an IPv4 address in an IPv6 one (`::ffff:127.0.0.1`) is that IPv4 address.
    Address(IpAddr),
    /// A name that only a resolver can turn into addresses.
    Name(String),
}

impl TcpHost {
    /// The address or name by which this machine itself reaches it, without brackets.
    pub fn from_here(&self) -> String {
        match self {
            Self::AnyV4 | Self::AnyV6 { only: false } => "127.0.0.1".to_owned(),
            Self::AnyV6 { only: true } => "::1".to_owned(),
            Self::Localhost => "localhost".to_owned(),
            Self::Address(address) => address.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    /// Does this machine itself have the address, whatever its interfaces are?
    pub fn is_here(&self) -> bool {
        match self {
            Self::AnyV4 | Self::AnyV6 { .. } | Self::Localhost => true,
            Self::Address(ip) => ip.is_loopback(),
            Self::Name(_) => false,
        }
    }

    /// Do other machines reach it, if nothing between them stops them? Of an address of a private
    /// network it is not known who is in there, and of a name what it stands for.
    pub fn is_open_to_others(&self) -> bool {
        match self {
            Self::AnyV4 | Self::AnyV6 { .. } => true,
            Self::Address(IpAddr::V4(ip)) => {
                !(ip.is_loopback() || ip.is_private() || ip.is_link_local())
            }
            // fc00::/7 and fe80::/10 are IPv6's private networks and link-local addresses.
            Self::Address(IpAddr::V6(ip)) => {
                let first = ip.segments()[0];
                !(ip.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80)
            }
            Self::Localhost | Self::Name(_) => false,
        }
    }

    /// From a host as it is in a configuration, without its port, brackets allowed.
    pub fn parse(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        match bare {
            "" | "*" => Self::AnyV4,
            _ if bare.eq_ignore_ascii_case("localhost") => Self::Localhost,
            _ => match bare.parse::<IpAddr>() {
                Ok(address) => Self::of(address),
                Err(_) => Self::Name(bare.to_ascii_lowercase()),
            },
        }
    }

    /// From an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Self::AnyV4,
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Self::AnyV6 { only: false },
            address => Self::Address(address),
        }
    }

    /// Where a client that is told to connect to it goes; nothing for a name. The kernel takes
    /// the address of all addresses for this machine's loopback.
    fn addresses(&self) -> Option<&[IpAddr]> {
        const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
        match self {
            Self::AnyV4 => Some(&[V4]),
            Self::AnyV6 { .. } => Some(&[V6]),
            Self::Localhost => Some(&[V4, V6]),
            Self::Address(address) => Some(std::slice::from_ref(address)),
            Self::Name(_) => None,
        }
    }

    /// Does a listener on this host accept who connects to the address? None: only a resolver, or
    /// a look at the machine's interfaces, could tell.
    fn accepts(&self, address: IpAddr) -> Option<bool> {
        let here = address.is_loopback().then_some(true);
        match self {
            Self::AnyV4 if address.is_ipv6() => Some(false),
            Self::AnyV6 { only: true } if address.is_ipv4() => Some(false),
            // Reached through each address of this machine; whether a foreign one is this
            // machine's, files do not show.
            Self::AnyV4 | Self::AnyV6 { .. } => here,
            Self::Localhost => Some(address == IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Self::Address(own) => Some(*own == address),
            Self::Name(_) => address.is_ipv6().then_some(false),
        }
    }
}

/// A unix path or an address and port, normalised: equal endpoints are the same socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A unix socket's path: absolute, without `.`/`..`, `/var/run` written as `/run`.
    Unix(PathBuf),
    /// A TCP port.
    Tcp {
        /// On which address.
        host: TcpHost,
        /// The port.
        port: u16,
    },
}

impl Endpoint {
    /// A unix socket's endpoint. `/var/run` is a link to `/run` on every system that systemd
    /// runs (`tmpfiles.d/var.conf`, file-hierarchy(7)).
    pub fn unix(path: &Path) -> Self {
        let path = tidy(path);
        // Most are elsewhere, which their text shows sooner than their components.
        if !path.as_os_str().as_encoded_bytes().starts_with(b"/var/run") {
            return Self::Unix(path);
        }
        match path.strip_prefix("/var/run") {
            Ok(rest) => Self::Unix(Path::new("/run").join(rest)),
            Err(_) => Self::Unix(path),
        }
    }

    /// Does a client that connects to `self` reach a listener that binds `bind`? None: only a
    /// resolver could tell.
    pub fn reaches(&self, bind: &Self) -> Option<bool> {
        match (self, bind) {
            (Self::Unix(a), Self::Unix(b)) => Some(a == b),
            (Self::Tcp { host: to, port: a }, Self::Tcp { host: on, port: b }) => {
                if a == b {
                    host_reaches(to, on)
                } else {
                    Some(false)
                }
            }
            _ => Some(false),
        }
    }

    /// Does a client miss the listener by the address family alone: the same port of this machine,
    /// over IPv6 where only IPv4 is listened on, or the other way round?
    pub fn misses_family(&self, bind: &Self) -> bool {
        let (Self::Tcp { host: to, port: a }, Self::Tcp { host: on, port: b }) = (self, bind)
        else {
            return false;
        };
        let other = |address: &IpAddr| match address {
            _ if !address.is_loopback() => None,
            IpAddr::V4(_) => on.accepts(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            IpAddr::V6(_) => on.accepts(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        };
        a == b
            && host_reaches(to, on) == Some(false)
            && to.addresses().is_some_and(|all| all.iter().all(|one| other(one) == Some(true)))
    }
}

fn host_reaches(to: &TcpHost, on: &TcpHost) -> Option<bool> {
    let Some(addresses) = to.addresses() else {
        return (to == on).then_some(true);
    };
    let mut reached = Some(false);
    for address in addresses {
        match on.accepts(*address) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => reached = None,
        }
    }
    reached
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => match host {
                TcpHost::AnyV4 => write!(f, "0.0.0.0:{port}"),
                TcpHost::AnyV6 { .. } => write!(f, "[::]:{port}"),
                TcpHost::Localhost => write!(f, "localhost:{port}"),
                TcpHost::Address(IpAddr::V6(ip)) => write!(f, "[{ip}]:{port}"),
                TcpHost::Address(ip) => write!(f, "{ip}:{port}"),
                TcpHost::Name(name) => write!(f, "{name}:{port}"),
            },
        }
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A socket that an application listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Where.
    pub endpoint: Endpoint,
    /// What says so: gunicorn's bind or a `.socket` unit's ListenStream.
    pub origin: Origin,
    /// Is it systemd that listens and hands the socket over?
    pub activated: bool,
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.endpoint.serialize(serializer)
    }
}

/// The sockets of an application, or why they are not known.
pub type Bounds = Known<Vec<Bound>>;
