//! A case of the proving ground: a small file that says how a deployment is made wrong, what is done
//! to it, what harm is seen, and which findings must name the fault beforehand. `e2e/README.md`
//! explains the form.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::container::Container;
use super::suite::Suite;

/// A case as its file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// What is wrong, in a sentence.
    pub about: String,
    /// The measured harm, in a sentence, as `explain` shows it.
    #[serde(default)]
    pub harm: String,
    /// The codes that `check --root` must give before the harm.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Further codes that must come with them: other faults of the same deployment.
    #[serde(default)]
    pub also: Vec<String>,
    /// Codes that are truly there on both sides.
    #[serde(default)]
    pub both: Vec<String>,
    /// The codes that `check` on the living host must give before the harm.
    #[serde(default)]
    pub before: Vec<String>,
    /// The codes that it must give after the harm, beside `findings` and `also`.
    #[serde(default)]
    pub live: Vec<String>,
    /// Further errors that the harm brings with it on the living host, or may bring.
    #[serde(default)]
    pub with: Vec<String>,
    /// Those of `findings` that are no longer there after the harm.
    #[serde(default)]
    pub gone: Vec<String>,
    /// What is run (shell) before the fix is made again: it takes away what systemd keeps of the fixed
    /// unit, or mends what taking the fix back broke.
    #[serde(default)]
    pub again: String,
    /// Further options of `check` on the living host.
    #[serde(default)]
    pub inside: Vec<String>,
    /// The rule has a fix, and none that a program can make for this cause: `fix` says what to type and
    /// changes nothing.
    #[serde(default)]
    pub by_hand: bool,
    /// The roots that it is about, where that is not all of them.
    #[serde(default)]
    pub roots: Vec<Suite>,
    /// Packages that the application wants beside those of the root, as pip takes them: pure Python.
    #[serde(default)]
    pub packages: Vec<String>,
    /// What both variants have in common.
    #[serde(default)]
    pub setup: Change,
    /// Done to the site that runs, before the check from outside: shell.
    #[serde(default)]
    pub deploy: String,
    /// Done while requests come in: shell.
    #[serde(default)]
    pub step: String,
    /// The requests.
    #[serde(default)]
    pub load: Load,
    /// Done after the requests, before the second check on the living host: shell.
    #[serde(default)]
    pub then: String,
    /// Made wrong: harm and findings.
    pub wrong: Option<Variant>,
    /// Made right: neither.
    pub right: Variant,
}

impl Case {
    /// The roots on which it is to be shown.
    pub fn suites(&self) -> Vec<Suite> {
        let meant = |suite: &Suite| self.roots.is_empty() || self.roots.contains(suite);
        let asked = |suite: &Suite| Suite::only().is_none_or(|only| only == *suite);
        Suite::ALL.into_iter().filter(meant).filter(asked).collect()
    }
}

/// A change to the healthy deployment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Files by path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Shell, after the files are there.
    #[serde(default)]
    pub run: String,
}

/// One side of a case.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Files by path.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Shell, after the files are there.
    #[serde(default)]
    pub run: String,
    /// Further options of `check`.
    #[serde(default)]
    pub check: Vec<String>,
    /// In place of the case's.
    pub deploy: Option<String>,
    /// In place of the case's.
    pub step: Option<String>,
    /// What must be seen.
    #[serde(default)]
    pub expect: Expect,
}

/// The requests sent over the step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Load {
    /// A second.
    pub rate: f64,
    /// Seconds after the step.
    pub tail: f64,
    /// Seconds after which an unanswered request is given up.
    pub limit: f64,
    /// What is asked for.
    pub path: String,
    /// `GET` or `POST`.
    pub method: String,
}

impl Default for Load {
    fn default() -> Self {
        Self { rate: 40.0, tail: 2.0, limit: 15.0, path: "/".into(), method: "GET".into() }
    }
}

/// What must be seen. Numbers are written as `0`, `>= 20`, `< 1.5`, `>= 90%` (of the requests sent),
/// `any`. What the right side does not say is: exit status 0, the unit active, nothing lost.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Expect {
    /// What the site answers once it was started: a status, `200` unless said; `any` waits for none.
    pub first: Option<String>,
    /// The step's exit status.
    pub exit: Option<i64>,
    /// `systemctl is-active` after the step.
    pub unit: Option<String>,
    /// Nine of ten answers in the last second: status, or status and release.
    pub at_end: Option<String>,
    /// Requests that were not answered with 200.
    pub lost: Option<String>,
    /// Seconds of the slowest request.
    pub slowest: Option<String>,
    /// The longest time without a success, in seconds.
    pub gap: Option<String>,
    /// Answers by status (`502`, `reset`, `cut`, `timeout`, `refused`).
    #[serde(default)]
    pub statuses: BTreeMap<String, String>,
    /// Answers by release.
    #[serde(default)]
    pub releases: BTreeMap<String, String>,
    /// Shell commands that must succeed in the container afterwards.
    #[serde(default)]
    pub holds: Vec<String>,
    /// Words that the step must print.
    pub says: Option<String>,
    /// Words that the messages on the living host must hold, by code.
    #[serde(default)]
    pub messages: BTreeMap<String, String>,
}

/// What the load driver saw.
#[derive(Debug, Default, Deserialize)]
pub struct Answers {
    pub sent: u64,
    pub lost: u64,
    pub statuses: BTreeMap<String, u64>,
    pub releases: BTreeMap<String, u64>,
    pub at_end: BTreeMap<String, u64>,
    pub slowest: f64,
    pub gap: f64,
    pub seconds: f64,
    pub exit: i64,
    pub output: String,
}

/// What one variant showed.
#[derive(Debug, Default)]
pub struct Shown {
    pub answers: Answers,
    pub unit: String,
    /// What `check --root` found before the harm: severity and message by code.
    pub findings: BTreeMap<String, String>,
    /// What `check` found on the living host before the step.
    pub before: BTreeMap<String, String>,
    /// And after it.
    pub after: BTreeMap<String, String>,
    pub wrong: Vec<String>,
    pub took: Duration,
}

/// Waits until gunicorn's processes use no more time: all of the workers have booted.
pub const SETTLE: &str = "for i in $(seq 50); do
      now=$(cat /proc/[0-9]*/stat 2>/dev/null | awk '/gunicorn/ { s += $14 + $15 } END { print s }')
      [ \"$now\" = \"$last\" ] && exit
      last=$now
      sleep 0.3
  done";

/// Waits until systemd has done with starting the unit, one way or the other.
const STARTED: &str = "for i in $(seq 50); do
      systemctl list-jobs --no-legend | grep -q 'myapp.service' || exit
      sleep 0.1
  done";

/// Every case of a folder below `e2e/`, by name.
pub fn cases(folder: &str) -> Vec<(String, Case)> {
    let directory = project().join("e2e").join(folder);
    let mut cases = Vec::new();
    for entry in fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(path.extension().and_then(|e| e.to_str()), Some("toml"), "{}", path.display());
        let mut case: Case = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let right = &mut case.right.expect;
        right.exit.get_or_insert(0);
        right.unit.get_or_insert_with(|| "active".into());
        right.lost.get_or_insert_with(|| "0".into());
        cases.push((path.file_stem().unwrap().to_str().unwrap().to_owned(), case));
    }
    cases.sort_by(|one, two| one.0.cmp(&two.0));
    cases
}

pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs one variant in a container of its own.
pub fn run(
    suite: Suite,
    name: &str,
    case: &Case,
    variant: &Variant,
) -> Result<Shown, super::container::Skip> {
    let began = Instant::now();
    let mut packages = Ok(());
    let container = Container::boot_on(suite, name, |root| {
        base(root);
        packages = super::packages::add(root, &case.packages);
        fs::copy(program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
    })?;
    packages?;
    let mut shown = Shown::default();
    change(&container, &case.setup.files, &case.setup.run);
    change(&container, &variant.files, &variant.run);
    container.sh("[ ! -e /etc/systemd/system/myapp.service ] ||
             ln -sfn ../myapp.service /etc/systemd/system/multi-user.target.wants/myapp.service
         systemctl daemon-reload; systemctl start nginx; systemctl start --no-block myapp");
    let expect = &variant.expect;
    let first = expect.first.as_deref().unwrap_or("200");
    if first != "any" && !answers(&container, first) {
        shown.wrong.push(format!(
            "the site never answered {first} at the start; the journal's end:\n      {}",
            journal_end(&container)
        ));
    }
    if first == "200" {
        // What was asked before gunicorn listened is no fault of the deployment.
        container.sh_ok(": >/var/log/nginx/error.log");
    }
    if first != "200" {
        // nginx answers so too while gunicorn is still on its way, up or down.
        container.sh(STARTED);
        container.sh(SETTLE);
    }
    let deploy = variant.deploy.as_ref().unwrap_or(&case.deploy);
    if !deploy.is_empty() {
        // A worker that is still importing would meet what is deployed.
        container.sh(SETTLE);
        container.sh_ok(&format!("set -e\n{deploy}"));
    }
    let mut command = std::process::Command::new(program());
    command.args(CHECK).arg("--root").arg(container.root()).args(&variant.check);
    shown.findings = findings(&command.output().unwrap());
    shown.before = check_inside(&container, case, variant);
    let step = variant.step.as_ref().unwrap_or(&case.step);
    shown.answers = load(&container, &case.load, step);
    shown.unit = text(&container.sh("systemctl is-active myapp").stdout).trim().to_owned();
    judge(expect, &container, &mut shown);
    if !case.then.is_empty() {
        container.sh_ok(&case.then);
    }
    shown.after = check_inside(&container, case, variant);
    if case.wrong.is_none() {
        exits_with_nothing(&container, case, &mut shown.wrong);
    }
    let Shown { before, after, wrong, .. } = &mut shown;
    for (code, words) in &expect.messages {
        let said: Vec<&String> = [&*before, &*after].iter().filter_map(|f| f.get(code)).collect();
        if !said.iter().any(|message| message.contains(words.as_str())) {
            wrong.push(format!("{code} does not say `{words}`: {said:?}"));
        }
    }
    if !shown.wrong.is_empty() {
        let tail = journal_end(&container);
        shown.wrong.push(format!("the step said: {}", shown.answers.output));
        shown.wrong.push(format!("the journal's end:\n      {tail}"));
    }
    shown.took = began.elapsed();
    Ok(shown)
}

fn journal_end(container: &Container) -> String {
    let journal = container.journal("myapp");
    let lines: Vec<&str> = journal.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n      ")
}

/// The healthy deployment at work, changed by a shell script before it starts; `None` if no container
/// can be had.
pub fn at_work(name: &str, change: &str) -> Option<Container> {
    let container = boot(name, change)?;
    container.sh_ok(
        "systemctl daemon-reload && systemctl enable -q myapp && systemctl start nginx myapp",
    );
    Some(container)
}

/// The same before anything of it is started.
pub fn boot(name: &str, change: &str) -> Option<Container> {
    let booted = Container::boot(name, |root| {
        base(root);
        fs::copy(program(), root.join("usr/local/bin/deploy-doctor")).unwrap();
    });
    let container = match booted {
        Ok(container) => container,
        Err(skip) => {
            super::skip(skip);
            return None;
        }
    };
    container.sh_ok(change);
    Some(container)
}

/// The healthy deployment on the prepared root: its own Python and nginx are real.
pub fn base(root: &Path) {
    let laid = Command::new(project().join("e2e/lay-out")).arg(root).output().unwrap();
    assert!(laid.status.success(), "e2e/lay-out: {}", text(&laid.stderr));
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Changes files through the container's own eyes, so that `/run` and links are its own.
pub fn change(container: &Container, files: &BTreeMap<String, String>, run: &str) {
    for (path, content) in files {
        let place = container.root().join(path.strip_prefix('/').expect("an absolute path"));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let new = !place.exists();
        fs::write(&place, content).unwrap();
        if new {
            mode(&place, 0o644);
        }
    }
    if !run.is_empty() {
        container.sh_ok(&format!("set -e\n{run}"));
    }
}

/// Waits until the site answers with a status. Where it did not at once, each of nginx' workers may have
/// asked in vain, and of several servers it asks none again before the second is over, not even with
/// `fail_timeout=0`.
pub fn answers(container: &Container, status: &str) -> bool {
    let script = format!(
        "for i in $(seq 200); do
           [ \"$(curl -s -m 2 -o /dev/null -w '%{{http_code}}' -H 'Host: example.com' \
                 http://127.0.0.1/)\" = {status} ] && {{ [ $i = 1 ] || sleep 1; exit 0; }}
           sleep 0.1
         done; exit 1"
    );
    container.run_for(30, &["sh", "-c", &script]).status.success()
}

pub fn load(container: &Container, load: &Load, step: &str) -> Answers {
    let rate = load.rate.to_string();
    let (tail, limit) = (load.tail.to_string(), load.limit.to_string());
    let mut command = vec!["load", "--rate", &rate, "--tail", &tail, "--limit", &limit];
    command.extend(["--path", &load.path, "--method", &load.method]);
    command.extend((!step.is_empty()).then_some(step));
    let output = container.run_for(90, &command);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("load: {error}\n{}{}", text(&output.stdout), text(&output.stderr))
    })
}

pub fn judge(expect: &Expect, container: &Container, shown: &mut Shown) {
    let answers = &shown.answers;
    let mut wrong = Vec::new();
    let mut number = |what: &str, seen: f64, wanted: Option<&String>| {
        if let Some(wanted) = wanted
            && !holds(seen, wanted, answers.sent)
        {
            wrong.push(format!("{what}: {seen:.2}, expected {wanted}"));
        }
    };
    number("requests lost", answers.lost as f64, expect.lost.as_ref());
    number("slowest request", answers.slowest, expect.slowest.as_ref());
    number("time without a success", answers.gap, expect.gap.as_ref());
    for (status, wanted) in &expect.statuses {
        let seen = answers.statuses.get(status).copied().unwrap_or(0);
        number(&format!("answers with {status}"), seen as f64, Some(wanted));
    }
    for (release, wanted) in &expect.releases {
        let seen = answers.releases.get(release).copied().unwrap_or(0);
        number(&format!("answers by {release}"), seen as f64, Some(wanted));
    }
    if let Some(exit) = expect.exit
        && exit != answers.exit
    {
        wrong.push(format!("the step's exit status: {}, expected {exit}", answers.exit));
    }
    if let Some(unit) = &expect.unit
        && unit != "any"
        && *unit != shown.unit
    {
        wrong.push(format!("the unit is {}, expected {unit}", shown.unit));
    }
    if let Some(words) = &expect.at_end {
        let all: u64 = answers.at_end.values().sum();
        let fits = |seen: &str| seen == words || seen.split(' ').next() == Some(words);
        let so: u64 = answers.at_end.iter().filter(|(w, _)| fits(w)).map(|(_, n)| n).sum();
        if all == 0 || so * 10 < all * 9 {
            wrong.push(format!("at the end: {:?}, expected {words}", answers.at_end));
        }
    }
    if let Some(words) = &expect.says
        && !answers.output.contains(words)
    {
        wrong.push(format!("the step does not say `{words}`"));
    }
    for command in &expect.holds {
        let output = container.sh(command);
        if !output.status.success() {
            let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
            wrong.push(format!("does not hold: {command}: {}", said.trim()));
        }
    }
    shown.wrong.extend(wrong);
}

fn holds(seen: f64, wanted: &str, sent: u64) -> bool {
    let word = wanted.trim();
    if word == "any" {
        return true;
    }
    let (operator, number) = match word.split_once(' ') {
        Some((operator, number)) => (operator, number),
        None => ("=", word),
    };
    let parse = |word: &str| -> f64 {
        word.trim().parse().unwrap_or_else(|_| panic!("{wanted}: no number"))
    };
    let number = match number.strip_suffix('%') {
        Some(percent) => parse(percent) / 100.0 * sent as f64,
        None => parse(number),
    };
    match operator {
        "=" => (seen - number).abs() < 0.5,
        ">=" => seen >= number,
        ">" => seen > number,
        "<=" => seen <= number,
        "<" => seen < number,
        other => panic!("{wanted}: {other}?"),
    }
}

pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_deploy-doctor"))
}

pub const CHECK: [&str; 4] = ["check", "--format=json", "--allow-incomplete", "--fail-on=never"];

/// A healthy deployment: everything could be read, and nothing is at fault.
fn exits_with_nothing(container: &Container, case: &Case, wrong: &mut Vec<String>) {
    let command: Vec<&str> = ["deploy-doctor", "check"]
        .into_iter()
        .chain(case.inside.iter().map(String::as_str))
        .collect();
    let output = container.run(&command);
    if !output.status.success() {
        wrong.push(format!(
            "check: {}\n{}{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        ));
    }
}

/// What `check` finds on the living host, with the options that the case and its variant ask for.
fn check_inside(container: &Container, case: &Case, variant: &Variant) -> BTreeMap<String, String> {
    let options = case.inside.iter().chain(&variant.check).map(String::as_str);
    let command: Vec<&str> = ["deploy-doctor"].into_iter().chain(CHECK).chain(options).collect();
    findings(&container.run(&command))
}

pub fn findings(output: &std::process::Output) -> BTreeMap<String, String> {
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("check: {error}\n{}{}", text(&output.stdout), text(&output.stderr))
        });
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for finding in report["findings"].as_array().into_iter().flatten() {
        let word = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
        let text = format!("{}: {}", word("severity"), word("message"));
        // The worst comes first.
        let messages = found.entry(word("code")).or_default();
        *messages = match messages.is_empty() {
            true => text,
            false if text.starts_with("error") => format!("{text}; {messages}"),
            false => format!("{messages}; {text}"),
        };
    }
    found
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Did a case fail because gunicorn 23 fell over a signal? Seen once in some hundred reloads, on a
/// busy machine: workers end while the master writes a line of its log, its handler of SIGCHLD
/// writes one too, Python raises `reentrant call`, and the master dies. No case is about that.
pub fn stumbled(wrong: &[String]) -> bool {
    wrong.iter().any(|line| line.contains("RuntimeError: reentrant call inside"))
}
