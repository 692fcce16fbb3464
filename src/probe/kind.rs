//! The ways in which a probe can fail.

use std::fmt;

use serde::Serialize;

/// The kinds of failure that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Nobody listens.
    Refused,
    /// The connection was thrown away.
    Reset,
    /// No whole answer in time.
    Timeout,
    /// The connection ended after the request was sent, before a byte of the answer.
    Closed,
    /// The connection ended within the answer.
    CutShort,
    /// 502: nginx did not reach gunicorn.
    BadGateway,
    /// 503.
    Unavailable,
    /// 504: nginx waited for gunicorn in vain.
    GatewayTimeout,
    /// Any other status of 500 and above.
    ServerError,
    /// A status that was not expected.
    Status,
    /// The body does not hold what is expected.
    Body,
    /// Neither the body nor a header contains the version that is expected.
    Version,
    /// TLS failed.
    Tls,
    /// The unix socket's file is not there.
    NoSocket,
    /// The unix socket's queue is full; nginx answers with 502 here.
    QueueFull,
    /// What came is not HTTP, or more than is read.
    BadAnswer,
    /// No route, no right to connect, or another error of the operating system.
    Unreachable,
    /// Still without an answer when the run was broken off.
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

    /// In words.
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

    /// Where its count is.
    pub(super) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
