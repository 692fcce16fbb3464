//! The application's modules: where the one that gunicorn imports lies, what it needs, whether it
//! can be parsed.

use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};

use super::super::place::tidy;
use super::super::server::Gunicorn;
use super::super::{Known, Origin, Problem, Why};
use super::{SearchEntry, is_absent};
use crate::host::{FileKind, HostErrorKind};
use crate::source::env_file::{self, Dialect};
use crate::source::gunicorn::ApplicationName;
use crate::source::python::environ::{EnvironmentUse, Need};
use crate::source::python::imports::{Import, ImportPlace};
use crate::source::python::names::{Binding, DefinitionKind};
use crate::source::python::{self, PythonVersion, SyntaxFault};
use crate::source::venv::Venv;
use crate::source::{FileId, Sources, Span, Spanned};

/// The most modules of an application that are read.
const MODULE_LIMIT: usize = 1000;
/// The most names of a directory that are looked at for "did you mean".
const NEAR_LIMIT: usize = 200;
/// The most bytes of modules that are read.
const BYTE_LIMIT: usize = 16 << 20;

/// What the newest grammar refuses every Python 3 refuses: syntax is added, hardly ever taken away.
const NEWEST: PythonVersion = PythonVersion { major: 3, minor: 14 };

/// Where the module lies that gunicorn imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// In this file.
    File(PathBuf),
    /// Nowhere on the search path; the directories that were looked through.
    Missing(Vec<PathBuf>),
}

/// What gunicorn imports.
#[derive(Debug, Clone)]
pub struct Application {
    /// `module:attribute`, taken apart.
    pub name: ApplicationName,
    /// Where the module lies.
    pub resolution: Resolution,
    /// The attribute in it, where the module was found and has one that is looked for.
    pub attribute: Option<Binding>,
    /// What the attribute was bound to last, where its module was read.
    pub kind: Option<DefinitionKind>,
    /// What may have been meant: the module's own names where it was found, else the modules
    /// where it was looked for. Dotted, as one would write them.
    pub near: Vec<String>,
    /// What stands where the module should, and is no file: `PATH is a fifo, not a file`.
    pub obstacles: Vec<String>,
    /// Does the name come out of an environment variable, so that it must not be shown?
    pub secret: bool,
}

/// A module of the application that was read.
#[derive(Debug)]
pub struct ReadModule {
    /// Its dotted name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Its file's number.
    pub file: FileId,
    /// Is it certain that it is imported when a worker boots? Not where an import stands in a
    /// function, a branch or a `try`.
    pub certain: bool,
    /// Syntax errors for the environment's Python; where that is not known, what every Python
    /// refuses.
    pub faults: Vec<SyntaxFault>,
    /// Why it was not judged: too large, too deeply nested.
    pub not_judged: Option<String>,
    /// The variables that it reads.
    pub environment: EnvironmentUse,
}

/// A variable that the code needs when a worker boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededVariable {
    /// Its name.
    pub name: String,
    /// Where the code reads it, or where the example file lists it.
    pub span: Span,
}

/// The application's code.
#[derive(Debug)]
pub struct Code {
    /// What gunicorn imports.
    pub application: Known<Application>,
    /// Its modules, the imported one first; those of installed packages are not among them.
    pub modules: Vec<ReadModule>,
    /// Variables without which a worker does not boot.
    pub required: Vec<NeededVariable>,
    /// Variables that `.env.example` lists.
    pub examples: Vec<Spanned<String>>,
    /// Why variables may come from elsewhere (`load_dotenv()`), or why not all modules were read.
    pub open: Option<Why>,
}

pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    search_path: &Known<Vec<SearchEntry>>,
    problems: &mut Vec<Problem>,
) -> Code {
    let mut code = Code {
        application: Known::unknown("the application was not read"),
        modules: Vec::new(),
        required: Vec::new(),
        examples: Vec::new(),
        open: None,
    };
    let entries = match search_path.get() {
        Ok(entries) => entries,
        Err(why) => {
            code.application = Known::Unknown(why);
            return code;
        }
    };
    code.examples = examples(sources, entries);
    let name = match gunicorn.settings.wsgi_app() {
        Known::Unknown(why) => {
            code.application = Known::Unknown(why);
            return code;
        }
        Known::Value(name, _) | Known::Default(name) => ApplicationName::parse(&name),
    };
    let mut reader = Reader::new(sources, gunicorn, entries);
    code.application = reader.application(name, gunicorn, problems);
    code.open = reader.open.clone();
    code.modules = reader.modules;
    require(&mut code);
    code
}

/// What the modules that are certainly imported need, and nothing in them sets.
fn require(code: &mut Code) {
    let certain = || code.modules.iter().filter(|module| module.certain);
    let sets: HashSet<&str> =
        certain().flat_map(|m| m.environment.sets.iter().map(String::as_str)).collect();
    let mut seen = HashSet::new();
    let mut required = Vec::new();
    for module in certain() {
        for variable in &module.environment.variables {
            let name = variable.name.as_str();
            if variable.need == Need::Required && !sets.contains(name) && seen.insert(name) {
                required.push(NeededVariable { name: name.to_owned(), span: variable.span });
            }
        }
        if !module.environment.loads_file.is_empty() && code.open.is_none() {
            let why = format!("{} loads variables from a file", module.path.display());
            code.open = Some(Why::new(why));
        }
    }
    code.required = required;
}

/// The names in `.env.example` and its kin, where one lies in the first directory.
fn examples(sources: &Sources, entries: &[SearchEntry]) -> Vec<Spanned<String>> {
    let Some(first) = entries.first() else { return Vec::new() };
    for name in [".env.example", ".env.sample", ".env.template", "env.example"] {
        let Ok(file) = sources.load(&first.place.path.join(name)) else { continue };
        let content = env_file::parse(&file, Dialect::Since254);
        super::super::environment::hide_values(sources, &file, &content);
        return content.assignments.into_iter().map(|assignment| assignment.name).collect();
    }
    Vec::new()
}

struct Reader<'a> {
    sources: &'a Sources<'a>,
    venv: &'a Known<Venv>,
    entries: &'a [SearchEntry],
    version: Option<PythonVersion>,
    modules: Vec<ReadModule>,
    bytes: usize,
    open: Option<Why>,
}

/// A module that is to be read.
struct Wanted {
    name: String,
    path: PathBuf,
    certain: bool,
}

enum Lookup {
    File(PathBuf),
    /// A directory without `__init__.py`.
    Namespace,
    Missing,
    Unknown(Why),
}

impl<'a> Reader<'a> {
    fn new(sources: &'a Sources<'a>, gunicorn: &'a Gunicorn, entries: &'a [SearchEntry]) -> Self {
        let version = gunicorn.python.ok().map(|(major, minor)| PythonVersion::new(*major, *minor));
        Self {
            sources,
            venv: &gunicorn.venv,
            entries,
            version,
            modules: Vec::new(),
            bytes: 0,
            open: None,
        }
    }

    fn application(
        &mut self,
        name: ApplicationName,
        gunicorn: &Gunicorn,
        problems: &mut Vec<Problem>,
    ) -> Known<Application> {
        let origin = gunicorn.settings.wsgi_app().origin().cloned();
        let mut application = Application {
            secret: is_secret(gunicorn, origin.as_ref().and_then(Origin::span)),
            name,
            resolution: Resolution::Missing(Vec::new()),
            attribute: None,
            kind: None,
            near: Vec::new(),
            obstacles: Vec::new(),
        };
        let known = |application| match origin {
            Some(origin) => Known::Value(application, origin),
            None => Known::Default(application),
        };
        let name = application.name.clone();
        let path = match self.look_up(&name.module) {
            Lookup::File(path) => path,
            Lookup::Unknown(why) => return Known::Unknown(why),
            Lookup::Namespace | Lookup::Missing => {
                if let Err(why) = self.is_nowhere_else(&name.module) {
                    return Known::Unknown(why);
                }
                let searched = self.entries.iter().map(|entry| entry.place.path.clone()).collect();
                application.resolution = Resolution::Missing(searched);
                application.near = self.modules_near(&name.module);
                application.obstacles = self.obstacles(&name.module);
                return known(application);
            }
        };
        self.follow(&name, &path, &mut application, problems);
        application.resolution = Resolution::File(path);
        known(application)
    }

    /// The modules and packages where this one was looked for: beside it, at the top, and right
    /// inside the packages there.
    fn modules_near(&self, module: &str) -> Vec<String> {
        let package = module.rsplit_once('.').map_or("", |(package, _)| package);
        let mut found = Vec::new();
        for package in if package.is_empty() { vec![""] } else { vec![package, ""] } {
            for (name, is_package) in self.modules_in(package) {
                if is_package && package.is_empty() {
                    found.extend(self.modules_in(&name).into_iter().map(|(inner, _)| inner));
                }
                found.push(name);
            }
        }
        found
    }

    /// The modules of a package (of the top, where it is empty) by their dotted names, and whether
    /// each is a package itself.
    fn modules_in(&self, package: &str) -> Vec<(String, bool)> {
        let relative: PathBuf = package.split('.').collect();
        let mut found = Vec::new();
        for entry in self.entries {
            let directory = tidy(&entry.place.path.join(&relative));
            // A listing says what might be meant; without it the finding stands all the same.
            let names = self.sources.host().list(&directory).unwrap_or_default();
            for name in names.iter().filter_map(|name| name.to_str()).take(NEAR_LIMIT) {
                let init = directory.join(name).join("__init__.py");
                let (stem, is_package) = match name.strip_suffix(".py") {
                    Some(stem) => (stem, false),
                    None if self.sources.host().look(&init).metadata().is_some() => (name, true),
                    None => continue,
                };
                if is_identifier(stem) && stem != "__init__" {
                    let dot = if package.is_empty() { "" } else { "." };
                    found.push((format!("{package}{dot}{stem}"), is_package));
                }
            }
        }
        found
    }

    /// Reads the module and those that it imports, breadth first.
    fn follow(
        &mut self,
        name: &ApplicationName,
        path: &Path,
        application: &mut Application,
        problems: &mut Vec<Problem>,
    ) {
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let mut queue = VecDeque::new();
        for (package, init) in self.packages_above(&name.module) {
            queue.push_back(Wanted { name: package, path: init, certain: true });
        }
        queue.push_front(Wanted {
            name: name.module.clone(),
            path: path.to_path_buf(),
            certain: true,
        });
        while let Some(wanted) = queue.pop_front() {
            if !seen.insert(wanted.path.clone()) {
                continue;
            }
            if self.modules.len() == MODULE_LIMIT || self.bytes > BYTE_LIMIT {
                self.open.get_or_insert(Why::new("the application has more modules than are read"));
                return;
            }
            let file = match self.sources.load(&wanted.path) {
                Ok(file) => file,
                Err(error) => {
                    if !is_absent(&error) {
                        problems.push(Problem::unreadable(&error));
                    }
                    self.open.get_or_insert(Why::new(error.to_string()));
                    continue;
                }
            };
            self.bytes += file.bytes.len();
            let module = python::parse(&file, self.version.unwrap_or(NEWEST));
            if self.modules.is_empty() {
                let names = module.names();
                application.attribute = name.attribute().map(|name| names.binding(name));
                application.kind = name.attribute().and_then(|name| names.kind(name));
                application.near = names.all().map(str::to_owned).collect();
            }
            for import in module.imports() {
                for (name, path) in self.imported(&import, &wanted) {
                    let certain = wanted.certain && import.place == ImportPlace::TopLevel;
                    // What is certain goes first, so that nothing is taken for uncertain only
                    // because a function imported it, too.
                    let next = Wanted { name, path, certain };
                    if certain { queue.push_front(next) } else { queue.push_back(next) }
                }
            }
            self.modules.push(ReadModule {
                name: wanted.name,
                path: wanted.path,
                file: file.id,
                certain: wanted.certain,
                faults: module.faults().to_vec(),
                not_judged: module.not_judged().map(str::to_owned),
                environment: module.environment(),
            });
        }
    }

    /// The files of the application that an import loads; none for installed packages.
    fn imported(&self, import: &Import, from: &Wanted) -> Vec<(String, PathBuf)> {
        let is_package = from.path.file_name().is_some_and(|name| name == "__init__.py");
        let package = if is_package {
            from.name.as_str()
        } else {
            from.name.rsplit_once('.').map_or("", |(package, _)| package)
        };
        let Some(module) = import.absolute(package) else { return Vec::new() };
        let mut found: Vec<(String, PathBuf)> = self.packages_above(&module);
        match self.look_up(&module) {
            Lookup::File(path) => found.push((module.clone(), path)),
            Lookup::Namespace => {}
            Lookup::Missing | Lookup::Unknown(_) => return found,
        }
        // `from package import module` loads the module, too.
        for name in &import.names {
            let inner = if module.is_empty() { name.clone() } else { format!("{module}.{name}") };
            if let Lookup::File(path) = self.look_up(&inner) {
                found.push((inner, path));
            }
        }
        found
    }

    /// The `__init__.py` files of the packages that a module lies in.
    fn packages_above(&self, module: &str) -> Vec<(String, PathBuf)> {
        module
            .match_indices('.')
            .filter_map(|(at, _)| {
                let package = &module[..at];
                match self.look_up(package) {
                    Lookup::File(path) => Some((package.to_owned(), path)),
                    _ => None,
                }
            })
            .collect()
    }

    /// What stands where a module's file should: Python passes over all but files.
    fn obstacles(&self, module: &str) -> Vec<String> {
        let relative: PathBuf = module.split('.').collect();
        let bases = self.entries.iter().map(|entry| tidy(&entry.place.path.join(&relative)));
        bases
            .flat_map(|base| [base.join("__init__.py"), python_file(&base)])
            .filter_map(|path| match self.sources.host().look(&path).outcome {
                crate::host::Outcome::Present(metadata) => {
                    Some(format!("{} is {}, not a file", path.display(), metadata.kind))
                }
                crate::host::Outcome::Failed(error) if error.kind == HostErrorKind::LinkLoop => {
                    Some(error.to_string())
                }
                _ => None,
            })
            .collect()
    }

    /// Finds a module on the search path: a package before a module of the same name, the first
    /// directory that has either.
    fn look_up(&self, module: &str) -> Lookup {
        if module.is_empty() || module.split('.').any(|part| !is_identifier(part)) {
            return Lookup::Missing;
        }
        let relative: PathBuf = module.split('.').collect();
        let mut namespace = false;
        for entry in self.entries {
            if let Err(why) = entry.place.state.get() {
                return Lookup::Unknown(why);
            }
            let base = tidy(&entry.place.path.join(&relative));
            for path in [base.join("__init__.py"), python_file(&base)] {
                let lookup = self.sources.host().look(&path);
                match lookup.outcome {
                    crate::host::Outcome::Present(metadata) if metadata.kind == FileKind::File => {
                        return Lookup::File(path);
                    }
                    crate::host::Outcome::Failed(error)
                        if error.kind == HostErrorKind::PermissionDenied =>
                    {
                        return Lookup::Unknown(Why::new(error.to_string()));
                    }
                    _ => {}
                }
            }
            let lookup = self.sources.host().look(&base);
            namespace |= lookup.metadata().is_some_and(|m| m.kind == FileKind::Directory);
        }
        if namespace { Lookup::Namespace } else { Lookup::Missing }
    }

    /// May the module be an installed package's? Then it is not known to be missing.
    fn is_nowhere_else(&self, module: &str) -> Result<(), Why> {
        let top = module.split('.').next().unwrap_or(module);
        if super::standard_library::has(top) {
            return Err(Why::new(format!("{top} is a module of Python itself")));
        }
        let venv = self.venv.get()?;
        if let Some(why) = venv.absence_unknown() {
            return Err(Why::new(why));
        }
        if venv.has_entry(top) || venv.has_entry(&format!("{top}.py")) {
            return Err(Why::new(format!("{top} is installed in the venv")));
        }
        if !venv.path_files.is_empty() {
            return Err(Why::new("a .pth file of the venv adds directories"));
        }
        Ok(())
    }
}

/// Is the word that names the application, or the setting, made from a variable's value?
fn is_secret(gunicorn: &Gunicorn, span: Option<Span>) -> bool {
    let arguments = gunicorn.launch.ok().map_or(&[][..], |launch| &launch.arguments);
    arguments.iter().any(|word| word.secret && Some(word.span) == span)
        || gunicorn.settings.is_secret("wsgi_app")
}

/// `a/b` → `a/b.py`.
fn python_file(base: &Path) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(".py");
    name.into()
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
}
