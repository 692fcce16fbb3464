//! How long responses took, from the moment when their probes were due.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is distinguished, in microseconds: an hour.
const LONGEST: u64 = 3_600_000_000;

/// Counts durations with an error of at most a thousandth.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    histogram: Option<Histogram<u64>>,
    /// The exact maximum.
    worst: Duration,
}

impl Latencies {
    pub(super) fn new() -> Self {
        // Three digits up to an hour: the crate accepts these constant bounds.
        Self { histogram: Histogram::new_with_bounds(1, LONGEST, 3).ok(), worst: Duration::ZERO }
    }

    pub(super) fn record(&mut self, took: Duration) {
        self.worst = self.worst.max(took);
        if let Some(histogram) = &mut self.histogram {
            let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
            // `record` refuses values above the bound, and so would drop the very worst ones.
            histogram.saturating_record(micros.max(1));
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.worst = self.worst.max(other.worst);
        if let (Some(histogram), Some(other)) = (&mut self.histogram, &other.histogram) {
            // Both histograms have the same bounds.
            let _ = histogram.add(other);
        }
    }

    /// `None` if nothing was counted.
    pub(super) fn summary(&self) -> Option<Latency> {
        let count = self.histogram.as_ref().map_or(0, Histogram::len);
        if count == 0 {
            return None;
        }
        let at = |quantile: f64| {
            let micros = self.histogram.as_ref().map_or(0, |h| h.value_at_quantile(quantile));
            // The upper edge of a bucket may be above the actual maximum.
            millis(Duration::from_micros(micros).min(self.worst))
        };
        Some(Latency {
            count,
            p50_ms: at(0.50),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
            max_ms: millis(self.worst),
        })
    }
}

/// How long responses took, in milliseconds from the moment when the probe was due. Successes
/// count, and so do probes without a response in time, with the time that they waited: a hang is
/// not hidden.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// The number of probes counted.
    pub count: u64,
    /// Half of them were faster.
    pub p50_ms: f64,
    /// Nineteen of twenty were faster.
    pub p95_ms: f64,
    /// 99 of a hundred were faster.
    pub p99_ms: f64,
    /// The slowest.
    pub max_ms: f64,
}

/// Milliseconds, to the microsecond.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
