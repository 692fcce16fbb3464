//! Findings that somebody accepted, by a comment or in the settings file: they are not reported,
//! but the checklist item they belong to does not count as passed either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Day, Reported};
use crate::rule::{Finding, Item, Severity};

/// A finding that is not reported, and who accepted it.
#[derive(Debug, Clone)]
pub struct Suppressed {
    /// The finding.
    pub reported: Reported,
    /// Who.
    pub by: Acceptance,
}

/// What a comment or an entry says for a finding.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Is it a comment in a checked file? Else an `[[ignore]]` of the settings file.
    pub comment: bool,
    /// The file that it is in.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub until: Option<Day>,
}

/// The codes of accepted findings that would decide an item of the checklist.
pub(super) type Held = BTreeMap<Item, BTreeSet<&'static str>>;

/// What accepted findings would have decided.
pub(super) fn by_item<'a>(accepted: impl IntoIterator<Item = &'a Finding>) -> Held {
    let mut held = Held::new();
    let accepted = accepted.into_iter();
    for finding in accepted.filter(|finding| finding.severity >= Severity::Warning) {
        for item in Item::ALL.into_iter().filter(|item| finding.decides(*item)) {
            held.entry(item).or_default().insert(finding.rule.code);
        }
    }
    held
}
