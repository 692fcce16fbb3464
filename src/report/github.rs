//! `--format github`: annotations, as GitHub's runner reads them from a step's output ("Workflow
//! commands for GitHub Actions").
//!
//! GitHub shows ten annotations of each kind per step and silently drops the rest. Therefore the
//! worst come first, and the others are counted and written to the log as plain lines.

use std::fmt::Write;

use super::place::Placed;
use super::plural::plural;
use super::{Failure, Severity, View, clean};

/// The most annotations of one kind that GitHub shows for a step.
const SHOWN: usize = 10;

/// One annotation per line, then the findings for which there is no room, then their count.
pub(super) fn github(view: &View) -> String {
    let mut out = String::new();
    let mut log = String::new();
    let mut room = Room::default();
    for problem in &view.problems {
        let kind = if problem.of.note { AnnotationKind::Notice } else { AnnotationKind::Error };
        let place = view.place_of(problem);
        match room.take(kind) {
            true => annotate(&mut out, kind, place.as_ref(), "not read", &problem.words()),
            false => line(&mut log, place.as_ref(), "problem", &problem.words()),
        }
    }
    for finding in view.worst_first() {
        let kind = AnnotationKind::of(finding.severity);
        let place = view.place(finding);
        let title = format!("{} {}", finding.code, finding.name);
        match room.take(kind) {
            true => {
                let mut text = finding.message.clone();
                if !finding.help.is_empty() {
                    let _ = write!(text, "\n\n{}", finding.help);
                }
                annotate(&mut out, kind, Some(&place), &title, &text);
            }
            false => {
                let tag = format!("{}[{}]", finding.severity.word(), finding.code);
                line(&mut log, Some(&place), &tag, &finding.message);
            }
        }
    }
    let left = room.left();
    if !left.is_empty() {
        let _ = writeln!(out, "GitHub shows {SHOWN} of each kind; in addition there are {left}:");
        out.push_str(&log);
    }
    let _ = writeln!(out, "deploy-doctor: {}", view.summary.words());
    out
}

/// The output of a run that produced no report.
pub(super) fn failed(failure: &Failure) -> String {
    let mut out = String::new();
    annotate(&mut out, AnnotationKind::Error, None, "deploy-doctor", &clean(&failure.message));
    out
}

/// GitHub's three kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnnotationKind {
    Error,
    Warning,
    Notice,
}

impl AnnotationKind {
    fn of(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Notice,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// How many annotations of each kind were written.
#[derive(Default)]
struct Room([usize; 3]);

impl Room {
    /// Whether there is room for one more annotation of this kind.
    fn take(&mut self, kind: AnnotationKind) -> bool {
        self.0[kind as usize] += 1;
        self.0[kind as usize] <= SHOWN
    }

    /// How many annotations there was no room for, in words.
    fn left(&self) -> String {
        let kinds = [AnnotationKind::Error, AnnotationKind::Warning, AnnotationKind::Notice];
        let left = kinds.iter().filter_map(|kind| {
            let more = self.0[*kind as usize].saturating_sub(SHOWN);
            (more > 0).then(|| plural(more, &format!("more {}", kind.word())))
        });
        left.collect::<Vec<_>>().join(" and ")
    }
}

fn annotate(
    out: &mut String,
    kind: AnnotationKind,
    place: Option<&Placed>,
    title: &str,
    text: &str,
) {
    let mut properties = Vec::new();
    if let Some(place) = place {
        properties.push(format!("file={}", property(&place.artifact.text())));
        if let Some(region) = place.region {
            properties.push(format!("line={},endLine={}", region.line, region.end_line));
            // GitHub refuses columns if the start and end lines differ.
            if region.line == region.end_line {
                let end = region.end_column.max(region.column);
                properties.push(format!("col={},endColumn={end}", region.column));
            }
        }
    }
    properties.push(format!("title={}", property(title)));
    let _ = writeln!(out, "::{} {}::{}", kind.word(), properties.join(","), data(text));
}

/// Writes a line of the log that the runner does not take for a command.
fn line(out: &mut String, place: Option<&Placed>, tag: &str, text: &str) {
    let place = place.map_or_else(String::new, |place| format!("{}: ", place.text()));
    let _ = writeln!(out, "  {}", plain(&format!("{place}{tag} {text}")));
}

/// Makes text harmless: the runner executes `::command::` at the start of a line (after spaces too)
/// and `##[command]` anywhere in a line, including `##[stop-commands]`.
fn plain(text: &str) -> String {
    let text = clean(text).replace("##[", "# #[");
    match text.strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => text,
    }
}

/// Escapes the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
