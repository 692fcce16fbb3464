//! Alembic's migrations, as Flask-Migrate keeps them in `migrations/versions`: the graph of
//! revisions, and what each `upgrade()` does to the database.
//!
//! Source: Alembic 1.20 (`script/base.py`, `script/revision.py`), measured against its
//! `ScriptDirectory`. The files are parsed and never run: what only running would show is unknown,
//! and so is everything that depends on it.

mod call;
mod graph;
pub mod locate;
mod operation;
mod parse;
mod span;
mod sql;
mod upgrade;
mod value;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{SourceFile, Sources, Span, Spanned};
use crate::host::HostError;

pub use graph::Unknown;
pub use operation::{Breaks, Kind, Locks, Operation};
pub use sql::classify as classify_sql;

/// Something that was not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// The place in the file.
    pub span: Option<Span>,
    /// What was not understood.
    pub message: String,
}

/// One migration.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its identifier.
    pub id: Spanned<String>,
    /// Its file.
    pub path: PathBuf,
    /// The revisions that it follows: empty for a base, several for a merge.
    pub down: Vec<Spanned<String>>,
    /// `depends_on`: revisions of another branch that must be applied before.
    pub depends_on: Vec<Spanned<String>>,
    /// `branch_labels`.
    pub labels: Vec<String>,
    /// What `upgrade()` does, in order.
    pub operations: Vec<Operation>,
}

/// All migrations of one or several `versions` directories.
#[derive(Debug, Clone, Default)]
pub struct Revisions {
    /// The migrations, in the order of their file names.
    pub revisions: Vec<Revision>,
    /// Migrations that were not understood; if there are any, the graph is unknown.
    pub faults: Vec<Fault>,
}

/// Reads a `versions` directory. As Alembic does, files that are not named `*.py` and those that
/// begin with `__init__` or `.#` are ignored.
pub fn read(sources: &Sources<'_>, versions_dir: &Path) -> Result<Revisions, HostError> {
    let mut revisions = Revisions::default();
    let mut files = Vec::new();
    for name in sources.host().list(versions_dir)? {
        let path = versions_dir.join(&name);
        let Some(name) = name.to_str() else {
            if path.extension().is_some_and(|extension| extension == "py") {
                revisions.fault(&path, None, "the name is not UTF-8");
            }
            continue;
        };
        if !name.ends_with(".py") || name.starts_with("__init__") || name.starts_with(".#") {
            continue;
        }
        match sources.load(&path) {
            Ok(file) => files.push(file),
            Err(error) => revisions.fault(&path, None, error.kind.to_string()),
        }
    }
    revisions.take(&files);
    Ok(revisions)
}

impl Revisions {
    /// Adds the migrations of another directory (`version_locations`).
    pub fn extend(&mut self, other: Self) {
        self.revisions.extend(other.revisions);
        self.faults.extend(other.faults);
    }

    fn fault(&mut self, path: &Path, span: Option<Span>, message: impl Into<String>) {
        self.faults.push(Fault { path: path.into(), span, message: message.into() });
    }

    /// Parses files and adds their migrations.
    fn take(&mut self, files: &[Arc<SourceFile>]) {
        for (file, outcome) in files.iter().zip(parse::all(files)) {
            match outcome {
                Ok(revision) => self.revisions.push(revision),
                Err((span, message)) => self.fault(&file.path, span, message),
            }
        }
    }

    /// The operations of the given revisions, in that order, without operations on tables that they
    /// create themselves, which no running code uses.
    pub fn operations(&self, pending: &[&str]) -> Vec<(&Revision, &Operation)> {
        let by_id: std::collections::HashMap<&str, &Revision> =
            self.revisions.iter().map(|r| (r.id.value.as_str(), r)).collect();
        let mut created = std::collections::HashSet::new();
        let mut operations = Vec::new();
        for revision in pending.iter().filter_map(|id| by_id.get(id)) {
            for operation in &revision.operations {
                match (&operation.kind, &operation.table) {
                    (Kind::CreateTable, Some(table)) => {
                        created.insert(table.as_str());
                    }
                    (_, Some(table)) if created.contains(table.as_str()) => continue,
                    _ => {}
                }
                operations.push((*revision, operation));
            }
        }
        operations
    }
}
