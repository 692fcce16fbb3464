//! `check --wait`, `--probe` with `--timeout` and `--expect-version`: for use after a start.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::command::{Copied, Ran, finish, program, run};
use crate::support::scripted::{Deed, Scripted, answer};

const ENVIRONMENT: &str = "/etc/myapp.env";

fn broken() -> (Copied, String) {
    let tree = Copied::of("healthy");
    let healthy = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, format!("{healthy}export EXTRA=1\n"));
    (tree, healthy)
}

#[test]
fn it_waits_until_it_passes_and_reports_that_alone() {
    let (tree, healthy) = broken();
    let root = tree.root();
    let mut child = Command::new(program())
        .args(["check", "--root", root.to_str().unwrap(), "--select", "E", "--wait", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("deploy-doctor: not yet: E401 "), "{said}");
    assert_eq!(child.try_wait().unwrap(), None, "it did not wait");
    fs::write(tree.at("/etc/myapp.env.new"), healthy).unwrap();
    crate::support::command::set_mode(&tree.at("/etc/myapp.env.new"), 0o640);
    fs::rename(tree.at("/etc/myapp.env.new"), tree.at(ENVIRONMENT)).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{stdout}");
    assert_eq!(stdout.matches("0 errors").count(), 1, "{stdout}");
    assert!(!stdout.contains("E401"), "{stdout}");
}

#[test]
fn the_last_look_is_reported_where_it_does_not_pass_in_time() {
    let (tree, _) = broken();
    let file = tree.at("/../report.json");
    let output = format!("json={}", file.display());
    let ran = tree.check(&["--select", "E", "--wait", "0.1", "--output", &output]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert_eq!(ran.stdout.matches("error[E401]").count(), 1, "{}", ran.all());
    let written: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(written["summary"]["error"], 1);
    let quiet = tree.check(&["--select", "E", "--wait", "0.1", "-q"]);
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(1), ""));
    assert_eq!(tree.check(&["--wait", "soon"]).code, Some(2));
    assert_eq!(tree.check(&["--wait", "1e300"]).code, Some(2));
}

/// A check of this machine that asks a server of ours. What else is found here does not matter.
fn ask(more: &[&str]) -> (Vec<(String, String)>, Ran) {
    let base = ["check", "--no-exec", "--format", "json", "--select", "L805,L808"];
    let ran = run(&[&base, more].concat());
    (found(&ran), ran)
}

fn found(ran: &Ran) -> Vec<(String, String)> {
    let document: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["code"]), text(&finding["message"]))).collect()
}

#[test]
fn every_answer_has_to_be_of_the_version_that_is_expected() {
    let server = Scripted::tcp(|asked| {
        let new = asked.path() == "/new" || (asked.path() == "/both" && asked.number % 2 == 0);
        let release = if new { "2026-04-21" } else { "2026-04-14" };
        Deed::Answer(answer(200, release))
    });
    let url = |path: &str| server.url(&format!("/{path}"));
    let expect = |path: &str| ask(&["--probe", &url(path), "--expect-version", "2026-04-21"]).0;
    assert_eq!(expect("new"), []);
    let found = expect("old");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "L808");
    assert!(found[0].1.starts_with("another release answers at http://"), "{found:?}");
    let found = expect("both");
    assert!(found[0].1.starts_with("workers of two releases answer at"), "{found:?}");
    // Nobody expects anything.
    assert_eq!(ask(&["--probe", &url("old")]).0, []);
    // Each of several URLs.
    let both = ["--probe", &url("new"), "--probe", &url("old"), "--expect-version", "2026-04-21"];
    assert_eq!(ask(&both).0.len(), 1);
}

#[test]
fn what_does_not_answer_is_not_of_another_release() {
    let server = Scripted::tcp(|_| Deed::status(502));
    let (found, _) = ask(&["--probe", &server.url("/"), "--expect-version", "2026-04-21"]);
    assert_eq!(found.iter().map(|(code, _)| code.as_str()).collect::<Vec<_>>(), ["L805"]);
}

#[test]
fn the_time_that_an_answer_may_take_is_the_user_s() {
    let server = Scripted::tcp(|_| Deed::Hang);
    let (found, _) = ask(&["--probe", &server.url("/"), "--timeout", "0.2"]);
    assert_eq!(found.len(), 1);
    assert!(found[0].1.ends_with("does not answer: no answer within 0.2 s"), "{found:?}");
}

#[test]
fn options_of_a_probe_want_one() {
    for option in [["--timeout", "1"], ["--expect-version", "x"]] {
        let ran = run(&["check", "--no-exec", option[0], option[1]]);
        assert_eq!(ran.code, Some(2), "{}", ran.all());
        assert!(ran.stderr.contains("needs --probe"), "{}", ran.all());
    }
    let ran = run(&["check", "--no-exec", "--probe", "unix:/x", "--expect-version", ""]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert_eq!(run(&["check", "--probe", "unix:/x", "--timeout", "0"]).code, Some(2));
}

#[test]
fn urls_of_the_settings_are_asked_on_the_living_host_alone() {
    let server = Scripted::tcp(|_| Deed::status(503));
    let here = tempfile::tempdir().unwrap();
    let text = format!("[[app]]\nname = \"myapp\"\nprobe = [\"{}\"]\n", server.url("/"));
    fs::write(here.path().join("deploy-doctor.toml"), text).unwrap();
    let check = |more: &[&str]| {
        let base = ["check", "--format", "json", "--select", "L805"];
        let mut command = Command::new(program());
        command.args([&base, more].concat()).current_dir(here.path());
        finish(command)
    };
    let tree = Copied::of("healthy");
    check(&["--root", tree.root().to_str().unwrap()]);
    assert_eq!(server.log().len(), 0, "a tree asks nobody");
    let ran = check(&["--no-exec"]);
    assert_eq!(server.log().len(), 1, "{}", ran.all());
    assert_eq!(found(&ran).len(), 1, "{}", ran.all());
    // Another application was asked for.
    check(&["--no-exec", "other"]);
    assert_eq!(server.log().len(), 1);
    // The option goes before it.
    let other = Scripted::tcp(|_| Deed::ok());
    check(&["--no-exec", "--probe", &other.url("/")]);
    assert_eq!((server.log().len(), other.log().len()), (1, 1));
}
