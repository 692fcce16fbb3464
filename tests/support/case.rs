//! A deployment in memory that is checked: the healthy one of `testdata/healthy` with changes, or
//! files as `--unit` and `--nginx` name them.
//!
//! ```ignore
//! let seen = Case::healthy().file("/etc/nginx/conf.d/x.conf", "…").check();
//! seen.only("N316").at("/etc/nginx/conf.d/x.conf", 3);
//! ```

#![allow(dead_code)] // each test binary uses a part of it

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use deploy_doctor::engine::{self, ChecklistItem, Settings};
use deploy_doctor::facts::{self, Given, Request, Scope, Why};
use deploy_doctor::host::MemoryHost;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::{Sources, mounts};

/// The directory of the current release.
pub const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

/// A deployment under construction.
pub struct Case {
    pub host: MemoryHost,
    database_revision: Option<String>,
    since: Option<String>,
}

/// A place that a finding speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    pub line: usize,
    pub note: String,
}

/// A finding as a user sees it.
#[derive(Debug, Clone)]
pub struct Hit {
    pub code: &'static str,
    pub severity: Severity,
    pub app: Option<String>,
    pub message: String,
    pub help: String,
    pub places: Vec<Place>,
    pub evidence: Vec<String>,
}

/// What a check came to.
#[derive(Debug)]
pub struct Seen {
    pub hits: Vec<Hit>,
    /// Code and reason.
    pub skips: Vec<(&'static str, Why)>,
    pub problems: Vec<String>,
    /// Each application with its verdict and checklist.
    pub apps: Vec<(String, &'static str, Vec<ChecklistItem>)>,
    /// The exit status of `check`.
    pub exit: u8,
}

impl Case {
    /// The healthy deployment, with the modes that a version control system does not keep.
    pub fn healthy() -> Self {
        Self::tree("healthy").own("/etc/myapp.env", 0o640, 0, 0)
    }

    /// A deployment of `testdata/`, all of it root's, with modes 0644 and 0755.
    pub fn tree(name: &str) -> Self {
        let mut host = MemoryHost::new();
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
        copy(&top, &top, &mut host);
        host.directory("/run").directory("/tmp").own("/tmp", 0o1777, 0, 0);
        Self { host, database_revision: None, since: None }
    }

    /// The tree that was made.
    pub fn into_host(self) -> MemoryHost {
        self.host
    }

    /// Nothing at all.
    pub fn empty() -> Self {
        Self { host: MemoryHost::new(), database_revision: None, since: None }
    }

    /// Adds or replaces a file, mode 0644.
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.host.file(path, text.as_ref());
        self
    }

    /// The text of a file.
    pub fn text(&self, path: &str) -> String {
        use deploy_doctor::host::Host;
        String::from_utf8(self.host.read(Path::new(path), 1 << 20).unwrap()).unwrap()
    }

    /// The text of a file, if it is there.
    pub fn text_of(&self, path: &str) -> Option<String> {
        use deploy_doctor::host::Host;
        let bytes = self.host.read(Path::new(path), 1 << 20).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// Replaces a piece of a file's text, which must be there.
    pub fn replace(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.text(path);
        assert!(text.contains(from), "{path} does not hold {from}");
        self.host.file(path, text.replace(from, to));
        self
    }

    /// Adds a directory, mode 0755.
    pub fn directory(mut self, path: &str) -> Self {
        self.host.directory(path);
        self
    }

    /// Adds or replaces a link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.host.remove(path);
        self.host.link(path, target);
        self
    }

    /// Takes something away.
    pub fn remove(mut self, path: &str) -> Self {
        self.host.remove(path);
        self
    }

    /// Sets mode, user and group.
    pub fn own(mut self, path: &str, mode: u32, uid: u32, gid: u32) -> Self {
        self.host.own(path, mode, uid, gid);
        self
    }

    /// Says what a living host answers.
    pub fn living(mut self, change: impl FnOnce(&mut MemoryHost)) -> Self {
        change(&mut self.host);
        self
    }

    /// `--db-revision`.
    pub fn database_revision(mut self, revision: &str) -> Self {
        self.database_revision = Some(revision.to_owned());
        self
    }

    /// `--since`.
    pub fn since(mut self, revision: &str) -> Self {
        self.since = Some(revision.to_owned());
        self
    }

    /// As `check --root` sees it.
    pub fn check(&self) -> Seen {
        self.run(Scope::Root)
    }

    /// Adds or replaces a file of the current release.
    pub fn in_release(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.file(&format!("{RELEASE}/{path}"), text)
    }

    /// As `check --unit … --nginx … --env-file …` sees it.
    pub fn check_files(&self, given: Given) -> Seen {
        self.run(Scope::Files(given))
    }

    /// One file of nginx's configuration alone, `/repo/site.conf`.
    pub fn nginx(text: &str) -> Seen {
        let given = Given { nginx: vec!["/repo/site.conf".into()], ..Given::default() };
        Self::empty().file("/repo/site.conf", text).check_files(given)
    }

    fn run(&self, scope: Scope) -> Seen {
        let host = mounts::around(&self.host);
        let sources = Sources::new(&host);
        let database_revision = self.database_revision.clone();
        let request = Request { apps: Vec::new(), scope, database_revision };
        let mut deployment = facts::read(&sources, &request);
        for app in &mut deployment.apps {
            app.release.since.clone_from(&self.since);
        }
        let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
        let incomplete = deployment.problems.iter().any(|problem| !problem.note);
        let exit = if incomplete { 3 } else { u8::from(outcome.reaches(Severity::Error)) };
        let apps = outcome
            .apps
            .iter()
            .map(|app| (app.name.clone(), app.verdict.word(), app.checklist.clone()));
        let apps = apps.collect();
        let hits = outcome.findings.into_iter().map(|reported| {
            let finding = reported.finding;
            let places = finding.labels.iter().map(|label| {
                let file = sources.file(label.span.file);
                Place {
                    file: file.path.display().to_string(),
                    line: file.position(label.span.start).line,
                    note: label.note.clone(),
                }
            });
            Hit {
                code: finding.rule.code,
                severity: finding.severity,
                app: finding.app.clone(),
                message: finding.message.clone(),
                help: finding.help.clone(),
                places: places.collect(),
                evidence: finding.evidence.iter().map(|e| e.text.clone()).collect(),
            }
        });
        Seen {
            hits: hits.collect(),
            skips: outcome.skips.iter().map(|s| (s.code, s.reason.clone())).collect(),
            problems: deployment.problems.iter().map(|p| p.message.clone()).collect(),
            apps,
            exit,
        }
    }
}

impl Seen {
    /// The findings of a rule.
    pub fn of(&self, code: &str) -> Vec<&Hit> {
        self.hits.iter().filter(|hit| hit.code == code).collect()
    }

    /// The one finding of a rule.
    #[track_caller]
    pub fn only(&self, code: &str) -> &Hit {
        match self.of(code).as_slice() {
            [hit] => hit,
            other => panic!("{} findings of {code}\n{self:#?}", other.len()),
        }
    }

    /// The rule neither fires nor is skipped.
    #[track_caller]
    pub fn passes(&self, code: &str) {
        assert!(self.of(code).is_empty(), "{code} fires\n{self:#?}");
        assert!(!self.is_skipped(code), "{code} is skipped\n{self:#?}");
    }

    /// The rule does not fire because it could not judge.
    #[track_caller]
    pub fn skipped(&self, code: &str) {
        assert!(self.of(code).is_empty(), "{code} fires\n{self:#?}");
        assert!(self.is_skipped(code), "{code} is not skipped\n{self:#?}");
    }

    /// Why a rule could not judge, reason by reason.
    pub fn reasons(&self, code: &str) -> Vec<&str> {
        let mine = self.skips.iter().filter(|(skipped, _)| *skipped == code);
        mine.map(|(_, reason)| reason.text()).collect()
    }

    fn is_skipped(&self, code: &str) -> bool {
        self.skips.iter().any(|(skipped, _)| *skipped == code)
    }
}

impl Hit {
    /// Its primary place.
    #[track_caller]
    pub fn at(&self, file: &str, line: usize) -> &Self {
        let place = self.places.first().unwrap_or_else(|| panic!("{self:#?}"));
        assert_eq!((place.file.as_str(), place.line), (file, line), "{self:#?}");
        self
    }

    /// One of its places.
    #[track_caller]
    pub fn also_at(&self, file: &str, line: usize) -> &Self {
        let found = self.places.iter().any(|place| place.file == file && place.line == line);
        assert!(found, "{self:#?}");
        self
    }

    /// Its message holds this.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.message.contains(text), "{self:#?}");
        self
    }

    /// Its help holds this.
    #[track_caller]
    pub fn helps(&self, text: &str) -> &Self {
        assert!(self.help.contains(text), "{self:#?}");
        self
    }

    /// Its severity.
    #[track_caller]
    pub fn is(&self, severity: Severity) -> &Self {
        assert_eq!(self.severity, severity, "{self:#?}");
        self
    }
}

fn copy(top: &Path, directory: &Path, host: &mut MemoryHost) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let inside = Path::new("/").join(path.strip_prefix(top).unwrap());
        let metadata = path.symlink_metadata().unwrap();
        if metadata.is_symlink() {
            host.link(inside, fs::read_link(&path).unwrap());
        } else if metadata.is_dir() {
            host.directory(&inside);
            copy(top, &path, host);
        } else {
            host.file(&inside, fs::read(&path).unwrap());
            let executable = metadata.permissions().mode() & 0o100 != 0;
            host.own(&inside, if executable { 0o755 } else { 0o644 }, 0, 0);
        }
    }
}
