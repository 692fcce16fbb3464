//! systemd and nginx of every Debian that the end-to-end tests have, to hold a reader against: those
//! of the machine, and those of the roots under `e2e/`, run from there by their own loader, so that
//! no container is needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::suite::Suite;

/// Where programs come from.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The root; none for the machine itself.
    root: Option<PathBuf>,
}

impl Peer {
    /// The machine.
    pub fn machine() -> Self {
        Self { root: None }
    }

    /// The Debian in this directory.
    pub fn of(root: PathBuf) -> Self {
        Self { root: Some(root) }
    }

    /// The machine and every root, or the one that `DEPLOY_DOCTOR_SUITE` names. Says of what is not
    /// here that it was left out.
    pub fn all() -> Vec<Self> {
        let machine = Suite::only().is_none().then(Self::machine);
        let roots = Suite::asked().into_iter().filter_map(|suite| match suite.root() {
            Ok(root) => Some(Self::of(root)),
            Err(why) => {
                super::skip(why);
                None
            }
        });
        machine.into_iter().chain(roots).collect()
    }

    /// A path of this Debian, as it is reached from here.
    pub fn path(&self, path: &str) -> PathBuf {
        match &self.root {
            Some(root) => root.join(path.trim_start_matches('/')),
            None => path.into(),
        }
    }

    /// Runs a program that was made for this Debian or an older one.
    pub fn command(&self, program: &Path) -> Command {
        let Some(root) = &self.root else { return Command::new(program) };
        let loader = found(&root.join("usr/lib64"), "ld-linux-")
            .or_else(|| found(&root.join("usr/lib"), "ld-linux-"))
            .expect("a root has a loader");
        let libraries = self.libraries();
        let libraries: Vec<&str> = libraries.iter().filter_map(|path| path.to_str()).collect();
        let mut command = Command::new(loader);
        command.arg("--library-path").arg(libraries.join(":")).arg(program);
        command
    }

    /// systemd's own library, where systemd is installed.
    pub fn libsystemd(&self) -> Option<PathBuf> {
        self.libraries().iter().find_map(|place| found(place, "libsystemd-shared-"))
    }

    /// The directories of libraries, systemd's own among them.
    fn libraries(&self) -> Vec<PathBuf> {
        let mut places = vec![self.path("/usr/lib/systemd")];
        for entry in std::fs::read_dir(self.path("/usr/lib")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.contains("-linux-gnu") {
                places.push(entry.path());
                places.push(entry.path().join("systemd"));
            }
        }
        places
    }
}

/// The first file in a directory whose name begins so, that is a library.
fn found(directory: &Path, start: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(start) && name.contains(".so")
    };
    entries.map(|entry| entry.path()).filter(fits).min()
}
