//! `--format gitlab`: GitLab's Code Quality report
//! (docs.gitlab.com, "Code Quality report format").

use std::collections::HashSet;

use serde::Serialize;

use super::place::Placed;
use super::view::{Finding, Problem};
use super::{Severity, View};

/// The name under which GitLab shows files that could not be read.
const NOT_READ: &str = "not-read";

#[derive(Serialize)]
struct Issue {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: IssueLocation,
}

#[derive(Serialize)]
struct IssueLocation {
    path: String,
    lines: IssueLines,
}

#[derive(Serialize)]
struct IssueLines {
    begin: usize,
    end: usize,
}

/// An array of issues, ending in a newline.
pub(super) fn gitlab(view: &View) -> Result<String, serde_json::Error> {
    let mut seen = HashSet::new();
    let problems = view.gaps().map(|problem| unread(view, problem));
    let findings = view.findings.iter().map(|finding| issue(view, finding));
    let issues: Vec<Issue> = problems
        .chain(findings)
        .map(|mut issue| {
            // Of two issues with the same fingerprint, GitLab shows only one.
            let name = issue.fingerprint.clone();
            for nth in 2.. {
                if seen.insert(issue.fingerprint.clone()) {
                    break;
                }
                issue.fingerprint = format!("{name}-{nth}");
            }
            issue
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&issues)?;
    text.push('\n');
    Ok(text)
}

fn issue(view: &View, finding: &Finding) -> Issue {
    Issue {
        description: format!("{}: {}", finding.code, finding.message),
        check_name: format!("{} {}", finding.code, finding.name),
        fingerprint: finding.fingerprint.to_owned(),
        severity: match finding.severity {
            Severity::Error => "critical",
            Severity::Warning => "minor",
            Severity::Info => "info",
        },
        location: location(&view.place(finding)),
    }
}

/// The issue for something that could not be read: it may hide findings, so a merge request must
/// not look clean.
fn unread(view: &View, problem: &Problem) -> Issue {
    let nowhere = || IssueLocation { path: ".".into(), lines: IssueLines { begin: 1, end: 1 } };
    Issue {
        description: format!("not checked: {}", problem.message),
        check_name: NOT_READ.into(),
        fingerprint: format!("{NOT_READ} {} {}", problem.file, problem.message),
        severity: "major",
        location: view.place_of(problem).as_ref().map_or_else(nowhere, location),
    }
}

fn location(place: &Placed) -> IssueLocation {
    let end = place.region.map_or(1, |region| region.end_line);
    IssueLocation {
        path: place.artifact.text(),
        lines: IssueLines { begin: place.line(), end: end.max(place.line()) },
    }
}
