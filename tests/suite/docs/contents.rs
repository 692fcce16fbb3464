//! The book's table of contents, `docs/SUMMARY.md`: every page of the project stands in it once, and
//! its title is the page's own heading.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use deploy_doctor::rules;

use super::AREAS;
use crate::support::proof;

/// What a part of the book holds, relative to `docs/`. A page that ends with `/*` stands for all that
/// such a directory has.
const PARTS: [(&str, &[&str]); 5] = [
    (
        "Using it",
        &[
            "installing.md",
            "first-check.md",
            "host.md",
            "gate.md",
            "fix.md",
            "reload.md",
            "probe.md",
            "init.md",
            "settings.md",
            "exit-status.md",
            "formats.md",
            "capture.md",
        ],
    ),
    ("Where it runs", &["../integrations/*"]),
    ("What is checked", &["checklist.md", "harm.md", "rules/README.md", "rules-not-built.md"]),
    (
        "Trusting it",
        &["peers.md", "false-alarms.md", "security.md", "performance.md", "dependencies.md"],
    ),
    (
        "Changing it",
        &[
            "../CONTRIBUTING.md",
            "../ARCHITECTURE.md",
            "../e2e/README.md",
            "../findings/README.md",
            "../fuzz/README.md",
            "../packages/README.md",
            "../SECURITY.md",
            "../CHANGELOG.md",
        ],
    ),
];

/// The start page.
const FRONT: &str = "../README.md";

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The pages of a part, in order.
fn pages(part: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for page in part {
        let Some(directory) = page.strip_suffix("/*") else {
            found.push((*page).to_owned());
            continue;
        };
        let entries = fs::read_dir(docs().join(directory)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        found.extend(names.iter().map(|name| format!("{directory}/{name}/README.md")));
    }
    found
}

/// A page's heading up to its first colon or comma: what stands in a narrow column.
fn title(page: &str) -> String {
    let path = docs().join(page);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let heading = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let heading = heading.unwrap_or_else(|| panic!("{page} begins without a heading"));
    heading.split([':', ',']).next().unwrap().to_owned()
}

/// The text of `docs/SUMMARY.md`.
pub fn summary() -> String {
    let mut out = format!("# Summary\n\n[deploy-doctor]({FRONT})\n");
    for (name, part) in PARTS {
        let _ = write!(out, "\n# {name}\n\n");
        for page in pages(part) {
            // The list of the rules is written by the same test: its file may not be there yet.
            let title = if page == "rules/README.md" { "The rules".into() } else { title(&page) };
            let _ = writeln!(out, "- [{title}]({page})");
            if page == "rules/README.md" {
                out.push_str(&areas());
            }
        }
    }
    out
}

fn areas() -> String {
    let mut out = String::new();
    for (area, title) in AREAS {
        let _ = writeln!(out, "  - [{title}]()");
        let mut inside: Vec<_> = rules::all().iter().filter(|rule| rule.area() == area).collect();
        inside.sort_by_key(|rule| rule.code);
        for rule in inside {
            let _ = writeln!(out, "    - [{0} {1}](rules/{0}.md)", rule.code, rule.name);
        }
    }
    out
}

/// Every page that a reader may be led to: those of `docs/`, of the top, and each README beside them.
fn written() -> BTreeSet<String> {
    let top = docs().join("..");
    let mut found = BTreeSet::new();
    for (directory, prefix) in
        [(docs(), ""), (docs().join("rules"), "rules/"), (top.clone(), "../")]
    {
        for entry in fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") && name != "SUMMARY.md" {
                found.insert(format!("{prefix}{name}"));
            }
        }
    }
    for entry in fs::read_dir(&top).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().join("README.md").exists() && name != "docs" {
            found.insert(format!("../{name}/README.md"));
        }
    }
    found
}

#[test]
fn every_page_stands_in_the_contents_once() {
    let text = summary();
    for page in written() {
        let count = text.matches(&format!("]({page})")).count();
        assert_eq!(
            count, 1,
            "{page}: PARTS in tests/suite/docs/contents.rs is the order of the book"
        );
    }
}

/// The case that CONTRIBUTING.md shows is one that `living proofs::` would run as it stands.
#[test]
fn the_annotated_case_is_one() {
    let page = fs::read_to_string(docs().join("../CONTRIBUTING.md")).unwrap();
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let case: proof::Case = toml::from_str(text).unwrap();
    let known = |code: &String| rules::all().iter().any(|rule| rule.code == code);
    assert!(!case.findings.is_empty() && case.findings.iter().all(known), "{:?}", case.findings);
    assert!(case.wrong.is_some_and(|side| side.expect.first.is_some() && !side.files.is_empty()));
}
