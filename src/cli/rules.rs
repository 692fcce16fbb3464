//! `deploy-doctor rules`: the catalogue of rules.

use std::fmt::Write;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::arguments::{RulesArguments, RulesFormat};
use super::{CommandError, Exit, print};
use crate::rule::{self, Rule};

#[derive(Serialize)]
struct RuleEntry {
    code: &'static str,
    name: &'static str,
    area: &'static str,
    severity: rule::Severity,
    impact: rule::Impact,
    fix: Option<rule::Safety>,
    item: rule::Item,
    since: &'static str,
    summary: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl RuleEntry {
    fn new(rule: &'static Rule) -> Self {
        Self {
            code: rule.code,
            name: rule.name,
            area: rule.area(),
            severity: rule.severity,
            impact: rule.impact,
            fix: rule.fix,
            item: rule.item,
            since: rule.since,
            summary: rule::summary(rule),
            url: rule.url(),
        }
    }
}

/// Lists every rule.
pub(super) fn run(arguments: &RulesArguments) -> Result<Exit, CommandError> {
    let entries: Vec<RuleEntry> =
        crate::rules::all().iter().map(|rule| RuleEntry::new(rule)).collect();
    let text = match arguments.format {
        RulesFormat::Text => table(&entries),
        RulesFormat::Markdown => markdown(&entries),
        RulesFormat::Json => {
            serde_json::to_string_pretty(&entries)
                .map_err(|error| CommandError::usage(format!("the rules as JSON: {error}")))?
                + "\n"
        }
    };
    print(&text)?;
    Ok(Exit::Success)
}

fn table(entries: &[RuleEntry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["CODE", "NAME", "SEVERITY", "IMPACT", "FIX"]);
    for entry in entries {
        table.add_row([
            entry.code,
            entry.name,
            entry.severity.word(),
            entry.impact.word(),
            entry.fix.map_or("-", rule::Safety::word),
        ]);
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

fn markdown(entries: &[RuleEntry]) -> String {
    let mut out =
        String::from("| code | name | severity | impact | fix | |\n|---|---|---|---|---|---|\n");
    for entry in entries {
        let _ = writeln!(
            out,
            "| [{0}]({0}.md) | {1} | {2} | {3} | {4} | {5} |",
            entry.code,
            entry.name,
            entry.severity.word(),
            entry.impact.word(),
            entry.fix.map_or("–", rule::Safety::word),
            entry.summary.replace('|', "\\|"),
        );
    }
    out
}
