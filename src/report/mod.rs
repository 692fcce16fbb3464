//! One model of the findings for many formats, each of which has a file of its own.

mod concise;
mod failure;
mod format;
mod github;
mod gitlab;
pub mod html;
mod json;
mod junit;
mod markdown;
pub mod nagios;
mod path;
mod place;
mod plural;
mod prometheus;
mod sarif;
mod snippet;
mod tap;
mod text;
mod times;
mod view;

pub use failure::Failure;
pub use format::{Format, Unwritable, write, write_failure};
pub use html::html;
pub use place::Base;
pub use text::{Style, shell_words, text};
pub use times::Times;
pub use view::View;

use std::collections::HashMap;
use std::path::PathBuf;

use crate::engine::Outcome;
use crate::facts::{Deployment, Problem};
use crate::rule::{Rule, Severity};
use crate::source::{Sources, Span, show};

/// Where the facts came from, for the heading of a report.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourceInfo {
    /// `live`, `root`, `files` or `capture`.
    pub mode: &'static str,
    /// The host's name, or the directory or files that were read.
    pub host: String,
    /// The time, in RFC 3339.
    pub time: String,
    /// The options that select the same source again, for commands shown in the report.
    #[serde(skip)]
    pub options: Vec<String>,
}

/// Everything that a format needs.
pub struct Report<'a> {
    /// Where the facts came from.
    pub source: SourceInfo,
    /// The facts.
    pub deployment: &'a Deployment,
    /// The files.
    pub sources: &'a Sources<'a>,
    /// The findings and verdicts of the rules.
    pub outcome: &'a Outcome,
    /// How long the check took.
    pub times: Times,
}

/// The options of a check, which some formats report in addition to the findings.
#[derive(Debug, Default)]
pub struct Asked {
    /// The rules that ran, each with the severity of its findings.
    pub rules: Vec<(&'static Rule, Severity)>,
    /// Findings of this severity or worse make the run fail; with `None`, no finding does.
    pub threshold: Option<Severity>,
    /// Whether files that could not be read do not make the run fail.
    pub allow_incomplete: bool,
    /// Whether suppressed findings are reported too.
    pub suppressed: bool,
    /// What paths are relative to.
    pub base: Base,
    /// What was meant to be checked, in a word or two. It differs between two runs that check
    /// different things.
    pub scope: String,
    /// The changes that safe fixes make to the files, by the finding's fingerprint; empty if no
    /// format shows them.
    pub patches: HashMap<String, Patch>,
}

/// A fix as a change of text.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The files that it changes.
    pub files: Vec<PatchedFile>,
}

/// The changes that a fix makes to one file.
#[derive(Debug, Clone)]
pub struct PatchedFile {
    /// Its path as the deployment sees it.
    pub path: PathBuf,
    /// The changes, from the top down.
    pub replacements: Vec<Replacement>,
}

/// Whole lines that are replaced by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The first line that is removed, counted from 1; if no line is removed, the line before which
    /// the new text is inserted.
    pub line: usize,
    /// How many lines are removed.
    pub lines: usize,
    /// The new text, including its line endings.
    pub text: String,
}

impl Report<'_> {
    /// What could not be read or understood, and what is wrong with comments that accept findings.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.deployment.problems.iter().chain(&self.outcome.problems)
    }

    /// A span as people count it, lines and columns from 1.
    fn location(&self, span: Span) -> FindingLocation {
        let file = self.sources.file(span.file);
        let (start, end) = (file.position(span.start), file.position(span.end.max(span.start)));
        FindingLocation {
            file: file.path.clone(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}

struct FindingLocation {
    file: PathBuf,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

/// Makes a message fit for one line of output.
fn clean(text: &str) -> String {
    show::line(text)
}
