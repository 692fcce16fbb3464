//! Everything that happened, for every output.

use std::path::PathBuf;

use serde::Serialize;

use super::judge::Said;
use super::keep::Record;
use super::{Ending, Request, Step, Strategy};
use crate::probe::Report;

/// A line of a step.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    /// The step.
    pub step: Step,
    /// What it says.
    pub text: String,
    /// When, RFC 3339.
    pub time: String,
}

/// A worker's life, in seconds since the first probe.
#[derive(Debug, Clone, Serialize)]
pub struct Lifetime {
    /// Its number.
    pub pid: u32,
    /// Was it there before the reload?
    pub old: bool,
    /// First seen.
    pub from: f64,
    /// Seen to have loaded the application.
    pub loaded: Option<f64>,
    /// Gone.
    pub to: Option<f64>,
}

/// What came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Story {
    /// The document's version.
    pub schema: u32,
    /// The unit.
    pub unit: String,
    /// How it ended.
    pub ending: Ending,
    /// In one line, the cause first.
    pub why: String,
    /// The release that the link led to before, and the new one.
    pub before: Option<PathBuf>,
    /// The new one.
    pub release: Option<PathBuf>,
    /// How gunicorn was reloaded.
    pub strategy: Option<Strategy>,
    /// All lines, in order.
    pub events: Vec<Event>,
    /// What blocked the reload.
    pub refusals: Vec<Said>,
    /// What `--force` overruled.
    pub forced: Vec<Said>,
    /// What the failed attempt left to see.
    pub evidence: Vec<String>,
    /// What to type, where something is left to do.
    pub next: Vec<String>,
    /// What else is to be known.
    pub notes: Vec<String>,
    /// The workers' lives.
    pub workers: Vec<Lifetime>,
    /// The probes.
    pub probes: Option<Report>,
    /// The log.
    pub audit: Option<PathBuf>,
    /// What the run before left.
    #[serde(skip)]
    pub found: Option<Record>,
}

impl Story {
    pub(super) fn new(request: &Request) -> Self {
        Self {
            schema: 1,
            unit: request.unit.clone(),
            ending: Ending::Refused,
            why: String::new(),
            before: None,
            release: request.release.clone(),
            strategy: None,
            events: Vec::new(),
            refusals: Vec::new(),
            forced: Vec::new(),
            evidence: Vec::new(),
            next: Vec::new(),
            notes: Vec::new(),
            workers: Vec::new(),
            probes: None,
            audit: None,
            found: None,
        }
    }

    pub(super) fn say(&mut self, step: Step, text: &str) {
        self.events.push(Event { step, text: text.into(), time: super::keep::now() });
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    pub(super) fn end(&mut self, ending: Ending, why: impl Into<String>) {
        self.ending = ending;
        self.why = why.into();
    }
}
