//! What a rule reports: the finding, where it is, the evidence for it, and what to do. See
//! [`Draft`](super::Draft) for how it gets its primary location.

use serde::Serialize;

use super::{Edit, Item, Rule, Severity};
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
    /// Only a person can do it; the help contains the commands.
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

/// Which findings the fault that a fix repairs may have hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uncovers {
    /// None: every finding that appears is the fault of the fix.
    Nothing,
    /// Findings of these rules.
    Rules(&'static [&'static str]),
    /// Findings of any rule, because nothing could be read at all.
    Anything,
}

impl Uncovers {
    /// Whether a finding of this rule may have been hidden.
    pub fn holds(self, code: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::Rules(codes) => codes.contains(&code),
            Self::Anything => true,
        }
    }
}

/// A fix that would remove a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// How it may be applied.
    pub safety: Safety,
    /// What it does, in one line.
    pub title: String,
    /// The changes; empty if only words say what to do.
    pub edits: Vec<Edit>,
    /// Why no change is made, if one was asked for.
    pub refused: Option<Why>,
    /// The findings that the fix may uncover: until this finding is fixed, further faults could not
    /// be seen.
    pub uncovers: Uncovers,
}

impl Fix {
    /// Adds a change.
    pub fn edit(&mut self, edit: Edit) -> &mut Self {
        self.edits([edit])
    }

    /// Adds several changes.
    pub fn edits(&mut self, edits: impl IntoIterator<Item = Edit>) -> &mut Self {
        self.edits.extend(edits);
        self
    }

    /// Declares that the repaired fault hid other findings, which may appear once it is fixed.
    pub fn uncovers(&mut self) -> &mut Self {
        self.uncovers = Uncovers::Anything;
        self
    }

    /// Like [`Fix::uncovers()`], only for findings of these rules.
    pub fn uncovers_rules(&mut self, codes: &'static [&'static str]) -> &mut Self {
        self.uncovers = Uncovers::Rules(codes);
        self
    }
}

/// A range of source text that a finding mentions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The range.
    pub span: Span,
    /// What can be seen there; may be empty.
    pub note: String,
}

/// The kind of observation that supports a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A process.
    Process,
    /// A socket.
    Socket,
    /// A file, directory or link itself.
    File,
    /// The output of a command.
    Command,
    /// A line of the journal or a log.
    Journal,
    /// A response over HTTP.
    Http,
}

/// An observation that is not a range of source text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Its kind.
    pub kind: EvidenceKind,
    /// A description on one line, without any value of an environment variable.
    pub text: String,
}

/// A fault that a rule found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The rule that reports it.
    pub rule: &'static Rule,
    /// The rule's severity, unless this case is milder or worse.
    pub severity: Severity,
    /// The application; `None` for the host.
    pub app: Option<String>,
    /// The consequence first, then the cause with its values.
    pub message: String,
    /// What to do, with the commands to type.
    pub help: String,
    /// The places that it mentions; the first is the primary one. Empty if the finding is about a
    /// process, a socket or a response, and no file is the place to look at: see
    /// [`Draft::observed`](super::Draft::observed).
    pub labels: Vec<Label>,
    /// Other observations.
    pub evidence: Vec<Evidence>,
    /// The fix that would remove it.
    pub fix: Option<Fix>,
    /// The changes that a person must make if no edit makes them; see [`Finding::by_hand`].
    pub(super) by_hand: Vec<Edit>,
    /// Distinguishes the finding from others of the same rule in the same file when lines move; if
    /// empty, the primary label's text is used.
    pub subject: String,
    /// A second item of the checklist that fails with this finding, in addition to the rule's own.
    pub(super) also: Option<Item>,
    /// The place to use if the finding names none: see [`Draft::at_some`](super::Draft::at_some).
    pub(super) home: Option<Span>,
}

impl Finding {
    /// Adds a place.
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

    /// Sets the help: what to do, with the commands to type.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = text.into();
        self
    }

    /// Adds a fix that would remove the finding; its edits are added to the returned [`Fix`].
    pub fn fix(&mut self, safety: Safety, title: impl Into<String>) -> &mut Fix {
        self.fix.insert(Fix {
            safety,
            title: title.into(),
            edits: Vec::new(),
            refused: None,
            uncovers: Uncovers::Nothing,
        })
    }

    /// Adds a fix with its edits. Without edits (`None`), the fix is left to a person.
    pub fn fix_if(
        &mut self,
        safety: Safety,
        title: impl Into<String>,
        edits: impl IntoIterator<Item = Edit>,
    ) -> &mut Fix {
        let edits: Vec<Edit> = edits.into_iter().collect();
        let safety = if edits.is_empty() { Safety::Manual } else { safety };
        self.fix(safety, title).edits(edits)
    }

    /// Like [`Finding::fix_if`], for edits that are either made or refused with a reason that is
    /// then reported.
    pub fn fix_or_why(
        &mut self,
        safety: Safety,
        title: impl Into<String>,
        edits: Result<Vec<Edit>, Why>,
    ) -> &mut Fix {
        let (edits, refused) = match edits {
            Ok(edits) => (edits, None),
            Err(why) => (Vec::new(), Some(why)),
        };
        let fix = self.fix_if(safety, title, edits);
        fix.refused = refused;
        fix
    }

    /// Adds an observation.
    pub fn evidence(&mut self, kind: EvidenceKind, text: impl Into<String>) -> &mut Self {
        self.evidence.push(Evidence { kind, text: text.into() });
        self
    }

    /// Counts the finding for another item of the checklist as well.
    pub fn also(&mut self, item: Item) -> &mut Self {
        self.also = Some(item);
        self
    }

    /// Whether the finding decides this item of the checklist.
    pub fn decides(&self, item: Item) -> bool {
        self.rule.item == item || self.also == Some(item)
    }

    /// Sets a severity that differs from the rule's own.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Sets what distinguishes the finding (a variable's name, a path); see
    /// [`Finding::subject`].
    pub fn subject(&mut self, text: impl Into<String>) -> &mut Self {
        self.subject = text.into();
        self
    }
}
