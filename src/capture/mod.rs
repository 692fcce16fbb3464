//! One file with everything a check read, made to be passed on: its content, its format, and the
//! masking. `docs/capture.md` describes the format.
//!
//! A capture is JSON, so whoever attaches it can first look through it with any editor. It is read
//! as a stranger's file: sizes are limited, nothing in it can refer to anything outside, and what
//! is not understood is an error with its position.

mod assignments;
mod bytes;
mod command;
mod document;
mod keys;
mod logs;
mod mask;
mod names;
mod process;
mod redaction;
mod scripts;
mod stat;
mod value;

pub use document::{FORMAT, LIMIT, ReadError};
pub use redaction::{Masked, redact};

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::facts::{Problem, Request};
use crate::host::Recording;

/// Where a capture was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// `live`, `root` or `files`.
    pub mode: String,
    /// The host's name, or the directory or files that were read.
    pub host: String,
    /// When, in RFC 3339.
    pub time: String,
}

/// The settings file that was in force.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsFile {
    /// Its path as it is shown.
    pub shown: PathBuf,
    /// Its directory.
    pub base: PathBuf,
    /// The working directory: relative paths of the command line started there.
    pub working: PathBuf,
    /// What it says.
    pub text: Vec<u8>,
}

/// What was asked of the check.
#[derive(Clone, Default)]
pub struct Asked {
    /// What was read together, one after another.
    pub requests: Vec<Request>,
    /// What was wrong before anything was read: with the files of a repository, say.
    pub problems: Vec<Problem>,
    /// What paths were relative to in fingerprints: the working directory, and the top of the
    /// repository.
    pub anchor: Option<(PathBuf, PathBuf)>,
    /// Was all looked at that the settings file may mention?
    pub whole: bool,
    /// The settings file.
    pub settings: Option<SettingsFile>,
    /// The file of known findings.
    pub baseline: Option<Vec<u8>>,
}

/// A capture: what was asked, and every answer.
#[derive(Clone)]
pub struct Capture {
    /// The version of the program that took it.
    pub version: String,
    /// Where it was taken.
    pub taken: Taken,
    /// What was asked of the check.
    pub asked: Asked,
    /// What the host answered.
    pub recording: Rc<Recording>,
}

/// Without what it holds.
impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({:?}, {:?})", self.taken, self.recording)
    }
}
