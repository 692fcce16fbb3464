//! What CI reads: GitHub's annotations, GitLab's Code Quality, JUnit, TAP, a comment in Markdown.

use std::collections::HashSet;

use deploy_doctor::facts::Problem;
use deploy_doctor::report::Format;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;
use serde_json::Value;

use crate::support::command::Copied;
use crate::support::formats::{Run, make_unreadable, run};

fn many(run: &mut Run, errors: usize, warnings: usize) {
    let of = |run: &Run, severity, count: usize| {
        let rules = rules::all();
        (0..count).map(|n| run.finding(rules[n % 3], severity, &format!("no {n}"))).collect()
    };
    let mut findings: Vec<_> = of(run, Severity::Warning, warnings);
    findings.extend(of(run, Severity::Error, errors));
    run.outcome.findings = findings;
}

#[test]
fn github_gets_errors_first_at_most_ten_of_a_kind_and_the_rest_in_words() {
    run("guide", |run| {
        many(run, 13, 11);
        let text = run.write(Format::Github);
        let kinds: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("::"))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        let wanted = [vec!["error"; 10], vec!["warning"; 10]].concat();
        assert_eq!(kinds, wanted, "{text}");
        assert!(text.contains("in addition there are 3 more errors and 1 more warning:"), "{text}");
        // None is lost: those that are no annotation stand in the log.
        assert!((0..13).all(|n| text.contains(&format!("no {n}"))), "{text}");
        assert!(text.ends_with("deploy-doctor: 13 errors, 11 warnings\n"), "{text}");
        many(run, 10, 0);
        assert!(!run.write(Format::Github).contains("besides"), "ten have room");
    });
}

/// The runner splits properties at commas, ends them at `::` and decodes four characters.
#[test]
fn github_commands_are_escaped() {
    run("guide", |run| {
        let mut one = run.finding(rules::all()[0], Severity::Error, "50% of a:b, c::d");
        one.finding.help = "first\nsecond".into();
        let bytes = b"x\n".to_vec();
        let file = run.sources.add("/etc/a,b::c%.conf", bytes);
        one.finding.labels[0].span = deploy_doctor::source::Span::new(file.id, 0, 1);
        run.outcome.findings = vec![one];
        let text = run.write(Format::Github);
        let line = text.lines().next().unwrap();
        assert!(
            line.starts_with("::error file=testdata/guide/etc/a%2Cb%3A%3Ac%25.conf,line=1,"),
            "{line}"
        );
        assert!(line.ends_with("::50%25 of a:b, c::d%0A%0Afirst%0Asecond"), "{line}");
    });
}

/// `##[command]` counts anywhere in a line of the log, `::command::` at its start.
#[test]
fn github_log_lines_are_no_commands() {
    run("guide", |run| {
        let rule = rules::all()[0];
        let of = |text: &str| run.finding(rule, Severity::Error, text);
        let mut findings: Vec<_> = (0..10).map(|_| of("first")).collect();
        findings.push(of("x ##[stop-commands]t"));
        run.outcome.findings = findings;
        run.outcome.problems = (0..12).map(|_| Problem::new("", "::set-env name=A::b")).collect();
        let text = run.write(Format::Github);
        for line in text.lines() {
            let command = line.trim_start().starts_with("::");
            assert!(!command || line.starts_with("::error "), "{line}");
            assert!(command || !line.contains("##["), "{line}");
        }
        assert!(text.contains("# #[stop-commands]t"), "{text}");
    });
}

#[test]
fn gitlab_fingerprints_are_unique() {
    run("guide", |run| {
        many(run, 3, 2);
        run.outcome.findings.iter_mut().for_each(|one| one.fingerprint = "same".into());
        run.outcome.problems = vec![Problem::new("/etc/x", "m"), Problem::new("/etc/x", "m")];
        let issues: Value = serde_json::from_str(&run.write(Format::Gitlab)).unwrap();
        let prints: HashSet<&str> =
            issues.as_array().unwrap().iter().map(|i| i["fingerprint"].as_str().unwrap()).collect();
        assert_eq!(prints.len(), 7, "{issues:#}");
        // What was not read does not look clean.
        assert_eq!(issues[0]["check_name"], "not-read");
        assert_eq!(issues[0]["location"]["path"], "testdata/guide/etc/x");
    });
}

#[test]
fn junit_has_what_jenkins_takes_and_no_name_twice() {
    run("guide", |run| {
        many(run, 7, 4);
        let text = run.write(Format::Junit);
        for line in text.lines().filter(|line| line.contains("<testcase")) {
            assert!(!line.contains(" file=") && !line.contains(" line="), "{line}");
        }
        assert!(!text.contains("skips="));
        let mut names = HashSet::new();
        for line in text.lines().filter(|line| line.trim_start().starts_with("<testcase")) {
            let test = line.trim().trim_end_matches(['/', '>']);
            assert!(names.insert(test.to_owned()), "twice: {test}");
        }
        assert!(text.contains("(3)\""), "{text}");
    });
}

/// One control character, or one of Unicode's two non-characters, and no reader takes the file.
#[test]
fn junit_holds_nothing_that_xml_cannot() {
    run("guide", |run| {
        let message = "a\u{1b}b\u{0}c\u{ffff}d\u{fffe}e";
        run.outcome.findings = vec![run.finding(rules::all()[0], Severity::Error, message)];
        let text = run.write(Format::Junit);
        let bad = |c: char| matches!(c, '\u{fffe}' | '\u{ffff}') || (c.is_control() && c != '\n');
        assert_eq!(text.find(bad), None);
        assert!(text.contains("a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e"), "{text}");
    });
}

#[test]
fn tap_is_version_13_and_escapes_directives() {
    run("guide", |run| {
        let message = "a # todo b \\# skip c\\";
        run.outcome.findings = vec![run.finding(rules::all()[0], Severity::Error, message)];
        let text = run.write(Format::Tap);
        assert!(text.starts_with("TAP version 13\n1.."), "{text}");
        let line = text.lines().find(|line| line.starts_with("not ok")).unwrap();
        assert!(line.ends_with("a \\# todo b \\\\\\# skip c\\\\"), "{line}");
        // A plan that does not hold is a failure for every reader.
        let plan: usize = text.lines().nth(1).unwrap()[3..].parse().unwrap();
        let tests = text.lines().filter(|l| l.starts_with("ok ") || l.starts_with("not ok "));
        assert_eq!(tests.count(), plan);
    });
}

/// prove fails exactly where the check does.
#[test]
fn tap_takes_what_does_not_fail_the_check_for_todo() {
    run("guide", |run| {
        many(run, 1, 1);
        let todo = |run: &Run| {
            let text = run.write(Format::Tap);
            let failed = text.lines().filter(|line| line.starts_with("not ok "));
            failed.filter(|line| line.contains(" # TODO ")).count()
        };
        assert_eq!(todo(run), 1);
        run.asked.threshold = Some(Severity::Warning);
        assert_eq!(todo(run), 0);
        run.asked.threshold = None;
        assert_eq!(todo(run), 2);
    });
}

#[test]
fn tap_says_when_there_was_nothing_to_check() {
    run("healthy", |run| {
        run.outcome.findings.clear();
        run.asked.rules.clear();
        assert_eq!(run.write(Format::Tap), "TAP version 13\n1..0 # SKIP nothing was checked\n");
    });
}

/// What was not read is a failure in each of them, and none looks green.
#[test]
fn what_could_not_be_read_is_no_success() {
    let tree = Copied::of("healthy");
    make_unreadable(&tree);
    let tap = tree.check(&["--format", "tap"]);
    assert_eq!(tap.code, Some(3), "{}", tap.all());
    assert!(tap.stdout.contains("not ok 1 - not checked: "), "{}", tap.stdout);
    let lenient = tree.check(&["--format", "tap", "--allow-incomplete"]);
    assert!(lenient.stdout.contains("# TODO --allow-incomplete"), "{}", lenient.stdout);
    let junit = tree.check(&["--format", "junit"]).stdout;
    assert!(junit.contains("errors=\"1\""), "{junit}");
    let github = tree.check(&["--format", "github"]).stdout;
    assert!(github.starts_with("::error file="), "{github}");
    let gitlab = tree.check(&["--format", "gitlab"]).stdout;
    assert!(gitlab.contains("\"not-read\""), "{gitlab}");
    let markdown = tree.check(&["--format", "markdown"]).stdout;
    assert!(markdown.contains("**not checked**"), "{markdown}");
    let sarif: Value = serde_json::from_str(&tree.check(&["--format", "sarif"]).stdout).unwrap();
    let invocation = &sarif["runs"][0]["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
}

/// A comment mentions nobody, links nothing, closes no fence and fits.
#[test]
fn markdown_is_text() {
    run("guide", |run| {
        let message = "@all see #12 <b>x</b> | y [z](w) *q* `r`";
        let mut one = run.finding(rules::all()[0], Severity::Error, message);
        one.finding.help = "```\n````\nrm -rf x".into();
        run.outcome.findings = vec![one];
        let text = run.write(Format::Markdown);
        let head = text.lines().find(|line| line.starts_with("#### ")).unwrap();
        for wanted in
            ["@<!-- -->all", "#<!-- -->12", "&lt;b&gt;", "\\|", "\\[z\\](w)", "\\*q\\*", "\\`r\\`"]
        {
            assert!(head.contains(wanted), "{wanted}: {head}");
        }
        assert!(text.contains("`````text\n```\n````\nrm -rf x\n`````"), "{text}");
        many(run, 300, 0);
        let text = run.write(Format::Markdown);
        assert!(text.chars().count() <= 65_536, "{}", text.chars().count());
        let told = text.matches("#### ").count();
        assert!(text.contains(&format!("and {} more findings", 300 - told)), "{told}");
        assert!(text.contains("300 errors"));
    });
}
