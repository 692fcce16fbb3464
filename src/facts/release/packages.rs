//! The release's requirements for the virtual environment.

use std::path::PathBuf;

use super::super::server::Gunicorn;
use super::super::{Given, Known, Machine, Origin, Problem, Why};
use super::listed::Listed;
use super::{PreviousRelease, ReleaseLink, is_absent};
use crate::host::HostError;
use crate::source::Sources;
use crate::source::requirements;

pub use super::requirements_file::{Needed, RequirementsFile};
pub use crate::source::requirements::Format;
pub use crate::source::requirements::check::Conflict;
pub use crate::source::venv::Venv;

/// What is required of the virtual environment.
#[derive(Debug)]
pub struct Packages {
    /// What the release requires; `None` if it has no such file.
    pub requirements: Known<Option<RequirementsFile>>,
    /// What a repository's list provides, if there is no environment to compare it with.
    pub listed: Option<Listed>,
    /// Where the virtual environment contradicts itself.
    pub conflicts: Known<Vec<Conflict>>,
    /// What the previous release requires of it, where both share it.
    pub earlier: Option<EarlierPackages>,
}

/// What the previous release requires of the virtual environment that it shares with this one.
#[derive(Debug)]
pub struct EarlierPackages {
    /// The release's directory.
    pub release: PathBuf,
    /// Its file.
    pub file: RequirementsFile,
}

pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    gunicorn: &Gunicorn,
    given: &Given,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Packages {
    let conflicts = match gunicorn.venv.get() {
        // In a repository there is no environment to be repaired.
        Ok(_) if !machine.whole => Known::Observed(Vec::new(), "the files given"),
        Ok(venv) => Known::Observed(requirements::check::check(sources, venv), "the venv"),
        Err(why) => Known::Unknown(why),
    };
    let requirements = read_requirements(sources, &gunicorn.venv, given, roots, problems);
    let file = requirements.ok().and_then(Option::as_ref);
    let listed =
        file.filter(|_| !machine.whole && gunicorn.venv.ok().is_none()).and_then(Listed::of);
    Packages { requirements, listed, conflicts, earlier: None }
}

/// What the newest release before this one requires, where its environment is this one's: outside
/// of the releases. What is wrong with an old release's file is not a problem of this one.
pub(super) fn of_earlier(
    sources: &Sources,
    gunicorn: &Gunicorn,
    roots: &[PathBuf],
    link: Option<&ReleaseLink>,
    previous: &Known<Vec<PreviousRelease>>,
) -> Option<EarlierPackages> {
    let (link, previous) = (link?, previous.ok()?);
    let venv = gunicorn.venv.ok()?;
    if sources.host().look(&venv.path).resolved.starts_with(&link.releases) {
        return None;
    }
    // Releases are named so that they sort: by date or number.
    let before = previous.iter().filter(|release| release.path < link.resolved);
    let whole = before.filter(|release| release.has_application.ok() == Some(&true));
    let release = whole.max_by(|a, b| a.path.cmp(&b.path))?;
    let inside = |root: &PathBuf| {
        let rest = root.strip_prefix(&link.path).or_else(|_| root.strip_prefix(&link.resolved));
        rest.ok().map(|rest| release.path.join(rest))
    };
    let roots: Vec<PathBuf> = roots.iter().filter_map(inside).collect();
    let path = find_in(sources, &roots).ok()??;
    let requirements = requirements::read(sources, &path).ok()?;
    let mut file = RequirementsFile::new(path, requirements);
    compare(sources, &gunicorn.venv, &mut file);
    Some(EarlierPackages { release: release.path.clone(), file })
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
    let mut file = RequirementsFile::new(path, requirements);
    compare(sources, venv, &mut file);
    Known::Value(Some(file), origin)
}

fn find(sources: &Sources, given: &Given, roots: &[PathBuf]) -> Result<Option<PathBuf>, HostError> {
    if let Some(path) = &given.requirements {
        return Ok(Some(path.clone()));
    }
    find_in(sources, roots)
}

fn find_in(sources: &Sources, roots: &[PathBuf]) -> Result<Option<PathBuf>, HostError> {
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
