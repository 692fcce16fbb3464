//! Captures: a stranger's document, which is read and checked, or a deployment that the input changes,
//! which is captured. What is written is read back as it was, and holds no secret.

use std::rc::Rc;

use deploy_doctor::capture::{Asked, Capture, Taken, redact};
use deploy_doctor::engine::{self, Settings};
use deploy_doctor::facts::{self, Request, Scope};
use deploy_doctor::host::{MemoryHost, RecordingHost, ReplayHost};
use deploy_doctor::report::Format;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

use crate::tree::{deployment, healthy, quiet, written};

fn check(request: &Request, sources: &Sources) {
    let deployment = facts::read(sources, request);
    let outcome = engine::run(rules::all(), &deployment, sources, &Settings::default());
    written(sources, &deployment, &outcome, Format::Json);
}

fn replay(capture: &Capture) {
    let host = ReplayHost::new(Rc::clone(&capture.recording));
    for request in capture.asked.requests.iter().take(2) {
        check(request, &Sources::new(&host));
    }
}

fn capture(host: &MemoryHost, request: &Request) -> String {
    let recorder = RecordingHost::new(host);
    let sources = Sources::new(&recorder);
    check(request, &sources);
    let mut recording = recorder.recording();
    let mut asked = Asked { requests: vec![request.clone()], ..Asked::default() };
    redact(&mut recording, &mut asked, &sources);
    let taken = Taken { mode: "root".into(), host: String::new(), time: String::new() };
    let capture =
        Capture { version: "0".into(), taken, asked, recording: Rc::new(recording) };
    let text = capture.write().expect("a capture can be written");
    let read = Capture::read(text.as_bytes()).expect("what was written can be read");
    assert!(*read.recording == *capture.recording, "what is read is not what was written");
    text
}

/// A document that is a capture, for seeds.
pub fn document() -> String {
    let request = Request { apps: Vec::new(), scope: Scope::Root, database_revision: None };
    capture(&healthy(), &request)
}

pub fn run(input: &[u8]) {
    if input.trim_ascii_start().starts_with(b"{") {
        if let Ok(capture) = Capture::read(input) {
            replay(&capture);
            let text = capture.write().expect("what was read can be written");
            let again = Capture::read(text.as_bytes()).expect("and be read again");
            assert!(*again.recording == *capture.recording, "it is not what it was");
        }
        return;
    }
    let Some((host, living)) = deployment(input) else { return };
    let scope = if living { Scope::Live } else { Scope::Root };
    let request = Request { apps: Vec::new(), scope, database_revision: None };
    let text = capture(&host, &request);
    quiet("the capture", &text);
    if let Ok(capture) = Capture::read(text.as_bytes()) {
        replay(&capture);
    }
}
