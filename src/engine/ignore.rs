//! `[[ignore]]` of the file of settings: findings that are accepted, for a reason and up to a day.

use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use super::Selection;
use crate::facts::{Deployment, Problem};
use crate::host::tidy;
use crate::rule::{EvidenceKind, Finding, Rule, Skip};
use crate::source::Sources;
use crate::source::unit::UnitName;

/// A day as it is written, `2026-05-01`: in this form the order of texts is the order of time. The
/// empty day comes before all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub String);

/// One `[[ignore]]`.
#[derive(Debug, Clone)]
pub struct Ignore {
    /// The rules that it names.
    pub rules: Selection,
    /// The same as it was written.
    pub rule: String,
    /// The application; none: all of them, and the host.
    pub app: Option<String>,
    /// The file of the finding's first place; none: any, and findings that are in no file.
    pub file: Option<IgnoredFile>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub until: Option<Day>,
    /// Where it stands: the file of settings and the line.
    pub place: (PathBuf, usize),
}

/// A pattern for files, with what it takes to compare it with paths as they are reported.
#[derive(Debug, Clone)]
pub struct IgnoredFile {
    /// The pattern.
    pub pattern: GlobMatcher,
    /// The directory of the file of settings.
    pub base: PathBuf,
    /// The working directory as seen from there: relative paths are reported from it.
    pub from: PathBuf,
}

impl IgnoredFile {
    fn names(&self, path: &Path) -> bool {
        if self.pattern.is_match(path) {
            return true;
        }
        if path.is_relative() {
            return self.pattern.is_match(tidy(&self.from.join(path)));
        }
        path.strip_prefix(&self.base).is_ok_and(|path| self.pattern.is_match(path))
    }
}

impl Ignore {
    fn names(&self, finding: &Finding, sources: &Sources) -> bool {
        if !self.rules.includes(finding.rule) {
            return false;
        }
        if let Some(app) = &self.app
            && !finding.app.as_deref().is_some_and(|name| is_named(app, name))
        {
            return false;
        }
        let Some(file) = &self.file else { return true };
        let first = finding.labels.first();
        first.is_some_and(|label| file.names(&sources.file(label.span.file).path))
    }

    fn is_past(&self, today: &Day) -> bool {
        self.until.as_ref().is_some_and(|until| until < today)
    }

    fn stands(&self) -> String {
        format!("{}:{}", self.place.0.display(), self.place.1)
    }

    fn problem(&self, message: String) -> Problem {
        Problem { path: self.place.0.clone(), line: Some(self.place.1), message, note: true }
    }
}

/// Does a user's word name this unit: `myapp`, `myapp.service`; `web@` for all of its instances?
pub fn is_named(word: &str, unit: &str) -> bool {
    let (Some(word), Some(unit)) = (UnitName::parse(word), UnitName::parse(unit)) else {
        return word == unit;
    };
    word == unit || unit.template().is_some_and(|template| word == template)
}

/// What was looked at, to tell what is not needed from what nobody can tell.
pub(super) struct Looked<'a> {
    /// The rules that ran.
    pub selected: &'a [&'static Rule],
    /// Those that could not judge.
    pub skips: &'a [Skip],
    /// What they looked at.
    pub deployment: &'a Deployment,
    /// The files.
    pub sources: &'a Sources<'a>,
}

impl Looked<'_> {
    /// Did all of these rules judge this application, or everything where none is named? Where one
    /// did not, nobody can say that what holds it back is not needed.
    pub(super) fn judged(&self, named: impl Fn(&Rule) -> bool, app: Option<&str>) -> bool {
        let mut mine = self.selected.iter().filter(|rule| named(rule)).peekable();
        let there = |app: &str| self.deployment.apps.iter().any(|one| is_named(app, &one.name));
        let skipped = |rule: &Rule| {
            self.skips.iter().any(|skip| {
                let theirs = match (app, skip.app.as_deref()) {
                    (Some(app), Some(name)) => is_named(app, name),
                    _ => true,
                };
                skip.code == rule.code && theirs
            })
        };
        mine.peek().is_some() && app.is_none_or(there) && mine.all(|rule| !skipped(rule))
    }
}

/// Takes out what an entry holds back. Returns what is left, how many were held back, and which
/// entries hold nothing back or no longer count.
pub(super) fn apply(
    findings: Vec<Finding>,
    ignores: &[Ignore],
    today: &Day,
    looked: &Looked<'_>,
) -> (Vec<Finding>, usize, Vec<Problem>) {
    let mut used = vec![0_usize; ignores.len()];
    let before = findings.len();
    let mut kept = Vec::with_capacity(before);
    for mut finding in findings {
        let mut held = false;
        let mut past = None;
        for (ignore, used) in ignores.iter().zip(&mut used) {
            if ignore.names(&finding, looked.sources) {
                *used += 1;
                match ignore.is_past(today) {
                    true => past = Some(ignore),
                    false => held = true,
                }
            }
        }
        if held {
            continue;
        }
        if let Some(ignore) = past
            && let Some(until) = &ignore.until
        {
            finding.evidence(
                EvidenceKind::File,
                format!(
                    "back again: {} accepted it until {} ({})",
                    ignore.stands(),
                    until.0,
                    ignore.reason
                ),
            );
        }
        kept.push(finding);
    }
    let mut problems = Vec::new();
    for (ignore, used) in ignores.iter().zip(used) {
        let rule = &ignore.rule;
        if ignore.is_past(today) {
            let until = ignore.until.as_ref().map_or("", |until| until.0.as_str());
            problems.push(ignore.problem(match used {
                0 => format!("the ignore of {rule} ended on {until}: remove it"),
                1 => format!("the ignore of {rule} ended on {until}: its finding is back"),
                _ => format!("the ignore of {rule} ended on {until}: its {used} findings are back"),
            }));
        } else if used == 0
            && looked.judged(|rule| ignore.rules.includes(rule), ignore.app.as_deref())
        {
            problems.push(
                ignore.problem(format!("the ignore of {rule} holds no finding back: remove it")),
            );
        }
    }
    let suppressed = before - kept.len();
    (kept, suppressed, problems)
}
