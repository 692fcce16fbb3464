//! Which units run gunicorn.

use std::path::Path;

use super::environment::{self, Environment};
use super::gunicorn::launch::{Launched, launch};
use super::{Machine, Problem, Request, Scope, Service};
use crate::host::HostErrorKind;
use crate::source::unit::{self, LoadError, Unit, UnitKind, UnitName, UnitPaths};
use crate::source::{SourceFile, Sources};

/// A unit that was asked for, or that runs gunicorn.
#[derive(Debug)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// What it says.
    pub service: Service,
    /// The environment that it starts with.
    pub environment: Environment,
    /// What its ExecStart starts.
    pub launched: Launched,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The applications.
    pub candidates: Vec<Candidate>,
    /// `nginx.service`, where there is one.
    pub nginx_units: Vec<Unit>,
}

/// Finds the applications that were asked for; without a name, every unit that runs gunicorn.
pub fn find(
    sources: &Sources,
    machine: &Machine,
    request: &Request,
    problems: &mut Vec<Problem>,
) -> Found {
    match &request.scope {
        Scope::Files(given) => {
            let mut found = Found::default();
            given_units(sources, machine, &given.units, request, problems, &mut found);
            found
        }
        Scope::Live | Scope::Root => on_machine(sources, machine, request, problems),
    }
}

/// Units named as files: all services are applications, all sockets belong to the services.
fn given_units(
    sources: &Sources,
    machine: &Machine,
    paths: &[std::path::PathBuf],
    request: &Request,
    problems: &mut Vec<Problem>,
    found: &mut Found,
) {
    let mut services = Vec::new();
    let mut sockets: Vec<Unit> = Vec::new();
    for path in paths {
        match unit::from_file(sources, path) {
            Ok(unit) => match unit.name.kind() {
                UnitKind::Socket => sockets.push(unit),
                _ => services.push((path, unit)),
            },
            Err(error) => problems.push(Problem::unreadable(&error)),
        }
    }
    let sockets_alone = services.is_empty() && !sockets.is_empty();
    let Scope::Files(given) = &request.scope else { return };
    for (path, unit) in services {
        let name = unit.name.to_string();
        if !request.apps.is_empty() && !request.apps.iter().any(|app| is_named(app, &unit.name)) {
            continue;
        }
        let own = take_sockets(&unit, &mut sockets);
        let candidate =
            candidate(sources, machine, name, unit, own, &given.env_files, problems);
        if let Launched::Other(what) = &candidate.launched {
            problems.push(Problem::new(
                path,
                format!("does not run gunicorn ({what}): nothing in it was checked"),
            ));
            continue;
        }
        found.candidates.push(candidate);
    }
    for app in &request.apps {
        let known = found.candidates.iter().any(|candidate| {
            UnitName::parse(&candidate.name).is_some_and(|name| is_named(app, &name))
        });
        if !known {
            problems.push(Problem::new("", format!("{app}: no --unit file has this name")));
        }
    }
    if sockets_alone {
        for socket in sockets {
            let path = socket.fragment.as_ref().map(|f| f.file.path.clone()).unwrap_or_default();
            problems.push(Problem::new(
                path,
                "a socket without its service: give the .service file with --unit too",
            ));
        }
    }
}

/// The `.socket` units of a service: `Service=` names it, or they have its name; and those that
/// its `Sockets=` names.
fn take_sockets(unit: &Unit, sockets: &mut Vec<Unit>) -> Vec<Unit> {
    let service = unit.name.to_string();
    let named: Vec<String> = unit
        .list("Service", "Sockets")
        .iter()
        .flat_map(|a| a.value.as_str().split_whitespace())
        .map(str::to_owned)
        .collect();
    let mut own = Vec::new();
    let mut rest = Vec::new();
    for socket in sockets.drain(..) {
        let target = socket.last("Socket", "Service").map(|a| a.value.as_str().to_owned());
        let same = target.map_or_else(
            || socket.name.stem() == unit.name.stem(),
            |target| target == service,
        );
        if same || named.contains(&socket.name.to_string()) {
            own.push(socket);
        } else {
            rest.push(socket);
        }
    }
    *sockets = rest;
    own
}

fn on_machine(
    sources: &Sources,
    machine: &Machine,
    request: &Request,
    problems: &mut Vec<Problem>,
) -> Found {
    let paths = UnitPaths::scan(sources);
    for problem in paths.problems() {
        problems.push(Problem::unreadable(problem));
    }
    let mut found = Found::default();
    if let Some(name) = UnitName::parse("nginx.service")
        && let Ok(unit) = unit::load(sources, &paths, &name)
    {
        found.nginx_units.push(unit);
    }
    if request.apps.is_empty() {
        every_unit(sources, machine, &paths, problems, &mut found);
        return found;
    }
    for app in &request.apps {
        let Some(name) = UnitName::parse(app) else {
            problems.push(Problem::new("", format!("{app}: not a unit's name")));
            continue;
        };
        match unit::load(sources, &paths, &name) {
            Ok(unit) => {
                let candidate = load_candidate(sources, machine, &paths, unit, problems);
                if let Launched::Other(what) = &candidate.launched {
                    problems.push(Problem::new(
                        "",
                        format!("{name} does not run gunicorn ({what}): nothing was checked"),
                    ));
                } else {
                    found.candidates.push(candidate);
                }
            }
            Err(error) => problems.push(load_problem(&name, &error)),
        }
    }
    found
}

fn load_problem(name: &UnitName, error: &LoadError) -> Problem {
    Problem::new("", format!("{name}: {error}"))
}

fn every_unit(
    sources: &Sources,
    machine: &Machine,
    paths: &UnitPaths,
    problems: &mut Vec<Problem>,
    found: &mut Found,
) {
    for name in paths.names() {
        if name.kind() != UnitKind::Service || has_instances(paths, &name) {
            continue;
        }
        let unit = match unit::load(sources, paths, &name) {
            Ok(unit) if unit.masked => continue,
            Ok(unit) => unit,
            Err(error) => {
                problems.push(load_problem(&name, &error));
                continue;
            }
        };
        // An alias is listed under the name of the unit that it stands for.
        if unit.name != name && paths.names().contains(&unit.name) {
            continue;
        }
        for problem in &unit.problems {
            if problem.kind != HostErrorKind::NotFound {
                problems.push(Problem::unreadable(problem));
            }
        }
        if !may_run_gunicorn(sources, &unit) {
            continue;
        }
        let candidate = load_candidate(sources, machine, paths, unit, problems);
        if matches!(candidate.launched, Launched::Gunicorn(_)) {
            found.candidates.push(candidate);
        }
    }
    if found.candidates.is_empty() {
        problems.push(Problem::new(
            "",
            "no unit that runs gunicorn was found: name one, or check that this is the right host \
             or tree",
        ));
    }
}

/// A template is checked through its instances where it has any.
fn has_instances(paths: &UnitPaths, name: &UnitName) -> bool {
    name.is_template()
        && paths.names().iter().any(|other| other.template().as_ref() == Some(name))
}

/// A cheap look before the unit is taken apart: the word stands in a file of it, or it starts a
/// script or another program that is not the distribution's own.
fn may_run_gunicorn(sources: &Sources, unit: &Unit) -> bool {
    let _ = sources;
    unit.files().any(|file| {
        let path: &Path = &file.file.path;
        mentions(&file.file, b"gunicorn")
            || path.starts_with("/etc")
            || path.starts_with("/run")
            || path.starts_with("/usr/local")
    })
}

fn mentions(file: &SourceFile, word: &[u8]) -> bool {
    memchr::memmem::find(&file.bytes, word).is_some()
}

fn load_candidate(
    sources: &Sources,
    machine: &Machine,
    paths: &UnitPaths,
    unit: Unit,
    problems: &mut Vec<Problem>,
) -> Candidate {
    let name = unit.name.to_string();
    let mut sockets = Vec::new();
    for other in paths.names() {
        if other.kind() != UnitKind::Socket {
            continue;
        }
        if let Ok(socket) = unit::load(sources, paths, other) {
            sockets.push(socket);
        }
    }
    let own = take_sockets(&unit, &mut sockets);
    candidate(sources, machine, name, unit, own, &[], problems)
}

fn candidate(
    sources: &Sources,
    machine: &Machine,
    name: String,
    unit: Unit,
    sockets: Vec<Unit>,
    env_files: &[std::path::PathBuf],
    problems: &mut Vec<Problem>,
) -> Candidate {
    let service = Service::read(sources, machine, unit, sockets);
    let environment = environment::read(sources, machine, &service, env_files, problems);
    let launched = launch(sources, machine, &service, &environment);
    Candidate { name, service, environment, launched }
}

/// Does the user's word name this unit: `myapp`, `myapp.service`, `web@blue`?
fn is_named(word: &str, name: &UnitName) -> bool {
    UnitName::parse(word).as_ref() == Some(name)
}
