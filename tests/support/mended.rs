//! A case of the proving ground that `deploy-doctor fix` mends: made wrong, fixed, and then measured
//! as the right side is. Taking the fix back must bring every byte, owner and mode back.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;

use super::container::{Container, Skip};
use super::proof::{self, Case, Shown};
use super::suite::Suite;

/// What is compared before and after: everything that a fix could touch. A socket in /run comes and
/// goes with its service.
const SNAPSHOT: &str = "find /etc /srv /usr/lib/systemd /lib/systemd/system -xdev \
    ! -name '*.pyc' ! -name __pycache__ -printf '%p\\t%y %m %U:%G %l\\n'; \
    find /etc /srv -xdev -type f ! -name '*.pyc' -exec sha256sum {} + \
    | awk '{ sum = $1; sub(/^[^ ]+ +/, \"\"); print $0 \" bytes\\t\" sum }'";

/// The state of the tree, by path.
fn snapshot(container: &Container) -> BTreeMap<String, String> {
    let listing = container.sh_ok(SNAPSHOT);
    let split = |line: &str| {
        let (path, state) = line.split_once('\t')?;
        Some((path.to_owned(), state.to_owned()))
    };
    listing.lines().filter_map(split).collect()
}

/// The paths at which two states differ.
fn differing(one: &BTreeMap<String, String>, two: &BTreeMap<String, String>) -> BTreeSet<String> {
    let paths = one.keys().chain(two.keys());
    let differs = |path: &&String| one.get(*path) != two.get(*path);
    paths.filter(differs).map(|path| path.trim_end_matches(" bytes").to_owned()).collect()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

fn fix(container: &Container, options: &[&str]) -> Output {
    container.run_for(120, &[&["deploy-doctor", "fix"], options].concat())
}

/// Makes the case wrong, fixes it, takes that back, fixes it again, and measures.
pub fn run(name: &str, case: &Case, codes: &[String]) -> Result<Shown, Skip> {
    let began = std::time::Instant::now();
    let Some(variant) = &case.wrong else { return Ok(Shown::default()) };
    let suite = case.suites().first().copied().unwrap_or_else(Suite::usual);
    let mut packages = Ok(());
    let container = Container::boot_on(suite, &format!("fix-{name}"), |root| {
        proof::base(root);
        packages = super::packages::add(root, &case.packages);
        std::fs::copy(proof::program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
    })?;
    packages?;
    let mut shown = Shown::default();
    proof::change(&container, &case.setup.files, &case.setup.run);
    proof::change(&container, &variant.files, &variant.run);
    container.sh("[ ! -e /etc/systemd/system/myapp.service ] ||
             ln -sfn ../myapp.service /etc/systemd/system/multi-user.target.wants/myapp.service
         systemctl daemon-reload; systemctl start nginx; systemctl start --no-block myapp");
    container.sh(proof::SETTLE);
    // What is left to a person may come with the deployment alone.
    if let (true, Some(deploy)) = (case.by_hand, &variant.deploy) {
        container.sh_ok(&format!("set -e\n{deploy}"));
    }
    let before = snapshot(&container);
    let select = format!("--select={}", codes.join(","));
    let apply = ["--apply", "--unsafe", "--run-actions", "--allow-incomplete", &select];
    let output = fix(&container, &apply);
    let fixed = snapshot(&container);
    let touched = differing(&before, &fixed);
    if case.by_hand {
        let all = said(&output);
        if !touched.is_empty() || !all.contains("by hand:") {
            shown.wrong.push(format!("it is not left to a person ({}):\n{all}", output.status));
        }
        shown.took = began.elapsed();
        return Ok(shown);
    }
    if touched.is_empty() {
        let all = said(&output);
        shown.wrong.push(format!("nothing was fixed ({}):\n{all}", output.status));
        return Ok(shown);
    }
    let named = said(&fix(&container, &["--history"]));
    for path in touched.iter().filter(|path| !named.contains(path.as_str())) {
        shown.wrong.push(format!("{path} was touched, and the history does not name it"));
    }
    let undone = fix(&container, &["--undo", "--run-actions"]);
    for path in differing(&before, &snapshot(&container)) {
        shown.wrong.push(format!("{path} is not as before after --undo:\n{}", said(&undone)));
    }
    container.sh(&case.again);
    let again = fix(&container, &apply);
    if differing(&before, &snapshot(&container)) != touched {
        shown.wrong.push(format!("fixed again it is another fix:\n{}", said(&again)));
    }
    check_programs(&container, &mut shown);
    let expect = &case.right.expect;
    let first = expect.first.as_deref().unwrap_or("200");
    if first != "any" && !proof::answers(&container, first) {
        let journal = container.journal("myapp");
        shown.wrong.push(format!("the site never answered {first}\n{}{journal}", said(&again)));
    }
    let deploy = case.right.deploy.as_ref().unwrap_or(&case.deploy);
    if !deploy.is_empty() {
        container.sh(proof::SETTLE);
        container.sh_ok(&format!("set -e\n{deploy}"));
    }
    let mut command = std::process::Command::new(proof::program());
    command.args(proof::CHECK).arg("--root").arg(container.root()).args(&case.right.check);
    shown.findings = proof::findings(&command.output().unwrap());
    for code in codes {
        if let Some(text) = shown.findings.get(code) {
            shown.wrong.push(format!("{code} is still found: {text}"));
        }
    }
    let step = case.right.step.as_ref().unwrap_or(&case.step);
    shown.answers = proof::load(&container, &case.load, step);
    shown.unit = said(&container.sh("systemctl is-active myapp")).trim().to_owned();
    proof::judge(expect, &container, &mut shown);
    if !shown.wrong.is_empty() {
        shown.wrong.push(format!("the fix said:\n{}", said(&again)));
        shown.wrong.push(format!("the step said: {}", shown.answers.output));
        let journal = container.journal("myapp");
        let lines: Vec<&str> = journal.lines().collect();
        shown.wrong.push(lines[lines.len().saturating_sub(15)..].join("\n      "));
    }
    shown.took = began.elapsed();
    Ok(shown)
}

/// systemd and nginx themselves accept what was written.
fn check_programs(container: &Container, shown: &mut Shown) {
    for command in ["nginx -t", "systemd-analyze verify --man=no myapp.service"] {
        let output = container.sh(command);
        if !output.status.success() {
            shown.wrong.push(format!("{command}: {}", said(&output)));
        }
    }
}
