//! The languages of a deployment: bytes in, syntax with spans out.
//!
//! Each module reads one language and depends neither on the others nor on what a deployment is. A
//! [`Span`] is a byte range in one file; line and column are computed when they are printed.

pub mod accounts;
pub mod alembic;
pub mod certificate;
pub mod client_password;
pub mod django;
pub mod env_file;
pub mod exit_status;
pub mod gunicorn;
pub mod journal;
pub mod last_words;
mod lookup;
pub mod manifest;
pub mod mounts;
pub mod nginx;
pub mod nginx_log;
pub mod nginx_test;
pub mod placeholder;
pub mod proc;
pub mod python;
pub mod redact;
pub mod requirements;
pub mod secret;
pub mod secretive;
pub mod show;
pub mod similar;
pub mod systemctl;
pub mod text;
pub mod tmpfiles;
pub mod traceback;
pub mod unit;
pub mod venv;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::host::{Host, HostError, READ_LIMIT, View, ViewHost};

pub use lookup::Lookup;
pub use secret::Secret;
pub use text::Text;

/// The index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A byte range in one file, end exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// The first byte.
    pub start: u32,
    /// The byte after the last one.
    pub end: u32,
}

impl Span {
    /// A span from byte offsets; files are far below 4 GiB (see [`READ_LIMIT`]).
    pub fn new(file: FileId, start: usize, end: usize) -> Self {
        let clamp = |offset| u32::try_from(offset).unwrap_or(u32::MAX);
        Self { file, start: clamp(start), end: clamp(end) }
    }

    /// The smallest span that covers both, which must be in one file.
    pub fn to(self, other: Self) -> Self {
        Self { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The spans sorted and without overlaps; they must be in one file, or in files with the same
    /// bytes.
    pub fn merged(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_by_key(|span| (span.start, span.end));
        let mut merged: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match merged.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => merged.push(span),
            }
        }
        merged
    }

    /// What remains of ranges when others are removed from them; both lists are sorted and without
    /// overlaps.
    fn without(spans: &[Self], taken: &[Self]) -> Vec<Self> {
        let mut left = Vec::with_capacity(spans.len() + taken.len());
        let mut next = 0;
        for span in spans {
            let mut start = span.start;
            while taken.get(next).is_some_and(|taken| taken.end <= start) {
                next += 1;
            }
            for taken in taken.iter().skip(next).take_while(|taken| taken.start < span.end) {
                if start < taken.start {
                    left.push(Self { end: taken.start, start, ..*span });
                }
                start = start.max(taken.end);
            }
            if start < span.end {
                left.push(Self { start, ..*span });
            }
        }
        left
    }
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The place of the value.
    pub span: Span,
}

/// A place as people count it: line and column from 1, with the column in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in bytes, counted from 1.
    pub column: usize,
}

/// One file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Its index.
    pub id: FileId,
    /// Its path as the deployment sees it.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
    lines: OnceLock<Vec<u32>>,
}

impl SourceFile {
    /// A single file, for tests and for text that did not come from a [`Host`].
    pub fn new(id: FileId, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { id, path: path.into(), bytes: bytes.into(), lines: OnceLock::new() }
    }

    /// The bytes of a span, cut to the length of the file.
    pub fn slice(&self, span: Span) -> &[u8] {
        let end = (span.end as usize).min(self.bytes.len());
        &self.bytes[(span.start as usize).min(end)..end]
    }

    /// A span over the whole file.
    pub fn span(&self) -> Span {
        Span::new(self.id, 0, self.bytes.len())
    }

    /// The span of a line, counted from 1, without its line ending.
    pub fn line_span(&self, line: usize) -> Span {
        let starts = self.line_starts();
        let start = starts.get(line - 1).map_or(self.bytes.len(), |s| *s as usize);
        let rest = &self.bytes[start..];
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        Span::new(self.id, start, start + length)
    }

    /// Line and column of a byte offset.
    pub fn position(&self, offset: u32) -> Position {
        let starts = self.line_starts();
        let line = starts.partition_point(|start| *start <= offset).max(1);
        Position { line, column: (offset - starts[line - 1]) as usize + 1 }
    }

    fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let mut starts = vec![0];
            for (offset, byte) in self.bytes.iter().enumerate() {
                if *byte == b'\n' {
                    starts.push(u32::try_from(offset + 1).unwrap_or(u32::MAX));
                }
            }
            starts
        })
    }
}

/// All files that were read through one [`Host`], each read once.
pub struct Sources<'h> {
    host: ViewHost<'h>,
    files: RefCell<Vec<Arc<SourceFile>>>,
    by_path: RefCell<FxHashMap<PathBuf, Result<FileId, HostError>>>,
    hidden: RefCell<FxHashMap<FileId, Vec<Span>>>,
    revealed: RefCell<FxHashMap<FileId, Vec<Span>>>,
    redacted: RefCell<FxHashSet<FileId>>,
    /// The combination of the three fields above, for files in which nothing was marked since.
    settled: RefCell<FxHashMap<FileId, Arc<[Span]>>>,
}

impl<'h> Sources<'h> {
    /// No file is read yet.
    pub fn new(host: &'h dyn Host) -> Self {
        Self {
            host: ViewHost::new(host),
            files: RefCell::default(),
            by_path: RefCell::default(),
            hidden: RefCell::default(),
            revealed: RefCell::default(),
            redacted: RefCell::default(),
            settled: RefCell::default(),
        }
    }

    /// The path with links resolved; the path itself if nothing exists there or that is not known.
    pub fn real_path(&self, path: &Path) -> PathBuf {
        let looked = self.host.look(path);
        match looked.metadata() {
            Some(_) => looked.resolved,
            None => path.to_owned(),
        }
    }

    /// The host behind these files, as the service sees it for whom it is read.
    pub fn host(&self) -> &dyn Host {
        &self.host
    }

    /// The machine itself.
    pub fn machine(&self) -> &'h dyn Host {
        self.host.base()
    }

    /// Reads as a service sees the machine.
    pub fn seen_as<T>(&self, view: &Rc<View>, read: impl FnOnce() -> T) -> T {
        let before = self.host.change(Some(Rc::clone(view)));
        let value = read();
        self.host.change(before);
        value
    }

    /// Reads a file, or returns what an earlier call read. An error is remembered too.
    pub fn load(&self, path: &Path) -> Result<Arc<SourceFile>, HostError> {
        self.host.check(path)?;
        if let Some(known) = self.by_path.borrow().get(path) {
            return known.clone().map(|id| self.file(id));
        }
        let result = self.host.read(path, READ_LIMIT).map(|bytes| self.add(path, bytes));
        let mut by_path = self.by_path.borrow_mut();
        match result {
            Ok(file) => {
                by_path.insert(path.into(), Ok(file.id));
                Ok(file)
            }
            Err(error) => {
                by_path.insert(path.into(), Err(error.clone()));
                Err(error)
            }
        }
    }

    /// Adds text that did not come from the host's files (a variable's value, an argument).
    pub fn add(&self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Arc<SourceFile> {
        let mut files = self.files.borrow_mut();
        let id = FileId(u32::try_from(files.len()).unwrap_or(u32::MAX));
        let file = Arc::new(SourceFile::new(id, path, bytes));
        files.push(Arc::clone(&file));
        file
    }

    /// Every file that was read, in the order of reading.
    pub fn files(&self) -> Vec<Arc<SourceFile>> {
        self.files.borrow().clone()
    }

    /// A file that was read before.
    pub fn file(&self, id: FileId) -> Arc<SourceFile> {
        Arc::clone(&self.files.borrow()[id.0 as usize])
    }

    /// Marks a range that no output may show: the value of a variable, a password.
    pub fn hide(&self, span: Span) {
        if span.start < span.end {
            self.settled.borrow_mut().remove(&span.file);
            self.hidden.borrow_mut().entry(span.file).or_default().push(span);
        }
    }

    /// Marks a range that may be shown, whatever it looks like, because its text is shown elsewhere
    /// too.
    pub fn reveal(&self, span: Span) {
        self.settled.borrow_mut().remove(&span.file);
        self.revealed.borrow_mut().entry(span.file).or_default().push(span);
    }

    /// The ranges of a file that no output may show, sorted and without overlaps: those that were
    /// hidden, and those that look like secrets.
    pub fn hidden(&self, file: FileId) -> Arc<[Span]> {
        // A file is searched only if part of it is shown.
        if self.redacted.borrow_mut().insert(file) {
            let source = self.file(file);
            for range in redact::ranges(&source.path, &source.bytes) {
                self.hide(Span::new(file, range.start, range.end));
            }
        }
        // The result is needed for every place that is shown.
        if let Some(settled) = self.settled.borrow().get(&file) {
            return Arc::clone(settled);
        }
        let settled: Arc<[Span]> = self.settle(file).into();
        self.settled.borrow_mut().insert(file, Arc::clone(&settled));
        settled
    }

    fn settle(&self, file: FileId) -> Vec<Span> {
        let mut hidden = self.hidden.borrow_mut();
        let Some(spans) = hidden.get_mut(&file) else { return Vec::new() };
        *spans = Span::merged(std::mem::take(spans));
        match self.revealed.borrow_mut().get_mut(&file) {
            None => spans.clone(),
            Some(revealed) => {
                *revealed = Span::merged(std::mem::take(revealed));
                Span::without(spans, revealed)
            }
        }
    }

    /// A range's text in a form that may be shown: hidden text is `***`, passwords in URLs too, and
    /// control characters are replaced.
    pub fn shown(&self, span: Span) -> String {
        show::Excerpt::new(&self.file(span.file), &self.hidden(span.file), span).text
    }
}
