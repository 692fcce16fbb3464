//! The transactions: where they are kept, the history, taking the last one back.

use std::path::{Path, PathBuf};

use super::super::arguments::{FixArguments, WhereArguments};
use super::super::{CommandError, Exit, print, read};
use super::show;
use crate::facts::Scope;
use crate::fix::history::{self, Outcome};
use crate::fix::transaction::{Recovered, Store, StoreError};
use crate::fix::{Change, Content, actions, shown_path};
use crate::host::disk::TreeDisk;
use crate::host::{FileKind, Host, Outcome as Looked, READ_LIMIT};
use crate::source::{Sources, show as source_show};

/// The door for writing that the options name.
pub(super) fn disk(place: &WhereArguments) -> Result<TreeDisk, CommandError> {
    let disk = match &place.root {
        Some(root) => TreeDisk::open(root),
        None => TreeDisk::live(),
    };
    disk.map_err(|error| CommandError::incomplete(error.to_string()))
}

/// Where the transactions are kept: below /var/lib of the host or the tree; an ordinary user's, and
/// a repository's where `XDG_STATE_HOME` is set, in the user's own state directory (XDG Base
/// Directory).
pub(super) fn directory(place: &WhereArguments) -> Result<PathBuf, CommandError> {
    let system = PathBuf::from("/var/lib/deploy-doctor");
    let absolute =
        |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = absolute("XDG_STATE_HOME");
    let files = matches!(read::request(place).scope, Scope::Files(_));
    let is_root = rustix::process::geteuid().is_root();
    if place.root.is_some() || (is_root && !(files && home.is_some())) {
        return Ok(system);
    }
    home.or_else(|| Some(absolute("HOME")?.join(".local/state")))
        .map(|state| state.join("deploy-doctor"))
        .ok_or_else(|| CommandError::usage("HOME is not set, so there is no place for backups"))
}

/// Opens the transactions and mends what an earlier run left half done.
pub(super) fn open<'d>(
    disk: &'d TreeDisk,
    arguments: &FixArguments,
) -> Result<Store<'d>, CommandError> {
    let directory = directory(&arguments.place)?;
    let store = Store::open(disk, &directory).map_err(|error| failed(&error))?;
    for recovered in store.recover().map_err(|error| failed(&error))? {
        eprintln!("deploy-doctor: {}", mended(&recovered));
    }
    Ok(store.with_backup_beside(arguments.backup))
}

fn mended(recovered: &Recovered) -> String {
    let what = match recovered.undo {
        true => "the undo that was interrupted has been finished",
        false => "a change that was interrupted has been taken back",
    };
    let mut text = format!("{what}: {}", source_show::line(&recovered.description.title));
    for left in &recovered.left {
        text.push_str(&format!("\n  left: {}: {}", shown_path(&left.path), left.why));
    }
    text
}

fn failed(error: &StoreError) -> CommandError {
    CommandError::incomplete(error.to_string())
}

/// Did a crash leave something that the next writing run mends?
pub(super) fn interrupted(arguments: &FixArguments) -> bool {
    let place = &arguments.place;
    let (Ok(disk), Ok(directory)) = (disk(place), directory(place)) else { return false };
    history::read(&disk, &directory)
        .is_ok_and(|entries| entries.iter().any(|e| e.outcome == Outcome::Interrupted))
}

/// `--history`.
pub(super) fn history(arguments: &FixArguments) -> Result<Exit, CommandError> {
    let disk = disk(&arguments.place)?;
    let directory = directory(&arguments.place)?;
    let entries = history::read(&disk, &directory).map_err(|error| failed(&error))?;
    let mut out = String::new();
    for entry in &entries {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(entry.time);
        let word = match entry.outcome {
            Outcome::Applied => "applied",
            Outcome::Undone => "taken back",
            Outcome::RolledBack => "rolled back",
            Outcome::Interrupted => "interrupted",
        };
        let title = source_show::line(&entry.title);
        let time = humantime::format_rfc3339_seconds(time);
        out.push_str(&format!("{:>4}  {time}  {word:<11}  {title}\n", entry.id.0));
        for path in &entry.paths {
            out.push_str(&format!("      {}\n", shown_path(path)));
        }
    }
    if entries.is_empty() {
        out.push_str("No changes were made.\n");
    }
    print(&out)?;
    Ok(Exit::Success)
}

/// `--undo`.
pub(super) fn undo(arguments: &FixArguments) -> Result<Exit, CommandError> {
    let disk = disk(&arguments.place)?;
    let store = open(&disk, arguments)?;
    let host = read::open(&arguments.place)?;
    let entries = store.history().map_err(|error| failed(&error))?;
    let last = entries.iter().find(|entry| entry.outcome == Outcome::Applied);
    let Some(last) = last else {
        print("There is no change that could be taken back.\n")?;
        return Ok(Exit::Findings);
    };
    // What must follow is told by the files that belong to the deployment now.
    let paths = &last.paths;
    let before: Vec<Content> = paths.iter().map(|path| content(&*host, path)).collect();
    let undone = store.undo().map_err(|error| CommandError::incomplete(error.to_string()))?;
    let host = read::open(&arguments.place)?;
    let changes: Vec<Change> = paths
        .iter()
        .zip(before)
        .map(|(path, before)| Change { path: path.clone(), before, after: content(&*host, path) })
        .collect();
    let mut out = format!("Taken back: {}\n", source_show::line(&undone.description.title));
    for path in &undone.paths {
        out.push_str(&format!("  {}\n", shown_path(path)));
    }
    for left in &undone.left {
        out.push_str(&format!("  left: {}: {}\n", shown_path(&left.path), left.why));
    }
    print(&out)?;
    let actions = following_undo(arguments, &changes, &*host);
    let clean = undone.left.is_empty();
    if !arguments.run_actions {
        if !actions.is_empty() {
            print(&format!("\n{}\n{}\n", show::FOLLOWS, show::steps(&actions)))?;
        }
        return Ok(if clean { Exit::Success } else { Exit::Findings });
    }
    let done = super::write::act(&*host, &actions)?;
    Ok(if done && clean { Exit::Success } else { Exit::Findings })
}

/// What must follow an undo. The files that are gone now are judged as if they still stood.
fn following_undo(
    arguments: &FixArguments,
    changes: &[Change],
    host: &dyn Host,
) -> Vec<actions::Action> {
    let reversed: Vec<Change> = changes
        .iter()
        .map(|change| Change {
            path: change.path.clone(),
            before: change.after.clone(),
            after: change.before.clone(),
        })
        .collect();
    let overlay = crate::fix::plan::overlay(host, &reversed);
    let sources = Sources::new(&overlay);
    let deployment = super::deployment(&arguments.place, &sources, false);
    actions::after(&reversed, &deployment, &sources)
}

fn content(host: &dyn Host, path: &Path) -> Content {
    match host.look(path).outcome {
        Looked::Present(metadata) => match metadata.kind {
            FileKind::Directory => {
                Content::Directory { mode: metadata.mode, uid: metadata.uid, gid: metadata.gid }
            }
            _ => Content::File {
                bytes: host.read(path, READ_LIMIT).unwrap_or_default(),
                mode: metadata.mode,
                uid: metadata.uid,
                gid: metadata.gid,
            },
        },
        _ => Content::Absent,
    }
}
