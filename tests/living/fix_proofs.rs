//! Every proof whose rule has a fix, fixed on the real host: `fix --apply --run-actions` takes the
//! measured harm away, systemd and nginx accept what it wrote, and `--undo` brings every byte, owner
//! and mode back.
//!
//! `DEPLOY_DOCTOR_CASE=NAME` runs the cases whose name contains NAME (or one of several, separated
//! by commas).

use crate::support;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::support::mended;
use crate::support::proof::{self, Case};
use crate::support::suite::Suite;
use deploy_doctor::rule::Safety;
use deploy_doctor::rules;

/// Containers at the same time.
const AT_ONCE: usize = 3;

/// The codes of a case that a program can fix.
fn fixable(case: &Case) -> Vec<String> {
    let has_fix = |code: &&String| {
        let rule = rules::all().iter().find(|rule| rule.code == code.as_str());
        rule.is_some_and(|rule| matches!(rule.fix, Some(Safety::Safe | Safety::Unsafe)))
    };
    let codes = case.findings.iter().chain(&case.live).chain(&case.also);
    let mut codes: Vec<String> = codes.filter(has_fix).cloned().collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn a_fix_takes_the_harm_away_and_undo_brings_all_back() {
    if let Err(skip) = Suite::usual().root() {
        return support::skip(skip);
    }
    let only = std::env::var("DEPLOY_DOCTOR_CASE").unwrap_or_default();
    let named = |name: &str| only.split(',').any(|word| name.contains(word));
    let asked: Vec<(String, Case)> =
        proof::cases("cases").into_iter().filter(|(name, _)| named(name)).collect();
    assert!(!asked.is_empty(), "no case is called {only}");
    let cases: Vec<(String, Case)> = asked
        .into_iter()
        .filter(|(_, case)| !fixable(case).is_empty())
        .filter(|(_, case)| !case.suites().is_empty())
        .collect();
    let jobs: Mutex<VecDeque<&(String, Case)>> = Mutex::new(cases.iter().collect());
    let (failures, skips) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((name, case)) = jobs.lock().unwrap().pop_front() else { break };
                    match prove(name, case) {
                        Ok(wrong) if wrong.is_empty() => {}
                        Ok(wrong) => {
                            let text = format!("{name}:\n    {}", wrong.join("\n    "));
                            failures.lock().unwrap().push(text);
                        }
                        Err(skip) => skips.lock().unwrap().push(skip),
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failed:\n\n{}\n", failures.len(), failures.join("\n\n"));
    if let Some(skip) = skips.into_inner().unwrap().pop() {
        return support::skip(skip);
    }
    assert!(!only.is_empty() || cases.len() >= 20, "{} cases were fixed", cases.len());
}

/// Once more where gunicorn itself fell over (see [`proof::stumbled`]).
fn prove(name: &str, case: &Case) -> Result<Vec<String>, support::container::Skip> {
    let wrong = prove_once(name, case)?;
    if proof::stumbled(&wrong) { prove_once(name, case) } else { Ok(wrong) }
}

fn prove_once(name: &str, case: &Case) -> Result<Vec<String>, support::container::Skip> {
    let codes = fixable(case);
    let shown = catch_unwind(AssertUnwindSafe(|| mended::run(name, case, &codes)));
    let shown = match shown {
        Ok(shown) => shown?,
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            return Ok(vec![format!("broke off: {words}")]);
        }
    };
    let state = match (shown.wrong.is_empty(), case.by_hand) {
        (false, _) => "FAILED",
        (true, true) => "left to a person",
        (true, false) => "harm gone",
    };
    let answers = &shown.answers;
    let line = format!(
        "{name:<36} {state}: {} of {} lost, unit {}, [{:.1} s] | {}\n",
        answers.lost,
        answers.sent,
        shown.unit,
        shown.took.as_secs_f64(),
        codes.join(" ")
    );
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
    Ok(shown.wrong)
}
