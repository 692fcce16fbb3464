//! The list of formats, and the function that writes each.

use std::fmt;

use super::{
    Failure, Style, View, concise, github, gitlab, json, junit, markdown, prometheus, sarif, tap,
};

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people: verdict, path, findings with their lines, checklist
    Text,
    /// A line a finding
    Concise,
    /// One document, schema 1
    Json,
    /// SARIF 2.1.0, for code scanning and editors
    Sarif,
    /// Annotations of GitHub's workflows
    Github,
    /// GitLab's Code Quality report
    Gitlab,
    /// JUnit's XML, one test per rule
    Junit,
    /// TAP version 13, one test per rule
    Tap,
    /// Metrics for node_exporter's textfile collector
    Prometheus,
    /// A comment for a pull request
    Markdown,
    /// One page that needs nothing else
    Html,
}

impl Format {
    /// Every format.
    pub fn all() -> &'static [Self] {
        <Self as clap::ValueEnum>::value_variants()
    }
}

/// A report that could not be written.
#[derive(Debug)]
pub struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

/// The report in one format.
pub fn write(view: &View, format: Format, style: Style) -> Result<String, Unwritable> {
    let said = |error: &dyn fmt::Display| Unwritable(format!("the report as {format:?}: {error}"));
    match format {
        Format::Text => Ok(super::text(view.report, style)),
        Format::Concise => Ok(concise::concise(view.report)),
        Format::Json => json::json(view).map_err(|error| said(&error)),
        Format::Sarif => sarif::sarif(view).map_err(|error| said(&error)),
        Format::Github => Ok(github::github(view)),
        Format::Gitlab => gitlab::gitlab(view).map_err(|error| said(&error)),
        Format::Junit => junit::junit(view).map_err(|error| said(&error)),
        Format::Tap => Ok(tap::tap(view)),
        Format::Prometheus => Ok(prometheus::prometheus(view)),
        Format::Markdown => Ok(markdown::markdown(view)),
        Format::Html => Ok(super::html::html(view.report)),
    }
}

/// The output of a run that produced no report, for formats whose readers would otherwise keep
/// showing the previous report, or take silence for success; `None` for the other formats.
pub fn write_failure(format: Format, failure: &Failure) -> Option<String> {
    match format {
        Format::Prometheus => Some(prometheus::failed(failure)),
        Format::Tap => Some(tap::failed(failure)),
        Format::Junit => junit::failed_run(failure).ok(),
        Format::Github => Some(github::failed(failure)),
        _ => None,
    }
}
