//! Examines the releases next to the current one.

use std::path::{Path, PathBuf};

use super::super::{Known, Machine, Place, Why};
use super::code::Resolution;
use super::previous::{Alike, PreviousRelease};
use super::{Code, ReleaseLink, SearchEntry};
use crate::host::FileKind;
use crate::source::Sources;
use crate::source::venv::Venv;

pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    link: Option<&ReleaseLink>,
    code: &Code,
    venv: &Known<Venv>,
    search_path: &Known<Vec<SearchEntry>>,
) -> Known<Vec<PreviousRelease>> {
    let Some(link) = link else {
        return Known::Unknown(Why::not_there("no release link is on the way"));
    };
    let names = match sources.host().list(&link.releases) {
        Ok(names) => names,
        Err(error) => return Known::Unknown(Why::not_read(error.to_string())),
    };
    // Where the module is inside the current release.
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
            None => Known::Unknown(Why::not_understood(
                "the place of the application's module is not known",
            )),
        };
        let has_venv = match &venv {
            Ok(Some(venv)) => exists(&path.join(venv).join("pyvenv.cfg")),
            Ok(None) => Known::Observed(true, "the file system"),
            Err(why) => Known::Unknown(why.clone()),
        };
        let alike = alike(sources, link, &path, search_path, code);
        found.push(PreviousRelease { path, has_application, has_venv, alike });
    }
    Known::Observed(found, "the file system")
}

/// The first directory of the search path through the link whose time is the same in this release.
fn alike(
    sources: &Sources,
    link: &ReleaseLink,
    release: &Path,
    search_path: &Known<Vec<SearchEntry>>,
    code: &Code,
) -> Option<Alike> {
    let entries = search_path.ok()?.iter();
    let through = |entry: &&SearchEntry| entry.place.links.iter().any(|hop| hop.link == link.path);
    entries.filter(through).find_map(|entry| {
        let current = &entry.place.resolved;
        let path = release.join(current.strip_prefix(&link.resolved).ok()?);
        let time = |path: &Path| {
            let metadata = *sources.host().look(path).metadata()?;
            Some((metadata.mtime, metadata.mtime_nanos))
        };
        let moment = time(current).filter(|moment| time(&path) == Some(*moment))?;
        let mut lacks: Vec<String> = Vec::new();
        for module in code.modules.iter().filter(|module| module.certain) {
            let Ok(inside) = module.path.strip_prefix(&entry.place.path) else { continue };
            // Packages are listed again by each worker; what is at the top is not.
            let Some(top) = inside.components().next() else { continue };
            let name = Path::new(top.as_os_str());
            let stem = name.with_extension("").to_string_lossy().into_owned();
            if sources.host().look(&path.join(name)).metadata().is_none() && !lacks.contains(&stem)
            {
                lacks.push(stem);
            }
        }
        Some(Alike { path, current: current.clone(), time: moment.0, lacks })
    })
}

/// A file's path relative to the release that it is in.
fn inside(sources: &Sources, path: &Path, release: &Path) -> Option<PathBuf> {
    let resolved = sources.host().look(path).resolved;
    let top = sources.host().look(release).resolved;
    resolved.strip_prefix(&top).ok().map(Path::to_path_buf)
}
