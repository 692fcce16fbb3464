//! The code that is served: the release link, the application's modules, its packages, its
//! migrations.

mod beside;
pub mod code;
mod django;
pub mod django_files;
pub mod django_migrations;
mod django_settings;
mod finder;
mod flask_debug;
mod graph;
pub mod interface;
pub mod link;
mod listed;
pub mod manifests;
pub mod migrations;
pub mod own_statics;
pub mod packages;
mod pinned;
pub mod previous;
mod read_module;
pub mod readable;
mod requirements_file;
mod site;
mod sqlite;
pub(super) mod standard_library;
pub mod unresolved;
mod variable_files;
mod written;

use std::path::{Path, PathBuf};

use super::discovery::Candidate;
use super::environment::{SetVariable, as_lookup};
use super::gunicorn::Layer;
use super::place::tidy;
use super::server::{Gunicorn, WrittenPath};
use super::{Given, Known, Machine, Origin, Place, Problem, Why};
use crate::host::{HostError, HostErrorKind};
use crate::source::{Lookup, Sources};

pub use code::{Application, Code, NeededVariable, ReadModule, Resolution};
pub use django_migrations::{DjangoMigrations, EarlierDjango};
pub use django_settings::Django;
pub use link::ReleaseLink;
pub use listed::Listed;
pub use manifests::{ServedFrom, StaticManifest};
pub use migrations::{Earlier, Migrations, Standing};
pub use packages::{Needed, Packages, RequirementsFile};
pub use pinned::Pinned;
pub use previous::{Alike, PreviousRelease};
pub use read_module::SocketIo;
pub use readable::{Unreadable, importer};
pub use sqlite::Sqlite;
pub use unresolved::{ImportCheck, Missing, Unresolved};
pub use variable_files::{InFiles, VariableFiles};

// How the code reads a variable.
pub use crate::source::python::environ::{Need, Reader, VariableUse};

/// What puts a directory on Python's search path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SearchReason {
    /// gunicorn's working directory: as the kernel resolves it, or `$PWD`.
    WorkingDirectory,
    /// `--chdir` or `chdir=`.
    Chdir,
    /// `--pythonpath` or `pythonpath=`.
    Pythonpath,
    /// The variable PYTHONPATH.
    PythonpathVariable,
    /// `--app-dir` of the command line.
    Option,
}

/// A directory on Python's search path, before the environment's own.
#[derive(Debug, Clone)]
pub struct SearchEntry {
    /// What put it there.
    pub reason: SearchReason,
    /// The directory, as it was written.
    pub place: Place,
    /// Where it was written.
    pub origin: Option<Origin>,
}

/// The code that is served.
#[derive(Debug)]
pub struct Release {
    /// Where gunicorn changes to before it imports the application.
    pub directory: Known<Place>,
    /// The link that deployments move, where there is one on the way.
    pub link: Option<ReleaseLink>,
    /// Does Python's search path go through that link, so that a reload follows it? Unknown also
    /// where there is no link.
    pub follows_link: Known<bool>,
    /// The places of the unit that name one release, next to which a link leads to the one served.
    pub pinned: Known<Vec<Pinned>>,
    /// Python's search path before the environment's own directories, in order.
    pub search_path: Known<Vec<SearchEntry>>,
    /// The application's modules.
    pub code: Code,
    /// The modules that the service's user cannot read.
    pub unreadable: Known<Vec<Unreadable>>,
    /// What the release requires of the virtual environment.
    pub packages: Packages,
    /// Alembic's revisions.
    pub migrations: Known<Option<Migrations>>,
    /// How Django handles a request, if the application is Django's.
    pub django: Option<Django>,
    /// The files that it opens to write when it is imported.
    pub written: Vec<WrittenPath>,
    /// The file of its SQLite database.
    pub sqlite: Known<Option<Sqlite>>,
    /// Django's migrations, where the application is Django's.
    pub django_migrations: Known<Option<DjangoMigrations>>,
    /// Those of the previous release.
    pub earlier_django: Known<EarlierDjango>,
    /// Manifests of static files.
    pub manifests: Vec<StaticManifest>,
    /// Static files that a repository has in another directory than its site looks in.
    pub misplaced: Vec<own_statics::Misplaced>,
    /// Static files and uploads of a Django project on a host for which nginx looks elsewhere.
    pub unserved: Vec<django_files::Unserved>,
    /// The releases next to the current one, newest name last.
    pub previous: Known<Vec<PreviousRelease>>,
    /// The migrations of the previous release.
    pub earlier: Known<Earlier>,
    /// The database's revision, where the user said it.
    pub database_revision: Known<String>,
    /// The revision after which migrations are new, where the user said it.
    pub since: Option<String>,
}

impl Release {
    /// The directory of the release as a whole: the link's target, else where gunicorn starts.
    pub fn root(&self) -> Result<PathBuf, Why> {
        match &self.link {
            Some(link) => Ok(link.resolved.clone()),
            None => Ok(self.directory.get()?.resolved.clone()),
        }
    }
}

/// Reads the code behind an application.
pub fn read(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    gunicorn: &Gunicorn,
    given: &Given,
    database_revision: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Release {
    let directory = directory(sources, machine, gunicorn, given);
    let search_path = search_path(sources, machine, candidate, gunicorn, given, &directory);
    let link = link::find(sources, candidate, &search_path);
    let started = candidate.service.working_directory.ok().and_then(Option::as_ref);
    let follows_link = follows(link.as_ref(), &search_path, started);
    let mut packages = packages::read(
        sources,
        machine,
        gunicorn,
        given,
        &roots(&directory, link.as_ref()),
        problems,
    );
    let user = candidate.service.user.ok();
    let account = user.and_then(|user| machine.accounts.ok()?.user(&user.name));
    let home = account.map(|account| account.home.as_path());
    let settings = || {
        let name = "DJANGO_SETTINGS_MODULE";
        let variable = candidate.environment.seen_by_application(gunicorn, name)?;
        Ok(variable.and_then(|variable| {
            Some((variable.value.expose_str().map(str::to_owned)?, variable.span))
        }))
    };
    let (_, path_open) = python_path(machine, candidate, gunicorn);
    let surroundings = code::Surroundings {
        home,
        working_directory: started.map(|place| place.path.as_path()),
        link: link.as_ref(),
        whole: machine.whole,
        listed: packages.listed.as_ref(),
        path_open: path_open.as_ref(),
        variable: &|name| {
            match as_lookup(candidate.environment.seen_by_application(gunicorn, name)) {
                // A repository's example of an environment file need not name what a host sets.
                Lookup::Unset if !machine.whole => {
                    Lookup::Unknown(format!("whether a host sets {name} is not known"))
                }
                seen => seen,
            }
        },
        django_settings: &settings,
    };
    let mut code = code::read(sources, gunicorn, &search_path, &surroundings, problems);
    let environment = &candidate.environment;
    let django = django_settings::read(
        sources,
        gunicorn,
        environment,
        &code,
        search_path.get().map_or(&[], |entries| entries.as_slice()),
    );
    let written =
        written::read(sources, machine, (gunicorn, environment), (&code, django.as_ref()));
    let sqlite = sqlite::read(machine, gunicorn, environment, (&code, django.as_ref()), &|path| {
        Place::look(sources.host(), path, machine.owners_known)
    });
    let migrations = migrations::read(sources, &roots(&directory, link.as_ref()), problems);
    // Who starts no Django has none of its migrations, and whose are Alembic's has those.
    let of_alembic = matches!(migrations.ok(), Some(Some(_)));
    let starts_none = django.is_none() && code.django_settings.is_none();
    let django_migrations = match of_alembic || starts_none {
        true => Known::Observed(None, "the application"),
        false => {
            let taken = Known::Unknown(Why::not_read("Django's migrations were not read"));
            std::mem::replace(&mut code.django_migrations, taken)
        }
    };
    let manifests = manifests::read(sources, &roots(&directory, link.as_ref()), problems);
    let previous =
        beside::read(sources, machine, link.as_ref(), &code, &gunicorn.venv, &search_path);
    packages.earlier = packages::of_earlier(
        sources,
        gunicorn,
        &roots(&directory, link.as_ref()),
        link.as_ref(),
        &previous,
    );
    let unreadable = readable::read(sources, machine, &candidate.service, gunicorn, &code);
    let earlier = migrations::of_earlier(
        sources,
        &roots(&directory, link.as_ref()),
        link.as_ref(),
        &previous,
    );
    let earlier_django =
        django_migrations::of_earlier(sources, &django_migrations, link.as_ref(), &previous);
    Release {
        directory,
        link,
        follows_link,
        pinned: pinned::read(sources, &candidate.service),
        search_path,
        code,
        unreadable,
        packages,
        migrations,
        django,
        written,
        sqlite,
        django_migrations,
        earlier_django,
        manifests,
        misplaced: Vec::new(),
        unserved: Vec::new(),
        previous,
        earlier,
        since: None,
        database_revision: match database_revision {
            Some(said) => Known::Value(said.to_owned(), Origin::Option("--db-revision")),
            None => Known::Unknown(migrations::database_not_asked()),
        },
    }
}

/// The directories that files of the release are looked for in: where gunicorn starts, then the
/// release's own top. Empty where none is known.
fn roots(directory: &Known<Place>, link: Option<&ReleaseLink>) -> Vec<PathBuf> {
    let mut roots = Vec::new();
    if let Some(place) = directory.ok()
        && place.state.ok().is_some()
    {
        roots.push(place.path.clone());
    }
    if let Some(link) = link
        && !roots.iter().any(|root| tidy(root) == link.path)
    {
        roots.push(link.path.clone());
    }
    roots
}

fn directory(
    sources: &Sources,
    machine: &Machine,
    gunicorn: &Gunicorn,
    given: &Given,
) -> Known<Place> {
    if let Some(path) = &given.app_dir {
        let place = Place::look(sources.host(), path, machine.owners_known);
        return Known::Value(place, Origin::Option("--app-dir"));
    }
    if let Some(why) = &given.app_dir_unknown {
        return Known::Unknown(Why::not_read(why));
    }
    gunicorn.settings.chdir().map(|path| Place::look(sources.host(), &path, machine.owners_known))
}

/// Python's own variable for directories to look for modules in, and why it may contain more.
fn python_path(
    machine: &Machine,
    candidate: &Candidate,
    gunicorn: &Gunicorn,
) -> (Result<Option<SetVariable>, Why>, Option<Why>) {
    candidate.environment.seen_here(machine.whole, gunicorn.launch.ok(), "PYTHONPATH")
}

/// gunicorn puts `chdir` first, then `pythonpath` before it (`Application.chdir` and
/// `WSGIApplication`, measured); PYTHONPATH follows.
fn search_path(
    sources: &Sources,
    machine: &Machine,
    candidate: &Candidate,
    gunicorn: &Gunicorn,
    given: &Given,
    directory: &Known<Place>,
) -> Known<Vec<SearchEntry>> {
    let mut entries = Vec::new();
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    match directory {
        Known::Unknown(why) => return Known::Unknown(why.clone()),
        Known::Value(place, origin) => {
            let reason = match (&given.app_dir, gunicorn.settings.layer("chdir")) {
                (Some(_), _) => SearchReason::Option,
                (None, Some(layer)) if layer > Layer::Default => SearchReason::Chdir,
                _ => SearchReason::WorkingDirectory,
            };
            let origin = Some(origin.clone());
            entries.push(SearchEntry { reason, place: place.clone(), origin });
        }
        Known::Default(place, _) | Known::Observed(place, _) => entries.push(SearchEntry {
            reason: SearchReason::WorkingDirectory,
            place: place.clone(),
            origin: None,
        }),
    }
    let base = entries[0].place.path.clone();
    let pythonpath = gunicorn.settings.pythonpath();
    let origin = pythonpath.origin().cloned();
    match pythonpath {
        Known::Unknown(why) => return Known::Unknown(why),
        Known::Value(None, _) | Known::Default(None, _) | Known::Observed(None, _) => {}
        Known::Value(Some(text), _)
        | Known::Default(Some(text), _)
        | Known::Observed(Some(text), _) => {
            for part in text.split(',').filter(|part| !part.is_empty()) {
                let place = look(&tidy(&base.join(part)));
                let reason = SearchReason::Pythonpath;
                entries.push(SearchEntry { reason, place, origin: origin.clone() });
            }
        }
    }
    // What is found is found without it; that something is nowhere is not said then.
    match python_path(machine, candidate, gunicorn).0 {
        Err(why) => return Known::Unknown(why),
        Ok(None) => {}
        Ok(Some(SetVariable { value, span })) => {
            let Some(text) = value.expose_str() else {
                return Known::Unknown(Why::not_understood("PYTHONPATH is not UTF-8"));
            };
            for part in text.split(':').filter(|part| !part.is_empty()) {
                entries.push(SearchEntry {
                    reason: SearchReason::PythonpathVariable,
                    place: look(&tidy(&base.join(part))),
                    origin: span.map(Origin::text),
                });
            }
        }
    }
    Known::Observed(entries, "what Python puts on sys.path")
}

fn follows(
    link: Option<&ReleaseLink>,
    search_path: &Known<Vec<SearchEntry>>,
    started: Option<&Place>,
) -> Known<bool> {
    let Some(link) = link else {
        return Known::Unknown(Why::not_there("no release link is on the way"));
    };
    match search_path.get() {
        Err(why) => Known::Unknown(why),
        Ok(entries) => {
            // PYTHONPATH comes after the directory itself: where both lead to the same place, the
            // directory's own, resolved name is the one that is used (measured).
            // gunicorn puts a directory of its own first only where sys.path does not hold it
            // under that name: with the same one in PYTHONPATH, `--chdir` changes nothing there,
            // and the directory it was started in, which it put first before that, stays so.
            let is_variable =
                |entry: &SearchEntry| entry.reason == SearchReason::PythonpathVariable;
            let first = entries.first().map(|first| &first.place);
            let behind = |entry: &SearchEntry| {
                let before = if is_variable(entry) { first } else { started };
                let named = |other: &SearchEntry| {
                    is_variable(other) && other.place.path == entry.place.path
                };
                before.is_some_and(|before| before.resolved == entry.place.resolved)
                    && (is_variable(entry) || entries.iter().any(named))
            };
            let through = entries.iter().find(|entry| {
                entry.place.links.iter().any(|hop| hop.link == link.path) && !behind(entry)
            });
            match through {
                Some(SearchEntry { origin: Some(origin), .. }) => {
                    Known::Value(true, origin.clone())
                }
                Some(_) => Known::Observed(true, "the search path"),
                None => Known::Observed(false, "the search path"),
            }
        }
    }
}

/// Is this an error that tells nothing is there, or that it was not given, and so no problem?
fn is_absent(error: &HostError) -> bool {
    matches!(
        error.kind,
        HostErrorKind::NotFound
            | HostErrorKind::NotGiven
            | HostErrorKind::NotMounted
            | HostErrorKind::NotADirectory
    )
}
