//! What a guarded reload keeps on the disk: the lock, the state of the site, and the log of
//! everything that was done. All of it is below the state directory, with mode 0600.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fix::transaction::{StoreError, directory_below};
use crate::host::act::Log;
use crate::host::disk::{Directory, Disk, DiskError, DiskErrorKind, Held, Lock, Renaming};

/// How far a reload came. A run that is killed leaves the site in one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The link is being moved, or was; gunicorn was not reloaded.
    Linked,
    /// gunicorn was reloaded, and what came of it was not seen yet.
    Triggered,
    /// It failed, and is being taken back.
    RollingBack,
    /// The new release serves, and was verified.
    Verified,
    /// The new release serves, and was not seen through to the end.
    Unverified,
    /// The previous release serves again.
    RolledBack,
    /// Neither serves as it should.
    Failed,
}

impl Stage {
    /// Was the run ended before it had come to an end of its own?
    pub fn is_open(self) -> bool {
        matches!(self, Self::Linked | Self::Triggered | Self::RollingBack)
    }

    /// In words, of a run that ended there.
    pub fn words(self) -> &'static str {
        match self {
            Self::Linked => "the link had been moved, but gunicorn had not been reloaded",
            Self::Triggered => "gunicorn had been asked to reload, but the end was not seen",
            Self::RollingBack => "it was being rolled back",
            Self::Verified => "the new release served, verified",
            Self::Unverified => "the new release served, unverified",
            Self::RolledBack => "it was rolled back",
            Self::Failed => "it failed, and so did the rollback",
        }
    }
}

/// The state that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// How far.
    pub stage: Stage,
    /// Who: the process.
    pub pid: u32,
    /// When, RFC 3339.
    pub time: String,
    /// The release link, where the deployment has one.
    pub link: Option<PathBuf>,
    /// What the link said before.
    pub before: Option<PathBuf>,
    /// What it says with the new release.
    pub release: Option<PathBuf>,
    /// Was it a way back?
    #[serde(default)]
    pub rollback: bool,
}

/// The place of one unit's reloads.
pub struct Keep<'d> {
    disk: &'d dyn Disk,
    directory: Directory,
    unit: String,
    _lock: Lock,
}

/// Why nothing can be kept.
#[derive(Debug, PartialEq, Eq)]
pub enum KeepError {
    /// Another run has the lock; its process.
    Busy(String),
    /// Anything else.
    Other(String),
}

const DIRECTORY: &str = "reload";

impl<'d> Keep<'d> {
    /// Opens the place and takes the unit's lock.
    pub fn open(disk: &'d dyn Disk, state: &Path, unit: &str) -> Result<Self, KeepError> {
        let other = |error: StoreError| KeepError::Other(error.to_string());
        let directory = directory_below(disk, state, DIRECTORY).map_err(other)?;
        let name = format!("{unit}.lock");
        let lock = disk.lock(&directory, OsStr::new(&name)).map_err(|error| match error.kind {
            DiskErrorKind::Locked { holder } => KeepError::Busy(holder),
            _ => KeepError::Other(error.to_string()),
        })?;
        Ok(Self { disk, directory, unit: unit.into(), _lock: lock })
    }

    /// What the last run left.
    pub fn record(&self) -> Result<Option<Record>, String> {
        read(self.disk, &self.directory, &self.unit)
    }

    /// Says how far this run is, all at once and for good.
    pub fn keep(&self, record: &Record) -> Result<(), String> {
        let bytes = serde_json::to_vec(record).map_err(|error| error.to_string())?;
        self.write(&bytes).map_err(|error| error.to_string())
    }

    fn write(&self, bytes: &[u8]) -> Result<(), DiskError> {
        let (name, new) = (format!("{}.json", self.unit), format!("{}.json.new", self.unit));
        let (name, new) = (OsStr::new(&name), OsStr::new(&new));
        match self.disk.unlink(&self.directory, new) {
            Ok(()) | Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => {}
            Err(error) => return Err(error),
        }
        let file = self.disk.create(&self.directory, new)?;
        self.disk.write(&file, bytes)?;
        self.disk.sync(&file)?;
        self.disk.rename(&self.directory, new, name, Renaming::Replace)?;
        self.disk.sync_directory(&self.directory)
    }

    /// Opens the log.
    pub fn audit(&self) -> Result<Audit, String> {
        let path = self.directory.path().join(format!("{}.jsonl", self.unit));
        let log = Log::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Audit { log, run: run() })
    }
}

/// What the last run of a unit left, without its lock.
pub fn last(disk: &dyn Disk, state: &Path, unit: &str) -> Result<Option<Record>, String> {
    let place = disk.resolve(&disk.place(&state.join(DIRECTORY))).map_err(|e| e.to_string())?;
    match disk.directory(&place) {
        Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => Ok(None),
        Err(error) => Err(error.to_string()),
        Ok(directory) => read(disk, &directory, unit),
    }
}

fn read(disk: &dyn Disk, directory: &Directory, unit: &str) -> Result<Option<Record>, String> {
    let name = format!("{unit}.json");
    let found = disk.inspect(directory, OsStr::new(&name)).map_err(|error| error.to_string())?;
    let Some(Held::Bytes(bytes)) = found.map(|found| found.held) else { return Ok(None) };
    let damaged = |error: serde_json::Error| {
        let path = directory.path().join(&name);
        format!("{} is damaged ({error}); remove it and run this again", path.display())
    };
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

/// The log of all that was done, one JSON object a line.
pub struct Audit {
    log: Log,
    run: String,
}

impl Audit {
    /// Adds an event; the rest is its own.
    pub fn add(&mut self, event: &str, rest: Value) -> Result<(), String> {
        let mut line = serde_json::Map::new();
        line.insert("time".into(), now().into());
        line.insert("run".into(), self.run.as_str().into());
        line.insert("event".into(), event.into());
        if let Value::Object(rest) = rest {
            line.extend(rest);
        }
        let path = self.log.path().display().to_string();
        self.log.add(&Value::Object(line).to_string()).map_err(|error| format!("{path}: {error}"))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.log.path()
    }
}

/// The time, RFC 3339.
pub fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}

/// What tells this run's lines from others'.
fn run() -> String {
    format!("{}-{}", now(), std::process::id())
}
