//! One file with everything that a check read, made to be passed on: its content, its format, and
//! the masking. `docs/capture.md` describes the format.
//!
//! A capture is JSON, so that people who attach it to a message can first look through it with any
//! editor. It is read as an untrusted file: sizes are limited, nothing in it can refer to anything
//! outside, and malformed content is an error with its position.

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
    /// The time, in RFC 3339.
    pub time: String,
}

/// The settings file that was in force.
#[derive(Clone, PartialEq, Eq)]
pub struct SettingsFile {
    /// Its path as shown in the report.
    pub shown: PathBuf,
    /// Its directory.
    pub base: PathBuf,
    /// The working directory, at which relative paths of the command line start.
    pub working: PathBuf,
    /// Its content.
    pub text: Vec<u8>,
}

/// The request that the check answered.
#[derive(Clone, Default)]
pub struct Asked {
    /// The requests whose files were read together, in order.
    pub requests: Vec<Request>,
    /// Problems found before anything was read, for example with the files of a repository.
    pub problems: Vec<Problem>,
    /// The directories that fingerprints are relative to: the working directory, and the top of the
    /// repository.
    pub anchor: Option<(PathBuf, PathBuf)>,
    /// Whether everything that the settings file may mention was read.
    pub whole: bool,
    /// The settings file.
    pub settings: Option<SettingsFile>,
    /// The baseline, which lists known findings.
    pub baseline: Option<Vec<u8>>,
}

/// A capture: the request and every answer of the host.
#[derive(Clone)]
pub struct Capture {
    /// The version of the program that took it.
    pub version: String,
    /// Where it was taken.
    pub taken: Taken,
    /// The request that the check answered.
    pub asked: Asked,
    /// The answers of the host.
    pub recording: Rc<Recording>,
}

/// Does not show the content.
impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Capture({:?}, {:?})", self.taken, self.recording)
    }
}
