//! Findings that somebody accepted, by a comment or in the file of settings: they are not reported,
//! and what they were about is not passed either.

use std::collections::{BTreeMap, BTreeSet};

use crate::rule::{Finding, Item, Severity};

/// The codes of accepted findings that would decide an item of the checklist.
pub(super) type Held = BTreeMap<Item, BTreeSet<&'static str>>;

/// What accepted findings would have decided.
pub(super) fn by_item(accepted: &[&Finding]) -> Held {
    let mut held = Held::new();
    for finding in accepted.iter().filter(|finding| finding.severity >= Severity::Warning) {
        for item in Item::ALL.into_iter().filter(|item| finding.decides(*item)) {
            held.entry(item).or_default().insert(finding.rule.code);
        }
    }
    held
}
