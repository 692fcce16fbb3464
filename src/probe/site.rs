//! A target, prepared: its addresses, its TLS settings, the bytes to send.

use std::collections::VecDeque;
use std::time::Duration;

use super::settings::{Connections, Settings, StartError, Target};
use crate::host::HttpTarget;
use crate::host::net::tls::Tls;
use crate::host::net::{Address, resolve};

/// How long a name's lookup may take.
const LOOKUP_LIMIT: Duration = Duration::from_secs(10);
/// A kept connection is reused after about this long, which is well below any server's keep-alive
/// time.
const IDLE: f64 = 0.5;
/// The most connections that are kept.
const MOST_KEPT: usize = 8;

/// A target and its connections.
#[derive(Debug)]
pub(super) struct Site {
    pub addresses: Vec<Address>,
    /// The index of the address that is tried first.
    pub preferred: usize,
    /// Whether that address has answered.
    pub proven: bool,
    pub tls: Option<Tls>,
    /// The request for a connection that is closed afterwards, and the one for a connection that is
    /// kept.
    pub requests: [Vec<u8>; 2],
    /// Idle kept connections; the one that has been idle longest is first.
    pub idle: VecDeque<usize>,
    /// How many connections are kept.
    pub keep: usize,
}

impl Site {
    /// Looks up the name and reads the certificates.
    pub(super) fn new(target: &Target, settings: &Settings) -> Result<Self, StartError> {
        let request = &target.request;
        let (addresses, name) = match &request.target {
            HttpTarget::Unix(path) => (vec![Address::Unix(path.clone())], "localhost"),
            HttpTarget::Tcp { host, port } => (tcp(target, host, *port, settings)?, host.as_str()),
        };
        let tls = match request.tls {
            true => Some(
                Tls::new(&settings.trust, name)
                    .map_err(|error| StartError::Trust(error.to_string()))?,
            ),
            false => None,
        };
        let rate = match settings.connections {
            Connections::Both => settings.rate / 2.0,
            Connections::New | Connections::Kept => settings.rate,
        };
        let keep = ((rate * IDLE).ceil() as usize).clamp(1, MOST_KEPT);
        Ok(Self {
            addresses,
            preferred: 0,
            proven: false,
            tls,
            requests: [head(target, settings, "close"), head(target, settings, "keep-alive")],
            idle: VecDeque::new(),
            keep,
        })
    }
}

fn tcp(
    target: &Target,
    host: &str,
    port: u16,
    settings: &Settings,
) -> Result<Vec<Address>, StartError> {
    let said = settings
        .resolve
        .iter()
        .find(|(name, at, _)| name.eq_ignore_ascii_case(host) && *at == port);
    if let Some((_, _, addresses)) = said {
        return Ok(addresses.iter().map(|ip| Address::Tcp((*ip, port).into())).collect());
    }
    let found = resolve(host, port, LOOKUP_LIMIT)
        .map_err(|_| StartError::Unresolved { url: target.url.clone(), host: host.to_owned() })?;
    Ok(found.into_iter().map(Address::Tcp).collect())
}

/// The whole request, because it never has a body.
fn head(target: &Target, settings: &Settings, connection: &str) -> Vec<u8> {
    let request = &target.request;
    let mut out = format!("{} {} HTTP/1.1\r\n", settings.method.word(), request.path).into_bytes();
    let own =
        |name: &str| settings.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut line = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    };
    let ours =
        [("Host", request.host.as_str()), ("User-Agent", "deploy-doctor"), ("Accept", "*/*")];
    for (name, value) in ours {
        if !own(name) {
            line(name, value.as_bytes());
        }
    }
    for (name, value) in &settings.headers {
        line(name, value.expose());
    }
    line("Connection", connection.as_bytes());
    out.extend_from_slice(b"\r\n");
    out
}
