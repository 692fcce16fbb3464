//! The facts of a deployment: the files' contents joined into one model. Rules see only this.

mod clock;
pub mod conditions;
pub mod dependencies;
pub mod discovery;
pub mod endpoint;
pub mod environment;
pub mod error_log;
pub mod exec_reload;
pub mod executable;
pub mod follow;
pub mod front;
pub mod gunicorn;
pub mod heartbeats;
pub mod journal;
mod json;
pub mod known;
pub mod lost;
pub mod machine;
mod makers;
pub mod mended;
pub mod names;
pub mod nginx;
pub mod path;
pub mod pid_file;
pub mod place;
pub mod preflight;
pub mod probe;
pub mod processes;
pub mod release;
mod rivals;
pub mod room;
pub mod route;
pub mod sandbox;
pub mod served_file;
pub mod server;
pub mod service;
pub mod shared_directory;
pub mod shell;
pub mod socket_unit;
pub mod sockets;
pub mod spare;
pub mod state;
mod view;
pub mod why;
mod words;
pub mod written;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

pub use endpoint::{Bound, Endpoint, TcpHost};
pub use environment::Environment;
pub use error_log::ErrorLog;
pub use front::Passing;
pub use heartbeats::Heartbeats;
pub use journal::Journal;
pub use json::{document, json};
pub use known::{Known, Origin, Whose};
pub use machine::Machine;
pub use names::HostNames;
pub use nginx::Nginx;
pub use path::RequestPath;
pub use pid_file::PidFile;
pub use place::{Identity, Place, State, Want};
pub use preflight::Preflight;
pub use probe::Probe;
pub use processes::Processes;
pub use release::{Release, ReleaseLink};
pub use route::Route;
use serde::{Deserialize, Serialize};
pub use server::Gunicorn;
pub use service::Service;
pub use sockets::Sockets;
use state::States;
pub use state::UnitState;
pub use why::{Why, WhyKind};
pub use written::{Side, Site, Spelling};

use crate::host::HostError;
use crate::source::{FileId, Sources, Span, Spanned};

/// Something that should have been read and could not be, or was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The file; empty where it is none.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: Option<usize>,
    /// What is wrong, and what to do.
    pub message: String,
    /// Worth saying, but the check is complete all the same.
    pub note: bool,
}

impl Problem {
    /// A problem with a file as a whole.
    pub fn new(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into(), note: false }
    }

    /// A file that could not be read.
    pub fn unreadable(error: &HostError) -> Self {
        Self::new(&error.path, format!("cannot be read: {}", error.kind))
    }

    /// A problem at a place in a file.
    pub fn at(sources: &Sources, span: crate::source::Span, message: impl Into<String>) -> Self {
        let file = sources.file(span.file);
        let line = Some(file.position(span.start).line);
        Self { path: file.path.clone(), line, message: message.into(), note: false }
    }
}

/// The files of a repository that are in for those of a machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Given {
    /// `--unit`.
    pub units: Vec<PathBuf>,
    /// `--nginx`.
    pub nginx: Vec<PathBuf>,
    /// `--env-file`.
    pub env_files: Vec<PathBuf>,
    /// `--app-dir`.
    pub app_dir: Option<PathBuf>,
    /// `--gunicorn-conf`.
    pub gunicorn_conf: Option<PathBuf>,
    /// `--requirements`.
    pub requirements: Option<PathBuf>,
    /// `--venv`.
    pub venv: Option<PathBuf>,
    /// The files of one application each, told by its units: they take the place of the others.
    pub each: Vec<Given>,
    /// Why nginx's configuration was not given, where that can be said.
    pub nginx_unknown: Option<String>,
    /// The file whose name is a typo away from the configuration that the unit names and that is
    /// not here.
    pub gunicorn_conf_near: Option<PathBuf>,
    /// Why the application's directory was not given, where that can be said.
    pub app_dir_unknown: Option<String>,
}

impl Given {
    /// The files that belong to a unit.
    fn of_unit(&self, unit: &std::path::Path) -> &Self {
        self.each.iter().find(|one| one.units.iter().any(|path| path == unit)).unwrap_or(self)
    }
}

/// Where to read.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a run")]
pub enum Scope {
    /// This host.
    Live,
    /// A file tree.
    Root,
    /// Files of a repository.
    Files(Given),
}

/// What the user asked to be read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// The units; none: every one that runs gunicorn.
    pub apps: Vec<String>,
    /// Where to read.
    pub scope: Scope,
    /// The database's migration, where the user said it.
    pub database_revision: Option<String>,
}

impl Request {
    /// The files given; none of them for a host or a tree.
    fn given(&self) -> Given {
        match &self.scope {
            Scope::Files(given) => given.clone(),
            Scope::Live | Scope::Root => Given::default(),
        }
    }
}

/// What the settings file wants of an application.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Variables that have to be set, whatever the code shows.
    pub variables: Vec<Spanned<String>>,
    /// Where nginx is meant to reach it.
    pub upstream: Option<Spanned<Endpoint>>,
}

/// One application: a unit that runs gunicorn, and all that belongs to it.
#[derive(Debug)]
pub struct App {
    /// The unit's name.
    pub name: String,
    /// The host.
    pub machine: Rc<Machine>,
    /// nginx on that host.
    pub nginx: Rc<Nginx>,
    /// The unit.
    pub service: Service,
    /// gunicorn's settings, and how it is started.
    pub gunicorn: Gunicorn,
    /// The environment of its processes.
    pub environment: Environment,
    /// The code.
    pub release: Release,
    /// The ways from nginx to it.
    pub routes: Vec<Route>,
    /// The directories of its unix sockets, by the socket's index in the bounds.
    pub socket_directories: Vec<(usize, Place)>,
    /// What is where its unix sockets are to be, by the socket's index in the bounds.
    pub socket_files: Vec<(usize, Place)>,
    /// Its processes, where the host lives.
    pub processes: Known<Processes>,
    /// The sockets that listen, where the host lives.
    pub sockets: Known<Sockets>,
    /// The pid files that `ExecReload=` reads, where gunicorn runs.
    pub pid_files: Vec<PidFile>,
    /// Where the master makes its workers' heartbeat files, where gunicorn runs.
    pub heartbeats: Known<Heartbeats>,
    /// How systemd says that the unit is, where the host lives.
    pub state: Known<UnitState>,
    /// The same for each of its `.socket` units, in the order of [`Service::sockets`].
    pub socket_states: Vec<Known<UnitState>>,
    /// What the journal shows since the last start or reload, where the host lives.
    pub journal: Known<Journal>,
    /// What its sockets answer; only with `--probe`.
    pub probes: Known<Vec<Probe>>,
    /// Whether it can be imported; only with `--preflight`.
    pub preflight: Known<Preflight>,
    /// What the settings file wants of it.
    pub wanted: Wanted,
}

impl App {
    /// The unit's name as one types it: `myapp` of `myapp.service`.
    pub fn stem(&self) -> &str {
        self.name.strip_suffix(".service").unwrap_or(&self.name)
    }

    /// The sockets on which it listens.
    pub fn bounds(&self) -> &Known<Vec<Bound>> {
        &self.gunicorn.bounds
    }

    /// Where the configuration first names a path that goes through the release link.
    pub fn link_named_at(&self) -> Option<Span> {
        let link = &self.release.link.as_ref()?.path;
        let through = |place: &Place| place.links.iter().any(|hop| hop.link == *link);
        let working = &self.service.working_directory;
        if working.ok().and_then(Option::as_ref).is_some_and(through) {
            return working.span();
        }
        let entries = self.release.search_path.ok()?;
        let entry = entries.iter().find(|entry| through(&entry.place))?;
        entry.origin.as_ref().and_then(Origin::span)
    }

    /// A request's way through it, in words.
    pub fn path(&self) -> RequestPath {
        path::describe(self)
    }
}

/// A masked unit in which gunicorn still runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The unit's name.
    pub unit: String,
    /// What masks it.
    pub path: PathBuf,
    /// gunicorn's master.
    pub master: u32,
}

/// A host and its applications.
#[derive(Debug)]
pub struct Deployment {
    /// The host.
    pub machine: Rc<Machine>,
    /// nginx on it.
    pub nginx: Rc<Nginx>,
    /// The applications that were asked for.
    pub apps: Vec<App>,
    /// What the URLs answer; only with `--probe`.
    pub probes: Known<Vec<Probe>>,
    /// How much room is left where it is needed, where the host lives.
    pub rooms: Known<Vec<room::Needed>>,
    /// The masked units in which gunicorn runs.
    pub masked: Vec<Masked>,
    /// What could not be read or understood.
    pub problems: Vec<Problem>,
    /// The files in which an ignore comment counts: units, nginx, environment files.
    pub files: Vec<FileId>,
}

/// Reads a deployment. Never fails: what could not be read is a problem, and what is not known is
/// unknown.
pub fn read(sources: &Sources, request: &Request) -> Deployment {
    let given = request.given();
    let whole = !matches!(request.scope, Scope::Files(_));
    let mut problems = Vec::new();
    let machine = Rc::new(Machine::read(sources, whole, &mut problems));
    let found = discovery::find(sources, &machine, request, &mut problems);
    let nothing = whole && found.candidates.is_empty() && request.apps.is_empty();
    let wanted = !found.candidates.is_empty() || !found.masked.is_empty();
    let table = match whole && wanted {
        true => processes::Table::read(sources),
        false => Err(Why::not_live()),
    };
    let nginx_unit = found.nginx_unit.as_ref();
    let mut nginx =
        Nginx::read(sources, &machine, request, nginx_unit, table.as_ref().ok(), &mut problems);
    let mut read = Vec::with_capacity(found.candidates.len());
    for candidate in found.candidates {
        let given = given.of_unit(&candidate.service.unit.path);
        let view = Rc::clone(&candidate.service.view);
        let mut own = Vec::new();
        let (gunicorn, release) = sources.seen_as(&view, || {
            let gunicorn = server::read(sources, &machine, &candidate, given, &mut own);
            let revision = request.database_revision.as_deref();
            let release =
                release::read(sources, &machine, &candidate, &gunicorn, given, revision, &mut own);
            (gunicorn, release)
        });
        // That the service sees another file is said where a rule is skipped for it.
        own.retain(|problem| view.hides(&problem.path).is_none());
        problems.extend(own);
        read.push((candidate, gunicorn, release));
    }
    let mut services: Vec<_> = read
        .iter_mut()
        .map(|(candidate, gunicorn, _)| (&mut candidate.service, &*gunicorn))
        .collect();
    rivals::leave_out(&mut services);
    let bounds: Vec<_> = read.iter().map(|(_, gunicorn, _)| &gunicorn.bounds).collect();
    let routes = route::connect(&mut nginx, &bounds);
    for ((candidate, gunicorn, release), routes) in read.iter_mut().zip(&routes) {
        let roots = nginx.statics_of(routes);
        release::manifests::look_where_served(sources, &mut release.manifests, &roots);
        if let (true, Some(django)) = (whole, &release.django) {
            release.unserved = release::django_files::unserved(sources, django, &nginx, routes);
        }
        if let (false, Some(started)) = (whole, gunicorn.settings.chdir().ok()) {
            release.misplaced = release::own_statics::misplaced(
                sources,
                given.of_unit(&candidate.service.unit.path),
                started,
                (&release.code, release.django.as_ref()),
                &nginx,
                routes,
            );
        }
    }
    let unreached = |routes: &Vec<Route>| routes.is_empty();
    if whole && routes.iter().any(unreached) {
        nginx.dormant = nginx::dormant::read(sources, &nginx);
    }
    nginx.log = error_log::read(sources, &nginx.model, nginx.incomplete.as_ref(), request);
    nginx.test = nginx_test(sources, &nginx, request);
    let states = States::read(sources, request, read.iter().flat_map(|(one, _, _)| names(one)));
    let v6_only = sockets::v6_only(read.iter().map(|(_, gunicorn, _)| &gunicorn.bounds));
    let living = Living::read(sources, table, &v6_only);
    nginx.running = match (&living.table, nginx.model.get()) {
        (Ok(table), Ok(model)) => nginx::running::read(sources, table, model),
        (Err(why), _) => Known::Unknown(why.clone()),
        (_, Err(why)) => Known::Unknown(why),
    };
    nginx.absent =
        living.nginx_absent(sources, request, &nginx, &routes, found.nginx_unit.as_ref());
    nginx.now = match (&living.table, sources.host().now()) {
        (Ok(table), _) => table.now(),
        (Err(_), Some(now)) => Known::Observed(now, "the clock"),
        (Err(why), None) => Known::Unknown(why.clone()),
    };
    let nginx = Rc::new(nginx);
    let contested = routes
        .iter()
        .flat_map(|routes| sockets::without_master(&living.listeners, routes))
        .collect();
    let holders = Rc::new(living.holders(&contested));
    let mut apps: Vec<App> = read
        .into_iter()
        .zip(routes)
        .map(|((candidate, gunicorn, release), routes)| {
            let view = Rc::clone(&candidate.service.view);
            let processes = living.processes(sources, &candidate, release.link.as_ref());
            let sockets = sockets::sockets(
                sources,
                &machine,
                living.table.as_ref().ok(),
                &living.listeners,
                &holders,
                &gunicorn.bounds,
                &nginx.asked_beside(&routes),
            );
            let state = states.of(&candidate.name);
            let socket_states = names(&candidate).skip(1).map(|name| states.of(&name)).collect();
            let journal = journal::read(sources, request, &candidate.name, &state);
            App {
                socket_directories: sources.seen_as(&view, || {
                    socket_places(sources, &machine, &gunicorn.bounds, |path| path.parent())
                }),
                socket_files: sources.seen_as(&view, || {
                    socket_places(sources, &machine, &gunicorn.bounds, |path| Some(path))
                }),
                name: candidate.name,
                machine: Rc::clone(&machine),
                nginx: Rc::clone(&nginx),
                service: candidate.service,
                gunicorn,
                environment: candidate.environment,
                release,
                routes,
                processes,
                pid_files: Vec::new(),
                heartbeats: Known::Unknown(Why::not_live()),
                sockets,
                state,
                socket_states,
                journal,
                probes: Known::Unknown(Why::no_probe()),
                preflight: Known::Unknown(Why::no_preflight()),
                wanted: Wanted::default(),
            }
        })
        .collect();
    if let Ok(table) = &living.table {
        for app in &mut apps {
            app.pid_files = pid_file::read(sources, table, app);
            app.heartbeats = heartbeats::read(sources, app);
        }
    }
    let masked = masked(&living.gunicorns, found.masked, request);
    if nothing && masked.is_empty() {
        problems.push(discovery::nothing_found());
    }
    let files = ignorable(&apps, &nginx);
    let probes = Known::Unknown(Why::no_probe());
    let rooms = room::read(sources, &apps, &nginx);
    Deployment { machine, nginx, apps, probes, rooms, masked, problems, files }
}

/// In which masked units does gunicorn run? Of those that were asked for, if any were.
fn masked(
    gunicorns: &processes::Gunicorns,
    units: Vec<(String, PathBuf)>,
    request: &Request,
) -> Vec<Masked> {
    let asked = |unit: &str| {
        let named = |app: &String| app == unit || unit.strip_suffix(".service") == Some(app);
        request.apps.is_empty() || request.apps.iter().any(named)
    };
    let masters = &gunicorns.masters;
    let running = units.into_iter().filter(|(unit, _)| asked(unit)).filter_map(|(unit, path)| {
        let inside = |master: &&Rc<processes::Master>| {
            matches!(master.process.unit.ok(), Some(Some(name)) if *name == unit)
        };
        let master = masters.iter().find(inside)?.process.pid;
        Some(Masked { unit, path, master })
    });
    running.collect()
}

/// The units whose state counts: the service itself, then its `.socket` units.
fn names(candidate: &discovery::Candidate) -> impl Iterator<Item = String> {
    let sockets = candidate.service.sockets.iter().map(|unit| unit.name.to_string());
    std::iter::once(candidate.name.clone()).chain(sockets)
}

/// What `nginx -t` says, where nginx is configured and commands are run.
fn nginx_test(
    sources: &Sources,
    nginx: &Nginx,
    request: &Request,
) -> Known<crate::source::nginx_test::Verdict> {
    use crate::source::nginx_test;
    // What somebody starts nginx with is tested even where it cannot be read.
    let model = nginx.model.get().map(|_| ());
    let known = if nginx.started.options.is_empty() { model } else { Ok(()) };
    let answer = known.and_then(|()| {
        let output = state::run(sources, request, &nginx_test::command(&nginx.started.options))?;
        nginx_test::parse(&output).ok_or_else(|| state::refused("nginx -t", &output))
    });
    match answer {
        Ok(verdict) => Known::Value(verdict, Origin::Command("nginx -t")),
        Err(why) => Known::Unknown(why),
    }
}

/// Where unix sockets are, or what `of` makes of their paths.
fn socket_places(
    sources: &Sources,
    machine: &Machine,
    bounds: &Known<Vec<Bound>>,
    of: impl Fn(&std::path::Path) -> Option<&std::path::Path>,
) -> Vec<(usize, Place)> {
    let bounds = bounds.ok().into_iter().flatten().enumerate();
    bounds
        .filter_map(|(index, bound)| match &bound.endpoint {
            Endpoint::Unix(path) => {
                Some((index, Place::look(sources.host(), of(path)?, machine.owners_known)))
            }
            Endpoint::Tcp { .. } => None,
        })
        .collect()
}

/// What only a live host shows, read once for all applications.
struct Living<'h> {
    table: Result<processes::Table<'h>, Why>,
    gunicorns: processes::Gunicorns,
    listeners: Result<Rc<[sockets::Listener]>, Why>,
}

impl<'h> Living<'h> {
    fn read(
        sources: &Sources<'h>,
        table: Result<processes::Table<'h>, Why>,
        v6_only: &HashSet<u16>,
    ) -> Self {
        let gunicorns = table.as_ref().map(processes::gunicorns).unwrap_or_default();
        let listeners = match &table {
            Ok(table) => sockets::listeners(sources, table, &gunicorns, v6_only),
            Err(why) => Err(why.clone()),
        };
        Self { table, gunicorns, listeners }
    }

    fn holders(&self, sockets: &HashSet<u64>) -> HashMap<u64, Known<Vec<processes::Holder>>> {
        self.table.as_ref().map(|table| table.holders(sockets)).unwrap_or_default()
    }

    fn nginx_absent(
        &self,
        sources: &Sources,
        request: &Request,
        nginx: &Nginx,
        routes: &[Vec<Route>],
        unit: Option<&crate::source::unit::Unit>,
    ) -> Known<Option<nginx::AbsentNginx>> {
        let (table, listeners, model) = match (&self.table, &self.listeners, nginx.model.get()) {
            (Ok(table), Ok(listeners), Ok(model)) => (table, listeners, model),
            (Err(why), _, _) | (_, Err(why), _) => return Known::Unknown(why.clone()),
            (_, _, Err(why)) => return Known::Unknown(why),
        };
        let mut servers: Vec<_> = routes.iter().flatten().map(|route| route.server).collect();
        servers.sort_unstable();
        servers.dedup();
        nginx::absent::read(sources, request, (table, listeners), (model, unit), &servers)
    }

    fn processes(
        &self,
        sources: &Sources,
        candidate: &discovery::Candidate,
        link: Option<&ReleaseLink>,
    ) -> Known<Processes> {
        match &self.table {
            Ok(table) => {
                let all = &self.gunicorns;
                let (name, service) = (&candidate.name, &candidate.service);
                let read = processes::processes(sources, table, all, name, service, link);
                Known::Observed(read, "/proc")
            }
            Err(why) => Known::Unknown(why.clone()),
        }
    }
}

/// The files in which an ignore comment counts.
fn ignorable(apps: &[App], nginx: &Nginx) -> Vec<FileId> {
    let mut files: Vec<FileId> = nginx.files();
    for app in apps {
        for unit in std::iter::once(&app.service.unit).chain(&app.service.sockets) {
            files.extend(unit.files().map(|file| file.file.id));
        }
        files.extend(app.environment.read_files().map(|file| file.source.id));
    }
    files.sort_unstable();
    files.dedup();
    files
}
