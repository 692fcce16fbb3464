//! The prober: sends requests to a site at a constant rate and reports the results, with correct
//! numbers.
//!
//! **Open model.** When each probe is due is fixed before the first one is sent. A probe is sent
//! when it is due, however many earlier ones hang, and its latency counts from that moment. A tool
//! that waits for a response before it sends the next request stops sending exactly while the site
//! does not answer, and so hides what it is meant to find ("coordinated omission").
//!
//! Two series take turns: one opens a connection for every probe, the other reuses its connections.
//! The schedule uses the monotonic clock; the times shown are relative to the wall clock at the
//! start.
//!
//! ```text
//! let prober = Prober::start(settings)?;   // asks in a thread of its own
//! prober.mark("reload");                   // a named moment on the timeline
//! let counts = prober.counts();            // live
//! let report = prober.finish();            // waits for what is still unanswered
//! ```

mod answer;
mod body;
pub mod bound;
mod connection;
mod evidence;
mod gap;
mod judge;
mod kind;
mod latency;
mod malformed;
mod prober;
mod record;
pub mod report;
mod run;
mod schedule;
pub mod settings;
mod shared;
mod site;

pub use kind::Kind;
pub use prober::{Counts, Prober};
pub use report::Report;
pub use settings::{Connections, Expect, Method, Settings, SettingsError, Target};
