//! A page with findings whose texts are as hostile as they can be.

#![allow(dead_code)] // each test binary uses a part of it

use std::path::Path;

use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::host::TreeHost;
use deploy_doctor::report::{self, Report, SourceInfo, Times};
use deploy_doctor::rule::{Evidence, EvidenceKind, Label};
use deploy_doctor::rules;
use deploy_doctor::source::{Sources, Span};

/// Texts that break out of HTML where they are not escaped.
pub const TEXTS: [&str; 11] = [
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "<!-- <svg onload=alert(1)> -->",
    "</pre></title></style></svg></desc><iframe src=//example.com>",
    "&lt;script&gt; &amp; &#60;b&#62; &",
    "\u{1b}[31mred\u{1b}[0m \u{0}\u{8}\u{7f}\u{85}",
    "\u{202e}backwards\u{202c}",
    "]]> <![CDATA[ <?php ?> {{x}} ${x}",
    "two\nlines\r\nthree",
];

/// The page and the number of its findings.
pub fn hostile() -> (String, usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/guide");
    let host = TreeHost::open(&root).unwrap();
    let sources = Sources::new(&host);
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    let mut deployment = facts::read(&sources, &request);
    let mut outcome = engine::run(rules::all(), &deployment, &sources, &Settings::default());
    let pattern = outcome.findings[0].clone();
    let mut texts: Vec<String> = TEXTS.map(str::to_owned).into();
    texts.push("long ".repeat(2_000));
    texts.push("x".repeat(10_000));
    for (number, text) in texts.iter().enumerate() {
        let file = sources.add(format!("/etc/{text}.conf"), format!("a\n  {text}\nb {text}\n"));
        let mut reported = pattern.clone();
        let finding = &mut reported.finding;
        finding.message.clone_from(text);
        finding.help.clone_from(text);
        finding.evidence = vec![Evidence { kind: EvidenceKind::File, text: text.clone() }];
        finding.labels = vec![
            Label { span: Span::new(file.id, 4, 6 + text.len()), note: text.clone() },
            Label { span: Span::new(file.id, 0, 1), note: text.clone() },
        ];
        if let Some(fix) = &mut finding.fix {
            fix.title.clone_from(text);
        }
        if number % 3 == 0 {
            finding.app = None;
        }
        reported.fingerprint = format!("{number:016x}");
        outcome.findings.push(reported);
        deployment.problems.push(facts::Problem::new(format!("/{text}"), text.clone()));
    }
    outcome.known = vec![outcome.findings[4].clone()];
    let count = outcome.findings.len();
    let page = report::html(&Report {
        source: SourceInfo {
            mode: "root",
            host: TEXTS[2].to_owned(),
            time: "2026-05-01T10:00:00Z".to_owned(),
            options: vec!["--root".to_owned(), TEXTS[0].to_owned()],
        },
        deployment: &deployment,
        sources: &sources,
        outcome: &outcome,
        times: Times::default(),
    });
    (page, count)
}
