//! `server` blocks: where they listen and to which names they answer
//! (ngx_http_core_module, `listen` and `server_name`).

use super::address::{Address, Host, Url, parse_port, parse_url, path_of};
use super::config::{DirectiveId, DirectiveRef, WordRef};
use super::fault::{Fault, FaultKind};
use super::location::Handling;
use super::model::{LocationId, ServerId};
use crate::source::Span;

/// A `server` of `http`.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its number.
    pub id: ServerId,
    /// Its block; none for the one thought round a fragment of bare locations.
    pub directive: Option<DirectiveId>,
    /// Its name up to the brace; for a fragment, the first directive of it.
    pub span: Span,
    /// Its `listen` lines.
    pub listens: Vec<Listen>,
    /// Its names, in order.
    pub names: Vec<ServerName>,
    /// The locations right inside it, `if` blocks too, in file order.
    pub locations: Vec<LocationId>,
    /// What it does with requests by itself.
    pub handling: Handling,
}

impl Server {
    /// Where it listens; `*:80` where it says nothing (as root, else 8000; D).
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
    /// The address; none where it is a placeholder or nothing nginx would take.
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

/// The kind of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerNameKind {
    /// One name.
    Exact,
    /// `*.example.com`.
    WildcardStart,
    /// `.example.com`: the name itself and all below it.
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
    /// In lower case as nginx compares it; a regex as it is, without `~`.
    pub text: String,
    /// The word.
    pub span: Span,
}

impl ServerName {
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
    /// Reads a `listen`; what nginx refuses is added to `faults`.
    pub(super) fn read(directive: &DirectiveRef<'_>, faults: &mut Vec<Fault>) -> Option<Self> {
        let word = directive.argument(0)?;
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
                Ok(address) => listen.address = Some(address),
                Err(error) => faults.push(Fault::new(
                    FaultKind::InvalidListen,
                    word.span(),
                    format!("{error} in \"{}\" of the \"listen\" directive", word.text()),
                )),
            }
        }
        for parameter in directive.arguments().skip(1) {
            match parameter.value().as_ref() {
                b"default_server" | b"default" => listen.default_server = true,
                b"ssl" => listen.ssl = true,
                b"http2" => listen.http2 = true,
                b"quic" => listen.quic = true,
                b"proxy_protocol" => listen.proxy_protocol = true,
                _ => {}
            }
        }
        Some(listen)
    }
}

/// `unix:path`, `host:port`, a host alone (port 80) or a port alone.
fn listen_address(value: &[u8]) -> Result<Address, &'static str> {
    let all_digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    if all_digits {
        let port = parse_port(value).ok_or("invalid port")?;
        return Ok(Address::Inet { host: Host::Any, port });
    }
    match parse_url(value, false)? {
        Url::Unix { path, .. } => Ok(Address::Unix(path_of(path))),
        Url::Inet { host, port, .. } => Ok(Address::Inet {
            host: Host::new(&String::from_utf8_lossy(host)),
            port: port.unwrap_or(80),
        }),
    }
}
