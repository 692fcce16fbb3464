//! The answers of the site and its sockets to `--probe URL`.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::{Endpoint, TcpHost};
use super::{Deployment, Known, Origin, Why};
use crate::host::http::TIME_LIMIT;
use crate::host::{HttpError, HttpRequest, HttpTarget};
use crate::source::Sources;

/// A request that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where to, as one would write it: the URL, or the socket.
    pub target: String,
    /// Straight at an application's socket, past nginx?
    pub direct: bool,
    /// The socket's index in the application's bounds; for direct ones alone.
    pub bound: usize,
    /// How long it was waited for.
    pub limit: Duration,
    /// The status and the time that it took.
    pub answer: Result<(u16, Duration), HttpError>,
    /// Whether its answers are of the version that is expected; `None` if none is.
    pub version: Option<Version>,
}

/// What answers were looked through for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The text that every answer is meant to hold, in its body or a header.
    pub expected: String,
    /// Answers that hold it.
    pub with: u64,
    /// Answers that do not.
    pub without: u64,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The URL.
    pub url: String,
    /// The application whose sockets are asked the same; none: all of them.
    pub app: Option<String>,
}

impl Probe {
    /// What is wrong with the answer; `None` if there is nothing.
    pub fn fault(&self) -> Option<String> {
        match &self.answer {
            Ok((status, _)) if *status >= 500 => Some(format!("answers with {status}")),
            Ok(_) => None,
            Err(HttpError::TimedOut) => {
                let limit = self.limit.as_secs_f64();
                Some(format!("does not answer: no answer within {limit} s"))
            }
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
        return bad("a URL cannot contain spaces");
    }
    let rest = url.strip_prefix("http://").unwrap_or(url);
    if let Some(socket) = rest.strip_prefix("unix:") {
        let (path, uri) = socket.split_once(':').unwrap_or((socket, "/"));
        if !path.starts_with('/') || !uri.starts_with('/') {
            return bad("write unix:/run/x.sock or unix:/run/x.sock:/path");
        }
        let target = HttpTarget::Unix(PathBuf::from(path));
        let host = "localhost".to_owned();
        return Ok(HttpRequest {
            target,
            host,
            path: uri.to_owned(),
            tls: false,
            limit: TIME_LIMIT,
        });
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
    Ok(HttpRequest { target, host: authority.to_owned(), path, tls, limit: TIME_LIMIT })
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

/// Asks each URL, and the applications straight at their sockets.
pub fn run(
    sources: &Sources,
    deployment: &mut Deployment,
    questions: &[Question],
    limit: Option<Duration>,
) -> Result<(), BadUrl> {
    let mut sites = Vec::new();
    let mut direct: Vec<Result<Vec<Probe>, Why>> =
        deployment.apps.iter().map(|app| app.bounds().get().map(|_| Vec::new())).collect();
    for Question { url, app } in questions {
        let request = parse(url).map_err(|BadUrl(why)| BadUrl(format!("--probe {why}")))?;
        let request = HttpRequest { limit: limit.unwrap_or(request.limit), ..request };
        let named = endpoint(&request.target);
        let mut of_app = false;
        for (asked, probes) in deployment.apps.iter().zip(&mut direct) {
            let Ok(probes) = probes else { continue };
            let theirs = app.as_ref().is_none_or(|app| *app == asked.name);
            for (index, bound) in asked.bounds().ok().into_iter().flatten().enumerate() {
                // A URL that is a socket of an application asks nothing else of the others.
                of_app |= named.reaches(&bound.endpoint) == Some(true);
                if !theirs {
                    continue;
                }
                let target = target(&bound.endpoint);
                let request = HttpRequest { target, tls: false, ..request.clone() };
                let place = bound.endpoint.to_string();
                probes.push(probe(sources, &request, place, Some(index)));
            }
        }
        sites.push(Probe { direct: of_app, ..probe(sources, &request, url.clone(), None) });
    }
    for (app, probes) in deployment.apps.iter_mut().zip(direct) {
        app.probes = match probes {
            Ok(probes) => Known::Value(probes, Origin::Option("--probe")),
            Err(why) => Known::Unknown(why),
        };
    }
    deployment.probes = Known::Value(sites, Origin::Option("--probe"));
    Ok(())
}

fn probe(sources: &Sources, request: &HttpRequest, target: String, bound: Option<usize>) -> Probe {
    let answer = sources.host().http(request).map(|answer| (answer.status, answer.took));
    Probe {
        target,
        direct: bound.is_some(),
        bound: bound.unwrap_or_default(),
        limit: request.limit,
        answer,
        version: None,
    }
}

fn endpoint(target: &HttpTarget) -> Endpoint {
    match target {
        HttpTarget::Unix(path) => Endpoint::unix(path),
        HttpTarget::Tcp { host, port } => Endpoint::Tcp { host: TcpHost::parse(host), port: *port },
    }
}

/// How this machine itself reaches a socket.
pub fn target(endpoint: &Endpoint) -> HttpTarget {
    match endpoint {
        Endpoint::Unix(path) => HttpTarget::Unix(path.clone()),
        Endpoint::Tcp { host, port } => HttpTarget::Tcp { host: host.from_here(), port: *port },
    }
}

/// Keeps what a look through the answers of a URL has shown.
pub fn look_for(deployment: &mut Deployment, url: &str, version: &Version) {
    let Known::Value(probes, _) = &mut deployment.probes else { return };
    for probe in probes.iter_mut().filter(|probe| probe.target == url) {
        probe.version = Some(version.clone());
    }
}

impl Probe {
    /// Did whoever answered refuse the request itself, as Django does with a host that is none of its own
    /// (400), and a server with a name that it does not have (421)?
    pub fn is_refused(&self) -> bool {
        matches!(&self.answer, Ok((400 | 421, _)))
    }

    /// No request was made at all, and why.
    pub fn not_made(&self) -> Option<Why> {
        match &self.answer {
            Err(HttpError::NotHere) => Some(Why::not_live()),
            _ => None,
        }
    }
}
