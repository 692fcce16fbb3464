//! `check .` over real repositories: the findings are those of the files named by hand, and none
//! more. What is missing is listed here, with why it is not found: `docs/false-alarms.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::corpus::corpus;

/// Repository, rule, file (or a directory of it), why.
const NOT_FOUND: [(&str, &str, &str, &str); 5] = [
    ("Comet-Robotics/club-manager", "E403", ".env.example", "the unit names no environment file"),
    ("anokata/comleave", "N317", "prodconf/comleave.conf", "one of two hosts', joined by hand"),
    ("jmiller1178/irrigation", "N303", "etc/nginx/locations.conf", "locations of a file unseen"),
    ("lamcw/localhost", "U107", "deploy/systemd/celery.service", "a script that does not exist"),
    ("certbot/certbot", "", "certbot", "nginx files that tests read"),
];

/// Rule, file, line.
type Found = (String, String, u64);

/// A repository's files by their kind, and where they lie in it.
type Files = Vec<(String, String)>;

fn repositories(corpus: &Path) -> BTreeMap<String, Files> {
    let manifest = fs::read_to_string(corpus.join("manifest.tsv")).unwrap();
    let mut found: BTreeMap<String, Files> = BTreeMap::new();
    for line in manifest.lines().skip(1) {
        let mut columns = line.split('\t');
        let mut next = || columns.next().unwrap().to_owned();
        let (file, repository, _commit, path) = (next(), next(), next(), next());
        found.entry(repository).or_default().push((file, path));
    }
    found.retain(|_, files| files.len() > 1);
    found
}

fn check(directory: &Path, arguments: &[String]) -> (Option<i32>, BTreeSet<Found>) {
    let output = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
        .args(["check", "--format", "json"])
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let findings = report["findings"].as_array().unwrap().iter();
    let found = findings.map(|finding| {
        let place = &finding["locations"][0];
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (word(&finding["code"]), word(&place["file"]), place["line"].as_u64().unwrap_or(0))
    });
    (output.status.code(), found.collect())
}

#[test]
fn a_repository_gives_the_findings_of_its_files_named_by_hand() {
    let Some(corpus) = corpus() else { return };
    let repositories = repositories(&corpus);
    assert!(repositories.len() > 50, "only {} repositories", repositories.len());
    let (mut wrong, mut all, mut unseen) = (Vec::new(), 0, NOT_FOUND.to_vec());
    for (name, files) in &repositories {
        let directory = tempfile::tempdir().unwrap();
        let mut by_hand = Vec::new();
        for (file, path) in files {
            let place = directory.path().join(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(corpus.join(file), place).unwrap();
            let option = match file.split('/').next().unwrap() {
                "systemd" => "--unit",
                "nginx" => "--nginx",
                _ => "--env-file",
            };
            by_hand.extend([option.to_owned(), path.clone()]);
        }
        let (_, named) = check(directory.path(), &by_hand);
        let (code, found) = check(directory.path(), &[".".to_owned()]);
        all += named.len();
        wrong.extend(found.difference(&named).map(|more| format!("{name}: more: {more:?}")));
        for less in named.difference(&found) {
            let known = |one: &(&str, &str, &str, &str)| {
                one.0 == name && less.0.starts_with(one.1) && less.1.starts_with(one.2)
            };
            if NOT_FOUND.iter().any(known) {
                unseen.retain(|one| !known(one));
            } else {
                wrong.push(format!("{name}: less: {less:?}"));
            }
        }
        if code.is_none_or(|code| code == 2) {
            wrong.push(format!("{name}: exits {code:?}"));
        }
    }
    assert!(wrong.is_empty(), "of {all} findings:\n{}", wrong.join("\n"));
    assert!(unseen.is_empty(), "found by now, and to be taken out of the list: {unseen:?}");
    assert!(all > 60, "only {all} findings");
}
