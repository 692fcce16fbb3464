//! The healthy deployment of `testdata/healthy` in memory, changed by a case and checked.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::host::{Host, MemoryHost};
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

/// The release that `current` leads to.
pub const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

/// A deployment that a test changes.
pub struct Case {
    /// Its files.
    pub host: MemoryHost,
    database_revision: Option<String>,
}

/// A finding in the words that a test compares.
#[derive(Debug, Clone)]
pub struct Found {
    pub code: &'static str,
    pub severity: Severity,
    pub app: Option<String>,
    pub message: String,
    pub help: String,
    /// Every label: file, line, note; the first is the primary one.
    pub places: Vec<(String, usize, String)>,
    pub evidence: Vec<String>,
}

/// What a check comes to.
#[derive(Debug)]
pub struct Seen {
    pub findings: Vec<Found>,
    pub skips: Vec<(&'static str, String)>,
    pub problems: Vec<String>,
}

impl Case {
    /// Nothing is wrong with it.
    pub fn healthy() -> Self {
        let mut host = MemoryHost::new();
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/healthy");
        copy(&top, &top, &mut host);
        host.own("/etc/myapp.env", 0o640, 0, 0);
        host.directory("/run").directory("/tmp").own("/tmp", 0o1777, 0, 0);
        Self { host, database_revision: None }
    }

    /// Nothing at all.
    pub fn empty() -> Self {
        Self { host: MemoryHost::new(), database_revision: None }
    }

    /// Writes a file.
    pub fn file(mut self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.host.file(path, text.as_ref().to_vec());
        self
    }

    /// Writes a file of the release.
    pub fn in_release(self, path: &str, text: impl AsRef<[u8]>) -> Self {
        self.file(&format!("{RELEASE}/{path}"), text)
    }

    /// Takes a file, link or directory away.
    pub fn without(mut self, path: &str) -> Self {
        self.host.remove(path);
        self
    }

    /// Replaces a piece of a file's text, which must be there.
    pub fn replace(mut self, path: &str, from: &str, to: &str) -> Self {
        let bytes = self.host.read(Path::new(path), 1 << 20).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{path} does not hold {from}");
        self.host.file(path, text.replace(from, to));
        self
    }

    /// Makes a directory, mode 0755.
    pub fn directory(mut self, path: &str) -> Self {
        self.host.directory(path);
        self
    }

    /// Makes or moves a link.
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.host.remove(path);
        self.host.link(path, target);
        self
    }

    /// Sets mode, user and group.
    pub fn own(mut self, path: &str, mode: u32, uid: u32, gid: u32) -> Self {
        self.host.own(path, mode, uid, gid);
        self
    }

    /// Says where the database is, as `--db-revision` does.
    pub fn database(mut self, revision: &str) -> Self {
        self.database_revision = Some(revision.to_owned());
        self
    }

    /// Runs every rule on the tree, as `check --root` does.
    pub fn check(&self) -> Seen {
        self.run(Scope::Root)
    }

    /// Runs every rule on files, as `check --unit … --nginx …` does.
    pub fn check_files(&self, given: Given) -> Seen {
        self.run(Scope::Files(given))
    }

    /// One file of nginx's configuration by itself, `/repo/site.conf`.
    pub fn nginx(text: &str) -> Seen {
        let given = Given { nginx: vec!["/repo/site.conf".into()], ..Given::default() };
        Self::empty().file("/repo/site.conf", text).check_files(given)
    }

    fn run(&self, scope: Scope) -> Seen {
        let sources = Sources::new(&self.host);
        let request =
            Request { apps: Vec::new(), scope, database_revision: self.database_revision.clone() };
        let deployment = facts::read(&sources, &request);
        let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
        let findings = outcome.findings.iter().map(|reported| {
            let finding = &reported.finding;
            let places = finding.labels.iter().map(|label| {
                let file = sources.file(label.span.file);
                let line = file.position(label.span.start).line;
                (file.path.display().to_string(), line, label.note.clone())
            });
            Found {
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
            findings: findings.collect(),
            skips: outcome.skips.iter().map(|skip| (skip.code, skip.reason.clone())).collect(),
            problems: deployment.problems.iter().map(|p| p.message.clone()).collect(),
        }
    }
}

impl Seen {
    /// The findings of one rule.
    pub fn of(&self, code: &str) -> Vec<&Found> {
        self.findings.iter().filter(|finding| finding.code == code).collect()
    }

    /// The one finding of a rule.
    #[track_caller]
    pub fn one(&self, code: &str) -> &Found {
        match self.of(code).as_slice() {
            [finding] => finding,
            other => panic!("{} findings of {code}: {self:#?}", other.len()),
        }
    }

    /// Why a rule was skipped.
    pub fn skipped(&self, code: &str) -> Vec<&str> {
        let mine = self.skips.iter().filter(|(skipped, _)| *skipped == code);
        mine.map(|(_, reason)| reason.as_str()).collect()
    }

    /// Nothing is reported by a rule because it could not judge.
    #[track_caller]
    pub fn undecided(&self, code: &str) {
        assert!(self.of(code).is_empty(), "{:#?}", self.of(code));
        assert!(!self.skipped(code).is_empty(), "{code} is not skipped: {self:#?}");
    }

    /// Nothing is reported by a rule, and it was not skipped either.
    #[track_caller]
    pub fn passes(&self, code: &str) {
        assert!(self.of(code).is_empty(), "{:#?}", self.of(code));
        assert!(self.skipped(code).is_empty(), "{:?}", self.skipped(code));
    }
}

impl Found {
    /// Its primary place.
    #[track_caller]
    pub fn at(&self, file: &str, line: usize) -> &Self {
        let (there, at, _) = self.places.first().unwrap_or_else(|| panic!("{self:#?}"));
        assert_eq!((there.as_str(), *at), (file, line), "{self:#?}");
        self
    }

    /// One of its places.
    #[track_caller]
    pub fn also_at(&self, file: &str, line: usize) -> &Self {
        let found = self.places.iter().any(|(there, at, _)| there == file && *at == line);
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
