//! Alembic's revisions in the release.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::super::{Known, Origin, Problem, Why, WhyKind};
use super::{PreviousRelease, ReleaseLink, is_absent};
use crate::source::Sources;
use crate::source::alembic;

pub use crate::source::alembic::{Breaks, Kind, Locks, Operation, Revision, Revisions};

/// Why the database's revision is not known where nobody asked for it.
pub(super) fn database_not_asked() -> Why {
    Why::of(WhyKind::NotAsked, "the database's revision is not known")
}

/// The migrations of a release.
#[derive(Debug)]
pub struct Migrations {
    /// Where the revision files are.
    pub directories: Vec<PathBuf>,
    /// The revisions.
    pub revisions: Revisions,
}

/// The migrations that an earlier release holds.
#[derive(Debug)]
pub struct Earlier {
    /// The release's directory.
    pub release: PathBuf,
    /// Their revisions.
    pub revisions: HashSet<String>,
}

impl Migrations {
    /// The revisions that an earlier release does not hold, in an order in which they can be
    /// applied.
    pub fn added_to(&self, earlier: &Earlier) -> Result<Vec<&Revision>, Why> {
        let Standing::Behind(mut all) = self.standing("")? else { return Ok(Vec::new()) };
        all.retain(|revision| !earlier.revisions.contains(&revision.id.value));
        Ok(all)
    }
}

/// Where the database is, as these migrations see it.
#[derive(Debug)]
pub enum Standing<'m> {
    /// Nothing is left to apply.
    AtHead,
    /// These are left to apply, in an order in which they can be.
    Behind(Vec<&'m Revision>),
    /// No file contains this revision that the database is at.
    Unheard(String),
}

impl Migrations {
    /// Holds the database's revision, as `flask db current` prints it (`1a2b3c (head)`, nothing
    /// for an empty database), against the revisions.
    pub fn standing(&self, printed: &str) -> Result<Standing<'_>, Why> {
        let known = &self.revisions.revisions;
        let words = words(printed);
        for word in &words {
            let Err(unknown) = self.revisions.resolve(word) else { continue };
            // A file that was not understood may hold it, and a label or the beginning of several
            // identifiers names no revision.
            let read = self.revisions.heads().is_ok();
            let vague = known
                .iter()
                .any(|r| r.id.value.starts_with(word) || r.labels.iter().any(|l| l == word));
            if read && !vague {
                return Ok(Standing::Unheard((*word).to_owned()));
            }
            return Err(Why::not_understood(unknown.0));
        }
        let pending = self
            .revisions
            .pending(&words.join(" "))
            .map_err(|unknown| Why::not_understood(unknown.0))?;
        if pending.is_empty() {
            return Ok(Standing::AtHead);
        }
        let by_id: HashMap<&str, &Revision> =
            known.iter().map(|revision| (revision.id.value.as_str(), revision)).collect();
        Ok(Standing::Behind(pending.iter().filter_map(|id| by_id.get(id).copied()).collect()))
    }

    /// The same for what is known about the database, if anything.
    pub fn database(&self, known: &Known<String>) -> Result<Standing<'_>, Why> {
        let why = match known.get() {
            Ok(printed) => return self.standing(printed),
            Err(why) => why,
        };
        if self.revisions.revisions.is_empty() && self.revisions.faults.is_empty() {
            return Ok(Standing::AtHead);
        }
        let program = if self.of_flask() { "flask db current" } else { "alembic current" };
        let ask =
            if why.kind() == WhyKind::NotAsked && self.of_flask() { "--preflight or " } else { "" };
        Err(why.reword(|why| format!("{why}; add {ask}--db-revision \"$({program})\"")))
    }

    /// Does the database hold no revision at all, so that no running code can use its tables?
    pub fn is_empty_database(printed: &str) -> bool {
        words(printed).is_empty()
    }

    /// Were they made by Flask-Migrate, so that `flask db` applies them?
    pub fn of_flask(&self) -> bool {
        self.directories.iter().any(|directory| directory.ends_with("migrations/versions"))
    }
}

/// The revisions in what `flask db current` prints, without `(head)`, `(effective head)` and
/// `(mergepoint)`.
fn words(printed: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for (at, part) in printed.split('(').enumerate() {
        let part = match at {
            0 => part,
            _ => part.split_once(')').map_or("", |(_, after)| after),
        };
        words.extend(part.split([' ', ',', '\n', '\r', '\t']).filter(|w| !w.is_empty()));
    }
    words.retain(|word| *word != "base");
    words
}

/// The migrations of the release before the current one, which are in the same place in it as in
/// the current one.
pub(super) fn of_earlier(
    sources: &Sources,
    roots: &[PathBuf],
    link: Option<&ReleaseLink>,
    previous: &Known<Vec<PreviousRelease>>,
) -> Known<Earlier> {
    let Some(link) = link else {
        return Known::Unknown(Why::not_there("no release link is on the way"));
    };
    let releases = match previous.get() {
        Ok(releases) => releases,
        Err(why) => return Known::Unknown(why),
    };
    // Releases are named so that they sort: by date or number.
    let before = releases.iter().filter(|release| release.path < link.resolved);
    let Some(release) = before.max_by(|a, b| a.path.cmp(&b.path)) else {
        return Known::Unknown(Why::not_there("there is no previous release"));
    };
    let inside = |root: &Path| {
        let rest = root.strip_prefix(&link.path).or_else(|_| root.strip_prefix(&link.resolved));
        rest.ok().map(|rest| release.path.join(rest))
    };
    let roots: Vec<PathBuf> = roots.iter().filter_map(|root| inside(root)).collect();
    // What is wrong with an old release is not a problem of this one.
    match read(sources, &roots, &mut Vec::new()) {
        Known::Unknown(why) => Known::Unknown(why),
        Known::Value(Some(found), _) if !found.revisions.faults.is_empty() => Known::Unknown(
            Why::not_understood("a migration of the previous release was not understood"),
        ),
        Known::Value(None, _) | Known::Default(None, _) | Known::Observed(None, _) => {
            Known::Unknown(Why::not_there("the previous release has no migrations"))
        }
        Known::Value(Some(found), _)
        | Known::Default(Some(found), _)
        | Known::Observed(Some(found), _) => {
            let revisions = found.revisions.revisions.into_iter();
            let revisions = revisions.map(|revision| revision.id.value).collect();
            Known::Observed(
                Earlier { release: release.path.clone(), revisions },
                "the previous release",
            )
        }
    }
}

/// Finds and reads them. `Known(None)`: the release has none.
pub(super) fn read(
    sources: &Sources,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Known<Option<Migrations>> {
    if roots.is_empty() {
        return Known::Unknown(Why::not_read("the release was not read"));
    }
    for root in roots {
        let location = match alembic::locate::find(sources, root) {
            Ok(location) => location,
            Err(error) if is_absent(&error) => continue,
            Err(error) => {
                problems.push(Problem::unreadable(&error));
                return Known::Unknown(Why::not_read(error.to_string()));
            }
        };
        if let Some(fault) = location.faults.first() {
            let message = format!("{}: {}", fault.path.display(), fault.message);
            return Known::Unknown(Why::not_understood(message));
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
                    return Known::Unknown(Why::not_read(error.to_string()));
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
        return Known::Unknown(Why::not_read("the release was not read"));
    }
    Known::Observed(None, "the release")
}
