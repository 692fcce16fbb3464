//! The files of a repository that the user named (`--unit F`, `--nginx F`, `--app-dir D` …).
//!
//! Only the named files and the content of the named directories are visible. Everything else is
//! neither present nor missing: it was not given, and the facts that need it stay unknown.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::tidy;
use super::{Host, HostError, HostErrorKind, Lookup, Metadata, TreeHost};

/// A view of this machine that is restricted to the paths named on the command line.
#[derive(Debug)]
pub struct FilesHost {
    tree: TreeHost,
    /// The directory that relative paths start from.
    directory: PathBuf,
    given: Vec<PathBuf>,
    /// Whether the targets of links that leave the given directories are hidden too.
    fenced: bool,
}

impl FilesHost {
    /// `directory` is the working directory, `given` the named files and directories, as written.
    pub fn new(directory: PathBuf, given: &[PathBuf]) -> Result<Self, HostError> {
        let given = given.iter().map(|path| tidy(&directory.join(path))).collect();
        Ok(Self { tree: TreeHost::live()?, directory, given, fenced: false })
    }

    /// A view of a repository's directories. Its links cannot lead outside of them.
    pub fn fenced(directory: PathBuf, given: &[PathBuf]) -> Result<Self, HostError> {
        let mut host = Self::new(directory, given)?;
        // If a given directory is itself reached through a link, its own path counts.
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
            Err(error) => Lookup::refused(path, error),
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

/// Makes an error mention the path as the user wrote it.
fn rename<T>(path: &Path, result: Result<T, HostError>) -> Result<T, HostError> {
    result.map_err(|error| HostError { path: path.into(), ..error })
}
