//! One model of the findings, many formats. Each format has a file of its own.

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

/// Where the facts came from, for the head of a report.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SourceInfo {
    /// `live`, `root`, `files` or `capture`.
    pub mode: &'static str,
    /// The host's name, or the directory or files that were read.
    pub host: String,
    /// When, in RFC 3339.
    pub time: String,
    /// The options that name the same place again, for commands that are shown.
    #[serde(skip)]
    pub options: Vec<String>,
}

/// All that a format needs.
pub struct Report<'a> {
    /// Where the facts came from.
    pub source: SourceInfo,
    /// The facts.
    pub deployment: &'a Deployment,
    /// The files.
    pub sources: &'a Sources<'a>,
    /// What the rules made of them.
    pub outcome: &'a Outcome,
    /// What it took.
    pub times: Times,
}

/// Who asked, and for what: what some formats tell besides the findings.
#[derive(Debug, Default)]
pub struct Asked {
    /// The rules that ran, each with the severity with which it reports.
    pub rules: Vec<(&'static Rule, Severity)>,
    /// Findings of this severity or worse make the run fail; none: no finding does.
    pub threshold: Option<Severity>,
    /// What could not be read does not make it fail.
    pub allow_incomplete: bool,
    /// What is suppressed is reported, too.
    pub suppressed: bool,
    /// What paths are relative to.
    pub base: Base,
    /// What was meant to be checked, in a word or two: two runs that check different things differ
    /// in it.
    pub scope: String,
    /// What safe fixes make of the files, by the finding's fingerprint; empty where no format tells.
    pub patches: HashMap<String, Patch>,
}

/// A fix as text: what goes away and what comes in its place.
#[derive(Debug, Clone)]
pub struct Patch {
    /// The files that it changes.
    pub files: Vec<PatchedFile>,
}

/// What a fix makes of one file.
#[derive(Debug, Clone)]
pub struct PatchedFile {
    /// Its path as the deployment sees it.
    pub path: PathBuf,
    /// The changes, from the top down.
    pub replacements: Vec<Replacement>,
}

/// Whole lines that others take the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The first line that goes away, from 1; where none does, the one before which others come.
    pub line: usize,
    /// How many lines go away.
    pub lines: usize,
    /// What comes, with the ends of its lines.
    pub text: String,
}

impl Report<'_> {
    /// What could not be read or understood, and what is wrong with ignore comments.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.deployment.problems.iter().chain(&self.outcome.problems)
    }

    /// A span as people count.
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

/// A message made fit for one line of output.
fn clean(text: &str) -> String {
    show::line(text)
}
