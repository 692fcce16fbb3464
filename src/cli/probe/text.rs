//! The report of a run as text: first the conclusion, then the numbers.

use std::fmt::Write;

use crate::probe::Report;
use crate::probe::report::{Gap, Latency, Moment, SeriesReport, TargetReport, Totals};
use crate::source::show;

/// The whole report.
pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for target in &report.targets {
        target_block(&mut out, report, target);
        out.push('\n');
    }
    prober_lines(&mut out, report);
    let _ = writeln!(out, "{}", report.promise());
    out
}

fn target_block(out: &mut String, report: &Report, target: &TargetReport) {
    let total = &target.total;
    let url = show::line(&target.url);
    let _ = match (total.failed, total.ok) {
        (_, 0) if total.sent == 0 => writeln!(out, "{url}: no probe was sent"),
        (0, _) => writeln!(out, "{url}: every probe was answered ({})", total.ok),
        (_, 0) => writeln!(out, "{url}: not one of {} probes succeeded", total.sent),
        (failed, _) => writeln!(out, "{url}: {failed} of {} probes failed", total.sent),
    };
    if let Some(status) = target.status {
        let redirected = (300..400).contains(&status);
        let note = if redirected { ": a redirect, which is not followed" } else { "" };
        let _ = writeln!(out, "  status {status}{note}");
    }
    out.push('\n');
    table(out, &target.series);
    failures(out, total);
    let _ = writeln!(out, "  longest time without a success: {}", gap(&target.longest_gap, report));
    for series in &target.series {
        kept(out, series);
    }
    for evidence in &target.evidence {
        let status = evidence.status.map(|status| format!("status {status}"));
        // "connection reset: connection reset" would not be informative.
        let error = evidence.error.clone().filter(|error| error != evidence.kind.text());
        let words = [status, error, evidence.body.clone()];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if !words.is_empty() {
            let (kind, at) = (evidence.kind.text(), clock(&evidence.at));
            let _ = writeln!(out, "  first \"{kind}\" ({at}): {}", words.join(": "));
        }
    }
}

fn table(out: &mut String, series: &[SeriesReport]) {
    let mut rows = vec![
        ["connections", "sent", "ok", "failed", "p50", "p95", "p99", "max", "longest gap"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for series in series {
        let total = &series.total;
        let took = |which: fn(&Latency) -> f64| {
            total.latency.as_ref().map_or_else(|| "-".to_owned(), |latency| length(which(latency)))
        };
        rows.push(vec![
            series.connections.to_owned(),
            total.sent.to_string(),
            total.ok.to_string(),
            total.failed.to_string(),
            took(|latency| latency.p50_ms),
            took(|latency| latency.p95_ms),
            took(|latency| latency.p99_ms),
            took(|latency| latency.max_ms),
            length(series.longest_gap.ms),
        ]);
    }
    let widths: Vec<usize> = (0..9)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        out.push_str("  ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(out, "{cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
        }
        out.push('\n');
    }
    out.push('\n');
}

fn failures(out: &mut String, total: &Totals) {
    let width = total.failures.iter().map(|f| f.text.chars().count()).max().unwrap_or(0);
    for failure in &total.failures {
        let (first, last) = (clock(&failure.first), clock(&failure.last));
        let times = if failure.count == 1 {
            format!("at {first}")
        } else {
            format!("first {first}, last {last}")
        };
        let _ = writeln!(out, "  {:>6} x {:<width$}  {times}", failure.count, failure.text);
    }
    if !total.failures.is_empty() {
        out.push('\n');
    }
}

fn gap(gap: &Gap, report: &Report) -> String {
    let (start, end) = (clock(&gap.start), clock(&gap.end));
    let span = match (gap.from_start, gap.to_end) {
        (true, true) => "the whole run".to_owned(),
        (true, false) => format!("from the start to {end}"),
        (false, true) => format!("from {start} to the end"),
        (false, false) => format!("{start} to {end}"),
    };
    format!("{} ({span}; a probe every {})", length(gap.ms), length(report.interval_ms))
}

fn kept(out: &mut String, series: &SeriesReport) {
    let Some(kept) = series.kept else { return };
    if kept.reused == 0 && series.total.ok > 1 {
        let _ = writeln!(
            out,
            "  kept: the server keeps no connections open, so this was a second series of new \
             connections"
        );
        return;
    }
    if kept.renewed > 0 {
        let _ = writeln!(
            out,
            "  kept: the server closed {} idle connection{}, which is not a failure",
            kept.renewed,
            if kept.renewed == 1 { "" } else { "s" },
        );
    }
    if kept.repeatable > 0 {
        let _ = writeln!(
            out,
            "  kept: {} of the failures are requests lost on a kept connection: a browser silently \
             repeats such a GET, but a POST is lost",
            kept.repeatable,
        );
    }
}

/// What a reader must know about the prober itself before trusting its numbers.
fn prober_lines(out: &mut String, report: &Report) {
    let late = &report.lateness;
    if late.late > 0 {
        let _ = writeln!(
            out,
            "The prober itself was late: {} of {} probes were sent more than {} after they were \
             due, the latest {}.",
            late.late,
            report.total.sent,
            length(late.threshold_ms),
            length(late.worst_ms),
        );
    }
    let not_sent = &report.total.not_sent;
    for (count, why) in [
        (not_sent.no_room, format!("{} connections were open already", report.open.limit)),
        (not_sent.too_late, "the prober was late by more than the timeout".to_owned()),
        (not_sent.exhausted, "this machine was out of ports, descriptors or memory".to_owned()),
    ] {
        if count > 0 {
            let _ = writeln!(out, "{count} probes were due and not sent: {why}.");
        }
    }
    if let Some(broken) = &report.broken {
        let _ = writeln!(out, "The prober failed before the end: {}", show::line(broken));
    }
}

/// A duration as people write it.
fn length(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.1} ms"),
        ms if ms < 1000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.2} s", ms / 1000.0),
    }
}

/// The time of day in UTC, to the millisecond.
fn clock(moment: &Moment) -> String {
    let whole = humantime::format_rfc3339_millis(moment.time).to_string();
    let time = whole.split_once('T').map_or(whole.as_str(), |(_, time)| time);
    time.to_owned()
}
