//! Finds modules as Python's own path finder does (`importlib.machinery.PathFinder`, PEP 420):
//! along the directories of `sys.path`, in each a package, an extension module, a module, compiled
//! bytecode, or a part of a namespace package. Directories are listed once.

use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::super::Why;
use super::super::place::tidy;
use super::standard_library;
use crate::host::{FileKind, HostErrorKind, Outcome};
use crate::source::Sources;
use crate::source::python::PythonVersion;

/// Whose code a directory of the search path holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The application's: its modules are read.
    Release,
    /// Installed packages: that they are there is enough.
    Installed,
}

/// What is behind a module's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A file with source: a package's `__init__.py`, or a module.
    File(PathBuf, Owner),
    /// An extension module or bytecode, which is not looked into.
    Opaque(PathBuf),
    /// A package without `__init__.py`; its directories.
    Namespace(Vec<PathBuf>),
    /// A module of Python itself, which is loaded before anything of the application.
    Python,
    /// Nowhere; which part of the dotted name is missing.
    Missing(String),
    /// Not known.
    Unknown(Why),
}

type Listing = Rc<Result<Vec<OsString>, HostErrorKind>>;

pub(super) struct Finder<'a> {
    sources: &'a Sources<'a>,
    version: Option<PythonVersion>,
    directories: Vec<(PathBuf, Owner)>,
    /// Modules that editable installs map to a directory or file of their own.
    mapped: Vec<(String, PathBuf, Owner)>,
    listings: RefCell<FxHashMap<PathBuf, Listing>>,
    found: RefCell<FxHashMap<String, Found>>,
}

/// What one directory has of a name.
enum DirectoryEntry {
    Package(PathBuf),
    File(PathBuf),
    Opaque(PathBuf),
    Portion(PathBuf),
    Nothing,
    Unknown(Why),
}

impl<'a> Finder<'a> {
    pub(super) fn new(sources: &'a Sources<'a>, version: Option<PythonVersion>) -> Self {
        Self {
            sources,
            version,
            directories: Vec::new(),
            mapped: Vec::new(),
            listings: RefCell::default(),
            found: RefCell::default(),
        }
    }

    /// Puts a directory at the end of the search path, unless it is there.
    pub(super) fn add(&mut self, directory: PathBuf, owner: Owner) {
        let directory = tidy(&directory);
        if !self.directories.iter().any(|(known, _)| *known == directory) {
            self.directories.push((directory, owner));
            self.found.borrow_mut().clear();
        }
    }

    /// Maps a module's name to a directory or file.
    pub(super) fn map(&mut self, name: String, path: PathBuf, owner: Owner) {
        self.mapped.push((name, path, owner));
        self.found.borrow_mut().clear();
    }

    /// Finds a module by its dotted name.
    pub(super) fn find(&self, module: &str) -> Found {
        if let Some(known) = self.found.borrow().get(module) {
            return known.clone();
        }
        let found = match module.rsplit_once('.') {
            None => self.top(module),
            Some((package, name)) => self.below(package, name),
        };
        self.found.borrow_mut().insert(module.to_owned(), found.clone());
        found
    }

    /// Is it a module that Python has loaded before the application, so that one of the same name
    /// on the search path is not what an import finds?
    pub(super) fn is_python(&self, module: &str) -> bool {
        standard_library::has(module.split('.').next().unwrap_or(module), self.version)
    }

    fn top(&self, name: &str) -> Found {
        if name.is_empty() {
            return Found::Missing(String::new());
        }
        let directories = self.directories.iter().map(|(path, owner)| (path.as_path(), *owner));
        match self.along(directories, name) {
            Found::Missing(_) => {}
            // A part of a namespace is nothing against a whole module of Python.
            Found::Namespace(_) if self.is_python(name) => return Found::Python,
            found => return found,
        }
        if let Some((_, path, owner)) = self.mapped.iter().find(|(mapped, ..)| mapped == name) {
            return self.at(path, *owner);
        }
        if self.is_python(name) { Found::Python } else { Found::Missing(name.to_owned()) }
    }

    fn below(&self, package: &str, name: &str) -> Found {
        let missing = || Found::Missing(format!("{package}.{name}"));
        let (directories, owner) = match self.find(package) {
            Found::File(path, owner) => match path.file_name() {
                Some(file) if file == "__init__.py" => {
                    (path.parent().map(Path::to_path_buf).into_iter().collect(), owner)
                }
                _ => return missing(),
            },
            Found::Opaque(path) => {
                return Found::Unknown(Why::not_read(format!("{} is not read", path.display())));
            }
            Found::Namespace(directories) => (directories, self.owner_below(package)),
            other => return other,
        };
        if name.is_empty() {
            return missing();
        }
        // What `__init__.py` may put there by itself is asked for only where nothing is found.
        match self.along(directories.iter().map(|path| (path.as_path(), owner)), name) {
            Found::Missing(_) if self.is_python(package) => Found::Python,
            Found::Missing(_) => missing(),
            found => found,
        }
    }

    /// Whose code is below a namespace package: the application's where one part of it is.
    pub(super) fn owner_below(&self, package: &str) -> Owner {
        let top = package.split('.').next().unwrap_or(package);
        let holds =
            |path: &Path| self.list(path).as_ref().as_ref().is_ok_and(|names| contains(names, top));
        match self.directories.iter().find(|(path, _)| holds(path)) {
            Some((_, owner)) => *owner,
            None => Owner::Installed,
        }
    }

    fn along<'p>(&self, path: impl Iterator<Item = (&'p Path, Owner)>, name: &str) -> Found {
        let mut portions = Vec::new();
        for (directory, owner) in path {
            match self.entry(directory, name) {
                DirectoryEntry::Package(path) | DirectoryEntry::File(path) => {
                    return Found::File(path, owner);
                }
                DirectoryEntry::Opaque(path) => return Found::Opaque(path),
                DirectoryEntry::Portion(path) => portions.push(path),
                DirectoryEntry::Nothing => {}
                DirectoryEntry::Unknown(why) => return Found::Unknown(why),
            }
        }
        if portions.is_empty() {
            Found::Missing(name.to_owned())
        } else {
            Found::Namespace(portions)
        }
    }

    /// A mapped module: a directory with or without `__init__.py`, or a file.
    fn at(&self, path: &Path, owner: Owner) -> Found {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
        else {
            return Found::Missing(String::new());
        };
        let stem = name.strip_suffix(".py").unwrap_or(name);
        self.along(std::iter::once((parent, owner)), stem)
    }

    fn entry(&self, directory: &Path, name: &str) -> DirectoryEntry {
        let listing = self.list(directory);
        let names = match &*listing {
            Ok(names) => names,
            // Python ignores what is not there; it also ignores what it may not read, but as a user
            // other than the one that looks here.
            Err(HostErrorKind::NotFound | HostErrorKind::NotADirectory) => {
                return DirectoryEntry::Nothing;
            }
            Err(kind) => {
                return DirectoryEntry::Unknown(Why::not_read(format!(
                    "{}: {kind}",
                    directory.display()
                )));
            }
        };
        let mut portion = None;
        if contains(names, name) {
            let inside = directory.join(name);
            match &*self.list(&inside) {
                Ok(below) => {
                    if let Some(found) = self.loadable(&inside, below, "__init__") {
                        return match found {
                            (path, true) => DirectoryEntry::Package(path),
                            (path, false) => DirectoryEntry::Opaque(path),
                        };
                    }
                    portion = Some(inside);
                }
                Err(HostErrorKind::NotADirectory | HostErrorKind::NotFound) => {}
                Err(kind) => {
                    return DirectoryEntry::Unknown(Why::not_read(format!(
                        "{}: {kind}",
                        inside.display()
                    )));
                }
            }
        }
        match self.loadable(directory, names, name) {
            Some((path, true)) => DirectoryEntry::File(path),
            Some((path, false)) => DirectoryEntry::Opaque(path),
            None => portion.map_or(DirectoryEntry::Nothing, DirectoryEntry::Portion),
        }
    }

    /// The file by which this directory has a module of this name, and whether it is source:
    /// an extension module goes first, then source, then bytecode.
    fn loadable(
        &self,
        directory: &Path,
        names: &[OsString],
        stem: &str,
    ) -> Option<(PathBuf, bool)> {
        let start = format!("{stem}.");
        let from = names.partition_point(|name| *name < *start.as_str());
        let candidates = names[from..].iter().map_while(|name| {
            let name = name.to_str()?;
            Some((name, name.strip_prefix(start.as_str())?))
        });
        let mut source = None;
        let mut compiled = None;
        for (name, suffix) in candidates {
            let path = || directory.join(name);
            match suffix {
                "py" => source = Some(path()),
                "pyc" => compiled = Some(path()),
                _ if self.is_extension(suffix) && self.is_file(&path()) => {
                    return Some((path(), false));
                }
                _ => {}
            }
        }
        let source = source.filter(|path| self.is_file(path)).map(|path| (path, true));
        source.or_else(|| compiled.filter(|path| self.is_file(path)).map(|path| (path, false)))
    }

    /// `cpython-311-x86_64-linux-gnu.so`, `abi3.so`, `so`; those of another Python are ignored.
    fn is_extension(&self, suffix: &str) -> bool {
        if matches!(suffix, "so" | "abi3.so") {
            return true;
        }
        let Some(rest) = suffix.strip_prefix("cpython-").filter(|_| suffix.ends_with(".so")) else {
            return false;
        };
        let Some(version) = self.version else { return true };
        let tag = rest.split(['-', '.']).next().unwrap_or(rest).trim_end_matches('t');
        tag == format!("{}{}", version.major, version.minor)
    }

    fn is_file(&self, path: &Path) -> bool {
        match self.sources.host().look(path).outcome {
            Outcome::Present(metadata) => metadata.kind == FileKind::File,
            Outcome::Missing { .. } => false,
            Outcome::Failed(error) => error.kind != HostErrorKind::LinkLoop,
        }
    }

    fn list(&self, directory: &Path) -> Listing {
        if let Some(known) = self.listings.borrow().get(directory) {
            return Rc::clone(known);
        }
        let listing = self.sources.host().list(directory).map_err(|error| error.kind);
        let listing = Rc::new(listing.map(|mut names| {
            names.sort_unstable();
            names
        }));
        self.listings.borrow_mut().insert(directory.to_path_buf(), Rc::clone(&listing));
        listing
    }

    /// May something of this name be loaded that no file of a known kind stands for: a module that
    /// another loader compiles (`NAME.pyx`, `NAME.hy`), or a zip archive on the search path?
    pub(super) fn other_loader(&self, name: &str) -> Option<Why> {
        let start = format!("{name}.");
        for (directory, _) in &self.directories {
            let listing = self.list(directory);
            let Ok(names) = &*listing else {
                let is_archive = directory.extension().is_some_and(|e| e == "zip" || e == "egg");
                if is_archive && self.is_file(directory) {
                    let why = format!("{} is an archive, which is not read", directory.display());
                    return Some(Why::not_read(why));
                }
                continue;
            };
            let from = names.partition_point(|entry| *entry < *start.as_str());
            let mut others = names[from..].iter().map_while(|entry| entry.to_str());
            let other = others
                .by_ref()
                .take_while(|entry| entry.starts_with(start.as_str()))
                .find(|entry| [".pyx", ".hy", ".coco", ".pyz"].iter().any(|e| entry.ends_with(e)));
            if let Some(other) = other {
                let path = directory.join(other);
                return Some(Why::depends(format!("{} may be compiled", path.display())));
            }
        }
        None
    }
}

fn contains(names: &[OsString], name: &str) -> bool {
    names.binary_search_by(|entry| entry.as_os_str().cmp(std::ffi::OsStr::new(name))).is_ok()
}
