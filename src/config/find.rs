//! Finds the settings file: in the starting directory or above it, up to the top of the repository,
//! otherwise in `/etc` of the host.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::host::{FileKind, Host, HostError, HostErrorKind, Outcome, holds_git};

/// The name of the settings file.
pub const NAME: &str = "deploy-doctor.toml";
/// The path of a host's settings file.
pub const HOME: &str = "/etc/deploy-doctor.toml";

/// Why an existing file is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FindError {
    /// The file cannot be examined.
    Unreadable(HostError),
    /// The file belongs to another account: anyone who can write in a directory above could accept
    /// findings, or have URLs requested, on behalf of the account that runs the program.
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
}

impl fmt::Display for FindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Foreign { path, owner } => {
                let path = path.display();
                write!(
                    f,
                    "{path} belongs to account {owner}, neither to you nor to the owner of this \
                     directory: it is not used. If you want it: --config {path}"
                )
            }
        }
    }
}

/// The nearest file in `start` or above. The search stops at a directory that contains `.git`. `me`
/// is the account that runs the program.
pub fn find(host: &dyn Host, start: &Path, me: u32) -> Result<Option<PathBuf>, FindError> {
    let mut trusted = vec![0, me];
    trusted.extend(host.look(start).metadata().map(|directory| directory.uid));
    for directory in start.ancestors() {
        let path = directory.join(NAME);
        match host.look(&path).outcome {
            Outcome::Present(found) if found.kind == FileKind::Directory => {}
            Outcome::Present(found) if trusted.contains(&found.uid) => return Ok(Some(path)),
            Outcome::Present(found) => return Err(FindError::Foreign { path, owner: found.uid }),
            Outcome::Missing { .. } => {}
            // A directory that this account may not enter has no settings for it.
            Outcome::Failed(error) if error.kind == HostErrorKind::PermissionDenied => {}
            Outcome::Failed(error) => return Err(FindError::Unreadable(error)),
        }
        if holds_git(host, directory) {
            break;
        }
    }
    Ok(None)
}

/// The top of the repository that contains a directory; the directory itself if there is no
/// repository.
pub fn top(host: &dyn Host, start: &Path) -> PathBuf {
    let top = start.ancestors().find(|directory| holds_git(host, directory));
    top.unwrap_or(start).to_path_buf()
}
