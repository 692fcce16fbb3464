//! `deploy-doctor check`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::arguments::{CheckArguments, FailOn, Format};
use super::{CommandError, Exit, print, read};
use crate::engine::{self, Selection, Settings};
use crate::facts;
use crate::report::{self, Report, Style, Times};
use crate::rule::Severity;
use crate::source::Sources;

/// Reads, judges, reports.
pub(super) fn run(arguments: &CheckArguments) -> Result<Exit, CommandError> {
    let settings = settings(arguments)?;
    let outputs = outputs(arguments)?;
    let began = Instant::now();
    let host = read::open(&arguments.place)?;
    let sources = Sources::new(&*host);
    let mut deployment = read::deployment(&arguments.place, &sources);
    for app in &mut deployment.apps {
        app.release.since.clone_from(&arguments.since);
    }
    if let Some(url) = &arguments.probe {
        facts::probe::run(&sources, &mut deployment, url)
            .map_err(|error| CommandError::usage(error.to_string()))?;
    }
    if arguments.preflight {
        facts::preflight::run(&sources, &mut deployment);
    }
    let outcome = engine::run(crate::rules::all(), &deployment, &sources, &settings);
    let report = Report {
        source: read::source_info(&arguments.place),
        deployment: &deployment,
        sources: &sources,
        outcome: &outcome,
        times: Times::new(began.elapsed(), host.asked()),
    };
    for (format, path) in outputs {
        let style = Style { color: false, quiet: arguments.quiet, verbose: arguments.verbose };
        crate::host::write::replace(Path::new(path), render(&report, format, style)?.as_bytes())
            .map_err(|error| CommandError::usage(format!("--output {path}: {error}")))?;
    }
    let color = super::colored(arguments.color);
    let style = Style { color, quiet: arguments.quiet, verbose: arguments.verbose };
    print(&render(&report, arguments.format, style)?)?;
    if !arguments.allow_incomplete && report.problems().any(|problem| !problem.note) {
        return Ok(Exit::Incomplete);
    }
    let threshold = match arguments.fail_on {
        FailOn::Error => Severity::Error,
        FailOn::Warning => Severity::Warning,
        FailOn::Info => Severity::Info,
        FailOn::Never => return Ok(Exit::Success),
    };
    Ok(if outcome.reaches(threshold) { Exit::Findings } else { Exit::Success })
}

fn render(report: &Report, format: Format, style: Style) -> Result<String, CommandError> {
    match format {
        Format::Text => Ok(report::text(report, style)),
        Format::Concise => Ok(report::concise(report)),
        Format::Json => report::json(report)
            .map_err(|error| CommandError::usage(format!("the report as JSON: {error}"))),
    }
}

fn settings(arguments: &CheckArguments) -> Result<Settings, CommandError> {
    let rules = crate::rules::all();
    let selection = Selection::new(rules, &arguments.select, &arguments.ignore)
        .map_err(|error| CommandError::usage(error.to_string()))?;
    let mut severities = BTreeMap::new();
    for word in &arguments.severity {
        let wrong = || CommandError::usage(format!("--severity {word}: RULE=error|warning|info"));
        let (rules_word, level) = word.split_once('=').ok_or_else(wrong)?;
        let severity = match level {
            "error" => Severity::Error,
            "warning" => Severity::Warning,
            "info" => Severity::Info,
            _ => return Err(wrong()),
        };
        let named = Selection::new(rules, &[rules_word.to_owned()], &[])
            .map_err(|error| CommandError::usage(format!("--severity {error}")))?;
        severities.extend(
            rules.iter().filter(|rule| named.includes(rule)).map(|rule| (rule.code, severity)),
        );
    }
    Ok(Settings { selection, severities })
}

fn outputs(arguments: &CheckArguments) -> Result<Vec<(Format, &str)>, CommandError> {
    use clap::ValueEnum;
    arguments
        .output
        .iter()
        .map(|word| {
            let (format, path) = word.split_once('=').ok_or_else(|| {
                CommandError::usage(format!("--output {word}: write FORMAT=PATH"))
            })?;
            let format = Format::from_str(format, false)
                .map_err(|_| CommandError::usage(format!("--output {word}: no such format")))?;
            Ok((format, path))
        })
        .collect()
}
