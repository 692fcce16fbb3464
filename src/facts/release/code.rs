//! The application's modules: where the module is that gunicorn imports, what it needs, whether it
//! parses.

mod start;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::super::place::tidy;
use super::super::server::Gunicorn;
use super::super::{Known, Origin, Problem, Why};
use super::finder::{Finder, Found, Owner};
use super::graph::{Graph, NEWEST};
use super::interface::{self, MadeBy, ServedAtImport};
use super::listed::Listed;
use super::site::{self, Site};
use super::unresolved::{ImportCheck, Judge};
use super::variable_files::{self, VariableFiles};
use super::{DjangoMigrations, ReleaseLink, SearchEntry, django, django_migrations, flask_debug};
use crate::host::HostErrorKind;
use crate::source::env_file::{self, Dialect};
use crate::source::gunicorn::{ApplicationName, ApplicationObject};
use crate::source::python::environ::Need;
use crate::source::python::{self, PythonVersion};
use crate::source::similar::nearest;
use crate::source::{Lookup, Sources, Span, Spanned};

pub use super::read_module::ReadModule;
pub use start::StartImports;

pub use crate::source::python::flask::FlaskApplication;
pub use crate::source::python::names::{Binding, DefinitionKind};

/// The most names of a directory that are looked at for "did you mean".
const NEAR_LIMIT: usize = 200;
/// Where the module is that gunicorn imports.
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
    /// `module:attribute`, parsed.
    pub name: ApplicationName,
    /// Where the module is.
    pub resolution: Resolution,
    /// The attribute in it, where the module was found and has one that is looked for.
    pub attribute: Option<Binding>,
    /// What the attribute was bound to last, where its module was read.
    pub kind: Option<DefinitionKind>,
    /// Where an imported attribute is defined, and as what, where that is sure.
    pub imported: Option<(DefinitionKind, Span)>,
    /// The function that makes it and gives nothing back, where that is sure: its name, and its place.
    pub nothing: Option<(String, Span)>,
    /// What may have been meant: the module's own names where it was found, else the modules
    /// where it was looked for. Dotted, as one would write them.
    pub near: Vec<String>,
    /// What is where the module should, and is not a file: `PATH is a fifo, not a file`.
    pub obstacles: Vec<String>,
    /// Does the name come out of an environment variable, so that it must not be shown?
    pub secret: bool,
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
    /// The file of Django's settings, where the application starts Django with settings of its own.
    pub django_settings: Option<PathBuf>,
    /// Django's migrations.
    pub(super) django_migrations: Known<Option<DjangoMigrations>>,
    /// Variables that `.env.example` lists.
    pub examples: Vec<Spanned<String>>,
    /// Whether all that is certainly imported is there.
    pub imports: Known<ImportCheck>,
    /// Whether what gunicorn imports before it is there.
    pub start: StartImports,
    /// What the application is made by; `None` if the code does not say for sure.
    pub made: Known<Option<MadeBy>>,
    /// Calls that start a server while the application is imported.
    pub served: Known<Vec<ServedAtImport>>,
    /// The files from which the code takes variables by itself.
    pub files: VariableFiles,
    /// Why variables may come from elsewhere (`load_dotenv()`), or why not all modules were read.
    pub open: Option<Why>,
}

impl Code {
    fn not_followed(&mut self, why: &Why) {
        self.imports = Known::Unknown(why.clone());
        self.made = Known::Unknown(why.clone());
        self.served = Known::Unknown(why.clone());
    }
}

/// What reading the code needs to know besides.
pub(super) struct Surroundings<'a> {
    /// The home directory of the user that gunicorn runs as.
    pub home: Option<&'a Path>,
    /// Where gunicorn is started.
    pub working_directory: Option<&'a Path>,
    /// The release link.
    pub link: Option<&'a ReleaseLink>,
    /// Is it a whole machine that is read?
    pub whole: bool,
    /// What a repository lists, where there is no environment to look into.
    pub listed: Option<&'a Listed>,
    /// Why there may be more directories on the search path.
    pub path_open: Option<&'a Why>,
    /// A variable as the application finds it.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// DJANGO_SETTINGS_MODULE as the application sees it.
    pub django_settings: &'a dyn Fn() -> Result<Option<(String, Option<Span>)>, Why>,
}

pub(super) fn read(
    sources: &Sources,
    gunicorn: &Gunicorn,
    search_path: &Known<Vec<SearchEntry>>,
    surroundings: &Surroundings<'_>,
    problems: &mut Vec<Problem>,
) -> Code {
    let mut code = Code {
        application: Known::Unknown(Why::not_read("the application was not read")),
        modules: Vec::new(),
        required: Vec::new(),
        django_settings: None,
        django_migrations: Known::Unknown(Why::not_read("the application was not read")),
        examples: Vec::new(),
        imports: Known::Unknown(Why::not_read("the application was not read")),
        start: StartImports::unknown(&Why::not_read("the application was not read")),
        made: Known::Unknown(Why::not_read("the application was not read")),
        served: Known::Unknown(Why::not_read("the application was not read")),
        files: VariableFiles::default(),
        open: None,
    };
    let entries = match search_path.get() {
        Ok(entries) => entries,
        Err(why) => {
            code.not_followed(&why);
            code.start = start::read(sources, gunicorn, Err(&why), surroundings, problems);
            code.application = Known::Unknown(why);
            return code;
        }
    };
    code.start = start::read(sources, gunicorn, Ok(entries), surroundings, problems);
    code.examples = examples(sources, entries);
    let name = match gunicorn.settings.wsgi_app() {
        Known::Unknown(why) => {
            code.not_followed(&why);
            code.application = Known::Unknown(why);
            return code;
        }
        Known::Value(name, _) | Known::Default(name, _) | Known::Observed(name, _) => {
            ApplicationName::parse(&name)
        }
    };
    let mut reader = CodeReader::new(sources, gunicorn, entries, surroundings);
    code.application = reader.application(name, gunicorn, problems);
    match code.application.clone() {
        Known::Unknown(why) => code.not_followed(&why),
        Known::Value(application, _)
        | Known::Default(application, _)
        | Known::Observed(application, _) => {
            let graph = &mut reader.graph;
            let django = django::follow(graph, surroundings.django_settings, problems);
            let mut imports = graph.check(&reader.judge);
            match django {
                Ok(Some(settings)) => {
                    code.django_migrations = django_migrations::read(graph, &settings, problems);
                    code.django_settings = Some(settings.1);
                }
                Ok(None) => {
                    let why = "the settings module of Django is not known";
                    code.django_migrations = Known::Unknown(Why::not_understood(why));
                }
                Err(why) => {
                    code.django_migrations = Known::Unknown(why.clone());
                    imports.unknown.push(why);
                }
            }
            code.imports = Known::Observed(imports, "the release's imports");
            let made = interface::of(graph, &application.name);
            let is_flask = made.is_some_and(|made| made.maker == "Flask");
            let called = matches!(application.name.object, ApplicationObject::Call { .. });
            let own = application.name.attribute().filter(|_| is_flask && !called);
            flask_debug::read(graph, &application.name, own, surroundings.variable);
            code.made = Known::Observed(made, "the release's code");
            code.served = Known::Observed(interface::served(graph), "the release's code");
        }
    }
    code.open = reader.graph.open.clone();
    code.modules = reader.graph.modules;
    code.files = variable_files::read(
        sources,
        surroundings.whole,
        entries.first().map(|first| first.place.path.as_path()),
        &code.modules,
        code.open.as_ref(),
    );
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
            code.open = Some(Why::depends(why));
        }
        if module.environment.writes.iter().any(|write| write.name.is_none()) && code.open.is_none()
        {
            let path = module.path.display();
            let why = format!("{path} sets variables whose names are computed");
            code.open = Some(Why::depends(why));
        }
    }
    code.required = required;
}

/// The names in `.env.example` and its kin, where one is in the first directory.
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

struct CodeReader<'a> {
    sources: &'a Sources<'a>,
    entries: &'a [SearchEntry],
    graph: Graph<'a>,
    judge: Judge<'a>,
    whole: bool,
}

impl<'a> CodeReader<'a> {
    fn new(
        sources: &'a Sources<'a>,
        gunicorn: &'a Gunicorn,
        entries: &'a [SearchEntry],
        surroundings: &Surroundings<'a>,
    ) -> Self {
        let version = gunicorn.python.ok().map(|(major, minor)| PythonVersion::new(*major, *minor));
        let mut finder = Finder::new(sources, version);
        let mut tops = Vec::new();
        for entry in entries {
            finder.add(entry.place.path.clone(), Owner::Release);
            tops.extend([entry.place.path.clone(), entry.place.resolved.clone()]);
        }
        tops.extend(surroundings.link.map(|link| link.resolved.clone()));
        let directory = entries.first().map(|first| first.place.path.clone());
        let mut graph = Graph::new(sources, finder, version, directory, tops);
        let site = match gunicorn.venv.get() {
            Ok(venv) => add_installed(&mut graph, site::read(sources, venv, surroundings.home)),
            Err(why) => Some(why),
        };
        // `bin/`, where the program is, comes first on the search path; only oddities are there.
        if let Some(bin) = gunicorn.program.as_ref().and_then(|program| program.resolved.parent()) {
            graph.finder.add(bin.to_path_buf(), Owner::Installed);
        }
        follow_configuration(sources, gunicorn, &mut graph, version);
        Self {
            sources,
            entries,
            graph,
            judge: Judge {
                sources,
                version,
                site: site.or_else(|| surroundings.path_open.cloned()),
                listed: surroundings.listed,
                venv: gunicorn.venv.ok(),
            },
            whole: surroundings.whole,
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
            imported: None,
            nothing: None,
            near: Vec::new(),
            obstacles: Vec::new(),
        };
        let known = |application| Known::at(application, origin, "gunicorn's settings");
        let name = application.name.clone();
        let path = match self.look_up(&name.module) {
            Ok(Some(path)) => path,
            Err(why) if !self.is_slip(&name.module) => return Known::Unknown(why),
            Ok(None) | Err(_) => {
                let searched = self.entries.iter().map(|entry| entry.place.path.clone()).collect();
                application.resolution = Resolution::Missing(searched);
                application.near = self.modules_near(&name.module);
                application.obstacles = self.obstacles(&name.module);
                return known(application);
            }
        };
        if let ApplicationObject::Call { name: factory, .. } = &name.object {
            self.graph.calls(&name.module, factory);
        }
        self.graph.start(&name.module, &path, problems);
        if let Some(module) = self.graph.parsed.first() {
            let names = module.names();
            application.attribute = name.attribute().map(|name| names.binding(name));
            application.kind = name.attribute().and_then(|name| names.kind(name));
            application.near = names.all().map(str::to_owned).collect();
            if application.kind == Some(DefinitionKind::Import) {
                let attribute = name.attribute();
                application.imported =
                    attribute.and_then(|name| interface::definition(&self.graph, name));
            }
        }
        application.nothing = interface::nothing(&self.graph, &name);
        application.resolution = Resolution::File(path);
        known(application)
    }

    /// Is the name of a module that a repository does not have a typo away from one that it has?
    /// What is installed is not known there, and would hardly be named so.
    fn is_slip(&self, module: &str) -> bool {
        let near = self.modules_near(module);
        // Nothing that is installed is called by a number.
        let number = |top: &str| !top.is_empty() && top.bytes().all(|byte| byte.is_ascii_digit());
        let no_name = module.split('.').next().is_some_and(number);
        !self.whole && (no_name || nearest(module, near.iter().map(String::as_str)).is_some())
    }

    /// The file of the module that gunicorn loads; `None` if it is nowhere.
    fn look_up(&self, module: &str) -> Result<Option<PathBuf>, Why> {
        // importlib takes any file's name for a module's, also `2-hbnb`.
        if module.split('.').any(|part| part.is_empty() || part.contains('/')) {
            return Ok(None);
        }
        let top = module.split('.').next().unwrap_or(module);
        match self.graph.finder.find(module) {
            Found::File(path, Owner::Release) => Ok(Some(path)),
            Found::File(_, Owner::Installed) | Found::Opaque(_) => {
                Err(Why::not_read(format!("{top} is installed in the venv")))
            }
            Found::Python => Err(Why::not_read(format!("{top} is a module of Python itself"))),
            Found::Unknown(why) => Err(why),
            // A package without `__init__.py` has no application.
            Found::Namespace(_) => Ok(None),
            Found::Missing(name) => match self.judge.is_nowhere(&self.graph, &name) {
                Ok(()) => Ok(None),
                Err(Some(why)) => Err(why),
                Err(None) => Err(Why::not_understood(format!("{name} is put together in code"))),
            },
        }
    }

    /// The modules and packages where this one was looked for: next to it, at the top, and right
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
            // A listing says what might be meant; without it the finding is all the same.
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

    /// What is where a module's file should: Python ignores all but files.
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
}

/// Takes in what is installed; the answer says why not all of it is known.
fn add_installed(graph: &mut Graph<'_>, site: Site) -> Option<Why> {
    for directory in site.directories {
        let owner = match directory.components().any(|part| part.as_os_str() == "site-packages") {
            true => Owner::Installed,
            false => graph.owner(&directory),
        };
        graph.finder.add(directory, owner);
    }
    for (name, path) in site.mapped {
        let owner = graph.owner(&path);
        graph.finder.map(name, path, owner);
    }
    graph.provided.extend(site.provided.into_iter().map(str::to_owned));
    site.unknown
}

/// gunicorn's configuration file runs before the application is imported, and may change the search
/// path.
fn follow_configuration(
    sources: &Sources,
    gunicorn: &Gunicorn,
    graph: &mut Graph<'_>,
    version: Option<PythonVersion>,
) {
    match &gunicorn.config {
        Known::Unknown(why) => {
            graph.unfollowed.get_or_insert(why.clone());
        }
        Known::Value(config, _) | Known::Default(config, _) | Known::Observed(config, _) => {
            let Some(file) = config.as_ref().and_then(|config| config.file.as_ref()) else {
                return;
            };
            // Most say nothing of it.
            let words = [&b"path"[..], b"modules", b"addsitedir"];
            if words.iter().any(|word| file.bytes.windows(word.len()).any(|part| part == *word)) {
                let module = python::parse(&sources.file(file.id), version.unwrap_or(NEWEST));
                graph.changes(&module);
            }
        }
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
