//! Compares the content of each path with the expected content, before anything is written.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::journal::{Entry, Record};
use super::{Change, Content, Refusal, Why};
use crate::host::FileKind;
use crate::host::disk::{Directory, Disk, DiskError, DiskErrorKind, Found, Held};

/// The most bytes that one content may have.
const CONTENT_LIMIT: usize = 16 << 20;

/// The directories in use, each opened only once, so that the directory that was checked is the one
/// that is written to.
pub(super) struct Handles<'d> {
    pub(super) disk: &'d dyn Disk,
    open: BTreeMap<PathBuf, Rc<Directory>>,
}

impl<'d> Handles<'d> {
    pub(super) fn new(disk: &'d dyn Disk) -> Self {
        Self { disk, open: BTreeMap::new() }
    }

    /// The directory with this path.
    pub(super) fn get(&mut self, path: &Path) -> Result<Rc<Directory>, DiskError> {
        if let Some(directory) = self.open.get(path) {
            return Ok(Rc::clone(directory));
        }
        let directory = Rc::new(self.disk.directory(path)?);
        self.open.insert(path.into(), Rc::clone(&directory));
        Ok(directory)
    }

    /// Forgets a directory that no longer exists; a new one with the same name would be a different
    /// directory.
    pub(super) fn forget(&mut self, path: &Path) {
        self.open.remove(path);
    }

    /// All open directories.
    pub(super) fn all(&self) -> impl Iterator<Item = (&PathBuf, &Rc<Directory>)> {
        self.open.iter()
    }
}

/// A path's directory and its name in it.
pub(super) fn split(path: &Path) -> Option<(&Path, OsString)> {
    Some((path.parent()?, path.file_name()?.to_owned()))
}

/// What differs between the found and the expected content; `None` if they are the same.
pub(super) fn difference(found: Option<&Found>, content: &Content) -> Option<&'static str> {
    let Some(found) = found else {
        return (*content != Content::Absent).then_some("it is gone");
    };
    let same_dress = |mode: u32, uid: u32, gid: u32| {
        if found.metadata.mode != mode {
            Some("its mode")
        } else if (found.metadata.uid, found.metadata.gid) != (uid, gid) {
            Some("its owner")
        } else {
            None
        }
    };
    match (content, &found.held) {
        (Content::Absent, _) => Some("something is there now"),
        (Content::File { bytes, mode, uid, gid }, Held::Bytes(held)) => {
            if bytes == held {
                same_dress(*mode, *uid, *gid)
            } else {
                Some("its content")
            }
        }
        (Content::Directory { mode, uid, gid }, _) if is_directory(found) => {
            same_dress(*mode, *uid, *gid)
        }
        (Content::Link { target }, Held::Target(held)) => {
            (target != held).then_some("where the link leads")
        }
        _ => Some("it is a different kind of file"),
    }
}

/// Whether the found content is the expected one.
pub(super) fn stands(found: Option<&Found>, content: &Content) -> bool {
    difference(found, content).is_none()
}

/// Whether this is a state between the old and the new content that a crash may leave: owner and
/// mode are set one after the other, and changing the owner clears the set-user-id bits.
pub(super) fn between(found: &Found, before: &Content, after: &Content, own: u32) -> bool {
    let now = &found.metadata;
    let (bits, owners): (Vec<u32>, Vec<(u32, u32)>) = [before, after]
        .iter()
        .filter_map(|side| match side {
            Content::File { mode, uid, gid, .. } | Content::Directory { mode, uid, gid } => {
                Some((*mode, (*uid, *gid)))
            }
            Content::Absent | Content::Link { .. } => None,
        })
        .unzip();
    let dressed = owners.contains(&(now.uid, now.gid))
        && bits.iter().any(|mode| now.mode == *mode || now.mode == mode & !0o6000);
    match (before, after, &found.held) {
        (
            Content::File { bytes: before, .. },
            Content::File { bytes: after, .. },
            Held::Bytes(held),
        ) => before == after && held == before && dressed,
        _ if is_directory(found) && !bits.is_empty() => {
            let fresh = now.uid == own && now.mode & 0o777 == 0o700;
            fresh || dressed || (owners.contains(&(now.uid, now.gid)) && now.mode & 0o777 == 0o700)
        }
        _ => false,
    }
}

/// Whether these are the same inode, unchanged.
pub(super) fn unchanged(now: &Found, then: &Found) -> bool {
    let dress = |found: &Found| (found.metadata.mode, found.metadata.uid, found.metadata.gid);
    now.identity == then.identity && now.held == then.held && dress(now) == dress(then)
}

fn is_directory(found: &Found) -> bool {
    found.metadata.kind == FileKind::Directory
}

/// Examines every path. Returns what was found, in the order of the changes, or all refusals.
pub(super) fn check(
    handles: &mut Handles<'_>,
    changes: &[Change],
) -> Result<Vec<Option<Found>>, Vec<Refusal>> {
    let made: BTreeSet<&Path> = changes
        .iter()
        .filter(|change| matches!(change.after, Content::Directory { .. }))
        .map(|change| change.path.as_path())
        .collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(changes.len());
    let mut refusals = Vec::new();
    for change in changes {
        let looked = if seen.insert(&change.path) {
            check_one(handles, change, &made)
        } else {
            Err(Why::Twice)
        };
        match looked {
            Ok(one) => found.push(one),
            Err(why) => refusals.push(Refusal { path: change.path.clone(), why }),
        }
    }
    if refusals.is_empty() { Ok(found) } else { Err(refusals) }
}

fn check_one(
    handles: &mut Handles<'_>,
    change: &Change,
    made: &BTreeSet<&Path>,
) -> Result<Option<Found>, Why> {
    let (parent, name) = split(&change.path).ok_or(Why::NoName)?;
    for side in [&change.before, &change.after] {
        if matches!(side, Content::File { bytes, .. } if bytes.len() > CONTENT_LIMIT) {
            return Err(Why::TooLarge);
        }
    }
    let directory = match handles.get(parent) {
        // The directory will be created first, so nothing is in it.
        Err(DiskError { kind: DiskErrorKind::NotFound, .. })
            if made.contains(parent) && change.before == Content::Absent =>
        {
            return Ok(None);
        }
        other => other.map_err(Why::Disk)?,
    };
    writable(&handles.disk.inspect_directory(&directory).map_err(Why::Disk)?)?;
    let found = handles.disk.inspect(&directory, &name).map_err(Why::Disk)?;
    if let Some(what) = difference(found.as_ref(), &change.before) {
        return Err(Why::Changed(what));
    }
    if let Some(found) = &found {
        writable(found)?;
    }
    let directories = |content: &Content| matches!(content, Content::Directory { .. });
    let absent = [&change.before, &change.after].contains(&&Content::Absent);
    if directories(&change.before) != directories(&change.after) && !absent {
        return Err(Why::KindChange);
    }
    match &found {
        Some(found) if found.links > 1 && !is_directory(found) && redresses(change) => {
            Err(Why::HardLinks(found.links))
        }
        _ => Ok(found),
    }
}

/// Whether it could be changed at all.
fn writable(found: &Found) -> Result<(), Why> {
    if found.immutable {
        return Err(Why::Immutable);
    }
    if found.append_only {
        return Err(Why::AppendOnly);
    }
    if found.read_only { Err(Why::ReadOnly) } else { Ok(()) }
}

/// Whether a file that stays a file gets another owner or mode.
fn redresses(change: &Change) -> bool {
    match (&change.before, &change.after) {
        (
            Content::File { mode: before_mode, uid: before_uid, gid: before_gid, .. },
            Content::File { mode, uid, gid, .. },
        ) => (before_mode, before_uid, before_gid) != (mode, uid, gid),
        _ => false,
    }
}

/// The paths of a transaction that have changed since, and so must not be restored.
pub(super) fn check_undo(handles: &mut Handles<'_>, record: &Record) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for Entry { change, .. } in &record.entries {
        if let Err(why) = check_undo_one(handles, change) {
            refusals.push(Refusal { path: change.path.clone(), why });
        }
    }
    refusals
}

fn check_undo_one(handles: &mut Handles<'_>, change: &Change) -> Result<(), Why> {
    let (parent, name) = split(&change.path).ok_or(Why::NoName)?;
    let directory = match handles.get(parent) {
        // Without the directory, nothing is at the path. That is either the old or the new state.
        Err(DiskError { kind: DiskErrorKind::NotFound, .. })
            if [&change.before, &change.after].contains(&&Content::Absent) =>
        {
            return Ok(());
        }
        other => other.map_err(Why::Disk)?,
    };
    let found = handles.disk.inspect(&directory, &name).map_err(Why::Disk)?;
    // Somebody may have undone the change by hand.
    if stands(found.as_ref(), &change.before) {
        return Ok(());
    }
    match difference(found.as_ref(), &change.after) {
        None => {}
        // A directory that the transaction created will be removed if it is empty, whoever owns it
        // by now.
        Some(_) if change.before == Content::Absent && found.as_ref().is_some_and(is_directory) => {
        }
        Some(what) => return Err(Why::Changed(what)),
    }
    writable(&handles.disk.inspect_directory(&directory).map_err(Why::Disk)?)?;
    found.as_ref().map_or(Ok(()), writable)
}
