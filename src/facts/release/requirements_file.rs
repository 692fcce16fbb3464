//! A requirements file, compared with the environment.

use std::path::PathBuf;

use crate::source::Span;
use crate::source::requirements::Requirements;

/// Something that is required and not there as required.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// The package, normalised.
    pub name: String,
    /// What is asked for, without credentials.
    pub text: String,
    /// The line that asks for it.
    pub span: Span,
    /// Whose extra asks for it.
    pub through: Option<String>,
    /// The version that is installed, where one is.
    pub installed: Option<String>,
}

/// A requirements or lock file compared with the environment.
#[derive(Debug)]
pub struct RequirementsFile {
    /// Its path.
    pub path: PathBuf,
    /// What it says.
    pub requirements: Requirements,
    /// Not installed.
    pub missing: Vec<Needed>,
    /// Installed in a version that does not fit.
    pub wrong_version: Vec<Needed>,
    /// Not known: the package and why.
    pub unknown: Vec<(String, String)>,
}

impl RequirementsFile {
    /// Not compared with anything yet.
    pub(super) fn new(path: PathBuf, requirements: Requirements) -> Self {
        let (missing, wrong_version, unknown) = (Vec::new(), Vec::new(), Vec::new());
        Self { path, requirements, missing, wrong_version, unknown }
    }
}
