//! `--format tap`: the Test Anything Protocol, version 13, with a test for each rule and
//! application and one for each further finding.
//!
//! `prove` knows version 13 and fails on a file of version 14. A finding below `--fail-on` is a
//! TODO: it is reported, but does not make the reader fail, because the check does not fail either.

use std::fmt::Write;

use super::view::{Answer, Finding};
use super::{Failure, View};

/// One line per test, and details for each failure.
pub(super) fn tap(view: &View) -> String {
    let mut tests = Vec::new();
    for problem in view.gaps() {
        let place = view.place_of(problem).map_or_else(String::new, |p| p.text() + ": ");
        let todo = if view.asked.allow_incomplete { " # TODO --allow-incomplete" } else { "" };
        let message = escaped(&format!("{place}{}", problem.message));
        tests.push(("not ok", format!("not checked: {message}{todo}\n")));
    }
    for case in view.cases() {
        let app = case.app.unwrap_or("host");
        let name = escaped(&format!("{app}: {} {}", case.rule.code, case.rule.name));
        match case.answer {
            Answer::Passed => tests.push(("ok", format!("{name}\n"))),
            Answer::Skipped(skip) => {
                tests.push(("ok", format!("{name} # SKIP {}\n", escaped(&skip.reason))));
            }
            Answer::Idle(why) => tests.push(("ok", format!("{name} # SKIP {}\n", escaped(why)))),
            Answer::Found(findings) => {
                let failed =
                    findings.into_iter().map(|one| ("not ok", failed_test(view, app, one)));
                tests.extend(failed);
            }
        }
    }
    let mut out = "TAP version 13\n".to_owned();
    if tests.is_empty() {
        out.push_str("1..0 # SKIP nothing was checked\n");
        return out;
    }
    let _ = writeln!(out, "1..{}", tests.len());
    for (number, (ok, rest)) in tests.iter().enumerate() {
        let _ = write!(out, "{ok} {} - {rest}", number + 1);
    }
    let _ = writeln!(out, "# {}", view.summary.words());
    out
}

/// The output of a run that produced no report.
pub(super) fn failed(failure: &Failure) -> String {
    format!("TAP version 13\nBail out! {}\n", escaped(&super::clean(&failure.message)))
}

fn failed_test(view: &View, app: &str, finding: &Finding) -> String {
    let what = format!("{app}: {} {}: {}", finding.code, finding.name, finding.message);
    let mut text = escaped(&what);
    if !view.fails(finding.severity) {
        let _ = write!(text, " # TODO {}: does not fail the check", finding.severity.word());
    }
    text.push_str("\n  ---\n");
    let fields = [
        ("severity", finding.severity.word().to_owned()),
        ("impact", finding.impact.word().to_owned()),
        ("at", view.place(finding).text()),
        ("message", finding.message.clone()),
        ("help", finding.help.clone()),
        ("fingerprint", finding.fingerprint.to_owned()),
    ];
    for (key, value) in fields {
        // A JSON string is also a YAML string.
        let _ = writeln!(text, "  {key}: {}", serde_json::Value::String(value));
    }
    text.push_str("  ...\n");
    text
}

/// Escapes text: an unescaped `# todo` in a failure's message would turn the failure into a pass.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
