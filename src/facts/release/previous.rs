//! The releases beside the current one: what a rollback can go back to.

use std::path::{Path, PathBuf};

use super::super::{Known, Machine, Place};
use super::code::Resolution;
use super::{Code, ReleaseLink};
use crate::host::FileKind;
use crate::source::Sources;
use crate::source::venv::Venv;

/// A release beside the current one.
#[derive(Debug, Clone)]
pub struct PreviousRelease {
    /// Its directory.
    pub path: PathBuf,
    /// Does it hold the application's module where the current one does? Unknown where that is
    /// not known of the current one.
    pub has_application: Known<bool>,
    /// Does it have a virtual environment where the current one has its own? True where that one
    /// lies outside the releases.
    pub has_venv: Known<bool>,
}

pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    link: Option<&ReleaseLink>,
    code: &Code,
    venv: &Known<Venv>,
) -> Known<Vec<PreviousRelease>> {
    let Some(link) = link else { return Known::unknown("no release link is on the way") };
    let names = match sources.host().list(&link.releases) {
        Ok(names) => names,
        Err(error) => return Known::unknown(error.to_string()),
    };
    // Where the module lies inside the current release.
    let module = match code.application.ok().map(|application| &application.resolution) {
        Some(Resolution::File(path)) => inside(sources, path, &link.resolved),
        _ => None,
    };
    let venv = venv.get().map(|venv| inside(sources, &venv.path, &link.resolved));
    let exists =
        |path: &Path| match Place::look(sources.host(), path, machine.owners_known).exists() {
            Ok(exists) => Known::Observed(exists, "the file system"),
            Err(why) => Known::Unknown(why),
        };
    let mut found = Vec::new();
    for name in names {
        let path = link.releases.join(&name);
        let hidden = name.as_encoded_bytes().starts_with(b".");
        let metadata = sources.host().link_metadata(&path);
        let is_directory = metadata.is_ok_and(|metadata| metadata.kind == FileKind::Directory);
        if path == link.resolved || hidden || !is_directory {
            continue;
        }
        let has_application = match &module {
            Some(module) => exists(&path.join(module)),
            None => Known::unknown("where the application's module lies is not known"),
        };
        let has_venv = match &venv {
            Ok(Some(venv)) => exists(&path.join(venv).join("pyvenv.cfg")),
            Ok(None) => Known::Observed(true, "the file system"),
            Err(why) => Known::Unknown(why.clone()),
        };
        found.push(PreviousRelease { path, has_application, has_venv });
    }
    Known::Observed(found, "the file system")
}

/// A file's path relative to the release that it lies in.
fn inside(sources: &Sources, path: &Path, release: &Path) -> Option<PathBuf> {
    let resolved = sources.host().look(path).resolved;
    let top = sources.host().look(release).resolved;
    resolved.strip_prefix(&top).ok().map(Path::to_path_buf)
}
