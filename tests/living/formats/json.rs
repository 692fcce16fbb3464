//! JSON: its schema held by check-jsonschema, the tool that repositories use.

use std::path::Path;
use std::process::Command;

use deploy_doctor::report::Format;

use super::{paths, said, text, written};
use crate::support;
use crate::support::readers;

#[test]
fn check_jsonschema_holds_it_to_its_schema() {
    let Some(python) = readers::python() else { return support::skip("no venv") };
    let folder = tempfile::tempdir().unwrap();
    let written = written(folder.path(), Format::Json);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report.schema.json");
    let check = |files: &[&Path]| {
        said(
            Command::new(python.join("bin/check-jsonschema"))
                .arg("--schemafile")
                .arg(&schema)
                .args(files),
        )
    };
    let ran = check(&paths(&written));
    assert!(ran.status.success(), "{}", text(&ran));
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, written[0].text.replace("\"schema\": 1", "\"schema\": 2")).unwrap();
    assert!(!check(&[&wrong]).status.success());
}
