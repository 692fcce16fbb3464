//! `--format prometheus`: metrics in Prometheus' text format, for node_exporter's textfile
//! collector.
//!
//! node_exporter drops a whole file that contains a timestamp, and one of two equal series even if
//! they are in different files. Therefore `scope` distinguishes runs that check different things. A
//! file that is no longer written stays forever, so the time of the run is a metric, which a
//! failing run writes too.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::view::Answer;
use super::{Failure, Severity, View};

/// The findings as metrics, and how the run went.
pub(super) fn prometheus(view: &View) -> String {
    let mut out = String::new();
    let scope = &view.asked.scope;
    findings(view, scope, &mut out);
    verdicts(view, scope, &mut out);
    skipped(view, scope, &mut out);
    head(&mut out, "problems", "What could not be read or understood.");
    series(&mut out, "problems", &[("scope", scope)], view.gaps().count() as u64);
    head(&mut out, "suppressed_findings", "Findings that were suppressed.");
    series(&mut out, "suppressed_findings", &[("scope", scope)], view.summary.suppressed as u64);
    head(&mut out, "known_findings", "Findings in the baseline.");
    series(&mut out, "known_findings", &[("scope", scope)], view.summary.known as u64);
    let time = humantime::parse_rfc3339(&view.source.time).ok();
    let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    run(scope, since.map_or(0, |since| since.as_secs()), view.is_complete(), &mut out);
    out
}

/// The metrics of a run that produced no report: without any about findings, because nothing is
/// known about them.
pub(super) fn failed(failure: &Failure) -> String {
    let mut out = String::new();
    run(&failure.scope, failure.seconds, false, &mut out);
    out
}

/// How many findings each rule has; 0 if none, so that a graph has no gaps.
fn findings(view: &View, scope: &str, out: &mut String) {
    let mut counts: BTreeMap<(&str, &str, &str, &str), u64> = BTreeMap::new();
    for case in view.cases() {
        let app = case.app.unwrap_or("host");
        let key = |severity: Severity| (app, case.rule.code, case.rule.name, severity.word());
        counts.entry(key(case.severity)).or_default();
        if let Answer::Found(found) = case.answer {
            for finding in found {
                *counts.entry(key(finding.severity)).or_default() += 1;
            }
        }
    }
    head(out, "findings", "Findings of each rule.");
    for ((app, rule, name, severity), count) in counts {
        let labels = [
            ("scope", scope),
            ("app", app),
            ("rule", rule),
            ("name", name),
            ("severity", severity),
        ];
        series(out, "findings", &labels, count);
    }
}

/// The verdict of each application: 1 for the one that applies.
fn verdicts(view: &View, scope: &str, out: &mut String) {
    head(out, "verdict", "What a reload does to each application: 1 for the verdict that applies.");
    for app in &view.apps {
        for verdict in ["zero-downtime", "at-risk", "will-break", "unknown"] {
            let labels = [("scope", scope), ("app", app.name), ("verdict", verdict)];
            series(out, "verdict", &labels, u64::from(app.verdict == verdict));
        }
    }
}

/// How many rules could not judge, by the kind of reason.
fn skipped(view: &View, scope: &str, out: &mut String) {
    let mut counts: BTreeMap<(&str, String), u64> = BTreeMap::new();
    for app in view.apps.iter().map(|app| app.name).chain(["host"]) {
        counts.insert((app, "not-read".to_owned()), 0);
    }
    for skip in &view.skipped {
        let kind = serde_json::to_value(skip.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        *counts.entry((skip.app.unwrap_or("host"), kind)).or_default() += 1;
    }
    head(out, "skipped_rules", "Rules that were skipped, by the kind of reason.");
    for ((app, reason), count) in counts {
        series(out, "skipped_rules", &[("scope", scope), ("app", app), ("reason", &reason)], count);
    }
}

fn run(scope: &str, seconds: u64, complete: bool, out: &mut String) {
    head(out, "last_run_timestamp_seconds", "When the check last ran, in seconds since 1970.");
    series(out, "last_run_timestamp_seconds", &[("scope", scope)], seconds);
    head(out, "run_success", "1 if the check ran and read everything it should.");
    series(out, "run_success", &[("scope", scope)], u64::from(complete));
    head(out, "build_info", "The program's version.");
    let labels = [("scope", scope), ("version", env!("CARGO_PKG_VERSION"))];
    series(out, "build_info", &labels, 1);
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP deploy_doctor_{name} {help}");
    let _ = writeln!(out, "# TYPE deploy_doctor_{name} gauge");
}

fn series(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> =
        labels.iter().map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
    let _ = writeln!(out, "deploy_doctor_{name}{{{}}} {value}", labels.join(","));
}

/// Escapes the three characters that would end a label's value or its line.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
