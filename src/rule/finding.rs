//! What a rule reports: the finding, where it is, why it is believed, and what to do.

use serde::Serialize;

use super::{Edit, Rule, Severity};
use crate::facts::{Known, Why};
use crate::source::Span;

/// How a fix may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Changes nothing beyond the finding.
    Safe,
    /// Changes behaviour beyond the finding, or needs a restart.
    Unsafe,
    /// Only a person can do it; the help says the commands.
    Manual,
}

impl Safety {
    /// The word used in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
            Self::Manual => "manual",
        }
    }
}

/// Which findings were hidden by what a fix repairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncovers {
    /// None: whatever appears was brought by the fix.
    Nothing,
    /// Those of these rules.
    Rules(&'static [&'static str]),
    /// Of any rule: nothing was read at all.
    Anything,
}

impl Uncovers {
    /// Is a finding of this rule one of them?
    pub fn holds(self, code: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Rules(codes) => codes.contains(&code),
            Self::Anything => true,
        }
    }
}

/// What would remove a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// How it may be applied.
    pub safety: Safety,
    /// What it does, in one line.
    pub title: String,
    /// The changes; none where only words say what to do.
    pub edits: Vec<Edit>,
    /// Which findings may come to light with it: as long as nothing got through, what else is
    /// wrong could not be seen.
    pub uncovers: Uncovers,
}

/// A range of source text that a finding speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The range.
    pub span: Span,
    /// What is to be seen there; may be empty.
    pub note: String,
}

/// What kind of observation supports a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A process.
    Process,
    /// A socket.
    Socket,
    /// A file, directory or link as such.
    File,
    /// A command's answer.
    Command,
    /// A line of the journal or a log.
    Journal,
    /// An answer over HTTP.
    Http,
}

/// An observation that is no range of source text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its kind.
    pub kind: EvidenceKind,
    /// In one line, without any value of an environment variable.
    pub text: String,
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule that reports it.
    pub rule: &'static Rule,
    /// The rule's severity, unless this case is milder or worse.
    pub severity: Severity,
    /// The application; none for the host.
    pub app: Option<String>,
    /// The consequence first, then the cause with its values.
    pub message: String,
    /// What to type.
    pub help: String,
    /// The places it speaks of; the first is the primary one.
    pub labels: Vec<Label>,
    /// Other observations.
    pub evidence: Vec<Evidence>,
    /// What would remove it.
    pub fix: Option<Fix>,
    /// What tells it apart from other findings of the rule in the same file when lines move; the
    /// primary label's text where it is empty.
    pub subject: String,
}

impl Finding {
    /// Adds a place. The first one added is the primary one.
    pub fn at(&mut self, span: Span, note: impl Into<String>) -> &mut Self {
        self.labels.push(Label { span, note: note.into() });
        self
    }

    /// Adds the place where a value was set, if it was set in a file.
    pub fn at_known<T>(&mut self, value: &Known<T>, note: impl Into<String>) -> &mut Self {
        if let Some(span) = value.span() {
            self.at(span, note);
        }
        self
    }

    /// Adds a place if there is one.
    pub fn at_some(&mut self, span: Option<Span>, note: impl Into<String>) -> &mut Self {
        if let Some(span) = span {
            self.at(span, note);
        }
        self
    }

    /// Says what to type.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = text.into();
        self
    }

    /// Says what would remove it.
    pub fn fix(&mut self, safety: Safety, title: impl Into<String>) -> &mut Self {
        self.fix = Some(Fix {
            safety,
            title: title.into(),
            edits: Vec::new(),
            uncovers: Uncovers::Nothing,
        });
        self
    }

    /// Adds what the fix that was named before changes.
    pub fn edit(&mut self, edit: Edit) -> &mut Self {
        self.edits([edit])
    }

    /// Adds several changes; see [`Finding::edit`].
    pub fn edits(&mut self, edits: impl IntoIterator<Item = Edit>) -> &mut Self {
        if let Some(fix) = &mut self.fix {
            fix.edits.extend(edits);
        }
        self
    }

    /// Says that what the fix repairs hid other findings, which may appear once it is made.
    pub fn uncovers(&mut self) -> &mut Self {
        self.uncover(Uncovers::Anything)
    }

    /// The same for findings of these rules alone.
    pub fn uncovers_rules(&mut self, codes: &'static [&'static str]) -> &mut Self {
        self.uncover(Uncovers::Rules(codes))
    }

    fn uncover(&mut self, uncovers: Uncovers) -> &mut Self {
        if let Some(fix) = &mut self.fix {
            fix.uncovers = uncovers;
        }
        self
    }

    /// Adds an observation.
    pub fn evidence(&mut self, kind: EvidenceKind, text: impl Into<String>) -> &mut Self {
        self.evidence.push(Evidence { kind, text: text.into() });
        self
    }

    /// Makes this case milder or worse than the rule says.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Names what tells it apart (a variable's name, a path); see [`Finding::subject`].
    pub fn subject(&mut self, text: impl Into<String>) -> &mut Self {
        self.subject = text.into();
        self
    }
}

/// A rule that could not judge, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The rule's code.
    pub code: &'static str,
    /// The application; none for the host.
    pub app: Option<String>,
    /// Why.
    pub reason: String,
}

/// Takes what one rule reports on one application.
#[derive(Debug)]
pub struct Sink {
    rule: &'static Rule,
    app: Option<String>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Why parts of it could not be judged.
    pub skips: Vec<Skip>,
}

impl Sink {
    /// For one rule and one application, or the host.
    pub fn new(rule: &'static Rule, app: Option<&str>) -> Self {
        Self { rule, app: app.map(Into::into), findings: Vec::new(), skips: Vec::new() }
    }

    /// Says whom all that follows concerns: an application, or the host. For rules of the host
    /// that find that out by themselves.
    pub fn about(&mut self, app: Option<&str>) -> &mut Self {
        self.app = app.map(Into::into);
        self
    }

    /// Reports a finding: the consequence first, then the cause with its values.
    pub fn report(&mut self, message: impl Into<String>) -> &mut Finding {
        let at = self.findings.len();
        self.findings.push(Finding {
            rule: self.rule,
            severity: self.rule.severity,
            app: self.app.clone(),
            message: message.into(),
            help: String::new(),
            labels: Vec::new(),
            evidence: Vec::new(),
            fix: None,
            subject: String::new(),
        });
        &mut self.findings[at]
    }

    /// Says that a part could not be judged. A reason is kept once.
    pub fn skip(&mut self, why: &Why) {
        let skip = Skip { code: self.rule.code, app: self.app.clone(), reason: why.0.clone() };
        if !self.skips.contains(&skip) {
            self.skips.push(skip);
        }
    }
}
