//! What the release requires of the virtual environment.

use std::path::PathBuf;

use super::super::server::Gunicorn;
use super::super::{Given, Known, Origin, Problem, Why};
use super::is_absent;
use crate::host::HostError;
use crate::source::requirements::{self, Requirements};
use crate::source::{Sources, Span};

pub use crate::source::requirements::Format;
pub use crate::source::venv::Venv;

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

/// A requirements or lock file held against the environment.
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
    /// Could not be told: the package and why.
    pub unknown: Vec<(String, String)>,
}

/// What is required of the virtual environment.
#[derive(Debug)]
pub struct Packages {
    /// What the release requires; none where it has no such file.
    pub requirements: Known<Option<RequirementsFile>>,
}

pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    given: &Given,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Packages {
    Packages { requirements: read_requirements(sources, &gunicorn.venv, given, roots, problems) }
}

fn read_requirements(
    sources: &Sources,
    venv: &Known<Venv>,
    given: &Given,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Known<Option<RequirementsFile>> {
    let path = match find(sources, given, roots) {
        Ok(Some(path)) => path,
        Ok(None) if roots.is_empty() => {
            return Known::Unknown(Why::not_read("the release was not read"));
        }
        Ok(None) => return Known::Observed(None, "the file system"),
        Err(error) => {
            problems.push(Problem::unreadable(&error));
            return Known::Unknown(Why::not_read(error.to_string()));
        }
    };
    let requirements = match requirements::read(sources, &path) {
        Ok(requirements) => requirements,
        Err(error) => {
            problems.push(Problem::unreadable(&error));
            return Known::Unknown(Why::not_read(error.to_string()));
        }
    };
    for fault in &requirements.faults {
        problems.push(Problem::at(sources, fault.span, fault.message.clone()));
    }
    let origin = Origin::Path(path.clone());
    let mut file = RequirementsFile {
        path,
        requirements,
        missing: Vec::new(),
        wrong_version: Vec::new(),
        unknown: Vec::new(),
    };
    compare(sources, venv, &mut file);
    Known::Value(Some(file), origin)
}

fn find(sources: &Sources, given: &Given, roots: &[PathBuf]) -> Result<Option<PathBuf>, HostError> {
    if let Some(path) = &given.requirements {
        return Ok(Some(path.clone()));
    }
    for root in roots {
        match requirements::find(sources.host(), root) {
            Ok(Some(path)) => return Ok(Some(path)),
            Ok(None) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn compare(sources: &Sources, venv: &Known<Venv>, file: &mut RequirementsFile) {
    let venv = match venv.get() {
        Ok(venv) => venv,
        Err(why) => {
            let all = file.requirements.requirements.iter();
            let names = all.map(|requirement| requirement.name.clone().unwrap_or_default());
            file.unknown = names.map(|name| (name, why.text().to_owned())).collect();
            return;
        }
    };
    let markers = venv.markers();
    let result = requirements::compare(
        sources,
        &file.requirements,
        venv,
        markers.as_ref().map_err(Clone::clone),
    );
    let needed = |need: &requirements::Need, installed: Option<String>| Needed {
        name: need.name.clone(),
        text: need.text.clone(),
        span: need.requirement.span,
        through: need.through.clone(),
        installed,
    };
    let missing: Vec<Needed> = result.missing.iter().map(|need| needed(need, None)).collect();
    let wrong: Vec<Needed> = result
        .wrong_version
        .iter()
        .map(|(need, version)| needed(need, Some(version.to_string())))
        .collect();
    let unknown: Vec<(String, String)> =
        result.unknown.iter().map(|(need, why)| (need.name.clone(), why.clone())).collect();
    drop(result);
    file.missing = missing;
    file.wrong_version = wrong;
    file.unknown = unknown;
}
