//! gunicorn as this application runs it.

use super::discovery::Candidate;
use super::{Bound, Environment, Given, Known, Machine, Problem, Service};
use crate::source::Sources;

/// What a unit's ExecStart starts.
#[derive(Debug)]
pub enum Launched {
    /// gunicorn.
    Gunicorn(()),
    /// Something else, named.
    Other(String),
    /// It cannot be told, and why.
    Unknown(String),
}

/// gunicorn as this application runs it.
#[derive(Debug)]
pub struct Gunicorn {
    /// The installed version.
    pub version: Known<String>,
    /// Where it listens.
    pub bounds: Known<Vec<Bound>>,
}

impl Gunicorn {
    /// How many workers it starts.
    pub fn workers(&self) -> Known<i64> {
        Known::unknown("")
    }
}

/// What ExecStart starts.
pub fn launch(_: &Sources, _: &Machine, _: &Service, _: &Environment) -> Launched {
    Launched::Gunicorn(())
}

/// Reads its settings.
pub fn read(
    _: &Sources,
    _: &Machine,
    _: &Candidate,
    _: &Given,
    _: &mut Vec<Problem>,
) -> Gunicorn {
    Gunicorn { version: Known::unknown(""), bounds: Known::unknown("") }
}
