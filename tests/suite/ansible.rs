//! The program started as Ansible starts a binary module: what it takes, and that it answers in JSON
//! whatever it is given.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::command::program;

fn answer(program: &Path, arguments: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("args");
    fs::write(&file, arguments).unwrap();
    let output = Command::new(program).arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    assert!(!text.contains("kanary"), "{text}");
    assert_eq!(output.status.success(), answer["failed"] == false);
    answer
}

#[track_caller]
fn refused(arguments: &str, why: &str) {
    let answer = answer(Path::new(program()), arguments);
    assert_eq!((&answer["failed"], &answer["changed"]), (&true.into(), &false.into()));
    let message = answer["msg"].as_str().unwrap();
    assert!(message.contains(why), "{arguments}: {message}");
}

#[test]
fn what_is_wrong_with_a_task_is_said() {
    let own = r#""_ansible_check_mode": false, "_ansible_diff": "True""#;
    for (arguments, why) in [
        (r#""state": "absent""#, "checked, fixed or reloaded"),
        (r#""state": ["fixed"]"#, "checked, fixed or reloaded"),
        (r#""aps": "kanary""#, "aps: no such parameter; the parameters are state, "),
        (r#""unsafe": true"#, "unsafe cannot be used with state=checked, only with state=fixed"),
        (r#""state": "fixed", "unsafe": "kanary""#, "unsafe: true or false"),
        (r#""state": "reloaded""#, "needs apps"),
        (r#""state": "reloaded", "apps": {"a": 1}"#, "apps: a list"),
        (r#""state": "reloaded", "apps": "a", "release": ["x"]"#, "release: one value"),
        (r#""fail_on": "everything""#, "possible values: error, warning, info, never"),
        (r#""apps": ["--fail-on=never"]"#, "not a unit's name"),
    ] {
        refused(&format!("{{{own}, {arguments}}}"), why);
    }
    refused(r#"{"_ansible_check_mode": "kanary"}"#, "_ansible_check_mode: true or false");
}

/// Ansible's own copy of the module is known by its name, whatever its file of arguments holds.
#[test]
fn under_ansibles_name_the_answer_is_json_too() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("AnsiballZ_deploy_doctor");
    std::os::unix::fs::symlink(program(), &module).unwrap();
    for (arguments, why) in [
        ("{\"a\": kanary", "not JSON"),
        ("[1]", "not a JSON object"),
        ("{\"x\": 1}", "no such parameter"),
    ] {
        let answer = answer(&module, arguments);
        assert!(answer["msg"].as_str().unwrap().contains(why), "{answer}");
    }
    let output = Command::new(&module).arg("/nowhere/at/all").output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["failed"], true);
}

/// A file that is no task's is no command either.
#[test]
fn a_file_without_ansibles_keys_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("args");
    fs::write(&file, r#"{"state": "checked"}"#).unwrap();
    let output = Command::new(program()).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}
