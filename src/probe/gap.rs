//! The longest time without a success.

use std::time::Duration;

/// Follows the successes of one series, or of several together. Times count from the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GapWatch {
    last: Option<Duration>,
    longest: Option<(Duration, Duration)>,
}

/// A time without a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub from: Duration,
    pub to: Duration,
    /// No success came before it: it began with the run.
    pub from_start: bool,
    /// No success came after it: it lasted to the end.
    pub to_end: bool,
}

impl GapWatch {
    /// A success was seen now.
    pub(super) fn success(&mut self, now: Duration) {
        let from = self.last.unwrap_or_default();
        if self.longest.is_none_or(|(start, end)| now.saturating_sub(from) > end - start) {
            self.longest = Some((from, now.max(from)));
        }
        self.last = Some(now);
    }

    /// What was longest so far does not count any more; a time that lasts until now does, whole.
    pub(super) fn forget(&mut self) {
        self.longest = None;
    }

    /// How long the last success is ago.
    pub(super) fn since(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last.unwrap_or_default())
    }

    /// The longest time so far, the one included that lasts until now.
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
