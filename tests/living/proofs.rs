//! Every rule proved on a real systemd, nginx and gunicorn: each case of `e2e/cases` made wrong shows
//! its harm with real requests and its findings beforehand, and made right neither. The deployments
//! of `e2e/healthy` have no fault and lose nothing.
//!
//! `DEPLOY_DOCTOR_CASE=NAME` runs the cases whose name contains NAME (or one of several, separated
//! by commas), `DEPLOY_DOCTOR_SUITE=NAME` runs them on one root.

use crate::support;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::support::proof::{self, Case, Shown, Variant};
use crate::support::suite::Suite;
use deploy_doctor::rule::{self, Rule, Severity};
use deploy_doctor::rules;

/// Containers at the same time.
const AT_ONCE: usize = 5;

/// So many cases that failed beside others are looked at again, alone.
const MOST_SUSPECTS: usize = 5;

/// What the living host shows of a site that is down, whatever the reason. Which of them at a given
/// moment hangs on where systemd is between two starts.
const DOWN: [&str; 9] = ["L801", "L804", "L807", "N333", "P501", "P502", "P505", "S601", "S602"];

/// Rules of severity error that no case proves.
const UNPROVED: [&str; 0] = [];

/// One container's work.
struct Job<'a> {
    suite: Suite,
    name: &'a str,
    case: &'a Case,
    wrong: bool,
}

impl Job<'_> {
    fn variant(&self) -> &Variant {
        match &self.case.wrong {
            Some(variant) if self.wrong => variant,
            _ => &self.case.right,
        }
    }

    fn title(&self) -> String {
        let side = match (&self.case.wrong, self.wrong) {
            (None, _) => "healthy",
            (_, true) => "wrong",
            (_, false) => "right",
        };
        format!("{} ({side}, {})", self.name, self.suite.name())
    }
}

fn exists(code: &str) -> bool {
    rules::all().iter().any(|rule| rule.code == code)
}

#[test]
fn every_case_shows_its_harm_and_made_right_none() {
    for suite in Suite::asked() {
        if let Err(skip) = suite.root() {
            return support::skip(skip);
        }
    }
    let mut cases = proof::cases("cases");
    cases.extend(proof::cases("healthy"));
    let only = std::env::var("DEPLOY_DOCTOR_CASE").unwrap_or_default();
    let named = |name: &str| only.split(',').any(|word| name.contains(word));
    let mut jobs: VecDeque<Job> = VecDeque::new();
    for (name, case) in cases.iter().filter(|(name, _)| named(name)) {
        let sides = [true, false].into_iter().filter(|wrong| !wrong || case.wrong.is_some());
        for wrong in sides {
            let on = |suite| Job { suite, name, case, wrong };
            jobs.extend(case.suites().into_iter().map(on));
        }
    }
    assert!(!jobs.is_empty(), "no case is called {only}");
    let (jobs, failures, skips) =
        (Mutex::new(jobs), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(job) = jobs.lock().unwrap().pop_front() else { break };
                    match prove(&job) {
                        Ok(wrong) if wrong.is_empty() => {}
                        Ok(_) => failures.lock().unwrap().push(job),
                        Err(skip) => skips.lock().unwrap().push(skip),
                    }
                }
            });
        }
    });
    // Three containers and whatever else runs make a machine crowded, on which a healthy site stalls.
    // A fault of ours, or a harm that is not there, shows when a case is alone, too. Many at once are
    // no accident.
    let suspects: Vec<Job> = failures.into_inner().unwrap();
    assert!(suspects.len() <= MOST_SUSPECTS, "{} failed, see above", suspects.len());
    let mut failures = Vec::new();
    for job in &suspects {
        print_line(&job.title(), "once more, alone", "");
        let wrong = prove(job).unwrap_or_else(|_| vec!["could not be run again".into()]);
        if !wrong.is_empty() {
            failures.push(format!("{}:\n    {}", job.title(), wrong.join("\n    ")));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n\n{}\n", failures.len(), failures.join("\n\n"));
    if let Some(skip) = skips.into_inner().unwrap().pop() {
        support::skip(skip);
    }
}

/// Once more where gunicorn itself fell over (see [`proof::stumbled`]), and says so.
fn prove(job: &Job) -> Result<Vec<String>, support::container::Skip> {
    let wrong = prove_once(job)?;
    if !proof::stumbled(&wrong) {
        return Ok(wrong);
    }
    print_line(&job.title(), "gunicorn died of its own log: once more", "");
    prove_once(job)
}

/// Runs one variant, prints its line of the table, and tells what is not as it must be.
fn prove_once(job: &Job) -> Result<Vec<String>, support::container::Skip> {
    let shown =
        catch_unwind(AssertUnwindSafe(|| proof::run(job.suite, job.name, job.case, job.variant())));
    let mut shown = match shown {
        Ok(shown) => shown?,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            print_line(&job.title(), "broke off", "");
            return Ok(vec![words]);
        }
    };
    judge_findings(job, &mut shown);
    let codes = |found: &BTreeMap<String, String>| {
        found.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    let found = [&shown.findings, &shown.before, &shown.after].map(codes).join(" | ");
    print_line(&job.title(), &harm(&shown), &found);
    Ok(shown.wrong)
}

/// Wrong: every code that the case names, and no other error. Right: none of them, and no error.
/// From outside before the step, and on the living host before it and after it.
fn judge_findings(job: &Job, shown: &mut Shown) {
    let case = job.case;
    let files: Vec<&String> = case.findings.iter().chain(&case.also).collect();
    let stay = files.iter().copied().filter(|code| !case.gone.contains(code));
    let after: Vec<&String> = stay.chain(&case.live).collect();
    let before: Vec<&String> = case.before.iter().collect();
    let living: Vec<&String> =
        files.iter().chain(&before).chain(&after).copied().chain(&case.with).collect();
    let views = [
        ("from outside", &shown.findings, &files, &files),
        ("before the step", &shown.before, &before, &living),
        ("after the step", &shown.after, &after, &living),
    ];
    let down = |code: &str| job.wrong && shown.answers.lost > 0 && DOWN.contains(&code);
    let mut wrong = Vec::new();
    for (when, found, must, may) in views {
        for code in must {
            match found.get(*code) {
                None if job.wrong => wrong.push(format!("{code} does not fire {when}")),
                Some(text) if !job.wrong => wrong.push(format!("{code} fires {when}: {text}")),
                _ => {}
            }
        }
        for (code, text) in found {
            let meant = (job.wrong && may.contains(&code)) || case.both.contains(code);
            let meant = meant || (when != "from outside" && down(code));
            if text.starts_with("error") && !meant {
                wrong.push(format!("{code} fires too, {when}: {text}"));
            }
        }
    }
    shown.wrong.extend(wrong);
}

/// What was measured, in one line.
fn harm(shown: &Shown) -> String {
    let answers = &shown.answers;
    let mut line = format!("{} of {} lost", answers.lost, answers.sent);
    for (status, count) in &answers.statuses {
        let _ = write!(line, ", {count} x {status}");
    }
    for (release, count) in &answers.releases {
        let _ = write!(line, ", {count} by {release}");
    }
    let _ = write!(line, "; slowest {:.2} s, gap {:.2} s", answers.slowest, answers.gap);
    let _ = write!(line, "; exit {}, unit {}", answers.exit, shown.unit);
    let _ = write!(line, " [{:.1} s]", shown.took.as_secs_f64());
    if shown.wrong.is_empty() { line } else { format!("FAILED: {line}") }
}

/// Past the test harness, which would keep it to itself.
fn print_line(title: &str, harm: &str, findings: &str) {
    let line = format!("{title:<52} {harm} | {findings}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

/// The paragraphs `Proved by `NAME`: HARM` of a rule's documentation.
fn proofs(rule: &Rule) -> Vec<(String, String)> {
    let text = rule::paragraphs(rule);
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.trim().replace('\n', " "));
    let split = |paragraph: String| {
        let (name, harm) = paragraph.strip_prefix("Proved by `")?.split_once("`: ")?;
        Some((name.to_owned(), harm.to_owned()))
    };
    paragraphs.filter_map(split).collect()
}

#[test]
fn a_rule_names_its_proofs_and_a_case_its_rules() {
    let mut named: Vec<(String, String, String)> = Vec::new();
    for rule in rules::all() {
        named.extend(proofs(rule).into_iter().map(|(name, harm)| (rule.code.into(), name, harm)));
    }
    let mut wrong = Vec::new();
    let mut listed = Vec::new();
    for (name, case) in proof::cases("cases") {
        for code in case.findings.iter().chain(&case.before).chain(&case.live) {
            if exists(code) {
                listed.push((code.clone(), name.clone(), case.harm.clone()));
            } else {
                wrong.push(format!("{name}: there is no rule {code}"));
            }
        }
    }
    for rule in rules::all().iter().filter(|rule| rule.severity == Severity::Error) {
        let proved = named.iter().any(|(code, ..)| code == rule.code);
        if proved == UNPROVED.contains(&rule.code) {
            wrong.push(format!("{} is proved: {proved}", rule.code));
        }
    }
    for (code, name, harm) in listed.iter().filter(|proof| !named.contains(proof)) {
        wrong.push(format!("{code} lacks the paragraph\n    Proved by `{name}`: {harm}"));
    }
    for (code, name, _) in named.iter().filter(|proof| !listed.contains(proof)) {
        wrong.push(format!(
            "{code} says `{name}` proves it: no such case lists it with these words"
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_says_what_it_shows() {
    for (name, case) in proof::cases("cases") {
        assert!(case.about.ends_with('.'), "{name}: about is a sentence");
        assert!(case.harm.ends_with('.'), "{name}: harm is a sentence");
        assert!(case.wrong.is_some(), "{name} has no wrong side");
        let codes = case.findings.iter().chain(&case.before).chain(&case.live);
        assert!(codes.count() > 0, "{name} proves no rule");
    }
    let healthy = proof::cases("healthy");
    assert!(healthy.len() >= 10, "{} healthy variants", healthy.len());
    for (name, case) in healthy {
        assert!(case.wrong.is_none() && case.findings.is_empty(), "{name} is healthy");
    }
}
