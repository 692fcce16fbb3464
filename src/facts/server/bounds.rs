//! The sockets that an application listens on: gunicorn's own, or those that systemd hands over.

use std::path::Path;

use super::super::endpoint::{Bound, Endpoint, TcpHost};
use super::super::gunicorn::{Launch, Settings};
use super::super::socket_unit::is_no_address;
use super::super::{Known, Origin, Service, Whose, Why};
use crate::source::gunicorn::BindAddress;
use crate::source::unit::Unit;
use crate::source::unit::value::parse_boolean;

/// The sockets: those of `.socket` units, which make `bind` ignored, or gunicorn's own.
pub(super) fn bounds(
    service: &Service,
    settings: &Settings,
    launch: Option<&Launch>,
) -> Known<Vec<Bound>> {
    if !service.sockets.is_empty() {
        return activated(&service.sockets, launch);
    }
    match service.sockets_read() {
        Ok(()) => own(settings),
        Err(why) => Known::Unknown(why),
    }
}

/// The sockets that gunicorn makes itself where it is handed none.
pub(super) fn own(settings: &Settings) -> Known<Vec<Bound>> {
    let whose = match settings.bind() {
        Known::Default(_, whose) => whose,
        _ => Whose::GUNICORN,
    };
    let (binds, origin) = match settings.bind().take() {
        Ok(bind) => bind,
        Err(why) => return Known::Unknown(why),
    };
    let mut found = Vec::new();
    for bind in binds {
        let endpoint = match &bind.address {
            BindAddress::Unix(path) if path.starts_with('/') => Endpoint::unix(Path::new(path)),
            BindAddress::Unix(_) => {
                return Known::Unknown(Why::not_understood(
                    "the directory of a relative socket path is not known",
                ));
            }
            BindAddress::Tcp { host, port } => {
                Endpoint::Tcp { host: TcpHost::parse(host), port: *port }
            }
            BindAddress::Fd(_) => {
                return Known::Unknown(Why::depends("it listens on an inherited descriptor"));
            }
        };
        let origin = match (bind.span, &origin) {
            (Some(span), _) => Origin::text(span),
            (None, Some(origin)) => origin.clone(),
            (None, None) => Origin::Default("gunicorn"),
        };
        found.push(Bound { endpoint, origin, activated: false });
    }
    match origin {
        Some(origin) => Known::Value(found, origin),
        None => Known::Default(found, whose),
    }
}

fn activated(sockets: &[Unit], launch: Option<&Launch>) -> Known<Vec<Bound>> {
    use super::super::gunicorn::Stays;
    // Behind a shell that stays, LISTEN_PID is the shell's: gunicorn ignores the sockets.
    if launch.is_some_and(|launch| launch.stays() != Stays::Never) {
        return Known::Unknown(Why::not_understood(
            "it is not known whether a wrapper passes the sockets on",
        ));
    }
    let mut found = Vec::new();
    let mut first = None;
    for socket in sockets {
        for assignment in socket.list("Socket", "ListenStream") {
            let text = match socket.specifiers.expand(&assignment.value) {
                crate::source::unit::Expansion::Known(text)
                    if crate::source::placeholder::find_with_dollar(text.as_str()).is_none() =>
                {
                    text
                }
                _ => return Known::Unknown(Why::not_understood("ListenStream= is not known")),
            };
            // systemd ignores the line, and refuses a unit that has no other.
            if is_no_address(text.as_str()) {
                continue;
            }
            let Some(endpoint) = listen_stream(text.as_str(), v6_only(socket)) else {
                return Known::Unknown(Why::not_understood("ListenStream= is not understood"));
            };
            let origin = Origin::text(assignment.value.span());
            first.get_or_insert(origin.clone());
            found.push(Bound { endpoint, origin, activated: true });
        }
    }
    match first {
        Some(origin) => Known::Value(found, origin),
        None => Known::Unknown(Why::not_there("the socket unit has no ListenStream=")),
    }
}

/// `BindIPv6Only=`; the default is the kernel's, whose own is to take IPv4 as well.
fn v6_only(socket: &Unit) -> bool {
    socket.last("Socket", "BindIPv6Only").is_some_and(|assignment| {
        let value = assignment.value.as_str();
        value == "ipv6-only" || parse_boolean(value) == Some(true)
    })
}

/// systemd.socket(5): a path, a port (on every address), `address:port` or `[address]:port`.
fn listen_stream(text: &str, only: bool) -> Option<Endpoint> {
    if text.starts_with('/') {
        return Some(Endpoint::unix(Path::new(text)));
    }
    if let Ok(port) = text.parse() {
        return Some(Endpoint::Tcp { host: TcpHost::AnyV6 { only }, port });
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = match TcpHost::parse(host) {
        TcpHost::AnyV6 { .. } => TcpHost::AnyV6 { only },
        host => host,
    };
    Some(Endpoint::Tcp { host, port: port.parse().ok()? })
}
