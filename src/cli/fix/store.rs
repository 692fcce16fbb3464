//! The transactions: where they are stored, their history, undoing the last one.

use std::path::PathBuf;

use super::super::arguments::{FixArguments, WhereArguments};
use super::super::{CommandError, Exit, print, read};
use super::act::act;
use super::show;
use crate::facts::Scope;
use crate::fix::owners::Owners;
use crate::fix::transaction::history::{self, Outcome};
use crate::fix::transaction::{Recovered, Store, StoreError};
use crate::fix::{Change, Content, actions, shown_path};
use crate::host::disk::TreeDisk;
use crate::host::{Host, tidy};
use crate::source::{Sources, show as source_show};

/// Write access to the files that the options select.
pub(super) fn disk(place: &WhereArguments) -> Result<TreeDisk, CommandError> {
    let disk = match &place.root {
        Some(root) => TreeDisk::open(root),
        None => TreeDisk::live(),
    };
    disk.map_err(|error| CommandError::incomplete(error.to_string()))
}

/// The directory of the transactions: below /var/lib of the host or the tree. For an ordinary user,
/// and for a repository if `XDG_STATE_HOME` is set, it is in the user's own state directory (XDG
/// Base Directory).
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
        .ok_or_else(|| CommandError::usage("HOME is not set, so there is nowhere to keep backups"))
}

/// Opens the transactions and repairs what an earlier run left half done.
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
        true => "the interrupted undo has been finished",
        false => "an interrupted change has been undone",
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

/// Whether a crash left something that the next writing run repairs.
fn interrupted(arguments: &FixArguments) -> bool {
    let place = &arguments.place;
    let (Ok(disk), Ok(directory)) = (disk(place), directory(place)) else { return false };
    history::is_interrupted(&disk, &directory).unwrap_or(false)
}

/// A note about an interrupted change, if there is one.
pub(super) fn pending(arguments: &FixArguments) -> String {
    match interrupted(arguments) {
        true => {
            "\nAn earlier change was interrupted. The next --apply or --undo repairs that first.\n"
                .to_owned()
        }
        false => String::new(),
    }
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
            Outcome::Undone => "undone",
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
        print("There is no change to undo.\n")?;
        return Ok(Exit::Findings);
    };
    stands_in(&arguments.place, &last.paths)?;
    // The commands that must follow are determined by the files that belong to the deployment now,
    // including those that the undo removes. A file that this host does not show, such as a backup
    // next to a file named on the command line, belongs to no application.
    let read_all = |host: &dyn Host| -> Vec<Content> {
        let read = |path| Content::read(host, path).unwrap_or(Content::Absent);
        last.paths.iter().map(|path| read(path)).collect()
    };
    let taken_back = read_all(&*host);
    let undone = store.undo().map_err(|error| CommandError::incomplete(error.to_string()))?;
    let host = read::open(&arguments.place)?;
    let now = read_all(&*host);
    let changes: Vec<Change> = last
        .paths
        .iter()
        .zip(now.into_iter().zip(taken_back))
        .map(|(path, (before, after))| Change { path: path.clone(), before, after })
        .collect();
    let mut out = format!("Undone: {}\n", source_show::line(&undone.description.title));
    for path in &undone.paths {
        out.push_str(&format!("  {}\n", shown_path(path)));
    }
    for left in &undone.left {
        out.push_str(&format!("  left: {}: {}\n", shown_path(&left.path), left.why));
    }
    print(&out)?;
    let actions = following_undo(arguments, &changes, &*host);
    let others = super::others(&arguments.place, &*host, &changes);
    let clean = undone.left.is_empty();
    if !arguments.run_actions {
        if !actions.is_empty() {
            print(&format!("\n{}\n{}\n", show::FOLLOWS, show::steps(&actions)))?;
        }
        print(&show::others(&others))?;
        return Ok(if clean { Exit::Success } else { Exit::Findings });
    }
    let done = act(&*host, &actions)?;
    print(&show::others(&others))?;
    Ok(if done && clean { Exit::Success } else { Exit::Findings })
}

/// The history covers the whole machine, so with a repository named, changes to files outside of it
/// are not undone.
fn stands_in(place: &WhereArguments, paths: &[PathBuf]) -> Result<(), CommandError> {
    let found = place.found.iter().flat_map(|found| found.directories.clone());
    let named: Vec<PathBuf> = found.chain(place.repository.clone()).collect();
    if named.is_empty() {
        return Ok(());
    }
    let working = super::super::read::working_directory()?;
    let full: Vec<PathBuf> = named.iter().map(|path| tidy(&working.join(path))).collect();
    let inside = |path: &PathBuf| full.iter().any(|top| path.starts_with(top));
    match paths.iter().find(|path| !inside(path)) {
        None => Ok(()),
        Some(other) => Err(CommandError::usage(format!(
            "the last change was made elsewhere, to {}: undo it from there, or run `deploy-doctor \
             fix --undo` without a directory",
            shown_path(other)
        ))),
    }
}

/// The commands that must follow an undo: the same as if the change were made again, because
/// undoing a change needs every command that making it needs.
fn following_undo(
    arguments: &FixArguments,
    changes: &[Change],
    host: &dyn Host,
) -> Vec<actions::Action> {
    let overlay = crate::fix::plan::overlay(host, changes);
    let sources = Sources::new(&overlay);
    let deployment = super::deployment(&arguments.place, None, &sources, false);
    let restored = super::deployment(&arguments.place, None, &Sources::new(host), false);
    actions::after(changes, [&restored, &deployment], &Owners::of(&deployment, &sources))
}
