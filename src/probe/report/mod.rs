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
    /// Since the start, on the monotonic clock.
    pub offset: Duration,
    /// On the wall clock, as it was set at the start.
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

/// All that a run saw.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// When the first probe was due.
    pub started: Moment,
    /// When the last probe was answered or given up.
    pub ended: Moment,
    /// Probes per second for each target, as asked for.
    pub rate: f64,
    /// From one probe of a target to its next, in milliseconds.
    pub interval_ms: f64,
    /// How long an answer might take, in milliseconds.
    pub timeout_ms: f64,
    /// `GET` or `HEAD`.
    pub method: &'static str,
    /// All targets and series together.
    pub total: Totals,
    /// The highest share of failures that this leaves possible.
    pub upper_bound: UpperBound,
    /// One for each URL.
    pub targets: Vec<TargetReport>,
    /// All targets and series together, in buckets of `bucket_ms` by when probes were due.
    pub timeline: Vec<Bucket>,
    /// The width of a bucket, in milliseconds.
    pub bucket_ms: f64,
    /// The named moments.
    pub marks: Vec<Mark>,
    /// How well the prober itself kept its schedule.
    pub lateness: Lateness,
    /// How many connections were open at a time.
    pub open: OpenConnections,
    /// Why the prober itself broke down; `None` if it did not.
    pub broken: Option<String>,
}

/// Probes, by what became of them.
#[derive(Debug, Clone, Serialize)]
pub struct Totals {
    /// Sent: `ok` and `failed` together.
    pub sent: u64,
    /// Answered as expected.
    pub ok: u64,
    /// Failed, of whatever kind.
    pub failed: u64,
    /// Due and not sent, by the prober's own fault; neither success nor failure.
    pub not_sent: NotSentCounts,
    /// The kinds of failure that there were.
    pub failures: Vec<Failure>,
    /// How long answers took; `None` if there was neither a success nor a timeout.
    pub latency: Option<Latency>,
}

/// Why probes were not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct NotSentCounts {
    /// All of them.
    pub total: u64,
    /// As many connections as may be open hung already.
    pub no_room: u64,
    /// The prober itself came more than a timeout late.
    pub too_late: u64,
    /// This machine was out of ports, descriptors or memory.
    pub exhausted: u64,
}

/// A kind of failure.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Which.
    pub kind: Kind,
    /// In words.
    pub text: &'static str,
    /// How often.
    pub count: u64,
    /// When the first of them was due.
    pub first: Moment,
    /// When the last of them was due.
    pub last: Moment,
}

/// One URL.
#[derive(Debug, Clone, Serialize)]
pub struct TargetReport {
    /// As it was written.
    pub url: String,
    /// The status that counts as its own: the one expected, or the first below 400.
    pub status: Option<u16>,
    /// Both series together.
    pub total: Totals,
    /// The longest time without a success, in whichever series.
    pub longest_gap: Gap,
    /// New connections, kept ones; only those that were run.
    pub series: Vec<SeriesReport>,
    /// Answers with and without the text that is watched for; `None` if none is.
    pub watched: Option<Watched>,
    /// The first failure of each kind.
    pub evidence: Vec<Evidence>,
}

/// Answers with and without the text that is watched for. Times are when the probe was due.
#[derive(Debug, Clone, Serialize)]
pub struct Watched {
    /// Answers that hold it.
    pub with: u64,
    /// The first of them.
    pub first_with: Option<Moment>,
    /// The last of them.
    pub last_with: Option<Moment>,
    /// Answers that do not hold it.
    pub without: u64,
    /// The last of those.
    pub last_without: Option<Moment>,
}

/// A time without a success.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Gap {
    /// How long, in milliseconds.
    pub ms: f64,
    /// The last success before it, or the start.
    pub start: Moment,
    /// The first success after it, or the end.
    pub end: Moment,
    /// No success came before it.
    pub from_start: bool,
    /// No success came after it.
    pub to_end: bool,
}

impl Gap {
    /// How long it lasted.
    pub fn length(&self) -> Duration {
        self.end.offset.saturating_sub(self.start.offset)
    }
}

/// One series.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesReport {
    /// `new` or `kept`.
    pub connections: &'static str,
    /// What became of its probes.
    pub total: Totals,
    /// The longest time without a success.
    pub longest_gap: Gap,
    /// Of kept connections; none of the series of new ones.
    pub kept: Option<Kept>,
    /// In buckets of `bucket_ms`, by when probes were due.
    pub timeline: Vec<Bucket>,
}

/// What became of kept connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Probes that went over a connection that had served before.
    pub reused: u64,
    /// Connections that the server closed while they were idle: no failure.
    pub renewed: u64,
    /// Failures on a connection that had served before, without a byte of an answer: a browser
    /// repeats such a GET unseen; a POST, or a client that repeats nothing, is lost.
    pub repeatable: u64,
}

/// A part of the timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// Probes that were due in it and sent.
    pub sent: u64,
    /// Those of them that succeeded.
    pub ok: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Probes that were due in it and not sent.
    pub not_sent: u64,
    /// Answers with the text that is watched for.
    pub watched: u64,
    /// The longest that any of them took, in milliseconds.
    pub worst_ms: f64,
}

/// A named moment.
#[derive(Debug, Clone, Serialize)]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// When.
    pub at: Moment,
}

/// How well the prober itself kept its schedule.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Lateness {
    /// Probes that left more than `threshold_ms` after they were due.
    pub late: u64,
    /// What is called late, in milliseconds.
    pub threshold_ms: f64,
    /// 99 of a hundred left within this many milliseconds.
    pub p99_ms: f64,
    /// The latest left this many milliseconds after it was due.
    pub worst_ms: f64,
}

/// How many connections were open at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct OpenConnections {
    /// The most that there were.
    pub most: usize,
    /// The most that there may be.
    pub limit: usize,
    /// The limit was reached, and probes were not sent for it.
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
    /// The status, where one came.
    pub status: Option<u16>,
    /// The error, in words.
    pub error: Option<String>,
    /// The first bytes of the body, without secrets and tags.
    pub body: Option<String>,
}

impl Report {
    /// Every probe that was due was sent, and the prober did not break down: the report may be
    /// taken for the whole.
    pub fn is_complete(&self) -> bool {
        self.total.not_sent.total == 0 && self.broken.is_none() && self.total.sent > 0
    }

    /// The longest time without a success on any target.
    pub fn longest_gap(&self) -> Option<&Gap> {
        self.targets.iter().map(|target| &target.longest_gap).max_by_key(|gap| gap.length())
    }

    /// What may be said at most: "0 of 800 failed at 50/s: fewer than 0.4 % with 95 %
    /// confidence".
    pub fn promise(&self) -> String {
        let (failed, of) = (self.total.failed, self.total.sent);
        format!("{failed} of {of} failed at {}/s: {}", self.rate, self.upper_bound)
    }
}
