//! What monitoring reads: Prometheus' text format, and a plugin's answer.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::{Command, Stdio};

use deploy_doctor::report::Format;
use deploy_doctor::rule::Severity;
use deploy_doctor::rules;

use crate::support::command::{Copied, Ran, finish, program, run as run_program};
use crate::support::formats::{make_unreadable, run};

const ENVIRONMENT: &str = "/etc/myapp.env";

fn nagios(tree: &Copied, options: &[&str]) -> Ran {
    let root = tree.root();
    run_program(&[&["nagios", "--root", root.to_str().unwrap()], options].concat())
}

fn with_environment(line: &str) -> Copied {
    let tree = Copied::of("healthy");
    let before = fs::read_to_string(tree.at(ENVIRONMENT)).unwrap();
    tree.write(ENVIRONMENT, before + line);
    tree
}

/// node_exporter drops the whole file for a timestamp, and for a series that is there twice.
#[test]
fn metrics_have_no_timestamps_and_no_series_twice() {
    run("guide", |run| {
        let made = run.make_hostile();
        run.set(made);
        let text = run.write(Format::Prometheus);
        assert!(text.ends_with('\n'));
        let mut series = HashSet::new();
        let mut heads = HashSet::new();
        for line in text.lines() {
            if line.starts_with('#') {
                assert!(heads.insert(line), "twice: {line}");
                continue;
            }
            let (name, value) = line.rsplit_once("} ").unwrap();
            assert!(value.parse::<u64>().is_ok(), "a value and nothing behind it: {line}");
            assert!(series.insert(name), "twice: {line}");
        }
        for metric in ["last_run_timestamp_seconds", "run_success", "build_info"] {
            assert!(text.contains(&format!("\ndeploy_doctor_{metric}{{")), "{metric}");
        }
    });
}

/// A rule that finds nothing is 0, not absent.
#[test]
fn every_rule_is_there() {
    run("guide", |run| {
        let text = run.write(Format::Prometheus);
        for rule in rules::all() {
            assert!(text.contains(&format!(",rule=\"{}\",", rule.code)), "{}", rule.code);
        }
        let zeros =
            text.lines().filter(|l| l.starts_with("deploy_doctor_findings{") && l.ends_with(" 0"));
        assert_eq!(zeros.count(), rules::all().len() - run.outcome.findings.len());
    });
}

#[test]
fn labels_are_escaped() {
    run("guide", |run| {
        run.asked.scope = "a\"b\\c\nd".into();
        let text = run.write(Format::Prometheus);
        assert!(text.contains("scope=\"a\\\"b\\\\c\\nd\""), "{text}");
    });
}

/// Two files of one collector must not hold one series, or it drops one of them.
#[test]
fn runs_that_check_different_things_share_no_series() {
    let tree = Copied::of("healthy");
    let of = |options: &[&str]| {
        let text = tree.check(&[&["--format", "prometheus"], options].concat()).stdout;
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series.map(|line| line.split("} ").next().unwrap().to_owned()).collect::<HashSet<_>>()
    };
    let (all, one) = (of(&[]), of(&["myapp"]));
    assert!(all.len() > 100);
    assert_eq!(all.intersection(&one).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// Without it a monitoring system goes on seeing what an earlier run saw.
#[test]
fn a_run_that_fails_writes_metrics_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.prom");
    let output = format!("prometheus={}", path.display());
    fs::write(&path, "deploy_doctor_findings{} 1\n").unwrap();
    for options in [
        &["--root", "/nowhere/at/all"][..],
        &["--root", "testdata/guide", "--select", "NOSUCH"],
        &["./nowhere/at/all"],
    ] {
        let ran = run_program(&[&["check", "--output", &output], options].concat());
        assert!(matches!(ran.code, Some(2 | 3)), "{}", ran.all());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("deploy_doctor_run_success{"), "{text}");
        assert!(
            text.lines().any(|l| l.starts_with("deploy_doctor_run_success") && l.ends_with(" 0")),
            "{text}"
        );
        assert!(text.contains("deploy_doctor_last_run_timestamp_seconds{"), "{text}");
        assert!(!text.contains("deploy_doctor_findings"), "{text}");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o644);
    }
    // A file that could not be read is no success either, though there are findings to tell.
    let tree = Copied::of("healthy");
    make_unreadable(&tree);
    let text = tree.check(&["--format", "prometheus"]).stdout;
    assert!(
        text.lines().any(|l| l.starts_with("deploy_doctor_run_success") && l.ends_with(" 0")),
        "{text}"
    );
    assert!(text.contains("deploy_doctor_findings{"));
}

/// `|` starts the performance data, which stand once, behind the first line, without ranges.
#[test]
fn a_plugin_tells_its_data_once() {
    run("guide", |run| {
        let message = "a | b errors=9;@1:2;10:";
        let rule = rules::all()[0];
        run.outcome.findings = vec![
            run.finding(rule, Severity::Error, message),
            run.finding(rule, Severity::Warning, message),
        ];
        let (status, text) = run.nagios();
        assert_eq!(status, 2);
        assert_eq!(text.matches('|').count(), 1, "{text}");
        let (said, data) = text.lines().next().unwrap().split_once(" | ").unwrap();
        assert!(said.starts_with("DEPLOY CRITICAL - 1 error, 1 warning: "), "{said}");
        assert!(!data.contains(['@', ':', '~', ',', 'U']), "{data}");
        assert!(data.starts_with("errors=1;;0;0 warnings=1;0;;0 "), "{data}");
    });
}

#[test]
fn a_plugin_ends_as_monitoring_means_it() {
    let healthy = Copied::of("healthy");
    let unreadable = Copied::of("healthy");
    make_unreadable(&unreadable);
    for (ran, code, word) in [
        (nagios(&healthy, &[]), 0, "OK"),
        (nagios(&with_environment("EXTRA=1 # note\n"), &["--select", "E"]), 1, "WARNING"),
        (nagios(&with_environment("export EXTRA=1\n"), &["--select", "E"]), 2, "CRITICAL"),
        (nagios(&unreadable, &[]), 3, "UNKNOWN"),
        (nagios(&unreadable, &["--allow-incomplete"]), 0, "OK"),
        (nagios(&healthy, &["nosuchapp"]), 3, "UNKNOWN"),
        (run_program(&["nagios", "--root", "/nowhere/at/all"]), 3, "UNKNOWN"),
        (nagios(&healthy, &["--select", "NOSUCH"]), 3, "UNKNOWN"),
        (nagios(&healthy, &["--output", "nosuch=x"]), 3, "UNKNOWN"),
        (nagios(&healthy, &["--nosuch"]), 3, "UNKNOWN"),
        (nagios(&healthy, &["--timeout", "0"]), 3, "UNKNOWN"),
    ] {
        assert_eq!(ran.code, Some(code), "{word}: {}", ran.all());
        assert!(ran.stdout.starts_with(&format!("DEPLOY {word} - ")), "{word}: {}", ran.all());
        // What is on standard error some monitoring takes for the answer.
        assert_eq!(ran.stderr, "", "{word}");
    }
    for word in ["--help", "-h", "--version", "-V"] {
        let ran = run_program(&["nagios", word]);
        assert_eq!(ran.code, Some(3), "{word}: {}", ran.all());
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{word}: {}", ran.all());
    }
}

/// What could not be said is not OK: silence with 0 would be.
#[test]
fn a_plugin_that_cannot_print_is_not_ok() {
    let tree = Copied::of("healthy");
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = Command::new(program())
        .args(["nagios", "--root", tree.root().to_str().unwrap()])
        .stdout(full)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

/// A report goes into a pipe that is full, and whose reader does not read.
#[test]
fn a_plugin_has_a_time_limit_of_its_own() {
    let tree = Copied::of("healthy");
    let pipe = tree.directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let nonblocking = 0o4000;
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).custom_flags(nonblocking);
    let mut reader = options.open(&pipe).unwrap();
    while reader.write(&[b' '; 4096]).is_ok() {}
    let output = format!("tap={}", pipe.display());
    let ran = nagios(&tree, &["--timeout", "1", "--output", &output]);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
    assert!(!ran.killed);
    assert_eq!(ran.stdout, "DEPLOY UNKNOWN - no answer within 1 s (--timeout)\n", "{}", ran.stderr);
}

/// A site that takes the connection and says nothing is down, and told to be before the time is up.
#[test]
fn a_silent_site_is_critical_within_the_time_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let ran = run_program(&["nagios", "--probe", &url, "--timeout", "6", "--no-exec"]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(ran.stdout.contains("[L805] host: the site is down"), "{}", ran.all());
}

/// A plugin may leave metrics, too.
#[test]
fn a_plugin_writes_reports() {
    let tree = with_environment("export EXTRA=1\n");
    let path = tree.directory.path().join("x.prom");
    let ran = nagios(&tree, &["--output", &format!("prometheus={}", path.display())]);
    assert_eq!(ran.code, Some(2), "{}", ran.all());
    assert!(fs::read_to_string(path).unwrap().contains("rule=\"E401\""));
    let mut panics = Command::new(program());
    panics.args(["nagios", "--root", tree.root().to_str().unwrap(), "--output", "json=/nowhere/x"]);
    let ran = finish(panics);
    assert_eq!(ran.code, Some(3), "{}", ran.all());
}
