//! Which files an `include` includes: `ngx_conf_include` and `ngx_conf_full_name`, glob(3).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::FaultKind;
use crate::host::{HostError, HostErrorKind, Outcome};
use crate::source::{SourceFile, Sources};

/// The result of one path of an `include`.
pub(super) enum Included {
    /// The file was read.
    File(PathBuf, Arc<SourceFile>),
    /// nginx cannot read the file either.
    Fault(FaultKind, String),
    /// The file could not be read here.
    NotRead(HostError),
}

/// The files of an `include`, in nginx's order. A relative path starts at `prefix`, the directory
/// of the main file, whichever file contains the `include`.
pub(super) fn resolve(sources: &Sources<'_>, prefix: &Path, argument: &[u8]) -> Vec<Included> {
    let path = prefix.join(OsStr::from_bytes(argument));
    if !argument.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
        return vec![read(sources, path)];
    }
    match sources.host().glob(&path) {
        Ok(found) => found.into_iter().map(|path| read(sources, path)).collect(),
        Err(error) => vec![Included::NotRead(error)],
    }
}

fn read(sources: &Sources<'_>, path: PathBuf) -> Included {
    let error = match sources.load(&path) {
        Ok(file) => return Included::File(path, file),
        Err(error) => error,
    };
    let shown = path.display();
    match &error.kind {
        HostErrorKind::NotFound => {
            let lookup = sources.host().look(&path);
            let place = match (lookup.links.last(), &lookup.outcome) {
                (Some(link), Outcome::Missing { .. }) => format!(
                    ": {} is a link to {}, which does not exist",
                    link.link.display(),
                    link.target.display()
                ),
                _ => String::new(),
            };
            let message =
                format!("open() \"{shown}\" failed (2: No such file or directory){place}");
            Included::Fault(FaultKind::IncludeMissing, message)
        }
        HostErrorKind::NotADirectory => Included::Fault(
            FaultKind::IncludeMissing,
            format!("open() \"{shown}\" failed (20: Not a directory)"),
        ),
        HostErrorKind::LinkLoop => Included::Fault(
            FaultKind::IncludeMissing,
            format!("open() \"{shown}\" failed (40: Too many levels of symbolic links)"),
        ),
        HostErrorKind::NotAFile(crate::host::FileKind::Directory) => Included::Fault(
            FaultKind::IncludeNotAFile,
            format!("pread() \"{shown}\" failed (21: Is a directory)"),
        ),
        HostErrorKind::NotAFile(kind) => {
            Included::Fault(FaultKind::IncludeNotAFile, format!("\"{shown}\" is {kind}"))
        }
        _ => Included::NotRead(error),
    }
}
