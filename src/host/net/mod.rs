//! Non-blocking sockets for the prober.
//!
//! One thread has thousands of connections, so each step here returns at once: connecting, the TLS
//! handshake, writing and reading continue when [`poll::Poller`] says that they can.
//!
//! Sources: `connect(2)`, `unix(7)`, `tcp(7)`, `epoll(7)`.

mod channel;
mod dial;
mod error;
pub mod limits;
pub mod poll;
mod resolve;
pub mod tls;

pub use channel::{Channel, Received};
pub use dial::Address;
pub use error::NetError;
pub use resolve::resolve;
