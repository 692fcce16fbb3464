//! Decides whether a response is a success.

use super::answer::{Answer, Cut};
use super::kind::Kind;
use super::settings::Expect;
use crate::host::net::NetError;

/// The verdict on a response. `learned` is the status of the target's successes, if no status is
/// expected explicitly: the first response below 400 sets it.
pub(super) fn answer(answer: &Answer, expect: &Expect, learned: &mut Option<u16>) -> Option<Kind> {
    if let Some(kind) = status(answer.status, expect, learned) {
        return Some(kind);
    }
    if answer.body == Some(false) {
        return Some(Kind::Body);
    }
    (answer.version == Some(false)).then_some(Kind::Version)
}

fn status(status: u16, expect: &Expect, learned: &mut Option<u16>) -> Option<Kind> {
    let expected = match expect.status.as_slice() {
        [] => {
            if learned.is_none() && (200..400).contains(&status) {
                *learned = Some(status);
            }
            *learned == Some(status)
        }
        list => {
            let expected = list.contains(&status);
            if expected {
                learned.get_or_insert(status);
            }
            expected
        }
    };
    if expected {
        return None;
    }
    Some(match status {
        502 => Kind::BadGateway,
        503 => Kind::Unavailable,
        504 => Kind::GatewayTimeout,
        500.. => Kind::ServerError,
        _ => Kind::Status,
    })
}

/// The verdict on an incomplete response.
pub(super) fn cut(cut: Cut) -> Kind {
    match cut {
        Cut::Nothing => Kind::Closed,
        Cut::Short => Kind::CutShort,
    }
}

/// The verdict on an error of the connection; `None` if the fault is this machine's own.
pub(super) fn error(error: &NetError) -> Option<Kind> {
    Some(match error {
        NetError::Refused => Kind::Refused,
        NetError::Reset => Kind::Reset,
        NetError::NoSocket => Kind::NoSocket,
        NetError::QueueFull => Kind::QueueFull,
        NetError::TimedOut => Kind::Timeout,
        NetError::Tls(_) => Kind::Tls,
        NetError::Denied | NetError::Unresolved | NetError::Unreachable | NetError::Other(_) => {
            Kind::Unreachable
        }
        NetError::Exhausted(_) => return None,
    })
}
