//! A Python virtual environment: its interpreter, and what is installed in it.
//!
//! Sources: PEP 405 (`pyvenv.cfg`), PEP 376 and 627 (`RECORD`), PEP 503 (names), PEP 610
//! (`direct_url.json`), Python's `site` module (`.pth`). Only `site-packages` and the names in each
//! `*.dist-info` are listed here, which takes milliseconds. Anything more expensive is read only
//! when needed: [`metadata::read`], [`record::missing_files`], [`record::direct_url`],
//! [`pth::read`].

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

/// Something in the environment that is broken or could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file or directory.
    pub path: PathBuf,
    /// The place in the file, if it is text.
    pub span: Option<Span>,
    /// What is wrong, in a few words.
    pub message: String,
}

/// One virtual environment.
#[derive(Debug, Clone)]
pub struct Venv {
    /// Its directory, as requested.
    pub path: PathBuf,
    /// `pyvenv.cfg`, if it could be read.
    pub config: Option<Config>,
    /// The Python versions that have a `lib/pythonX.Y/site-packages` here. If there are several,
    /// Python was upgraded in place, and only the version of the interpreter counts.
    pub libraries: Vec<(u8, u8)>,
    /// The `site-packages` that the interpreter uses, if known.
    pub site_packages: Option<PathBuf>,
    /// `bin/python`, with links resolved.
    pub python: Lookup,
    /// The installed distributions, in the order of the file names. One name may occur twice.
    pub distributions: Vec<Distribution>,
    /// `~name` directories, which an interrupted removal or upgrade by pip leaves behind.
    pub leftovers: Vec<PathBuf>,
    /// `*.pth` files; those of editable installs begin with `__editable__`.
    pub path_files: Vec<PathBuf>,
    /// What could not be read or understood.
    pub faults: Vec<Fault>,
    names: HashSet<OsString>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Venv {
    /// Every installed distribution with this name (in any spelling). If there are several, the
    /// package is installed twice, and which one Python uses depends on the order of the directory.
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

    /// Whether there is an entry with this name directly in `site-packages`.
    pub fn has_entry(&self, name: &str) -> bool {
        self.names.contains(OsString::from(name).as_os_str())
    }

    /// Whether `bin/python` leads to nothing.
    pub fn python_dangling(&self) -> bool {
        matches!(self.python.outcome, Outcome::Missing { .. })
    }

    /// The version in the name of the file behind `bin/python` (`/usr/bin/python3.12`): that of the
    /// Python that runs, whatever Python this environment was created for.
    pub fn interpreter(&self) -> Option<(u8, u8)> {
        self.python.metadata()?;
        let name = self.python.resolved.file_name()?.to_str()?;
        config::minor_of(name.strip_prefix("python")?)
    }

    /// Whether packages outside of this environment can be imported too, so that an absent package
    /// is not known to be missing. Also true if `pyvenv.cfg` could not be read.
    pub fn sees_system_packages(&self) -> bool {
        self.config.as_ref().is_none_or(|config| config.system_site_packages)
    }

    /// The first `.pth` file that may add directories. The one that setuptools puts into every
    /// older environment adds none.
    pub fn path_file_that_adds(&self) -> Option<&Path> {
        let adds = |path: &&PathBuf| !path.ends_with("distutils-precedence.pth");
        self.path_files.iter().find(adds).map(PathBuf::as_path)
    }

    /// Why an absent package is not known to be missing, or `None` if `site-packages` is complete.
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

    /// Why an installed distribution may be missing from the list: a `*.egg`, `*.egg-info` or
    /// `*.dist-info` that was not understood.
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

/// Reads an environment. Fails only if `venv` itself cannot be listed; anything missing or broken
/// below it is among [`Venv::faults`].
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

/// The interpreter's version: from the name of the file behind `bin/python`, otherwise from
/// `lib/pythonX.Y`, or from `pyvenv.cfg` if there are several of these. `None` if they contradict
/// each other.
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
