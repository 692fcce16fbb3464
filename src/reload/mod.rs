//! The guarded reload: reload only what will work, watch it, verify it, roll it back.
//!
//! The steps are those of [`Step`], in that order. Nothing is touched before the first three are
//! done; from then on, whatever happens leaves the site in one of the states of [`Stage`].
//!
//! Sources: gunicorn's signals, measured (field notes, "HUP"); `systemctl(1)`; `sd_notify(3)`.

mod back;
mod before;
mod behind;
mod capacity;
mod cause;
mod deaths;
mod failure;
mod judge;
mod keep;
mod probing;
mod rate;
mod standing;
mod story;
pub mod timeline;
mod trigger;
mod unit;
mod verdict;
mod watch;
mod watcher;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

pub use judge::Said;
pub use keep::{Record, Stage, last};
pub use probing::Probes;
pub use story::{Event, Lifetime, Story};

use crate::config::Config;
use crate::engine::Settings;
use crate::host::act::Interrupts;
use crate::host::disk::Disk;
use crate::host::{Host, Relinked};
use crate::probe::settings::Asking;

/// How the new code gets to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// What the deployment needs, by what the check sees.
    Auto,
    /// `systemctl reload`: gunicorn replaces its workers at a HUP.
    Hup,
    /// A second master next to the first, which retires once the new one answers.
    Usr2,
    /// `systemctl restart`.
    Restart,
}

impl Strategy {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Hup => "hup",
            Self::Usr2 => "usr2",
            Self::Restart => "restart",
        }
    }
}

/// What `--force` takes besides rules: a site that is not well before.
const AS_IT_IS: &str = "baseline";

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The unit's whole name.
    pub unit: String,
    /// The state directory.
    pub state: PathBuf,
    /// The URLs to ask; none: the application's own sockets.
    pub probes: Vec<String>,
    /// How they are asked.
    pub asking: Asking,
    /// Requests a second; `None` for as many as do not get in the visitors' way.
    pub rate: Option<f64>,
    /// How long one request may take, and how long the site may be without a success.
    pub timeout: Duration,
    /// How long the new release is watched once it serves.
    pub settle: Duration,
    /// The directory that the link is meant to lead to.
    pub release: Option<PathBuf>,
    /// What an answer of the new release holds.
    pub expect_version: Option<String>,
    /// How.
    pub strategy: Strategy,
    /// Rules that do not count, and [`AS_IT_IS`].
    pub force: Vec<String>,
    /// Do nothing that changes anything.
    pub dry_run: bool,
    /// Import the application first.
    pub preflight: bool,
    /// What could not be read does not block the reload.
    pub allow_incomplete: bool,
    /// The longest time without a success that is not a stall.
    pub stall: Duration,
    /// How many probes may fail.
    pub max_failed: u64,
    /// The database's revision, where the user says it.
    pub db_revision: Option<String>,
    /// Is this the way back to an earlier release?
    pub rollback: bool,
    /// The settings file, where there is one.
    pub config: Option<Config>,
    /// What the check is asked: the file's severities and accepted findings.
    pub settings: Settings,
}

impl Request {
    /// The rules that do not count.
    pub fn forced_rules(&self) -> Vec<String> {
        self.force.iter().filter(|word| *word != AS_IT_IS).cloned().collect()
    }

    /// Does an unhealthy site block this? It blocks neither a rollback nor a forced reload.
    pub fn tolerates(&self) -> bool {
        self.rollback || self.force.iter().any(|word| word == AS_IT_IS)
    }
}

/// The steps, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// One run at a time.
    Lock,
    /// The check of what will run.
    Preflight,
    /// Is the site well now?
    Baseline,
    /// The release link.
    Link,
    /// gunicorn is reloaded.
    Trigger,
    /// Old workers go, new ones come.
    Watch,
    /// Does the new release answer?
    Verify,
    /// Back to the previous release.
    Rollback,
}

impl Step {
    /// The word in every output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Preflight => "preflight",
            Self::Baseline => "baseline",
            Self::Link => "link",
            Self::Trigger => "trigger",
            Self::Watch => "watch",
            Self::Verify => "verify",
            Self::Rollback => "rollback",
        }
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Reloaded and verified.
    Reloaded,
    /// `--dry-run`: nothing blocks the reload.
    WouldReload,
    /// Reloaded without a failed probe, and slower than it should be or not seen to the end.
    Degraded,
    /// Refused before anything was touched, or everything was put back before gunicorn was
    /// reloaded.
    Refused,
    /// Something that should be read could not be.
    Incomplete,
    /// Failed, and the previous release serves again.
    RolledBack,
    /// Failed, and so did the rollback.
    RollbackFailed,
}

/// Who shows what happens.
pub trait Tell {
    /// A step has something to say: what was done, or is being done.
    fn step(&mut self, step: Step, text: &str);
    /// The probes so far, many times a second.
    fn tick(&mut self, step: Step, counts: &Probes);
}

/// Why there is no reload to mention: wrong usage.
#[derive(Debug)]
pub struct Usage(pub String);

/// The doors that a reload goes through.
pub struct Doors<'a> {
    /// This host as it is.
    pub host: &'a dyn Host,
    /// This host as it will be with the link moved.
    pub with_link: &'a dyn Fn(Relinked) -> Result<Box<dyn Host>, String>,
    /// For what is kept.
    pub disk: &'a dyn Disk,
    /// Has somebody asked to stop?
    pub interrupts: &'a Interrupts,
}

/// One run.
struct Run<'a> {
    doors: &'a Doors<'a>,
    request: &'a Request,
    tell: &'a mut dyn Tell,
    audit: keep::Audit,
    keep: keep::Keep<'a>,
    story: Story,
    /// The site was not well before, and that does not stop this run.
    sick: bool,
}

/// Goes through all steps. What came of it is in the story.
pub fn run(doors: &Doors, request: &Request, tell: &mut dyn Tell) -> Result<Story, Usage> {
    let mut story = Story::new(request);
    let keep = match keep::Keep::open(doors.disk, &request.state, &request.unit) {
        Ok(keep) => keep,
        Err(keep::KeepError::Busy(holder)) => {
            let why = format!(
                "another reload of {} is running ({holder}); nothing was touched",
                request.unit
            );
            story.end(Ending::Refused, why);
            return Ok(story);
        }
        Err(keep::KeepError::Other(why)) => return Err(Usage(why)),
    };
    let audit = keep.audit().map_err(Usage)?;
    let mut run = Run { doors, request, tell, audit, keep, story, sick: false };
    let result = run.steps();
    if let Err(EarlyEnd { ending, why }) = result {
        run.story.end(ending, why);
    }
    let ending = json!({ "ending": run.story.ending, "why": run.story.why });
    if let Err(why) = run.audit.add("end", ending) {
        run.story.note(format!("the log of this run is incomplete: {why}"));
    }
    run.story.audit = Some(run.audit.path().to_path_buf());
    Ok(run.story)
}

/// The end of a run before its last step.
#[derive(Debug)]
struct EarlyEnd {
    ending: Ending,
    why: String,
}

impl EarlyEnd {
    fn refused(why: impl Into<String>) -> Self {
        Self { ending: Ending::Refused, why: why.into() }
    }

    fn of(ending: Ending, why: impl Into<String>) -> Self {
        Self { ending, why: why.into() }
    }
}

/// What is to be done with the link.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    /// The link, free of links before it.
    link: PathBuf,
    /// What it says now.
    before: PathBuf,
    /// The directory that it leads to now.
    now: PathBuf,
    /// What it is to say.
    to: PathBuf,
    /// The directory that it will lead to.
    then: PathBuf,
}

impl Run<'_> {
    fn steps(&mut self) -> Result<(), EarlyEnd> {
        self.lock()?;
        let mut ready = self.preflight()?;
        let mut probing = self.baseline(&mut ready)?;
        let ready = ready;
        if self.request.dry_run {
            let report = probing.finish();
            self.story.probes = Some(report);
            let how = self.words_of(&ready);
            self.story.end(Ending::WouldReload, format!("nothing blocks {how}"));
            return Ok(());
        }
        self.record(Stage::Linked, ready.moved.as_ref())?;
        if let Some(moved) = &ready.moved {
            self.link(moved)?;
        }
        let outcome = self.trigger(&ready, &mut probing);
        let outcome = match outcome {
            Ok(watcher) => self.watch(&ready, watcher, &mut probing),
            Err(failure) => Err(failure),
        };
        let outcome = match outcome {
            Ok(watched) => self.verify(&ready, &watched, &probing).map(|()| watched),
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(watched) => {
                if !watched.stopped && watched.moved_on.is_none() {
                    probing.mark("verified");
                }
                let report = probing.finish();
                self.conclude(&ready, watched, report)
            }
            Err(failure) => self.back(&ready, failure, probing),
        }
    }

    fn lock(&mut self) -> Result<(), EarlyEnd> {
        self.event(
            "begin",
            json!({
                "unit": self.request.unit,
                "release": self.request.release,
                "strategy": self.request.strategy.word(),
                "force": self.request.force,
                "dry-run": self.request.dry_run,
                "rollback": self.request.rollback,
                "pid": std::process::id(),
                "version": env!("CARGO_PKG_VERSION"),
            }),
        )?;
        let last = self.keep.record().map_err(|why| EarlyEnd::of(Ending::Incomplete, why))?;
        if let Some(record) = last.as_ref().filter(|record| record.stage.is_open()) {
            let text = format!(
                "the run of process {} ({}) was ended while {}",
                record.pid,
                record.time,
                record.stage.words()
            );
            self.say(Step::Lock, &text);
            self.event("found", json!({ "stage": record.stage, "pid": record.pid }))?;
        }
        self.story.found = last;
        Ok(())
    }

    /// Shows a line and keeps it.
    fn say(&mut self, step: Step, text: &str) {
        self.tell.step(step, text);
        self.story.say(step, text);
    }

    fn event(&mut self, event: &str, rest: serde_json::Value) -> Result<(), EarlyEnd> {
        let full = |why: String| {
            EarlyEnd::of(Ending::Incomplete, format!("the run cannot be logged: {why}"))
        };
        self.audit.add(event, rest).map_err(full)
    }

    /// The same where there is no way back: a log that fails does not stop a rollback.
    fn note_event(&mut self, event: &str, rest: serde_json::Value) {
        if let Err(why) = self.audit.add(event, rest) {
            self.story.note(format!("the log of this run is incomplete: {why}"));
        }
    }

    /// What the link said before. One that leads there already was moved by an earlier run, and what
    /// was before that counts.
    fn before(&self, moved: &Move) -> Option<PathBuf> {
        if moved.now != moved.then {
            return Some(moved.before.clone());
        }
        let found = self.story.found.as_ref()?;
        let before = found.before.clone().filter(|before| *before != moved.before);
        before.filter(|_| found.link.as_ref() == Some(&moved.link))
    }

    fn record(&mut self, stage: Stage, moved: Option<&Move>) -> Result<(), EarlyEnd> {
        let record = Record {
            rollback: self.request.rollback,
            stage,
            pid: std::process::id(),
            time: keep::now(),
            link: moved.map(|moved| moved.link.clone()),
            before: moved.and_then(|moved| self.before(moved)),
            release: moved.map(|moved| moved.to.clone()),
        };
        self.keep.keep(&record).map_err(|why| {
            EarlyEnd::of(Ending::Incomplete, format!("the state cannot be kept: {why}"))
        })
    }

    /// The same where the run goes on all the same.
    fn note_record(&mut self, stage: Stage, moved: Option<&Move>) {
        if let Err(EarlyEnd { why, .. }) = self.record(stage, moved) {
            self.story.note(why);
        }
    }

    fn link(&mut self, moved: &Move) -> Result<(), EarlyEnd> {
        self.event(
            "link",
            json!({
                "link": moved.link, "before": moved.before, "to": moved.to,
            }),
        )?;
        if let Err(error) = crate::host::act::move_link(&moved.link, &moved.to) {
            self.note_record(Stage::RolledBack, Some(moved));
            return Err(EarlyEnd::refused(format!(
                "{} could not be moved: {error}; nothing was touched",
                moved.link.display()
            )));
        }
        let text = format!("{} -> {}", moved.link.display(), moved.to.display());
        self.say(Step::Link, &text);
        Ok(())
    }

    fn words_of(&self, ready: &before::Ready) -> String {
        let release = ready.moved.as_ref().map_or(String::new(), |moved| {
            format!(", with {} -> {}", moved.link.display(), moved.to.display())
        });
        format!("{} of {}{release}", trigger::words(ready.strategy), self.request.unit)
    }
}

/// The name of a release in a line: the last part of its path.
fn name(path: &Path) -> String {
    path.file_name()
        .map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned())
}
