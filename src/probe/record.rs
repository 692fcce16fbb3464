//! The results so far, aggregated as they arrive: their size grows with time, not with the rate.

use std::time::Duration;

use super::answer::Answer;
use super::gap::GapWatch;
use super::kind::Kind;
use super::latency::Latencies;
use super::schedule::Series;

/// The width of the timeline's buckets.
pub(super) const BUCKET: Duration = Duration::from_millis(100);
/// A probe is late if it was sent this much later than it was due.
pub(super) const LATE: Duration = Duration::from_millis(10);

/// One bucket of the timeline.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bucket {
    pub sent: u64,
    pub ok: u64,
    pub failed: u64,
    pub not_sent: u64,
    pub watched: u64,
    pub worst: Duration,
}

impl Bucket {
    pub(super) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.ok += other.ok;
        self.failed += other.failed;
        self.not_sent += other.not_sent;
        self.watched += other.watched;
        self.worst = self.worst.max(other.worst);
    }
}

/// How often something happened, and when it first and last did. Times are relative to the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub count: u64,
    pub first: Duration,
    pub last: Duration,
}

impl Tally {
    pub(super) fn add(&mut self, at: Duration) {
        self.first = if self.count == 0 { at } else { self.first.min(at) };
        self.last = self.last.max(at);
        self.count += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.count > 0 {
            self.first = if self.count == 0 { other.first } else { self.first.min(other.first) };
            self.last = self.last.max(other.last);
            self.count += other.count;
        }
    }
}

/// Why a probe was not sent. Each reason is the prober's fault, not the site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotSent {
    /// The limit on open connections was reached by connections that hang.
    NoRoom,
    /// The prober itself was a whole timeout late.
    TooLate,
    /// This machine was out of ports, descriptors or memory.
    Exhausted,
}

/// One series of one target.
#[derive(Debug)]
pub(super) struct SeriesRecord {
    pub sent: u64,
    pub ok: u64,
    pub failures: [Tally; Kind::ALL.len()],
    pub not_sent: [u64; 3],
    pub latencies: Latencies,
    pub gap: GapWatch,
    pub buckets: Vec<Bucket>,
    /// Probes on a connection that had been used before.
    pub reused: u64,
    /// Kept connections that the server closed while they were idle, which is no failure.
    pub renewed: u64,
    /// Failures on a connection that had been used before, without a byte of a response: a browser
    /// retries such requests by itself.
    pub repeatable: u64,
}

impl SeriesRecord {
    fn new() -> Self {
        Self {
            sent: 0,
            ok: 0,
            failures: [Tally::default(); Kind::ALL.len()],
            not_sent: [0; 3],
            latencies: Latencies::new(),
            gap: GapWatch::default(),
            buckets: Vec::new(),
            reused: 0,
            renewed: 0,
            repeatable: 0,
        }
    }

    pub(super) fn failed(&self) -> u64 {
        self.failures.iter().map(|tally| tally.count).sum()
    }

    /// Whether a probe that was due before this moment has no outcome yet.
    pub(super) fn is_open_before(&self, moment: Duration) -> bool {
        let count = (moment.as_millis() / BUCKET.as_millis()) as usize;
        let open = |bucket: &Bucket| bucket.sent > bucket.ok + bucket.failed;
        self.buckets.iter().take(count).any(open)
    }

    fn bucket(&mut self, at: Duration) -> &mut Bucket {
        let index = (at.as_millis() / BUCKET.as_millis()) as usize;
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, Bucket::default());
        }
        &mut self.buckets[index]
    }
}

/// The first failure of a kind.
#[derive(Debug, Clone)]
pub(super) struct FirstFailure {
    pub kind: Kind,
    pub series: Series,
    pub at: Duration,
    pub status: Option<u16>,
    pub words: Option<String>,
    pub body: Option<String>,
}

/// Both series of one target.
#[derive(Debug)]
pub(super) struct TargetRecord {
    /// New connections, then kept ones.
    pub series: [SeriesRecord; 2],
    pub gap: GapWatch,
    /// The status of its successes.
    pub status: Option<u16>,
    /// Responses with the watched text, and without it, by the time when each was due.
    pub watched: Tally,
    pub unwatched: Tally,
    pub first_failures: Vec<FirstFailure>,
}

/// Everything that was seen.
#[derive(Debug)]
pub(super) struct Record {
    pub targets: Vec<TargetRecord>,
    pub in_flight: u64,
    pub most_open: usize,
    pub lateness: Latencies,
    pub late: u64,
    pub last_failure: Option<Kind>,
    /// When the last probe was due, or when the prober was told to stop.
    pub until: Option<Duration>,
    /// Why the prober itself broke down, if it did.
    pub broken: Option<String>,
}

impl Record {
    pub(super) fn new(targets: usize) -> Self {
        let target = || TargetRecord {
            series: [SeriesRecord::new(), SeriesRecord::new()],
            gap: GapWatch::default(),
            status: None,
            watched: Tally::default(),
            unwatched: Tally::default(),
            first_failures: Vec::new(),
        };
        Self {
            targets: std::iter::repeat_with(target).take(targets).collect(),
            in_flight: 0,
            most_open: 0,
            lateness: Latencies::new(),
            late: 0,
            last_failure: None,
            until: None,
            broken: None,
        }
    }

    fn series(&mut self, target: usize, series: Series) -> &mut SeriesRecord {
        &mut self.targets[target].series[series as usize]
    }

    /// Records a probe that was due and was sent this much later.
    pub(super) fn sent(&mut self, target: usize, series: Series, due: Duration, late: Duration) {
        self.in_flight += 1;
        self.late += u64::from(late > LATE);
        self.lateness.record(late);
        let series = self.series(target, series);
        series.sent += 1;
        series.bucket(due).sent += 1;
    }

    /// Records a probe that was due but not sent.
    pub(super) fn not_sent(&mut self, target: usize, series: Series, due: Duration, why: NotSent) {
        let series = self.series(target, series);
        series.not_sent[why as usize] += 1;
        series.bucket(due).not_sent += 1;
    }

    /// Corrects the count for a probe that was counted as sent but did not leave, because this
    /// machine ran out of something.
    pub(super) fn not_sent_after_all(&mut self, target: usize, series: Series, due: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let record = self.series(target, series);
        record.sent = record.sent.saturating_sub(1);
        let bucket = record.bucket(due);
        bucket.sent = bucket.sent.saturating_sub(1);
        self.not_sent(target, series, due, NotSent::Exhausted);
    }

    /// Records whether a response contains the watched text.
    pub(super) fn watched(&mut self, target: usize, series: Series, due: Duration, a: &Answer) {
        match a.watch {
            Some(true) => {
                self.targets[target].watched.add(due);
                self.series(target, series).bucket(due).watched += 1;
            }
            Some(false) => self.targets[target].unwatched.add(due),
            None => {}
        }
    }

    /// Records a success.
    pub(super) fn succeeded(
        &mut self,
        target: usize,
        series: Series,
        due: Duration,
        now: Duration,
    ) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.targets[target].gap.success(now);
        let took = now.saturating_sub(due);
        let record = self.series(target, series);
        record.ok += 1;
        record.latencies.record(took);
        record.gap.success(now);
        let bucket = record.bucket(due);
        bucket.ok += 1;
        bucket.worst = bucket.worst.max(took);
    }

    /// Records a failure.
    pub(super) fn failed(&mut self, target: usize, failure: FirstFailure, now: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.last_failure = Some(failure.kind);
        let (kind, due) = (failure.kind, failure.at);
        let took = now.saturating_sub(due);
        let record = self.series(target, failure.series);
        record.failures[kind.index()].add(due);
        if matches!(kind, Kind::Timeout | Kind::Unanswered) {
            record.latencies.record(took);
        }
        let bucket = record.bucket(due);
        bucket.failed += 1;
        bucket.worst = bucket.worst.max(took);
        let seen = &mut self.targets[target].first_failures;
        if seen.iter().all(|before| before.kind != kind) {
            seen.push(failure);
        }
    }
}
