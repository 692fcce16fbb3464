//! One model of what was found, many formats. Each format is a file of its own.

mod concise;
pub mod html;
mod json;
mod path;
mod snippet;
mod text;
mod times;

pub use concise::concise;
pub use html::html;
pub use json::json;
pub use text::{Style, shell_words, text};
pub use times::Times;

use std::path::PathBuf;

use crate::engine::Outcome;
use crate::facts::{Deployment, Problem};
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

impl Report<'_> {
    /// What could not be read or understood, and what is wrong with ignore comments.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.deployment.problems.iter().chain(&self.outcome.problems)
    }

    /// A span as people count.
    fn location(&self, span: Span) -> Location {
        let file = self.sources.file(span.file);
        let (start, end) = (file.position(span.start), file.position(span.end.max(span.start)));
        Location {
            file: file.path.clone(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
        }
    }
}

struct Location {
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
