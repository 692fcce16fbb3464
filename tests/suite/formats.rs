//! The formats as writers: one run counts the same in each, hostile messages stay text, and the trap
//! of each reader has a test. What reads them for real is in `tests/living/formats*.rs`.

mod ci;
mod files;
mod monitoring;
mod sarif;

use deploy_doctor::report::Format;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;

use crate::support::formats::{count, count_nagios, counts, hostile, run};
use crate::support::generate::Generator;

/// Any number of findings of any rules and severities, several of one kind too.
#[test]
fn one_run_counts_the_same_in_every_format() {
    let rules = rules::all();
    let severities = [Severity::Error, Severity::Warning, Severity::Info];
    run("guide", |run| {
        let mut dice = Generator::new(12);
        for round in 0..120 {
            let most = [1, 5, 40][round % 3];
            let findings: Vec<_> = (0..dice.below(most + 1))
                .map(|_| {
                    let rule = rules[dice.below(rules.len())];
                    let mut one = run.finding(rule, severities[dice.below(3)], "a | b # c");
                    match dice.below(5) {
                        0 => one.finding.app = None,
                        1 => one.finding.labels.clear(),
                        _ => {}
                    }
                    one
                })
                .collect();
            if findings.is_empty() {
                continue;
            }
            run.set(findings);
            let wanted = counts(&run.outcome);
            for &format in Format::all() {
                let text = run.write(format);
                assert_eq!(count(format, &text), wanted, "round {round}, {format:?}:\n{text}");
            }
            assert_eq!(count_nagios(&run.nagios().1), wanted, "round {round}");
        }
    });
}

#[test]
fn a_clean_run_counts_nothing_in_any_format() {
    run("healthy", |run| {
        // A checkout does not keep the modes that some rules judge.
        run.outcome.findings.clear();
        for &format in Format::all() {
            assert_eq!(count(format, &run.write(format)), [0, 0, 0], "{format:?}");
        }
        let (status, text) = run.nagios();
        assert_eq!((status, count_nagios(&text)), (0, [0, 0, 0]), "{text}");
    });
}

/// No format lets a message act: no escape sequence, no line of its own.
#[test]
fn hostile_messages_stay_text_in_every_format() {
    assert_eq!(hostile().len(), 20);
    run("guide", |run| {
        let made = run.make_hostile();
        run.set(made);
        let wanted = counts(&run.outcome);
        for &format in Format::all() {
            let text = run.write(format);
            assert_eq!(count(format, &text), wanted, "{format:?}");
            let control = |c: char| c.is_control() && c != '\n';
            assert_eq!(text.find(control), None, "{format:?}");
            assert!(text.ends_with('\n'), "{format:?}");
        }
        // A file's name is as hostile as a message.
        assert!(
            run.write(Format::Sarif)
                .contains("a%20b%23c%3Fd%2520%2Ce%3Af%7C%22%3Cg%3E%1B%5B1m%FF%0A")
        );
        let (_, text) = run.nagios();
        assert_eq!(count_nagios(&text), wanted);
    });
}
