//! GitLab's Code Quality report. GitLab itself cannot be had here: its published format, as a schema
//! written for this test, is held by check-jsonschema, and sarif-tools' own report of the same run is
//! compared.

use std::process::Command;

use deploy_doctor::report::Format;
use serde_json::Value;

use super::{paths, reader, said, text, written};
use crate::support;
use crate::support::readers;

#[test]
fn it_holds_to_the_published_format() {
    let Some(python) = readers::python() else { return support::skip("no venv") };
    let folder = tempfile::tempdir().unwrap();
    let written = written(folder.path(), Format::Gitlab);
    let check = |files: &[&std::path::Path]| {
        said(
            Command::new(python.join("bin/check-jsonschema"))
                .arg("--schemafile")
                .arg(reader("gitlab.schema.json"))
                .args(files),
        )
    };
    let ran = check(&paths(&written));
    assert!(ran.status.success(), "{}", text(&ran));
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, written[0].text.replace("\"critical\"", "\"error\"")).unwrap();
    assert!(!check(&[&wrong]).status.success());
}

#[test]
fn sarif_tools_makes_the_same_issues_of_the_same_run() {
    let Some(python) = readers::python() else { return support::skip("no venv") };
    let folder = tempfile::tempdir().unwrap();
    let ours = written(folder.path(), Format::Gitlab);
    let sarif = written(folder.path(), Format::Sarif);
    for (ours, sarif) in ours.iter().zip(&sarif) {
        let theirs = folder.path().join("theirs.json");
        let ran = said(
            Command::new(python.join("bin/sarif"))
                .arg("codeclimate")
                .arg(&sarif.path)
                .arg("-o")
                .arg(&theirs),
        );
        assert!(ran.status.success(), "{}", text(&ran));
        let issues = |text: &str| -> Vec<(String, u64)> {
            let issues: Value = serde_json::from_str(text).unwrap();
            let mut issues: Vec<_> = issues
                .as_array()
                .unwrap()
                .iter()
                .map(|issue| {
                    let name = issue["check_name"].as_str().unwrap();
                    let code = name.split(' ').next().unwrap().to_owned();
                    (code, issue["location"]["lines"]["begin"].as_u64().unwrap())
                })
                .collect();
            issues.sort();
            issues
        };
        let theirs = std::fs::read_to_string(theirs).unwrap();
        assert_eq!(issues(&ours.text), issues(&theirs), "{}", ours.name);
    }
}
