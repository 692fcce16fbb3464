//! Known findings: `baseline write`, `check --baseline`, `baseline prune`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Copied, Ran, run};

const ENVIRONMENT: &str = "/etc/myapp.env";
const BAD_LINE: &str = "export EXTRA=1\n";

struct Known {
    tree: Copied,
    directory: TempDir,
}

impl Known {
    /// The healthy deployment with these lines in its environment file.
    fn new(lines: &str) -> Self {
        let known = Self { tree: Copied::of("healthy"), directory: tempfile::tempdir().unwrap() };
        known.append(lines);
        known
    }

    fn append(&self, lines: &str) {
        let before = fs::read_to_string(self.tree.at(ENVIRONMENT)).unwrap();
        self.tree.write(ENVIRONMENT, before + lines);
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("known.json")
    }

    fn baseline(&self, verb: &str, more: &[&str]) -> Ran {
        let (root, file) = (self.tree.root(), self.file());
        let place = ["--root", root.to_str().unwrap(), "--baseline", file.to_str().unwrap()];
        run(&[&["baseline", verb], &place[..], more].concat())
    }

    fn written(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.file()).unwrap()).unwrap()
    }

    fn write(&self, entries: Value) {
        fs::write(self.file(), json!({"schema": 1, "findings": entries}).to_string()).unwrap();
    }

    /// The rules of the environment alone: the exit status and the report.
    fn check(&self, more: &[&str]) -> (Option<i32>, Value) {
        let file = self.file();
        let options = ["--baseline", file.to_str().unwrap(), "--format", "json", "--select", "E"];
        let ran = self.tree.check(&[&options, more].concat());
        let document = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", ran.all()));
        (ran.code, document)
    }
}

fn known_and_new(document: &Value) -> (u64, usize) {
    let findings = document["findings"].as_array().unwrap();
    (document["summary"]["known"].as_u64().unwrap(), findings.len())
}

#[test]
fn what_is_known_passes_also_when_lines_move_and_what_is_new_fails() {
    let known = Known::new(BAD_LINE);
    let ran = known.baseline("write", &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.ends_with("known.json: 1 known finding\n"), "{}", ran.all());
    let entry = &known.written()["findings"][0];
    assert_eq!(entry["code"], "E401");
    assert_eq!(entry["app"], "myapp.service");
    assert_eq!(entry["file"], ENVIRONMENT);
    assert_eq!((&entry["count"], &entry["severity"]), (&json!(1), &json!("error")));

    let (code, document) = known.check(&[]);
    assert_eq!((code, known_and_new(&document)), (Some(0), (1, 0)));
    let text = fs::read_to_string(known.tree.at(ENVIRONMENT)).unwrap();
    known.tree.write(ENVIRONMENT, format!("# new\n\n# lines\n{text}"));
    let (code, document) = known.check(&[]);
    assert_eq!((code, known_and_new(&document)), (Some(0), (1, 0)));

    known.append("export OTHER=1\n");
    let (code, document) = known.check(&[]);
    assert_eq!((code, known_and_new(&document)), (Some(1), (1, 1)));
    assert!(document["findings"][0]["message"].as_str().unwrap().contains("OTHER"));
}

#[test]
fn accepted_is_not_mended() {
    let known = Known::new(BAD_LINE);
    let file = known.file();
    let bare = known.tree.check(&["--format", "json", "--select", "E"]);
    let bare: Value = serde_json::from_str(&bare.stdout).unwrap();
    assert_eq!(known.baseline("write", &[]).code, Some(0));
    let (_, document) = known.check(&[]);
    assert_eq!(document["apps"], bare["apps"], "verdict and checklist are those of before");
    let text = known.tree.check(&["--baseline", file.to_str().unwrap(), "-v"]);
    assert!(text.stdout.contains("0 errors, 0 warnings, 1 known"), "{}", text.stdout);
    assert!(text.stdout.contains("\nknown /etc/myapp.env:"), "{}", text.stdout);
}

#[test]
fn of_findings_that_are_alike_as_many_are_known_as_were_counted() {
    let known = Known::new(&BAD_LINE.repeat(2));
    assert_eq!(known.baseline("write", &[]).code, Some(0));
    assert_eq!(known.written()["findings"][0]["count"], 2);
    assert_eq!(known_and_new(&known.check(&[]).1), (2, 0));
    known.append(BAD_LINE);
    let (code, document) = known.check(&[]);
    assert_eq!((code, known_and_new(&document)), (Some(1), (2, 1)));
}

#[test]
fn a_known_finding_that_got_worse_is_a_new_one() {
    let known = Known::new(BAD_LINE);
    assert_eq!(known.baseline("write", &[]).code, Some(0));
    let mut written = known.written();
    written["findings"][0]["severity"] = json!("warning");
    known.write(written["findings"].clone());
    assert_eq!(known_and_new(&known.check(&[]).1), (0, 1));
    assert_eq!(known_and_new(&known.check(&["--severity", "E401=warning"]).1), (1, 0));
    assert_eq!(known_and_new(&known.check(&["--severity", "E401=info"]).1), (1, 0));
}

#[test]
fn what_is_gone_is_told_and_pruned() {
    let known = Known::new(&format!("{BAD_LINE}{BAD_LINE}export OTHER=1\n"));
    assert_eq!(known.baseline("write", &[]).code, Some(0));
    assert_eq!(known.check(&[]).1["problems"], json!([]));
    let text = fs::read_to_string(known.tree.at(ENVIRONMENT)).unwrap();
    known.tree.write(ENVIRONMENT, text.replacen(BAD_LINE, "", 1));
    let (code, document) = known.check(&[]);
    assert_eq!((code, known_and_new(&document)), (Some(0), (2, 0)));
    let says = document["problems"][0]["message"].as_str().unwrap();
    assert_eq!(says, "one known finding is gone: deploy-doctor baseline prune removes it");
    // Where the rule did not run, nobody can say that it is gone.
    assert_eq!(known.check(&["--ignore", "E401"]).1["problems"], json!([]));

    let ran = known.baseline("prune", &[]);
    assert!(ran.stdout.ends_with("known.json: 2 known findings, 1 removed\n"), "{}", ran.all());
    assert_eq!(known.check(&[]).1["problems"], json!([]));
    known.append(BAD_LINE);
    assert_eq!(known_and_new(&known.check(&[]).1), (2, 1), "it is new again");
    // Pruning takes nothing in.
    assert_eq!(known.baseline("prune", &[]).code, Some(0));
    assert_eq!(known_and_new(&known.check(&[]).1), (2, 1));
}

#[test]
fn pruning_keeps_what_was_not_looked_at() {
    let known = Known::new("");
    let entry = |code: &str, app: Value, fingerprint: &str| {
        json!({"app": app, "code": code, "file": null, "severity": "error", "count": 1,
               "fingerprint": fingerprint})
    };
    let all = json!([
        entry("P501", json!("myapp.service"), "1"), // needs a living host
        entry("E401", json!("other.service"), "2"),
        entry("E401", json!("myapp.service"), "3"),
        entry("Z999", json!("myapp.service"), "4"), // no rule any more
    ]);
    let left = |arguments: &[&str]| {
        known.write(all.clone());
        let ran = known.baseline("prune", arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.all());
        let written = known.written();
        let findings = written["findings"].as_array().unwrap();
        let mut left: Vec<String> =
            findings.iter().map(|entry| entry["fingerprint"].as_str().unwrap().into()).collect();
        left.sort();
        left
    };
    assert_eq!(left(&[]), ["1"]);
    assert_eq!(left(&["myapp"]), ["1", "2"]);
}

#[test]
fn nothing_is_written_where_not_everything_was_read() {
    let known = Known::new(BAD_LINE);
    assert_eq!(known.baseline("write", &[]).code, Some(0));
    let before = fs::read_to_string(known.file()).unwrap();
    known.tree.remove("/etc/passwd").write("/etc/passwd/x", "");
    for verb in ["write", "prune"] {
        let ran = known.baseline(verb, &[]);
        assert_eq!(ran.code, Some(3), "{}", ran.all());
        assert!(ran.stderr.contains("nothing was written"), "{}", ran.all());
        assert_eq!(fs::read_to_string(known.file()).unwrap(), before);
    }
    assert_eq!(known.baseline("write", &["--allow-incomplete"]).code, Some(0));
}

#[test]
fn a_file_that_is_none_ends_with_2() {
    let known = Known::new("");
    let file = known.file();
    let check = || known.tree.check(&["--baseline", file.to_str().unwrap()]);
    let ran = check();
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stderr.contains("deploy-doctor baseline write"), "{}", ran.all());
    for text in ["", "[]", "{\"schema\": 1}", "{\"schema\": 2, \"findings\": []}"] {
        fs::write(&file, text).unwrap();
        let ran = check();
        assert_eq!(ran.code, Some(2), "{text}: {}", ran.all());
        let said =
            ["known.json is ", "known.json has "].iter().any(|said| ran.stderr.contains(said));
        assert!(said, "{text}: {}", ran.all());
    }
}

#[test]
fn the_file_of_settings_names_it_from_its_own_directory() {
    let known = Known::new(BAD_LINE);
    let config = known.directory.path().join("settings.toml");
    fs::write(&config, "baseline = \"known.json\"\n").unwrap();
    let root = known.tree.root();
    let place = ["--root", root.to_str().unwrap(), "--config", config.to_str().unwrap()];
    let ran = run(&[&["baseline", "write"], &place[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(known.file().exists());
    let ran = run(&[&["check", "--select", "E401"], &place[..]].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.all());
    assert!(ran.stdout.contains("1 known"), "{}", ran.all());
}
