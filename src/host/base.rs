//! The host that another host wraps.

use std::ops::Deref;

use super::Host;

/// The wrapped host, borrowed or owned.
pub(super) enum Base<'h> {
    Lent(&'h dyn Host),
    Own(Box<dyn Host + 'h>),
}

impl<'h> Deref for Base<'h> {
    type Target = dyn Host + 'h;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Lent(host) => *host,
            Self::Own(host) => &**host,
        }
    }
}
