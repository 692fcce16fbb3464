//! `[[ignore]]` in the settings file: findings that are accepted, with a reason and an optional
//! last day.

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
    /// The names of these rules as written.
    pub rule: String,
    /// The application; `None` means all applications and the host.
    pub app: Option<Named>,
    /// The file of the finding's first place; `None` means any file, and also findings without a
    /// file.
    pub file: Option<IgnoredFile>,
    /// The reason that it gives.
    pub reason: String,
    /// The last day on which it applies.
    pub until: Option<Day>,
    /// Its place: the settings file and the line.
    pub place: (PathBuf, usize),
}

/// A pattern for files, with the directories needed to compare it with reported paths.
#[derive(Debug, Clone)]
pub struct IgnoredFile {
    /// The pattern.
    pub pattern: GlobMatcher,
    /// The directory of the settings file.
    pub base: PathBuf,
    /// The working directory, relative to which paths are reported.
    pub working: PathBuf,
}

impl IgnoredFile {
    /// Whether the pattern matches a path. A relative pattern starts at the directory of the
    /// settings file, whatever the working directory is.
    fn names(&self, path: &Path) -> bool {
        let full = tidy(&self.working.join(path));
        match full.strip_prefix(&self.base) {
            Ok(below) if self.pattern.is_match(below) => true,
            Ok(_) if path.is_relative() => self.pattern.is_match(&full),
            _ => self.pattern.is_match(path),
        }
    }
}

/// An application as a settings file names it: by its unit's name or, if several units of a
/// repository share a name, by the unit's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The word as written.
    pub word: String,
    /// The unit's path, absolute.
    path: Option<PathBuf>,
    /// The directory relative to which paths are reported.
    working: PathBuf,
}

impl Named {
    /// Reads a word. Its path starts at `base`; reported paths start at `working`. `None` if the
    /// word cannot be a unit's name.
    pub fn new(word: &str, base: &Path, working: &Path) -> Option<Self> {
        let path = word.contains('/').then(|| tidy(&base.join(word)));
        let file = path.as_deref().and_then(Path::file_name);
        match file {
            Some(file) => UnitName::exact(&file.to_string_lossy())?,
            None => UnitName::parse(word)?,
        };
        Some(Self { word: word.to_owned(), path, working: working.to_path_buf() })
    }

    /// Whether it names this unit, given the unit's reported name and its file.
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

    /// Whether both name the same application.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.path, &other.path) {
            (None, None) => UnitName::parse(&self.word) == UnitName::parse(&other.word),
            (one, two) => one == two,
        }
    }

    /// The end of a message about a name of no application: which name may have been meant.
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

/// Whether a user's word names this unit: `myapp`, `myapp.service`; `web@` names all of its
/// instances.
pub fn is_named(word: &str, unit: &str) -> bool {
    let (Some(word), Some(unit)) = (UnitName::parse(word), UnitName::parse(unit)) else {
        return word == unit;
    };
    word == unit || unit.template().is_some_and(|template| word == template)
}

/// What was examined. This distinguishes entries that are not needed from those about which nothing
/// is known.
pub(super) struct Looked<'a> {
    /// The rules that ran.
    pub selected: &'a [&'static Rule],
    /// The rules that could not judge.
    pub skips: &'a [Skip],
    /// The deployment that was examined.
    pub deployment: &'a Deployment,
    /// The files.
    pub sources: &'a Sources<'a>,
}

impl Looked<'_> {
    /// Whether all of these rules judged this application, or everything if no application is
    /// named. If a rule could not judge, an entry that suppresses its findings cannot be called
    /// unneeded.
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

    /// The names of the applications that were examined.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.deployment.apps.iter().map(|app| app.name.as_str())
    }
}

/// Removes the findings that an entry suppresses. Returns the remaining findings, the suppressed
/// ones, and problems with entries that suppress nothing or have expired.
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
            // An application that was not examined cannot be called nonexistent.
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
