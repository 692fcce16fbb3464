//! The program over real files of public repositories, one by one, as a gate in CI would run it:
//! no crash, no hang, no internal error, and JSON that parses. What each rule finds is counted on
//! stderr (`cargo test --test suite corpus:: -- --nocapture`), to be looked at for false alarms:
//! `docs/false-alarms.md`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Far more than any file takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if path.is_dir() {
        return Some(path);
    }
    let line = format!("SKIPPED: no corpus of real files at {}\n", path.display());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    None
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// One run; what is wrong with it, or the document that it printed.
fn check(option: &str, file: &Path, scratch: &Path) -> Result<serde_json::Value, String> {
    let output = scratch.join("output");
    let mut child = Command::new(env!("CARGO_BIN_EXE_deploy-doctor"))
        .args(["check", "--format", "json", option])
        .arg(file)
        .stdin(Stdio::null())
        .stdout(File::create(&output).unwrap())
        .stderr(File::create(scratch.join("errors")).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > LIMIT {
            child.kill().unwrap();
            child.wait().unwrap();
            return Err(format!("ran longer than {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let errors = fs::read_to_string(scratch.join("errors")).unwrap_or_default();
    match status.code() {
        Some(0 | 1 | 3) => {}
        Some(code) => return Err(format!("exits {code}: {errors}")),
        None => return Err(format!("was killed ({status}): {errors}")),
    }
    let document: serde_json::Value = serde_json::from_slice(&fs::read(&output).unwrap())
        .map_err(|error| format!("prints no JSON: {error}; {errors}"))?;
    consistent(&document, status.code())?;
    Ok(document)
}

/// The exit status is the one that the document calls for.
fn consistent(document: &serde_json::Value, code: Option<i32>) -> Result<(), String> {
    let findings = document["findings"].as_array().ok_or("has no list of findings")?;
    let failed = findings.iter().any(|finding| finding["severity"] == "error");
    if code == Some(0) && failed || code == Some(1) && !failed {
        return Err(format!("exits {code:?} with {} findings", findings.len()));
    }
    Ok(())
}

#[test]
fn real_files_are_judged_without_a_crash() {
    let Some(corpus) = corpus() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<(String, String, String), (usize, usize)> = BTreeMap::new();
    let mut checked = 0;
    for (kind, option) in [("systemd", "--unit"), ("nginx", "--nginx"), ("env", "--env-file")] {
        for file in files(&corpus.join(kind)) {
            checked += 1;
            let document = match check(option, &file, scratch.path()) {
                Ok(document) => document,
                Err(what) => {
                    wrong.push(format!("{option} {}: {what}", file.display()));
                    continue;
                }
            };
            let mut in_file = BTreeMap::new();
            for finding in document["findings"].as_array().unwrap() {
                let word = |key: &str| finding[key].as_str().unwrap().to_owned();
                *in_file.entry((word("code"), word("severity"), kind.to_owned())).or_insert(0) += 1;
            }
            for (key, found) in in_file {
                let count = counts.entry(key).or_default();
                count.0 += found;
                count.1 += 1;
            }
        }
    }
    let mut table = format!("{checked} files\nrule severity kind findings files\n");
    for ((code, severity, kind), (found, files)) in &counts {
        let _ = writeln!(table, "{code} {severity} {kind} {found} {files}");
    }
    eprintln!("{table}");
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 200, "only {checked} files were found");
}
