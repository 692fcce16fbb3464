//! TAP: Perl's prove, and npm's tap-parser.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use deploy_doctor::report::Format;
use serde_json::Value;

use super::{installed, said, text, written};
use crate::support;
use crate::support::readers;

/// What prove makes of a file: does it pass, and how many tests failed?
fn prove(path: &Path) -> (bool, usize, String) {
    let ran = said(Command::new("prove").args(["-e", "cat"]).arg(path));
    let said = text(&ran);
    let failed = said.split("Failed: ").nth(1).and_then(|rest| rest.split(')').next());
    let failed = failed.map_or(0, |count| count.trim().parse().unwrap());
    (ran.status.success(), failed, said)
}

#[test]
fn prove_fails_what_the_check_fails() {
    if !installed("prove") {
        return support::skip("prove is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    for one in written(folder.path(), Format::Tap) {
        // Warnings do not fail the check, so they are a TODO here.
        let (passed, failed, said) = prove(&one.path);
        assert_eq!((passed, failed), (one.counts[0] == 0, one.counts[0]), "{}: {said}", one.name);
        assert!(!said.contains("Parse errors"), "{}: {said}", one.name);
    }
    let nothing = folder.path().join("nothing.tap");
    fs::write(&nothing, "TAP version 13\n1..0 # SKIP nothing was checked\n").unwrap();
    let (passed, _, said) = prove(&nothing);
    assert!(passed && said.contains("skipped: nothing was checked"), "{said}");
    let failed = folder.path().join("failed.tap");
    let output = format!("tap={}", failed.display());
    support::command::run(&["check", "--root", "/nowhere/at/all", "--output", &output]);
    let (passed, _, said) = prove(&failed);
    assert!(!passed, "{said}");
}

/// The reader falls into each trap, so that passing says something.
#[test]
fn prove_falls_into_each_trap() {
    if !installed("prove") {
        return support::skip("prove is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.tap");
    let passes = |text: &str| {
        fs::write(&path, text).unwrap();
        prove(&path).0
    };
    assert!(!passes("TAP version 13\n1..1\nnot ok 1 - a \\# todo b\n"));
    assert!(passes("TAP version 13\n1..1\nnot ok 1 - a # todo b\n"), "a failure that passes");
    assert!(!passes("TAP version 14\n1..1\nok 1 - a\n"), "a pass that fails");
}

#[test]
fn tap_parser_counts_the_same() {
    let Some(modules) = readers::npm() else { return support::skip("no npm") };
    let folder = tempfile::tempdir().unwrap();
    for one in written(folder.path(), Format::Tap) {
        let file = fs::File::open(&one.path).unwrap();
        let ran = said(
            Command::new("node")
                .arg(modules.join("tap-parser/bin/cmd.cjs"))
                .args(["-j", "--strict"])
                .stdin(Stdio::from(file)),
        );
        let events: Vec<Value> = serde_json::from_slice(&ran.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", one.name, text(&ran)));
        let last = &events.iter().rfind(|event| event[0] == "complete").unwrap()[1];
        let count = |key: &str| last[key].as_u64().unwrap() as usize;
        let all: usize = one.counts.iter().sum();
        assert_eq!((count("fail"), count("todo")), (all, all - one.counts[0]), "{}", one.name);
        assert_eq!(last["ok"], one.counts[0] == 0, "{}", one.name);
        assert!(count("skip") > 0);
        // The details are YAML that it reads.
        let told = last["failures"].as_array().unwrap();
        let details = told.iter().filter(|test| test["diag"]["severity"].is_string());
        assert_eq!(details.count(), told.len(), "{}", one.name);
        let messages = events.iter().filter(|event| event[0] == "bailout" || event[0] == "extra");
        assert_eq!(messages.count(), 0, "{}: {:?}", one.name, events);
    }
}
