//! Finds the migrations: by `script_location` and `version_locations` in `alembic.ini`, or in the
//! default places of Flask-Migrate and Alembic.

use std::path::{Path, PathBuf};

use super::Fault;
use crate::host::{FileKind, HostError, HostErrorKind, Outcome};
use crate::source::{SourceFile, Sources, Span};

/// The directories with migrations.
#[derive(Debug, Clone, Default)]
pub struct Location {
    /// The directories, each to be read with [`super::read`].
    pub directories: Vec<PathBuf>,
    /// What could not be understood, so that the list may be incomplete.
    pub faults: Vec<Fault>,
}

/// Finds the migrations of the application in `directory`. If the result has neither a directory
/// nor a fault, there are no migrations in the usual places.
pub fn find(sources: &Sources<'_>, directory: &Path) -> Result<Location, HostError> {
    let mut location = Location::default();
    let ini = directory.join("alembic.ini");
    if let Some(file) = load(sources, &ini)?
        && configured(sources, &file, directory, &mut location)
    {
        return Ok(location);
    }
    // Flask-Migrate keeps its alembic.ini inside the directory; its version_locations apply.
    let inside = directory.join("migrations/alembic.ini");
    if let Some(file) = load(sources, &inside)?
        && configured(sources, &file, directory, &mut location)
    {
        return Ok(location);
    }
    for place in ["migrations/versions", "alembic/versions"] {
        let path = directory.join(place);
        if is_directory(sources, &path)? {
            location.directories.push(path);
            break;
        }
    }
    Ok(location)
}

fn load(
    sources: &Sources<'_>,
    path: &Path,
) -> Result<Option<std::sync::Arc<SourceFile>>, HostError> {
    match sources.load(path) {
        Ok(file) => Ok(Some(file)),
        Err(error)
            if matches!(
                error.kind,
                HostErrorKind::NotFound | HostErrorKind::NotGiven | HostErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn is_directory(sources: &Sources<'_>, path: &Path) -> Result<bool, HostError> {
    match sources.host().look(path).outcome {
        Outcome::Present(metadata) => Ok(metadata.kind == FileKind::Directory),
        Outcome::Missing { .. } => Ok(false),
        Outcome::Failed(error) => match error.kind {
            HostErrorKind::NotGiven | HostErrorKind::NotADirectory => Ok(false),
            _ => Err(error),
        },
    }
}

struct IniSetting<'t> {
    value: &'t str,
    span: Span,
}

/// Reads an `alembic.ini`; returns false if it names no place.
fn configured(
    sources: &Sources<'_>,
    file: &SourceFile,
    directory: &Path,
    location: &mut Location,
) -> bool {
    let Ok(text) = std::str::from_utf8(&file.bytes) else {
        location.faults.push(fault(file, None, "is not UTF-8"));
        return false;
    };
    let here = file.path.parent().unwrap_or(Path::new(""));
    let settings = |name: &str| setting(file, text, name);
    if let Some(on) = settings("recursive_version_locations").filter(|s| s.value == "true") {
        location.faults.push(fault(file, Some(on.span), "directories below are not read"));
    }
    let before = (location.directories.len(), location.faults.len());
    if let Some(places) = settings("version_locations") {
        let separator = settings("path_separator").or_else(|| settings("version_path_separator"));
        let separator = separator.map(|setting| setting.value);
        for place in split(places.value, separator) {
            take(file, &place, here, directory, places.span, location);
        }
    } else if let Some(place) = settings("script_location") {
        match resolve(place.value, here, directory) {
            Ok(path) => location.directories.push(path.join("versions")),
            Err(reason) => location.faults.push(fault(file, Some(place.span), &reason)),
        }
    }
    let _ = sources;
    (location.directories.len(), location.faults.len()) != before
}

fn take(
    file: &SourceFile,
    place: &str,
    here: &Path,
    directory: &Path,
    span: Span,
    location: &mut Location,
) {
    match resolve(place, here, directory) {
        Ok(path) => location.directories.push(path),
        Err(reason) => location.faults.push(fault(file, Some(span), &reason)),
    }
}

/// Splits a list of places at the configured separator, otherwise at spaces and commas, as Alembic
/// does.
fn split(value: &str, separator: Option<&str>) -> Vec<String> {
    let parts: Vec<&str> = match separator {
        Some("os" | ":") => value.split(':').collect(),
        Some(";") => value.split(';').collect(),
        Some("newline") => value.lines().collect(),
        Some("space") => value.split(' ').collect(),
        _ => value.split([' ', ',', '\n']).collect(),
    };
    parts.iter().map(|part| part.trim()).filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// Resolves a place. `%(here)s` is the directory of the file. A relative path starts where Alembic
/// is run, which is assumed to be the application's directory. `package:path` is an error, because
/// it would require importing the package.
fn resolve(value: &str, here: &Path, directory: &Path) -> Result<PathBuf, String> {
    let value = value.replace("%(here)s", &here.to_string_lossy()).replace("%%", "%");
    if value.contains("%(") {
        return Err("contains a variable that is not known".into());
    }
    if !value.contains('/') && value.contains(':') {
        return Err("is a place inside a package, which is not looked up".into());
    }
    if let Some((package, rest)) = value.split_once(':')
        && !package.contains('/')
    {
        return Err(format!("names {rest} inside the package {package}, which is not looked up"));
    }
    Ok(directory.join(value))
}

/// A key of the section `[alembic]`, with its continuation lines.
fn setting<'t>(file: &SourceFile, text: &'t str, wanted: &str) -> Option<IniSetting<'t>> {
    let (mut inside, mut start) = (false, 0);
    let mut found: Option<(usize, usize)> = None;
    for line in text.split_inclusive('\n') {
        let from = start;
        start += line.len();
        let trimmed = line.trim_end();
        let continued = line.starts_with([' ', '\t']) && !trimmed.trim().is_empty();
        if let Some((_, end)) = found.as_mut() {
            if !continued {
                break;
            }
            *end = from + trimmed.len();
            continue;
        }
        if trimmed.starts_with('[') {
            inside = trimmed == "[alembic]";
        } else if inside
            && !continued
            && !trimmed.starts_with(['#', ';'])
            && let Some((key, value)) = trimmed.split_once(['=', ':'])
            && key.trim().eq_ignore_ascii_case(wanted)
        {
            let at = from + trimmed.len() - value.trim_start().len();
            found = Some((at, from + trimmed.len()));
        }
    }
    let (from, end) = found?;
    Some(IniSetting { value: text.get(from..end)?, span: Span::new(file.id, from, end) })
}

fn fault(file: &SourceFile, span: Option<Span>, message: &str) -> Fault {
    Fault { path: file.path.clone(), span, message: message.into() }
}
