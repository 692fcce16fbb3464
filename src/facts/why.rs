//! Why something is not known.

use std::fmt;

use serde::Serialize;

/// What is in the way of a fact. Code that distinguishes reasons uses this and not their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhyKind {
    /// Only a live host shows it: a file tree or a repository was read.
    NeedsLivingHost,
    /// Only `--preflight` shows it, which was not given.
    NeedsPreflight,
    /// Only `--probe URL` shows it, which was not given.
    NeedsProbe,
    /// Something that runs knows it (the database its revision), and was not asked.
    NotAsked,
    /// What says it is there, or may be, and was not read.
    NotRead,
    /// It was read, and not understood.
    NotUnderstood,
    /// It depends on something that files do not show: a version, a resolver, what code does.
    DependsOn,
    /// What it would be about is not there: no release link, no such user, no setting of the name.
    NotThere,
    /// It compares with what somebody expects, and nobody said that anything is expected. It leaves
    /// nothing open.
    NothingExpected,
}

impl WhyKind {
    /// Does it leave a question open?
    pub fn is_open(self) -> bool {
        self != Self::NothingExpected
    }

    /// Would more have to be asked for? Such a reason takes no verdict away.
    pub fn needs_more(self) -> bool {
        matches!(self, Self::NeedsLivingHost | Self::NeedsPreflight | Self::NeedsProbe)
    }
}

/// Why a value is not known. A rule that needs it is skipped with these words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    kind: WhyKind,
    text: String,
}

impl Why {
    /// A reason in a few words, of a kind. One that quotes another is made by [`Why::about`] or
    /// [`Why::reword`], which keep its kind.
    pub fn of(kind: WhyKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Something was not read: `the venv was not read`.
    pub fn not_read(text: impl Into<String>) -> Self {
        Self::of(WhyKind::NotRead, text)
    }

    /// Something was read and not understood: `ListenStream= is not understood`.
    pub fn not_understood(text: impl Into<String>) -> Self {
        Self::of(WhyKind::NotUnderstood, text)
    }

    /// Something that knows it was not asked: `no command is run here (--no-exec)`.
    pub fn not_asked(text: impl Into<String>) -> Self {
        Self::of(WhyKind::NotAsked, text)
    }

    /// There is nothing that it could be about: `no release link is on the way`.
    pub fn not_there(text: impl Into<String>) -> Self {
        Self::of(WhyKind::NotThere, text)
    }

    /// It depends on what files do not show: `the default depends on gunicorn's version`.
    pub fn depends(text: impl Into<String>) -> Self {
        Self::of(WhyKind::DependsOn, text)
    }

    /// Nobody said what to compare with: `no --expect-version was given`.
    pub fn nothing_expected(text: impl Into<String>) -> Self {
        Self::of(WhyKind::NothingExpected, text)
    }

    /// A fact of the live host, and a file tree or a repository was read.
    pub fn not_live() -> Self {
        Self::of(WhyKind::NeedsLivingHost, "only a live host shows this")
    }

    /// A fact that only `--preflight` shows.
    pub fn no_preflight() -> Self {
        Self::of(WhyKind::NeedsPreflight, "only --preflight shows this")
    }

    /// A fact that only `--probe` shows.
    pub fn no_probe() -> Self {
        Self::of(WhyKind::NeedsProbe, "only --probe URL shows this")
    }

    /// What is in the way.
    pub fn kind(&self) -> WhyKind {
        self.kind
    }

    /// The words.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same reason, with what it is about before it: `PORT: the value contains a placeholder`.
    #[must_use]
    pub fn about(&self, subject: impl fmt::Display) -> Self {
        self.reword(|text| format!("{subject}: {text}"))
    }

    /// The same reason in other words.
    #[must_use]
    pub fn reword(&self, change: impl FnOnce(&str) -> String) -> Self {
        Self { kind: self.kind, text: change(&self.text) }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
