//! Why a reload failed: the messages of gunicorn and Python since the reload, in the journal and in
//! gunicorn's own error log. A line may contain anything, even a secret, so only recognised text is
//! passed on.

use std::path::PathBuf;
use std::rc::Rc;

use crate::host::{Command, Host, Program};
use crate::source::journal;
use crate::source::last_words::last_words;
use crate::source::traceback::{PythonError, Reader};

/// The most of an error log that is read, in bytes.
const LOG_LIMIT: u64 = 1 << 20;

/// A place in the journal and in the error log.
#[derive(Debug, Clone)]
pub struct Mark {
    cursor: Option<String>,
    unit: String,
    /// gunicorn's error log, where that is a file, and its size in bytes.
    log: Option<Rc<(PathBuf, u64)>>,
    /// Workers of the previous release: what they say is not the new one's doing.
    before: Vec<u32>,
}

impl Mark {
    /// The present position.
    pub fn now(host: &dyn Host, unit: &str, log: Option<PathBuf>) -> Self {
        let arguments = ["--no-pager", "--lines=0", "--show-cursor", "--unit", unit];
        let cursor =
            host.run(&Command::new(Program::Journalctl, arguments)).ok().and_then(|output| {
                let text = String::from_utf8(output.stdout).ok()?;
                let cursor = text.lines().find_map(|line| line.strip_prefix("-- cursor: "))?;
                Some(cursor.trim().to_owned())
            });
        let log = log.map(|path| {
            let size = host.look(&path).metadata().map_or(0, |metadata| metadata.size);
            Rc::new((path, size))
        });
        Self { cursor, unit: unit.into(), log, before: Vec::new() }
    }

    /// What was logged since, and by which process.
    pub(super) fn lines(&self, host: &dyn Host) -> Vec<(Option<u32>, String)> {
        let mut lines = self.journal(host);
        lines.extend(self.error_log(host));
        lines.retain(|(pid, line)| !self.is_of_before(*pid, line));
        lines
    }

    fn journal(&self, host: &dyn Host) -> Vec<(Option<u32>, String)> {
        let Some(cursor) = &self.cursor else { return Vec::new() };
        let arguments = [
            "--no-pager".to_owned(),
            "--output=json".into(),
            "--output-fields=MESSAGE,MESSAGE_ID,_PID".into(),
            format!("--after-cursor={cursor}"),
            format!("--unit={}", self.unit),
        ];
        let Ok(output) = host.run(&Command::new(Program::Journalctl, arguments)) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        for entry in journal::parse(&output.stdout) {
            let text = String::from_utf8_lossy(entry.message.expose()).into_owned();
            lines.extend(text.lines().map(|line| (entry.pid, line.to_owned())));
        }
        lines
    }

    fn error_log(&self, host: &dyn Host) -> Vec<(Option<u32>, String)> {
        let Some((path, before)) = self.log.as_deref() else { return Vec::new() };
        let size = host.look(path).metadata().map_or(0, |metadata| metadata.size);
        // One that was rotated in the meantime begins anew.
        let new = size.checked_sub(*before).unwrap_or(size).min(LOG_LIMIT);
        let bytes = match new {
            0 => Vec::new(),
            new => host.read_tail(path, new).unwrap_or_default(),
        };
        let text = String::from_utf8_lossy(&bytes);
        // The lines of a traceback name no process: they are of the one before them.
        let mut pid = None;
        let line = |line: &str| {
            pid = logged_by(line).or(pid);
            (pid, line.to_owned())
        };
        text.lines().map(line).collect()
    }

    /// The same, deaf to what these processes say and what is said about them.
    pub fn without(self, before: impl Iterator<Item = u32>) -> Self {
        Self { before: before.collect(), ..self }
    }

    /// Is a line by a worker of the previous release, or about one?
    fn is_of_before(&self, pid: Option<u32>, line: &str) -> bool {
        let named = |pid: &u32| {
            ["pid:", "pid: "].iter().any(|word| line.contains(&format!("{word}{pid})")))
        };
        pid.is_some_and(|pid| self.before.contains(&pid)) || self.before.iter().any(named)
    }

    /// What to type to see all of it.
    pub fn command(&self) -> Option<String> {
        let cursor = self.cursor.as_ref()?;
        Some(format!("journalctl --unit={} --after-cursor='{cursor}'", self.unit))
    }
}

/// What the journal shows since then.
#[derive(Debug, Default)]
pub struct Said {
    /// The last Python error, where there is one.
    pub error: Option<PythonError>,
    /// gunicorn's own last words.
    pub words: Option<String>,
    /// Its sentences on workers.
    pub sentences: Vec<&'static str>,
}

const SENTENCES: [(&str, &str); 7] = [
    ("exited with code ", "gunicorn: workers exit"),
    ("Worker failed to boot", "gunicorn: Worker failed to boot"),
    ("App failed to load", "gunicorn: App failed to load"),
    ("WORKER TIMEOUT", "gunicorn: WORKER TIMEOUT"),
    ("was sent SIGKILL", "a worker was killed (SIGKILL: out of memory?)"),
    ("Failed with result", "systemd: the unit failed"),
    ("Scheduled restart job", "systemd: the unit was restarted"),
];

/// Reads what was said since the mark.
pub fn since(host: &dyn Host, mark: &Mark) -> Said {
    let mut said = Said::default();
    let mut reader = Reader::default();
    for (_, line) in mark.lines(host) {
        if let Some(error) = reader.line(&line).filter(|error| error.kind != "HaltServer") {
            said.error = Some(error);
        }
        if let Some(words) = last_words(&line) {
            said.words = Some(words);
        }
        let heard = SENTENCES.iter().filter(|(part, _)| line.contains(part));
        for (_, sentence) in heard {
            if !said.sentences.contains(sentence) {
                said.sentences.push(sentence);
            }
        }
    }
    said
}

/// The process that wrote a line of gunicorn's: `[2026-12-01 10:00:00 +0000] [4711] [INFO] …`.
fn logged_by(line: &str) -> Option<u32> {
    let (_, rest) = line.strip_prefix('[')?.split_once("] [")?;
    rest.split_once(']')?.0.parse().ok()
}

impl Said {
    /// The cause in a few words, the most telling first.
    pub fn cause(&self) -> Option<String> {
        let error = self.error.as_ref().map(ToString::to_string);
        let sentence = self.sentences.iter().find(|sentence| sentence.starts_with("gunicorn: "));
        error.or_else(|| self.words.clone()).or_else(|| sentence.map(|s| (*s).into()))
    }

    /// All of it, a line each.
    pub fn lines(&self) -> Vec<String> {
        let error = self.error.as_ref().map(|error| format!("the application: {error}"));
        let words = self.words.as_ref().map(|words| format!("gunicorn: {words}"));
        let sentences = self.sentences.iter().map(|sentence| (*sentence).to_owned());
        error.into_iter().chain(words).chain(sentences).collect()
    }
}
