//! Addresses as `ngx_parse_url` (1.22) parses them: in `listen`, in an upstream's `server` and in
//! `proxy_pass`.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The longest path, in bytes, that a unix socket's address can contain.
const UNIX_PATH_LIMIT: usize = 108;

/// A host in an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// `*`, `0.0.0.0` or no host at all: every IPv4 address.
    Any,
    /// `[::]`: every IPv6 address.
    AnyV6,
    /// One address.
    Ip(IpAddr),
    /// A name that a resolver or `/etc/hosts` knows, in lower case.
    Name(String),
}

impl Host {
    /// Reads the text of a host.
    pub fn new(text: &str) -> Self {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let ip = match inner {
            Some(inner) => inner.parse().ok().map(IpAddr::V6),
            None => text.parse().ok().map(IpAddr::V4),
        };
        match ip {
            Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) => Self::Any,
            Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => Self::AnyV6,
            Some(ip) => Self::Ip(ip),
            None if text == "*" => Self::Any,
            None => Self::Name(text.to_ascii_lowercase()),
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Any => f.write_str("0.0.0.0"),
            Self::AnyV6 => f.write_str("[::]"),
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// An address that nginx listens on or connects to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A unix socket's path.
    Unix(PathBuf),
    /// A host and a port.
    Inet {
        /// The host.
        host: Host,
        /// The port.
        port: u16,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Inet { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The parts of a URL without its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Url<'a> {
    /// `unix:/path`, with the URI after a second `:`.
    Unix { path: &'a [u8], uri: Option<&'a [u8]> },
    /// `host:port/uri`.
    Inet { host: &'a [u8], port: Option<u16>, uri: Option<&'a [u8]> },
}

/// A path from a file's bytes.
pub(super) fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Takes a URL apart. `with_uri` says whether a URI may follow the address. The error is in nginx's
/// words.
pub(super) fn parse_url(url: &[u8], with_uri: bool) -> Result<Url<'_>, &'static str> {
    if starts_with_ignore_case(url, b"unix:") {
        return parse_unix(url.get(5..).unwrap_or_default(), with_uri);
    }
    let after_host = match url.first() {
        Some(b'[') => url.iter().position(|byte| *byte == b']').ok_or("invalid host")? + 1,
        _ => url.iter().position(|b| matches!(b, b':' | b'/' | b'?')).unwrap_or(url.len()),
    };
    let (host, rest) = url.split_at(after_host);
    let uri_at = rest.iter().position(|b| matches!(b, b'/' | b'?'));
    if uri_at.is_some() && !with_uri {
        return Err("invalid host");
    }
    let (port, uri) = match uri_at {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at..)),
        None => (rest, None),
    };
    let port = match port {
        [] => None,
        [b':', digits @ ..] => Some(parse_port(digits).ok_or("invalid port")?),
        _ => return Err("invalid host"),
    };
    if host.is_empty() {
        return Err("no host");
    }
    Ok(Url::Inet { host, port, uri })
}

fn parse_unix(rest: &[u8], with_uri: bool) -> Result<Url<'_>, &'static str> {
    let colon = with_uri.then(|| rest.iter().position(|byte| *byte == b':')).flatten();
    let (path, uri) = match colon {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
        None => (rest, None),
    };
    if path.is_empty() {
        return Err("no path in the unix domain socket");
    }
    if path.len() >= UNIX_PATH_LIMIT {
        return Err("too long path in the unix domain socket");
    }
    Ok(Url::Unix { path, uri })
}

/// A port from 1 to 65535, in digits.
pub(super) fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|port| *port > 0)
}

/// Whether `bytes` start with `prefix`, in upper or lower case.
pub(super) fn starts_with_ignore_case(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}
