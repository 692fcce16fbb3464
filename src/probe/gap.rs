//! The longest time without a success.

use std::time::Duration;

/// Tracks the successes of one series, or of several together. Times are relative to the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GapWatch {
    last: Option<Duration>,
    longest: Option<(Duration, Duration)>,
}

/// A period without a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Duration,
    pub to: Duration,
    /// Whether no success came before it: it began with the run.
    pub from_start: bool,
    /// Whether no success came after it: it lasted until the end.
    pub to_end: bool,
}

impl GapWatch {
    /// Records a success at this moment.
    pub(super) fn success(&mut self, now: Duration) {
        let from = self.last.unwrap_or_default();
        if self.longest.is_none_or(|(start, end)| now.saturating_sub(from) > end - start) {
            self.longest = Some((from, now.max(from)));
        }
        self.last = Some(now);
    }

    /// Forgets the longest period so far. A period that is still going on keeps its whole length.
    pub(super) fn forget(&mut self) {
        self.longest = None;
    }

    /// The time since the last success.
    pub(super) fn since(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last.unwrap_or_default())
    }

    /// The longest period so far, including the one that is still going on.
    pub(super) fn longest(&self, now: Duration) -> Span {
        let open = (self.last.unwrap_or_default(), now);
        let (from, to) = match self.longest {
            Some(closed) if closed.1 - closed.0 >= self.since(now) => closed,
            _ => open,
        };
        let to = to.max(from);
        Span {
            from,
            to,
            from_start: from.is_zero(),
            to_end: self.last.is_none_or(|last| last == from) && to == now,
        }
    }
}
