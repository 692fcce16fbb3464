//! Collects what rules report: every finding must say where it is.

use super::{EvidenceKind, Finding, Rule, Severity};
use crate::facts::{App, Known, Why};
use crate::source::Span;

/// A rule that could not judge, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The rule's code.
    pub code: &'static str,
    /// The application; none for the host.
    pub app: Option<String>,
    /// Why.
    pub reason: Why,
}

/// Takes what one rule reports on one application, or on the host.
#[derive(Debug)]
pub struct Sink {
    rule: &'static Rule,
    app: Option<String>,
    /// Where the application is defined: the place of what has no better one.
    home: Option<Span>,
    findings: Vec<Finding>,
    skips: Vec<Skip>,
}

impl Sink {
    /// For one rule and one application, or the host.
    pub fn new(rule: &'static Rule, app: Option<&App>) -> Self {
        let mut sink =
            Self { rule, app: None, home: None, findings: Vec::new(), skips: Vec::new() };
        sink.about(app);
        sink
    }

    /// Says whom all that follows concerns: an application, or the host. For rules of the host
    /// that find that out by themselves.
    pub fn about(&mut self, app: Option<&App>) -> &mut Self {
        self.app = app.map(|app| app.name.clone());
        self.home = app.and_then(|app| app.service.defined_at());
        self
    }

    /// Reports a finding: the consequence first, then the cause with its values. It is one as soon
    /// as it says where it is.
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

    /// How much was found so far.
    pub fn found(&self) -> usize {
        self.findings.len()
    }

    /// What was found, and why parts of it could not be judged.
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

    /// Says that a part could not be judged. A reason is kept once.
    pub fn skip(&mut self, why: &Why) {
        let skip = Skip { code: self.rule.code, app: self.app.clone(), reason: why.clone() };
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }
}

/// What is to be reported, and does not say yet where it is. It has no other way to become a
/// finding than by its primary place, which is what is shown first, what an editor opens, and where
/// a comment suppresses it.
#[derive(Debug)]
#[must_use = "it becomes a finding by saying where it is: `at`, `at_first`, `observed` …"]
pub struct Draft<'s> {
    sink: &'s mut Sink,
    finding: Finding,
}

impl<'s> Draft<'s> {
    /// Makes this case milder or worse than the rule says.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// It is there.
    pub fn at(self, span: Span, note: impl Into<String>) -> &'s mut Finding {
        self.at_some(Some(span), note)
    }

    /// It is where a value was set, if that was in a file; see [`Draft::at_some`].
    pub fn at_known<T>(self, value: &Known<T>, note: impl Into<String>) -> &'s mut Finding {
        self.at_some(value.span(), note)
    }

    /// It is there if there is such a place; if there is none, and none is named behind it either,
    /// it belongs to the unit as a whole.
    pub fn at_some(self, span: Option<Span>, note: impl Into<String>) -> &'s mut Finding {
        self.at_first([(span, note)])
    }

    /// It is at the first of these that there is; see [`Draft::at_some`].
    pub fn at_first<N: Into<String>>(
        self,
        places: impl IntoIterator<Item = (Option<Span>, N)>,
    ) -> &'s mut Finding {
        let found = places.into_iter().find_map(|(span, note)| Some((span?, note.into())));
        self.at_each(found)
    }

    /// It is at all of these, the first of which is the primary place; see [`Draft::at_some`].
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

    /// It is in no file: the observation (a process, a socket, an answer) is all there is to look
    /// at. Places that are named besides come behind it.
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
