//! `deploy-doctor check DIR`: the files of a repository, as its file of settings lists them.

use std::path::{Path, PathBuf};

use super::arguments::WhereArguments;
use super::{CommandError, settings};
use crate::facts::Given;
use crate::host::{FileKind, Host, TreeHost, tidy};

/// Puts the files of a repository in the place of an argument that is a directory or has a `/`.
pub(super) fn settle(
    place: &mut WhereArguments,
    config: Option<&Path>,
) -> Result<(), CommandError> {
    let host = TreeHost::live().map_err(|error| CommandError::incomplete(error.to_string()))?;
    let working = settings::working_directory()?;
    let is_directory = |path: &Path| {
        let found = host.look(&tidy(&working.join(path)));
        found.metadata().is_some_and(|found| found.kind == FileKind::Directory)
    };
    let (mut directories, apps): (Vec<String>, Vec<String>) =
        place.apps.drain(..).partition(|word| word.contains('/') || is_directory(Path::new(word)));
    place.apps = apps;
    let Some(directory) = directories.pop().map(PathBuf::from) else { return Ok(()) };
    let shown = directory.display().to_string();
    if !directories.is_empty() {
        return Err(CommandError::usage(format!("{shown}: one repository at a time")));
    }
    if place.root.is_some() || place.names_files() {
        return Err(CommandError::usage(format!(
            "{shown} is a repository: it goes with neither --root nor options that name files"
        )));
    }
    if !is_directory(&directory) {
        return Err(CommandError::incomplete(format!("{shown}: no such directory")));
    }
    place.repository = Some(directory.clone());
    let config = settings::load(place, config)?;
    let top = tidy(&working.join(&directory));
    let lies_below =
        |given: &Given| given.units.iter().any(|unit| tidy(&working.join(unit)).starts_with(&top));
    let each: Vec<Given> = config
        .iter()
        .flat_map(|config| &config.apps)
        .map(|app| app.files.clone())
        .filter(lies_below)
        .collect();
    if each.is_empty() {
        return Err(CommandError::usage(format!(
            "{shown}: no deploy-doctor.toml there or above names a unit of this repository: write \
             [[app]] with `unit`, `nginx` … (deploy-doctor config init), or name the files with \
             --unit, --nginx …"
        )));
    }
    for given in &each {
        let own = given.units.iter().filter(|unit| !place.unit.contains(unit));
        place.unit.extend(own.cloned().collect::<Vec<_>>());
        let own = given.nginx.iter().filter(|site| !place.nginx.contains(site));
        place.nginx.extend(own.cloned().collect::<Vec<_>>());
    }
    place.each = each;
    Ok(())
}
