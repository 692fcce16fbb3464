//! `--output FORMAT=PATH`: what is written, and how.

use std::fs;
use std::process::Command;

use deploy_doctor::report::Format;

use crate::support::command::{Copied, finish, program, run};
use crate::support::formats::count;

/// One run, all formats, one count.
#[test]
fn every_format_in_one_run() {
    let tree = Copied::of("guide");
    let folder = tree.directory.path().join("out");
    fs::create_dir(&folder).unwrap();
    let name = |format| format!("{format:?}").to_lowercase();
    let outputs: Vec<String> =
        Format::all().iter().map(|f| format!("{0}={1}/{0}", name(*f), folder.display())).collect();
    let mut options = vec!["--format", "concise"];
    for output in &outputs {
        options.extend(["--output", output]);
    }
    let ran = tree.check(&options);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    let mut counts: Vec<_> = Format::all()
        .iter()
        .map(|format| count(*format, &fs::read_to_string(folder.join(name(*format))).unwrap()))
        .collect();
    counts.dedup();
    assert_eq!(counts.len(), 1, "{counts:?}");
    assert_eq!(counts[0][0], 2, "{counts:?}");
}

/// node_exporter reads whatever ends in `.prom`, also while it is being written.
#[test]
fn the_temporary_name_does_not_end_like_the_file() {
    let tree = Copied::of("healthy");
    let folder = tree.directory.path().join("out");
    fs::create_dir(&folder).unwrap();
    let log = tree.directory.path().join("trace");
    let output = format!("prometheus={}/d.prom", folder.display());
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-e", "trace=open,openat,openat2,rename,renameat,renameat2", "-o"])
        .arg(&log)
        .args([program(), "check", "--root", tree.root().to_str().unwrap(), "--output", &output]);
    if !Command::new("strace").arg("-V").output().is_ok_and(|ran| ran.status.success()) {
        return crate::support::skip("strace is not installed");
    }
    assert_eq!(finish(traced).code, Some(0));
    let log = fs::read_to_string(log).unwrap();
    let written: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("O_CREAT") && line.contains("/out/"))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert!(!written.is_empty(), "{log}");
    assert!(written.iter().all(|name| !name.ends_with(".prom")), "{written:?}");
    assert!(log.lines().any(|line| line.contains("rename") && line.contains("d.prom\"")), "{log}");
}

/// A device stays a device: nobody's `/dev/stdout` becomes a file.
#[test]
fn what_is_no_file_is_written_to_and_stays() {
    let tree = Copied::of("guide");
    let ran = tree.check(&["--format", "concise", "--output", "tap=/dev/stdout"]);
    assert_eq!(ran.code, Some(1), "{}", ran.all());
    assert!(ran.stdout.contains("TAP version 13\n"), "{}", ran.all());
    assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
    let ran = tree.check(&["--output", "tap=/dev/full"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    let fifo = tree.directory.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).unwrap()
    });
    tree.check(&["--output", &format!("tap={}", fifo.display())]);
    assert!(reader.join().unwrap().starts_with("TAP version 13\n"));
    assert!(!fs::symlink_metadata(&fifo).unwrap().is_file());
}

/// A run that came to no report: those who would not notice are told.
#[test]
fn a_run_without_a_report_is_told_where_silence_would_be_success() {
    let with = |format| run(&["check", "--root", "/nowhere/at/all", "--format", format]);
    assert!(with("tap").stdout.starts_with("TAP version 13\nBail out! "));
    assert!(with("junit").stdout.contains("<error type=\"not-read\""));
    let told = "::error title=deploy-doctor::--root /nowhere/at/all";
    assert!(with("github").stdout.starts_with(told), "{}", with("github").stdout);
    // An empty SARIF would close every alert.
    assert_eq!(with("sarif").stdout, "");
    assert_eq!(with("gitlab").stdout, "");
    let unknown = run(&["check", "--output", "nosuch=x"]);
    assert_eq!(unknown.code, Some(2));
    assert!(
        unknown.stderr.contains("the formats are text, concise, json, sarif"),
        "{}",
        unknown.stderr
    );
}
