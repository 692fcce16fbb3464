//! `server` blocks: where they listen and to which names they answer
//! (ngx_http_core_module, `listen` and `server_name`).

use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::address::{Address, Host, Url, parse_port, parse_url, path_of, starts_with_ignore_case};
use super::config::{DirectiveId, DirectiveRef, WordRef};
use super::fault::{Fault, FaultKind};
use super::id::{LocationId, ServerId};
use super::location::Handling;
use super::token::text_of;
use super::version::Version;
use crate::source::Span;

/// A `server` of `http`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its index.
    pub id: ServerId,
    /// The directive of its block; `None` for the implied server around a fragment of bare
    /// locations.
    pub directive: Option<DirectiveId>,
    /// The range from its name to the brace; for a fragment, its first directive.
    pub span: Span,
    /// Its `listen` lines.
    pub listens: Vec<Listen>,
    /// Its names, in order.
    pub names: Vec<ServerName>,
    /// The locations directly inside it, `if` blocks included, in file order.
    pub locations: Vec<LocationId>,
    /// What the server itself does with requests.
    pub handling: Handling,
}

impl Server {
    /// Whether every `listen` is known, and none of them speaks TLS by itself; `ssl on;`, which older
    /// versions have, makes the whole server speak it.
    pub fn listens_plainly(&self) -> bool {
        self.listens.iter().all(|listen| !listen.ssl && !listen.quic && listen.address.is_some())
    }

    /// The addresses it listens on; `*:80` if it has no `listen` (if nginx does not run as root,
    /// its documentation says port 8000).
    pub fn addresses(&self) -> Vec<Address> {
        if self.listens.is_empty() && self.directive.is_some() {
            return vec![Address::Inet { host: Host::Any, port: 80 }];
        }
        self.listens.iter().filter_map(|listen| listen.address.clone()).collect()
    }
}

/// One `listen`.
#[derive(Debug, Clone)]
pub struct Listen {
    /// The address; `None` if it is a placeholder or nginx would refuse it.
    pub address: Option<Address>,
    /// `default_server` (or `default`).
    pub default_server: bool,
    /// `ssl`.
    pub ssl: bool,
    /// `http2`.
    pub http2: bool,
    /// `quic`.
    pub quic: bool,
    /// `proxy_protocol`.
    pub proxy_protocol: bool,
    /// The whole directive, without `;`.
    pub span: Span,
}

/// The kind of a server's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNameKind {
    /// One name.
    Exact,
    /// `*.example.com`.
    WildcardStart,
    /// `.example.com`: the name itself and all its subdomains.
    ExactAndWildcard,
    /// `www.example.*`.
    WildcardEnd,
    /// `~…`.
    Regex,
    /// `""`: requests without a Host header.
    Empty,
    /// A template's placeholder, or a name with a variable.
    Unknown,
}

/// One word of `server_name`.
#[derive(Debug, Clone)]
pub struct ServerName {
    /// Its kind.
    pub kind: ServerNameKind,
    /// The text in lower case, as nginx compares it; a regex is as written, without its `~`.
    pub text: String,
    /// The word.
    pub span: Span,
}

impl ServerName {
    /// Whether a request may have it as its host, in full: `_` and its like never are one.
    pub fn is_host(&self) -> bool {
        self.kind == ServerNameKind::Exact && self.text.contains('.')
    }

    /// Whether visitors use it: a host that is no address.
    pub fn is_public(&self) -> bool {
        self.is_host() && self.text.parse::<std::net::IpAddr>().is_err()
    }

    pub(super) fn read(word: &WordRef<'_>) -> Self {
        let text = word.text();
        let lower = text.to_ascii_lowercase();
        let (kind, text) = if word.has_placeholder() {
            (ServerNameKind::Unknown, text.into_owned())
        } else if let Some(regex) = text.strip_prefix('~') {
            (ServerNameKind::Regex, regex.to_owned())
        } else if text.is_empty() {
            (ServerNameKind::Empty, String::new())
        } else if text.starts_with("*.") {
            (ServerNameKind::WildcardStart, lower)
        } else if text.starts_with('.') {
            (ServerNameKind::ExactAndWildcard, lower)
        } else if text.ends_with(".*") {
            (ServerNameKind::WildcardEnd, lower)
        } else {
            (ServerNameKind::Exact, lower)
        };
        Self { kind, text, span: word.span() }
    }
}

impl Listen {
    /// Reads a `listen`, which adds several to `listens` if it names a range of ports. What nginx
    /// refuses is added to `faults`.
    pub(super) fn read(
        directive: &DirectiveRef<'_>,
        version: Option<Version>,
        faults: &mut Vec<Fault>,
        listens: &mut Vec<Self>,
    ) {
        let Some(word) = directive.argument(0) else { return };
        let mut addresses = Listened::Unknown;
        let mut listen = Self {
            address: None,
            default_server: false,
            ssl: false,
            http2: false,
            quic: false,
            proxy_protocol: false,
            span: directive.head_span(),
        };
        if !word.has_placeholder() {
            match listen_address(&word.value()) {
                Ok(found) => addresses = found,
                Err(error) => faults.push(Fault::new(
                    FaultKind::InvalidListen,
                    word.span(),
                    format!("{error} in \"{}\" of the \"listen\" directive", word.text()),
                )),
            }
        }
        for parameter in directive.arguments().skip(1) {
            if !parameter.has_placeholder() && !takes(&parameter.value(), version) {
                let message = format!(
                    "invalid parameter \"{}\" of the \"listen\" directive",
                    parameter.text()
                );
                faults.push(Fault::new(FaultKind::InvalidParameter, parameter.span(), message));
            }
            match parameter.value().as_ref() {
                b"default_server" | b"default" => listen.default_server = true,
                b"ssl" => listen.ssl = true,
                b"http2" => listen.http2 = true,
                b"quic" => listen.quic = true,
                b"proxy_protocol" => listen.proxy_protocol = true,
                _ => {}
            }
        }
        match addresses {
            Listened::Unknown => listens.push(listen),
            Listened::Unix(path) => {
                listens.push(Self { address: Some(Address::Unix(path)), ..listen });
            }
            Listened::Inet(host, ports) => listens.extend(ports.map(|port| {
                let address = Some(Address::Inet { host: host.clone(), port });
                Self { address, ..listen.clone() }
            })),
        }
    }
}

/// The first version with `quic`, and the first with `multipath`.
const QUIC: Version = Version(1, 25, 0);
const MULTIPATH: Version = Version(1, 29, 7);

/// Whether nginx accepts this parameter of `listen`. If the version is not known, every parameter
/// that some system or version has is accepted.
fn takes(parameter: &[u8], version: Option<Version>) -> bool {
    let from = |first| version.is_none_or(|version| version >= first);
    let positive = |digits: &[u8]| {
        let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<i64>().ok());
        number.is_some_and(|number| number > 0)
    };
    match parameter {
        b"default_server" | b"default" | b"bind" | b"deferred" | b"reuseport" | b"ssl"
        | b"http2" | b"spdy" | b"proxy_protocol" | b"ipv6only=on" | b"ipv6only=off"
        | b"so_keepalive=on" | b"so_keepalive=off" => true,
        // Only 1.25.0 accepted `http3`, which has been named `quic` since.
        b"http3" => version.is_none(),
        b"quic" => from(QUIC),
        b"multipath" => from(MULTIPATH),
        _ => match parameter.iter().position(|byte| *byte == b'=').map(|at| parameter.split_at(at))
        {
            Some((b"backlog", [_, value @ ..])) => positive(value),
            Some((b"setfib" | b"fastopen" | b"rcvbuf" | b"sndbuf" | b"accept_filter", _)) => true,
            Some((b"so_keepalive", [_, value @ ..])) => value.contains(&b':'),
            _ => false,
        },
    }
}

/// A range with more ports than this is not examined port by port.
const RANGE_LIMIT: u16 = 1024;

/// What the first word of a `listen` names.
enum Listened {
    /// Nothing that can be known.
    Unknown,
    /// A unix socket.
    Unix(PathBuf),
    /// One port of a host, or several.
    Inet(Host, RangeInclusive<u16>),
}

/// The ports of `8100-8102`, or the single port; `None` for a range that is too long to examine.
fn ports(text: &[u8]) -> Result<Option<RangeInclusive<u16>>, &'static str> {
    let error = "invalid port";
    let Some(dash) = text.iter().position(|byte| *byte == b'-') else {
        let port = parse_port(text).ok_or(error)?;
        return Ok(Some(port..=port));
    };
    let (first, last) = text.split_at(dash);
    let (first, last) = (parse_port(first), parse_port(last.get(1..).unwrap_or_default()));
    let (first, last) = first.zip(last).filter(|(first, last)| first <= last).ok_or(error)?;
    Ok((last - first < RANGE_LIMIT).then_some(first..=last))
}

/// `unix:path`, `host:port`, a host alone (port 80) or a port alone; a range may take the place of
/// the port.
fn listen_address(value: &[u8]) -> Result<Listened, &'static str> {
    let inet = |host, ports: Option<_>| {
        ports.map_or(Listened::Unknown, |ports| Listened::Inet(host, ports))
    };
    let all_ports = value.first().is_some_and(u8::is_ascii_digit)
        && value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-');
    if all_ports {
        return Ok(inet(Host::Any, ports(value)?));
    }
    // `8O`: a port with a typo would be a host name that nobody has.
    let is_slip = value.len() <= 5
        && value.first().is_some_and(u8::is_ascii_digit)
        && value.iter().all(u8::is_ascii_alphanumeric);
    if is_slip {
        return Err("host not found");
    }
    // A range can only follow the host, whose own text may contain a dash too.
    let tail = value.iter().rposition(|byte| matches!(byte, b':' | b']' | b'/'));
    let range = tail.filter(|at| {
        let rest = value.get(at + 1..).unwrap_or_default();
        value.get(*at) == Some(&b':')
            && rest.contains(&b'-')
            && !starts_with_ignore_case(value, b"unix:")
    });
    if let Some(colon) = range {
        let host = value.get(..colon).unwrap_or_default();
        let numbers = ports(value.get(colon + 1..).unwrap_or_default())?;
        let Url::Inet { host, .. } = parse_url(host, false)? else { return Err("invalid host") };
        return Ok(inet(Host::new(&text_of(host)), numbers));
    }
    match parse_url(value, false)? {
        Url::Unix { path, .. } => Ok(Listened::Unix(path_of(path))),
        Url::Inet { host, port, .. } => {
            let port = port.unwrap_or(80);
            Ok(Listened::Inet(Host::new(&text_of(host)), port..=port))
        }
    }
}
