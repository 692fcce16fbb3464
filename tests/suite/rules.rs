//! Every rule's documentation is executed: its *bad* examples make that rule fire, its *fixed* and
//! *good* ones do not. Of other rules only errors count (those that are meant are named with
//! `also=`): a new rule that warns must not make everybody else's examples wrong. The examples
//! stand on the healthy deployment of `testdata/healthy`, which no rule finds anything in.

use std::fs;
use std::path::{Path, PathBuf};

use case::Case;
use deploy_doctor::engine::{self, Selection, Settings};
use deploy_doctor::facts::{self, Request, Scope, Why};
use deploy_doctor::fix::{self, Options, Placement, Plan};
use deploy_doctor::host::{Host, MemoryHost};
use deploy_doctor::rule::{self, Example, ExampleKind, Rule, Safety, Severity};
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

use crate::support::answers;
use crate::support::case;
use crate::support::certificate;
use crate::support::living;
use living::World;

const UNIT: &str = "/etc/systemd/system/myapp.service";
const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-example.conf";
const SITE: &str = "/etc/nginx/sites-available/myapp";
const ENVIRONMENT: &str = "/etc/myapp.env";
const RELEASE: &str = "/srv/myapp/releases/2026-04-21";

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The healthy deployment in memory, with the modes that a version control system does not keep.
fn healthy() -> MemoryHost {
    Case::healthy().into_host()
}

fn target(example: &Example) -> PathBuf {
    if let Some(file) = example.file() {
        return file.into();
    }
    if let Some(name) = answers::answers(example) {
        return name.into();
    }
    match example.language.as_str() {
        "ini" if example.options.iter().any(|option| option == "drop-in") => DROP_IN.into(),
        "ini" => UNIT.into(),
        "nginx" => SITE.into(),
        "env" => ENVIRONMENT.into(),
        "python" => format!("{RELEASE}/wsgi.py").into(),
        "tree" => "tree".into(),
        "proc" => "proc".into(),
        other => panic!("an example in `{other}` needs file="),
    }
}

/// Examples of one kind that follow each other and stand in different files are one case.
pub(crate) fn cases(rule: &Rule) -> Vec<Vec<Example>> {
    let mut cases: Vec<Vec<Example>> = Vec::new();
    for example in rule::examples(rule) {
        match cases.last_mut() {
            Some(case)
                if case[0].kind == example.kind
                    && case.iter().all(|other| target(other) != target(&example)) =>
            {
                case.push(example);
            }
            _ => cases.push(vec![example]),
        }
    }
    cases
}

/// A `tree` example's lines: `PATH -> TARGET`, `PATH/`, `- PATH`, `PATH mode=0600 owner=33:33`.
fn change_tree(text: &str, host: &mut MemoryHost) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.split("  #").next().unwrap().trim();
        if let Some((link, to)) = line.split_once(" -> ") {
            host.remove(link);
            host.link(link, to);
        } else if let Some(path) = line.strip_prefix("- ") {
            host.remove(path);
        } else {
            change_entry(line, host);
        }
    }
}

fn change_entry(line: &str, host: &mut MemoryHost) {
    let all: Vec<&str> = line.split_whitespace().collect();
    if let Some((chain, key)) = certificate::from_words(&all) {
        host.file(all[0], chain);
        if let Some((path, key)) = key {
            host.file(path, key);
        }
        return;
    }
    let mut words = line.split_whitespace();
    let path = words.next().unwrap();
    let (mut mode, mut uid, mut gid) = (None, 0, 0);
    let mut mtime = None;
    for word in words {
        if let Some(text) = word.strip_prefix("mode=") {
            mode = Some(u32::from_str_radix(text, 8).unwrap());
        } else if let Some(text) = word.strip_prefix("owner=") {
            let (user, group) = text.split_once(':').unwrap();
            (uid, gid) = (user.parse().unwrap(), group.parse().unwrap());
        } else if let Some(text) = word.strip_prefix("mtime=") {
            mtime = Some(text.parse().unwrap());
        } else {
            panic!("{line}: {word}?");
        }
    }
    if let Some(directory) = path.strip_suffix('/') {
        if !host.contains(directory) {
            host.directory(directory);
        }
        host.own(directory, mode.unwrap_or(0o755), uid, gid);
    } else {
        if !host.contains(path) {
            host.file(path, "");
        }
        host.own(path, mode.unwrap_or(0o644), uid, gid);
    }
    if let Some(mtime) = mtime {
        host.touch(path.trim_end_matches('/'), mtime);
    }
}

/// Its bytes; with the option `latin1` a byte for each letter.
fn encoded(example: &Example) -> Vec<u8> {
    match example.options.iter().any(|option| option == "latin1") {
        true => example.text.chars().map(|letter| u8::try_from(letter).unwrap()).collect(),
        false => example.text.as_bytes().to_vec(),
    }
}

fn apply(case: &[Example], host: &mut MemoryHost) {
    for example in case {
        let path = target(example);
        if example.language == "tree" {
            change_tree(&example.text, host);
        } else if answers::answers(example).is_some() {
            answers::answer(example, host);
        } else if example.language != "proc" {
            host.file(&path, encoded(example));
            if path == Path::new(ENVIRONMENT) {
                host.own(&path, 0o640, 0, 0);
            }
        }
    }
}

struct Seen {
    /// Of rules whose finding is an error.
    errors: Vec<&'static str>,
    codes: Vec<&'static str>,
    text: String,
    problems: Vec<String>,
    skips: Vec<(&'static str, Why)>,
}

fn check(host: &MemoryHost, database_revision: Option<String>, case: &[Example]) -> Seen {
    let sources = Sources::new(host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision };
    let mut deployment = facts::read(&sources, &request);
    answers::ask(case, &sources, &mut deployment);
    let outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    for reported in &outcome.findings {
        let finding = &reported.finding;
        let placed = !finding.labels.is_empty() || !finding.evidence.is_empty();
        assert!(placed, "{} says nowhere what it is about", finding.rule.code);
        if let Some(fix) = &finding.fix {
            let by_hand = fix.safety == Safety::Manual;
            let code = finding.rule.code;
            assert_eq!(by_hand, fix.edits.is_empty(), "{code}: {fix:?}");
        }
    }
    let error = |reported: &&engine::Reported| reported.finding.severity == Severity::Error;
    Seen {
        errors: outcome.findings.iter().filter(error).map(|f| f.finding.rule.code).collect(),
        codes: outcome.findings.iter().map(|f| f.finding.rule.code).collect(),
        text: outcome
            .findings
            .iter()
            .map(|f| format!("{} {}\n", f.finding.rule.code, f.finding.message))
            .collect(),
        problems: deployment.problems.iter().map(|p| p.message.clone()).collect(),
        skips: outcome.skips.iter().map(|s| (s.code, s.reason.clone())).collect(),
    }
}

pub(crate) fn option<'a>(case: &'a [Example], name: &str) -> Option<&'a str> {
    case.iter().flat_map(|example| &example.options).find_map(|option| option.strip_prefix(name))
}

/// A case with processes (a `proc` example, or the option `live`) is a host where the healthy
/// deployment runs. It was started before the files were changed, unless it was `restarted` since.
pub(crate) fn deployment(case: &[Example]) -> MemoryHost {
    let mut host = healthy();
    let has = |name: &str| case.iter().any(|e| e.options.iter().any(|option| option == name));
    let lives = has("live") || case.iter().any(|example| example.language == "proc");
    let mut world = World::healthy(&host);
    apply(case, &mut host);
    if has("restarted") {
        world = World::healthy(&host);
    }
    for example in case.iter().filter(|example| example.language == "proc") {
        world.change(&example.text);
    }
    if lives {
        world.write(&mut host);
    }
    host
}

/// Every example's deployment by rule and number, for whatever else is held against them.
pub(crate) fn deployments() -> impl Iterator<Item = (String, MemoryHost)> {
    rules::all().iter().flat_map(|rule| {
        let named = |(number, case): (usize, Vec<Example>)| {
            (format!("{} {}", rule.code, number + 1), deployment(&case))
        };
        cases(rule).into_iter().enumerate().map(named).collect::<Vec<_>>()
    })
}

/// The plan that repairs what one rule finds, in place.
fn repair(host: &dyn Host, rule: &Rule, case: &[Example]) -> Plan {
    let request = Request {
        apps: Vec::new(),
        scope: Scope::Root,
        database_revision: option(case, "db=").map(str::to_owned),
    };
    let read = |sources: &Sources, _: bool| {
        let mut deployment = facts::read(sources, &request);
        answers::ask(case, sources, &mut deployment);
        deployment
    };
    let selection = Selection::new(rules::all(), &[rule.code.to_owned()], &[]).unwrap();
    let options = Options {
        selection,
        include_unsafe: true,
        placement: Placement::InPlace,
        repository: false,
        accept: None,
        settings: deploy_doctor::engine::Settings::default(),
    };
    fix::plan(host, &read, &options).unwrap()
}

/// A *bad* example's fix makes of it what the *fixed* one behind it shows, byte for byte, and
/// touches nothing else; made again it changes nothing.
fn judge_fix(rule: &Rule, number: usize, bad: &[Example], fixed: &[Example]) -> Result<(), String> {
    let host = deployment(bad);
    let head = format!("{} {}, example {number}", rule.code, rule.name);
    let plan = repair(&host, rule, bad);
    let manual = |left: &fix::Left| left.proposal.safety == Safety::Manual;
    if let Some(left) = plan.left.iter().find(|left| !manual(left)) {
        return Err(format!("{head}: not fixed: {} ({:?})", left.proposal.message, left.reason));
    }
    let is_file = |example: &&Example| !matches!(&*example.language, "tree" | "proc");
    let shown: Vec<PathBuf> = fixed.iter().filter(is_file).map(target).collect();
    if plan.changes.is_empty() {
        return match (plan.left.is_empty(), shown.is_empty()) {
            (true, _) => Err(format!("{head}: nothing is found to fix")),
            (false, true) => Ok(()),
            (false, false) => Err(format!(
                "{head}: the rule's fix has no edit (it is Manual, or `fix_if` got None and `fix_or_why` an Err), but there is a *fixed* example"
            )),
        };
    }
    let after = fix::plan::overlay(&host, &plan.changes);
    let again = repair(&after, rule, bad);
    if !again.changes.is_empty() {
        return Err(format!("{head}: made again it changes more:\n{}", again.diff));
    }
    let wanted = deployment(fixed);
    let mut paths: Vec<PathBuf> = plan.changes.iter().map(|change| change.path.clone()).collect();
    paths.extend(shown);
    for path in paths.iter().filter(|_| !fixed.is_empty()) {
        let (made, wanted) = (after.read(path, u64::MAX), wanted.read(path, u64::MAX));
        if made != wanted {
            let text = |bytes: Result<Vec<u8>, _>| match bytes {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) => format!("{error}"),
            };
            let (made, wanted) = (text(made), text(wanted));
            return Err(format!(
                "{head}: {} is\n{made}\n--- and should be\n{wanted}",
                path.display()
            ));
        }
    }
    Ok(())
}

/// All rules, or the one of `DEPLOY_DOCTOR_RULE=CODE`: who writes one need not wait for the others.
fn asked() -> impl Iterator<Item = &'static &'static Rule> {
    let only = std::env::var("DEPLOY_DOCTOR_RULE").ok();
    let known = |code: &String| rules::all().iter().any(|rule| rule.code == code);
    assert!(only.as_ref().is_none_or(known), "there is no rule {only:?}");
    rules::all().iter().filter(move |rule| only.as_deref().is_none_or(|code| rule.code == code))
}

#[test]
fn a_fix_makes_what_the_example_shows() {
    let mut wrong = Vec::new();
    for rule in asked() {
        if !matches!(rule.fix, Some(Safety::Safe | Safety::Unsafe)) {
            continue;
        }
        let cases = cases(rule);
        for (number, case) in cases.iter().enumerate() {
            if case[0].kind != ExampleKind::Bad {
                let plan = repair(&deployment(case), rule, case);
                if !plan.changes.is_empty() {
                    wrong.push(format!("{}: touches what is healthy\n{}", rule.code, plan.diff));
                }
                continue;
            }
            let next = cases.get(number + 1).filter(|next| next[0].kind == ExampleKind::Fixed);
            let fixed = next.map(Vec::as_slice).unwrap_or_default();
            if let Err(why) = judge_fix(rule, number + 1, case, fixed) {
                wrong.push(why);
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n\n"));
}

/// What a line of the help says to type after the change.
fn said_to_follow(help: &str) -> impl Iterator<Item = &str> {
    help.lines().filter_map(|line| line.strip_prefix("then: ")).flat_map(|line| line.split(" && "))
}

/// The commands of the help are those that `--run-actions` runs, no more and no fewer.
#[test]
fn help_and_actions_agree() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for rule in asked() {
        if !matches!(rule.fix, Some(Safety::Safe | Safety::Unsafe)) {
            continue;
        }
        let bad = cases(rule);
        for (number, case) in bad.iter().enumerate().filter(|(_, c)| c[0].kind == ExampleKind::Bad)
        {
            let plan = repair(&deployment(case), rule, case);
            if plan.fixes.is_empty() {
                continue;
            }
            count += 1;
            let mut said: Vec<&str> =
                plan.fixes.iter().flat_map(|fix| said_to_follow(&fix.help)).collect();
            let mut done: Vec<String> =
                plan.actions.iter().map(|action| action.command.to_string()).collect();
            println!("{} {}: {said:?} {done:?}", rule.code, number + 1);
            said.sort_unstable();
            said.dedup();
            done.sort_unstable();
            if said != done {
                wrong.push(format!("{} {}: {said:?}, but {done:?}", rule.code, number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    let many = asked().count() == 1 || count > 50;
    assert!(many, "only {count} examples were fixed");
}

fn judge(rule: &Rule, number: usize, case: &[Example]) -> Result<(), String> {
    let host = deployment(case);
    let seen = check(&host, option(case, "db=").map(str::to_owned), case);
    let head = format!("{} {}, example {number}", rule.code, rule.name);
    let skipped: Vec<_> = seen.skips.iter().filter(|(code, _)| *code == rule.code).collect();
    if case[0].kind == ExampleKind::Bad {
        let also: Vec<&str> =
            option(case, "also=").map(|list| list.split('+').collect()).unwrap_or_default();
        if !seen.codes.contains(&rule.code) {
            let (text, problems) = (&seen.text, &seen.problems);
            return Err(format!("{head}: does not fire\n{text}{skipped:?}\n{problems:?}"));
        }
        if let Some(other) = seen.errors.iter().find(|c| **c != rule.code && !also.contains(c)) {
            return Err(format!(
                "{head}: {other} fires too; mend the example, or if that is right, write \
                 `bad,also={other}`\n{}",
                seen.text
            ));
        }
        if let Some(missing) = also.iter().find(|code| !seen.codes.contains(code)) {
            return Err(format!("{head}: {missing} should fire too\n{}", seen.text));
        }
    } else if seen.codes.contains(&rule.code) || !seen.errors.is_empty() {
        return Err(format!("{head}: should be clean\n{}", seen.text));
    } else if !skipped.is_empty() {
        // Silence because nothing could be judged is no proof of health.
        return Err(format!("{head}: is skipped: {skipped:?}"));
    }
    Ok(())
}

/// Nothing is found, and nothing skipped but what needs a living host or an option.
#[track_caller]
fn is_clean(host: &MemoryHost) {
    let seen = check(host, None, &[]);
    assert!(seen.codes.is_empty(), "{}", seen.text);
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
    let skips = seen.skips.iter().filter(|(_, why)| !why.kind().needs_more());
    let skips: Vec<_> = skips.collect();
    assert!(skips.is_empty(), "{skips:?}");
}

#[test]
fn the_healthy_deployment_is_clean() {
    is_clean(&healthy());
}

#[test]
fn the_healthy_deployment_at_work_is_clean() {
    // A tree with /proc runs no command.
    let mut host = healthy();
    World::healthy(&host).write(&mut host);
    is_clean(&host);
}

#[test]
fn every_example_does_what_it_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for rule in asked() {
        for (number, case) in cases(rule).iter().enumerate() {
            count += 1;
            wrong.extend(judge(rule, number + 1, case).err());
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n\n{}", wrong.len(), wrong.join("\n\n"));
    assert!(count >= asked().count() * 2, "only {count} examples");
}

#[test]
fn every_rule_shows_the_fault_and_health() {
    for rule in rules::all() {
        let kinds: Vec<ExampleKind> = rule::examples(rule).iter().map(|e| e.kind).collect();
        let code = rule.code;
        assert!(kinds.contains(&ExampleKind::Bad), "{code} has no bad example");
        assert!(kinds.iter().any(|k| *k != ExampleKind::Bad), "{code} has no healthy example");
        let summary = rule::summary(rule);
        assert!(summary.ends_with('.'), "{code}: the first paragraph is a sentence: {summary}");
    }
}

#[test]
fn folder_and_registry_agree() {
    let mut files = Vec::new();
    for area in fs::read_dir(project().join("rules")).unwrap() {
        let area = area.unwrap().path();
        if !area.is_dir() {
            continue;
        }
        for file in fs::read_dir(&area).unwrap() {
            let path = file.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
            if stem != "mod" {
                files.push((area.file_name().unwrap().to_str().unwrap().to_owned(), stem));
            }
        }
    }
    files.sort();
    let mut registered: Vec<_> =
        rules::all().iter().map(|r| (r.area().to_owned(), r.name.to_owned())).collect();
    registered.sort();
    assert_eq!(files, registered);
    let mut codes: Vec<_> = rules::all().iter().map(|rule| rule.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), rules::all().len(), "two rules have one code");
}
