//! The link that a deployment moves from release to release, usually called `current`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::super::discovery::Candidate;
use super::super::place::tidy;
use super::super::{Known, Place};
use super::SearchEntry;
use crate::host::{FileKind, LinkHop};
use crate::source::Sources;

/// The release link.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ReleaseLink {
    /// The link itself, free of links before it.
    pub path: PathBuf,
    /// Its target, as written in the link.
    pub target: PathBuf,
    /// The directory that it leads to.
    pub resolved: PathBuf,
    /// The directory that holds the releases.
    pub releases: PathBuf,
}

/// Names that such links have by convention.
pub(super) const LINKS: [&str; 5] = ["current", "live", "latest", "active", "release"];
/// Names that the directory of the releases has by convention.
pub(super) const DIRECTORIES: [&str; 5] =
    ["releases", "versions", "builds", "deploys", "revisions"];

/// The first link of this kind on the way to the working directory or along Python's search path.
pub(super) fn find(
    sources: &Sources,
    candidate: &Candidate,
    search_path: &Known<Vec<SearchEntry>>,
) -> Option<ReleaseLink> {
    let working = candidate.service.working_directory.ok().and_then(Option::as_ref);
    let entries = search_path.ok().into_iter().flatten().map(|entry| &entry.place);
    working.into_iter().chain(entries).find_map(|place| among(sources, place))
}

/// The release link among the links that a place crosses.
pub fn among(sources: &Sources, place: &Place) -> Option<ReleaseLink> {
    place.links.iter().find_map(|hop| release_link(sources, hop))
}

fn release_link(sources: &Sources, hop: &LinkHop) -> Option<ReleaseLink> {
    let parent = hop.link.parent()?;
    let target = tidy(&parent.join(&hop.target));
    let lookup = sources.host().look(&target);
    // A link to a file is not a release; one that dangles may be. It may lead over another link.
    let resolved = match lookup.metadata() {
        Some(metadata) if metadata.kind == FileKind::Directory => lookup.resolved.clone(),
        Some(_) => return None,
        None => target,
    };
    let releases = resolved.parent()?.to_path_buf();
    let named = |name: Option<&OsStr>, names: &[&str]| {
        name.and_then(OsStr::to_str).is_some_and(|name| names.contains(&name))
    };
    let by_custom =
        named(hop.link.file_name(), &LINKS) || named(releases.file_name(), &DIRECTORIES);
    // Links of the system (/lib, /var/run) have no brothers to move to.
    let custom = by_custom && parent != Path::new("/");
    custom.then(|| ReleaseLink {
        path: hop.link.clone(),
        target: hop.target.clone(),
        resolved,
        releases,
    })
}
