//! The files of a repository that the user named (`--unit F`, `--nginx F`, `--app-dir D` …).
//!
//! Only what was named is visible, and what is below a named directory. Everything else is neither
//! present nor missing: it was not given, and the facts that need it stay unknown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::tidy;
use super::{Host, HostError, HostErrorKind, Lookup, Metadata, Outcome, TreeHost};

/// A view of this machine that is narrowed to the paths named on the command line.
#[derive(Debug)]
pub struct FilesHost {
    tree: TreeHost,
    /// The directory that relative paths start from.
    directory: PathBuf,
    given: Vec<PathBuf>,
    /// What is behind a link that leads out of the directories given is not seen either.
    fenced: bool,
}

impl FilesHost {
    /// `directory` is the working directory; `given` the files and directories, as written.
    pub fn new(directory: PathBuf, given: &[PathBuf]) -> Result<Self, HostError> {
        let given = given.iter().map(|path| tidy(&directory.join(path))).collect();
        Ok(Self { tree: TreeHost::live()?, directory, given, fenced: false })
    }

    /// A repository's directories. Its links lead nowhere outside of them.
    pub fn fenced(directory: PathBuf, given: &[PathBuf]) -> Result<Self, HostError> {
        let mut host = Self::new(directory, given)?;
        // Where a directory itself is reached through a link, its own name counts.
        let own = |path: &PathBuf| host.tree.look(path).resolved;
        host.given = host.given.iter().flat_map(|path| [path.clone(), own(path)]).collect();
        host.fenced = true;
        Ok(host)
    }

    fn place(&self, path: &Path) -> Result<PathBuf, HostError> {
        let place = tidy(&self.directory.join(path));
        let inside = |path: &Path| self.given.iter().any(|given| path.starts_with(given));
        if inside(&place) && (!self.fenced || inside(&self.tree.look(&place).resolved)) {
            return Ok(place);
        }
        Err(HostError { path: path.into(), kind: HostErrorKind::NotGiven })
    }
}

impl Host for FilesHost {
    fn look(&self, path: &Path) -> Lookup {
        match self.place(path) {
            Ok(place) => Lookup { path: path.into(), ..self.tree.look(&place) },
            Err(error) => Lookup {
                path: path.into(),
                resolved: path.into(),
                links: Vec::new(),
                steps: Vec::new(),
                outcome: Outcome::Failed(error),
            },
        }
    }

    fn link_metadata(&self, path: &Path) -> Result<Metadata, HostError> {
        rename(path, self.tree.link_metadata(&self.place(path)?))
    }

    fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, HostError> {
        rename(path, self.tree.read(&self.place(path)?, limit))
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, HostError> {
        rename(path, self.tree.read_link(&self.place(path)?))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, HostError> {
        rename(path, self.tree.list(&self.place(path)?))
    }
}

/// An error mentions the path as the user wrote it.
fn rename<T>(path: &Path, result: Result<T, HostError>) -> Result<T, HostError> {
    result.map_err(|error| HostError { path: path.into(), ..error })
}
