//! Findings that somebody accepted, by a comment or in the file of settings: they are not reported,
//! and what they were about is not passed either.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::rule::{Finding, Item, Severity};

/// What decides the items of the checklist: how many findings of an application, item and rule.
#[derive(Debug, Default)]
pub(super) struct Decided<'r>(HashMap<(Option<String>, Item, &'r str), usize>);

/// The codes that decide each item of one application.
pub(super) type Held = BTreeMap<Item, BTreeSet<&'static str>>;

impl Decided<'static> {
    /// By these findings.
    pub(super) fn by(findings: &[Finding]) -> Self {
        let mut decided = HashMap::new();
        for finding in findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
            for item in Item::ALL.into_iter().filter(|item| finding.decides(*item)) {
                let key = (finding.app.clone(), item, finding.rule.code);
                *decided.entry(key).or_default() += 1;
            }
        }
        Self(decided)
    }

    /// What is no longer among those that were left.
    pub(super) fn without(mut self, left: &Self) -> Self {
        self.0.retain(|key, count| left.0.get(key).copied().unwrap_or_default() < *count);
        self
    }

    /// What concerns an application: its own and the host's.
    pub(super) fn of(&self, app: &str) -> Held {
        let mut held = Held::new();
        for (name, item, code) in self.0.keys() {
            if name.as_deref().is_none_or(|name| name == app) {
                held.entry(*item).or_default().insert(code);
            }
        }
        held
    }
}
