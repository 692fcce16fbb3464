//! Makes changes: first everything that can fail is written under temporary names, then each change
//! is put in place in one step.
//!
//! A file that is replaced or removed is checked again once it is out of its place (`renameat2(2)`
//! exchanges two names at once). If it is not the file that was read, it is put back, so that
//! somebody else's last-moment change is not lost.

use std::path::PathBuf;

use super::check::{Handles, unchanged};
use super::dress::{dress, stage};
use super::step::{Action, Step};
use super::{Content, Left};
use crate::host::disk::{
    Directory, Disk, DiskError, DiskErrorKind, Found, Held, Identity, OpenFile, Renaming,
};

/// Why not all changes were made.
pub(super) struct Trouble {
    /// The reason in words.
    pub(super) cause: String,
    /// Whether something had already been put in its place.
    pub(super) begun: bool,
}

/// Why one step was not made.
enum Stopped {
    /// Somebody else changed the path first; their change stays.
    Changed(PathBuf, &'static str),
    Failed(DiskError),
}

impl From<DiskError> for Stopped {
    fn from(error: DiskError) -> Self {
        Self::Failed(error)
    }
}

impl Stopped {
    fn words(&self) -> String {
        match self {
            Self::Changed(path, what) => {
                format!("{}: changed while it was written: {what}", path.display())
            }
            Self::Failed(error) => error.to_string(),
        }
    }
}

/// What to do about a path that somebody else changed in the meantime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Race {
    /// Stop everything.
    Stop,
    /// Leave the path as it is and continue with the others.
    Leave,
}

/// Makes all the steps.
pub(super) fn perform(
    handles: &mut Handles<'_>,
    steps: &[Step],
    race: Race,
) -> Result<Vec<Left>, Trouble> {
    let mut made = Vec::new();
    let staged = match stage_all(handles, steps, &mut made) {
        Ok(staged) => staged,
        Err(stopped) => {
            clear(handles, &made);
            return Err(Trouble { cause: stopped.words(), begun: false });
        }
    };
    let begun = |stopped: Stopped| Trouble { cause: stopped.words(), begun: true };
    let mut left = Vec::new();
    let mut settle = |result: Result<(), Stopped>| match result {
        Err(Stopped::Changed(path, what)) if race == Race::Leave => {
            left.push(Left { path, why: format!("changed by somebody else: {what}") });
            Ok(())
        }
        other => other.map_err(begun),
    };
    for (step, file) in steps.iter().zip(&staged) {
        settle(put(handles, step, file.as_ref()))?;
    }
    let mut removed: Vec<&Step> =
        steps.iter().filter(|step| step.action() == Action::RemoveDirectory).collect();
    removed.sort_by_key(|step| std::cmp::Reverse(step.depth()));
    for step in removed {
        settle(remove_directory(handles, step))?;
    }
    finish(handles, race).map_err(begun)?;
    Ok(left)
}

/// Something that was created before anything was put in its place.
struct MadeBefore<'s> {
    step: &'s Step,
    directory: bool,
}

/// Creates the new directories and, under temporary names, all new files and links, and waits until
/// they are on the disk.
fn stage_all<'s>(
    handles: &mut Handles<'_>,
    steps: &'s [Step],
    made: &mut Vec<MadeBefore<'s>>,
) -> Result<Vec<Option<OpenFile>>, Stopped> {
    let mut directories: Vec<&Step> =
        steps.iter().filter(|step| step.action() == Action::MakeDirectory).collect();
    directories.sort_by_key(|step| step.depth());
    for step in directories {
        let parent = handles.get(&step.parent)?;
        match handles.disk.mkdir(&parent, &step.name) {
            Err(error) if error.kind == DiskErrorKind::Exists => {
                return Err(Stopped::Changed(step.path.clone(), "something is there now"));
            }
            other => other?,
        }
        made.push(MadeBefore { step, directory: true });
        dress_in_place(handles.disk, &parent, step, None)?;
    }
    let mut staged = Vec::with_capacity(steps.len());
    for step in steps {
        if step.action() == Action::Place {
            let directory = handles.get(&step.parent)?;
            made.push(MadeBefore { step, directory: false });
            staged.push(stage(handles.disk, &directory, step)?);
        } else {
            staged.push(None);
        }
    }
    for file in staged.iter().flatten() {
        handles.disk.sync(file)?;
    }
    Ok(staged)
}

/// Removes what was created before the failure. If this fails, the next run does it.
fn clear(handles: &mut Handles<'_>, made: &[MadeBefore<'_>]) {
    for MadeBefore { step, directory } in made.iter().rev() {
        let Ok(parent) = handles.get(&step.parent) else { continue };
        if *directory {
            let _ = handles.disk.rmdir(&parent, &step.name);
            handles.forget(&step.path);
        } else {
            let _ = handles.disk.unlink(&parent, &step.temporary);
        }
    }
}

/// Puts what one step created in its place.
fn put(handles: &mut Handles<'_>, step: &Step, file: Option<&OpenFile>) -> Result<(), Stopped> {
    match step.action() {
        Action::MakeDirectory | Action::RemoveDirectory => Ok(()),
        action => {
            let directory = handles.get(&step.parent)?;
            match action {
                Action::Dress => {
                    dress_in_place(handles.disk, &directory, step, step.current.as_ref())
                }
                Action::Remove => remove(handles.disk, &directory, step),
                _ => place(handles.disk, &directory, step, file.map(OpenFile::identity)),
            }
        }
    }
}

fn changed(step: &Step, what: &'static str) -> Stopped {
    Stopped::Changed(step.path.clone(), what)
}

/// Sets owner, mode and attributes of an existing file or directory, through its own descriptor.
fn dress_in_place(
    disk: &dyn Disk,
    directory: &Directory,
    step: &Step,
    current: Option<&Found>,
) -> Result<(), Stopped> {
    let now = disk.inspect(directory, &step.name)?;
    let Some(now) = now else { return Err(changed(step, "it is gone")) };
    match current {
        Some(then) if !unchanged(&now, then) => return Err(changed(step, "its content or owner")),
        // A directory that this program just created has this owner and mode, which no other user's
        // directory can have.
        None if now.metadata.uid != disk.user() || now.metadata.mode & 0o077 != 0 => {
            return Err(changed(step, "it was replaced"));
        }
        _ => {}
    }
    let (Content::File { mode, uid, gid, .. } | Content::Directory { mode, uid, gid }) =
        &step.target
    else {
        return Ok(());
    };
    let file = match disk.open(directory, &step.name, now.identity) {
        Err(error) if error.kind == DiskErrorKind::Replaced => {
            return Err(changed(step, "it was replaced"));
        }
        other => other?,
    };
    if current.is_none() && !disk.list(&disk.subdirectory(directory, &step.name)?)?.is_empty() {
        return Err(changed(step, "there is something in it"));
    }
    dress(disk, &file, (*uid, *gid, *mode), step.attributes.as_deref(), false)?;
    Ok(disk.sync(&file)?)
}

/// Gives the new content its name, and removes the old content once it is certain that the old
/// content is what was read and the new content is what was created.
fn place(
    disk: &dyn Disk,
    directory: &Directory,
    step: &Step,
    made: Option<Identity>,
) -> Result<(), Stopped> {
    let (from, to) = (&step.temporary, &step.name);
    let Some(then) = &step.current else {
        return match disk.rename(directory, from, to, Renaming::New) {
            Err(error) if error.kind == DiskErrorKind::Exists => {
                Err(changed(step, "something is there now"))
            }
            Err(error) => Err(error.into()),
            Ok(()) => verify(disk, directory, step, made),
        };
    };
    match disk.rename(directory, from, to, Renaming::Exchange) {
        Ok(()) => {}
        Err(error) if error.kind == DiskErrorKind::NotFound => {
            return Err(changed(step, "it is gone"));
        }
        // If two names cannot be exchanged, a moment remains between the check and the step.
        Err(error) if error.kind == DiskErrorKind::Unsupported => {
            return match disk.inspect(directory, to)? {
                Some(now) if unchanged(&now, then) => {
                    disk.rename(directory, from, to, Renaming::Replace)?;
                    verify(disk, directory, step, made)
                }
                _ => Err(changed(step, "its content")),
            };
        }
        Err(error) => return Err(error.into()),
    }
    let placed = verify(disk, directory, step, made);
    match disk.inspect(directory, from) {
        Ok(Some(displaced)) if placed.is_ok() && unchanged(&displaced, then) => {
            Ok(disk.unlink(directory, from)?)
        }
        _ => {
            disk.rename(directory, from, to, Renaming::Exchange)?;
            Err(changed(step, if placed.is_ok() { "its content" } else { "its new content" }))
        }
    }
}

/// Removes a file or link once it is certain that it is what was read.
fn remove(disk: &dyn Disk, directory: &Directory, step: &Step) -> Result<(), Stopped> {
    let Some(then) = &step.current else { return Ok(()) };
    let (aside, name) = (&step.temporary, &step.name);
    match disk.rename(directory, name, aside, Renaming::New) {
        Err(error) if error.kind == DiskErrorKind::NotFound => {
            return Err(changed(step, "it is gone"));
        }
        other => other?,
    }
    match disk.inspect(directory, aside) {
        Ok(Some(now)) if unchanged(&now, then) => Ok(disk.unlink(directory, aside)?),
        _ => {
            disk.rename(directory, aside, name, Renaming::New)?;
            Err(changed(step, "its content"))
        }
    }
}

/// Checks that the path now contains what this transaction created.
fn verify(
    disk: &dyn Disk,
    directory: &Directory,
    step: &Step,
    made: Option<Identity>,
) -> Result<(), Stopped> {
    let now = disk.inspect(directory, &step.name)?;
    let same = match (&now, made) {
        (Some(now), Some(made)) => now.identity == made,
        (Some(Found { held: Held::Target(held), .. }), None) => {
            matches!(&step.target, Content::Link { target } if target == held)
        }
        _ => false,
    };
    if same { Ok(()) } else { Err(changed(step, "it was replaced")) }
}

fn remove_directory(handles: &mut Handles<'_>, step: &Step) -> Result<(), Stopped> {
    let parent = handles.get(&step.parent)?;
    match handles.disk.rmdir(&parent, &step.name) {
        Err(error) if error.kind == DiskErrorKind::NotEmpty => {
            Err(changed(step, "there is something in it"))
        }
        Err(error) if error.kind != DiskErrorKind::NotFound => Err(error.into()),
        _ => {
            handles.forget(&step.path);
            Ok(())
        }
    }
}

/// Waits until every name is on the disk, and makes sure that the directories are still where they
/// were.
fn finish(handles: &Handles<'_>, race: Race) -> Result<(), Stopped> {
    for (path, directory) in handles.all() {
        handles.disk.sync_directory(directory)?;
        if race == Race::Stop {
            let moved = || Stopped::Changed(path.clone(), "the directory was moved");
            let now = handles.disk.directory(path).map_err(|_| moved())?;
            let now = handles.disk.inspect_directory(&now)?.identity;
            if now != handles.disk.inspect_directory(directory)?.identity {
                return Err(moved());
            }
        }
    }
    Ok(())
}
