//! The findings as every format sees them: built once from the report, ready to be shown (secrets
//! hidden, on one line, without control characters), in one order and counted in one place.

use std::collections::HashMap;

use serde::Serialize;

use super::place::{Artifacts, Placed};
use super::plural::plural;
use super::{Asked, Patch, Report, SourceInfo, clean};
use crate::engine::{Acceptance, Outcome, Reported, SeenIn, Status};
use crate::facts::WhyKind;
use crate::rule::{Check, Evidence, EvidenceKind, Hop, Impact, Item, Rule, Safety, Severity};
use crate::source::{Span, show};

/// Everything that a format may report.
pub struct View<'a> {
    pub(super) report: &'a Report<'a>,
    pub(super) asked: &'a Asked,
    artifacts: Artifacts<'a>,
    pub(super) source: &'a SourceInfo,
    pub(super) apps: Vec<App<'a>>,
    pub(super) findings: Vec<Finding<'a>>,
    /// The suppressed findings, if the user asked for them.
    pub(super) suppressed: Option<Vec<Suppressed<'a>>>,
    pub(super) skipped: Vec<Skipped<'a>>,
    pub(super) problems: Vec<Problem<'a>>,
    pub(super) summary: Summary,
}

/// One application: its verdict, its checklist, the path of a request.
#[derive(Serialize)]
pub(super) struct App<'a> {
    pub name: &'a str,
    pub verdict: &'static str,
    pub checklist: Vec<ItemEntry<'a>>,
    pub path: Vec<HopEntry>,
}

/// One item of the checklist.
#[derive(Serialize)]
pub(super) struct ItemEntry<'a> {
    pub item: Item,
    pub title: &'static str,
    pub status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenIn>,
    pub findings: &'a [&'static str],
    pub skipped: &'a [&'static str],
}

/// One hop of a request's path.
#[derive(Serialize)]
pub(super) struct HopEntry {
    pub hop: Hop,
    pub text: String,
    pub ok: bool,
}

/// One finding.
#[derive(Serialize)]
pub(super) struct Finding<'a> {
    pub code: &'static str,
    pub name: &'static str,
    pub severity: Severity,
    pub impact: Impact,
    pub app: Option<&'a str>,
    pub message: String,
    pub help: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub locations: Vec<Location>,
    pub evidence: Vec<EvidenceEntry>,
    pub fix: Option<FixEntry>,
    pub fingerprint: &'a str,
    #[serde(skip)]
    pub reported: &'a Reported,
}

/// A finding that is suppressed, and by what.
#[derive(Serialize)]
pub(super) struct Suppressed<'a> {
    pub finding: Finding<'a>,
    pub by: By,
}

/// What suppresses a finding.
#[derive(Serialize)]
pub(super) struct By {
    pub kind: ByKind,
    /// The file that suppresses it; `None` for known findings.
    pub file: Option<String>,
    pub line: Option<usize>,
    pub reason: String,
    pub until: Option<String>,
}

/// The kinds of things that can suppress a finding.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ByKind {
    /// A comment in a checked file.
    Comment,
    /// An `[[ignore]]` in the settings file.
    Settings,
    /// The baseline.
    Baseline,
}

impl By {
    fn of(by: &Acceptance) -> Self {
        Self {
            kind: if by.comment { ByKind::Comment } else { ByKind::Settings },
            file: Some(clean(&by.file.to_string_lossy())),
            line: Some(by.line),
            reason: clean(&by.reason),
            until: by.until.as_ref().map(|until| until.0.clone()),
        }
    }

    fn known() -> Self {
        let reason = "it is among the known findings".to_owned();
        Self { kind: ByKind::Baseline, file: None, line: None, reason, until: None }
    }
}

/// A place as the deployment sees it, with columns in bytes.
#[derive(Serialize)]
pub(super) struct Location {
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
    pub note: String,
    #[serde(skip)]
    pub span: Span,
}

/// An observation that is not a place in a file.
#[derive(Serialize)]
pub(super) struct EvidenceEntry {
    pub kind: EvidenceKind,
    pub text: String,
}

/// A fix that would remove a finding.
#[derive(Serialize)]
pub(super) struct FixEntry {
    pub safety: Safety,
    pub title: String,
}

/// A rule that could not judge.
#[derive(Serialize)]
pub(super) struct Skipped<'a> {
    pub code: &'static str,
    pub app: Option<&'a str>,
    pub reason: String,
    pub kind: WhyKind,
}

/// Something that could not be read or understood.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    pub file: String,
    pub line: Option<usize>,
    pub message: String,
    #[serde(skip)]
    pub of: &'a crate::facts::Problem,
}

impl Problem<'_> {
    /// `file: message`.
    pub fn words(&self) -> String {
        match self.file.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", self.file, self.message),
        }
    }
}

/// How many findings and skips of each kind there are.
#[derive(Serialize)]
pub(super) struct Summary {
    pub error: usize,
    pub warning: usize,
    pub info: usize,
    pub skipped: usize,
    pub suppressed: usize,
    pub known: usize,
}

impl Summary {
    /// A summary of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        Self {
            error: outcome.count(Severity::Error),
            warning: outcome.count(Severity::Warning),
            info: outcome.count(Severity::Info),
            skipped: outcome.skips.len(),
            suppressed: outcome.suppressed.len(),
            known: outcome.known.len(),
        }
    }

    /// `2 errors, 1 warning`, and other counts that are not zero.
    pub fn words(&self) -> String {
        let mut parts = vec![plural(self.error, "error"), plural(self.warning, "warning")];
        if self.info > 0 {
            parts.push(format!("{} info", self.info));
        }
        if self.suppressed > 0 {
            parts.push(format!("{} suppressed", self.suppressed));
        }
        if self.known > 0 {
            parts.push(format!("{} known", self.known));
        }
        parts.join(", ")
    }
}

/// One rule applied to one application, or to the host.
pub(super) struct Case<'v, 'a> {
    pub app: Option<&'a str>,
    pub rule: &'static Rule,
    /// The severity that its findings have.
    pub severity: Severity,
    pub answer: Answer<'v, 'a>,
}

/// The result of a rule.
pub(super) enum Answer<'v, 'a> {
    Found(Vec<&'v Finding<'a>>),
    Skipped(&'v Skipped<'a>),
    /// The rule had nothing to judge, for this reason.
    Idle(&'a str),
    Passed,
}

impl<'a> View<'a> {
    /// The view of a report for these options.
    pub fn new(report: &'a Report<'a>, asked: &'a Asked) -> Self {
        let outcome = report.outcome;
        Self {
            report,
            asked,
            artifacts: Artifacts::new(report.sources, &asked.base),
            source: &report.source,
            apps: apps(report),
            findings: outcome.findings.iter().map(|one| finding(report, one)).collect(),
            suppressed: asked.suppressed.then(|| suppressed(report)),
            skipped: outcome
                .skips
                .iter()
                .map(|skip| Skipped {
                    code: skip.code,
                    app: skip.app.as_deref(),
                    reason: clean(skip.reason.text()),
                    kind: skip.reason.kind(),
                })
                .collect(),
            problems: report
                .problems()
                .map(|problem| Problem {
                    file: clean(&problem.path.to_string_lossy()),
                    line: problem.line,
                    message: clean(&problem.message),
                    of: problem,
                })
                .collect(),
            summary: Summary::of(outcome),
        }
    }

    /// The report that is viewed.
    pub fn report(&self) -> &'a Report<'a> {
        self.report
    }

    /// Whether everything was read that should have been.
    pub(super) fn is_complete(&self) -> bool {
        self.asked.allow_incomplete || self.gaps().next().is_none()
    }

    /// What should have been read but was not.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &Problem<'a>> {
        self.problems.iter().filter(|problem| !problem.of.note)
    }

    /// Whether a finding of this severity makes the run fail.
    pub(super) fn fails(&self, severity: Severity) -> bool {
        self.asked.threshold.is_some_and(|threshold| severity >= threshold)
    }

    /// The findings, worst first; findings of equal severity stay in their order.
    pub(super) fn worst_first(&self) -> Vec<&Finding<'a>> {
        let mut findings: Vec<_> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// The places of a finding in the local files: at least one, the primary one first. A finding
    /// about a process or a socket is placed where the unit starts the process.
    pub(super) fn places(&self, finding: &Finding<'a>) -> Vec<Placed> {
        if finding.locations.is_empty() {
            return vec![self.artifacts.anchor(self.report.deployment, finding.app)];
        }
        let places = finding.locations.iter();
        places.map(|place| self.artifacts.placed(place.span, &place.note)).collect()
    }

    /// The first place of a finding.
    pub(super) fn place(&self, finding: &Finding<'a>) -> Placed {
        match finding.locations.first() {
            Some(place) => self.artifacts.placed(place.span, &place.note),
            None => self.artifacts.anchor(self.report.deployment, finding.app),
        }
    }

    /// The place of a problem; `None` if it is about no file.
    pub(super) fn place_of(&self, problem: &Problem) -> Option<Placed> {
        let path = &problem.of.path;
        (!path.as_os_str().is_empty()).then(|| self.artifacts.line(path, problem.line))
    }

    /// The changes that a finding's fix makes to the files, if the fix is safe and can be expressed
    /// as text.
    pub(super) fn patch(&self, finding: &Finding) -> Option<(&Patch, Vec<Placed>)> {
        let patch = self.asked.patches.get(finding.fingerprint)?;
        let place = |file: &super::PatchedFile| self.artifacts.line(&file.path, None);
        Some((patch, patch.files.iter().map(place).collect()))
    }

    /// A finding with its source lines, as the text output shows it.
    pub(super) fn snippet(&self, finding: &Finding) -> String {
        super::snippet::render(self.report, &finding.reported.finding, false)
    }

    /// Every rule that ran, for every application and for the host, with its result. A rule of the
    /// host that found nothing is reported once.
    pub(super) fn cases(&self) -> Vec<Case<'_, 'a>> {
        let mut found: HashMap<(&str, Option<&str>), Vec<&Finding<'a>>> = HashMap::new();
        for finding in &self.findings {
            found.entry((finding.code, finding.app)).or_default().push(finding);
        }
        let skipped: HashMap<(&str, Option<&str>), &Skipped<'a>> =
            self.skipped.iter().map(|skip| ((skip.code, skip.app), skip)).collect();
        let idle: HashMap<(&str, Option<&str>), &'a str> = (self.report.outcome.idle.iter())
            .map(|skip| ((skip.code, skip.app.as_deref()), skip.reason.text()))
            .collect();
        let mut cases = Vec::new();
        let apps = self.apps.iter().map(|app| Some(app.name));
        for app in apps.chain([None]) {
            for &(rule, severity) in &self.asked.rules {
                let key = (rule.code, app);
                // What could not be judged for the host could not be judged for its applications
                // either.
                let skip = skipped.get(&key).or_else(|| skipped.get(&(rule.code, None)));
                let answer = match (found.remove(&key), skip) {
                    (Some(findings), _) => Answer::Found(findings),
                    (None, Some(skip)) => Answer::Skipped(skip),
                    (None, None) => idle.get(&key).map_or(Answer::Passed, |why| Answer::Idle(why)),
                };
                let of_host = matches!(rule.check, Check::Host(_));
                if of_host == app.is_none() || matches!(answer, Answer::Found(_)) {
                    cases.push(Case { app, rule, severity, answer });
                }
            }
        }
        // No finding is left out, whatever rule and application it names.
        let mut rest: Vec<_> = found.into_values().flatten().collect();
        rest.sort_by_key(|finding| (finding.app, finding.code, finding.fingerprint));
        cases.extend(rest.into_iter().map(|finding| Case {
            app: finding.app,
            rule: finding.reported.finding.rule,
            severity: finding.severity,
            answer: Answer::Found(vec![finding]),
        }));
        cases
    }
}

fn apps<'a>(report: &'a Report) -> Vec<App<'a>> {
    let outcome = report.outcome;
    report
        .deployment
        .apps
        .iter()
        .zip(&outcome.apps)
        .map(|(app, result)| App {
            name: &result.name,
            verdict: result.verdict.word(),
            checklist: result
                .checklist
                .iter()
                .map(|item| ItemEntry {
                    item: item.item,
                    title: item.item.title(),
                    status: item.status,
                    seen: item.seen,
                    findings: &item.findings,
                    skipped: &item.skipped,
                })
                .collect(),
            path: super::path::hops(app, outcome)
                .into_iter()
                .map(|hop| HopEntry { hop: hop.hop, text: clean(&hop.text), ok: hop.ok })
                .collect(),
        })
        .collect()
}

/// The findings that comments, settings and the baseline suppress.
fn suppressed<'a>(report: &'a Report) -> Vec<Suppressed<'a>> {
    let outcome = report.outcome;
    let accepted = outcome.suppressed.iter().map(|one| (&one.reported, By::of(&one.by)));
    let known = outcome.known.iter().map(|one| (one, By::known()));
    let of = |(reported, by)| Suppressed { finding: finding(report, reported), by };
    accepted.chain(known).map(of).collect()
}

fn finding<'a>(report: &Report, reported: &'a Reported) -> Finding<'a> {
    let finding = &reported.finding;
    Finding {
        code: finding.rule.code,
        name: finding.rule.name,
        severity: finding.severity,
        impact: finding.rule.impact,
        app: finding.app.as_deref(),
        message: clean(&finding.message),
        help: show::block(&finding.help),
        url: finding.rule.url(),
        locations: finding
            .labels
            .iter()
            .map(|label| {
                let place = report.location(label.span);
                Location {
                    file: place.file.to_string_lossy().into_owned(),
                    line: place.line,
                    column: place.column,
                    end_line: place.end_line,
                    end_column: place.end_column,
                    note: clean(&label.note),
                    span: label.span,
                }
            })
            .collect(),
        evidence: finding
            .evidence
            .iter()
            .map(|Evidence { kind, text }| EvidenceEntry { kind: *kind, text: clean(text) })
            .collect(),
        fix: finding
            .fix
            .as_ref()
            .map(|fix| FixEntry { safety: fix.safety, title: clean(&fix.title) }),
        fingerprint: &reported.fingerprint,
        reported,
    }
}
