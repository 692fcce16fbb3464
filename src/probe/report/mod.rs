//! The complete results of a run, as `--format json` prints them.

mod build;

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::bound::UpperBound;
use super::kind::Kind;
use super::latency::millis;

pub use super::latency::Latency;
pub(super) use build::build;

/// A moment of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time since the start, on the monotonic clock.
    pub offset: Duration,
    /// The time on the wall clock, as set at the start.
    pub time: SystemTime,
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Moment", 2)?;
        let time = humantime::format_rfc3339_millis(self.time).to_string();
        object.serialize_field("time", &time)?;
        object.serialize_field("offset_ms", &millis(self.offset))?;
        object.end()
    }
}

/// All results of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When the first probe was due.
    pub started: Moment,
    /// When the last probe got its outcome.
    pub ended: Moment,
    /// Probes per second for each target, as requested.
    pub rate: f64,
    /// The time from one probe of a target to its next, in milliseconds.
    pub interval_ms: f64,
    /// How long a response may take, in milliseconds.
    pub timeout_ms: f64,
    /// `GET` or `HEAD`.
    pub method: &'static str,
    /// All targets and series together.
    pub total: Totals,
    /// The highest share of failures that is compatible with these results.
    pub upper_bound: UpperBound,
    /// One report for each URL.
    pub targets: Vec<TargetReport>,
    /// All targets and series together, in buckets of `bucket_ms` by when probes were due.
    pub timeline: Vec<Bucket>,
    /// The width of a bucket, in milliseconds.
    pub bucket_ms: f64,
    /// The named moments.
    pub marks: Vec<Mark>,
    /// How well the prober itself kept its schedule.
    pub lateness: Lateness,
    /// How many connections were open at the same time.
    pub open: OpenConnections,
    /// Why the prober itself broke down; `None` if it did not.
    pub broken: Option<String>,
}

/// Probes, by their outcome.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// Sent: `ok` and `failed` together.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Failed, with any kind of failure.
    pub failed: u64,
    /// Due but not sent, through the prober's own fault; neither success nor failure.
    pub not_sent: NotSentCounts,
    /// The kinds of failure that occurred.
    pub failures: Vec<Failure>,
    /// How long responses took; `None` if there was neither a success nor a timeout.
    pub latency: Option<Latency>,
}

/// Why probes were not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NotSentCounts {
    /// All of them.
    pub total: u64,
    /// The limit on open connections was reached by connections that hang.
    pub no_room: u64,
    /// The prober itself was more than a timeout late.
    pub too_late: u64,
    /// This machine was out of ports, descriptors or memory.
    pub exhausted: u64,
}

/// A kind of failure.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The kind.
    pub kind: Kind,
    /// The kind in words.
    pub text: &'static str,
    /// How often.
    pub count: u64,
    /// When the first of them was due.
    pub first: Moment,
    /// When the last of them was due.
    pub last: Moment,
}

/// The results for one URL.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// The URL as written.
    pub url: String,
    /// The status that counts as a success: the expected one, or the first below 400.
    pub status: Option<u16>,
    /// Both series together.
    pub total: Totals,
    /// The longest time without a success, in any series.
    pub longest_gap: Gap,
    /// New connections, then kept ones, if the series was run.
    pub series: Vec<SeriesReport>,
    /// Responses with and without the watched text; `None` if no text is watched.
    pub watched: Option<Watched>,
    /// The first failure of each kind.
    pub evidence: Vec<Evidence>,
}

/// Responses with and without the watched text. Times are those at which the probes were due.
#[derive(Debug, Clone, Serialize)]
pub struct Watched {
    /// Responses that contain the text.
    pub with: u64,
    /// The first response that contains the text.
    pub first_with: Option<Moment>,
    /// The last response that contains the text.
    pub last_with: Option<Moment>,
    /// Responses that do not contain the text.
    pub without: u64,
    /// The last response that does not contain the text.
    pub last_without: Option<Moment>,
}

/// A time without a success.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Gap {
    /// Its length in milliseconds.
    pub ms: f64,
    /// The last success before it, or the start.
    pub start: Moment,
    /// The first success after it, or the end.
    pub end: Moment,
    /// Whether no success came before it.
    pub from_start: bool,
    /// Whether no success came after it.
    pub to_end: bool,
}

impl Gap {
    /// Its length.
    pub fn length(&self) -> Duration {
        self.end.offset.saturating_sub(self.start.offset)
    }
}

/// The results of one series.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesReport {
    /// `new` or `kept`.
    pub connections: &'static str,
    /// The outcomes of its probes.
    pub total: Totals,
    /// The longest time without a success.
    pub longest_gap: Gap,
    /// The fate of kept connections; `None` for the series of new connections.
    pub kept: Option<Kept>,
    /// The timeline in buckets of `bucket_ms`, by when probes were due.
    pub timeline: Vec<Bucket>,
}

/// The fate of kept connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Probes on a connection that had been used before.
    pub reused: u64,
    /// Connections that the server closed while they were idle, which is no failure.
    pub renewed: u64,
    /// Failures on a connection that had been used before, without a byte of a response. A browser
    /// retries such a GET silently; a POST, or the request of a client that never retries, is lost.
    pub repeatable: u64,
}

/// A bucket of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Probes that were due in it and were sent.
    pub sent: u64,
    /// How many of the sent probes succeeded.
    pub ok: u64,
    /// How many of the sent probes failed.
    pub failed: u64,
    /// Probes that were due in it and were not sent.
    pub not_sent: u64,
    /// Responses with the watched text.
    pub watched: u64,
    /// The longest time that any of them took, in milliseconds.
    pub worst_ms: f64,
}

/// A named moment.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// The moment.
    pub at: Moment,
}

/// How well the prober itself kept its schedule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Lateness {
    /// Probes that were sent more than `threshold_ms` after they were due.
    pub late: u64,
    /// From this delay on, a probe counts as late, in milliseconds.
    pub threshold_ms: f64,
    /// 99 of a hundred were sent within this many milliseconds.
    pub p99_ms: f64,
    /// The latest probe was sent this many milliseconds after it was due.
    pub worst_ms: f64,
}

/// How many connections were open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OpenConnections {
    /// The highest number.
    pub most: usize,
    /// The highest number allowed.
    pub limit: usize,
    /// Whether the limit was reached, so that probes were not sent.
    pub limit_reached: bool,
}

/// What the first failure of a kind looked like.
#[derive(Debug, Clone, Serialize)]
pub struct Evidence {
    /// The kind.
    pub kind: Kind,
    /// `new` or `kept`.
    pub connections: &'static str,
    /// When the probe was due.
    pub at: Moment,
    /// The status, if one arrived.
    pub status: Option<u16>,
    /// The error, in words.
    pub error: Option<String>,
    /// The first bytes of the body, without secrets and tags.
    pub body: Option<String>,
}

impl Report {
    /// Whether every probe that was due was sent and the prober did not break down, so that the
    /// results are complete.
    pub fn is_complete(&self) -> bool {
        self.total.not_sent.total == 0 && self.broken.is_none() && self.total.sent > 0
    }

    /// The longest time without a success on any target.
    pub fn longest_gap(&self) -> Option<&Gap> {
        self.targets.iter().map(|target| &target.longest_gap).max_by_key(|gap| gap.length())
    }

    /// The strongest statement that the results justify: "0 of 800 failed at 50/s: fewer than 0.4 %
    /// with 95 % confidence".
    pub fn promise(&self) -> String {
        let (failed, of) = (self.total.failed, self.total.sent);
        format!("{failed} of {of} failed at {}/s: {}", self.rate, self.upper_bound)
    }
}
