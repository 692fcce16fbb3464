//! What Linux shows under `/proc` (proc(5)): processes, their environment, listening sockets.
//!
//! All functions take bytes that the host read; the parsers are those of `procfs-core`, after
//! checks of the form, because a tree under `--root` may contain anything.

pub mod environment;
pub mod net;
pub mod process;

pub use environment::{HashKey, RunningEnvironment};
pub use net::{Listening, Local, tcp_listeners, unix_listeners};
pub use process::{
    Stat, Status, boot_time, cgroups, command_line, link_target, parse_stat, parse_status, uptime,
};

/// The ticks per second in `/proc/PID/stat`: `USER_HZ`, which is 100 on every architecture that
/// runs systemd.
pub const TICKS: u64 = 100;
