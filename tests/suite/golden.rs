//! What a finding of each rule looks like on a terminal, its wording, its carets and its help, in
//! `tests/golden/AREA.txt`: who changes a sentence or a place sees it as a diff, and so does who
//! reviews it. `UPDATE_DOCS=1 cargo test --test suite golden::` writes the files.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::report::{self, Report, SourceInfo, Style, Times};
use deploy_doctor::rule::{ExampleKind, Rule};
use deploy_doctor::source::Sources;

use crate::rules::{cases, deployment, option};
use crate::support::answers;

/// The findings of a rule's first example that it fires in.
fn shown(rule: &'static Rule) -> String {
    let cases = cases(rule);
    let case = cases.iter().find(|case| case[0].kind == ExampleKind::Bad).unwrap();
    let host = deployment(case);
    let sources = Sources::new(&host);
    let database_revision = option(case, "db=").map(str::to_owned);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision };
    let mut deployment = facts::read(&sources, &request);
    answers::ask(case, &sources, &mut deployment);
    let outcome = engine::run(&[rule], &deployment, &sources, &Settings::default());
    let source =
        SourceInfo { mode: "root", host: "host".into(), time: String::new(), options: Vec::new() };
    let times = Times::new(std::time::Duration::ZERO, Vec::new());
    let report =
        Report { source, deployment: &deployment, sources: &sources, outcome: &outcome, times };
    let text = report::text(&report, Style { quiet: true, ..Style::default() });
    // How many rules had nothing to look at is no matter of words.
    let findings = text.rsplit_once("\n\n").map_or(text.as_str(), |(findings, _)| findings);
    format!("{}\n", findings.trim_end())
}

#[test]
fn findings_look_as_they_were_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut areas: Vec<&str> = deploy_doctor::rules::all().iter().map(|rule| rule.area()).collect();
    areas.sort_unstable();
    areas.dedup();
    let mut differ = Vec::new();
    for area in areas {
        let mut text = String::new();
        for rule in deploy_doctor::rules::all().iter().filter(|rule| rule.area() == area) {
            let _ = writeln!(
                text,
                "{:=<80}\n{}",
                format!("== {} {} ", rule.code, rule.name),
                shown(rule)
            );
        }
        let path = directory.join(format!("{area}.txt"));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(&directory).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let reviewed = fs::read_to_string(&path).unwrap_or_default();
        if reviewed != text {
            let diff = similar::TextDiff::from_lines(&reviewed, &text);
            differ.push(diff.unified_diff().header(area, "now").to_string());
        }
    }
    assert!(
        differ.is_empty(),
        "{}\nwhere this is meant: UPDATE_DOCS=1 cargo test --test suite golden::",
        differ.join("\n")
    );
}
