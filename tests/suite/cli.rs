//! What scripts rely on: exit statuses, formats, options, ignore comments, completions. The JSON
//! document is held against its schema in `tests/living/report_schema.rs`.

use crate::support::command;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use command::{Copied, Ran, finish, program, run};
use serde_json::Value;

const UNIT: &str = "/etc/systemd/system/myapp.service";
const ENVIRONMENT: &str = "/etc/myapp.env";

/// One error: a variable that systemd drops and nothing needs.
fn one_error() -> Copied {
    let tree = Copied::of("healthy");
    append(&tree, ENVIRONMENT, "export EXTRA=1\n");
    tree
}

/// One warning: a comment behind a value.
fn one_warning() -> Copied {
    let tree = Copied::of("healthy");
    append(&tree, ENVIRONMENT, "EXTRA=1 # note\n");
    tree
}

fn append(tree: &Copied, path: &str, text: &str) {
    let before = fs::read_to_string(tree.at(path)).unwrap();
    tree.write(path, before + text);
}

/// The rules of the environment alone: what other rules make of these trees does not matter here.
const E: [&str; 2] = ["--select", "E"];

fn check(tree: &Copied, options: &[&str]) -> Ran {
    tree.check(&[&E, options].concat())
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}:\n{}", ran.all()))
}

fn exit(ran: &Ran, code: i32) {
    assert_eq!(ran.code, Some(code), "{}", ran.all());
}

fn codes(document: &Value) -> Vec<&str> {
    document["findings"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect()
}

#[test]
fn fail_on_decides_between_0_and_1() {
    let (healthy, warning, error) = (Copied::of("healthy"), one_warning(), one_error());
    for (level, healthy_code, warning_code, error_code) in
        [("error", 0, 0, 1), ("warning", 0, 1, 1), ("info", 0, 1, 1), ("never", 0, 0, 0)]
    {
        exit(&check(&healthy, &["--fail-on", level]), healthy_code);
        exit(&check(&warning, &["--fail-on", level]), warning_code);
        exit(&check(&error, &["--fail-on", level]), error_code);
    }
    exit(&check(&error, &[]), 1);
    exit(&check(&warning, &[]), 0);
}

#[test]
fn wrong_usage_is_2() {
    let tree = Copied::of("healthy");
    let root = tree.root();
    let root = root.to_str().unwrap();
    for arguments in [
        &[][..],
        &["chekc"],
        &["check", "--nosuch"],
        &["check", "--root", root, "--unit", "x.service"],
        &["check", "--root", root, "--select", "U999"],
        &["check", "--root", root, "--select", "no-such-rule"],
        &["check", "--root", root, "--select", "[U"],
        &["check", "--root", root, "--ignore", "Z"],
        &["check", "--root", root, "--severity", "E401"],
        &["check", "--root", root, "--severity", "E401=bad"],
        &["check", "--root", root, "--severity", "E999=info"],
        &["check", "--root", root, "--format", "nosuch"],
        &["check", "--root", root, "--fail-on", "nosuch"],
        &["check", "--root", root, "--output", "json"],
        &["check", "--root", root, "--output", "nosuch=/tmp/x"],
        &["check", "--root", root, "--output", "json=-"],
        &["check", "--root", root, "--select", "E401", "--ignore", "E4*"],
        &["check", "--root", root, ""],
        &["check", "--root", root, "-q", "-v"],
        &["explain", "U999"],
        &["explain"],
        &["completions", "nosuch"],
        &["rules", "--format", "nosuch"],
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}", ran.all());
        assert!(!ran.stderr.is_empty(), "{arguments:?} says nothing");
        assert!(ran.stdout.is_empty(), "{arguments:?}: {}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_read_is_3() {
    let tree = Copied::of("healthy");
    let ran = tree.check(&["nosuch"]);
    exit(&ran, 3);
    assert!(ran.all().contains("nosuch"), "{}", ran.all());
    exit(&run(&["check", "--root", "/nosuch/directory"]), 3);
    exit(&run(&["check", "--unit", "/nosuch/x.service"]), 3);
    tree.remove(UNIT);
    let ran = tree.check(&[]);
    exit(&ran, 3);
    assert!(ran.all().contains("no unit that runs gunicorn"), "{}", ran.all());
    exit(&tree.check(&["--allow-incomplete"]), 0);
}

#[test]
fn incomplete_wins_over_findings_unless_allowed() {
    let tree = one_error();
    tree.remove("/srv/myapp/releases/2026-04-21/requirements.txt");
    fs::create_dir(tree.at("/srv/myapp/releases/2026-04-21/requirements.txt")).unwrap();
    exit(&check(&tree, &[]), 3);
    exit(&check(&tree, &["--allow-incomplete"]), 1);
    exit(&check(&tree, &["--allow-incomplete", "--fail-on", "never"]), 0);
}

#[test]
fn files_without_a_unit_do_not_pass() {
    let tree = Copied::of("guide");
    let environment = tree.at(ENVIRONMENT);
    let ran = run(&["check", "--env-file", environment.to_str().unwrap()]);
    exit(&ran, 3);
    assert!(ran.stdout.contains("name the unit that uses it"), "{}", ran.all());
    let unit = tree.at(UNIT);
    let both = ["--unit", unit.to_str().unwrap(), "--env-file", environment.to_str().unwrap()];
    exit(&run(&[&["check"], &both[..]].concat()), 1);
}

#[test]
fn an_application_is_named_with_or_without_its_suffix() {
    let tree = one_error();
    for name in ["myapp", "myapp.service"] {
        let ran = check(&tree, &[name, "--format", "json"]);
        exit(&ran, 1);
        assert_eq!(json(&ran)["apps"][0]["name"], "myapp.service");
    }
}

#[test]
fn rules_are_selected_and_ignored() {
    let tree = one_error();
    append(&tree, ENVIRONMENT, "OTHER=1 # note\n");
    let seen = |options: &[&str]| {
        let ran = tree.check(&[&["--format", "json"], options].concat());
        codes(&json(&ran)).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(seen(&["--select", "E401"]), ["E401"]);
    assert_eq!(seen(&["--select", "line-ignored"]), ["E401"]);
    assert_eq!(seen(&["--select", "environment/comment-*"]), ["E403"]);
    assert_eq!(seen(&["--select", "E"]), ["E401", "E403"]);
    assert_eq!(seen(&["--select", "environment", "--ignore", "E401"]), ["E403"]);
    assert_eq!(seen(&["--select", "E401,E403,U", "--ignore", "E4*"]), Vec::<String>::new());
}

#[test]
fn a_severity_can_be_changed() {
    let tree = one_error();
    exit(&check(&tree, &["--severity", "E401=warning"]), 0);
    exit(&check(&tree, &["--severity", "line-ignored=info", "--fail-on", "warning"]), 0);
    let ran =
        check(&tree, &["--severity", "E=info", "--severity", "E401=warning", "--format", "json"]);
    assert_eq!(json(&ran)["findings"][0]["severity"], "warning");
    assert_eq!(json(&ran)["summary"]["warning"], 1);
    exit(&check(&one_warning(), &["--severity", "E403=error"]), 1);
}

#[test]
fn reports_are_written_as_files() {
    let tree = one_error();
    let directory = tree.directory.path();
    let (json_path, text_path) = (directory.join("report.json"), directory.join("report.txt"));
    fs::write(&json_path, "old").unwrap();
    command::set_mode(&json_path, 0o600);
    let ran = check(
        &tree,
        &[
            "--output",
            &format!("json={}", json_path.display()),
            "--output",
            &format!("text={}", text_path.display()),
            "--format",
            "concise",
            "--color",
            "always",
        ],
    );
    exit(&ran, 1);
    for path in [&json_path, &text_path] {
        let mode = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o644, "{}", path.display());
        assert!(!fs::read_to_string(path).unwrap().contains('\u{1b}'), "colours in a file");
    }
    let document: Value = serde_json::from_str(&fs::read_to_string(&json_path).unwrap()).unwrap();
    assert_eq!(codes(&document), ["E401"]);
    // Nothing is left of the temporary files.
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["report.json", "report.txt", "root"]);
}

#[test]
fn a_link_in_the_place_of_a_report_is_replaced_and_not_followed() {
    let tree = one_error();
    let (link, target) = (tree.directory.path().join("link"), tree.directory.path().join("target"));
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    check(&tree, &["--output", &format!("json={}", link.display())]);
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    assert!(link.symlink_metadata().unwrap().is_file());
}

#[test]
fn colours_only_where_they_are_wanted() {
    let tree = one_error();
    let colored = |options: &[&str]| check(&tree, options).stdout.contains('\u{1b}');
    assert!(!colored(&[]), "colours in a pipe");
    assert!(!colored(&["--color", "never"]));
    assert!(colored(&["--color", "always"]));
    let mut no_color = Command::new(program());
    let root = tree.root();
    no_color.args(["check", "--root", root.to_str().unwrap()]).env("NO_COLOR", "1");
    assert!(!finish(no_color).stdout.contains('\u{1b}'));
}

/// On a terminal there are colours, unless NO_COLOR says no. `script` makes the terminal.
#[test]
fn colours_on_a_terminal() {
    let tree = one_error();
    let line = format!("{} check --root {}", program(), tree.root().display());
    let on_terminal = |value: Option<&str>| {
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env_remove("NO_COLOR");
        if let Some(value) = value {
            command.env("NO_COLOR", value);
        }
        command.stdin(Stdio::null()).output()
    };
    let Ok(output) = on_terminal(None) else {
        eprintln!("SKIPPED: colours_on_a_terminal: there is no `script`");
        return;
    };
    let escapes = |bytes: &[u8]| bytes.contains(&0x1b);
    assert!(escapes(&output.stdout), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!escapes(&on_terminal(Some("1")).unwrap().stdout));
    // https://no-color.org: an empty value does not count.
    assert!(escapes(&on_terminal(Some("")).unwrap().stdout));
}

#[test]
fn quiet_and_verbose() {
    let tree = one_error();
    let (plain, quiet) = (check(&tree, &[]), check(&tree, &["-q"]));
    assert!(plain.stdout.contains("client"), "{}", plain.stdout);
    assert!(!quiet.stdout.contains("client"), "{}", quiet.stdout);
    assert!(quiet.stdout.contains("E401"));
    assert_eq!(plain.stdout.lines().last(), quiet.stdout.lines().last());
    // In files mode much is not known; -v says what.
    let unit = tree.at(UNIT);
    let files = ["check", "--unit", unit.to_str().unwrap(), "--select", "E"];
    let verbose = run(&[&files[..], &["-v"]].concat());
    assert!(verbose.stdout.contains("skipped E4"), "{}", verbose.stdout);
    assert!(!run(&files).stdout.contains("skipped E4"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let tree = one_error();
    let mut child = Command::new(program())
        .args(["check", "--root", tree.root().to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    assert_eq!((status.code(), status.signal()), (Some(1), None), "{stderr}");
    assert_eq!(stderr, "");
}

#[test]
fn the_catalogue_is_listed_and_explained() {
    let listed = run(&["rules"]);
    exit(&listed, 0);
    assert!(listed.stdout.contains("E401") && listed.stdout.contains("line-ignored"));
    let catalogue = run(&["rules", "--format", "json"]);
    let catalogue: Value = serde_json::from_str(&catalogue.stdout).unwrap();
    for rule in catalogue.as_array().unwrap() {
        let by_code = run(&["explain", rule["code"].as_str().unwrap()]);
        let by_name = run(&["explain", rule["name"].as_str().unwrap()]);
        exit(&by_code, 0);
        assert_eq!(by_code.stdout, by_name.stdout);
        assert!(by_code.stdout.contains(rule["name"].as_str().unwrap()));
    }
    exit(&run(&["explain", "e401"]), 0);
    assert!(run(&["rules", "--format", "markdown"]).stdout.starts_with("| code |"));
}

#[test]
fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        exit(&ran, 0);
        for word in ["check", "explain", "allow-incomplete"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn help_and_version_are_0() {
    for arguments in [&["--help"][..], &["--version"], &["check", "--help"]] {
        let ran = run(arguments);
        exit(&ran, 0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty());
    }
}

const BAD_LINE: &str = "export EXTRA=1\n";

#[test]
fn a_comment_with_a_reason_holds_a_finding_back() {
    for comment in [
        "# deploy-doctor: ignore[E401] the old name goes in May\n",
        "; deploy-doctor: ignore[line-ignored, E403] the old name goes in May\n",
        "# deploy-doctor: ignore[environment/*] the old name goes in May\n",
    ] {
        let tree = Copied::of("healthy");
        append(&tree, ENVIRONMENT, &format!("{comment}{BAD_LINE}"));
        let ran = check(&tree, &["--format", "json"]);
        exit(&ran, 0);
        let document = json(&ran);
        assert_eq!(document["summary"]["suppressed"], 1, "{comment}");
        assert_eq!(codes(&document), Vec::<&str>::new());
        assert_eq!(document["problems"].as_array().unwrap().len(), 0, "{document}");
    }
}

#[test]
fn a_comment_without_reason_or_use_is_a_problem_and_no_failure() {
    for (comment, says, findings) in [
        ("# deploy-doctor: ignore[E401]\n", "gives no reason", 1),
        ("# deploy-doctor: ignore[E401 because\n", "no `]`", 1),
        ("# deploy-doctor: ignore[E999] because\n", "names no rule", 1),
        ("# deploy-doctor: ignore[E403] because\n", "suppresses no finding", 1),
        ("# deploy-doctor: ignore[E401] because\n\n", "suppresses no finding", 1),
    ] {
        let tree = Copied::of("healthy");
        append(&tree, ENVIRONMENT, &format!("{comment}{BAD_LINE}"));
        let ran = check(&tree, &["--format", "json", "--fail-on", "never"]);
        exit(&ran, 0);
        let document = json(&ran);
        assert_eq!(codes(&document).len(), findings, "{comment}");
        let problem = &document["problems"][0];
        assert!(problem["message"].as_str().unwrap().contains(says), "{comment}: {problem}");
        assert_eq!(problem["file"], ENVIRONMENT);
        assert_eq!(problem["line"], 3);
    }
}

#[test]
fn a_fingerprint_stays_when_lines_move() {
    let tree = one_error();
    let fingerprint = |tree: &Copied| {
        json(&check(tree, &["--format", "json"]))["findings"][0]["fingerprint"].clone()
    };
    let before = fingerprint(&tree);
    let text = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, format!("# new\n\n{text}"));
    assert_eq!(fingerprint(&tree), before);
    append(&tree, ENVIRONMENT, "export OTHER=1\n");
    let document = json(&check(&tree, &["--format", "json"]));
    assert_ne!(document["findings"][0]["fingerprint"], document["findings"][1]["fingerprint"]);
}
