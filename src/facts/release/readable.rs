//! May the user that gunicorn's workers run as read the modules that they import?

use std::path::{Path, PathBuf};

use super::super::{Gunicorn, Identity, Known, Machine, Place, Service, Want, Why};
use super::Code;
use crate::host::Metadata;
use crate::source::Sources;

/// A module of the release that its user cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// The module's file.
    pub path: PathBuf,
    /// What is closed: the file itself, or a directory on the way.
    pub wall: PathBuf,
    /// The mode and owner of that.
    pub metadata: Metadata,
    /// The user's name.
    pub user: String,
}

/// Looks at every module that is certainly imported at the start. Modes mean nothing in a repository.
pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    service: &Service,
    gunicorn: &Gunicorn,
    code: &Code,
) -> Known<Vec<Unreadable>> {
    if !machine.whole {
        return Known::Observed(Vec::new(), "the files given");
    }
    let user = match importer(machine, service, gunicorn) {
        Ok(Some(user)) => user,
        Ok(None) => return Known::Observed(Vec::new(), "root reads all"),
        Err(why) => return Known::Unknown(why),
    };
    let mut found = Vec::new();
    for module in code.modules.iter().filter(|module| module.certain) {
        match closed(sources, machine, gunicorn, &user, &module.path) {
            Ok(unreadable) => found.extend(unreadable),
            Err(why) => return Known::Unknown(why),
        }
    }
    Known::Observed(found, "the modes of the release's files")
}

/// Who imports the application; `None` if that is root.
pub fn importer(
    machine: &Machine,
    service: &Service,
    gunicorn: &Gunicorn,
) -> Result<Option<Identity>, Why> {
    let user = service.user.get()?;
    if !user.is_root() {
        return Ok(Some(user.clone()));
    }
    let given = gunicorn.settings.user();
    match given.get()? {
        // With preload_app the master imports it, before it gives itself away.
        Some(name) if !*gunicorn.settings.preload_app().get()? => {
            Ok(Some(machine.identity(name)).filter(|user| !user.is_root()))
        }
        _ => Ok(None),
    }
}

fn closed(
    sources: &Sources,
    machine: &Machine,
    gunicorn: &Gunicorn,
    user: &Identity,
    path: &Path,
) -> Result<Option<Unreadable>, Why> {
    let place = Place::look(sources.host(), path, machine.owners_known);
    let (wall, metadata) = match place.blocked_at(user)? {
        Some(step) => (step.path.clone(), step.metadata),
        None if place.accessible(user, Want::Read)? => return Ok(None),
        None => match place.metadata() {
            Some(metadata) if !compiled(sources, machine, gunicorn, user, path)? => {
                (path.to_path_buf(), *metadata)
            }
            _ => return Ok(None),
        },
    };
    let path = path.to_path_buf();
    Ok(Some(Unreadable { path, wall, metadata, user: user.name.clone() }))
}

/// Is there a compiled form that the user may read? Python then takes that without reading the source
/// (`SourceLoader.get_code`: it asks for the source's time and size alone).
fn compiled(
    sources: &Sources,
    machine: &Machine,
    gunicorn: &Gunicorn,
    user: &Identity,
    path: &Path,
) -> Result<bool, Why> {
    let (major, minor) = *gunicorn.python.get()?;
    let (Some(directory), Some(stem)) = (path.parent(), path.file_stem()) else { return Ok(false) };
    let name = format!("{}.cpython-{major}{minor}.pyc", stem.to_string_lossy());
    let cached = directory.join("__pycache__").join(name);
    Place::look(sources.host(), &cached, machine.owners_known).accessible(user, Want::Read)
}
