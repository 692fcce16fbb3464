//! The journal's messages about a unit since it last started or reloaded. Its lines may contain
//! anything, so only recognised messages are passed on.

use super::state::{self, UnitState};
use super::{Known, Origin, Request, Why};
use crate::source::Sources;
use crate::source::journal::{self, Entry};
use crate::source::last_words::last_words;
use crate::source::traceback::{PythonError, Reader};

/// What the journal shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal {
    /// gunicorn's words that its workers do not boot.
    pub boot_failures: Vec<BootFailure>,
    /// gunicorn's own reason why it ended, as far as it is recognised.
    pub last_words: Option<String>,
    /// The version that gunicorn names at its start, where that was read.
    pub version: Option<String>,
    /// How many workers were started since the last start or reload.
    pub boots: usize,
    /// How many of them for a reason that gunicorn gives: a limit of requests, a timeout, a signal.
    pub explained: usize,
    /// Exceptions that the log names as the end of a request, in the order of their first time.
    pub request_errors: Vec<RequestError>,
    /// How many workers gunicorn killed because they were not heard of for its timeout.
    pub timeouts: usize,
    /// How many workers were killed by SIGKILL or SIGSEGV, by gunicorn or others.
    pub killed: usize,
    /// There is more than what was read, so what is not here may be there all the same.
    pub cut: bool,
}

/// gunicorn's word that a worker did not boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFailure {
    /// gunicorn's sentence.
    pub sentence: &'static str,
    /// The Python error before it, where there is one.
    pub error: Option<PythonError>,
}

/// An exception with which requests ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestError {
    /// It.
    pub error: PythonError,
    /// How often.
    pub count: usize,
}

/// The most exceptions of requests that are distinguished.
const REQUEST_ERRORS: usize = 50;

/// What is before the traceback of a request that failed: Flask, gunicorn, Django, uvicorn.
const REQUEST_FAILED: [&str; 4] = [
    ": Exception on ",
    "Error handling request ",
    "Internal Server Error: ",
    "Exception in ASGI application",
];

/// Sentences of gunicorn's arbiter (`Arbiter.reap_workers`, `Arbiter.run`).
const SENTENCES: [&str; 4] =
    ["Worker failed to boot", "App failed to load", "exited with code 3", "exited with code 4"];

/// Reads what the journal holds of a unit since its last start or reload.
pub fn read(
    sources: &Sources,
    request: &Request,
    name: &str,
    state: &Known<UnitState>,
) -> Known<Journal> {
    let state = match state.get() {
        Ok(state) => state,
        Err(why) => return Known::Unknown(why),
    };
    let Some(since) = state.settled() else {
        return Known::Unknown(Why::not_there(format!("{name} never started")));
    };
    let output = match state::run(sources, request, &journal::command(name, since)) {
        Ok(output) => output,
        Err(why) => return Known::Unknown(why),
    };
    if let Some(why) = journal::denied(&output.stderr) {
        return Known::Unknown(Why::not_read(why));
    }
    if !output.cut && output.status != Some(0) {
        return Known::Unknown(state::refused("journalctl", &output));
    }
    let entries = journal::parse(&output.stdout);
    if entries.is_empty() {
        // systemd's own "Started …" at least is there after a start.
        return Known::Unknown(Why::not_there(format!(
            "the journal contains nothing of {name} since {since}"
        )));
    }
    Known::Value(judge(&entries, state, output.cut), Origin::Command("journalctl"))
}

/// What the lines show.
fn judge(entries: &[Entry], state: &UnitState, cut: bool) -> Journal {
    let mut journal = Journal { cut, ..Journal::default() };
    let mut reader = Reader::default();
    let mut error = None;
    let mut in_request = false;
    let mut quiet = 0;
    for entry in entries {
        quiet += 1;
        // For a unit that is up, only its present run counts.
        if state.is_active()
            && entry.invocation.as_deref().is_some_and(|run| run != state.invocation)
        {
            continue;
        }
        let text = String::from_utf8_lossy(entry.message.expose());
        if entry.reloading || text.ends_with("Handling signal: hup") {
            // The master goes on, and with it the code of gunicorn that it has in memory.
            journal = Journal { cut, version: journal.version.take(), ..Journal::default() };
            error = None;
            in_request = false;
            continue;
        }
        for line in text.lines() {
            if count(line, &mut journal) {
                quiet = 0;
            }
            in_request |= REQUEST_FAILED.iter().any(|said| line.contains(said));
            if let Some(found) = reader.line(line) {
                if std::mem::take(&mut in_request) {
                    journal.request_failed(&found);
                }
                // gunicorn 20 shows its own way out as a traceback, too.
                if found.kind != "HaltServer" {
                    error = Some(found);
                }
            }
            if let Some(sentence) = SENTENCES.into_iter().find(|said| line.contains(said)) {
                journal.boot_failures.push(BootFailure { sentence, error: error.clone() });
            }
        }
    }
    if quiet > NEAR {
        journal.last_words = None;
    }
    journal
}

/// Why gunicorn starts a worker in place of another, in its own words.
const EXPLAINED: [&str; 6] = [
    "Autorestarting worker after current request",
    "WORKER TIMEOUT",
    "was sent SIG",
    "was terminated due to signal",
    "Worker reloading: ",
    "Handling signal: ttin",
];

/// A worker that did not end by itself; before gunicorn 21 with the signal's number.
const KILLED: [&str; 4] = [
    "was sent SIGKILL!",
    "was sent SIGSEGV!",
    "was terminated due to signal 9",
    "was terminated due to signal 11",
];

/// So near the end are last words: systemd's own lines may follow, and the rest of a traceback.
const NEAR: usize = 20;

/// Takes a line in; is it gunicorn's reason to end?
fn count(line: &str, journal: &mut Journal) -> bool {
    if line.contains("WORKER TIMEOUT (pid:") {
        journal.timeouts += 1;
    } else if KILLED.iter().any(|said| line.contains(said)) {
        journal.killed += 1;
    }
    if let Some((_, version)) = line.split_once("[INFO] Starting gunicorn ") {
        journal.version = Some(version.trim_end().to_owned());
    }
    if line.contains("] Booting worker with pid: ") {
        journal.boots += 1;
    } else if EXPLAINED.iter().any(|said| line.contains(said)) {
        journal.explained += 1;
    } else if line.contains("] Listening at: ") {
        // What was said before did not keep it from starting.
        journal.last_words = None;
    } else if let Some(words) = last_words(line) {
        journal.last_words = Some(words);
        return true;
    }
    false
}

impl Journal {
    fn request_failed(&mut self, error: &PythonError) {
        let known = self.request_errors.iter_mut().find(|failed| failed.error == *error);
        if let Some(failed) = known {
            failed.count += 1;
        } else if self.request_errors.len() < REQUEST_ERRORS {
            self.request_errors.push(RequestError { error: error.clone(), count: 1 });
        }
    }

    /// Everything since the last start or reload was read; the reason otherwise. Whoever
    /// concludes from what is *not* there asks this.
    pub fn whole(&self) -> Result<(), Why> {
        if self.cut {
            return Err(Why::not_read(
                "the journal since the last start is longer than the part that is read",
            ));
        }
        Ok(())
    }
}
