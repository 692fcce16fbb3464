//! A check, and the same check of what a capture of it holds.
#![allow(dead_code)]

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use deploy_doctor::capture::{Asked, Capture, Masked, Taken, redact};
use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request};
use deploy_doctor::host::{Host, Recording, RecordingHost, ReplayHost};
use deploy_doctor::report::{self, Asked as Shown, Base, Format, Report, SourceInfo, Style, Times};
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

/// Both reports, and the capture between them.
pub struct Both {
    pub first: String,
    pub again: String,
    /// The capture as it is written.
    pub document: String,
    pub masked: Masked,
    /// What was recorded, before anything was masked.
    pub bare: Recording,
}

/// The JSON report of a check.
pub fn report(request: &Request, sources: &Sources) -> String {
    let rules = rules::all();
    let deployment = facts::read(sources, request);
    let outcome = engine::run(rules, &deployment, sources, &Settings::default());
    let source = SourceInfo {
        mode: "capture",
        host: String::new(),
        time: String::new(),
        options: Vec::new(),
    };
    let report = Report {
        source,
        deployment: &deployment,
        sources,
        outcome: &outcome,
        times: Times::new(Duration::ZERO, Vec::new()),
    };
    let shown = Shown {
        rules: rules.iter().map(|rule| (*rule, rule.severity)).collect(),
        threshold: None,
        allow_incomplete: false,
        suppressed: true,
        base: Base { directory: "/".into(), root: None },
        scope: String::new(),
        patches: std::collections::HashMap::new(),
    };
    let view = report::View::new(&report, &shown);
    report::write(&view, Format::Json, Style::default()).unwrap()
}

/// Checks a host, captures it, and checks the capture.
pub fn both(host: &dyn Host, request: &Request) -> Both {
    let recorder = RecordingHost::new(host);
    let sources = Sources::new(&recorder);
    let first = report(request, &sources);
    let bare = recorder.recording();
    let mut recording = bare.clone();
    let mut asked = Asked { requests: vec![request.clone()], ..Asked::default() };
    let masked = redact(&mut recording, &mut asked, &sources);
    let taken = Taken { mode: "root".into(), host: String::new(), time: String::new() };
    let recording = Rc::new(recording);
    let capture = Capture { version: "0".into(), taken, asked, recording };
    let document = capture.write().unwrap();
    let read = Capture::read(document.as_bytes()).unwrap();
    assert!(*read.recording == *capture.recording, "what is read is not what was written");
    let replay = ReplayHost::new(read.recording);
    let sources = Sources::new(&replay);
    let again = report(&read.asked.requests[0], &sources);
    Both { first, again, document, masked, bare }
}

impl Both {
    /// The lines in which the second report differs.
    pub fn difference(&self) -> String {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let (first, again) = (lines(&self.first), lines(&self.again));
        let only = |of: &[String], from: &[String], sign: &str| {
            let new = of.iter().filter(|line| !from.contains(line)).take(12);
            new.map(|line| format!("{sign} {line}\n")).collect::<String>()
        };
        only(&first, &again, "-") + &only(&again, &first, "+")
    }
}

/// `--root` of a directory.
pub fn tree(directory: &Path) -> deploy_doctor::host::TreeHost {
    deploy_doctor::host::TreeHost::open(directory).unwrap()
}
