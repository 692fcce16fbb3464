//! `docs/config.schema.json` held against the program by Python's jsonschema: what the one takes the
//! other takes, and what the one refuses the other refuses.

use std::fs;
use std::path::Path;
use std::process::Command;

use deploy_doctor::config::{Config, Places, SCHEMA, TEMPLATE};

use crate::support::{self, venv};

/// One line a file, `ok` or the first fault. A day without quotes is a date in TOML, and text in the
/// schema, as validators of TOML see it.
const VALIDATE: &str = r#"
import datetime, json, sys, tomllib
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.isoformat() if isinstance(value, (datetime.date, datetime.time)) else value
for path in sys.argv[2:]:
    fault = next(validator.iter_errors(plain(tomllib.load(open(path, "rb")))), None)
    print("ok" if fault is None else f"{fault.json_path}: {fault.message[:200]}")
"#;

fn accepted(text: &str) -> bool {
    let places = Places {
        shown: Path::new("deploy-doctor.toml"),
        base: Path::new("/repo"),
        working: Path::new("/repo"),
    };
    Config::parse(text.as_bytes(), places).is_ok()
}

#[test]
fn the_schema_takes_what_the_program_takes() {
    let whole: String = TEMPLATE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let ignore = |more: &str| format!("[[ignore]]\nrule = \"U107\"\nreason = \"why\"\n{more}\n");
    let app = |more: &str| format!("[[app]]\nname = \"shop\"\n{more}\n");
    let texts = [
        (String::new(), true),
        (TEMPLATE.to_owned(), true),
        (whole, true),
        ("fail-on = \"never\"\n".into(), true),
        ("fail-on = \"often\"\n".into(), false),
        ("fail_on = \"never\"\n".into(), false),
        ("baseline = \"\"\n".into(), false),
        ("[severity]\nU107 = \"info\"\n\"nginx/*\" = \"error\"\n".into(), true),
        ("[severity]\nU107 = \"fatal\"\n".into(), false),
        (ignore(""), true),
        (ignore("until = 2026-05-01"), true),
        (ignore("until = \"2026-05-01\""), true),
        (ignore("until = \"2026-02-30\""), false),
        (ignore("until = \"May\""), false),
        (ignore("until = 2026"), false),
        (ignore("app = \"web@blue\"\nfile = \"deploy/*.service\""), true),
        (ignore("app = \"a/b\""), false),
        (ignore("because = \"x\""), false),
        ("[[ignore]]\nrule = \"U107\"\n".into(), false),
        ("[[ignore]]\nrule = \"U107\"\nreason = \" \"\n".into(), false),
        (app("required-variables = [\"A_1\", \"_b\"]"), true),
        (app("required-variables = [\"A=1\"]"), false),
        (app("required-variables = \"A\""), false),
        (app("expected-upstream = \"unix:/run/x.sock\""), true),
        (app("expected-upstream = \"127.0.0.1:8000\""), true),
        (app("expected-upstream = \"[::1]:8000\""), true),
        (app("expected-upstream = \"/run/x.sock\""), false),
        (app("probe = [\"https://example.com/\", \"unix:/run/x.sock:/\"]"), true),
        (app("probe = [\"ftp://example.com/\"]"), false),
        ("[[app]]\nunit = [\"x.service\"]\n".into(), false),
        ("[app]\nname = \"x\"\n".into(), false),
    ];
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    fs::write(&schema, SCHEMA).unwrap();
    let mut paths = Vec::new();
    for (number, (text, good)) in texts.iter().enumerate() {
        assert_eq!(accepted(text), *good, "the program on\n{text}");
        let path = folder.path().join(format!("{number}.toml"));
        fs::write(&path, text).unwrap();
        paths.push(path);
    }
    let packages = ["jsonschema==4.25.1", "rfc3339-validator==0.1.4"];
    let Some(python) = venv::with("schema-venv", &packages) else {
        return support::skip("no venv with jsonschema");
    };
    let output = Command::new(python.join("bin/python"))
        .args(["-c", VALIDATE])
        .arg(&schema)
        .args(&paths)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), texts.len());
    for ((text, good), said) in texts.iter().zip(said.lines()) {
        assert_eq!(said == "ok", *good, "the schema on\n{text}\n{said}");
    }
}
