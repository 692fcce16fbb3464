//! Every writer with findings whose text is the input: each format stays what it is, whatever a
//! message, a note, a file or its name holds. The parts of the input are, in order, message, help,
//! note, evidence, fix, and the bytes of the file; a part's name is the file's name.

use std::path::Path;

use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Deployment, Problem, Request, Scope};
use deploy_doctor::report::Format;
use deploy_doctor::rule::{Evidence, EvidenceKind, Label, Rule, Severity};
use deploy_doctor::rules;
use deploy_doctor::source::{Sources, Span};

use crate::pack::sections;
use crate::tree::{healthy, written};

pub fn run(input: &[u8]) {
    // One finding at least: the environment can be read by all.
    let mut host = healthy();
    host.own("/etc/myapp.env", 0o644, 0, 0);
    let sources = Sources::new(&host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let mut deployment = facts::read(&sources, &request);
    told(input, &sources, &mut deployment);
}

fn told(input: &[u8], sources: &Sources, deployment: &mut Deployment) {
    let parts = sections(input);
    let text = |at: usize| {
        let bytes = parts.get(at).map_or(parts[0].bytes, |part| part.bytes);
        String::from_utf8_lossy(bytes).into_owned()
    };
    let few: Vec<&'static Rule> =
        rules::all().iter().copied().filter(|rule| rule.code == "E407").collect();
    let mut outcome = engine::run(&few, deployment, sources, &Settings::default());
    let bytes = parts.last().map_or(&b""[..], |part| part.bytes);
    let name = parts.iter().map(|part| part.name).find(|name| !name.is_empty());
    let file = sources.add(Path::new("/etc").join(name.unwrap_or("x")), bytes);
    let Some(first) = outcome.findings.first().cloned() else { panic!("the stage is bare") };
    outcome.findings.clear();
    let severities = [Severity::Error, Severity::Warning, Severity::Info];
    for (number, severity) in severities.into_iter().enumerate() {
        let mut one = first.clone();
        let finding = &mut one.finding;
        finding.severity = severity;
        finding.message = text(0);
        finding.help = text(1);
        let half = bytes.len() / (number + 1);
        let span = Span::new(file.id, half / 2, half);
        finding.labels = vec![
            Label { span, note: text(2) },
            Label { span: Span::new(file.id, 0, bytes.len()), note: String::new() },
        ];
        finding.evidence = vec![Evidence { kind: EvidenceKind::Journal, text: text(3) }];
        if let Some(fix) = &mut finding.fix {
            fix.title = text(4);
        }
        if number == 1 {
            finding.labels.clear();
        }
        if number == 2 {
            finding.app = None;
        }
        one.fingerprint = format!("{number:016x}");
        outcome.findings.push(one);
    }
    outcome.problems.push(Problem::new(&file.path, text(0)));
    for turn in 0..4 {
        let format = Format::all()[(input.len() + turn * 3) % Format::all().len()];
        written(sources, deployment, &outcome, format);
    }
}

/// Is a text what its format says?
pub fn judge(format: Format, text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert!(control.is_none(), "{format:?} holds {control:?}");
    match format {
        Format::Json | Format::Sarif | Format::Gitlab => {
            let parsed = serde_json::from_str::<serde_json::Value>(text);
            assert!(parsed.is_ok(), "{format:?}: {parsed:?}");
        }
        Format::Junit => xml(text),
        Format::Tap => tap(text),
        Format::Prometheus => text.lines().for_each(metric),
        Format::Github => text.lines().for_each(command),
        Format::Html => {
            let lower = text.to_ascii_lowercase();
            assert!(!lower.contains("<script") && !lower.contains("javascript:\""));
        }
        Format::Text | Format::Concise | Format::Markdown => {}
    }
}

/// It can be read to its end.
fn xml(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut depth = 0_i32;
    loop {
        match reader.read_event() {
            Ok(quick_xml::events::Event::Start(_)) => depth += 1,
            Ok(quick_xml::events::Event::End(_)) => depth -= 1,
            Ok(quick_xml::events::Event::Eof) => break,
            Ok(_) => {}
            Err(error) => panic!("JUnit is no XML: {error}\n{text}"),
        }
    }
    assert_eq!(depth, 0);
}

/// As many tests as it announces, and none given up.
fn tap(text: &str) {
    assert!(text.starts_with("TAP version 13\n"), "{text}");
    let planned = text.lines().find_map(|line| line.strip_prefix("1.."));
    let planned: usize = planned.and_then(|n| n.split(' ').next()?.parse().ok()).expect("a plan");
    let is_test = |line: &&str| line.starts_with("ok ") || line.starts_with("not ok ");
    assert_eq!(text.lines().filter(is_test).count(), planned, "{text}");
    assert!(!text.lines().any(|line| line.starts_with("Bail out!")), "{text}");
}

/// A comment, or a name with labels and a number.
fn metric(line: &str) {
    if line.starts_with('#') || line.is_empty() {
        return;
    }
    let number = line.rsplit(' ').next().and_then(|number| number.parse::<f64>().ok());
    assert!(line.starts_with("deploy_doctor_") && number.is_some(), "{line:?}");
}

/// Only the commands that are meant, wherever a runner looks for one.
fn command(line: &str) {
    let known = ["::error", "::warning", "::notice", "::group", "::endgroup"];
    let line = line.trim_start();
    if line.starts_with("::") {
        assert!(known.iter().any(|start| line.starts_with(start)), "{line:?}");
    }
    assert!(!line.contains("##["), "{line:?}");
}

/// One bar in the first line, which is the only one.
pub fn judge_nagios(text: &str) {
    assert_eq!(text.matches('|').count(), 1, "{text}");
    assert!(text.lines().next().is_some_and(|line| line.contains('|')), "{text}");
}
