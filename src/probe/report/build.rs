//! Builds the report from the recorded results.

use std::time::{Duration, SystemTime};

use super::super::bound::UpperBound;
use super::super::gap::{GapWatch, Span};
use super::super::kind::Kind;
use super::super::latency::{Latencies, millis};
use super::super::record::{
    BUCKET, Bucket as Sums, LATE, Record, SeriesRecord, Tally, TargetRecord,
};
use super::super::schedule::Series;
use super::super::settings::Settings;
use super::{
    Bucket, Evidence, Failure, Gap, Kept, Lateness, Mark, Moment, NotSentCounts, OpenConnections,
    Report, SeriesReport, TargetReport, Totals, Watched,
};

/// The clocks by which offsets become moments.
struct Clock {
    started: SystemTime,
    /// The end of the observed time.
    until: Duration,
}

impl Clock {
    fn moment(&self, offset: Duration) -> Moment {
        Moment { offset, time: self.started.checked_add(offset).unwrap_or(self.started) }
    }

    fn gap(&self, watch: &GapWatch) -> Gap {
        let Span { from, to, from_start, to_end } = watch.longest(self.until);
        let (start, end) = (self.moment(from), self.moment(to));
        Gap { ms: millis(to.saturating_sub(from)), start, end, from_start, to_end }
    }
}

/// Converts everything that was recorded to a report.
pub(in crate::probe) fn build(
    settings: &Settings,
    record: &Record,
    (started, elapsed): (SystemTime, Duration),
    limit: usize,
    marks: Vec<(String, Duration)>,
) -> Report {
    let clock = Clock { started, until: record.until.unwrap_or(elapsed) };
    let all: Vec<&SeriesRecord> = record.targets.iter().flat_map(|target| &target.series).collect();
    let total = totals(&clock, &all);
    let late = record.lateness.summary();
    Report {
        started: clock.moment(Duration::ZERO),
        ended: clock.moment(elapsed),
        rate: settings.rate,
        interval_ms: millis(settings.interval()),
        timeout_ms: millis(settings.timeout),
        method: settings.method.word(),
        upper_bound: UpperBound::new(total.failed, total.sent),
        targets: settings
            .targets
            .iter()
            .zip(&record.targets)
            .map(|(target, record)| target_report(&clock, &target.url, record, settings))
            .collect(),
        timeline: timeline(&all),
        bucket_ms: millis(BUCKET),
        marks: marks.into_iter().map(|(name, at)| Mark { name, at: clock.moment(at) }).collect(),
        lateness: Lateness {
            late: record.late,
            threshold_ms: millis(LATE),
            p99_ms: late.map_or(0.0, |late| late.p99_ms),
            worst_ms: late.map_or(0.0, |late| late.max_ms),
        },
        open: OpenConnections {
            most: record.most_open,
            limit,
            limit_reached: total.not_sent.no_room > 0,
        },
        broken: record.broken.clone(),
        total,
    }
}

fn totals(clock: &Clock, series: &[&SeriesRecord]) -> Totals {
    let mut tallies = [Tally::default(); Kind::ALL.len()];
    let mut latencies = Latencies::new();
    let mut not_sent = [0; 3];
    let (mut sent, mut ok) = (0, 0);
    for record in series {
        sent += record.sent;
        ok += record.ok;
        latencies.add(&record.latencies);
        for (sum, tally) in tallies.iter_mut().zip(&record.failures) {
            sum.merge(tally);
        }
        for (sum, count) in not_sent.iter_mut().zip(&record.not_sent) {
            *sum += count;
        }
    }
    let failures: Vec<Failure> = Kind::ALL
        .into_iter()
        .map(|kind| (kind, tallies[kind.index()]))
        .filter(|(_, tally)| tally.count > 0)
        .map(|(kind, tally)| Failure {
            kind,
            text: kind.text(),
            count: tally.count,
            first: clock.moment(tally.first),
            last: clock.moment(tally.last),
        })
        .collect();
    let [no_room, too_late, exhausted] = not_sent;
    Totals {
        sent,
        ok,
        failed: failures.iter().map(|failure| failure.count).sum(),
        not_sent: NotSentCounts {
            total: no_room + too_late + exhausted,
            no_room,
            too_late,
            exhausted,
        },
        failures,
        latency: latencies.summary(),
    }
}

fn target_report(
    clock: &Clock,
    url: &str,
    record: &TargetRecord,
    settings: &Settings,
) -> TargetReport {
    let both: Vec<&SeriesRecord> = record.series.iter().collect();
    let (with, without) = (record.watched, record.unwatched);
    let seen = |tally: Tally, at: Duration| (tally.count > 0).then(|| clock.moment(at));
    let run = |series: &&SeriesRecord| series.sent > 0 || series.not_sent.iter().any(|n| *n > 0);
    TargetReport {
        url: url.to_owned(),
        status: record.status,
        total: totals(clock, &both),
        longest_gap: clock.gap(&record.gap),
        series: [Series::New, Series::Kept]
            .into_iter()
            .map(|series| (series, &record.series[series as usize]))
            .filter(|(_, record)| run(record))
            .map(|(series, record)| series_report(clock, series, record))
            .collect(),
        watched: settings.expect.watch.is_some().then(|| Watched {
            with: with.count,
            first_with: seen(with, with.first),
            last_with: seen(with, with.last),
            without: without.count,
            last_without: seen(without, without.last),
        }),
        evidence: record
            .first_failures
            .iter()
            .map(|failure| Evidence {
                kind: failure.kind,
                connections: word(failure.series),
                at: clock.moment(failure.at),
                status: failure.status,
                error: failure.words.clone(),
                body: failure.body.clone(),
            })
            .collect(),
    }
}

fn series_report(clock: &Clock, series: Series, record: &SeriesRecord) -> SeriesReport {
    let kept =
        Kept { reused: record.reused, renewed: record.renewed, repeatable: record.repeatable };
    SeriesReport {
        connections: word(series),
        total: totals(clock, &[record]),
        longest_gap: clock.gap(&record.gap),
        kept: (series == Series::Kept).then_some(kept),
        timeline: timeline(&[record]),
    }
}

fn word(series: Series) -> &'static str {
    match series {
        Series::New => "new",
        Series::Kept => "kept",
    }
}

fn timeline(series: &[&SeriesRecord]) -> Vec<Bucket> {
    let length = series.iter().map(|record| record.buckets.len()).max().unwrap_or(0);
    let mut sums = vec![Sums::default(); length];
    for record in series {
        for (sum, bucket) in sums.iter_mut().zip(&record.buckets) {
            sum.add(bucket);
        }
    }
    sums.into_iter()
        .map(|sums| Bucket {
            sent: sums.sent,
            ok: sums.ok,
            failed: sums.failed,
            not_sent: sums.not_sent,
            watched: sums.watched,
            worst_ms: millis(sums.worst),
        })
        .collect()
}
