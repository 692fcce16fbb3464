//! Django's migrations in an application's `migrations` package: what each depends on, what it
//! replaces, and what it does to the database.
//!
//! Source: Django 4.2, 5.2 and 6.1 (`db/migrations/loader.py`, `graph.py`, `operations/`), measured
//! against `manage.py migrate`. The files are parsed and never run: what only running would show is
//! unknown, and so is everything that depends on it.

mod app_config;
mod arguments;
mod effect;
mod expression;
mod field;
mod graph;
mod operation;
mod parse;
mod printed;

use std::path::{Path, PathBuf};

use super::python::Module;
use super::{Span, Spanned};

pub use app_config::{AppName, app_of};
pub use field::Field;
pub use graph::{App, Cycle, Leaves, Missing, Pending, Project};
pub use operation::Step;
pub use printed::Printed;

/// The key of a migration in Django: the label of its application, and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The label: `shop`.
    pub app: String,
    /// The name: `0001_initial`, or `__first__` and `__latest__` in a dependency.
    pub name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.app, self.name)
    }
}

/// What a migration follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dependency {
    /// Another migration.
    On(Key),
    /// The first migration of the application that a setting names: `AUTH_USER_MODEL`.
    Swappable(String),
}

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The name of its file, without `.py`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The place of its class's name.
    pub span: Span,
    /// The migrations that must be applied before this one.
    pub dependencies: Vec<Spanned<Dependency>>,
    /// The migrations that must be applied after this one.
    pub run_before: Vec<Spanned<Key>>,
    /// The migrations that it replaces, if it was squashed.
    pub replaces: Vec<Key>,
    /// Whether it runs in one transaction.
    pub atomic: bool,
    /// What it does, in order.
    pub steps: Vec<Spanned<Step>>,
}

/// The kind of a file in a `migrations` package.
#[derive(Debug, Clone)]
pub enum FileKind {
    /// A migration.
    Migration(Migration),
    /// A file that defines no `Migration`: Django raises `BadMigrationError`.
    NoClass,
    /// A migration that was not understood: the place and the reason.
    Unknown(Option<Span>, String),
}

/// The name of the migration in a file of this name, by the rule with which Django finds migrations
/// (`pkgutil.iter_modules`): any module of the package whose name does not begin with `_` or `~`.
/// The flag says whether the file is source; bytecode without source next to it is loaded too.
pub fn named(file: &str) -> Option<(&str, bool)> {
    let (stem, source) = match file.strip_suffix(".py") {
        Some(stem) => (stem, true),
        None => (file.strip_suffix(".pyc")?, false),
    };
    let fits = !stem.is_empty() && !stem.starts_with(['_', '~']) && !stem.contains('.');
    fits.then_some((stem, source))
}

/// Reads a file of a `migrations` package.
pub fn read(module: &Module) -> FileKind {
    let name = module.path().file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    parse::read(module, name)
}

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

impl Fault {
    /// A fault in a file.
    pub fn new(path: &Path, span: Option<Span>, message: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), span, message: message.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}
