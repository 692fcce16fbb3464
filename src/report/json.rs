//! `--format json`: one document, schema version 1 (`docs/report.schema.json`).

use serde::Serialize;

use super::view::{App, Finding, Problem, Skipped, Summary, Suppressed};
use super::{SourceInfo, View};

#[derive(Serialize)]
struct JsonDocument<'v, 'a> {
    schema: u32,
    tool: Tool,
    source: &'v SourceInfo,
    apps: &'v [App<'a>],
    findings: &'v [Finding<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    suppressed: Option<&'v [Suppressed<'a>]>,
    skipped: &'v [Skipped<'a>],
    problems: &'v [Problem<'a>],
    summary: &'v Summary,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

/// The document, ending in a newline.
pub(super) fn json(view: &View) -> Result<String, serde_json::Error> {
    let document = JsonDocument {
        schema: 1,
        tool: Tool { name: "deploy-doctor", version: env!("CARGO_PKG_VERSION") },
        source: view.source,
        apps: &view.apps,
        findings: &view.findings,
        suppressed: view.suppressed.as_deref(),
        skipped: &view.skipped,
        problems: &view.problems,
        summary: &view.summary,
    };
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
