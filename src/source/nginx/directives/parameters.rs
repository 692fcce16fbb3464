//! Checks the values of directives that affect requests to an application, as nginx's own functions
//! parse those values.

use super::super::config::DirectiveRef;
use super::super::fault::{Fault, FaultKind};
use super::super::value::{parse_size, parse_time};
use super::super::version::Version;
use super::values::CheckedValue;

/// The first version that accepts `keepalive 0;` and `keepalive N local;`.
const KEEPALIVE_BY_DEFAULT: Version = Version(1, 29, 7);
/// The first version that can pass requests on over HTTP/2.
const HTTP_2: Version = Version(1, 29, 4);

/// What a directive takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Parameter {
    /// The number of connections of `keepalive`.
    Keepalive,
    /// A version of HTTP.
    HttpVersion,
    /// A time.
    Time,
    /// A size.
    Size,
    /// A number, one of a few words, a condition.
    Value(CheckedValue),
    /// Anything else, which is not checked.
    Any,
}

impl Parameter {
    /// That of the directive with this name.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "keepalive" => Self::Keepalive,
            "proxy_http_version" => Self::HttpVersion,
            _ if is_time(name) => Self::Time,
            "client_max_body_size" | "client_body_buffer_size" | "proxy_buffer_size" => Self::Size,
            _ => CheckedValue::of(name).map_or(Self::Any, Self::Value),
        }
    }

    /// Whether nothing is checked.
    pub(super) fn is_any(self) -> bool {
        matches!(self, Self::Any)
    }

    /// What nginx says about a value that it refuses.
    pub(super) fn check(
        self,
        directive: &DirectiveRef<'_>,
        name: &str,
        version: Option<Version>,
    ) -> Option<Fault> {
        match self {
            Self::Keepalive => keepalive(directive, version),
            Self::HttpVersion => http_version(directive, version),
            Self::Time => measure(directive, name, |text| parse_time(text).is_some()),
            Self::Size => measure(directive, name, |text| parse_size(text).is_some()),
            Self::Value(value) => value.check(directive, name),
            Self::Any => None,
        }
    }
}

/// Whether the directive takes a time.
fn is_time(name: &str) -> bool {
    let upstream = ["_connect_timeout", "_read_timeout", "_send_timeout"];
    let of_upstream = |end: &&str| {
        name.strip_suffix(*end).is_some_and(|start| {
            matches!(start, "proxy" | "fastcgi" | "uwsgi" | "scgi" | "grpc" | "memcached")
        })
    };
    let own = ["send_timeout", "client_body_timeout", "client_header_timeout", "keepalive_timeout"];
    own.contains(&name) || upstream.iter().any(of_upstream)
}

/// Checks a time or a size.
fn measure(
    directive: &DirectiveRef<'_>,
    name: &str,
    fits: impl Fn(&[u8]) -> bool,
) -> Option<Fault> {
    let word = directive.argument(0)?;
    let value = word.value();
    if fits(&value) || value.contains(&b'$') || word.has_placeholder() {
        return None;
    }
    let message = format!("\"{name}\" directive invalid value \"{}\"", word.text());
    Some(Fault::new(FaultKind::InvalidParameter, word.span(), message))
}

fn keepalive(directive: &DirectiveRef<'_>, version: Option<Version>) -> Option<Fault> {
    let count = directive.argument(0).filter(|word| !word.has_placeholder())?;
    let value = count.text();
    let number = value.bytes().all(|b| b.is_ascii_digit()).then(|| value.parse::<u32>().ok());
    let zero = version.is_none_or(|version| version >= KEEPALIVE_BY_DEFAULT);
    let fits = number.flatten().is_some_and(|number| number > 0 || zero);
    if !fits {
        let message = format!("invalid value \"{value}\" in \"keepalive\" directive");
        return Some(Fault::new(FaultKind::InvalidParameter, count.span(), message));
    }
    let scope = directive.argument(1).filter(|word| !word.has_placeholder())?;
    (scope.value().as_ref() != b"local").then(|| {
        let message = format!("invalid parameter \"{}\"", scope.text());
        Fault::new(FaultKind::InvalidParameter, scope.span(), message)
    })
}

fn http_version(directive: &DirectiveRef<'_>, version: Option<Version>) -> Option<Fault> {
    let word = directive.argument(0).filter(|word| !word.has_placeholder())?;
    let http_2 = version.is_none_or(|version| version >= HTTP_2);
    let fits = match word.value().as_ref() {
        b"1.0" | b"1.1" => true,
        b"2" => http_2,
        _ => false,
    };
    (!fits).then(|| {
        let message =
            format!("invalid value \"{}\" in \"proxy_http_version\" directive", word.text());
        Fault::new(FaultKind::InvalidParameter, word.span(), message)
    })
}
