//! Where the wheel checks a repository: pre-commit, GitHub's action and GitLab's job, as their runners run
//! them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Instant;

use serde_json::Value;

use super::wheel::{installers, wheel};
use super::{directory, ok, said, top};
use crate::support::{self, readers, venv};

const PRE_COMMIT: [&str; 1] = ["pre-commit==4.7.0"];
const UNIT: &str = "deploy/shop.service";

/// A clone of a project whose deployment is in order.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = top().join("testdata/repository/.");
    ok(Command::new("cp").arg("-r").arg(files).arg(folder.path()));
    git(folder.path(), &["init", "--quiet"]);
    commit_all(folder.path());
    folder
}

/// git without the settings of whoever runs the tests.
fn git_command(directory: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]);
    git
}

fn git(directory: &Path, words: &[&str]) -> String {
    ok(git_command(directory).args(words))
}

fn commit_all(directory: &Path) {
    git(directory, &["add", "--all"]);
    git(directory, &["commit", "--quiet", "--no-verify", "--message", "All of it"]);
}

/// From a clean checkout to the first finding: a pipeline waits for pip, and hardly for the check.
#[test]
#[ignore = "packages/test runs it"]
fn the_first_finding_is_there_once_pip_is_done() {
    let Some(tools) = installers() else { return };
    let repository = repository();
    break_the_unit(repository.path());
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("bin/python");
    let began = Instant::now();
    ok(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(folder.path()));
    let mut pip = Command::new(tools.join("bin/pip"));
    pip.arg("--python").arg(python).args(["install", "--quiet", "--no-index"]).arg(wheel());
    ok(pip.arg("--disable-pip-version-check"));
    let installed = began.elapsed();
    let mut check = Command::new(folder.path().join("bin/deploy-doctor"));
    let found = check.args(["check", "."]).current_dir(repository.path()).output().unwrap();
    let all = began.elapsed();
    assert_eq!(found.status.code(), Some(1), "{}", said(&found));
    assert!(said(&found).contains("U101"), "{}", said(&found));
    // Past what the test's own output is kept back in.
    let said =
        format!("to the first finding {all:.1?}, of which the check {:.0?}", all - installed);
    writeln!(std::io::stderr(), "from a clean checkout {said}").unwrap();
    assert!(4 * (all - installed) < all, "the check took {:?} of {all:?}", all - installed);
}

/// `systemctl reload` does nothing any more.
fn break_the_unit(repository: &Path) {
    let unit = repository.join(UNIT);
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains("\nExecReload="), "{text}");
    let lines = text.lines().filter(|line| !line.starts_with("ExecReload="));
    fs::write(&unit, lines.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
#[ignore = "packages/test runs it"]
fn pre_commit_installs_the_wheel_and_stops_a_commit() {
    let Some(tools) = venv::with("pre-commit-venv", &PRE_COMMIT) else {
        return support::skip("pip cannot install pre-commit");
    };
    // The hook that builds the program is not run: it takes minutes.
    let manifest = top().join(".pre-commit-hooks.yaml");
    ok(Command::new(tools.join("bin/pre-commit")).arg("validate-manifest").arg(manifest));
    let version = env!("CARGO_PKG_VERSION");
    let hooks = tempfile::tempdir().unwrap();
    ok(Command::new(top().join("integrations/pre-commit/build")).arg(hooks.path()));
    git(hooks.path(), &["init", "--quiet"]);
    commit_all(hooks.path());
    git(hooks.path(), &["tag", version]);

    let (repository, cache) = (repository(), tempfile::tempdir().unwrap());
    let settings = format!(
        "repos:\n  - repo: {}\n    rev: {version}\n    hooks:\n      - id: deploy-doctor\n",
        hooks.path().display()
    );
    fs::write(repository.path().join(".pre-commit-config.yaml"), settings).unwrap();
    let wheels = wheel().parent().unwrap().to_owned();
    let commit = |message: &str| -> Output {
        git(repository.path(), &["add", "--all"]);
        git_command(repository.path())
            .args(["commit", "--message", message])
            .env("PRE_COMMIT_HOME", cache.path())
            .env("PIP_FIND_LINKS", &wheels)
            .output()
            .unwrap()
    };
    let mut install = Command::new(tools.join("bin/pre-commit"));
    install.arg("install").current_dir(repository.path()).env("PRE_COMMIT_HOME", cache.path());
    ok(install.env("GIT_CONFIG_GLOBAL", "/dev/null"));
    let done = commit("The hook");
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("Passed"), "{}", said(&done));

    let before = git(repository.path(), &["rev-parse", "HEAD"]);
    break_the_unit(repository.path());
    let done = commit("No reload");
    assert!(!done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("U101") && said(&done).contains(UNIT), "{}", said(&done));
    assert_eq!(git(repository.path(), &["rev-parse", "HEAD"]), before);
}

/// The steps of a file of `integrations/`, run in a repository. The program is on the path for those that
/// are told to install nothing.
fn steps(kind: &str, file: &str, repository: &Path, given: &[String]) -> Option<Value> {
    let python = readers::python()?;
    let path = std::env::var("PATH").unwrap_or_default();
    let mut run = Command::new(python.join("bin/python"));
    run.env("PATH", format!("{}:{path}", directory().display()));
    run.arg(top().join("tests/readers/run_steps.py")).arg(kind);
    run.arg(top().join("integrations").join(file)).arg(repository).args(given);
    Some(serde_json::from_str(&ok(&mut run)).unwrap())
}

fn words(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the services themselves would refuse.
#[test]
#[ignore = "packages/test runs it"]
fn the_schemas_of_github_and_gitlab_take_the_files() {
    let Some(python) = readers::python() else { return support::skip("no venv") };
    let folder = tempfile::tempdir().unwrap();
    for (schema, file, right, wrong) in [
        ("github-actions", "github/action.yml", "using: composite", "using: bash"),
        ("github-workflows", "github/example.yml", "runs-on:", "runs:"),
        ("gitlab-ci", "gitlab/deploy-doctor.gitlab-ci.yml", "when: always", "when: ever"),
    ] {
        let check = |path: &Path| {
            let mut check = Command::new(python.join("bin/check-jsonschema"));
            check.args(["--builtin-schema", &format!("vendor.{schema}")]).arg(path);
            check.output().unwrap()
        };
        let path = top().join("integrations").join(file);
        let taken = check(&path);
        assert!(taken.status.success(), "{}", said(&taken));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(right));
        let path = folder.path().join("wrong.yml");
        fs::write(&path, text.replace(right, wrong)).unwrap();
        assert!(!check(&path).status.success(), "{file}: {wrong}");
    }
}

/// What a run is given: what to install, under this name, where nothing more is given, for that is
/// the first run.
fn given(requirement: &str, more: &[&str]) -> Vec<String> {
    let wheel = wheel();
    let wheel = if more.is_empty() { wheel.to_str().unwrap() } else { "" };
    let more = more.iter().map(|word| (*word).to_owned());
    std::iter::once(format!("{requirement}={wheel}")).chain(more).collect()
}

#[test]
#[ignore = "packages/test runs it"]
fn githubs_action_annotates_and_hands_on_sarif() {
    let repository = repository();
    let run = |more: &[&str]| {
        let given = given("requirement", more);
        steps("github", "github/action.yml", repository.path(), &given)
    };
    let Some(clean) = run(&[]) else { return support::skip("no venv") };
    assert_eq!(
        (&clean["status"], words(&clean["outputs"]["status"])),
        (&0.into(), "0"),
        "{clean:#}"
    );
    let upload = |of: &Value| of["used"].as_array().unwrap().clone();
    assert_eq!(words(&upload(&clean)[0]["sarif_file"]), "deploy-doctor.sarif");

    break_the_unit(repository.path());
    let broken = run(&["args=--show-suppressed -v"]).unwrap();
    assert_eq!((&broken["status"], words(&broken["outputs"]["status"])), (&1.into(), "1"));
    let annotation = format!("::error file={UNIT},line=");
    assert!(words(&broken["printed"]).contains(&annotation), "{}", words(&broken["printed"]));
    assert!(words(&broken["summary"]).contains("U101"), "{broken:#}");
    // The failed step does not keep the findings from code scanning.
    assert!(words(&upload(&broken)[0]["uses"]).starts_with("github/codeql-action/upload-sarif@"));
    let sarif = fs::read(repository.path().join("deploy-doctor.sarif")).unwrap();
    let sarif: Value = serde_json::from_slice(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "U101");

    let lenient = run(&["fail-on=never", "upload=false"]).unwrap();
    assert_eq!(lenient["status"], 0);
    assert_eq!(upload(&lenient), Vec::<Value>::new());
    // What was not checked hands nothing on, and an input is no part of the script.
    let nothing = run(&["path=$(touch injected)", "args=; touch injected"]).unwrap();
    assert_ne!(nothing["status"], 0);
    assert_eq!(upload(&nothing), Vec::<Value>::new(), "{nothing:#}");
    assert!(!repository.path().join("injected").exists());
}

#[test]
#[ignore = "packages/test runs it"]
fn gitlabs_job_reports_code_quality() {
    let repository = repository();
    let run = |more: &[&str]| {
        let given = given("DEPLOY_DOCTOR_REQUIREMENT", more);
        steps("gitlab", "gitlab/deploy-doctor.gitlab-ci.yml", repository.path(), &given)
    };
    let Some(clean) = run(&[]) else { return support::skip("no venv") };
    assert_eq!(clean["status"], 0, "{clean:#}");
    assert_eq!(words(&clean["reports"]["codequality"]).trim(), "[]");
    break_the_unit(repository.path());
    let broken = run(&["DEPLOY_DOCTOR_PATH=."]).unwrap();
    assert_eq!(broken["status"], 1, "{broken:#}");
    let issues: Value = serde_json::from_str(words(&broken["reports"]["codequality"])).unwrap();
    assert_eq!(issues[0]["location"]["path"], UNIT, "{issues:#}");
    assert!(words(&broken["reports"]["junit"]).contains("U101"));
    let lenient = run(&["DEPLOY_DOCTOR_ARGS=--fail-on never --ignore U101"]).unwrap();
    assert_eq!(lenient["status"], 0, "{lenient:#}");
    assert_eq!(words(&lenient["reports"]["codequality"]).trim(), "[]");
}
