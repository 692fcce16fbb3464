//! Alembic's revisions in the release.

use std::path::PathBuf;

use super::super::{Known, Origin, Problem};
use super::is_absent;
use crate::source::Sources;
use crate::source::alembic::{self, Revisions};

/// The migrations of a release.
#[derive(Debug)]
pub struct Migrations {
    /// Where the revision files lie.
    pub directories: Vec<PathBuf>,
    /// The revisions.
    pub revisions: Revisions,
}

/// Finds and reads them. `Known(None)`: the release has none.
pub(super) fn read(
    sources: &Sources,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Known<Option<Migrations>> {
    if roots.is_empty() {
        return Known::unknown("the release was not read");
    }
    for root in roots {
        let location = match alembic::locate::find(sources, root) {
            Ok(location) => location,
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                problems.push(Problem::unreadable(&error));
                return Known::unknown(error.to_string());
            }
        };
        if let Some(fault) = location.faults.first() {
            let message = format!("{}: {}", fault.path.display(), fault.message);
            return Known::unknown(message);
        }
        let mut revisions = Revisions::default();
        let mut directories = Vec::new();
        for directory in location.directories {
            match alembic::read(sources, &directory) {
                Ok(found) => {
                    revisions.extend(found);
                    directories.push(directory);
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => {
                    problems.push(Problem::unreadable(&error));
                    return Known::unknown(error.to_string());
                }
            }
        }
        if let Some(first) = directories.first() {
            let origin = Origin::Path(first.clone());
            return Known::Value(Some(Migrations { directories, revisions }), origin);
        }
    }
    // A directory that was not given looks like one that is not there.
    let unread = roots.iter().all(|root| {
        matches!(
            sources.host().look(root).outcome,
            crate::host::Outcome::Failed(_) | crate::host::Outcome::Missing { .. }
        )
    });
    if unread {
        return Known::unknown("the release was not read");
    }
    Known::Default(None)
}
