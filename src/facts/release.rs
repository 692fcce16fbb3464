//! The code that is served.

use std::path::PathBuf;

use super::discovery::Candidate;
use super::server::Gunicorn;
use super::{Given, Known, Machine, Place, Problem};
use crate::source::Sources;

/// A link that a deployment moves from release to release.
#[derive(Debug, Clone)]
pub struct ReleaseLink {
    /// The link.
    pub path: PathBuf,
    /// What it says.
    pub target: PathBuf,
}

/// The code that is served.
#[derive(Debug)]
pub struct Release {
    /// Where it starts.
    pub directory: Known<Place>,
    /// The link.
    pub link: Option<ReleaseLink>,
}

/// Reads it.
#[allow(clippy::too_many_arguments)]
pub fn read(
    _: &Sources,
    _: &Machine,
    _: &Candidate,
    _: &Gunicorn,
    _: &Given,
    _: Option<&str>,
    _: &mut Vec<Problem>,
) -> Release {
    Release { directory: Known::unknown(""), link: None }
}
