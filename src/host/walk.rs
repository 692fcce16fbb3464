//! The files of a repository, without what `.gitignore` names.
//!
//! Links are not followed: their targets are either found anyway or are outside. Source:
//! `gitignore(5)`, as the `ignore` crate (ripgrep's) reads it.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use ignore::{DirEntry, WalkBuilder};

use super::git_index::Index;

/// The most files and directories that are visited.
pub const ENTRY_LIMIT: usize = 100_000;
/// How deeply directories are entered.
pub const DEPTH_LIMIT: usize = 16;

/// Directories whose content others created: installed packages, caches, the history.
const NOT_ENTERED: [&str; 10] = [
    ".git",
    ".hg",
    ".svn",
    ".tox",
    ".nox",
    "__pycache__",
    "node_modules",
    "bower_components",
    "site-packages",
    ".mypy_cache",
];

/// The files that were found.
#[derive(Debug, Default)]
pub struct Walked {
    /// Regular files below the directory, relative to it, in byte order.
    pub files: Vec<PathBuf>,
    /// Links, listed in the same way; none was followed.
    pub links: Vec<PathBuf>,
    /// Regular files that `.gitignore` names and that are not in git's index, listed in the same
    /// way.
    pub ignored: Vec<PathBuf>,
    /// What could not be read, in the operating system's words.
    pub unreadable: Vec<String>,
    /// Why the list is incomplete, if it is.
    pub cut: Option<String>,
}

/// Lists the files below a directory.
pub fn walk(directory: &Path) -> Walked {
    let mut walked = Walked::default();
    let walk = builder(directory)
        // An unpacked archive has `.gitignore` files too.
        .require_git(false)
        .git_global(false)
        .build();
    for (count, entry) in walk.enumerate() {
        if count >= ENTRY_LIMIT {
            walked.cut = Some(format!("it contains more than {ENTRY_LIMIT} files and directories"));
            break;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                walked.unreadable.push(error.to_string());
                continue;
            }
        };
        let Some(kind) = entry.file_type() else { continue };
        let Ok(path) = entry.path().strip_prefix(directory) else { continue };
        if kind.is_dir() && entry.depth() > DEPTH_LIMIT {
            let deep = path.display();
            walked.cut = Some(format!("{deep} is more than {DEPTH_LIMIT} directories deep"));
        } else if kind.is_file() && entry.depth() > 0 {
            walked.files.push(path.to_path_buf());
        } else if kind.is_symlink() && entry.depth() > 0 {
            walked.links.push(path.to_path_buf());
        }
    }
    ignored(directory, &mut walked);
    walked
}

fn builder(directory: &Path) -> WalkBuilder {
    let mut builder = WalkBuilder::new(directory);
    builder
        .hidden(false)
        .max_depth(Some(DEPTH_LIMIT + 1))
        .sort_by_file_name(OsStr::cmp)
        .filter_entry(is_entered);
    builder
}

/// Lists what the rules of `.gitignore` left out. Git itself follows its index: a file in the index
/// is part of the repository, whatever the rules say.
fn ignored(directory: &Path, walked: &mut Walked) {
    let seen: HashSet<&PathBuf> = walked.files.iter().chain(&walked.links).collect();
    let index = Index::of(directory);
    let (mut held, mut ignored) = (Vec::new(), Vec::new());
    for entry in builder(directory).standard_filters(false).build().take(ENTRY_LIMIT).flatten() {
        let Ok(path) = entry.path().strip_prefix(directory) else { continue };
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if !is_file || entry.depth() > DEPTH_LIMIT || seen.contains(&path.to_path_buf()) {
            continue;
        }
        match index.as_ref().is_some_and(|index| index.holds(path)) {
            true => held.push(path.to_path_buf()),
            false => ignored.push(path.to_path_buf()),
        }
    }
    walked.ignored = ignored;
    if !held.is_empty() {
        walked.files.append(&mut held);
        walked.files.sort();
    }
}

/// Whether a directory is entered. A virtual environment is recognised by its `pyvenv.cfg`,
/// whatever its name.
fn is_entered(entry: &DirEntry) -> bool {
    let directory = entry.file_type().is_some_and(|kind| kind.is_dir());
    let made = |name: &str| entry.file_name() == OsStr::new(name);
    !directory
        || entry.depth() == 0
        || !(NOT_ENTERED.into_iter().any(made) || entry.path().join("pyvenv.cfg").is_file())
}
