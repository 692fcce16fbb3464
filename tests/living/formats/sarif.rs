//! SARIF: Microsoft's multitool with the rules of GitHub's code scanning, and sarif-tools.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use deploy_doctor::report::Format;
use serde_json::{Value, json};

use super::{Written, paths, reader, said, text, written};
use crate::support;
use crate::support::command::Copied;
use crate::support::readers;

/// No address of the project is known yet, and none is invented.
const ALLOWED: &str = "SARIF2005";

/// What the multitool says: for each file, the rules that it holds violated. It ends with 0 whatever
/// it finds.
fn judged(modules: &Path, files: &[&Path]) -> Vec<Vec<String>> {
    let tool = modules.join("@microsoft/sarif-multitool-linux/Sarif.Multitool");
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log.sarif");
    let ran = said(
        Command::new(tool)
            .arg("validate")
            .args(files)
            .args(["--rule-kind", "Sarif;Gh;Ghas", "--level", "Error;Warning", "--output"])
            .arg(&log)
            // It keeps bundles in the home directory.
            .env("DOTNET_BUNDLE_EXTRACT_BASE_DIR", folder.path())
            .env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1"),
    );
    let log = fs::read(log).unwrap_or_else(|error| panic!("{error}: {}", text(&ran)));
    let log: Value = serde_json::from_slice(&log).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let of = |file: &&Path| -> Vec<String> {
        let name = file.file_name().unwrap().to_str().unwrap();
        let here = |result: &&Value| {
            let uri = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            let uri = match uri["index"].as_u64() {
                Some(index) if uri["uri"].is_null() => {
                    &log["runs"][0]["artifacts"][index as usize]["location"]["uri"]
                }
                _ => &uri["uri"],
            };
            uri.as_str().unwrap().ends_with(name)
        };
        let mine = results.iter().filter(here);
        mine.map(|result| result["ruleId"].as_str().unwrap().to_owned()).collect()
    };
    let told: Vec<Vec<String>> = files.iter().map(of).collect();
    assert_eq!(told.iter().map(Vec::len).sum::<usize>(), results.len(), "whose are they? {log:#}");
    told
}

#[test]
fn the_multitool_and_github_find_no_fault() {
    let Some(modules) = readers::npm() else { return support::skip("no npm") };
    let folder = tempfile::tempdir().unwrap();
    let mut written = written(folder.path(), Format::Sarif);
    let held = folder.path().join("suppressed.sarif");
    let tree = Copied::of("healthy");
    let unit = "/etc/systemd/system/myapp.service";
    let before = fs::read_to_string(tree.at(unit)).unwrap();
    let comment = "[Service]\n# deploy-doctor: ignore[U107] a person restarts it\nRestart=no\n";
    tree.write(unit, before + comment);
    let output = format!("sarif={}", held.display());
    let ran = tree.check(&["--show-suppressed", "--output", &output]);
    let text = fs::read_to_string(&held).unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
    assert!(text.contains("\"inSource\""), "{text}");
    written.push(Written { name: "suppressed", path: held, counts: [0; 3], text });
    let told = judged(&modules, &paths(&written));
    for (one, told) in written.iter().zip(told) {
        let faults: Vec<_> = told.into_iter().filter(|rule| rule != ALLOWED).collect();
        assert_eq!(faults, Vec::<String>::new(), "{}", one.name);
    }
}

/// The reader sees each of the traps, so that a report without a fault says something.
#[test]
fn the_multitool_sees_each_trap() {
    let Some(modules) = readers::npm() else { return support::skip("no npm") };
    let folder = tempfile::tempdir().unwrap();
    let good: Value = serde_json::from_str(&written(folder.path(), Format::Sarif)[0].text).unwrap();
    let result = "/runs/0/results/0";
    let rule = "/runs/0/tool/driver/rules/0";
    let traps = [
        (result, "locations", Value::Null, "GH1015"),
        (rule, "help", Value::Null, "GH2012"),
        (rule, "fullDescription", Value::Null, "GH2012"),
        (rule, "helpUri", json!("docs/rules/U101.md"), "SARIF1005"),
        (
            "/runs/0/results/0/locations/0/physicalLocation/artifactLocation",
            "uri",
            json!("/etc/nginx/nginx.conf"),
            "SARIF1004",
        ),
        ("/runs/0/tool/driver/rules/0/properties", "tags", json!(["a", "a"]), "JSON1020"),
    ];
    let files: Vec<_> = traps
        .iter()
        .enumerate()
        .map(|(number, (at, key, value, _))| {
            let mut bad = good.clone();
            let at = bad.pointer_mut(at).unwrap().as_object_mut().unwrap();
            match value {
                Value::Null => assert!(at.remove(*key).is_some(), "{key}"),
                value => drop(at.insert((*key).to_owned(), value.clone())),
            }
            let path = folder.path().join(format!("trap{number}.sarif"));
            fs::write(&path, bad.to_string()).unwrap();
            path
        })
        .collect();
    let told = judged(&modules, &files.iter().map(|path| path.as_path()).collect::<Vec<_>>());
    for ((_, key, _, wanted), told) in traps.iter().zip(told) {
        assert!(told.iter().any(|rule| rule == wanted), "{key}: {told:?}");
    }
}

#[test]
fn sarif_tools_counts_the_same() {
    let Some(python) = readers::python() else { return support::skip("no venv") };
    let folder = tempfile::tempdir().unwrap();
    let written = written(folder.path(), Format::Sarif);
    let ran = said(
        Command::new(python.join("bin/python")).arg(reader("count_sarif.py")).args(paths(&written)),
    );
    let lines = text(&ran);
    assert_eq!(lines.lines().count(), written.len(), "{lines}");
    for (one, line) in written.iter().zip(lines.lines()) {
        let counts: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{lines}"));
        let counts = ["error", "warning", "note"].map(|l| counts[l].as_u64().unwrap() as usize);
        assert_eq!(counts, one.counts, "{}", one.name);
    }
}
