//! `[[ignore]]` in the settings file: findings that are accepted, for a reason and until a day.

use std::path::{Path, PathBuf};

use globset::GlobMatcher;

use super::{Acceptance, Day, Selection};
use crate::facts::{Deployment, Problem};
use crate::host::tidy;
use crate::rule::{EvidenceKind, Finding, Rule, Skip};
use crate::source::Sources;
use crate::source::similar::nearest;
use crate::source::unit::UnitName;

/// One `[[ignore]]`.
#[derive(Debug, Clone)]
pub struct Ignore {
    /// The rules that it names.
    pub rules: Selection,
    /// The same as it was written.
    pub rule: String,
    /// The application; none: all of them, and the host.
    pub app: Option<Named>,
    /// The file of the finding's first place; none: any, and findings that are in no file.
    pub file: Option<IgnoredFile>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts.
    pub until: Option<Day>,
    /// Where it is: the settings file and the line.
    pub place: (PathBuf, usize),
}

/// A pattern for files, with what it takes to compare it with paths as they are reported.
#[derive(Debug, Clone)]
pub struct IgnoredFile {
    /// The pattern.
    pub pattern: GlobMatcher,
    /// The directory of the settings file.
    pub base: PathBuf,
    /// The working directory: relative paths are reported from it.
    pub working: PathBuf,
}

impl IgnoredFile {
    /// A relative path starts at the directory of the settings file, wherever the program was
    /// called.
    fn names(&self, path: &Path) -> bool {
        let full = tidy(&self.working.join(path));
        match full.strip_prefix(&self.base) {
            Ok(below) if self.pattern.is_match(below) => true,
            Ok(_) if path.is_relative() => self.pattern.is_match(&full),
            _ => self.pattern.is_match(path),
        }
    }
}

/// An application as a settings file names it: by its unit's name or, where several units of a
/// repository have one name, by the unit's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// As it was written.
    pub word: String,
    /// The unit's path, absolute.
    path: Option<PathBuf>,
    /// Where relative paths start that are reported.
    working: PathBuf,
}

impl Named {
    /// From a word; paths start from `base`, those that are reported from `working`. Nothing where
    /// it can be no unit's name.
    pub fn new(word: &str, base: &Path, working: &Path) -> Option<Self> {
        let path = word.contains('/').then(|| tidy(&base.join(word)));
        let file = path.as_deref().and_then(Path::file_name);
        match file {
            Some(file) => UnitName::exact(&file.to_string_lossy())?,
            None => UnitName::parse(word)?,
        };
        Some(Self { word: word.to_owned(), path, working: working.to_path_buf() })
    }

    /// Does it name this unit, as it is reported and by its file?
    pub fn is(&self, name: &str, unit: Option<&Path>) -> bool {
        let reported = name.contains('/').then(|| Path::new(name));
        let file = unit.or(reported);
        match &self.path {
            Some(path) => file.is_some_and(|file| tidy(&self.working.join(file)) == *path),
            None => {
                let bare = reported.and_then(Path::file_name);
                is_named(&self.word, &bare.map_or(name.into(), |bare| bare.to_string_lossy()))
            }
        }
    }

    /// Do both name the same?
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (None, None) => UnitName::parse(&self.word) == UnitName::parse(&other.word),
            (one, two) => one == two,
        }
    }

    /// What may have been meant, behind what is said about a name that is nobody's.
    pub fn meant<'a>(&self, names: impl Iterator<Item = &'a str>) -> String {
        let bare = |name: &'a str| match self.word.ends_with(".service") {
            true => name,
            false => name.strip_suffix(".service").unwrap_or(name),
        };
        let near = nearest(&self.word, names.map(bare));
        near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
    }
}

impl Ignore {
    fn names(&self, finding: &Finding, sources: &Sources) -> bool {
        if !self.rules.includes(finding.rule) {
            return false;
        }
        if let Some(app) = &self.app
            && !finding.app.as_deref().is_some_and(|name| app.is(name, None))
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

    fn acceptance(&self) -> Acceptance {
        Acceptance {
            comment: false,
            file: self.place.0.clone(),
            line: self.place.1,
            reason: self.reason.clone(),
            until: self.until.clone(),
        }
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

/// What was examined, to distinguish entries that are not needed from those about which nothing is
/// known.
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
    /// did not, it cannot be said that what suppresses it is not needed.
    pub(super) fn judged(
        &self,
        named: impl Fn(&Rule) -> bool,
        app: Option<&dyn Fn(&str) -> bool>,
    ) -> bool {
        let mut mine = self.selected.iter().filter(|rule| named(rule)).peekable();
        let there = |is: &dyn Fn(&str) -> bool| self.deployment.apps.iter().any(|a| is(&a.name));
        let skipped = |rule: &Rule| {
            self.skips.iter().any(|skip| {
                let theirs = match (app, skip.app.as_deref()) {
                    (Some(is), Some(name)) => is(name),
                    _ => true,
                };
                skip.code == rule.code && theirs
            })
        };
        mine.peek().is_some() && app.is_none_or(there) && mine.all(|rule| !skipped(rule))
    }

    /// The names of the applications that were looked at.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.deployment.apps.iter().map(|app| app.name.as_str())
    }
}

/// Takes out what an entry suppresses. Returns what is left, what was suppressed, and which entries
/// suppress nothing or no longer count.
pub(super) fn apply(
    findings: Vec<Finding>,
    ignores: &[Ignore],
    today: &Day,
    looked: &Looked<'_>,
    whole: bool,
) -> (Vec<Finding>, Vec<(Finding, Acceptance)>, Vec<Problem>) {
    let mut used = vec![0_usize; ignores.len()];
    let mut kept = Vec::with_capacity(findings.len());
    let mut accepted = Vec::new();
    for mut finding in findings {
        let mut held = None;
        let mut past = None;
        for (ignore, used) in ignores.iter().zip(&mut used) {
            if ignore.names(&finding, looked.sources) {
                *used += 1;
                match ignore.is_past(today) {
                    true => past = Some(ignore),
                    false => held = held.or(Some(ignore)),
                }
            }
        }
        if let Some(ignore) = held {
            accepted.push((finding, ignore.acceptance()));
            continue;
        }
        if let Some(ignore) = past
            && let Some(until) = &ignore.until
        {
            finding.evidence(
                EvidenceKind::File,
                format!(
                    "the finding is back: {} accepted it until {} ({})",
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
                0 => format!("the ignore entry for {rule} ended on {until}: remove it"),
                1 => format!("the ignore entry for {rule} ended on {until}: its finding is back"),
                _ => format!(
                    "the ignore entry for {rule} ended on {until}: its {used} findings \
                              are back"
                ),
            }));
            continue;
        }
        if used > 0 {
            continue;
        }
        let is = |name: &str| ignore.app.as_ref().is_some_and(|app| app.is(name, None));
        if let Some(app) = &ignore.app
            && !looked.names().any(is)
        {
            // Of what was not looked at, it cannot be said that it is not there.
            if whole {
                let (word, meant) = (&app.word, app.meant(looked.names()));
                problems.push(ignore.problem(format!(
                    "the ignore entry for {rule} suppresses no finding: no application is called \
                     {word}{meant}"
                )));
            }
            continue;
        }
        let mine: Option<&dyn Fn(&str) -> bool> = ignore.app.is_some().then_some(&is);
        if looked.judged(|rule| ignore.rules.includes(rule), mine) {
            problems.push(ignore.problem(format!(
                "the ignore entry for {rule} suppresses no finding: remove \
                                        it"
            )));
        }
    }
    (kept, accepted, problems)
}
