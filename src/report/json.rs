//! `--format json`: one document, schema version 1 (`docs/report.schema.json`).

use serde::Serialize;

use super::{Report, SourceInfo, clean};
use crate::engine::{Reported, SeenIn, Status};
use crate::facts::WhyKind;
use crate::rule::{Evidence, EvidenceKind, Hop, Item, Severity};

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    tool: Tool,
    source: &'a SourceInfo,
    apps: Vec<App<'a>>,
    findings: Vec<Finding<'a>>,
    skipped: Vec<Skipped<'a>>,
    problems: Vec<ProblemEntry>,
    summary: Summary,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct App<'a> {
    name: &'a str,
    verdict: &'static str,
    checklist: Vec<ItemEntry<'a>>,
    path: Vec<HopEntry>,
}

#[derive(Serialize)]
struct ItemEntry<'a> {
    item: Item,
    title: &'static str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    seen: Option<SeenIn>,
    findings: &'a [&'static str],
    skipped: &'a [&'static str],
}

#[derive(Serialize)]
struct HopEntry {
    hop: Hop,
    text: String,
    ok: bool,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'static str,
    name: &'static str,
    severity: Severity,
    impact: crate::rule::Impact,
    app: Option<&'a str>,
    message: String,
    help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    locations: Vec<LocationEntry>,
    evidence: Vec<EvidenceEntry>,
    fix: Option<FixEntry>,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct LocationEntry {
    file: String,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    note: String,
}

#[derive(Serialize)]
struct EvidenceEntry {
    kind: EvidenceKind,
    text: String,
}

#[derive(Serialize)]
struct FixEntry {
    safety: crate::rule::Safety,
    title: String,
}

#[derive(Serialize)]
struct Skipped<'a> {
    code: &'static str,
    app: Option<&'a str>,
    reason: String,
    kind: WhyKind,
}

#[derive(Serialize)]
struct ProblemEntry {
    file: String,
    line: Option<usize>,
    message: String,
}

#[derive(Serialize)]
struct Summary {
    error: usize,
    warning: usize,
    info: usize,
    skipped: usize,
    suppressed: usize,
    known: usize,
}

/// The document, with a newline at its end.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    let outcome = report.outcome;
    let count =
        |severity| outcome.findings.iter().filter(|f| f.finding.severity == severity).count();
    let document = Document {
        schema: 1,
        tool: Tool { name: "deploy-doctor", version: env!("CARGO_PKG_VERSION") },
        source: &report.source,
        apps: apps(report),
        findings: outcome.findings.iter().map(|f| finding(report, f)).collect(),
        skipped: outcome
            .skips
            .iter()
            .map(|skip| Skipped {
                code: skip.code,
                app: skip.app.as_deref(),
                reason: clean(skip.reason.text()),
                kind: skip.reason.kind(),
            })
            .collect(),
        problems: report
            .problems()
            .map(|problem| ProblemEntry {
                file: clean(&problem.path.to_string_lossy()),
                line: problem.line,
                message: clean(&problem.message),
            })
            .collect(),
        summary: Summary {
            error: count(Severity::Error),
            warning: count(Severity::Warning),
            info: count(Severity::Info),
            skipped: outcome.skips.len(),
            suppressed: outcome.suppressed,
            known: outcome.known.len(),
        },
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

fn apps<'a>(report: &'a Report) -> Vec<App<'a>> {
    let outcome = report.outcome;
    report
        .deployment
        .apps
        .iter()
        .zip(&outcome.apps)
        .map(|(app, result)| App {
            name: &result.name,
            verdict: result.verdict.word(),
            checklist: result
                .checklist
                .iter()
                .map(|item| ItemEntry {
                    item: item.item,
                    title: item.item.title(),
                    status: item.status,
                    seen: item.seen,
                    findings: &item.findings,
                    skipped: &item.skipped,
                })
                .collect(),
            path: super::path::hops(app, outcome)
                .into_iter()
                .map(|hop| HopEntry { hop: hop.hop, text: clean(&hop.text), ok: hop.ok })
                .collect(),
        })
        .collect()
}

fn finding<'a>(report: &Report, reported: &'a Reported) -> Finding<'a> {
    let finding = &reported.finding;
    Finding {
        code: finding.rule.code,
        name: finding.rule.name,
        severity: finding.severity,
        impact: finding.rule.impact,
        app: finding.app.as_deref(),
        message: clean(&finding.message),
        help: crate::source::show::block(&finding.help),
        url: finding.rule.url(),
        locations: finding
            .labels
            .iter()
            .map(|label| {
                let place = report.location(label.span);
                LocationEntry {
                    file: place.file.to_string_lossy().into_owned(),
                    line: place.line,
                    column: place.column,
                    end_line: place.end_line,
                    end_column: place.end_column,
                    note: clean(&label.note),
                }
            })
            .collect(),
        evidence: finding
            .evidence
            .iter()
            .map(|Evidence { kind, text }| EvidenceEntry { kind: *kind, text: clean(text) })
            .collect(),
        fix: finding
            .fix
            .as_ref()
            .map(|fix| FixEntry { safety: fix.safety, title: clean(&fix.title) }),
        fingerprint: &reported.fingerprint,
    }
}
