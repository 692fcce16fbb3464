//! Variables that the application's code takes from files by itself: which names are in those files.
//! No value is kept.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::Why;
use super::super::place::tidy;
use super::ReadModule;
use crate::host::HostErrorKind;
use crate::source::python::environ::{NamedFile, Reader};
use crate::source::{FileId, Sources, Span};

/// Where else variables may come from.
#[derive(Debug, Default)]
pub struct VariableFiles {
    /// Why the code may set any variable.
    pub open: Option<Why>,
    named: Vec<NamedFiles>,
}

/// The files of one call, or of one class of settings.
#[derive(Debug)]
struct NamedFiles {
    /// Whose alone they are: a module's, and a reader's in it. `None` for what everybody sees.
    only: Option<(FileId, Reader)>,
    found: Result<Arc<NamesInFiles>, Why>,
    /// What is to be said where none is there.
    unread: Why,
}

/// What was found in files.
#[derive(Debug, Default, Clone)]
struct NamesInFiles {
    /// The files that are there.
    files: Vec<PathBuf>,
    names: HashSet<String>,
    /// The same without regard to case.
    folded: HashSet<String>,
}

/// What such files say of a variable.
#[derive(Debug)]
pub enum InFiles {
    /// One of them sets it.
    Set,
    /// None of them does; those that are there.
    Nowhere(Vec<PathBuf>),
    /// None of the files is there, so only a live host shows that they do not come later.
    NotThere(Why),
    /// It may come from elsewhere.
    Unknown(Why),
}

impl VariableFiles {
    /// Is a variable that this module reads in one of the files?
    pub fn of(&self, name: &str, module: FileId, reader: Option<Reader>) -> InFiles {
        if let Some(why) = &self.open {
            return InFiles::Unknown(why.clone());
        }
        let mut files = BTreeSet::new();
        let mut not_there = None;
        for named in &self.named {
            let concerned =
                named.only.is_none_or(|only| Some(only.1) == reader && only.0 == module);
            if !concerned {
                continue;
            }
            let found = match &named.found {
                Ok(found) => found,
                Err(why) => return InFiles::Unknown(why.clone()),
            };
            let folds = matches!(reader, Some(Reader::Decouple | Reader::Pydantic));
            let set = found.names.contains(name)
                || folds && found.folded.contains(&name.to_ascii_lowercase());
            if set {
                return InFiles::Set;
            }
            if found.files.is_empty() {
                not_there.get_or_insert(&named.unread);
            }
            files.extend(found.files.iter().cloned());
        }
        if let Some(why) = not_there.filter(|_| files.is_empty()) {
            return InFiles::NotThere(why.clone());
        }
        InFiles::Nowhere(files.into_iter().collect())
    }
}

pub(super) fn read(
    sources: &Sources,
    whole: bool,
    working_directory: Option<&Path>,
    modules: &[ReadModule],
    open: Option<&Why>,
) -> VariableFiles {
    let mut read = VariableFiles { open: open.cloned(), named: Vec::new() };
    let mut known: BTreeMap<PathBuf, Result<Option<NamesInFiles>, Why>> = BTreeMap::new();
    for module in modules.iter().filter(|module| module.certain) {
        for write in module.environment.writes.iter().filter(|write| write.name.is_none()) {
            if !module.environment.loads_file.contains(&write.span) {
                let path = module.path.display();
                let why = format!("{path} sets variables whose names are computed");
                read.open.get_or_insert(Why::depends(why));
            }
        }
        for named in &module.environment_files {
            // `env_file=None`
            if named.files.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            let only = named.reader.map(|reader| (module.file, reader));
            let found = match &named.files {
                // What a host has next to a repository's files is not in the repository.
                Some(files) if whole => {
                    let paths = paths(sources, module, working_directory, files);
                    join(paths.iter().map(|path| one(sources, path, &mut known)))
                }
                _ => Err(unread(module, named.reader)),
            };
            let unread = unread(module, named.reader);
            read.named.push(NamedFiles { only, found: found.map(Arc::new), unread });
        }
    }
    read
}

fn unread(module: &ReadModule, reader: Option<Reader>) -> Why {
    match reader {
        Some(Reader::Decouple) => {
            Why::depends("python-decouple may read it from a file of the release")
        }
        Some(_) => Why::depends(format!("{} reads variables from a file", module.path.display())),
        None => Why::depends(format!("{} loads variables from a file", module.path.display())),
    }
}

/// Where the files may be. Of those above a directory the nearest counts; here all do.
fn paths(
    sources: &Sources,
    module: &ReadModule,
    working_directory: Option<&Path>,
    files: &[NamedFile],
) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for file in files {
        match file {
            NamedFile::At(path) => {
                found.insert(tidy(Path::new(path)));
            }
            NamedFile::Above(name) => {
                let resolved = sources.host().look(&module.path).resolved;
                let starts = [module.path.parent(), resolved.parent(), working_directory];
                for start in starts.into_iter().flatten() {
                    found.extend(start.ancestors().map(|directory| directory.join(name)));
                }
            }
        }
    }
    found
}

fn join(
    found: impl Iterator<Item = Result<Option<NamesInFiles>, Why>>,
) -> Result<NamesInFiles, Why> {
    let mut all = NamesInFiles::default();
    for one in found {
        if let Some(one) = one? {
            all.files.extend(one.files);
            all.names.extend(one.names);
            all.folded.extend(one.folded);
        }
    }
    Ok(all)
}

fn one(
    sources: &Sources,
    path: &Path,
    known: &mut BTreeMap<PathBuf, Result<Option<NamesInFiles>, Why>>,
) -> Result<Option<NamesInFiles>, Why> {
    if let Some(found) = known.get(path) {
        return found.clone();
    }
    let found = match sources.load(path) {
        Ok(file) => {
            let found = NamesInFiles { files: vec![path.to_path_buf()], ..Default::default() };
            let mut lines = LineReader { found, open: None };
            let mut at = 0;
            for line in file.bytes.split_inclusive(|byte| *byte == b'\n') {
                // Only names may be shown.
                let shown = lines.line(line);
                let end = at + line.len() - usize::from(line.ends_with(b"\n"));
                sources.hide(Span::new(file.id, (at + shown).min(end), end));
                at += line.len();
            }
            Ok(Some(lines.found))
        }
        Err(error)
            if matches!(error.kind, HostErrorKind::NotFound | HostErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(Why::not_read(error.to_string())),
    };
    known.insert(path.to_path_buf(), found.clone());
    found
}

/// The longest name that is taken for one.
const LONGEST: usize = 64;

/// Reads a file line by line, for the names in it.
struct LineReader {
    found: NamesInFiles,
    /// The quote that a value of an earlier line began with and that is not closed yet.
    open: Option<u8>,
}

impl LineReader {
    /// Takes the name that a line sets, and returns how much of the line may be shown: what follows the
    /// name is a value, and what is no name may be a part of one.
    fn line(&mut self, line: &[u8]) -> usize {
        if let Some(quote) = self.open {
            self.open = self.open.filter(|_| !line.contains(&quote));
            return 0;
        }
        let text = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        let start = line.len() - text.trim_ascii_start().len();
        let text = line.get(start..).unwrap_or_default();
        if text.starts_with(b"#") || text.starts_with(b";") {
            return start + 1;
        }
        let Some(end) = text.iter().position(|byte| matches!(byte, b'=' | b':')) else { return 0 };
        let name = text.get(..end).unwrap_or_default();
        let name = name.strip_prefix(b"export ").unwrap_or(name).trim_ascii();
        let name = std::str::from_utf8(name).unwrap_or_default().trim_matches(['\'', '"']);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let value = text.get(end + 1..).unwrap_or_default().trim_ascii();
        // The `=` that pads base64 begins no value.
        let capitals = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let filled = !value.is_empty() && !value.starts_with(b"=");
        if name.is_empty()
            || name.len() > LONGEST
            || !name.chars().all(fits)
            || !(filled || capitals)
        {
            return 0;
        }
        if let Some((quote, rest)) = value.split_first()
            && matches!(quote, b'\'' | b'"')
            && !rest.contains(quote)
        {
            self.open = Some(*quote);
        }
        self.found.folded.insert(name.to_ascii_lowercase());
        self.found.names.insert(name.to_owned());
        start + end + 1
    }
}
