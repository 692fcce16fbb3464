//! What the site and its sockets answer to `--probe URL`.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, TcpHost};
use super::{Deployment, Known, Origin, Why};
use crate::host::{HttpError, HttpRequest, HttpTarget};
use crate::source::Sources;

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where to, as one would write it: the URL, or the socket.
    pub target: String,
    /// Straight at an application's socket, past nginx?
    pub direct: bool,
    /// The status and the time that it took.
    pub answer: Result<(u16, Duration), HttpError>,
}

impl Probe {
    /// What is wrong with the answer; none where there is nothing.
    pub fn fault(&self) -> Option<String> {
        match &self.answer {
            Ok((status, _)) if *status >= 500 => Some(format!("answers with {status}")),
            Ok(_) => None,
            Err(error) => Some(format!("does not answer: {error}")),
        }
    }
}

/// A URL that is not understood, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUrl(pub String);

impl std::fmt::Display for BadUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `http://host[:port]/path`, `https://…`, `unix:/socket[:/path]` or
/// `http://unix:/socket:/path`.
pub fn parse(url: &str) -> Result<HttpRequest, BadUrl> {
    let bad = |why: &str| Err(BadUrl(format!("{url}: {why}")));
    if url.bytes().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()) {
        return bad("a URL holds no blanks");
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    if let Some(socket) = rest.strip_prefix("unix:") {
        let (path, uri) = socket.split_once(':').unwrap_or((socket, "/"));
        if !path.starts_with('/') || !uri.starts_with('/') {
            return bad("write unix:/run/x.sock or unix:/run/x.sock:/path");
        }
        let target = HttpTarget::Unix(PathBuf::from(path));
        let host = "localhost".to_owned();
        return Ok(HttpRequest { target, host, path: uri.to_owned(), tls: false });
    }
    let (rest, tls) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => {
            return bad("write http://host/path, https://host/path or unix:/run/x.sock");
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(BadUrl("a URL with a user and password: they are not sent".to_owned()));
    }
    let path = path.split('#').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let Some((host, port)) = host_and_port(authority, if tls { 443 } else { 80 }) else {
        return bad("no such host and port");
    };
    let target = HttpTarget::Tcp { host: host.to_owned(), port };
    Ok(HttpRequest { target, host: authority.to_owned(), path, tls })
}

fn host_and_port(authority: &str, usual: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => match authority.rfind(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        },
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok()?,
        None if port.is_empty() => usual,
        None => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

/// Asks the URL, and every application straight at its sockets.
pub fn run(sources: &Sources, deployment: &mut Deployment, url: &str) -> Result<(), BadUrl> {
    let request = parse(url).map_err(|BadUrl(why)| BadUrl(format!("--probe {why}")))?;
    let named = endpoint(&request.target);
    let mut direct = false;
    for app in &mut deployment.apps {
        app.probes = match app.bounds().get() {
            Err(why) => Known::Unknown(why),
            Ok(bounds) => {
                // A URL that is a socket of an application asks nothing else of the others.
                let mine = |bind: &Endpoint| named.reaches(bind) == Some(true);
                direct |= bounds.iter().any(|bound| mine(&bound.endpoint));
                let probes = bounds.iter().filter_map(|bound| {
                    let request = HttpRequest {
                        target: target(&bound.endpoint)?,
                        tls: false,
                        ..request.clone()
                    };
                    Some(probe(sources, &request, bound.endpoint.to_string(), true))
                });
                Known::Value(probes.collect(), Origin::Option("--probe"))
            }
        };
    }
    let site = probe(sources, &request, url.to_owned(), direct);
    deployment.probe = Known::Value(site, Origin::Option("--probe"));
    Ok(())
}

fn probe(sources: &Sources, request: &HttpRequest, target: String, direct: bool) -> Probe {
    let answer = sources.host().http(request).map(|answer| (answer.status, answer.took));
    Probe { target, direct, answer }
}

fn endpoint(target: &HttpTarget) -> Endpoint {
    match target {
        HttpTarget::Unix(path) => Endpoint::unix(path),
        HttpTarget::Tcp { host, port } => Endpoint::Tcp { host: TcpHost::parse(host), port: *port },
    }
}

/// How this machine itself reaches a socket.
fn target(endpoint: &Endpoint) -> Option<HttpTarget> {
    Some(match endpoint {
        Endpoint::Unix(path) => HttpTarget::Unix(path.clone()),
        Endpoint::Tcp { host, port } => HttpTarget::Tcp { host: host.from_here(), port: *port },
    })
}

impl Probe {
    /// No request was made at all, and why.
    pub fn not_made(&self) -> Option<Why> {
        match &self.answer {
            Err(HttpError::NotHere) => Some(Why::not_live()),
            _ => None,
        }
    }
}
