//! What a rule reports: the finding, where it is, why it is believed, and what to do. See
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
    /// Why no change is made, where one was asked for.
    pub refused: Option<Why>,
    /// Which findings its fix may uncover: until this one is fixed, further faults could not be
    /// seen.
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

    /// Says that what the fix repairs hid other findings, which may appear once it is made.
    pub fn uncovers(&mut self) -> &mut Self {
        self.uncovers = Uncovers::Anything;
        self
    }

    /// The same, only for findings of these rules.
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

/// An observation that is not a range of source text.
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
    /// The places it mentions; the first is the primary one. None where it is about a process, a
    /// socket or an answer, and no file is the place to look at: see
    /// [`Draft::observed`](super::Draft::observed).
    pub labels: Vec<Label>,
    /// Other observations.
    pub evidence: Vec<Evidence>,
    /// What would remove it.
    pub fix: Option<Fix>,
    /// What a person is meant to change where no edit does it; see [`Finding::by_hand`].
    pub(super) by_hand: Vec<Edit>,
    /// What distinguishes it from other findings of the rule in the same file when lines move; the
    /// primary label's text where it is empty.
    pub subject: String,
    /// The item of the checklist that fails with it, besides the rule's own.
    pub(super) also: Option<Item>,
    /// The place of what names none: see [`Draft::at_some`](super::Draft::at_some).
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

    /// Says what to type.
    pub fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help = text.into();
        self
    }

    /// Says what would remove it; what that changes is added to the fix that this returns.
    pub fn fix(&mut self, safety: Safety, title: impl Into<String>) -> &mut Fix {
        self.fix.insert(Fix {
            safety,
            title: title.into(),
            edits: Vec::new(),
            refused: None,
            uncovers: Uncovers::Nothing,
        })
    }

    /// Says what would remove it and what that changes; where nothing can be changed, it is left
    /// to a person.
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

    /// The same for changes that are made, or refused for a reason that is then told.
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

    /// Counts it for another item of the checklist as well.
    pub fn also(&mut self, item: Item) -> &mut Self {
        self.also = Some(item);
        self
    }

    /// Does it decide this item of the checklist?
    pub fn decides(&self, item: Item) -> bool {
        self.rule.item == item || self.also == Some(item)
    }

    /// Makes this case milder or worse than the rule says.
    pub fn severity(&mut self, severity: Severity) -> &mut Self {
        self.severity = severity;
        self
    }

    /// Names what distinguishes it (a variable's name, a path); see [`Finding::subject`].
    pub fn subject(&mut self, text: impl Into<String>) -> &mut Self {
        self.subject = text.into();
        self
    }
}
