//! JUnit: the schema of Jenkins' xUnit plugin with lxml, and junitparser.

use std::fs;
use std::path::Path;
use std::process::Command;

use deploy_doctor::report::Format;
use serde_json::Value;

use super::{paths, reader, said, text, written};
use crate::support;
use crate::support::readers;

fn read(files: &[&Path]) -> Option<Vec<Value>> {
    let (python, schema) = (readers::python()?, readers::junit_schema()?);
    let ran = said(
        Command::new(python.join("bin/python"))
            .arg(reader("count_junit.py"))
            .arg(schema)
            .args(files),
    );
    let lines = text(&ran);
    let read: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    Some(read.unwrap_or_else(|error| panic!("{error}: {lines}")))
}

#[test]
fn jenkins_takes_it_and_counts_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = written(folder.path(), Format::Junit);
    let Some(read) = read(&paths(&files)) else { return support::skip("no schema of Jenkins'") };
    assert_eq!(read.len(), files.len());
    for (one, read) in files.iter().zip(&read) {
        assert_eq!(read["fault"], Value::Null, "{}", one.name);
        let counts = ["error", "warning", "info"].map(|s| read["counts"][s].as_u64().unwrap());
        assert_eq!(counts.map(|count| count as usize), one.counts, "{}", one.name);
        assert_eq!(read["twice"], 0, "{}", one.name);
        assert!(read["skipped"].as_u64().unwrap() > 0, "{}", one.name);
    }
    files.clear();
}

/// The reader refuses what a careless writer writes.
#[test]
fn jenkins_sees_each_trap() {
    let folder = tempfile::tempdir().unwrap();
    let good = written(folder.path(), Format::Junit).remove(0).text;
    let traps = [
        ("<testcase classname", "<testcase file=\"x\" classname"),
        ("<testcase classname", "<testcase line=\"1\" classname"),
        ("<testsuite name", "<testsuite skips=\"1\" name"),
        ("</failure>", "\u{1b}[0m</failure>"),
    ];
    let files: Vec<_> = traps
        .iter()
        .enumerate()
        .map(|(number, (from, to))| {
            let path = folder.path().join(format!("trap{number}.xml"));
            assert!(good.contains(from));
            fs::write(&path, good.replacen(from, to, 1)).unwrap();
            path
        })
        .collect();
    let files: Vec<&Path> = files.iter().map(|path| path.as_path()).collect();
    let Some(read) = read(&files) else { return support::skip("no schema of Jenkins'") };
    for ((_, trap), read) in traps.iter().zip(read) {
        assert!(read["fault"].is_string(), "{trap:?}: {read}");
    }
}

/// A run that came to no report is a document, too.
#[test]
fn jenkins_takes_a_run_without_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failed.xml");
    let output = format!("junit={}", path.display());
    let ran = support::command::run(&["check", "--root", "/nowhere/at/all", "--output", &output]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    let Some(read) = read(&[&path]) else { return support::skip("no schema of Jenkins'") };
    assert_eq!(read[0]["fault"], Value::Null);
}
