//! One request over HTTP/1.1, for `--probe`: over TCP, over TLS, or directly to a unix socket.
//!
//! Only the status matters, so the response is read only up to the end of its status line.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustls::StreamOwned;

use super::net::tls::{self, Tls, Trust};

/// How long a request may take unless the user says otherwise.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// The longest status line that is read.
const LINE_LIMIT: usize = 8 << 10;

/// The target of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HttpTarget {
    /// A unix socket.
    Unix(PathBuf),
    /// A host and a port.
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for HttpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// A GET request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// The target.
    pub target: HttpTarget,
    /// The `Host` header.
    pub host: String,
    /// The path and query.
    pub path: String,
    /// Whether the request uses TLS: `https://`.
    pub tls: bool,
    /// How long it may take, from the lookup of the name to the status line.
    pub limit: Duration,
}

/// A response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The time from the start of the connection to the status line.
    pub took: Duration,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpError {
    /// This host makes no requests: a file tree, files of a repository.
    NotHere,
    /// The host's name has no address.
    Unresolved,
    /// The unix socket does not exist.
    NoSocket,
    /// Nothing listens there.
    Refused,
    /// The permission to connect is missing.
    PermissionDenied,
    /// There was no response within the limit.
    TimedOut,
    /// The connection ended without a response.
    Closed,
    /// The response is not HTTP.
    NotHttp,
    /// TLS failed, with its reason.
    Tls(String),
    /// Anything else, with the operating system's words.
    Other(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHere => f.write_str("no request is made here"),
            Self::Unresolved => f.write_str("the host's name leads to no address"),
            Self::NoSocket => f.write_str("the socket does not exist"),
            Self::Refused => f.write_str("connection refused"),
            Self::PermissionDenied => f.write_str("permission denied"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the connection ended without an answer"),
            Self::NotHttp => f.write_str("the answer is not HTTP"),
            Self::Tls(text) => write!(f, "TLS: {text}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// Makes a request. The limit covers everything, including steps without a limit of their own: the
/// lookup of the name, and connecting to a unix socket whose queue is full.
pub(super) fn get(request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
    let (sender, receiver) = mpsc::channel();
    let (request, limit) = (request.clone(), request.limit);
    std::thread::spawn(move || {
        let _ = sender.send(ask(&request));
    });
    receiver.recv_timeout(limit).unwrap_or(Err(HttpError::TimedOut))
}

fn ask(request: &HttpRequest) -> Result<HttpAnswer, HttpError> {
    let started = Instant::now();
    let status = match &request.target {
        HttpTarget::Unix(path) => {
            let stream = UnixStream::connect(path).map_err(|error| reason(&error))?;
            stream.set_read_timeout(Some(request.limit)).map_err(|error| reason(&error))?;
            exchange(stream, request)?
        }
        HttpTarget::Tcp { host, port } if request.tls => {
            let tls = Tls::new(&Trust::System, host).map_err(|e| HttpError::Tls(e.to_string()))?;
            let session = tls.connection().map_err(|error| HttpError::Other(error.to_string()))?;
            exchange(StreamOwned::new(session, connect(host, *port, request.limit)?), request)?
        }
        HttpTarget::Tcp { host, port } => exchange(connect(host, *port, request.limit)?, request)?,
    };
    Ok(HttpAnswer { status, took: started.elapsed() })
}

fn connect(host: &str, port: u16, limit: Duration) -> Result<TcpStream, HttpError> {
    let addresses = (host, port).to_socket_addrs().map_err(|_| HttpError::Unresolved)?;
    let mut last = HttpError::Unresolved;
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => {
                stream.set_read_timeout(Some(limit)).map_err(|error| reason(&error))?;
                return Ok(stream);
            }
            Err(error) => last = reason(&error),
        }
    }
    Err(last)
}

fn exchange(mut stream: impl Read + Write, request: &HttpRequest) -> Result<u16, HttpError> {
    let text = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: deploy-doctor\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        request.path, request.host
    );
    stream.write_all(text.as_bytes()).map_err(|error| reason(&error))?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < LINE_LIMIT && !answer.contains(&b'\n') {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.extend_from_slice(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(reason(&error)),
        }
    }
    if answer.is_empty() {
        return Err(HttpError::Closed);
    }
    status(&answer).ok_or(HttpError::NotHttp)
}

/// The status in `HTTP/1.1 200 OK`.
pub fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("HTTP/")?.split_whitespace();
    words.next()?;
    let status = words.next()?.parse().ok()?;
    (100..1000).contains(&status).then_some(status)
}

fn reason(error: &std::io::Error) -> HttpError {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return HttpError::Tls(tls::words(tls));
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => HttpError::Refused,
        ErrorKind::NotFound => HttpError::NoSocket,
        ErrorKind::PermissionDenied => HttpError::PermissionDenied,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => HttpError::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            HttpError::Closed
        }
        _ => HttpError::Other(error.to_string()),
    }
}
