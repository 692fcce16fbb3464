//! The requirements that a release declares: `requirements.txt`, `pyproject.toml` and the lock
//! files.
//!
//! Sources: pip's requirements file format, PEP 508 and 440, PEP 621, PEP 751 (`pylock.toml`), the
//! lock files of uv, Poetry and Pipenv. Every format yields the same [`Requirements`]. A URL can
//! contain credentials, so it is kept as a [`Secret`], and [`Requirement::raw`] does not contain
//! it.

pub mod check;
pub mod compare;
mod graph;
mod line;
mod pep508;
mod pipfile;
mod poetry;
mod pylock;
mod pyproject;
mod redact;
mod text;
mod toml;
mod uv;

use std::path::{Path, PathBuf};

use ::pep508_rs::MarkerTree;
use pep440_rs::{Operator, VersionSpecifiers};

use super::{Secret, SourceFile, Sources, Span};
use crate::host::{Host, HostError, HostErrorKind, Outcome};

pub use compare::{Comparison, Need, compare};
pub use redact::redact;

/// A format of requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// pip's `requirements.txt`, under any name.
    Text,
    /// `pyproject.toml`.
    PyProject,
    /// `uv.lock`.
    Uv,
    /// `poetry.lock`.
    Poetry,
    /// `pylock.toml`, `pylock.NAME.toml`.
    PyLock,
    /// `Pipfile.lock`.
    Pipfile,
}

impl Format {
    /// The format of a file with this name; any other name means pip's format.
    pub fn of(path: &Path) -> Self {
        match path.file_name().and_then(|name| name.to_str()).unwrap_or_default() {
            "pyproject.toml" => Self::PyProject,
            "uv.lock" => Self::Uv,
            "poetry.lock" => Self::Poetry,
            "Pipfile.lock" => Self::Pipfile,
            name if name.starts_with("pylock.") && name.ends_with(".toml") => Self::PyLock,
            _ => Self::Text,
        }
    }
}

/// One thing that has to be installed.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The name, normalised by PEP 503; `None` for a URL or path that does not contain it.
    pub name: Option<String>,
    /// The place of the requirement.
    pub span: Span,
    /// The `-r` and `-c` lines that led to its file, outermost first.
    pub via: Vec<Span>,
    /// What has to be installed.
    pub what: What,
    /// The requested extras, normalised.
    pub extras: Vec<String>,
    /// The condition under which it applies.
    pub marker: Marker,
    /// The requirement as written, without credentials.
    pub raw: String,
}

impl Requirement {
    /// The only version that it allows, if it applies everywhere and allows just one.
    pub fn pinned(&self) -> Option<&pep440_rs::Version> {
        let What::Versioned(asked) = &self.what else { return None };
        let [only] = &asked[..] else { return None };
        let exact = matches!(only.operator(), Operator::Equal | Operator::ExactEqual);
        let everywhere = self.marker.unknown.is_none() && self.marker.tree.is_true();
        (exact && everywhere).then(|| only.version())
    }
}

/// What a requirement asks for.
#[derive(Debug, Clone)]
pub enum What {
    /// Versions from an index; an empty list allows any.
    Versioned(VersionSpecifiers),
    /// An archive or a repository.
    Url(Secret),
    /// A file or directory next to the requirements.
    Path(String),
    /// `-e`: a directory or a repository whose code is imported in place.
    Editable(Secret),
}

/// The condition of a requirement.
#[derive(Debug, Clone)]
pub struct Marker {
    /// The condition; true if none is written.
    pub tree: MarkerTree,
    /// The text as written (or as joined from several places); empty if there is none.
    pub text: String,
    /// Why it is not known whether the condition is true, if it could not be read.
    pub unknown: Option<String>,
}

impl Marker {
    /// A condition that is always true.
    pub fn always() -> Self {
        Self { tree: MarkerTree::TRUE, text: String::new(), unknown: None }
    }

    /// Reads a condition; one that cannot be read is unknown.
    pub fn parse(text: &str) -> Self {
        match super::venv::markers::parse(text) {
            Ok(tree) => Self { tree, text: text.to_owned(), unknown: None },
            Err(reason) => Self {
                tree: MarkerTree::TRUE,
                text: text.to_owned(),
                unknown: Some(format!("the marker was not understood: {reason}")),
            },
        }
    }
}

/// Something that was not understood, so that the list may be incomplete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place.
    pub span: Span,
    /// The reason, without credentials.
    pub message: String,
}

/// An option line of a `requirements.txt`. Its value is not kept, because an index URL contains
/// credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionLine {
    /// The long name, `--index-url`.
    pub name: String,
    /// The place.
    pub span: Span,
}

/// Everything that a file, with its includes, asks for.
#[derive(Debug, Clone, Default)]
pub struct Requirements {
    /// What has to be installed.
    pub requirements: Vec<Requirement>,
    /// The content of `-c` files: versions for packages that are installed anyway.
    pub constraints: Vec<Requirement>,
    /// What was not understood.
    pub faults: Vec<Fault>,
    /// Options for the installer.
    pub options: Vec<OptionLine>,
    /// The files that were read, in order.
    pub files: Vec<PathBuf>,
}

/// Reads a requirements file and its includes, in the format that its name indicates.
pub fn read(sources: &Sources<'_>, path: &Path) -> Result<Requirements, HostError> {
    let file = sources.load(path)?;
    let mut found = Requirements::default();
    let format = Format::of(path);
    if format == Format::Text {
        text::read(sources, &file, &mut found);
        return Ok(found);
    }
    found.files.push(path.into());
    let Some(text) = decoded(&file, &mut found) else { return Ok(found) };
    match format {
        Format::Text => {}
        Format::PyProject => pyproject::read(sources, &file, text, &mut found),
        Format::Uv => uv::read(&file, text, &mut found),
        Format::Poetry => {
            let project = beside(sources, path, "pyproject.toml")?;
            poetry::read(&file, text, project.as_deref(), &mut found);
        }
        Format::PyLock => pylock::read(&file, text, &mut found),
        Format::Pipfile => pipfile::read(&file, text, &mut found),
    }
    Ok(found)
}

/// The file that best shows what a release in this directory needs: a lock file before the file
/// that it locks.
pub fn find(host: &dyn Host, directory: &Path) -> Result<Option<PathBuf>, HostError> {
    const NAMES: [&str; 6] = [
        "uv.lock",
        "poetry.lock",
        "pylock.toml",
        "Pipfile.lock",
        "requirements.txt",
        "pyproject.toml",
    ];
    for name in NAMES {
        let path = directory.join(name);
        match host.look(&path).outcome {
            Outcome::Present(_) => return Ok(Some(path)),
            Outcome::Missing { .. } => {}
            Outcome::Failed(error) if matches!(error.kind, HostErrorKind::NotGiven) => {}
            Outcome::Failed(error) => return Err(error),
        }
    }
    Ok(None)
}

fn beside(
    sources: &Sources<'_>,
    path: &Path,
    name: &str,
) -> Result<Option<std::sync::Arc<SourceFile>>, HostError> {
    match sources.load(&path.with_file_name(name)) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind, HostErrorKind::NotFound | HostErrorKind::NotGiven) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Decodes TOML or JSON, which must be UTF-8.
fn decoded<'f>(file: &'f SourceFile, found: &mut Requirements) -> Option<&'f str> {
    match std::str::from_utf8(&file.bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let at = error.valid_up_to();
            found.fault(Span::new(file.id, at, at + 1), "is not UTF-8");
            None
        }
    }
}

impl Requirements {
    fn fault(&mut self, span: Span, message: impl Into<String>) {
        self.faults.push(Fault { span, message: message.into() });
    }
}
