//! The JSON document held against `docs/report.schema.json` by Python's jsonschema, the validator
//! that most users have.

#[path = "config_schema.rs"]
mod config_schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::command::{Copied, Ran, run};
use crate::support::{self, venv};

const UNIT: &str = "/etc/systemd/system/myapp.service";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const WSGI: &str = "/srv/myapp/releases/2026-04-21/wsgi.py";
const ENVIRONMENT: &str = "/etc/myapp.env";
const JSON: [&str; 2] = ["--format", "json"];

/// One line a document, `ok` or the first fault; ends with 3 where the schema itself is none.
const VALIDATE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator, exceptions
schema = json.load(open(sys.argv[1]))
try:
    Draft202012Validator.check_schema(schema)
except exceptions.SchemaError as error:
    sys.exit(3)
validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
for path in sys.argv[2:]:
    fault = next(validator.iter_errors(json.load(open(path))), None)
    print("ok" if fault is None else f"{fault.json_path}: {fault.message[:300]}")
"#;

/// What the validator says of each document.
fn judged(documents: &[Value]) -> Option<Vec<String>> {
    let python = venv::with("schema-venv", &["jsonschema==4.25.1", "rfc3339-validator==0.1.4"])?;
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = documents
        .iter()
        .enumerate()
        .map(|(number, document)| {
            let path = folder.path().join(format!("{number}.json"));
            fs::write(&path, document.to_string()).unwrap();
            path
        })
        .collect();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let output = Command::new(python.join("bin/python"))
        .args(["-c", VALIDATE])
        .arg(schema)
        .args(paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<String> =
        String::from_utf8(output.stdout).unwrap().lines().map(Into::into).collect();
    assert_eq!(lines.len(), documents.len());
    Some(lines)
}

fn document(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.all()))
}

fn append(tree: &Copied, path: &str, text: &str) {
    let before = fs::read_to_string(tree.at(path)).unwrap();
    tree.write(path, before + text);
}

/// A deployment with faults of every area.
fn broken() -> Copied {
    let tree = Copied::of("healthy");
    append(&tree, ENVIRONMENT, "export EXTRA=1\n");
    append(
        &tree,
        ENVIRONMENT,
        "# deploy-doctor: ignore[E403]\nB=1 # x\nC=\"x\nD=1\nFLASK_DEBUG=1\n",
    );
    tree.edit(UNIT, "ExecReload=", "ExecRelaod=");
    tree.edit(SITE, "server {", "server { nosuch_directive 1;");
    tree.edit(WSGI, "import os", "import os; X = os.environ[\"NEEDED\"]");
    tree
}

#[test]
fn real_reports_hold_to_the_schema() {
    let mut named: Vec<(String, Value)> = ["healthy", "guide"]
        .map(|case| (case.to_owned(), document(&Copied::of(case).check(&JSON))))
        .into();
    let broken = broken();
    let report = document(&broken.check(&JSON));
    assert!(report["findings"].as_array().unwrap().len() >= 3, "{report}");
    named.push(("broken".into(), report));
    for path in [UNIT, "/etc/nginx/nginx.conf", "/etc/passwd"] {
        let tree = Copied::of("guide");
        tree.write(path, b"\xff\0[");
        named.push((format!("{path} is binary"), document(&tree.check(&JSON))));
        tree.remove(path);
        named.push((format!("{path} is gone"), document(&tree.check(&JSON))));
    }
    let unit = broken.at(UNIT);
    let files = run(&["check", "--format", "json", "--unit", unit.to_str().unwrap()]);
    named.push(("files".into(), document(&files)));
    let held = "[Service]\n# deploy-doctor: ignore[U107] a person restarts it\nRestart=no\n";
    let tree = Copied::of("healthy");
    let unit = fs::read_to_string(tree.at(UNIT)).unwrap();
    tree.write(UNIT, unit + held);
    let shown = document(&tree.check(&[&JSON[..], &["--show-suppressed"]].concat()));
    assert!(!shown["suppressed"].as_array().unwrap().is_empty(), "{shown}");
    named.push(("suppressed".into(), shown));
    let documents: Vec<Value> = named.iter().map(|(_, document)| document.clone()).collect();
    let Some(judged) = judged(&documents) else { return support::skip("no venv with jsonschema") };
    for ((name, _), said) in named.iter().zip(judged) {
        assert_eq!(said, "ok", "{name}");
    }
}

#[test]
fn the_schema_refuses_what_is_wrong() {
    let good = document(&broken().check(&JSON));
    let mut documents = vec![good.clone()];
    let wrongs = [
        ("/schema", Value::from(2)),
        ("/findings/0/severity", Value::from("fatal")),
        ("/findings/0/fingerprint", Value::Null),
        ("/findings/0/locations/0/line", Value::from(0)),
        ("/apps/0/verdict", Value::from("fine")),
        ("/apps/0/checklist", Value::Array(Vec::new())),
        ("/summary/error", Value::from(-1)),
        ("/source/time", Value::from("yesterday")),
    ];
    for (pointer, wrong) in &wrongs {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = wrong.clone();
        documents.push(bad);
    }
    let mut more = good.clone();
    more["extra"] = Value::Null;
    documents.push(more);
    // A pass says what it rests on, and nothing else does.
    let item = |status: &str| {
        let list = good["apps"][0]["checklist"].as_array().unwrap();
        let at = list.iter().position(|item| item["status"] == status);
        format!("/apps/0/checklist/{}", at.unwrap_or_else(|| panic!("none is {status}: {good}")))
    };
    let mut unseen = good.clone();
    unseen.pointer_mut(&item("pass")).unwrap().as_object_mut().unwrap().remove("seen").unwrap();
    let mut seen = good.clone();
    seen.pointer_mut(&item("unknown")).unwrap()["seen"] = Value::from("files");
    documents.extend([unseen, seen]);
    let Some(judged) = judged(&documents) else { return support::skip("no venv with jsonschema") };
    assert_eq!(judged[0], "ok");
    let pointers = wrongs.iter().map(|(pointer, _)| *pointer).chain(["/extra", "no seen", "seen"]);
    for (pointer, said) in pointers.zip(&judged[1..]) {
        assert_ne!(said, "ok", "{pointer}");
    }
}
