//! Django's migrations in an application's `migrations` package: what each depends on, what it
//! replaces, and what it does to the database.
//!
//! Source: Django 4.2, 5.2 and 6.1 (`db/migrations/loader.py`, `graph.py`, `operations/`), measured
//! against `manage.py migrate`. The files are parsed and never run: what would need running is
//! unknown, and then what depends on it is unknown too.

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

/// A migration's name in Django: the label of its application, and the name of its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// `shop`.
    pub app: String,
    /// `0001_initial`, or `__first__` and `__latest__` where something depends on it.
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
    /// The first one of the application that a setting names: `AUTH_USER_MODEL`.
    Swappable(String),
}

/// One migration.
#[derive(Debug, Clone)]
pub struct Migration {
    /// The name of its file, without `.py`.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// The name of its class.
    pub span: Span,
    /// What must be applied before.
    pub dependencies: Vec<Spanned<Dependency>>,
    /// What must not be applied before.
    pub run_before: Vec<Spanned<Key>>,
    /// What it stands for: it was squashed from these.
    pub replaces: Vec<Key>,
    /// Does it run in one transaction?
    pub atomic: bool,
    /// What it does, in order.
    pub steps: Vec<Spanned<Step>>,
}

/// What a file of a `migrations` package is.
#[derive(Debug, Clone)]
pub enum FileKind {
    /// A migration.
    Migration(Migration),
    /// It defines no `Migration`: Django raises `BadMigrationError`.
    NoClass,
    /// A migration that was not understood: where, and why.
    Unknown(Option<Span>, String),
}

/// The name of a migration whose file is called so, as Django finds them (`pkgutil.iter_modules`):
/// any module of the package whose name does not begin with `_` or `~`. The flag says whether it is
/// source; bytecode that is next to no source is loaded too.
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
    /// Which file.
    pub path: PathBuf,
    /// Where in it.
    pub span: Option<Span>,
    /// What.
    pub message: String,
}

impl Fault {
    /// Something about a file.
    pub fn new(path: &Path, span: Option<Span>, message: impl Into<String>) -> Self {
        Self { path: path.to_path_buf(), span, message: message.into() }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}
