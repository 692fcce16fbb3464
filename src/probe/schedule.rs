//! When each probe is due, and in which series; both are fixed before the first probe is sent.

use std::time::Duration;

use super::settings::{Connections, Settings};

/// New connections or kept ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Series {
    New,
    Kept,
}

/// A probe that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    /// The time since the start.
    pub at: Duration,
    /// The target's number.
    pub target: usize,
    pub series: Series,
}

/// All probes of a run, in the order in which they are due.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// The time from one probe to the next, over all targets.
    step: f64,
    targets: u64,
    connections: Connections,
    end: Option<Duration>,
    next: u64,
}

impl Schedule {
    pub(super) fn new(settings: &Settings) -> Self {
        let targets = settings.targets.len().max(1) as u64;
        Self {
            step: 1.0 / (settings.rate * targets as f64),
            targets,
            connections: settings.connections,
            end: settings.duration,
            next: 0,
        }
    }

    /// The next probe that is due; `None` after the last.
    pub(super) fn peek(&self) -> Option<Due> {
        // Computed from the probe's index, not from the previous probe, so that errors do not add
        // up.
        let at = Duration::from_secs_f64(self.next as f64 * self.step);
        if self.end.is_some_and(|end| at >= end) {
            return None;
        }
        let turn = self.next / self.targets;
        let series = match self.connections {
            Connections::New => Series::New,
            Connections::Kept => Series::Kept,
            Connections::Both if turn.is_multiple_of(2) => Series::New,
            Connections::Both => Series::Kept,
        };
        let target = usize::try_from(self.next % self.targets).unwrap_or(0);
        Some(Due { at, target, series })
    }

    /// Goes on to the next probe.
    pub(super) fn advance(&mut self) {
        self.next += 1;
    }
}
