//! A Python virtual environment: its interpreter, and what is installed in it.
//!
//! Sources: PEP 405 (`pyvenv.cfg`), PEP 376 and 627 (`RECORD`), PEP 503 (names), PEP 610
//! (`direct_url.json`), Python's `site` module (`.pth`). Only `site-packages` and the names in each
//! `*.dist-info` are listed here, which takes milliseconds; what costs more is read only when it is
//! needed: [`metadata::read`], [`record::missing_files`], [`record::direct_url`], [`pth::read`].

pub mod config;
mod distribution;
pub mod markers;
pub mod metadata;
pub mod pth;
pub mod record;
pub mod shebang;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Sources, Span};
use crate::host::{Host, HostError, HostErrorKind, Lookup, Outcome};

pub use config::Config;
pub use distribution::{Distribution, DistributionKind, normalise};
pub use markers::Markers;
pub use shebang::{Shebang, shebang};

/// Something in the environment that could not be understood, or that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which file or directory.
    pub path: PathBuf,
    /// Where in it, if it is a text.
    pub span: Option<Span>,
    /// What is wrong, in a few words.
    pub message: String,
}

/// One virtual environment.
#[derive(Debug, Clone)]
pub struct Venv {
    /// Its directory, as it was asked for.
    pub path: PathBuf,
    /// `pyvenv.cfg`, where it could be read.
    pub config: Option<Config>,
    /// The Python versions that have a `lib/pythonX.Y/site-packages` here. More than one: Python
    /// was upgraded in place, and only the interpreter's own counts.
    pub libraries: Vec<(u8, u8)>,
    /// The `site-packages` that the interpreter uses, where it is known.
    pub site_packages: Option<PathBuf>,
    /// `bin/python`, walked to its end.
    pub python: Lookup,
    /// What is installed, in the order of the file names. One name may be there twice.
    pub distributions: Vec<Distribution>,
    /// `~name` directories: what pip left of a removal or an upgrade that was interrupted.
    pub leftovers: Vec<PathBuf>,
    /// `*.pth` files; those of editable installs begin with `__editable__`.
    pub path_files: Vec<PathBuf>,
    /// What could not be read or understood.
    pub faults: Vec<Fault>,
    names: HashSet<OsString>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Venv {
    /// Every installed distribution of this name (in any spelling). More than one: it is installed
    /// twice, and which one Python sees depends on the order of the directory.
    pub fn find(&self, name: &str) -> impl Iterator<Item = &Distribution> {
        let indices = self.by_name.get(&normalise(name)).map_or(&[][..], Vec::as_slice);
        indices.iter().filter_map(|index| self.distributions.get(*index))
    }

    /// The names that are installed more than once, sorted.
    pub fn doubled(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .by_name
            .iter()
            .filter(|(_, places)| places.len() > 1)
            .map(|(name, _)| name.as_str())
            .collect();
        names.sort_unstable();
        names
    }

    /// Is there an entry of this name directly in `site-packages`?
    pub fn has_entry(&self, name: &str) -> bool {
        self.names.contains(OsString::from(name).as_os_str())
    }

    /// `bin/python` leads to nothing.
    pub fn python_dangling(&self) -> bool {
        matches!(self.python.outcome, Outcome::Missing { .. })
    }

    /// The version that the file behind `bin/python` has in its name (`/usr/bin/python3.12`):
    /// that of the Python that runs, whatever this environment was made for.
    pub fn interpreter(&self) -> Option<(u8, u8)> {
        self.python.metadata()?;
        let name = self.python.resolved.file_name()?.to_str()?;
        config::minor_of(name.strip_prefix("python")?)
    }

    /// Packages outside of this environment can be imported too, so that an absent one is not
    /// known to be missing. Also true where `pyvenv.cfg` could not be read.
    pub fn sees_system_packages(&self) -> bool {
        self.config.as_ref().is_none_or(|config| config.system_site_packages)
    }

    /// The first `.pth` file that may add directories: what setuptools brings into every older
    /// environment adds none.
    pub fn path_file_that_adds(&self) -> Option<&Path> {
        let adds = |path: &&PathBuf| !path.ends_with("distutils-precedence.pth");
        self.path_files.iter().find(adds).map(PathBuf::as_path)
    }

    /// What cannot be known about absent packages, or `None` if `site-packages` is all there is.
    pub fn absence_unknown(&self) -> Option<String> {
        if self.site_packages.is_none() {
            return Some("site-packages of the venv was not found".into());
        }
        match &self.config {
            None => Some("pyvenv.cfg was not read".into()),
            Some(config) if config.system_site_packages => {
                Some("the venv also sees the system's packages".into())
            }
            Some(_) => self.unread_installs(),
        }
    }

    /// Distributions of a kind whose name is not told by the listing (`*.egg`, `*.egg-link`).
    fn unread_installs(&self) -> Option<String> {
        let fault = self.faults.iter().find(|fault| {
            fault
                .path
                .extension()
                .is_some_and(|e| e == "egg" || e == "egg-info" || e == "dist-info")
        })?;
        Some(format!("{} was not understood", fault.path.display()))
    }
}

/// Reads an environment. An error means that `venv` itself cannot be seen; everything below that
/// is missing or broken is among [`Venv::faults`].
pub fn read(host: &dyn Host, sources: &Sources<'_>, venv: &Path) -> Result<Venv, HostError> {
    let entries = host.list(venv)?;
    let mut faults = Vec::new();
    let config_path = venv.join("pyvenv.cfg");
    let config = match sources.load(&config_path) {
        Ok(file) => Some(config::parse(&file, &mut faults)),
        Err(error) => {
            faults.push(fault(&config_path, error.kind.to_string()));
            None
        }
    };
    let python = host.look(&venv.join("bin/python"));
    let libraries = if entries.iter().any(|name| name == "lib") {
        libraries(host, venv, &mut faults)
    } else {
        faults.push(fault(&venv.join("lib"), HostErrorKind::NotFound.to_string()));
        Vec::new()
    };
    let mut read = Venv {
        path: venv.into(),
        config,
        libraries,
        site_packages: None,
        python,
        distributions: Vec::new(),
        leftovers: Vec::new(),
        path_files: Vec::new(),
        faults,
        names: HashSet::new(),
        by_name: HashMap::new(),
    };
    if let Some((major, minor)) = python_version(&read) {
        let path = venv.join(format!("lib/python{major}.{minor}/site-packages"));
        match host.list(&path) {
            Ok(names) => {
                read.site_packages = Some(path);
                read.take(host, names);
            }
            Err(error) => read.faults.push(fault(&path, error.kind.to_string())),
        }
    }
    Ok(read)
}

/// The interpreter's version: what the file behind `bin/python` is called, else what
/// `lib/pythonX.Y` says, or `pyvenv.cfg` where several are there. `None` where they cannot be
/// brought together.
pub fn python_version(venv: &Venv) -> Option<(u8, u8)> {
    if let Some(version) = venv.interpreter() {
        return Some(version);
    }
    let configured = venv.config.as_ref().and_then(Config::minor);
    match venv.libraries.as_slice() {
        [] => configured,
        [one] => Some(*one),
        several => configured.filter(|version| several.contains(version)),
    }
}

fn libraries(host: &dyn Host, venv: &Path, faults: &mut Vec<Fault>) -> Vec<(u8, u8)> {
    let path = venv.join("lib");
    let names = match host.list(&path) {
        Ok(names) => names,
        Err(error) => {
            faults.push(fault(&path, error.kind.to_string()));
            return Vec::new();
        }
    };
    let version = |name: &OsString| config::minor_of(name.to_str()?.strip_prefix("python")?);
    names
        .iter()
        .filter(|name| host.look(&path.join(name).join("site-packages")).metadata().is_some())
        .filter_map(version)
        .collect()
}

impl Venv {
    fn take(&mut self, host: &dyn Host, names: Vec<OsString>) {
        let Some(site) = self.site_packages.clone() else { return };
        for name in &names {
            let path = site.join(name);
            let Some(text) = name.to_str() else {
                if matches!(
                    path.extension().and_then(|e| e.to_str()),
                    Some("dist-info" | "egg-info")
                ) {
                    self.faults.push(fault(&path, "the name is not UTF-8"));
                }
                continue;
            };
            if text.starts_with('~') {
                self.leftovers.push(path);
            } else if text.ends_with(".pth") {
                self.path_files.push(path);
            } else if text.ends_with(".egg") {
                self.faults.push(fault(&path, "an egg is not read"));
            } else if let Some(found) = distribution::read(host, &path, text, &mut self.faults) {
                self.by_name.entry(found.name.clone()).or_default().push(self.distributions.len());
                self.distributions.push(found);
            }
        }
        self.names = names.into_iter().collect();
    }
}

fn fault(path: &Path, message: impl Into<String>) -> Fault {
    Fault { path: path.into(), span: None, message: message.into() }
}
