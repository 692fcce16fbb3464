//! The whole check over a deployment that the input changes, and what is printed of it: nothing but
//! JSON in JSON, and never a variable's value.
//!
//! A file's name is its path; without one it is the unit. `> /link target` makes a link, `$ nginx -t`
//! answers a command, `$1 nginx -t` with exit status 1. With an answer or a file of `/proc` it is a
//! living host.

use std::collections::HashMap;

use deploy_doctor::engine::{self, Outcome, Settings};
use deploy_doctor::facts::{self, Deployment, Request, Scope};
use deploy_doctor::fix::{self, Options, Placement};
use deploy_doctor::host::{MemoryHost, Output};
use deploy_doctor::report::{self, Asked, Base, Format, Report, SourceInfo, Style, Times, View};
use deploy_doctor::rule::{Rule, Severity};
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

use crate::pack::{Section, sections};

/// The unit of the deployment that the input changes.
pub const UNIT: &str = "/etc/systemd/system/myapp.service";
const ENVIRONMENT: &str = "/etc/myapp.env";
const SITE: &str = "/srv/myapp/.venv/lib/python3.11/site-packages";
const SECRET: &str = "c4n4ry-d34d";

macro_rules! healthy {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_bytes!(concat!("../../testdata/healthy", $path)).as_slice())),*]
    };
}

/// The healthy deployment.
pub fn healthy() -> MemoryHost {
    let mut host = MemoryHost::new();
    for (path, bytes) in healthy![
        "/etc/systemd/system/myapp.service",
        "/etc/group",
        "/etc/passwd",
        "/etc/nginx/sites-available/myapp",
        "/etc/nginx/mime.types",
        "/etc/nginx/nginx.conf",
        "/etc/myapp.env",
        "/srv/myapp/releases/2026-04-14/wsgi.py",
        "/srv/myapp/releases/2026-04-21/requirements.txt",
        "/srv/myapp/releases/2026-04-21/static/site.css",
        "/srv/myapp/releases/2026-04-21/wsgi.py",
        "/srv/myapp/.venv/pyvenv.cfg",
        "/srv/myapp/.venv/bin/gunicorn",
    ] {
        host.file(path, bytes);
    }
    for (name, version) in [
        ("blinker", "1.8.2"),
        ("click", "8.1.7"),
        ("flask", "3.0.3"),
        ("gunicorn", "23.0.0"),
        ("itsdangerous", "2.2.0"),
        ("jinja2", "3.1.4"),
        ("MarkupSafe", "2.1.5"),
        ("packaging", "24.1"),
        ("werkzeug", "3.0.3"),
    ] {
        let text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
        host.file(format!("{SITE}/{name}-{version}.dist-info/METADATA"), text);
        host.file(format!("{SITE}/{}/__init__.py", name.to_ascii_lowercase()), "");
    }
    let enabled = "/etc/systemd/system/multi-user.target.wants/myapp.service";
    host.link(enabled, "../myapp.service");
    host.link("/etc/nginx/sites-enabled/myapp", "../sites-available/myapp");
    host.link("/srv/myapp/current", "releases/2026-04-21");
    for program in ["/usr/bin/python3.11", "/bin/sh", "/bin/kill"] {
        host.file(program, "").own(program, 0o755, 0, 0);
    }
    host.own("/srv/myapp/.venv/bin/gunicorn", 0o755, 0, 0);
    host.link("/srv/myapp/.venv/bin/python", "/usr/bin/python3.11");
    host.directory("/run").directory("/tmp").own("/tmp", 0o1777, 0, 0);
    host.own(ENVIRONMENT, 0o640, 0, 0);
    host
}

/// Puts a part of the input in its place; is it one that only a live host has?
fn place(host: &mut MemoryHost, section: &Section) -> bool {
    let name = section.name;
    if let Some(link) = name.strip_prefix("> ") {
        if let Some((link, target)) = link.split_once(' ').filter(|(link, _)| fits(link)) {
            host.remove(link).link(link, target);
        }
        return false;
    }
    if let Some(command) = name.strip_prefix("$ ") {
        let output = Output { status: Some(0), stdout: section.bytes.into(), ..Output::default() };
        host.command(command, Ok(output));
        return true;
    }
    if let Some(command) = name.strip_prefix("$1 ") {
        let output = Output { status: Some(1), stderr: section.bytes.into(), ..Output::default() };
        host.command(command, Ok(output));
        return true;
    }
    let path = if name.is_empty() { UNIT } else { name };
    if name.is_empty() && section.bytes.is_empty() || !fits(path) {
        return false;
    }
    host.remove(path).file(path, section.bytes);
    if path == ENVIRONMENT {
        host.own(path, 0o640, 0, 0);
    }
    path.starts_with("/proc/")
}

fn fits(path: &str) -> bool {
    path.starts_with('/')
        && path.len() < 200
        && path != "/"
        && !path.ends_with('/')
        && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..")
}

/// Where a secret is put, if the input left a place for it.
fn hide_something(host: &mut MemoryHost, sections: &[Section]) {
    let at = |path: &str| sections.iter().rev().find(|section| section.name == path);
    let mut text = at(ENVIRONMENT).map_or(&b"A=1"[..], |section| section.bytes).to_vec();
    text.extend_from_slice(format!("\nSECRET_KEY={SECRET}\n").as_bytes());
    host.file(ENVIRONMENT, text).own(ENVIRONMENT, 0o640, 0, 0);
}

/// The deployment that the input makes of the healthy one, with a secret in it, and whether it is a
/// living host. Nothing where the input holds that secret itself.
pub fn deployment(input: &[u8]) -> Option<(MemoryHost, bool)> {
    if input.windows(6).any(|part| part == b"c4n4ry") {
        return None;
    }
    let sections = sections(input);
    let mut host = healthy();
    let mut living = false;
    for section in &sections {
        living |= place(&mut host, section);
    }
    hide_something(&mut host, &sections);
    Some((host, living))
}

pub fn run(input: &[u8]) {
    let Some((host, living)) = deployment(input) else { return };
    let scope = || if living { Scope::Live } else { Scope::Root };
    let request = || Request { apps: Vec::new(), scope: scope(), database_revision: None };
    let sources = Sources::new(&host);
    let deployment = facts::read(&sources, &request());
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let facts = facts::json(&deployment, &sources).expect("facts are JSON");
    quiet("facts", &facts);
    let more = Format::all()[input.len() % Format::all().len()];
    for format in [Format::Text, Format::Json, more] {
        quiet(&format!("{format:?}"), &written(&sources, &deployment, &outcome, format));
    }
    if input.len().is_multiple_of(4) {
        let read = |sources: &Sources, _: bool| facts::read(sources, &request());
        let options = Options {
            selection: Default::default(),
            include_unsafe: true,
            placement: Placement::InPlace,
            repository: false,
            accept: None,
            settings: Settings::default(),
        };
        if let Ok(plan) = fix::plan(&host, &read, &options) {
            quiet("the diff", &plan.diff);
            assert!(plan.changes.iter().all(|change| !change.path.starts_with("/usr")));
        }
    }
}

#[track_caller]
pub fn quiet(what: &str, text: &str) {
    if let Some(at) = text.find("c4n4ry") {
        let start = text.floor_char_boundary(at.saturating_sub(200));
        panic!("{what} shows a secret: …{}", &text[start..]);
    }
}

/// The rules that a report lists: a few, and those that found something. All of them, whose pages
/// are in every report of some formats, would take more time than everything else.
fn told(outcome: &Outcome) -> Vec<(&'static Rule, Severity)> {
    let found = |rule: &Rule| outcome.all().any(|one| one.finding.rule.code == rule.code);
    let all = rules::all().iter().enumerate();
    let told = all.filter(|(number, rule)| *number < 3 || found(rule));
    told.map(|(_, rule)| (*rule, rule.severity)).collect()
}

/// The report in a format, which is what it says it is.
pub fn written(
    sources: &Sources,
    deployment: &Deployment,
    outcome: &Outcome,
    format: Format,
) -> String {
    let report = Report {
        source: SourceInfo {
            mode: "root",
            host: "host".into(),
            time: "2026-05-01T10:00:00Z".into(),
            options: Vec::new(),
        },
        deployment,
        sources,
        outcome,
        times: Times::new(std::time::Duration::ZERO, Vec::new()),
    };
    let asked = Asked {
        rules: told(outcome),
        threshold: Some(Severity::Error),
        suppressed: true,
        allow_incomplete: false,
        base: Base { directory: "/".into(), root: None },
        scope: "host".into(),
        patches: HashMap::new(),
    };
    let style = Style { verbose: true, suppressed: true, ..Style::default() };
    let view = View::new(&report, &asked);
    let text = report::write(&view, format, style).expect("every report can be written");
    crate::reports::judge(format, &text);
    if format == Format::Concise {
        crate::reports::judge_nagios(&report::nagios::answer(&view).1);
    }
    text
}
