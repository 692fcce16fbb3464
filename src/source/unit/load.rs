//! Units by name, as systemd finds and merges them.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::effective::Unit;
use super::name::UnitName;
use super::paths::{Listing, UnitPaths};
use super::specifier::Specifiers;
use super::syntax::{self, UnitFile};
use super::template;
use crate::host::{HostError, HostErrorKind};
use crate::source::{SourceFile, Sources};

/// Why a unit could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// No directory of the search path contains the unit.
    NotFound {
        /// The name.
        name: UnitName,
        /// The directories that were searched.
        searched: Vec<PathBuf>,
        /// What could not be read, and may contain the unit.
        problems: Vec<HostError>,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NotFound { name, searched, problems } = self;
        match searched.as_slice() {
            [only] => write!(f, "there is no unit {name} in {}", only.display())?,
            _ => write!(f, "there is no unit {name} in any of systemd's directories")?,
        }
        match problems.first() {
            Some(problem) => write!(f, "; not all could be read: {problem}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads one unit. To load many, scan the search path once with [`UnitPaths`].
pub fn load(sources: &Sources, name: &UnitName) -> Result<Unit, LoadError> {
    UnitPaths::scan(sources).load(sources, name)
}

/// All units of the search path.
pub fn list(sources: &Sources) -> Listing {
    UnitPaths::scan(sources).list_units()
}

/// Reads one file as a unit of its own: no search path, no drop-ins. The unit is named after the
/// file, without what follows the type's suffix (`app.service.j2`).
pub fn from_file(sources: &Sources, path: &Path) -> Result<Unit, HostError> {
    let file = sources.load(path)?;
    let name = name_of_file(path);
    let mut unit = Unit::new(name.clone(), path.into(), Specifiers::new(name));
    unit.fragment = Some(of_template(file));
    for drop_in in drop_ins_beside(sources, path)? {
        unit.drop_ins.push(of_template(sources.load(&drop_in)?));
    }
    unit.check_commands();
    Ok(unit)
}

/// Parses a file of a repository, which may be a template.
fn of_template(file: Arc<SourceFile>) -> UnitFile {
    let mut unit = syntax::parse(file);
    template::open(&mut unit);
    unit
}

/// The drop-ins in `FILE.d`, as systemd would find them next to an installed unit.
fn drop_ins_beside(sources: &Sources, path: &Path) -> Result<Vec<PathBuf>, HostError> {
    let mut directory = path.as_os_str().to_owned();
    directory.push(".d");
    let directory = PathBuf::from(directory);
    match sources.host().list(&directory) {
        Ok(names) => Ok(names
            .iter()
            .filter(|name| {
                let name = name.as_encoded_bytes();
                name.ends_with(b".conf") && !name.starts_with(b".")
            })
            .map(|name| directory.join(name))
            .collect()),
        Err(error) => match error.kind {
            HostErrorKind::NotFound | HostErrorKind::NotADirectory | HostErrorKind::NotGiven => {
                Ok(Vec::new())
            }
            _ => Err(error),
        },
    }
}

/// The name of the unit that a file is named after, even if more endings follow: `x.service.j2`.
pub fn name_of_file(path: &Path) -> UnitName {
    let file = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let file = file.unwrap_or_default();
    let mut text = file.as_str();
    loop {
        if let Some(name) = UnitName::exact(text) {
            return name;
        }
        let Some((shorter, _)) = text.rsplit_once('.') else { break };
        text = shorter;
    }
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_.@".contains(c) { c } else { '_' };
    let cleaned: String = file.chars().take(200).map(safe).collect();
    UnitName::parse(&cleaned)
        .or_else(|| UnitName::exact(&format!("unit-{}.service", cleaned.replace(['@', '.'], "_"))))
        .unwrap_or_else(UnitName::unnamed)
}

impl UnitPaths {
    /// Loads a unit by any of its names.
    pub fn load(&self, sources: &Sources, name: &UnitName) -> Result<Unit, LoadError> {
        let Some(found) = self.find(name) else {
            return Err(LoadError::NotFound {
                name: name.clone(),
                searched: self.directories().to_vec(),
                problems: self.problems.clone(),
            });
        };
        let specifiers = Specifiers {
            name: found.name.clone(),
            fragment: Some(found.path.clone()),
            systemd: self.systemd,
        };
        let mut unit = Unit::new(found.name.clone(), found.path.clone(), specifiers);
        unit.problems = self.problems.clone();
        unit.aliases = self.aliases(&found.name);
        if name != &found.name && !unit.aliases.contains(name) {
            unit.aliases.push(name.clone());
        }
        let mut names = vec![found.name];
        names.extend(unit.aliases.iter().cloned());
        unit.pulled_by = self.pulls(&names);
        if found.masked {
            unit.masked = true;
            return Ok(unit);
        }
        match sources.load(&found.path) {
            Ok(file) => unit.fragment = Some(syntax::parse_as(file, self.systemd)),
            Err(error) => unit.problems.push(error),
        }
        let drop_ins = self.drop_ins(sources.host(), &names, &mut unit.problems);
        unit.masked_drop_ins = drop_ins.masked;
        for path in drop_ins.files {
            match sources.load(&path) {
                Ok(file) => unit.drop_ins.push(syntax::parse_as(file, self.systemd)),
                Err(error) => unit.problems.push(error),
            }
        }
        unit.check_commands();
        Ok(unit)
    }
}
