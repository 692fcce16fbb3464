//! `--format concise`: one line per finding, as compilers write them.

use std::fmt::Write;

use super::{Report, clean};
use crate::rule::Finding;

/// `file:line:column: severity[code] message`; a finding without a place names its application
/// instead.
pub(super) fn concise(report: &Report) -> String {
    let mut out = String::new();
    for reported in &report.outcome.findings {
        let _ = writeln!(out, "{}", line(report, &reported.finding));
    }
    for problem in report.problems() {
        let _ = writeln!(out, "{}", problem_line(problem));
    }
    out
}

/// A finding as one line.
pub(super) fn line(report: &Report, finding: &Finding) -> String {
    let place = match finding.labels.first() {
        Some(label) => {
            let at = report.location(label.span);
            format!("{}:{}:{}", clean(&at.file.to_string_lossy()), at.line, at.column)
        }
        None => finding.app.clone().unwrap_or_else(|| "host".to_owned()),
    };
    let (severity, code) = (finding.severity.word(), finding.rule.code);
    format!("{place}: {severity}[{code}] {}", clean(&finding.message))
}

/// A problem as one line: `file:line: problem: message`.
pub(super) fn problem_line(problem: &crate::facts::Problem) -> String {
    let line = problem.line.map_or_else(String::new, |line| format!(":{line}"));
    let word = if problem.note { "note" } else { "problem" };
    let file = clean(&problem.path.to_string_lossy());
    let message = clean(&problem.message);
    if file.is_empty() {
        return format!("{word}: {message}");
    }
    format!("{file}{line}: {word}: {message}")
}
