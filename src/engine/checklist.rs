//! The zero-downtime checklist and the verdict.

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;

use super::held::Held;
use crate::rule::{Finding, Item, Rule, Severity, Skip};

/// The status of an item of the checklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Everything that belongs to the item was examined, and nothing is wrong.
    Pass,
    /// Something is wrong.
    Fail,
    /// Something may go wrong.
    Warn,
    /// Only a live host can answer the item, or part of it could not be examined; nothing wrong was
    /// seen in the rest.
    Unknown,
}

/// What a pass is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SeenIn {
    /// Files alone: what only a live host shows was not examined.
    Files,
    /// The files of a live host, and the host itself.
    Host,
}

/// One item of the checklist.
#[derive(Debug, Clone)]
pub struct ChecklistItem {
    /// Which item.
    pub item: Item,
    /// Its status.
    pub status: Status,
    /// The basis of a pass; `None` if the item did not pass.
    pub seen: Option<SeenIn>,
    /// Whether it is unknown only because no file can answer it.
    pub needs_host: bool,
    /// The codes of the rules that found something, in order.
    pub findings: Vec<&'static str>,
    /// The codes of the rules that could not judge, in order.
    pub skipped: Vec<&'static str>,
    /// The codes of accepted findings: they are not counted, but their faults are not repaired
    /// either.
    pub accepted: Vec<&'static str>,
    /// Why it is unknown, if the reason is more than a missing host.
    pub why: Option<String>,
}

/// The answer for an application in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A reload loses nothing, as far as the files and the host that were read can show.
    ZeroDowntime,
    /// A reload may lose something.
    AtRisk,
    /// A reload now loses requests, serves old code or takes the site down.
    WillBreak,
    /// Too little was read for a verdict.
    Unknown,
}

impl Verdict {
    /// The word used in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::ZeroDowntime => "zero-downtime",
            Self::AtRisk => "at-risk",
            Self::WillBreak => "will-break",
            Self::Unknown => "unknown",
        }
    }
}

/// The findings and skips that concern one application: its own and the host's.
pub(super) struct Concern<'a> {
    /// Findings.
    pub findings: Vec<&'a Finding>,
    /// Skips, by the rule's code; each rule and each item looks up some of them.
    pub skips: FxHashMap<&'static str, Vec<&'a Skip>>,
    /// The accepted findings, by item. They are no longer reported, but not repaired either.
    pub held: Held,
    /// Whether a live host was examined, and not its files alone.
    pub living: bool,
}

impl Concern<'_> {
    /// The first reason why one of these rules could not judge, other than that files alone cannot
    /// answer.
    fn in_the_way(&self, codes: &[&str]) -> Option<String> {
        let mut mine = codes.iter().filter_map(|code| self.skips.get(code)).flatten();
        mine.find(|skip| !skip.reason.kind().needs_more()).map(|skip| skip.reason.to_string())
    }

    /// Whether a rule could not judge only because files alone cannot answer it.
    fn needs_more(&self, code: &str) -> bool {
        let more = |skip: &&Skip| skip.reason.kind().needs_more();
        self.skips.get(code).is_some_and(|mine| mine.iter().all(more))
    }
}

/// The items for one application. A finding of the host counts for every application.
pub(super) fn judge(
    rules: &[&'static Rule],
    selected: &FxHashSet<&'static str>,
    concern: &Concern<'_>,
) -> Vec<ChecklistItem> {
    Item::ALL
        .into_iter()
        .map(|item| {
            let mine = concern.findings.iter().filter(|f| f.decides(item));
            let mut found: Vec<&'static str> = mine.clone().map(|f| f.rule.code).collect();
            // Errors and warnings of one rule need not be adjacent.
            found.sort_unstable();
            found.dedup();
            let worst = mine.map(|f| f.severity).max();
            let (mut any, mut judged, mut skipped) = (false, false, Vec::new());
            for rule in rules.iter().filter(|rule| rule.item == item) {
                // A rule that the user left out was not run either.
                let asked = selected.contains(rule.code);
                let silent = asked && !concern.skips.contains_key(rule.code);
                any |= asked;
                judged |= silent;
                if !silent {
                    skipped.push(rule.code);
                }
            }
            // Questions that files can answer are answered by the files. On a live host, the other
            // rules could have been answered too, so the item does not pass without them.
            let beyond_files = skipped.iter().all(|code| concern.needs_more(code));
            let status = match worst {
                Some(Severity::Error) => Status::Fail,
                Some(Severity::Warning) => Status::Warn,
                _ if concern.held.contains_key(&item) => Status::Unknown,
                _ if judged && skipped.is_empty() => Status::Pass,
                _ if judged && beyond_files && !concern.living => Status::Pass,
                _ => Status::Unknown,
            };
            let seen = match (status, concern.living) {
                (Status::Pass, true) => Some(SeenIn::Host),
                (Status::Pass, false) => Some(SeenIn::Files),
                _ => None,
            };
            let needs_host = status == Status::Unknown
                && any
                && beyond_files
                && !concern.living
                && !concern.held.contains_key(&item);
            let held = concern.held.get(&item).into_iter().flatten();
            let accepted = held.copied().collect();
            let why = match status {
                Status::Unknown => concern.in_the_way(&skipped),
                _ => None,
            };
            ChecklistItem {
                item,
                status,
                seen,
                needs_host,
                findings: found,
                skipped,
                accepted,
                why,
            }
        })
        .collect()
}

/// The verdict follows from the findings; without findings, it depends on what could not be
/// examined.
pub(super) fn verdict(checklist: &[ChecklistItem], concern: &Concern<'_>) -> Verdict {
    let mine = || concern.findings.iter();
    if mine().any(|f| f.severity == Severity::Error && f.rule.impact.breaks_reload()) {
        return Verdict::WillBreak;
    }
    if mine().any(|f| f.severity >= Severity::Warning) {
        return Verdict::AtRisk;
    }
    // Files cannot answer what only a live host shows, and the user did not request what only an
    // option shows. Such an item stays unknown in the list, but does not by itself make the verdict
    // unknown.
    let undecided = checklist.iter().any(|item| {
        item.status == Status::Unknown && item.skipped.iter().any(|code| !concern.needs_more(code))
    });
    let undecided = undecided || !concern.held.is_empty();
    let passed = checklist.iter().any(|item| item.status == Status::Pass);
    if passed && !undecided { Verdict::ZeroDowntime } else { Verdict::Unknown }
}
