//! The ways in which a probe can fail.

use std::fmt;

use serde::Serialize;

/// The kinds of failure that are counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nothing listens there.
    Refused,
    /// The connection was reset.
    Reset,
    /// There was no complete response in time.
    Timeout,
    /// The connection ended after the request was sent, before the first byte of the response.
    Closed,
    /// The connection ended in the middle of the response.
    CutShort,
    /// 502: nginx did not reach gunicorn.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504: gunicorn did not answer nginx in time.
    GatewayTimeout,
    /// Any other status of 500 and above.
    ServerError,
    /// An unexpected status.
    Status,
    /// The body does not contain the expected text.
    Body,
    /// Neither the body nor a header contains the expected version.
    Version,
    /// TLS failed.
    Tls,
    /// The unix socket's file does not exist.
    NoSocket,
    /// The unix socket's queue is full; in this case, nginx would respond with 502.
    QueueFull,
    /// The response is not HTTP, or larger than the limits.
    BadAnswer,
    /// No route, no permission to connect, or another error of the operating system.
    Unreachable,
    /// Still without a response when the run was aborted.
    Unanswered,
}

impl Kind {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 18] = [
        Self::Refused,
        Self::Reset,
        Self::Timeout,
        Self::Closed,
        Self::CutShort,
        Self::BadGateway,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::ServerError,
        Self::Status,
        Self::Body,
        Self::Version,
        Self::Tls,
        Self::NoSocket,
        Self::QueueFull,
        Self::BadAnswer,
        Self::Unreachable,
        Self::Unanswered,
    ];

    /// The kind in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "connection refused",
            Self::Reset => "connection reset",
            Self::Timeout => "no answer in time",
            Self::Closed => "closed without an answer",
            Self::CutShort => "answer cut short",
            Self::BadGateway => "502 Bad Gateway",
            Self::Unavailable => "503 Service Unavailable",
            Self::GatewayTimeout => "504 Gateway Timeout",
            Self::ServerError => "other 5xx",
            Self::Status => "unexpected status",
            Self::Body => "body without the text expected",
            Self::Version => "another version",
            Self::Tls => "TLS error",
            Self::NoSocket => "unix socket missing",
            Self::QueueFull => "unix socket's queue full",
            Self::BadAnswer => "not a valid HTTP answer",
            Self::Unreachable => "not reachable",
            Self::Unanswered => "unanswered at the end",
        }
    }

    /// The index of its count.
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
