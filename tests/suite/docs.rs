//! The rules' pages in `docs/rules/` are what `deploy-doctor explain` prints, one a rule and none
//! more; the checklist, the measured harm and the book's table of contents are made of the same rules.
//! `UPDATE_DOCS=1 cargo test --test suite docs::` writes them.

mod answers;
mod contents;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use deploy_doctor::rule;
use deploy_doctor::rules;

const AREAS: [(&str, &str); 8] = [
    ("unit", "U: systemd unit"),
    ("gunicorn", "G: Gunicorn settings"),
    ("nginx", "N: nginx"),
    ("environment", "E: environment"),
    ("processes", "P: process table"),
    ("sockets", "S: sockets"),
    ("release", "R: release"),
    ("logs", "L: logs and answers"),
];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// The page as the program itself prints it.
fn page(code: &str) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_deploy-doctor")).args(["explain", code]).output().unwrap();
    assert!(output.status.success(), "explain {code}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The list of all pages, by area.
fn index() -> String {
    let mut out = String::from(
        "# The rules\n\n\
         Each page is what `deploy-doctor explain CODE` prints, and its examples run as tests.\n\
         `UPDATE_DOCS=1 cargo test --test suite docs::` writes these pages.\n",
    );
    for (area, title) in AREAS {
        let mut rows = rules::all().iter().filter(|rule| rule.area() == area).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let _ = write!(
            out,
            "\n## {title}\n\n| code | name | severity | impact | fix | |\n|---|---|---|---|---|---|\n"
        );
        for rule in rows {
            let _ = writeln!(
                out,
                "| [{0}]({0}.md) | {1} | {2} | {3} | {4} | {5} |",
                rule.code,
                rule.name,
                rule.severity.word(),
                rule.impact.word(),
                rule.fix.map_or("–", rule::Safety::word),
                rule::summary(rule).replace('|', "\\|"),
            );
        }
    }
    out
}

/// Every file that is made of the rules, below `docs/`.
fn wanted() -> BTreeMap<String, String> {
    let pages =
        rules::all().iter().map(|rule| (format!("rules/{}.md", rule.code), page(rule.code)));
    let mut files: BTreeMap<String, String> = pages.collect();
    files.insert("rules/README.md".into(), index());
    files.insert("checklist.md".into(), answers::checklist());
    files.insert("harm.md".into(), answers::harm());
    files
}

/// What lies in `docs/rules`.
fn present() -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(directory().join("rules")) else { return BTreeSet::new() };
    let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
    entries.map(|entry| format!("rules/{}", name(entry.unwrap()))).collect()
}

#[test]
fn every_rule_has_its_page_and_no_page_is_left_over() {
    let mut wanted = wanted();
    let update = std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1");
    if update {
        fs::create_dir_all(directory().join("rules")).unwrap();
        for old in present().iter().filter(|name| !wanted.contains_key(*name)) {
            fs::remove_file(directory().join(old)).unwrap();
        }
        for (name, text) in &wanted {
            fs::write(directory().join(name), text).unwrap();
        }
    }
    // The contents quote the headings of the pages, those just written among them.
    wanted.insert("SUMMARY.md".into(), contents::summary());
    if update {
        fs::write(directory().join("SUMMARY.md"), &wanted["SUMMARY.md"]).unwrap();
    }
    let mut wrong = Vec::new();
    for (name, text) in &wanted {
        match fs::read_to_string(directory().join(name)) {
            Ok(found) if found == *text => {}
            Ok(_) => wrong.push(format!("{name} is not what the rule says")),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    for name in present().iter().filter(|name| !wanted.contains_key(*name)) {
        wrong.push(format!("{name} belongs to no rule"));
    }
    let how = "UPDATE_DOCS=1 cargo test --test suite docs:: writes them";
    assert!(wrong.is_empty(), "{}\n{how}", wrong.join("\n"));
}

#[test]
fn every_rule_stands_in_the_index_once() {
    let index = index();
    for rule in rules::all() {
        let link = format!("[{0}]({0}.md)", rule.code);
        assert_eq!(index.matches(&link).count(), 1, "{}", rule.code);
    }
}
