//! Findings that somebody accepted, by a comment or in the settings file: they are not reported,
//! but their item of the checklist does not count as passed either.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Day, Reported};
use crate::rule::{Finding, Item, Severity};

/// A finding that is not reported, and what accepted it.
#[derive(Debug, Clone)]
pub struct Suppressed {
    /// The finding.
    pub reported: Reported,
    /// Where it was accepted.
    pub by: Acceptance,
}

/// A comment or an entry that accepts a finding.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Whether it is a comment in a checked file, rather than an `[[ignore]]` in the settings file.
    pub comment: bool,
    /// The file that contains it.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// The reason that it gives.
    pub reason: String,
    /// The last day on which it applies.
    pub until: Option<Day>,
}

/// The codes of accepted findings that would decide an item of the checklist.
pub(super) type Held = BTreeMap<Item, BTreeSet<&'static str>>;

/// Groups accepted findings by the items that they would have decided.
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
