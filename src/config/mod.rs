//! `deploy-doctor.toml`: facts about a deployment that a repository or a host states once, so that
//! nobody has to type them again. `docs/config.schema.json` describes the same keys for editors.

mod find;
mod keys;
mod read;

pub use find::{FindError, HOME, NAME, find, top};
pub use keys::{Kind, TABLES, Table};

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::engine::{Day, Ignore, Named};
use crate::facts::{Deployment, Given, Problem, Wanted};
use crate::rule::Severity;
use crate::source::{Sources, Span, Spanned};

/// The schema of the file, for editors and validators.
pub const SCHEMA: &str = include_str!("../../docs/config.schema.json");
/// A file that explains its keys, each commented out.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Which findings make a check fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailOn {
    /// Findings of this severity or worse.
    Severity(Severity),
    /// None.
    Never,
}

/// The content of the file.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its path as shown in reports.
    pub path: PathBuf,
    text: Vec<u8>,
    /// Which findings make a check fail.
    pub fail_on: Option<FailOn>,
    /// The baseline: the file of known findings.
    pub baseline: Option<PathBuf>,
    /// The line that names the baseline.
    pub baseline_line: usize,
    /// Severities that the file changes, by the rules' codes.
    pub severities: BTreeMap<&'static str, Severity>,
    /// The entries of applications.
    pub apps: Vec<AppConfig>,
    /// Findings that are accepted.
    pub ignores: Vec<Ignore>,
}

/// The entry of one application.
#[derive(Debug, Clone)]
pub struct AppConfig {
    named: Named,
    /// The unit's name as written.
    pub name: String,
    /// The line of the name.
    pub line: usize,
    /// Its files in the repository.
    pub files: Given,
    /// The line of each of these files.
    lines: Vec<(PathBuf, usize)>,
    required: Vec<(String, Range<usize>)>,
    upstream: Option<(crate::facts::Endpoint, Range<usize>)>,
    /// URLs that are requested when the live host is checked.
    pub probes: Vec<String>,
}

/// What is wrong with a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.message)
    }
}

/// The directories that the paths in a settings file are relative to.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The file's path as shown in reports.
    pub shown: &'a Path,
    /// Its directory, absolute.
    pub base: &'a Path,
    /// The working directory, absolute, at which relative paths of the command line start.
    pub working: &'a Path,
}

impl Config {
    /// Reads a file's bytes. All faults are reported, each with its line.
    pub fn parse(bytes: &[u8], places: Places<'_>) -> Result<Self, Vec<ConfigError>> {
        read::config(bytes, places)
    }

    /// Applies the entries to the applications of deployments that are read together. A name that
    /// no unit has is a problem if everything was read (`all`).
    pub fn apply(&self, sources: &Sources, deployments: &mut [Deployment], all: bool) {
        if self.apps.is_empty() {
            return;
        }
        let file = sources.add(&self.path, self.text.clone());
        let span = |range: &Range<usize>| Span::new(file.id, range.start, range.end);
        for entry in &self.apps {
            let mut found = false;
            let apps = deployments.iter_mut().flat_map(|deployment| &mut deployment.apps);
            for app in apps {
                if !entry.named.is(&app.name, Some(&app.service.unit.path)) {
                    continue;
                }
                found = true;
                let variables = entry
                    .required
                    .iter()
                    .map(|(name, range)| Spanned { value: name.clone(), span: span(range) });
                app.wanted = Wanted {
                    variables: variables.collect(),
                    upstream: entry.upstream.as_ref().map(|(endpoint, range)| Spanned {
                        value: endpoint.clone(),
                        span: span(range),
                    }),
                };
            }
            if all && !found {
                let names = deployments.iter().flat_map(|deployment| &deployment.apps);
                let meant = entry.named.meant(names.map(|app| app.name.as_str()));
                let name = &entry.name;
                let problem = Problem {
                    path: self.path.clone(),
                    line: Some(entry.line),
                    message: format!("{name}: no unit of this name runs gunicorn here{meant}"),
                    note: false,
                };
                deployments
                    .iter_mut()
                    .take(1)
                    .for_each(|first| first.problems.push(problem.clone()));
            }
        }
    }

    /// The URLs that the file lists for an application.
    pub fn probes(&self, app: &str) -> Vec<String> {
        let mine = self.apps.iter().filter(|entry| entry.named.is(app, None));
        mine.flat_map(|entry| &entry.probes).cloned().collect()
    }

    /// The files that the applications' entries name, each with its line.
    pub fn files(&self) -> impl Iterator<Item = &(PathBuf, usize)> {
        self.apps.iter().flat_map(|app| &app.lines)
    }

    /// How many entries expired before this day.
    pub fn ended(&self, today: &Day) -> usize {
        let past = |ignore: &&Ignore| ignore.until.as_ref().is_some_and(|until| until < today);
        self.ignores.iter().filter(past).count()
    }
}
