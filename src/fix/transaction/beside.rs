//! Backups next to the changed files (`--backup`). Backups are changes like any other, so they are
//! written together with the other changes or not at all. Their names match no include, drop-in or
//! glob.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::check::{self, Handles};
use super::{Change, Content, StoreError};

/// The backup files next to the changed files, with their old content.
pub(super) fn backups(
    handles: &mut Handles<'_>,
    changes: &[Change],
) -> Result<Vec<Change>, StoreError> {
    let mut taken: BTreeSet<PathBuf> = changes.iter().map(|change| change.path.clone()).collect();
    let removed: BTreeSet<&Path> = changes
        .iter()
        .filter(|change| matches!(change.before, Content::Directory { .. }))
        .filter(|change| change.after == Content::Absent)
        .map(|change| change.path.as_path())
        .collect();
    let mut backups = Vec::new();
    for change in changes {
        let Content::File { bytes, .. } = &change.before else { continue };
        // A directory that will be removed must be empty.
        if change.path.ancestors().any(|above| removed.contains(above)) {
            continue;
        }
        let same = |after: &Content| matches!(after, Content::File { bytes: b, .. } if b == bytes);
        let Some((parent, name)) = check::split(&change.path) else { continue };
        if same(&change.after) {
            continue;
        }
        let directory = handles.get(parent)?;
        let mut free = None;
        for number in 0..1000 {
            // No pattern of nginx or systemd matches a name that begins with a dot.
            let mut beside = std::ffi::OsString::from(".");
            beside.push(&name);
            beside.push(".orig");
            if number > 0 {
                beside.push(format!(".{number}"));
            }
            let path = parent.join(&beside);
            if !taken.contains(&path) && handles.disk.inspect(&directory, &beside)?.is_none() {
                free = Some(path);
                break;
            }
        }
        let Some(path) = free else {
            let why = "has a thousand backups beside it".to_owned();
            return Err(StoreError::Untrusted { path: change.path.clone(), why });
        };
        taken.insert(path.clone());
        backups.push(Change { path, before: Content::Absent, after: change.before.clone() });
    }
    Ok(backups)
}
