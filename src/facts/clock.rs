//! The host's time zone, as the times show that systemd writes.

use super::App;
use crate::source::nginx_log::ahead_of_utc;

impl App {
    /// By how many seconds the host's clock is ahead of UTC, where that shows: systemd says in the host's
    /// time when it started the main process, and the kernel has counted since.
    pub fn clock_ahead(&self) -> Option<i64> {
        let state = self.state.ok()?;
        let masters = &self.processes.ok()?.masters;
        let main = masters.iter().find(|master| master.process.pid == state.main_pid)?;
        ahead_of_utc(state.started.as_deref()?, *main.process.started.ok()?)
    }
}
