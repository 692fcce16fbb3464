//! Checks whether an environment contradicts itself: like `pip check`, it compares the requirements
//! in every installed package's `METADATA`, but it also checks that the package itself exists. It
//! reads one file per package, and `RECORD`, which may be long, only if nothing in `site-packages`
//! has the package's name.

use std::path::PathBuf;

use super::compare::NOWHERE;
use super::{Requirements, compare, pep508};
use crate::source::venv::{Venv, metadata, record};
use crate::source::{Sources, Span};

/// A contradiction in an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// A package needs another one that is not installed.
    Missing {
        /// The package.
        package: String,
        /// The requirement that is not met.
        needs: String,
    },
    /// A package needs another version of an installed one.
    WrongVersion {
        /// The package.
        package: String,
        /// The requirement that is not met.
        needs: String,
        /// The installed version.
        installed: String,
    },
    /// A file without which a package cannot be imported is gone.
    Gone {
        /// The package.
        package: String,
        /// The file or directory.
        file: PathBuf,
    },
    /// Not known.
    Unknown {
        /// The package.
        package: String,
        /// The reason.
        reason: String,
    },
}

/// Compares every installed package's requirements with what is installed.
pub fn check(sources: &Sources<'_>, venv: &Venv) -> Vec<Conflict> {
    let markers = venv.markers();
    let mut conflicts = Vec::new();
    for distribution in &venv.distributions {
        let package = distribution.name.clone();
        let unknown = |reason: String| Conflict::Unknown { package: package.clone(), reason };
        let metadata = match metadata::read(sources, distribution) {
            Ok(metadata) => metadata,
            Err(error) => {
                conflicts.push(unknown(error.to_string()));
                continue;
            }
        };
        if distribution.record_present
            && !stands(venv, &distribution.name)
            && let Ok(missing) = record::missing_files(sources.host(), sources, venv, distribution)
        {
            let package = || package.clone();
            conflicts.extend(
                missing.into_iter().map(|file| Conflict::Gone { package: package(), file }),
            );
        }
        let mut asked = Requirements::default();
        let nowhere = Span::new(NOWHERE, 0, 0);
        for text in metadata.requires.iter().filter(|text| !is_of_an_extra(text)) {
            match pep508::parse(text, nowhere) {
                Ok(requirement) => asked.requirements.push(requirement),
                Err(reason) => conflicts.push(unknown(reason)),
            }
        }
        let outcome = compare(sources, &asked, venv, markers.as_ref().map_err(Clone::clone));
        for need in outcome.missing {
            conflicts.push(Conflict::Missing { package: package.clone(), needs: need.text });
        }
        for (need, installed) in outcome.wrong_version {
            let installed = installed.to_string();
            let needs = need.text;
            conflicts.push(Conflict::WrongVersion { package: package.clone(), needs, installed });
        }
        for (need, reason) in outcome.unknown {
            conflicts.push(unknown(format!("{}: {reason}", need.text)));
        }
    }
    conflicts
}

/// Whether it applies only with an extra, which is not known to have been requested.
fn is_of_an_extra(text: &str) -> bool {
    let marker = text.split_once(';').map_or("", |(_, marker)| marker);
    marker.contains("extra") && !marker.contains(" or ")
}

/// Whether there is a package or module with the distribution's own name. Most distributions have
/// one.
fn stands(venv: &Venv, name: &str) -> bool {
    let own = name.replace('-', "_");
    venv.has_entry(&own) || venv.has_entry(&format!("{own}.py"))
}
