//! Which program reads which file: systemd its units, a service its environment files and
//! gunicorn's configuration, nginx its own files.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::facts::Deployment;
use crate::source::{FileId, Sources};

/// The readers of each file, by path with links resolved.
#[derive(Debug, Default)]
pub struct Owners {
    units: HashMap<PathBuf, Vec<String>>,
    at_start: HashMap<PathBuf, Vec<String>>,
    at_reload: HashMap<PathBuf, Vec<String>>,
    nginx: HashSet<PathBuf>,
    nginx_options: Vec<String>,
}

/// The programs that can judge a change: systemd changes to units, nginx changes to its own files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Concerned {
    /// The units with a changed file.
    pub units: BTreeSet<String>,
    /// The words behind `nginx -t`, if a file of nginx changes.
    pub nginx: Option<Vec<String>>,
}

impl Owners {
    /// The owners of all files that were read.
    pub fn of(deployment: &Deployment, sources: &Sources) -> Self {
        let resolved = |path: &Path| sources.host().look(path).resolved;
        let of = |id: FileId| resolved(&sources.file(id).path);
        let nginx_options = deployment.nginx.started.options.clone();
        let mut owners = Self { nginx_options, ..Self::default() };
        for app in &deployment.apps {
            for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
                for file in unit.files() {
                    let path = resolved(&file.file.path);
                    owners.units.entry(path).or_default().push(unit.name.to_string());
                }
            }
            for file in app.environment.read_files() {
                let path = of(file.source.id);
                owners.at_start.entry(path).or_default().push(app.name.clone());
            }
            // A script that starts gunicorn is read only at the start.
            for script in app.gunicorn.launch.ok().into_iter().flat_map(|launch| &launch.scripts) {
                let path = of(script.file());
                owners.at_start.entry(path).or_default().push(app.name.clone());
            }
            if let Some(Some(config)) = app.gunicorn.config.ok() {
                let path = resolved(&config.place.path);
                owners.at_reload.entry(path).or_default().push(app.name.clone());
            }
        }
        owners.nginx.extend(deployment.nginx.files().into_iter().map(of));
        owners
    }

    /// The units that a file belongs to.
    pub fn units(&self, path: &Path) -> &[String] {
        named(&self.units, path)
    }

    /// The services that read a file only when they start.
    pub fn at_start(&self, path: &Path) -> &[String] {
        named(&self.at_start, path)
    }

    /// The services that read a file again when they reload.
    pub fn at_reload(&self, path: &Path) -> &[String] {
        named(&self.at_reload, path)
    }

    /// Whether nginx reads it.
    pub fn is_nginx(&self, path: &Path) -> bool {
        self.nginx.contains(path)
    }

    /// The programs that changes to these paths concern.
    pub fn concerned<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Concerned {
        let mut concerned = Concerned::default();
        for path in paths {
            if self.is_nginx(path) {
                concerned.nginx = Some(self.nginx_options.clone());
            }
            concerned.units.extend(self.units(path).iter().cloned());
        }
        concerned
    }
}

fn named<'a>(owners: &'a HashMap<PathBuf, Vec<String>>, path: &Path) -> &'a [String] {
    owners.get(path).map_or(&[], Vec::as_slice)
}
