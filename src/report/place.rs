//! Finds the place of a finding in the local files: relative to the working directory, including
//! the DIR of `--root DIR`, with links followed to the file in the repository.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::facts::Deployment;
use crate::host::tidy;
use crate::source::{FileId, SourceFile, Sources, Span};

/// The directories that paths are relative to, with links resolved.
#[derive(Debug, Clone, Default)]
pub struct Base {
    /// The working directory.
    pub directory: PathBuf,
    /// DIR of `--root DIR`.
    pub root: Option<PathBuf>,
}

/// A local file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Artifact {
    /// Its path, relative to the working directory if the file is below it, otherwise absolute.
    pub path: PathBuf,
}

impl Artifact {
    /// Its path as text.
    pub fn text(&self) -> String {
        super::clean(&self.path.to_string_lossy())
    }
}

/// A range of lines and columns. Columns are counted in characters of UTF-8; the end is the place
/// after the last character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub line: usize,
    pub column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

/// A place in a local file.
pub(super) struct Placed {
    pub artifact: Artifact,
    /// `None` if the place is the whole file.
    pub region: Option<Region>,
    pub note: String,
    pub span: Option<Span>,
}

impl Placed {
    /// The line; the first line if the place is the whole file.
    pub fn line(&self) -> usize {
        self.region.map_or(1, |region| region.line)
    }

    /// `path:line`, for people.
    pub fn text(&self) -> String {
        match self.region {
            Some(region) => format!("{}:{}", self.artifact.text(), region.line),
            None => self.artifact.text(),
        }
    }
}

/// The local files, each looked up once.
pub(super) struct Artifacts<'a> {
    sources: &'a Sources<'a>,
    base: &'a Base,
    known: RefCell<HashMap<PathBuf, Artifact>>,
}

impl<'a> Artifacts<'a> {
    pub fn new(sources: &'a Sources<'a>, base: &'a Base) -> Self {
        Self { sources, base, known: RefCell::default() }
    }

    /// The place of a range in a file that was read.
    pub fn placed(&self, span: Span, note: &str) -> Placed {
        let file = self.sources.file(span.file);
        Placed {
            artifact: self.artifact(&file.path),
            region: Some(region(&file, span)),
            note: note.to_owned(),
            span: Some(span),
        }
    }

    /// The place of a line in a file, which need not have been read.
    pub fn line(&self, path: &Path, line: Option<usize>) -> Placed {
        let region = |line| Region { line, column: 1, end_line: line, end_column: 1 };
        Placed {
            artifact: self.artifact(path),
            region: line.map(region),
            note: String::new(),
            span: None,
        }
    }

    /// Where a finding without a place is reported: at the file that starts the application, or for
    /// the host at nginx's configuration. A reader of SARIF refuses a whole file if one result has
    /// no place.
    pub fn anchor(&self, deployment: &Deployment, app: Option<&str>) -> Placed {
        let named = deployment.apps.iter().find(|one| Some(one.name.as_str()) == app);
        if let Some(app) = named {
            return self.start_of(app);
        }
        let whole = |file: &FileId| self.line(&self.sources.file(*file).path, Some(1));
        let nginx = deployment.nginx.files();
        match (nginx.first(), deployment.apps.first()) {
            (Some(file), _) => whole(file),
            (None, Some(app)) => self.start_of(app),
            (None, None) => self.line(Path::new("/etc/systemd/system"), None),
        }
    }

    fn start_of(&self, app: &crate::facts::App) -> Placed {
        let unit = &app.service.unit;
        match unit.last("Service", "ExecStart") {
            Some(start) => self.placed(start.span, "starts gunicorn"),
            None => self.line(&unit.path, Some(1)),
        }
    }

    fn artifact(&self, path: &Path) -> Artifact {
        let mut known = self.known.borrow_mut();
        known.entry(path.to_owned()).or_insert_with(|| self.look(path)).clone()
    }

    fn look(&self, path: &Path) -> Artifact {
        let real = self.sources.real_path(path);
        let whole = match &self.base.root {
            Some(root) => root.join(real.strip_prefix("/").unwrap_or(&real)),
            None => self.base.directory.join(real),
        };
        let whole = tidy(&whole);
        match whole.strip_prefix(&self.base.directory) {
            Ok(inside) if !inside.as_os_str().is_empty() => Artifact { path: inside.into() },
            _ => Artifact { path: whole },
        }
    }
}

fn region(file: &SourceFile, span: Span) -> Region {
    let (line, column) = character(file, span.start);
    let (end_line, end_column) = character(file, span.end.max(span.start));
    Region { line, column, end_line, end_column }
}

/// The line and column of a byte; the column is counted in characters, and an invalid byte counts
/// as one.
fn character(file: &SourceFile, offset: u32) -> (usize, usize) {
    let at = file.position(offset);
    let line = file.slice(file.line_span(at.line));
    let before = &line[..(at.column - 1).min(line.len())];
    let characters = |chunk: std::str::Utf8Chunk| {
        chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty())
    };
    let over = (at.column - 1).saturating_sub(line.len());
    (at.line, before.utf8_chunks().map(characters).sum::<usize>() + over + 1)
}
