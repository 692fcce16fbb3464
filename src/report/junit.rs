//! `--format junit`: a test for each rule and application, and one for each further finding.
//!
//! The document follows the schema of Jenkins' xUnit plugin, the strictest of the readers: no
//! `file=`, `line=` or `skips=`. Of two tests with the same name and class, GitLab keeps only the
//! first, so names are made unique.

use std::collections::HashMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::view::{Answer, Finding};
use super::{Failure, View};

type Out = Writer<Vec<u8>>;

/// One test.
struct Test {
    class: String,
    name: String,
    result: TestOutcome,
}

enum TestOutcome {
    Passed,
    Skipped(String),
    /// A failure: its kind, its message, its text.
    Failed(String, String, String),
    /// An error: something could not be read.
    Error(String),
}

/// The document, ending in a newline.
pub(super) fn junit(view: &View) -> io::Result<String> {
    let mut tests = Vec::new();
    for problem in view.gaps() {
        let place = view.place_of(problem).map_or_else(String::new, |p| p.text() + ": ");
        tests.push(Test {
            class: class(None),
            name: format!("{place}everything was read"),
            result: TestOutcome::Error(problem.message.clone()),
        });
    }
    for case in view.cases() {
        let class = class(case.app);
        let name = format!("{} {}", case.rule.code, case.rule.name);
        match case.answer {
            Answer::Passed => tests.push(Test { class, name, result: TestOutcome::Passed }),
            Answer::Skipped(skip) => {
                let result = TestOutcome::Skipped(skip.reason.clone());
                tests.push(Test { class, name, result });
            }
            Answer::Idle(why) => {
                tests.push(Test { class, name, result: TestOutcome::Skipped(why.to_owned()) });
            }
            Answer::Found(findings) => tests.extend(findings.into_iter().map(|finding| Test {
                class: class.clone(),
                name: name.clone(),
                result: failed(view, finding),
            })),
        }
    }
    document(view.source.time.trim_end_matches('Z'), &mut tests)
}

/// The document of a run that produced no report: one test that could not be run.
pub(super) fn failed_run(failure: &Failure) -> io::Result<String> {
    let result = TestOutcome::Error(failure.message.clone());
    let name = "the check ran".to_owned();
    document("", &mut [Test { class: class(None), name, result }])
}

fn failed(view: &View, finding: &Finding) -> TestOutcome {
    let mut text = format!("{}\n", view.snippet(finding));
    for evidence in &finding.evidence {
        text += &format!("= {}\n", evidence.text);
    }
    text += &finding.help;
    let message = format!("{}: {}", view.place(finding).text(), finding.message);
    TestOutcome::Failed(finding.severity.word().to_owned(), message, text)
}

fn class(app: Option<&str>) -> String {
    let name = app.map_or("host", |app| app.strip_suffix(".service").unwrap_or(app));
    format!("deploy-doctor.{name}")
}

fn document(time: &str, tests: &mut [Test]) -> io::Result<String> {
    tell_apart(tests);
    let count = |wanted: fn(&TestOutcome) -> bool| {
        tests.iter().filter(|test| wanted(&test.result)).count().to_string()
    };
    let all = tests.len().to_string();
    let failures = count(|result| matches!(result, TestOutcome::Failed(..)));
    let errors = count(|result| matches!(result, TestOutcome::Error(_)));
    let skipped = count(|result| matches!(result, TestOutcome::Skipped(_)));
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let counts = [("tests", &*all), ("failures", &*failures), ("errors", &*errors)];
    out.create_element("testsuites")
        .with_attributes([("name", "deploy-doctor")])
        .with_attributes(counts)
        .write_inner_content(|out| {
            let mut suite = out
                .create_element("testsuite")
                .with_attributes([("name", "deploy-doctor")])
                .with_attributes(counts)
                .with_attributes([("skipped", &*skipped)]);
            if !time.is_empty() {
                suite = suite.with_attribute(("timestamp", time));
            }
            suite
                .write_inner_content(|out| tests.iter().try_for_each(|test| write(out, test)))
                .map(drop)
        })?;
    let mut text = String::from_utf8(out.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

/// Numbers the tests that share a name and class, from the second on.
fn tell_apart(tests: &mut [Test]) {
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for test in tests {
        let nth = seen.entry((test.class.clone(), test.name.clone())).or_default();
        *nth += 1;
        if *nth > 1 {
            test.name = format!("{} ({nth})", test.name);
        }
    }
}

fn write(out: &mut Out, test: &Test) -> io::Result<()> {
    let (class, name) = (readable(&test.class), readable(&test.name));
    let case =
        out.create_element("testcase").with_attributes([("classname", &*class), ("name", &*name)]);
    match &test.result {
        TestOutcome::Passed => case.write_empty()?,
        TestOutcome::Skipped(reason) => case.write_inner_content(|out| {
            let skipped = out.create_element("skipped");
            skipped.with_attribute(("message", &*readable(reason))).write_empty().map(drop)
        })?,
        TestOutcome::Failed(kind, message, text) => case.write_inner_content(|out| {
            let (message, text) = (readable(message), readable(text));
            let failure = out.create_element("failure");
            failure
                .with_attributes([("type", &**kind), ("message", &*message)])
                .write_text_content(BytesText::new(&text))
                .map(drop)
        })?,
        TestOutcome::Error(message) => case.write_inner_content(|out| {
            let error = out.create_element("error");
            error
                .with_attributes([("type", "not-read"), ("message", &*readable(message))])
                .write_empty()
                .map(drop)
        })?,
    };
    Ok(())
}

/// Removes characters that XML 1.0 cannot represent: with a single one of them, every reader
/// refuses the file.
fn readable(text: &str) -> String {
    let fits = |c: char| {
        matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
            || c >= '\u{10000}'
    };
    text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect()
}
