//! How a connection can fail.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// Why a connection was not established, or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetError {
    /// Nothing listens there.
    Refused,
    /// The other side reset the connection (RST, or a broken pipe).
    Reset,
    /// The unix socket's file does not exist.
    NoSocket,
    /// The unix socket's queue of waiting connections is full. nginx does not wait here either, but
    /// responds with 502.
    QueueFull,
    /// The permission to connect is missing.
    Denied,
    /// The host's name has no address.
    Unresolved,
    /// No route to the host or its network.
    Unreachable,
    /// The kernel itself gave up waiting.
    TimedOut,
    /// TLS failed: an invalid certificate, no common version, an alert.
    Tls(String),
    /// This machine is out of local ports, descriptors or memory: a limit on the client's own side.
    Exhausted(String),
    /// Anything else, with the operating system's words.
    Other(String),
}

impl NetError {
    /// The connection error that corresponds to an error of the operating system.
    pub(super) fn from_io(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED | Errno::NOTCONN) => {
                Self::Reset
            }
            Some(Errno::NOENT | Errno::NOTDIR) => Self::NoSocket,
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied,
            Some(Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NETDOWN) => Self::Unreachable,
            Some(Errno::TIMEDOUT) => Self::TimedOut,
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::ADDRINUSE,
            ) => Self::Exhausted(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Reset => f.write_str("connection reset"),
            Self::NoSocket => f.write_str("the socket does not exist"),
            Self::QueueFull => f.write_str("the socket's queue is full"),
            Self::Denied => f.write_str("permission denied"),
            Self::Unresolved => f.write_str("the host's name leads to no address"),
            Self::Unreachable => f.write_str("no route to the host"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Tls(text) => write!(f, "TLS: {text}"),
            Self::Exhausted(text) => write!(f, "this machine: {text}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for NetError {}
