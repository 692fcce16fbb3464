//! Collects what rules report: every finding must have a place.

use super::{EvidenceKind, Finding, Rule, Severity};
use crate::facts::{App, Known, Why};
use crate::source::Span;

/// A rule that could not judge, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The rule's code.
    pub code: &'static str,
    /// The application; `None` for the host.
    pub app: Option<String>,
    /// The reason.
    pub reason: Why,
}

/// Collects what one rule reports about one application, or about the host.
#[derive(Debug)]
pub struct Sink {
    rule: &'static Rule,
    app: Option<String>,
    /// The place at which the application is defined, for findings without a better one.
    home: Option<Span>,
    findings: Vec<Finding>,
    skips: Vec<Skip>,
}

impl Sink {
    /// The sink for one rule and one application, or the host.
    pub fn new(rule: &'static Rule, app: Option<&App>) -> Self {
        let mut sink =
            Self { rule, app: None, home: None, findings: Vec::new(), skips: Vec::new() };
        sink.about(app);
        sink
    }

    /// Sets the application, or the host, that all following findings concern. For rules of the
    /// host that determine the application themselves.
    pub fn about(&mut self, app: Option<&App>) -> &mut Self {
        self.app = app.map(|app| app.name.clone());
        self.home = app.and_then(|app| app.service.defined_at());
        self
    }

    /// Starts to report a finding: the consequence first, then the cause with its values. The draft
    /// becomes a finding once its place is given.
    pub fn report(&mut self, message: impl Into<String>) -> Draft<'_> {
        let finding = Finding {
            rule: self.rule,
            severity: self.rule.severity,
            app: self.app.clone(),
            message: message.into(),
            help: String::new(),
            by_hand: Vec::new(),
            labels: Vec::new(),
            evidence: Vec::new(),
            fix: None,
            subject: String::new(),
            also: None,
            home: None,
        };
        Draft { sink: self, finding }
    }

    /// How many findings there are so far.
    pub fn found(&self) -> usize {
        self.findings.len()
    }

    /// The findings, and why parts could not be judged.
    pub fn close(self) -> (Vec<Finding>, Vec<Skip>) {
        let Self { mut findings, skips, .. } = self;
        for finding in &mut findings {
            if finding.labels.is_empty() {
                let home = finding.home;
                finding.at_some(home, "");
            }
        }
        (findings, skips)
    }

    /// Records that a part could not be judged. Identical reasons are kept only once.
    pub fn skip(&mut self, why: &Why) {
        let skip = Skip { code: self.rule.code, app: self.app.clone(), reason: why.clone() };
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }
}

/// A finding that does not have a place yet. It becomes a finding only when its primary place is
/// given: the place that is shown first, that an editor opens, and where a comment suppresses it.
#[derive(Debug)]
#[must_use = "it becomes a finding by saying where it is: `at`, `at_first`, `observed` …"]
pub struct Draft<'s> {
    sink: &'s mut Sink,
    finding: Finding,
}

impl<'s> Draft<'s> {
    /// Sets a severity that differs from the rule's own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// Places the finding here.
    pub fn at(self, span: Span, note: impl Into<String>) -> &'s mut Finding {
        self.at_some(Some(span), note)
    }

    /// Places the finding where a value was set, if that is in a file; see [`Draft::at_some`].
    pub fn at_known<T>(self, value: &Known<T>, note: impl Into<String>) -> &'s mut Finding {
        self.at_some(value.span(), note)
    }

    /// Places the finding here if there is such a place. If there is none, and no other place is
    /// added either, the finding belongs to the unit as a whole.
    pub fn at_some(self, span: Option<Span>, note: impl Into<String>) -> &'s mut Finding {
        self.at_first([(span, note)])
    }

    /// Places the finding at the first of these places that exists; see [`Draft::at_some`].
    pub fn at_first<N: Into<String>>(
        self,
        places: impl IntoIterator<Item = (Option<Span>, N)>,
    ) -> &'s mut Finding {
        let found = places.into_iter().find_map(|(span, note)| Some((span?, note.into())));
        self.at_each(found)
    }

    /// Places the finding at all of these places, the first of which is the primary one; see
    /// [`Draft::at_some`].
    pub fn at_each<N: Into<String>>(
        self,
        places: impl IntoIterator<Item = (Span, N)>,
    ) -> &'s mut Finding {
        let home = self.sink.home;
        let finding = self.enter();
        finding.home = home;
        for (span, note) in places {
            finding.at(span, note);
        }
        finding
    }

    /// Places the finding in no file: the observation (a process, a socket, a response) is all
    /// there is to look at. Places that are added are secondary.
    pub fn observed(self, kind: EvidenceKind, text: impl Into<String>) -> &'s mut Finding {
        let finding = self.enter();
        finding.evidence(kind, text);
        finding
    }

    fn enter(self) -> &'s mut Finding {
        let Self { sink, finding } = self;
        let at = sink.findings.len();
        sink.findings.push(finding);
        &mut sink.findings[at]
    }
}
