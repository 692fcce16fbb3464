//! The program as a binary module of Ansible: it reads a file of arguments and prints one JSON
//! object. Ansible uses only that object and ignores the exit status.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use serde_json::{Map, Value, json};

use super::arguments::{Arguments, Command, FixArguments};
use super::{CommandError, Exit, dispatch, fix, read, settings};
use crate::config::FailOn;
use crate::host::Host;
use crate::source::show;

/// How Ansible names the module on the host.
const PREFIX: &str = "AnsiballZ_";
/// The prefix of Ansible's own keys.
const OWN: &str = "_ansible_";
/// The largest file of arguments; real ones are far smaller.
const LIMIT: u64 = 1 << 20;

/// Whether the program runs as a module. Read after a panic.
static CALLED: AtomicBool = AtomicBool::new(false);
/// The output of commands while one of them runs for a task.
static KEPT: Mutex<Option<String>> = Mutex::new(None);

/// The file of arguments, if Ansible started the program: under Ansible's name for modules, or with
/// a file that contains Ansible's own keys. No command begins with `/`.
pub(super) fn called() -> Option<PathBuf> {
    let words: Vec<_> = std::env::args_os().collect();
    let [program, file] = words.as_slice() else { return None };
    let file = Path::new(file);
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let mine = name.starts_with(PREFIX)
        || (file.is_absolute()
            && parameters(file).is_ok_and(|all| all.keys().any(|key| key.starts_with(OWN))));
    CALLED.store(mine, Ordering::SeqCst);
    mine.then(|| file.to_path_buf())
}

/// Whether the program was started as a module.
pub(super) fn is_called() -> bool {
    CALLED.load(Ordering::SeqCst)
}

/// Keeps the output of a command; returns `false` if it must be printed instead.
pub(super) fn keeps(text: &str) -> bool {
    match KEPT.lock().as_deref_mut() {
        Ok(Some(kept)) => {
            kept.push_str(text);
            true
        }
        _ => false,
    }
}

/// Performs the task and prints the answer.
pub(super) fn run(file: &Path) -> Exit {
    let answer = Task::read(file).and_then(|task| task.run());
    let answer = answer.unwrap_or_else(|error| failed(&error.message));
    let well = answer["failed"] == false;
    println!("{answer}");
    if well { Exit::Success } else { Exit::Findings }
}

/// Reports an internal error, which is an answer too.
pub(super) fn broke(place: &str) {
    println!("{}", failed(&format!("internal error{place}; please report it")));
}

fn failed(message: &str) -> Value {
    json!({ "changed": false, "failed": true, "msg": show::block(message).to_string() })
}

/// The state that the task is to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaskState {
    Checked,
    Fixed,
    Reloaded,
}

use TaskState::{Checked, Fixed, Reloaded};

impl TaskState {
    fn word(self) -> &'static str {
        match self {
            Checked => "checked",
            Fixed => "fixed",
            Reloaded => "reloaded",
        }
    }
}

/// The form of a parameter's value.
#[derive(Debug, Clone, Copy)]
enum ParameterKind {
    /// One value, which may be a number.
    Text,
    /// A list, or words separated by commas.
    List,
    /// Yes or no.
    Switch,
}

use ParameterKind::{List, Switch, Text};

/// The parameters: each is an option of the same name of the state's command.
const PARAMETERS: [(&str, ParameterKind, &[TaskState]); 26] = [
    ("allow_incomplete", Switch, &[Checked, Fixed, Reloaded]),
    ("apps", List, &[Checked, Fixed, Reloaded]),
    ("backup", Switch, &[Fixed]),
    ("baseline", Text, &[Checked]),
    ("config", Text, &[Checked, Fixed, Reloaded]),
    ("db_revision", Text, &[Checked, Reloaded]),
    ("expect_version", Text, &[Checked, Reloaded]),
    ("fail_on", Text, &[Checked, Fixed]),
    ("force", List, &[Reloaded]),
    ("ignore", List, &[Checked, Fixed]),
    ("max_failed", Text, &[Reloaded]),
    ("max_stall", Text, &[Reloaded]),
    ("no_preflight", Switch, &[Reloaded]),
    ("preflight", Switch, &[Checked]),
    ("probe", List, &[Checked, Reloaded]),
    ("rate", Text, &[Reloaded]),
    ("release", Text, &[Reloaded]),
    ("report", Text, &[Reloaded]),
    ("run_actions", Switch, &[Fixed]),
    ("select", List, &[Checked, Fixed]),
    ("settle", Text, &[Reloaded]),
    ("since", Text, &[Checked]),
    ("strategy", Text, &[Reloaded]),
    ("timeout", Text, &[Checked, Reloaded]),
    ("unsafe", Switch, &[Fixed]),
    ("wait", Text, &[Checked]),
];

/// A task, as read from the file of arguments.
#[derive(Debug)]
struct Task {
    state: TaskState,
    check_mode: bool,
    apps: Vec<String>,
    run_actions: bool,
    fail_on: Option<String>,
    /// All other parameters as options of the command line, by parameter name.
    options: Vec<(&'static str, String)>,
}

fn parameters(file: &Path) -> Result<Map<String, Value>, CommandError> {
    let wrong = |why: String| CommandError::usage(format!("{}: {why}", file.display()));
    let host = read::this_host()?;
    let bytes = host.read(file, LIMIT).map_err(|error| wrong(error.kind.to_string()))?;
    // The content may be secret, so only the place of the error is reported.
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        wrong(format!("line {}, column {}: not JSON", error.line(), error.column()))
    })?;
    match value {
        Value::Object(all) => Ok(all),
        _ => Err(wrong("not a JSON object".into())),
    }
}

impl Task {
    fn read(file: &Path) -> Result<Self, CommandError> {
        let mut all = parameters(file)?;
        let check_mode = all.get("_ansible_check_mode").map_or(Ok(false), |value| {
            switch(value).ok_or_else(|| CommandError::usage("_ansible_check_mode: true or false"))
        })?;
        all.retain(|name, value| !name.starts_with(OWN) && !value.is_null());
        let state = match all.remove("state").as_ref().map(text) {
            None => Checked,
            Some(Some(word)) => [Checked, Fixed, Reloaded]
                .into_iter()
                .find(|state| state.word() == word)
                .ok_or_else(|| wrong("state", "checked, fixed or reloaded"))?,
            Some(None) => return Err(wrong("state", "checked, fixed or reloaded")),
        };
        let mut task = Self {
            state,
            check_mode,
            apps: Vec::new(),
            run_actions: true,
            fail_on: None,
            options: Vec::new(),
        };
        for (name, value) in &all {
            task.take(name, value)?;
        }
        Ok(task)
    }

    fn take(&mut self, name: &str, value: &Value) -> Result<(), CommandError> {
        let known = PARAMETERS.iter().find(|(known, ..)| *known == name);
        let Some(&(name, kind, states)) = known else {
            let names: Vec<&str> = PARAMETERS.iter().map(|(name, ..)| *name).collect();
            return Err(CommandError::usage(format!(
                "{name}: no such parameter; the parameters are state, {}",
                names.join(", ")
            )));
        };
        if !states.contains(&self.state) {
            let fits: Vec<String> =
                states.iter().map(|state| format!("state={}", state.word())).collect();
            return Err(CommandError::usage(format!(
                "{name} cannot be used with state={}, only with {}",
                self.state.word(),
                fits.join(" and ")
            )));
        }
        match (kind, name) {
            (_, "apps") => self.apps = list(value).ok_or_else(|| wrong(name, "a list of units"))?,
            (Switch, _) => {
                let on = switch(value).ok_or_else(|| wrong(name, "true or false"))?;
                if name == "run_actions" {
                    self.run_actions = on;
                } else if on {
                    self.options.push((name, option(name)));
                }
            }
            (Text, _) => {
                let text = text(value).ok_or_else(|| wrong(name, "one value"))?;
                match name {
                    "fail_on" => self.fail_on = Some(text),
                    _ => self.options.push((name, format!("{}={text}", option(name)))),
                }
            }
            (List, _) => {
                let words = list(value).ok_or_else(|| wrong(name, "a list"))?;
                let words = words.into_iter().map(|word| format!("{}={word}", option(name)));
                self.options.extend(words.map(|word| (name, word)));
            }
        }
        Ok(())
    }

    fn run(&self) -> Result<Value, CommandError> {
        match self.state {
            Checked => self.checked(),
            Fixed => self.fixed(),
            Reloaded => self.reloaded(),
        }
    }

    /// A command line with the given options, as far as this command has them.
    fn words(&self, command: &str, of: TaskState, more: &[&str], apps: &[String]) -> Vec<String> {
        let fits = |name: &str| {
            PARAMETERS.iter().any(|(known, _, states)| *known == name && states.contains(&of))
        };
        let mine = self.options.iter().filter(|(name, _)| fits(name)).map(|(_, word)| word.clone());
        let first = ["deploy-doctor", command].into_iter().chain(more.iter().copied());
        let mut words: Vec<String> = first.map(str::to_owned).chain(mine).collect();
        words.push("--".into());
        words.extend(apps.iter().cloned());
        words
    }

    /// Runs a check and returns its report.
    fn checked(&self) -> Result<Value, CommandError> {
        let fail_on = self.fail_on.as_ref().map(|level| format!("--fail-on={level}"));
        let more: Vec<&str> = ["--format=json"].into_iter().chain(fail_on.as_deref()).collect();
        let (exit, said) = ask(&self.words("check", Checked, &more, &self.apps))?;
        let report = document(&said)?;
        let words = |list: &str, code: &str| -> Vec<String> {
            let all = report[list].as_array().into_iter().flatten();
            all.map(|one| {
                let of = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
                let app = one["app"].as_str().unwrap_or("the host");
                match list {
                    "problems" if of("file").is_empty() => of("message"),
                    "problems" => format!("{}: {}", of("file"), of("message")),
                    _ => format!("{} {app}: {}", of(code), of("message")),
                }
            })
            .collect()
        };
        let findings = words("findings", "code");
        let problems = words("problems", "");
        let message = match exit {
            Exit::Success if findings.is_empty() => "nothing was found".to_owned(),
            Exit::Success => format!("nothing that fails: {}", findings.join("\n")),
            Exit::Incomplete => format!("not everything could be read: {}", problems.join("\n")),
            _ => findings.join("\n"),
        };
        let apps = report["apps"].as_array().into_iter().flatten();
        let apps: Vec<Value> =
            apps.map(|app| json!({ "name": app["name"], "verdict": app["verdict"] })).collect();
        Ok(json!({
            "changed": false,
            "failed": exit != Exit::Success,
            "msg": message,
            "apps": apps,
            "findings": report["findings"],
            "problems": report["problems"],
            "summary": report["summary"],
        }))
    }

    /// Runs the fixes: in check mode they are only shown, otherwise they are written, and the
    /// commands that must follow are run.
    fn fixed(&self) -> Result<Value, CommandError> {
        let more: &[&str] = match (self.check_mode, self.run_actions) {
            (true, _) => &[],
            (false, true) => &["--apply", "--run-actions"],
            (false, false) => &["--apply"],
        };
        let arguments = self.fix(more)?;
        let (done, said) = keeping(|| fix::done(&arguments));
        let done = done?;
        let left: Vec<Value> = done.plan.left.iter().map(left).collect();
        let diff = [json!({ "prepared": done.plan.diff })];
        let changed = !done.plan.changes.is_empty() && done.exit != Exit::RolledBack;
        let mut answer = json!({
            "changed": changed,
            "failed": false,
            "diff": if done.plan.changes.is_empty() { [].as_slice() } else { &diff },
            "left": left,
        });
        let stays = self.stays(&arguments, &done.plan)?;
        let why = match done.exit {
            Exit::RolledBack => Some("written, made things worse, rolled back".to_owned()),
            Exit::Incomplete => Some("not everything could be read".to_owned()),
            _ if done.stopped => Some("written, but a follow-up step failed".to_owned()),
            _ => None,
        };
        let fixes: Vec<String> = done.plan.fixes.iter().map(|fix| fix.title.clone()).collect();
        let message = match (&why, self.check_mode, fixes.is_empty()) {
            (Some(why), ..) => format!("{why}:\n{said}"),
            (None, _, true) => "nothing to fix".to_owned(),
            (None, true, _) => format!("would be fixed: {}", fixes.join("; ")),
            (None, false, _) => format!("fixed: {}", fixes.join("; ")),
        };
        let others: Vec<String> = done.plan.others.iter().map(|other| other.name.clone()).collect();
        let message = match others.is_empty() || !changed && !self.check_mode {
            true => message,
            false => {
                format!("{message}; this also changes {}: restart what uses it", others.join(", "))
            }
        };
        answer["msg"] = message.into();
        answer["failed"] = why.is_some().into();
        if why.is_some() {
            return Ok(answer);
        }
        // Changes that are written but not yet in effect do not show on the live host.
        if self.check_mode || !self.run_actions {
            if !stays.is_empty() {
                answer["failed"] = true.into();
                answer["msg"] = format!("{}; stays: {}", text_of(&answer), stays.join("\n")).into();
            }
            return Ok(answer);
        }
        let after = self.checked()?;
        for key in ["apps", "findings", "problems", "summary"] {
            answer[key] = after[key].clone();
        }
        if after["failed"] == true {
            answer["failed"] = true.into();
            answer["msg"] = format!("{}; stays: {}", text_of(&answer), text_of(&after)).into();
        }
        Ok(answer)
    }

    fn fix(&self, more: &[&str]) -> Result<FixArguments, CommandError> {
        let mut command = parse(&self.words("fix", Fixed, more, &self.apps))?;
        super::settle(&mut command)?;
        match command {
            Command::Fix(arguments) => Ok(arguments),
            _ => Err(CommandError::usage("no fix")),
        }
    }

    /// The findings that no fix removes, if as severe as `fail_on` or more.
    fn stays(
        &self,
        arguments: &FixArguments,
        plan: &crate::fix::Plan,
    ) -> Result<Vec<String>, CommandError> {
        let word = self.fail_on.as_deref().map(|word| {
            <super::arguments::FailOn as clap::ValueEnum>::from_str(word, false)
                .map_err(|_| wrong("fail_on", "error, warning, info or never"))
        });
        let config = settings::load(&arguments.place, arguments.config.as_deref())?;
        let FailOn::Severity(threshold) = settings::fail_on(config.as_ref(), word.transpose()?)
        else {
            return Ok(Vec::new());
        };
        let counts =
            |left: &&crate::fix::Left| left.proposal.severity >= threshold && !left.proposal.live;
        let all = plan.left.iter().filter(counts);
        Ok(all
            .map(|left| format!("{} {}", left.proposal.rule.code, left.proposal.message))
            .collect())
    }

    /// Reloads each application with the guarded reload, until one does not succeed.
    fn reloaded(&self) -> Result<Value, CommandError> {
        if self.apps.is_empty() {
            return Err(CommandError::usage("state=reloaded needs apps: the units to reload"));
        }
        let dry: &[&str] =
            if self.check_mode { &["--format=json", "--dry-run"] } else { &["--format=json"] };
        let mut reloads = Vec::new();
        let (mut changed, mut failed, mut message) = (false, false, Vec::new());
        for app in &self.apps {
            let (exit, said) =
                ask(&self.words("reload", Reloaded, dry, std::slice::from_ref(app)))?;
            let story = document(&said)?;
            let ending = story["ending"].as_str().unwrap_or_default();
            changed |= !matches!(ending, "refused" | "incomplete");
            failed = exit != Exit::Success;
            message.push(told(&story));
            reloads.push(short(story));
            if failed {
                break;
            }
        }
        let findings: Vec<Value> = reloads
            .iter()
            .flat_map(|story: &Value| story["refusals"].as_array().into_iter().flatten().cloned())
            .collect();
        Ok(json!({
            "changed": changed,
            "failed": failed,
            "msg": message.join("\n"),
            "findings": findings,
            "reloads": reloads,
        }))
    }
}

/// Runs a command line and returns its output.
fn ask(words: &[String]) -> Result<(Exit, String), CommandError> {
    let mut command = parse(words)?;
    super::settle(&mut command)?;
    let (exit, said) = keeping(|| dispatch(command));
    Ok((exit?, said))
}

fn parse(words: &[String]) -> Result<Command, CommandError> {
    let parsed = Arguments::try_parse_from(words);
    let parsed = parsed.map_err(|error| {
        let text = error.render().to_string();
        // The rest of the message is about the command line, which the user did not type.
        let text = text.split("\n\n").next().unwrap_or_default();
        CommandError::usage(text.trim_start_matches("error: ").to_owned())
    })?;
    Ok(parsed.command)
}

/// Runs a function and keeps what is printed in the meantime.
fn keeping<T>(run: impl FnOnce() -> T) -> (T, String) {
    let keep = |kept: Option<String>| match KEPT.lock() {
        Ok(mut now) => std::mem::replace(&mut *now, kept),
        Err(_) => None,
    };
    keep(Some(String::new()));
    let result = run();
    (result, keep(None).unwrap_or_default())
}

fn document(said: &str) -> Result<Value, CommandError> {
    serde_json::from_str(said)
        .map_err(|error| CommandError::usage(format!("the report is not JSON: {error}")))
}

fn text_of(answer: &Value) -> String {
    answer["msg"].as_str().unwrap_or_default().to_owned()
}

/// A reload in words: how it ended and why, what prevented it, what to type.
fn told(story: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut text =
        format!("{}: {}: {}", word(&story["unit"]), word(&story["ending"]), word(&story["why"]));
    for said in story["refusals"].as_array().into_iter().flatten() {
        text += &format!("\n  {} {}", word(&said["code"]), word(&said["message"]));
    }
    for (head, list) in [("seen", "evidence"), ("note", "notes"), ("type", "next")] {
        for line in story[list].as_array().into_iter().flatten() {
            text += &format!("\n  {head}: {}", word(line));
        }
    }
    text
}

/// A reload without its steps and workers, which are in its log.
fn short(mut story: Value) -> Value {
    if let Some(all) = story.as_object_mut() {
        all.retain(|key, _| !matches!(key.as_str(), "events" | "workers"));
        if let Some(probes) = all.get_mut("probes").and_then(Value::as_object_mut) {
            probes.retain(|key, _| key == "total");
        }
    }
    story
}

/// A finding that remains.
fn left(left: &crate::fix::Left) -> Value {
    let fix = &left.proposal;
    json!({
        "code": fix.rule.code,
        "name": fix.rule.name,
        "severity": fix.severity.word(),
        "app": fix.app.as_deref().map(|app| show::line(app).to_string()),
        "message": show::line(&fix.message).to_string(),
        "help": show::block(&fix.help).to_string(),
    })
}

fn option(name: &str) -> String {
    format!("--{}", name.replace('_', "-"))
}

fn wrong(name: &str, wanted: &str) -> CommandError {
    CommandError::usage(format!("{name}: {wanted}"))
}

/// Reads a switch: `name=yes` on a command line arrives as text.
fn switch(value: &Value) -> Option<bool> {
    let text = match value {
        Value::Bool(on) => return Some(*on),
        other => text(other)?.to_lowercase(),
    };
    match text.as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Some(false),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn list(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(all) => all.iter().map(text).collect(),
        other => {
            let text = text(other)?;
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Some(words.map(str::to_owned).collect())
        }
    }
}
