//! A place where a socket is: what nginx's peers, gunicorn's binds and `.socket` units meet in.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use super::place::tidy;
use super::{Known, Origin};

/// The host part of a TCP endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TcpHost {
    /// Every address of the machine: an empty host, `0.0.0.0`, `[::]` or `*`.
    Any,
    /// `localhost`: 127.0.0.1, and ::1 where the machine has it.
    Localhost,
    /// One address.
    Address(IpAddr),
    /// A name that only a resolver can turn into addresses.
    Name(String),
}

impl TcpHost {
    /// From a host as it stands in a configuration, without its port, brackets allowed.
    pub fn parse(text: &str) -> Self {
        let bare = text.trim_start_matches('[').trim_end_matches(']');
        match bare {
            "" | "*" => return Self::Any,
            _ if bare.eq_ignore_ascii_case("localhost") => return Self::Localhost,
            _ => {}
        }
        match bare.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => Self::Any,
            Ok(address) => Self::Address(address),
            Err(_) => Self::Name(bare.to_ascii_lowercase()),
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
}

fn host_reaches(to: &TcpHost, on: &TcpHost) -> Option<bool> {
    use TcpHost::{Address, Any, Localhost, Name};
    match (to, on) {
        (Name(a), Name(b)) if a == b => Some(true),
        // A listener on every address is reached through each address of this machine; whether a
        // name or a foreign address is this machine, files do not tell.
        (Any | Localhost, Any) => Some(true),
        (Address(ip), Any) if ip.is_loopback() => Some(true),
        (Any | Localhost, Localhost) => Some(true),
        (Any | Localhost, Address(ip)) | (Address(ip), Localhost) => Some(ip.is_loopback()),
        (Address(a), Address(b)) => Some(a == b),
        (Name(_), _) | (_, Name(_)) | (Address(_), Any) => None,
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => match host {
                TcpHost::Any => write!(f, "0.0.0.0:{port}"),
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
