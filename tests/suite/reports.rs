//! Deployments that people reported as broken (or that were called broken and are not), rebuilt
//! from the healthy one: each is checked as `check --root` does, and compared with what was seen
//! of it on a booted Debian.

mod gunicorn;
mod newest;
mod nginx;
mod release;
mod siblings;
mod unit;

use std::fmt::Write as _;

use crate::support::case::{Case, Seen};
use deploy_doctor::engine::Status;
use deploy_doctor::rule::{Item, Severity};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const PACKAGES: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
const RELEASES: [&str; 2] = ["/srv/myapp/releases/2026-04-14", "/srv/myapp/releases/2026-04-21"];
const BIND: &str = "    --bind unix:/run/myapp/gunicorn.sock \\\n";
const WORKERS: &str = "    --workers 3 \\\n";

/// A deployment and all that is to be said of it.
struct Report {
    name: &'static str,
    deployment: fn() -> Case,
    says: Vec<Said>,
    /// Rules that must not fire.
    never: &'static [&'static str],
    /// Words that no finding may hold, in its message or its help.
    unsaid: &'static [&'static str],
    /// Words that no help may hold: nobody is to type them.
    untyped: &'static [&'static str],
    /// Rules that must not be skipped.
    judged: &'static [&'static str],
    /// Items of the checklist that must not be passed.
    unpassed: &'static [Item],
    /// The verdict is one of these.
    verdict: &'static [&'static str],
    exit: u8,
}

/// A finding that has to be there: of one of these rules, at this severity, with these words.
struct Said {
    codes: &'static [&'static str],
    severity: Severity,
    words: &'static [&'static str],
    /// A file and a line of it (its text, or a part) that the finding points at.
    at: Option<(&'static str, &'static str)>,
}

fn error(codes: &'static [&'static str], words: &'static [&'static str]) -> Said {
    Said { codes, severity: Severity::Error, words, at: None }
}

fn warning(codes: &'static [&'static str], words: &'static [&'static str]) -> Said {
    Said { codes, severity: Severity::Warning, words, at: None }
}

impl Said {
    fn at(mut self, file: &'static str, line: &'static str) -> Self {
        self.at = Some((file, line));
        self
    }

    /// What of it is missing.
    fn missing(&self, case: &Case, seen: &Seen) -> Option<String> {
        let fits = |hit: &&crate::support::case::Hit| {
            self.codes.contains(&hit.code) && hit.severity == self.severity
        };
        let mut near = seen.hits.iter().filter(fits).peekable();
        if near.peek().is_none() {
            return Some(format!("no {:?} of {}", self.severity, self.codes.join(" or ")));
        }
        let points = |hit: &crate::support::case::Hit| {
            self.at.is_none_or(|(file, line)| {
                let text = case.text(file);
                let mut places = hit.places.iter().filter(|place| place.file == file);
                places
                    .any(|place| text.lines().nth(place.line - 1).is_some_and(|l| l.contains(line)))
            })
        };
        let says = |hit: &crate::support::case::Hit| {
            self.words.iter().all(|word| hit.message.contains(word) || hit.help.contains(word))
        };
        let whole = near.any(|hit| says(hit) && points(hit));
        (!whole).then(|| {
            format!("{} without {:?} or {:?}", self.codes.join(" or "), self.words, self.at)
        })
    }
}

/// An outage that a reload or a start ends in: one error more, exit status 1.
fn broken(name: &'static str, deployment: fn() -> Case, says: Vec<Said>) -> Report {
    Report { verdict: &["will-break"], exit: 1, says, ..silent(name, deployment) }
}

/// A warning, and nothing worse.
fn risky(name: &'static str, deployment: fn() -> Case, says: Vec<Said>) -> Report {
    Report { verdict: &["at-risk"], exit: 0, says, ..silent(name, deployment) }
}

/// Nothing is wrong, and nothing may be said to be.
fn silent(name: &'static str, deployment: fn() -> Case) -> Report {
    Report {
        name,
        deployment,
        says: Vec::new(),
        never: &[],
        unsaid: &[],
        untyped: &[],
        judged: &[],
        unpassed: &[],
        verdict: &["zero-downtime"],
        exit: 0,
    }
}

impl Report {
    fn never(mut self, codes: &'static [&'static str]) -> Self {
        self.never = codes;
        self
    }

    fn unsaid(mut self, words: &'static [&'static str]) -> Self {
        self.unsaid = words;
        self
    }

    fn untyped(mut self, words: &'static [&'static str]) -> Self {
        self.untyped = words;
        self
    }

    fn judged(mut self, codes: &'static [&'static str]) -> Self {
        self.judged = codes;
        self
    }

    fn unpassed(mut self, items: &'static [Item]) -> Self {
        self.unpassed = items;
        self
    }

    /// Where it is not known, that is right too.
    fn or_unknown(mut self) -> Self {
        self.verdict = &["zero-downtime", "unknown"];
        self
    }

    /// What is wrong with what is said of it.
    fn differences(&self) -> Vec<String> {
        let case = (self.deployment)();
        let seen = case.check();
        let mut wrong: Vec<String> =
            self.says.iter().filter_map(|said| said.missing(&case, &seen)).collect();
        let never = self.never.iter().filter(|code| !seen.of(code).is_empty());
        wrong.extend(never.map(|code| format!("{code} is false")));
        for (word, hit) in self.unsaid.iter().flat_map(|w| seen.hits.iter().map(move |h| (w, h))) {
            if hit.message.contains(word) || hit.help.contains(word) {
                wrong.push(format!("{} says {word:?}", hit.code));
            }
        }
        for (word, hit) in self.untyped.iter().flat_map(|w| seen.hits.iter().map(move |h| (w, h))) {
            if hit.help.contains(word) {
                wrong.push(format!("{} has {word:?} typed", hit.code));
            }
        }
        let skipped = self.judged.iter().filter(|code| !seen.reasons(code).is_empty());
        wrong.extend(skipped.map(|code| format!("{code} is skipped: {:?}", seen.reasons(code))));
        for (app, verdict, checklist) in &seen.apps {
            if app == "myapp.service" && !self.verdict.contains(verdict) {
                wrong.push(format!("the verdict is {verdict}"));
            }
            let passed = checklist.iter().filter(|item| item.status == Status::Pass);
            let unpassed = passed.filter(|item| self.unpassed.contains(&item.item));
            wrong.extend(unpassed.map(|item| format!("passed: {}", item.item.title())));
        }
        if seen.exit != self.exit {
            wrong.push(format!("the exit status is {}: {:?}", seen.exit, seen.problems));
        }
        // Without an error to be said, none may be.
        if self.exit == 0 {
            let errors = seen.hits.iter().filter(|hit| hit.severity == Severity::Error);
            wrong.extend(errors.map(|hit| format!("{} is false: {}", hit.code, hit.message)));
        }
        wrong
    }
}

/// All of them.
fn reports() -> Vec<Report> {
    let mut all = unit::reports();
    all.extend(gunicorn::reports());
    all.extend(nginx::reports());
    all.extend(release::reports());
    all.extend(newest::reports());
    all.extend(siblings::reports());
    all
}

/// The deployments by name, for whatever else is held against them.
pub(crate) fn deployments() -> impl Iterator<Item = (&'static str, Case)> {
    reports().into_iter().map(|report| (report.name, (report.deployment)()))
}

/// `DEPLOY_DOCTOR_REPORT=NAME` looks at one, and shows what is said of it.
#[test]
fn what_is_said_of_each_report_is_true() {
    let only = std::env::var("DEPLOY_DOCTOR_REPORT").ok();
    let mut text = String::new();
    for report in reports() {
        if only.as_ref().is_some_and(|only| *only != report.name) {
            continue;
        }
        if only.is_some() {
            println!("{:#?}", (report.deployment)().check());
        }
        let wrong = report.differences();
        if !wrong.is_empty() {
            writeln!(text, "{}: {}", report.name, wrong.join("; ")).unwrap();
        }
    }
    assert!(text.is_empty(), "\n{text}");
}

#[test]
fn each_report_has_a_name_of_its_own() {
    let mut names: Vec<&str> = reports().iter().map(|report| report.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// The deployment that the reports are made from: the healthy one with gunicorn 24.1.1, a login
/// user, and releases that were not made in the same second.
fn deployment() -> Case {
    let accounts = "root:x:0:0:root:/root:/bin/bash\n\
                    www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n\
                    deploy:x:1000:1000::/home/deploy:/bin/bash\n\
                    myapp:x:998:998::/srv/myapp:/usr/sbin/nologin\n";
    let case = gunicorn_version(Case::healthy(), "24.1.1")
        .file("/etc/passwd", accounts)
        .file("/etc/group", "root:x:0:\nwww-data:x:33:\ndeploy:x:1000:\nmyapp:x:998:\n")
        .directory("/var/log/nginx")
        .directory("/home/deploy");
    let case = program(program(case, "/usr/bin/python3.11"), "/bin/bash")
        .link("/usr/bin/python3", "python3.11");
    case.living(|host| {
        host.touch(RELEASES[0], 1_776_000_000).touch(RELEASES[1], 1_776_600_000);
    })
}

/// An executable file.
fn program(case: Case, path: &str) -> Case {
    case.file(path, b"\x7fELF\x02\x01\x01").own(path, 0o755, 0, 0)
}

/// A package of the venv, as pip leaves it.
fn package(case: Case, name: &str, version: &str) -> Case {
    let module = name.to_lowercase().replace('-', "_");
    let data = format!("{PACKAGES}/{}-{version}.dist-info", name.replace('-', "_"));
    case.file(&format!("{PACKAGES}/{module}/__init__.py"), "")
        .file(
            &format!("{data}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"),
        )
        .file(&format!("{data}/RECORD"), format!("{module}/__init__.py,,\n"))
        .file(&format!("{data}/INSTALLER"), "pip\n")
}

/// Another gunicorn, installed and asked for.
fn gunicorn_version(case: Case, version: &str) -> Case {
    let installed = ["23.0.0", "24.1.1"]
        .into_iter()
        .find(|v| case.host.contains(format!("{PACKAGES}/gunicorn-{v}.dist-info")));
    let installed = installed.expect("a gunicorn is installed");
    let case = case.remove(&format!("{PACKAGES}/gunicorn-{installed}.dist-info"));
    let asked = format!("gunicorn=={installed}");
    let case = RELEASES.into_iter().fold(case, |case, release| {
        case.replace(
            &format!("{release}/requirements.txt"),
            &asked,
            &format!("gunicorn=={version}"),
        )
    });
    package(case, "gunicorn", version)
}

/// A file of both releases.
fn in_releases(case: Case, path: &str, text: &str) -> Case {
    RELEASES.into_iter().fold(case, |case, release| case.file(&format!("{release}/{path}"), text))
}

/// Both releases without this file.
fn without(case: Case, path: &str) -> Case {
    RELEASES.into_iter().fold(case, |case, release| case.remove(&format!("{release}/{path}")))
}

/// The deployment with a piece of its unit replaced.
fn with_unit(from: &str, to: &str) -> Case {
    deployment().replace(UNIT, from, to)
}

/// What the host's package database says of nginx.
fn nginx_version(case: Case, version: &str) -> Case {
    let entry = format!(
        "Package: nginx\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n\
         Description: web server\n\n"
    );
    case.file("/var/lib/dpkg/status", entry)
}

/// systemd's own library, which tells its version.
fn systemd_version(case: Case, version: u32) -> Case {
    let path = format!("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{version}.so");
    case.file(&path, b"\x7fELF")
}
