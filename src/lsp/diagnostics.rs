//! Publishes a report as diagnostics.
//!
//! Findings that are accepted by comments, the settings file or a baseline are not published, just
//! as `check` does not show them: the person who wrote why a finding is accepted has read it, and a
//! hint at every such line would be the noise that the comment was meant to stop.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::protocol::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, Location, Range,
    Uri,
};

use super::client::Client;
use super::folder::{Mark, Offer};
use super::names::Names;
use super::position::{Lines, whole_line};
use super::{One, Wanted};
use crate::facts::{App, Problem};
use crate::fix::Reach;
use crate::report::Report;
use crate::rule::{Finding, Safety, Severity};
use crate::source::{FileId, Span, show};

/// The name under which diagnostics are published.
const SOURCE: &str = "deploy-doctor";

/// What is published about a folder.
#[derive(Default)]
pub(super) struct Published {
    /// Diagnostics in files.
    pub marks: Vec<Mark>,
    /// Messages that belong to no file.
    pub words: Vec<Words>,
}

/// A message about a folder as a whole.
pub(super) struct Words {
    /// The message.
    pub text: String,
    /// Whether the message is only a note and the check is complete all the same.
    pub note: bool,
}

/// Everything that a report says.
pub(super) fn published(report: &Report, names: &Names, client: &Client) -> Published {
    let reach = Reach::new(report.sources, report.deployment);
    let places = SpanPlaces::new(report, names, client);
    let mut published = Published::default();
    let found = report.outcome.findings.iter();
    published.marks.extend(found.filter_map(|one| places.finding(&one.finding, &reach)));
    for problem in report.problems() {
        problem_to(problem, names, &mut published);
    }
    // A finding without a place is shown as a message, so that it is not lost.
    let lost = report.outcome.findings.iter().filter(|one| places.home(&one.finding).is_none());
    published.words.extend(lost.map(|one| Words {
        text: show::line(&format!("{} {}", one.finding.rule.code, one.finding.message)),
        note: false,
    }));
    published
}

/// Publishes what could not be read or understood, in its file if it has one.
pub(super) fn problem_to(problem: &Problem, names: &Names, published: &mut Published) {
    let message = show::line(&problem.message);
    let file = (!problem.path.as_os_str().is_empty()).then(|| names.of(&problem.path));
    match file {
        Some(file) if file.is_file => {
            let severity = match problem.note {
                true => DiagnosticSeverity::Information,
                false => DiagnosticSeverity::Error,
            };
            published.marks.push(Mark {
                uri: file.uri,
                real: file.real,
                diagnostic: Diagnostic {
                    severity: Some(severity),
                    source: Some(SOURCE.to_owned()),
                    ..diagnostic(whole_line(problem.line.unwrap_or(1)), message)
                },
                rule: None,
                offer: None,
                holds_comments: false,
            });
        }
        named => {
            let of = named.map_or_else(String::new, |_| {
                format!("{}: ", show::line(&problem.path.to_string_lossy()))
            });
            published.words.push(Words { text: format!("{of}{message}"), note: problem.note });
        }
    }
}

fn diagnostic(range: Range, message: String) -> Diagnostic {
    Diagnostic { range, message, ..Diagnostic::default() }
}

/// The ranges of a report's spans.
struct SpanPlaces<'a> {
    report: &'a Report<'a>,
    names: &'a Names<'a>,
    client: &'a Client,
    /// The ranges of all spans that will be published.
    ranges: HashMap<Span, Range>,
}

impl<'a> SpanPlaces<'a> {
    fn new(report: &'a Report<'a>, names: &'a Names<'a>, client: &'a Client) -> Self {
        let mut places = Self { report, names, client, ranges: HashMap::new() };
        // Grouped by file, so that the lines of each file are located only once.
        let mut by_file: BTreeMap<FileId, Vec<Span>> = BTreeMap::new();
        for finding in report.outcome.findings.iter().map(|one| &one.finding) {
            let labels = finding.labels.iter().map(|label| label.span);
            for span in labels.chain(places.home(finding)) {
                by_file.entry(span.file).or_default().push(span);
            }
        }
        for (id, spans) in by_file {
            let file = report.sources.file(id);
            let lines = Lines::of(&file.bytes, client.encoding);
            let range = |span: Span| lines.range(span.start as usize, span.end as usize);
            places.ranges.extend(spans.into_iter().map(|span| (span, range(span))));
        }
        places
    }

    /// The diagnostic of a finding at its place.
    fn finding(&self, finding: &Finding, reach: &Reach) -> Option<Mark> {
        let home = self.home(finding)?;
        let file = self.report.sources.file(home.file);
        let named = self.names.of(&file.path);
        let offer = self.offer(finding, &file.path, reach);
        let severity = match finding.severity {
            Severity::Error => DiagnosticSeverity::Error,
            Severity::Warning => DiagnosticSeverity::Warning,
            Severity::Info => DiagnosticSeverity::Information,
        };
        let related = self.related(finding);
        let address = finding.rule.url().filter(|_| self.client.described);
        let diagnostic = Diagnostic {
            severity: Some(severity),
            code: Some(finding.rule.code.to_owned()),
            code_description: address.map(|href| CodeDescription { href: Uri(href) }),
            source: Some(SOURCE.to_owned()),
            related_information: (!related.is_empty()).then_some(related),
            ..diagnostic(self.range(home), self.message(finding, offer.is_some()))
        };
        let holds_comments = self.report.deployment.files.contains(&home.file);
        let (uri, real) = (named.uri, named.real);
        Some(Mark { uri, real, diagnostic, rule: Some(finding.rule), offer, holds_comments })
    }

    /// The first place of a finding. A finding about a process or a socket is placed where the unit
    /// starts the process.
    fn home(&self, finding: &Finding) -> Option<Span> {
        if let Some(label) = finding.labels.first() {
            return Some(label.span);
        }
        let deployment = self.report.deployment;
        let named = deployment.apps.iter().find(|app| Some(&app.name) == finding.app.as_ref());
        let start = |app: &App| Some(app.service.unit.last("Service", "ExecStart")?.span);
        let first = || deployment.files.first().map(|file| Span::new(*file, 0, 0));
        named.or(deployment.apps.first()).and_then(start).or_else(first)
    }

    fn range(&self, span: Span) -> Range {
        self.ranges.get(&span).copied().unwrap_or_default()
    }

    /// The other places of a finding, if they are in files.
    fn related(&self, finding: &Finding) -> Vec<DiagnosticRelatedInformation> {
        if !self.client.related {
            return Vec::new();
        }
        let places = finding.labels.iter().skip(1).map(|label| {
            let named = self.names.of(&self.report.sources.file(label.span.file).path);
            let location = Location { uri: named.uri, range: self.range(label.span) };
            let message = match label.note.is_empty() {
                true => "this is part of the finding".to_owned(),
                false => show::line(&label.note),
            };
            DiagnosticRelatedInformation { location, message }
        });
        places.collect()
    }

    /// What is wrong, what was observed, and what to do, in plain text.
    fn message(&self, finding: &Finding, offered: bool) -> String {
        let mut lines = vec![show::line(&finding.message)];
        if let Some(label) = finding.labels.first().filter(|label| !label.note.is_empty()) {
            lines.push(format!("here: {}", show::line(&label.note)));
        }
        if !self.client.related {
            lines.extend(finding.labels.iter().skip(1).map(|label| {
                let file = self.report.sources.file(label.span.file);
                let path = show::line(&file.path.to_string_lossy());
                let line = file.position(label.span.start).line;
                format!("{path}:{line}: {}", show::line(&label.note)).trim_end().to_owned()
            }));
        }
        lines.extend(finding.evidence.iter().map(|evidence| show::line(&evidence.text)));
        if let Some(fix) = &finding.fix {
            lines.push(format!("fix ({}): {}", fix.safety.word(), show::line(&fix.title)));
            if !fix.edits.is_empty() && !offered {
                lines.push("deploy-doctor fix shows the change; or by hand:".to_owned());
            }
        }
        lines.extend(show::block(&finding.help).to_string().lines().map(str::to_owned));
        lines.join("\n")
    }

    fn offer(&self, finding: &Finding, path: &Path, reach: &Reach) -> Option<Offer> {
        let fix = finding.fix.as_ref().filter(|fix| fix.safety != Safety::Manual)?;
        let files = reach.texts(&fix.edits)?;
        let place = finding.labels.first().map(|label| (PathBuf::from(path), label.span.start));
        let one = One {
            code: finding.rule.code.to_owned(),
            place,
            title: fix.title.clone(),
            is_unsafe: fix.safety == Safety::Unsafe,
        };
        Some(Offer {
            wanted: Wanted::One(one),
            title: show::line(&fix.title),
            safety: fix.safety,
            files,
        })
    }
}
