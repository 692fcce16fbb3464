//! Compares what a release needs with what is installed.
//!
//! The comparison is by name and version, as in `importlib.metadata`. A URL or a path has no
//! version to compare, so it only has to be installed. An extra's own requirements come from the
//! installed `METADATA`, which is read only for this purpose.

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::Path;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::ExtraName;

use super::{Requirement, Requirements, What, pep508};
use crate::host::{Outcome, tidy};
use crate::source::venv::{Distribution, Markers, Venv, metadata, record};
use crate::source::{FileId, Sources, Span};

/// The file of a requirement that does not come from a requirements file.
pub(super) const NOWHERE: FileId = FileId(u32::MAX);

/// Something that is needed, and why.
#[derive(Debug, Clone)]
pub struct Need<'r> {
    /// The requirement that asks for it.
    pub requirement: &'r Requirement,
    /// Its name, normalised.
    pub name: String,
    /// The requirement, without credentials.
    pub text: String,
    /// The extra that asks for it, if the requirement itself does not name it: `flask[async]`.
    pub through: Option<String>,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, Default)]
pub struct Comparison<'r> {
    /// Installed in a matching version.
    pub satisfied: Vec<&'r Requirement>,
    /// Not installed.
    pub missing: Vec<Need<'r>>,
    /// Installed in a version that does not match.
    pub wrong_version: Vec<(Need<'r>, Version)>,
    /// Requirements whose marker is false for this Python.
    pub not_applicable: Vec<&'r Requirement>,
    /// Not known, with the reason.
    pub unknown: Vec<(Need<'r>, String)>,
}

impl Comparison<'_> {
    /// Whether everything that applies is installed, and nothing is unknown.
    pub fn is_satisfied(&self) -> bool {
        self.missing.is_empty() && self.wrong_version.is_empty() && self.unknown.is_empty()
    }
}

/// Compares requirements with what is installed. `markers` is the Python of the environment, or why
/// it is not known.
pub fn compare<'r>(
    sources: &Sources<'_>,
    requirements: &'r Requirements,
    venv: &Venv,
    markers: Result<&Markers, String>,
) -> Comparison<'r> {
    let mut work = Work {
        sources,
        venv,
        markers,
        constraints: constraints(requirements),
        outcome: Comparison::default(),
        extras: VecDeque::new(),
        seen: HashSet::new(),
    };
    for requirement in &requirements.requirements {
        work.direct(requirement);
    }
    while let Some((requirement, name, extra)) = work.extras.pop_front() {
        work.extra(requirement, &name, &extra);
    }
    work.outcome
}

struct Work<'w, 'r> {
    sources: &'w Sources<'w>,
    venv: &'w Venv,
    markers: Result<&'w Markers, String>,
    constraints: HashMap<&'r str, Vec<&'r Requirement>>,
    outcome: Comparison<'r>,
    extras: VecDeque<(&'r Requirement, String, String)>,
    seen: HashSet<(String, String)>,
}

enum Fit {
    Fits,
    Missing,
    Wrong(Version),
    Unknown(String),
}

impl<'r> Work<'_, 'r> {
    fn direct(&mut self, requirement: &'r Requirement) {
        let need = Need {
            requirement,
            name: requirement.name.clone().unwrap_or_default(),
            text: requirement.raw.clone(),
            through: None,
        };
        match self.applies(requirement, &[]) {
            Err(reason) => {
                // A package that is installed and matches is fine whatever the marker says.
                match self.look(requirement) {
                    Fit::Fits => self.fits(requirement),
                    _ => self.outcome.unknown.push((need, reason)),
                }
            }
            Ok(false) => self.outcome.not_applicable.push(requirement),
            Ok(true) => match self.look(requirement) {
                Fit::Fits => self.fits(requirement),
                Fit::Missing => self.outcome.missing.push(need),
                Fit::Wrong(version) => self.outcome.wrong_version.push((need, version)),
                Fit::Unknown(reason) => self.outcome.unknown.push((need, reason)),
            },
        }
    }

    fn fits(&mut self, requirement: &'r Requirement) {
        self.outcome.satisfied.push(requirement);
        self.queue(
            requirement,
            requirement.name.as_deref().unwrap_or_default(),
            &requirement.extras,
        );
    }

    fn queue(&mut self, requirement: &'r Requirement, name: &str, extras: &[String]) {
        for extra in extras {
            if self.seen.insert((name.to_owned(), extra.clone())) {
                self.extras.push_back((requirement, name.to_owned(), extra.clone()));
            }
        }
    }

    /// Compares what `name[extra]` needs beyond `name`, according to its own metadata, with what is
    /// installed.
    fn extra(&mut self, requirement: &'r Requirement, name: &str, extra: &str) {
        let through = format!("{name}[{extra}]");
        let need = |name: &str, text: &str| Need {
            requirement,
            name: name.to_owned(),
            text: text.to_owned(),
            through: Some(through.clone()),
        };
        let Some(distribution) = self.venv.find(name).next() else { return };
        let metadata = match metadata::read(self.sources, distribution) {
            Ok(metadata) => metadata,
            Err(error) => {
                return self.outcome.unknown.push((need(name, &through), error.to_string()));
            }
        };
        let Ok(extra_name) = ExtraName::new(extra.to_owned()) else { return };
        for text in metadata.requires.iter().filter(|text| text.contains("extra")) {
            let parsed = match pep508::parse(text, requirement.span) {
                Ok(parsed) => parsed,
                Err(reason) => {
                    self.outcome.unknown.push((need(name, &super::redact(text)), reason));
                    continue;
                }
            };
            // What applies without the extra too is not the extra's requirement.
            let without = self.applies(&parsed, &[]);
            let with = self.applies(&parsed, std::slice::from_ref(&extra_name));
            let wanted = parsed.name.clone().unwrap_or_default();
            match (with, without) {
                (Ok(false), _) | (Ok(true), Ok(true)) => continue,
                (Err(reason), _) | (_, Err(reason)) => {
                    if !matches!(self.look(&parsed), Fit::Fits) {
                        self.outcome.unknown.push((need(&wanted, &parsed.raw), reason));
                    }
                    continue;
                }
                (Ok(true), Ok(false)) => {}
            }
            match self.look(&parsed) {
                Fit::Fits => self.queue(requirement, &wanted, &parsed.extras),
                Fit::Missing => self.outcome.missing.push(need(&wanted, &parsed.raw)),
                Fit::Wrong(version) => {
                    self.outcome.wrong_version.push((need(&wanted, &parsed.raw), version));
                }
                Fit::Unknown(reason) => {
                    self.outcome.unknown.push((need(&wanted, &parsed.raw), reason));
                }
            }
        }
    }

    fn applies(&self, requirement: &Requirement, extras: &[ExtraName]) -> Result<bool, String> {
        if let Some(reason) = &requirement.marker.unknown {
            return Err(reason.clone());
        }
        if requirement.marker.tree.is_true() {
            return Ok(true);
        }
        let markers = self.markers.as_ref().map_err(Clone::clone)?;
        markers.holds(&requirement.marker.tree, &requirement.marker.text, extras)
    }

    fn look(&self, requirement: &Requirement) -> Fit {
        let Some(name) = &requirement.name else {
            return match self.installed_from(requirement) {
                true => Fit::Fits,
                false => Fit::Unknown(
                    "the package's name is not known without building the \
                                       package"
                        .into(),
                ),
            };
        };
        let mut versions = Vec::new();
        if let What::Versioned(asked) = &requirement.what {
            versions.push(asked.clone());
        }
        for constraint in self.constraints.get(name.as_str()).into_iter().flatten() {
            if let (What::Versioned(asked), Ok(true)) =
                (&constraint.what, self.applies(constraint, &[]))
            {
                versions.push(asked.clone());
            }
        }
        let installed: Vec<&Distribution> = self.venv.find(name).collect();
        match installed_fits(&installed, &versions, self.venv) {
            Fit::Fits if installed.iter().any(|one| self.pruned(one)) => Fit::Missing,
            found => found,
        }
    }
}

impl Work<'_, '_> {
    /// Whether something is installed from the very directory that a requirement without a name
    /// gives.
    fn installed_from(&self, requirement: &Requirement) -> bool {
        let place = match &requirement.what {
            What::Path(path) => path.as_str(),
            What::Editable(place) => place.expose_str().unwrap_or_default(),
            _ => return false,
        };
        // A requirement from metadata is in no file of its own.
        if place.is_empty() || place.contains(':') || requirement.span.file == NOWHERE {
            return false;
        }
        let file = self.sources.file(requirement.span.file);
        let base = file.path.parent().unwrap_or(Path::new("/"));
        let wanted = tidy(&base.join(place.split('[').next().unwrap_or(place)));
        let installed = self.venv.distributions.iter().filter(|d| d.direct_url_present);
        installed.filter(|distribution| !self.pruned(distribution)).any(|distribution| {
            record::direct_url(self.sources, distribution)
                .is_ok_and(|url| url.and_then(|u| u.path).is_some_and(|p| tidy(&p) == wanted))
        })
    }
}

impl Work<'_, '_> {
    /// Whether the directory that an editable install points to is gone.
    fn pruned(&self, distribution: &Distribution) -> bool {
        let Ok(Some(url)) = record::direct_url(self.sources, distribution) else { return false };
        let path = url.path.filter(|_| url.editable);
        path.is_some_and(|path| {
            matches!(self.sources.host().look(&path).outcome, Outcome::Missing { .. })
        })
    }
}

/// Of several installations with one name, only what is true for all of them is known.
fn installed_fits(installed: &[&Distribution], asked: &[VersionSpecifiers], venv: &Venv) -> Fit {
    let Some(first) = installed.first() else {
        return match venv.absence_unknown() {
            Some(reason) => Fit::Unknown(reason),
            None => Fit::Missing,
        };
    };
    if let Some(broken) = installed.iter().find(|distribution| !distribution.metadata_present) {
        return Fit::Unknown(format!("{} has no METADATA", broken.path.display()));
    }
    if asked.iter().all(VersionSpecifiers::is_empty) {
        return Fit::Fits;
    }
    let fits = |distribution: &&Distribution| {
        distribution.version.as_ref().map(|v| asked.iter().all(|asked| asked.contains(v)))
    };
    let verdicts: Vec<Option<bool>> = installed.iter().map(fits).collect();
    if verdicts.iter().all(|verdict| *verdict == Some(true)) {
        return Fit::Fits;
    }
    if verdicts.iter().all(|verdict| *verdict == Some(false)) {
        return match &first.version {
            Some(version) => Fit::Wrong(version.clone()),
            None => Fit::Unknown("the installed version is not known".into()),
        };
    }
    if installed.len() > 1 {
        return Fit::Unknown(format!("{} is installed {} times", first.name, installed.len()));
    }
    Fit::Unknown("the installed version is not known".into())
}

fn constraints(requirements: &Requirements) -> HashMap<&str, Vec<&Requirement>> {
    let mut by_name: HashMap<&str, Vec<&Requirement>> = HashMap::new();
    for constraint in &requirements.constraints {
        if let Some(name) = &constraint.name {
            by_name.entry(name).or_default().push(constraint);
        }
    }
    by_name
}

impl Need<'_> {
    /// The place of the requirement that asks for it.
    pub fn span(&self) -> Span {
        self.requirement.span
    }
}
