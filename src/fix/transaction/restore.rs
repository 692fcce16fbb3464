//! Undoes a transaction, whatever state a crash or a failure left it in.
//!
//! For each path, it compares the journal, the present content, and the content of the two
//! temporary names. Content that is neither the old nor the new one belongs to somebody else and is
//! left alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;

use super::check::{Handles, between, split, stands};
use super::journal::{Entry, Record};
use super::perform::{Race, Trouble, perform};
use super::step::Step;
use super::{Content, Left};
use crate::host::disk::{Directory, DiskError, DiskErrorKind, Found, Held, Renaming};

/// Restores the old content of every path of a transaction.
pub(super) fn restore(handles: &mut Handles<'_>, record: &Record) -> Result<Vec<Left>, Trouble> {
    let mut left = Vec::new();
    let steps = plan(handles, record, &mut left)
        .map_err(|error| Trouble { cause: error.to_string(), begun: true })?;
    left.extend(perform(handles, &steps, Race::Leave)?);
    Ok(left)
}

fn plan(
    handles: &mut Handles<'_>,
    record: &Record,
    left: &mut Vec<Left>,
) -> Result<Vec<Step>, DiskError> {
    let mut steps = Vec::new();
    // The directories that must be restored first.
    let again: BTreeSet<&Path> = record
        .entries
        .iter()
        .filter(|entry| matches!(entry.change.before, Content::Directory { .. }))
        .map(|entry| entry.change.path.as_path())
        .collect();
    for entry in record.entries.iter().rev() {
        let change = &entry.change;
        let Some((parent, name)) = split(&change.path) else { continue };
        let found = match handles.get(parent) {
            Ok(directory) => {
                tidy(handles, &directory, &name, entry, left)?;
                handles.disk.inspect(&directory, &name)?
            }
            Err(DiskError { kind: DiskErrorKind::NotFound, .. }) => {
                if change.before != Content::Absent && !again.contains(parent) {
                    let why = "its directory is gone".to_owned();
                    left.push(Left { path: change.path.clone(), why });
                    continue;
                }
                None
            }
            Err(error)
                if matches!(error.kind, DiskErrorKind::Link | DiskErrorKind::NotADirectory) =>
            {
                left.push(Left { path: change.path.clone(), why: error.kind.to_string() });
                continue;
            }
            Err(error) => return Err(error),
        };
        if stands(found.as_ref(), &change.before) {
            continue;
        }
        let own = handles.disk.user();
        let ours = stands(found.as_ref(), &change.after)
            || found
                .as_ref()
                .is_some_and(|found| between(found, &change.before, &change.after, own));
        if !ours {
            let why = "somebody else has changed it since, so it stays as it is".to_owned();
            left.push(Left { path: change.path.clone(), why });
            continue;
        }
        steps.push(Step {
            path: change.path.clone(),
            parent: parent.into(),
            name,
            temporary: entry.restore.clone(),
            current: found,
            target: change.before.clone(),
            attributes: Some(entry.attributes.clone()),
            link_owner: entry.link_owner,
        });
    }
    Ok(steps)
}

/// Removes the temporary names of an entry.
fn tidy(
    handles: &Handles<'_>,
    directory: &Directory,
    name: &OsStr,
    entry: &Entry,
    left: &mut Vec<Left>,
) -> Result<(), DiskError> {
    let (before, after) = (&entry.change.before, &entry.change.after);
    for (temporary, target, other) in
        [(&entry.stage, after, before), (&entry.restore, before, after)]
    {
        let Some(aside) = handles.disk.inspect(directory, temporary)? else { continue };
        let standing = handles.disk.inspect(directory, name)?;
        let placed = stands(standing.as_ref(), target);
        let same_inode = standing.as_ref().is_some_and(|one| one.identity == aside.identity);
        if stands(Some(&aside), other) || same_inode || (!placed && is_begun(&aside, target)) {
            handles.disk.unlink(directory, temporary)?;
        } else if placed {
            // The content that was displaced at the last moment is not what was read, so it is put
            // back.
            let how = if standing.is_some() { Renaming::Exchange } else { Renaming::New };
            handles.disk.rename(directory, temporary, name, how)?;
            if how == Renaming::Exchange {
                handles.disk.unlink(directory, temporary)?;
            }
        } else {
            let why = format!("somebody else put {} next to it, which stays", temporary.display());
            left.push(Left { path: entry.change.path.clone(), why });
        }
    }
    Ok(())
}

/// Whether it is the beginning of the content that was to be created.
fn is_begun(aside: &Found, target: &Content) -> bool {
    match (&aside.held, target) {
        (Held::Bytes(held), Content::File { bytes, .. }) => bytes.starts_with(held),
        (Held::Target(held), Content::Link { target }) => held == target,
        _ => false,
    }
}
