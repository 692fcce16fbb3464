//! Django's migrations in the release: those of the applications that INSTALLED_APPS names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::super::{Known, Origin, Problem, Why, WhyKind};
use super::finder::{Found, Owner};
use super::graph::{Graph, NEWEST, package};
use super::{PreviousRelease, ReleaseLink, is_absent};
use crate::host::HostErrorKind;
use crate::source::django::{self, AppName, FileKind};
use crate::source::python::django::Settings;
use crate::source::python::{self, Import, Module, PythonVersion};
use crate::source::{Sources, Spanned};

pub use crate::source::django::{
    App as DjangoApp, Dependency, Fault, Key, Migration, Missing as MissingMigration, Pending,
    Printed, Project,
};

/// The most applications, migrations and bytes that are read.
const APPS: usize = 500;
const FILES: usize = 10_000;
const BYTES: usize = 32 << 20;
/// How deep settings take over each other's names, and how often in all.
const DEPTH: usize = 10;
const TAKEN: usize = 100;

/// The command that shows what is applied.
pub const SHOWS: &str = "python manage.py showmigrations --plan";

/// The migrations of a Django project.
#[derive(Debug)]
pub struct DjangoMigrations {
    /// The applications and their migrations.
    pub project: Project,
    /// The module of the settings.
    pub settings: String,
}

/// The migrations that an earlier release holds.
#[derive(Debug)]
pub struct EarlierDjango {
    /// The release's directory.
    pub release: PathBuf,
    /// The names of the files that are where this release's migrations are.
    pub names: HashSet<Key>,
}

impl DjangoMigrations {
    /// What the database has not applied, by what is known about it.
    pub fn standing(&self, database: &Known<String>) -> Result<Pending<'_>, Why> {
        let printed = match database.get() {
            Ok(printed) => printed,
            Err(why) => return Err(self.ask(&why)),
        };
        let printed = Printed::read(printed).ok_or_else(|| self.not_printed())?;
        self.project.pending(&printed).map_err(Why::not_understood)
    }

    /// Has the database nothing applied at all, so that no running code can use its tables?
    pub fn is_empty_database(printed: &str) -> bool {
        Printed::read(printed).is_some_and(|printed| printed.applied.is_empty())
    }

    /// The migrations that the previous release does not hold.
    pub fn added_to(&self, earlier: &EarlierDjango) -> Result<Pending<'_>, Why> {
        let is_new = |app: &str, migration: &Migration| {
            let key = Key { app: app.to_owned(), name: migration.name.clone() };
            !earlier.names.contains(&key)
        };
        self.project.added(&is_new).map_err(Why::not_understood)
    }

    /// The migrations that come after these (`shop.0003_orders`, one for each application that is
    /// looked at).
    pub fn since(&self, words: &str) -> Result<Pending<'_>, Why> {
        let (mut apps, mut old) = (HashSet::new(), HashSet::new());
        for word in words.split([' ', ',', '\n']).filter(|word| !word.is_empty()) {
            let pair = word.split_once('.').ok_or_else(|| self.no_such(word))?;
            let key = Key { app: pair.0.to_owned(), name: pair.1.to_owned() };
            old.extend(self.project.until(&key).ok_or_else(|| self.no_such(word))?);
            apps.insert(key.app);
        }
        let is_new = |app: &str, migration: &Migration| {
            apps.contains(app)
                && !old.contains(&Key { app: app.to_owned(), name: migration.name.clone() })
        };
        self.project.added(&is_new).map_err(Why::not_understood)
    }

    /// For `facts`: how many migrations each application has.
    pub(in crate::facts) fn to_json(&self) -> serde_json::Value {
        let app = |app: &DjangoApp| match app {
            DjangoApp::Own { directory, migrations, faults, .. } => serde_json::json!({
                "directory": directory,
                "migrations": migrations.len(),
                "not_understood": faults.len(),
            }),
            DjangoApp::Installed { names } => serde_json::json!({ "installed": names.len() }),
            DjangoApp::NoPackage { directory, files, .. } => serde_json::json!({
                "directory": directory,
                "not_seen": files,
            }),
            DjangoApp::Unmigrated => serde_json::json!({}),
            DjangoApp::Unknown(why) => serde_json::json!({ "unknown": why }),
        };
        let apps = self.project.apps.iter().map(|(label, found)| (label.clone(), app(found)));
        serde_json::json!({
            "settings": self.settings,
            "apps": apps.collect::<serde_json::Map<_, _>>(),
            "more": self.project.open,
        })
    }

    fn no_such(&self, word: &str) -> Why {
        Why::not_there(format!(
            "no migration of the release is {word} (--since takes APP.MIGRATION)"
        ))
    }

    fn ask(&self, why: &Why) -> Why {
        if self.is_empty() {
            return why.clone();
        }
        let preflight = if why.kind() == WhyKind::NotAsked { "--preflight or " } else { "" };
        why.reword(|text| {
            let text = text.replace(
                "the database's revision is",
                "the migrations applied in the database \
                     are",
            );
            format!("{text}; add {preflight}--db-revision \"$({SHOWS})\"")
        })
    }

    fn not_printed(&self) -> Why {
        Why::not_understood(format!("--db-revision is not the output of `{SHOWS}`"))
    }

    /// Has no application any migration, so that nothing can be pending?
    pub fn is_empty(&self) -> bool {
        let none = |app: &DjangoApp| match app {
            DjangoApp::Own { migrations, unread, .. } => migrations.is_empty() && unread.is_empty(),
            DjangoApp::Installed { names } => names.is_empty(),
            DjangoApp::NoPackage { .. } | DjangoApp::Unmigrated => true,
            DjangoApp::Unknown(_) => false,
        };
        self.project.open.is_none() && self.project.apps.values().all(none)
    }
}

/// Reads the migrations of the project whose settings are this module.
pub(super) fn read(
    graph: &Graph<'_>,
    settings: &(String, PathBuf),
    problems: &mut Vec<Problem>,
) -> Known<Option<DjangoMigrations>> {
    let (module, path) = settings;
    let mut reader = MigrationsReader {
        graph,
        version: graph.version.unwrap_or(NEWEST),
        files: 0,
        bytes: 0,
        taken: 0,
        open: None,
        installed: HashMap::new(),
        problems,
    };
    let origin = Origin::Path(path.clone());
    match reader.project(module, path) {
        Ok(project) => {
            let migrations = DjangoMigrations { project, settings: module.clone() };
            Known::Value(Some(migrations), origin)
        }
        Err(why) => Known::Unknown(why),
    }
}

struct MigrationsReader<'a, 'g> {
    graph: &'a Graph<'g>,
    version: PythonVersion,
    files: usize,
    bytes: usize,
    taken: usize,
    /// Why INSTALLED_APPS may contain more than was read.
    open: Option<String>,
    /// The migrations of installed packages, by label: where they are, and their names.
    installed: HashMap<String, (PathBuf, BTreeMap<String, bool>)>,
    problems: &'a mut Vec<Problem>,
}

impl MigrationsReader<'_, '_> {
    fn project(&mut self, module: &str, path: &Path) -> Result<Project, Why> {
        let settings = self.settings(module, path, DEPTH)?;
        let mut project = Project::default();
        let Some(installed) = settings.get("INSTALLED_APPS") else {
            return Err(Why::not_understood("INSTALLED_APPS of Django's settings is not known"));
        };
        if installed.more {
            self.open("INSTALLED_APPS may contain more than is read");
        }
        if installed.certain.len() > APPS {
            return Err(Why::not_read(format!("more than {APPS} applications are not read")));
        }
        for entry in &installed.certain {
            match self.app(entry) {
                Ok(app) => {
                    let found = self.migrations(&app)?;
                    project.apps.insert(app.label, found);
                }
                Err(why) => self.open(&why),
            }
        }
        if let Some(user) = settings.get("AUTH_USER_MODEL") {
            if let ([model], false) = (user.certain.as_slice(), user.more)
                && let Some((app, _)) = model.value.split_once('.')
            {
                project.swappable.insert("AUTH_USER_MODEL".into(), app.to_owned());
            }
        } else {
            project.swappable.insert("AUTH_USER_MODEL".into(), "auth".into());
        }
        project.open = self.open.take();
        let missing = project.missing().0;
        let labels: HashSet<String> = missing.into_iter().map(|one| one.key.app).collect();
        for label in labels {
            let Some((directory, files)) = self.installed.remove(&label) else { continue };
            let found = self.replaced(&directory, &files)?;
            project.apps.insert(label, found);
        }
        Ok(project)
    }

    fn open(&mut self, why: &str) {
        self.open.get_or_insert_with(|| why.to_owned());
    }

    /// The settings of a module and of those that it takes over.
    fn settings(&mut self, module: &str, path: &Path, depth: usize) -> Result<Settings, Why> {
        self.taken += 1;
        if depth == 0 || self.taken > TAKEN {
            return Err(Why::not_understood("Django's settings lead too far"));
        }
        let parsed = self.parse(path)?;
        if let Some(fault) = parsed.unusable() {
            return Err(Why::not_understood(format!("{}: {fault}", path.display())));
        }
        let package = package(module, path);
        let mut failed = None;
        let settings = parsed.django_settings(self.graph.version, &mut |import: &Import| {
            let name = import.absolute(package)?;
            match self.graph.finder.find(&name) {
                Found::File(path, Owner::Release) => match self.settings(&name, &path, depth - 1) {
                    Ok(settings) => Some(settings),
                    Err(why) => {
                        failed.get_or_insert(why);
                        None
                    }
                },
                // `try: from .local import *`, and no such file.
                Found::Missing(_) => Some(Settings::new()),
                _ => None,
            }
        });
        failed.map_or(Ok(settings), Err)
    }

    /// Reads a module, within the bounds.
    fn parse(&mut self, path: &Path) -> Result<Module, Why> {
        let file = self.graph.sources.load(path).map_err(|error| {
            if !is_absent(&error) {
                self.problems.push(Problem::unreadable(&error));
            }
            Why::not_read(error.to_string())
        })?;
        self.files += 1;
        self.bytes += file.bytes.len();
        if self.files > FILES || self.bytes > BYTES {
            return Err(Why::not_read("the project has more migrations than are read"));
        }
        // Tests move them away, where their own settings say so; here it counts.
        if memmem::find(&file.bytes, b"MIGRATION_MODULES").is_some() {
            return Err(Why::not_understood(format!(
                "MIGRATION_MODULES in {} moves the migrations, which is not followed",
                path.display()
            )));
        }
        let ways: [&[u8]; 3] = [b"globals()", b"locals()", b"exec("];
        if ways.iter().any(|way| memmem::find(&file.bytes, way).is_some()) {
            self.open(&format!(
                "{} may change settings in a way that cannot be seen",
                path.display()
            ));
        }
        Ok(python::parse(&file, self.version))
    }

    /// The application behind an entry of INSTALLED_APPS.
    fn app(&mut self, entry: &Spanned<String>) -> Result<AppName, String> {
        let name = entry.value.as_str();
        let unknown = || format!("it is not known which application {name} of INSTALLED_APPS is");
        match self.graph.finder.find(name) {
            Found::File(path, _) if !path.ends_with("__init__.py") => Ok(AppName::plain(name)),
            Found::File(..) | Found::Namespace(_) => {
                let config = match self.graph.finder.find(&format!("{name}.apps")) {
                    Found::File(path, _) => Some(self.parse(&path).map_err(|_| unknown())?),
                    Found::Missing(_) => None,
                    _ => return Err(unknown()),
                };
                django::app_of(name, config.as_ref(), None).ok_or_else(unknown)
            }
            Found::Missing(_) => {
                let (module, class) = name.rsplit_once('.').ok_or_else(unknown)?;
                let Found::File(path, _) = self.graph.finder.find(module) else {
                    return Err(unknown());
                };
                let config = self.parse(&path).map_err(|_| unknown())?;
                django::app_of(name, Some(&config), Some(class)).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        }
    }

    /// The migrations of an application.
    fn migrations(&mut self, app: &AppName) -> Result<DjangoApp, Why> {
        let package = format!("{}.migrations", app.module);
        let found = match self.graph.finder.find(&package) {
            Found::File(path, owner) if path.ends_with("__init__.py") => (path, owner),
            // `migrations.py`, which Django takes for none.
            Found::File(..) | Found::Missing(_) => return Ok(DjangoApp::Unmigrated),
            Found::Namespace(directories) => return Ok(self.no_package(&package, &directories)),
            Found::Opaque(path) => {
                return Ok(DjangoApp::Unknown(format!("{} is not read", path.display())));
            }
            Found::Python => return Ok(DjangoApp::Unmigrated),
            Found::Unknown(why) => return Ok(DjangoApp::Unknown(why.text().to_owned())),
        };
        let (init, owner) = found;
        let directory = init.parent().unwrap_or(Path::new("")).to_path_buf();
        match self.list(&directory) {
            Err(why) => Ok(DjangoApp::Unknown(why)),
            Ok(files) => match owner {
                Owner::Release => self.own(directory, &files),
                Owner::Installed => {
                    let names = files.keys().cloned().collect();
                    self.installed.insert(app.label.clone(), (directory, files));
                    Ok(DjangoApp::Installed { names })
                }
            },
        }
    }

    /// The migrations of a directory, by name, and whether each is source.
    fn list(&mut self, directory: &Path) -> Result<BTreeMap<String, bool>, String> {
        let names = self.graph.sources.host().list(directory).map_err(|error| {
            if !matches!(
                error.kind,
                HostErrorKind::NotFound | HostErrorKind::NotGiven | HostErrorKind::NotMounted
            ) {
                self.problems.push(Problem::unreadable(&error));
            }
            error.to_string()
        })?;
        let mut files = BTreeMap::new();
        for name in &names {
            let Some(name) = name.to_str() else {
                return Err(format!("a name in {} is not UTF-8", directory.display()));
            };
            if let Some((stem, source)) = django::named(name) {
                *files.entry(stem.to_owned()).or_insert(source) |= source;
            }
        }
        Ok(files)
    }

    /// A directory with migrations and no `__init__.py`: Django ignores the application.
    fn no_package(&mut self, package: &str, directories: &[PathBuf]) -> DjangoApp {
        let [directory] = directories else { return DjangoApp::Unmigrated };
        if self.graph.finder.owner_below(package) != Owner::Release {
            return DjangoApp::Unmigrated;
        }
        let Ok(files) = self.list(directory) else { return DjangoApp::Unmigrated };
        // Whatever else is there may be no migration at all.
        let numbered =
            |name: &&String| name.len() > 4 && name.bytes().take(4).all(|b| b.is_ascii_digit());
        let mut files = files.iter().filter(|(name, source)| **source && numbered(name));
        let count = files.clone().count();
        let first = files.next().map(|(name, _)| directory.join(format!("{name}.py")));
        match first.and_then(|first| self.graph.sources.load(&first).ok()) {
            None => DjangoApp::Unmigrated,
            Some(first) => DjangoApp::NoPackage {
                directory: directory.clone(),
                files: count,
                first: first.line_span(1),
            },
        }
    }

    fn own(
        &mut self,
        directory: PathBuf,
        files: &BTreeMap<String, bool>,
    ) -> Result<DjangoApp, Why> {
        let (mut migrations, mut unread, mut faults) = (Vec::new(), Vec::new(), Vec::new());
        let mut classless = Vec::new();
        for (name, source) in files {
            if !source {
                let path = directory.join(format!("{name}.pyc"));
                unread.push(name.clone());
                faults.push(Fault::new(&path, None, "is compiled, and has no source next to it"));
                continue;
            }
            let path = directory.join(format!("{name}.py"));
            let module = self.parse(&path)?;
            match django::read(&module) {
                FileKind::Migration(migration) => migrations.push(migration),
                FileKind::NoClass => {
                    let span = self.graph.sources.file(module.file()).line_span(1);
                    classless.push((path, span));
                }
                FileKind::Unknown(span, why) => {
                    unread.push(name.clone());
                    faults.push(Fault::new(&path, span, why));
                }
            }
        }
        Ok(DjangoApp::Own { directory, migrations, unread, faults, classless })
    }

    /// Takes in what an installed package's migrations replace, where something depends on one that
    /// no file of it holds.
    fn replaced(
        &mut self,
        directory: &Path,
        files: &BTreeMap<String, bool>,
    ) -> Result<DjangoApp, Why> {
        let mut names: HashSet<String> = files.keys().cloned().collect();
        for name in files.iter().filter(|(_, source)| **source).map(|(name, _)| name) {
            let path = directory.join(format!("{name}.py"));
            // Few of them are squashed, and the others need not be parsed.
            let Ok(file) = self.graph.sources.load(&path) else {
                let why = format!("{} is not read", path.display());
                return Ok(DjangoApp::Unknown(why));
            };
            if memmem::find(&file.bytes, b"replaces").is_none() {
                continue;
            }
            match django::read(&self.parse(&path)?) {
                FileKind::Migration(migration) => {
                    names.extend(migration.replaces.into_iter().map(|key| key.name));
                }
                FileKind::NoClass | FileKind::Unknown(..) => {
                    let why = format!("{} was not understood", path.display());
                    return Ok(DjangoApp::Unknown(why));
                }
            }
        }
        Ok(DjangoApp::Installed { names })
    }
}

/// The migrations of the release before the current one, which are in the same place in it as in
/// the current one.
pub(super) fn of_earlier(
    sources: &Sources,
    migrations: &Known<Option<DjangoMigrations>>,
    link: Option<&ReleaseLink>,
    previous: &Known<Vec<PreviousRelease>>,
) -> Known<EarlierDjango> {
    let Some(link) = link else {
        return Known::Unknown(Why::not_there("no release link is on the way"));
    };
    let (releases, migrations) = match (previous.get(), migrations.get()) {
        (Ok(releases), Ok(Some(migrations))) => (releases, migrations),
        (Err(why), _) | (_, Err(why)) => return Known::Unknown(why),
        (_, Ok(None)) => return Known::Unknown(Why::not_there("the application is not Django's")),
    };
    // Releases are named so that they sort: by date or number.
    let before = releases.iter().filter(|release| release.path < link.resolved);
    let Some(release) = before.max_by(|a, b| a.path.cmp(&b.path)) else {
        return Known::Unknown(Why::not_there("there is no previous release"));
    };
    let mut names = HashSet::new();
    for (app, found) in &migrations.project.apps {
        let DjangoApp::Own { directory, .. } = found else { continue };
        let inside = directory.strip_prefix(&link.path);
        let Ok(inside) = inside.or_else(|_| directory.strip_prefix(&link.resolved)) else {
            // Next to the releases: what is there is the same for all of them.
            let why = format!("{} is outside the releases", directory.display());
            return Known::Unknown(Why::not_there(why));
        };
        let files = match sources.host().list(&release.path.join(inside)) {
            Ok(files) => files,
            // The application is new.
            Err(error) if is_absent(&error) => continue,
            Err(error) => return Known::Unknown(Why::not_read(error.to_string())),
        };
        let files = files.iter().filter_map(|file| django::named(file.to_str()?));
        names.extend(files.map(|(name, _)| Key { app: app.clone(), name: name.to_owned() }));
    }
    if names.is_empty() {
        return Known::Unknown(Why::not_there("the previous release has no migrations"));
    }
    Known::Observed(EarlierDjango { release: release.path.clone(), names }, "the previous release")
}
