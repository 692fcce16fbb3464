//! `proxy_pass` and similar directives: where a block passes requests (ngx_http_proxy_module and
//! the others; measured on 1.22.1).

use std::borrow::Cow;
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use super::address::{Host, Url, parse_url, path_of, starts_with_ignore_case};
use super::config::{DirectiveId, DirectiveRef};
use super::fault::{Fault, FaultKind};
use super::id::UpstreamId;
use super::location_kind::LocationKind;
use super::token::text_of;
use super::variables::{Expansion, has_variable};
use crate::source::{Span, Spanned};

/// The protocol with which nginx passes a request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `proxy_pass http://…`.
    Http,
    /// `proxy_pass https://…`.
    Https,
    /// `uwsgi_pass`.
    Uwsgi,
    /// `fastcgi_pass`.
    Fastcgi,
    /// `grpc_pass`.
    Grpc,
    /// `scgi_pass`.
    Scgi,
    /// `memcached_pass`.
    Memcached,
}

/// One `proxy_pass`, `uwsgi_pass` ….
#[derive(Debug, Clone)]
pub struct Pass {
    /// The directive.
    pub directive: DirectiveId,
    /// Its protocol; `Http` if a variable contains the scheme.
    pub protocol: Protocol,
    /// The URL as written.
    pub word: Spanned<String>,
    /// The whole directive, without `;`.
    pub span: Span,
    /// Where requests go.
    pub target: Target,
    /// The URI part, which replaces what the location matched. `None` if the URL contains a
    /// variable: then nginx takes the URL apart for each request, and the URI part replaces the
    /// whole path.
    pub uri: Option<String>,
    /// What is wrong with the URL. If nginx accepts it all the same, `target` contains what nginx
    /// does.
    pub malformed: Option<Malformed>,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An `upstream` of this configuration.
    Group(UpstreamId),
    /// A host. A name with several addresses is several peers to nginx.
    Address {
        /// The host.
        host: Host,
        /// The port; 80, or 443 for https, if none is given. 0 if nginx has no default for the
        /// protocol.
        port: u16,
        /// Whether the port was given.
        port_given: bool,
    },
    /// A unix socket.
    Unix {
        /// Its path as nginx opens it.
        path: PathBuf,
        /// Whether the path is followed by the `:` that separates it from a URI.
        uri_separator: bool,
    },
    /// A target known only when a request arrives.
    Variable {
        /// The values it can have, as far as `set`, `map`, `geo` and `split_clients` show them.
        values: Vec<Possibility>,
        /// Whether these are all values.
        complete: bool,
    },
    /// A URL that nginx would refuse.
    Malformed(Malformed),
    /// A template's placeholder.
    Unknown,
}

/// One value of a URL with variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Possibility {
    /// The URL.
    pub text: String,
    /// Where it leads; never another `Variable`.
    pub target: Target,
    /// The `set` and `map` values that the URL was made from.
    pub via: Vec<Span>,
}

/// What is wrong with the URL of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// `proxy_pass unix:/p`: nginx refuses it because `http://` is missing.
    UnixWithoutScheme {
        /// The socket's path.
        path: PathBuf,
    },
    /// `proxy_pass app`: nginx refuses it.
    MissingScheme,
    /// `http://unix:/p.sock/uri`: nginx takes all of it for the path.
    UnixUriWithoutColon {
        /// The intended path.
        path: PathBuf,
        /// The intended URI.
        uri: String,
    },
    /// `https://unix:…`: nginx speaks TLS into the socket.
    HttpsToUnix,
    /// A port after the name of an `upstream`: nginx refuses it.
    PortOnUpstream {
        /// The `upstream`.
        upstream: UpstreamId,
        /// The port.
        port: u16,
    },
    /// A URI part in a block in which nginx refuses URI parts.
    UriForbidden {
        /// The kind of the block.
        block: LocationKind,
        /// The URI part.
        uri: String,
    },
    /// A URL that nginx cannot parse, with nginx's message.
    InvalidUrl(&'static str),
}

impl Malformed {
    /// Whether nginx refuses to load the URL.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::UnixUriWithoutColon { .. } | Self::HttpsToUnix)
    }

    fn message(&self, url: &str) -> String {
        match self {
            Self::UnixWithoutScheme { .. } | Self::MissingScheme => "invalid URL prefix".into(),
            Self::PortOnUpstream { port, .. } => {
                let name = url.split("://").last().unwrap_or(url);
                let name = name.split([':', '/']).next().unwrap_or(name);
                format!("upstream \"{name}\" may not have port {port}")
            }
            Self::UriForbidden { .. } => {
                "\"proxy_pass\" cannot have URI part in location given by regular expression, or \
                 inside named location, or inside \"if\" statement, or inside \"limit_except\" \
                 block"
                    .into()
            }
            Self::InvalidUrl(error) => {
                let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
                format!("{error} in upstream \"{rest}\"")
            }
            Self::UnixUriWithoutColon { .. } => {
                "the URI is taken as part of the socket's path".into()
            }
            Self::HttpsToUnix => "https to a unix socket".into(),
        }
    }
}

/// Whether this is the name of a directive that passes requests on.
pub(super) fn is_pass(name: &[u8]) -> bool {
    matches!(
        name,
        b"proxy_pass"
            | b"uwsgi_pass"
            | b"fastcgi_pass"
            | b"grpc_pass"
            | b"scgi_pass"
            | b"memcached_pass"
    )
}

/// The upstreams by name, in lower case.
pub(super) type Groups = FxHashMap<String, UpstreamId>;

/// A name as [`Groups`] has it.
pub(super) fn lower(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}

/// Where a URL leads once its variables are replaced.
struct ResolvedUrl {
    protocol: Protocol,
    target: Target,
    uri: Option<String>,
    malformed: Option<Malformed>,
}

/// Reads a pass in a block of kind `block`. `whole` says whether all upstreams were read.
pub(super) fn read(
    directive: &DirectiveRef<'_>,
    block: Option<LocationKind>,
    (groups, whole): (&Groups, bool),
    expand: impl FnOnce(&str) -> Expansion,
    faults: &mut Vec<Fault>,
) -> Option<Pass> {
    let word = directive.argument(0)?;
    let name = directive.name();
    let text = word.text().into_owned();
    let taken = if word.has_placeholder() {
        ResolvedUrl {
            protocol: protocol_of(&name, text.as_bytes()),
            target: Target::Unknown,
            uri: None,
            malformed: None,
        }
    } else if has_variable(&text) {
        let expansion = expand(&text);
        let values = expansion.values.into_iter().map(|(text, via)| {
            let target = take(&name, text.as_bytes(), None, groups, Moment::Request).target;
            Possibility { text, target, via }
        });
        ResolvedUrl {
            protocol: protocol_of(&name, text.as_bytes()),
            target: Target::Variable { values: values.collect(), complete: expansion.complete },
            uri: None,
            malformed: None,
        }
    } else {
        let moment = if whole { Moment::Load } else { Moment::LoadOfPart };
        take(&name, &word.value(), block, groups, moment)
    };
    if let Some(malformed) = taken.malformed.as_ref().filter(|malformed| malformed.is_fatal()) {
        faults.push(Fault::new(FaultKind::InvalidPass, word.span(), malformed.message(&text)));
    }
    Some(Pass {
        directive: directive.id,
        protocol: taken.protocol,
        word: Spanned { value: text, span: word.span() },
        span: directive.head_span(),
        target: taken.target,
        uri: taken.uri,
        malformed: taken.malformed,
    })
}

fn protocol_of(name: &[u8], url: &[u8]) -> Protocol {
    match name {
        b"uwsgi_pass" => Protocol::Uwsgi,
        b"fastcgi_pass" => Protocol::Fastcgi,
        b"grpc_pass" => Protocol::Grpc,
        b"scgi_pass" => Protocol::Scgi,
        b"memcached_pass" => Protocol::Memcached,
        _ if starts_with_ignore_case(url, b"https://") => Protocol::Https,
        _ => Protocol::Http,
    }
}

/// When nginx takes a URL apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// At start-up, with all upstreams known.
    Load,
    /// At start-up, when some upstreams may not have been read.
    LoadOfPart,
    /// For a request. A port after an upstream's name is not an error then: nginx looks for a host
    /// of that name.
    Request,
}

/// Takes a URL without variables apart.
fn take(
    name: &[u8],
    url: &[u8],
    block: Option<LocationKind>,
    groups: &Groups,
    moment: Moment,
) -> ResolvedUrl {
    let (late, whole) = (moment == Moment::Request, moment == Moment::Load);
    let protocol = protocol_of(name, url);
    let refused = |malformed: Malformed| ResolvedUrl {
        protocol,
        target: Target::Malformed(malformed.clone()),
        uri: None,
        malformed: Some(malformed),
    };
    let schemes: &[(&[u8], u16)] = match name {
        b"proxy_pass" => &[(b"http://", 80), (b"https://", 443)],
        b"grpc_pass" => &[(b"grpc://", 0), (b"grpcs://", 0), (b"", 0)],
        b"uwsgi_pass" => &[(b"uwsgi://", 0), (b"suwsgi://", 0), (b"", 0)],
        _ => &[(b"", 0)],
    };
    let scheme = schemes.iter().find(|(scheme, _)| starts_with_ignore_case(url, scheme));
    let Some((scheme, default_port)) = scheme else {
        if starts_with_ignore_case(url, b"unix:") {
            let path = url.get(5..).unwrap_or_default();
            let path = path.split(|byte| *byte == b':').next().unwrap_or_default();
            return refused(Malformed::UnixWithoutScheme { path: path_of(path) });
        }
        return refused(Malformed::MissingScheme);
    };
    let with_uri = name == b"proxy_pass";
    let rest = url.get(scheme.len()..).unwrap_or_default();
    let parsed = match parse_url(rest, with_uri) {
        Ok(parsed) => parsed,
        Err(error) => return refused(Malformed::InvalidUrl(error)),
    };
    let (target, uri, malformed) = match parsed {
        Url::Unix { path, uri } => {
            let target = Target::Unix { path: path_of(path), uri_separator: uri.is_some() };
            let malformed = match uri_in_path(path).filter(|_| uri.is_none() && with_uri) {
                Some((path, uri)) => Some(Malformed::UnixUriWithoutColon {
                    path: path_of(path),
                    uri: String::from_utf8_lossy(uri).into_owned(),
                }),
                None if protocol == Protocol::Https => Some(Malformed::HttpsToUnix),
                None => None,
            };
            (target, uri, malformed)
        }
        Url::Inet { host, port, uri } => {
            let host = text_of(host);
            match (groups.get(lower(&host).as_ref()), port) {
                (Some(group), None) => (Target::Group(*group), uri, None),
                (Some(group), Some(port)) if !late => {
                    return refused(Malformed::PortOnUpstream { upstream: *group, port });
                }
                (None, None) if *default_port == 0 && whole => {
                    return refused(Malformed::InvalidUrl("no port"));
                }
                _ => {
                    let target = Target::Address {
                        host: Host::new(&host),
                        port: port.unwrap_or(*default_port),
                        port_given: port.is_some(),
                    };
                    (target, uri, None)
                }
            }
        }
    };
    let uri = uri.filter(|uri| !uri.is_empty()).map(|u| String::from_utf8_lossy(u).into_owned());
    if let (Some(uri), Some(block)) = (&uri, block)
        && with_uri
        && !matches!(block, LocationKind::Exact | LocationKind::Prefix | LocationKind::PrefixStop)
    {
        return refused(Malformed::UriForbidden { block, uri: uri.clone() });
    }
    ResolvedUrl { protocol, target, uri, malformed }
}

/// `/run/app.sock/uri`, `/run/app.sock/`: the intended path and URI.
fn uri_in_path(path: &[u8]) -> Option<(&[u8], &[u8])> {
    for mark in [b".sock/".as_slice(), b".socket/"] {
        if let Some(at) = path.windows(mark.len()).position(|window| window == mark) {
            return path.split_at_checked(at + mark.len() - 1);
        }
    }
    (path.len() > 1 && path.ends_with(b"/")).then(|| path.split_at(path.len() - 1))
}
