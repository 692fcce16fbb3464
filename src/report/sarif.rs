//! `--format sarif`: SARIF 2.1.0, as GitHub's code scanning and editors read it.
//!
//! GitHub refuses a whole file if one result has no location, accepts 25,000 results, and
//! recognises a finding again only by `primaryLocationLineHash`. It ignores `suppressions`, so
//! suppressed findings are left out unless the user asked for them.

use std::fmt::Write;

use serde_json::{Value, json};

use super::place::{Artifact, Placed};
use super::plural::plural;
use super::view::{By, ByKind, Finding};
use super::{PatchedFile, Severity, View};
use crate::rule::{self, Rule};

/// The most results that GitHub accepts from a run.
const RESULTS: usize = 25_000;
/// The most places in addition to the primary one.
const RELATED: usize = 100;
/// The longest text of a rule that GitHub accepts.
const TEXT: usize = 1_000;

/// The log, ending in a newline.
pub(super) fn sarif(view: &View) -> Result<String, serde_json::Error> {
    let rules: Vec<&'static Rule> = view.asked.rules.iter().map(|(rule, _)| *rule).collect();
    let findings = view.worst_first();
    let reported = findings.iter().map(|finding| result(view, finding, &rules));
    let suppressed = view.suppressed.iter().flatten().map(|one| {
        let mut result = result(view, &one.finding, &rules);
        result["suppressions"] = json!([suppression(&one.by)]);
        result
    });
    let results: Vec<Value> = reported.chain(suppressed).take(RESULTS).collect();
    let mut driver = json!({
        "name": "deploy-doctor",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": view.asked.rules.iter().map(|(rule, severity)| about(rule, *severity)).collect::<Vec<_>>(),
    });
    // No address is invented if the package has none.
    if !env!("CARGO_PKG_REPOSITORY").is_empty() {
        driver["informationUri"] = env!("CARGO_PKG_REPOSITORY").into();
    }
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": driver},
            "automationDetails": {"id": format!("deploy-doctor/{}/", uri(view.asked.scope.as_bytes()))},
            "invocations": [{
                "executionSuccessful": view.is_complete(),
                "endTimeUtc": view.source.time,
                "toolExecutionNotifications": notifications(view),
            }],
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {"HOST": {
                "uri": "file:///",
                "description": {"text": "The top of the file system: for files outside the working directory"},
            }},
            "results": results,
        }],
    });
    let mut text = serde_json::to_string_pretty(&log)?;
    text.push('\n');
    Ok(text)
}

fn about(rule: &Rule, severity: Severity) -> Value {
    let summary = rule::summary(rule);
    let docs = rule::paragraphs(rule);
    // One word may name both an area and an item, but GitHub refuses duplicate tags.
    let item = json!(rule.item);
    let mut tags = vec![rule.area(), rule.impact.word()];
    tags.extend(item.as_str().filter(|item| *item != rule.area()));
    let mut about = json!({
        "id": rule.code,
        "name": pascal(rule.name),
        "shortDescription": {"text": cut(&sentence(&summary), TEXT)},
        "fullDescription": {"text": cut(&sentence(&summary), TEXT)},
        "help": {"text": docs, "markdown": docs},
        "defaultConfiguration": {"level": level(severity)},
        "properties": {
            "tags": tags,
            "precision": "high",
            "problem.severity": match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "recommendation",
            },
        },
    });
    if let Some(url) = rule.url() {
        about["helpUri"] = url.into();
    }
    about
}

fn result(view: &View, finding: &Finding, rules: &[&'static Rule]) -> Value {
    let places = view.places(finding);
    let mut text = sentence(&finding.message);
    for evidence in &finding.evidence {
        let _ = write!(text, " {}", sentence(&evidence.text));
    }
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": {"text": text},
        "locations": places.first().map(|place| location(view, place, None)).into_iter().collect::<Vec<_>>(),
        "partialFingerprints": {
            "deployDoctor/v1": finding.fingerprint,
            "primaryLocationLineHash": format!("{}:1", finding.fingerprint),
        },
        "properties": {"app": finding.app, "impact": finding.impact, "help": finding.help},
    });
    if let Some(index) = rules.iter().position(|rule| rule.code == finding.code) {
        result["ruleIndex"] = index.into();
    }
    let related: Vec<Value> = places
        .iter()
        .skip(1)
        .take(RELATED)
        .enumerate()
        .map(|(id, place)| location(view, place, Some(id + 1)))
        .collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    if let Some((patch, places)) = view.patch(finding) {
        let title = finding.fix.as_ref().map_or("", |fix| fix.title.as_str());
        let changes: Vec<Value> =
            patch.files.iter().zip(&places).map(|(file, place)| change(file, place)).collect();
        result["fixes"] =
            json!([{"description": {"text": sentence(title)}, "artifactChanges": changes}]);
    }
    result
}

/// What suppresses a finding, and why.
fn suppression(by: &By) -> Value {
    let kind = if by.kind == ByKind::Comment { "inSource" } else { "external" };
    let until = by.until.iter().map(|until| format!(" (until {until})"));
    let place = match (&by.file, by.line) {
        (Some(file), Some(line)) => format!(" ({file}:{line})"),
        _ => String::new(),
    };
    let reason: String = std::iter::once(by.reason.clone()).chain(until).collect();
    json!({"kind": kind, "status": "accepted", "justification": format!("{reason}{place}")})
}

fn location(view: &View, place: &Placed, id: Option<usize>) -> Value {
    let mut physical = json!({"artifactLocation": artifact(&place.artifact)});
    if let Some(region) = place.region {
        physical["region"] = json!({
            "startLine": region.line,
            "startColumn": region.column,
            "endLine": region.end_line,
            "endColumn": region.end_column,
        });
        if let Some(span) = place.span {
            let shown = view.report.sources.shown(span);
            if !shown.is_empty() {
                physical["region"]["snippet"] = json!({"text": cut(&shown, TEXT)});
            }
        }
    }
    let mut location = json!({"physicalLocation": physical});
    if let Some(id) = id {
        location["id"] = id.into();
    }
    if !place.note.is_empty() {
        location["message"] = json!({"text": sentence(&place.note)});
    }
    location
}

/// The replacement of whole lines by a fix.
fn change(file: &PatchedFile, place: &Placed) -> Value {
    let replacements = file.replacements.iter().map(|one| {
        let region = json!({
            "startLine": one.line,
            "startColumn": 1,
            "endLine": one.line + one.lines,
            "endColumn": 1,
        });
        json!({"deletedRegion": region, "insertedContent": {"text": one.text}})
    });
    json!({
        "artifactLocation": artifact(&place.artifact),
        "replacements": replacements.collect::<Vec<_>>(),
    })
}

/// What could not be read, and how many results there is no room for.
fn notifications(view: &View) -> Vec<Value> {
    let findings = view.findings.len() + view.suppressed.iter().flatten().count();
    let mut told: Vec<Value> = view
        .problems
        .iter()
        .map(|problem| {
            let level = if problem.of.note { "note" } else { "error" };
            let mut notification = json!({
                "level": level,
                "message": {"text": sentence(&problem.message)},
            });
            if let Some(place) = view.place_of(problem) {
                notification["locations"] = json!([location(view, &place, None)]);
            }
            notification
        })
        .collect();
    let mut say = |level: &str, text: String| {
        told.push(json!({"level": level, "message": {"text": text}}));
    };
    if findings > RESULTS {
        say("warning", format!("{} are left out.", plural(findings - RESULTS, "finding")));
    }
    if view.summary.skipped > 0 {
        say("note", format!("{} skipped.", plural(view.summary.skipped, "check")));
    }
    told
}

fn artifact(artifact: &Artifact) -> Value {
    let path = artifact.path.as_os_str().as_encoded_bytes();
    match path.strip_prefix(b"/") {
        Some(outside) => json!({"uri": uri(outside), "uriBaseId": "HOST"}),
        None => json!({"uri": uri(path)}),
    }
}

/// A path of any bytes as a relative reference (RFC 3986).
fn uri(path: &[u8]) -> String {
    const PLAIN: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~');
    percent_encoding::percent_encode(path, PLAIN).to_string()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

/// Makes a message a sentence, as SARIF requires.
fn sentence(text: &str) -> String {
    let text = text.trim();
    match text.ends_with(['.', '!', '?']) {
        true => text.to_owned(),
        false => format!("{text}."),
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// The name as SARIF writes names of rules: `exec-reload-missing` is `ExecReloadMissing`.
fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect()
}
