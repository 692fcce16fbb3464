//! Which units run gunicorn.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::rc::Rc;

use super::environment::{self, Environment};
use super::makers::Makers;
use super::server::{Launched, launch};
use super::service::SharedDirectory;
use super::shared_directory;
use super::{Given, Machine, Problem, Request, Scope, Service};
use crate::source::Sources;
use crate::source::similar::nearest;
use crate::source::unit::{self, Unit, UnitKind, UnitName, UnitPaths};

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
    /// Services that are masked, and where.
    pub masked: Vec<(String, std::path::PathBuf)>,
    /// `nginx.service`, where there is one.
    pub nginx_unit: Option<Unit>,
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
            if found.candidates.is_empty() {
                problems.extend(orphans(given));
            }
            found
        }
        Scope::Live | Scope::Root => on_machine(sources, machine, request, problems),
    }
}

/// Files that belong to an application, given without one: nothing looks at them, and that must
/// not pass for health.
fn orphans(given: &Given) -> Vec<Problem> {
    let single = [&given.app_dir, &given.gunicorn_conf, &given.requirements, &given.venv];
    given
        .env_files
        .iter()
        .chain(single.into_iter().flatten())
        .map(|path| {
            Problem::new(path, "was not checked: name the unit that uses it with --unit as well")
        })
        .collect()
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
    let mut taken = Taken::default();
    let Scope::Files(given) = &request.scope else { return };
    for (path, unit) in services {
        if !request.apps.is_empty() && !request.apps.iter().any(|app| is_named(app, &unit.name)) {
            continue;
        }
        let own = take_sockets(&unit, &mut sockets);
        let env_files = &given.of_unit(path).env_files;
        let candidate = candidate(sources, machine, unit, own, env_files, problems);
        taken.add(&candidate.service);
        if let Launched::Other(what) = &candidate.launched {
            problems.push(Problem::new(
                path,
                format!("does not run gunicorn ({what}): nothing in it was checked"),
            ));
            continue;
        }
        // A script may run it. What has no command, or a placeholder in its place, may be anything.
        let commands = &candidate.service.exec_start;
        let anything = commands.iter().all(|command| command.line.program.unknown.is_some());
        if let Launched::Unknown(why) = &candidate.launched
            && anything
            && !mentioned(&candidate)
        {
            problems.push(Problem::new(
                path,
                format!(
                    "it is not known whether it runs gunicorn ({why}): nothing in it was \
                         checked"
                ),
            ));
            continue;
        }
        found.candidates.push(candidate);
    }
    taken.tell(found);
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
                "a socket without its service: name the .service file with --unit as well",
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
        let same = target
            .map_or_else(|| socket.name.stem() == unit.name.stem(), |target| target == service);
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
    problems.extend(paths.problems.iter().map(Problem::unreadable));
    let listing = paths.list_units();
    let mut units = listing.units;
    if matches!(request.scope, Scope::Live) {
        units.extend(running_instances(sources));
        units.sort();
        units.dedup();
    }
    let mut found = Found::default();
    if let Some(name) = UnitName::parse("nginx.service")
        && let Ok(unit) = paths.load(sources, &name)
    {
        found.nginx_unit = Some(unit);
    }
    for name in listing.masked.iter().filter(|name| name.kind() == UnitKind::Service) {
        if let Ok(unit) = paths.load(sources, name)
            && unit.masked
        {
            found.masked.push((name.to_string(), unit.path));
        }
    }
    let mut sockets: Vec<Unit> = units
        .iter()
        .filter(|name| name.kind() == UnitKind::Socket)
        .filter_map(|name| paths.load(sources, name).ok())
        .collect();
    let wanted = if request.apps.is_empty() {
        services(sources, &paths, &units)
    } else {
        named_units(&request.apps, problems)
    };
    let starters: OnceCell<Starters> = OnceCell::new();
    let started =
        |unit: &Unit| starters.get_or_init(|| Starters::read(sources, &paths, &units)).start(unit);
    let makers: OnceCell<Makers> = OnceCell::new();
    let mut taken = Taken::default();
    let all_names: HashSet<String> = units.iter().map(ToString::to_string).collect();
    for name in wanted {
        let unit = match paths.load(sources, &name) {
            Ok(unit) => unit,
            Err(error) => {
                let near = nearest(&name.to_string(), all_names.iter().map(String::as_str));
                let meant = near.map(|near| format!(": did you mean {near}?")).unwrap_or_default();
                problems.push(Problem::new("", format!("{error}{meant}")));
                continue;
            }
        };
        if unit.masked {
            let known = |(masked, _): &(String, _)| *masked == name.to_string();
            if !found.masked.iter().any(known) {
                found.masked.push((name.to_string(), unit.path.clone()));
            }
            if !request.apps.is_empty() {
                problems.push(Problem::new(
                    &unit.path,
                    format!(
                        "{name} is masked: systemd does not start it, and nothing in it was checked"
                    ),
                ));
            }
            continue;
        }
        let unreadable: Vec<Problem> = unit
            .problems
            .iter()
            .filter(|problem| !paths.problems.contains(problem))
            .map(Problem::unreadable)
            .collect();
        let own = take_sockets(&unit, &mut sockets);
        let mut candidate = candidate(sources, machine, unit, own, &[], problems);
        taken.add(&candidate.service);
        let names = candidate.service.sockets.iter().filter(|socket| !socket.is_enabled());
        let unstarted = names.filter(|socket| !started(socket));
        candidate.service.unstarted_sockets =
            unstarted.map(|socket| socket.name.to_string()).collect();
        let starts = || started(&candidate.service.unit);
        let idle = is_idle_at_boot(&paths, &all_names, starts, &candidate.service);
        candidate.service.idle_at_boot = idle;
        let service = &mut candidate.service;
        for condition in &mut service.failed_conditions {
            let makers = makers.get_or_init(|| Makers::read(sources, machine, &paths, &units));
            condition.maker = makers.of(&service.unit, &condition.path);
        }
        match &candidate.launched {
            Launched::Other(what) if !request.apps.is_empty() => problems.push(Problem::new(
                &candidate.service.unit.path,
                format!("does not run gunicorn ({what}): nothing in it was checked"),
            )),
            Launched::Other(_) => {}
            Launched::Unknown(_) if request.apps.is_empty() && !mentioned(&candidate) => {}
            _ => found.candidates.push(candidate),
        }
        problems.extend(unreadable);
    }
    // What nobody asked for is read only where one of these has a directory to lose.
    let has_one = |candidate: &Candidate| {
        let mut own = candidate.service.directories.ok().into_iter().flatten();
        own.any(|made| made.path.starts_with("/run"))
    };
    if !request.apps.is_empty() && found.candidates.iter().any(has_one) {
        taken.add_others(sources, machine, &paths, &units);
    }
    taken.tell(&mut found);
    found
}

/// That nothing was found in which gunicorn runs.
pub fn nothing_found() -> Problem {
    Problem::new(
        "",
        "no unit that runs gunicorn was found: name one, or check that this is the right host or tree",
    )
}

/// The directories of /run that each unit takes away when it stops.
#[derive(Default)]
struct Taken {
    directories: HashMap<std::path::PathBuf, Vec<SharedDirectory>>,
    /// The units that are in it.
    known: HashSet<String>,
}

impl Taken {
    fn add(&mut self, service: &Service) {
        if !self.known.insert(service.unit.name.to_string()) {
            return;
        }
        for directory in shared_directory::of(service) {
            self.directories.entry(directory.path.clone()).or_default().push(directory);
        }
    }

    /// The units that nobody asked for.
    fn add_others(
        &mut self,
        sources: &Sources,
        machine: &Machine,
        paths: &UnitPaths,
        units: &[UnitName],
    ) {
        for name in services(sources, paths, units) {
            if !self.known.contains(&name.to_string())
                && paths.mentions(sources, &name, b"RuntimeDirectory")
                && let Ok(unit) = paths.load(sources, &name)
                && !unit.masked
            {
                self.add(&Service::read(sources, machine, unit, Vec::new()));
            }
        }
    }

    fn tell(&self, found: &mut Found) {
        let services = found.candidates.iter_mut().map(|candidate| &mut candidate.service);
        shared_directory::tell(services, &self.directories);
    }
}

/// Settings that name a unit and do not start it.
const PASSIVE: [&str; 8] = [
    "After",
    "Before",
    "Conflicts",
    "PartOf",
    "Also",
    "Description",
    "Documentation",
    "StopPropagatedFrom",
];

/// Does nothing start the service when the machine starts? Not where its sockets are what starts it,
/// nor on a machine where no unit at all is enabled yet.
fn is_idle_at_boot(
    paths: &UnitPaths,
    names: &HashSet<String>,
    starters: impl FnOnce() -> bool,
    service: &Service,
) -> bool {
    let unit = &service.unit;
    let sockets = service.sockets.len() > service.unstarted_sockets.len();
    // A template as such is never started.
    let template = unit.name.to_string().contains("@.");
    if unit.is_enabled() || sockets || template || !paths.enables_any() {
        return false;
    }
    // `myapp.timer` and `myapp.path` start it without naming it.
    let stem = unit.name.to_string();
    let stem = stem.strip_suffix("service").unwrap_or(&stem);
    let by_its_name = ["timer", "path"].iter().any(|kind| names.contains(&format!("{stem}{kind}")));
    !by_its_name && !starters()
}

/// What the units of a machine name in settings that may start it: read once, as each of a thousand
/// services may have to be looked up.
#[derive(Default)]
struct Starters {
    /// Who names a unit.
    named: HashMap<String, Vec<UnitName>>,
    /// Words with specifiers that are not known, and who has them.
    open: Vec<(UnitName, String)>,
    /// Units that name others and could not be read: it is not known what they start.
    unread: Vec<UnitName>,
}

/// The endings of units that something else starts.
const STARTED: [&str; 2] = [".service", ".socket"];

impl Starters {
    fn read(sources: &Sources, paths: &UnitPaths, units: &[UnitName]) -> Self {
        let mut found = Self::default();
        let speaks = |unit: &&UnitName| {
            STARTED.iter().any(|kind| paths.mentions(sources, unit, kind.as_bytes()))
        };
        for name in units.iter().filter(speaks) {
            match paths.load(sources, name) {
                Ok(unit) => found.add(name, &unit),
                Err(_) => found.unread.push(name.clone()),
            }
        }
        found
    }

    fn add(&mut self, owner: &UnitName, unit: &Unit) {
        let part = |c: char| c.is_ascii_alphanumeric() || ":_.\\@-".contains(c);
        let is_unit = |word: &&str| STARTED.iter().any(|kind| word.ends_with(kind));
        for line in unit.files().flat_map(|file| &file.assignments) {
            if PASSIVE.contains(&line.key.value.as_str()) {
                continue;
            }
            if let unit::Expansion::Known(text) = unit.specifiers.expand(&line.value) {
                for word in text.as_str().split(|c| !part(c)).filter(is_unit) {
                    self.named.entry(word.to_owned()).or_default().push(owner.clone());
                }
                continue;
            }
            let words = line.value.as_str().split_whitespace().filter(is_unit);
            self.open.extend(words.map(|word| (owner.clone(), word.to_owned())));
        }
    }

    /// Does another unit than itself name this one?
    fn start(&self, wanted: &Unit) -> bool {
        let name = wanted.name.to_string();
        let kind = name.rsplit_once('.').map_or(".service", |(stem, _)| &name[stem.len()..]);
        let other = |owner: &UnitName| *owner != wanted.name;
        self.named.get(&name).is_some_and(|owners| owners.iter().any(other))
            || self.open.iter().any(|(owner, word)| other(owner) && may_be(word, &name, kind))
            || self.unread.iter().any(other)
    }
}

/// May a word with specifiers come to this name?
fn may_be(word: &str, name: &str, kind: &str) -> bool {
    let (Some((before, _)), Some((_, after))) = (word.split_once('%'), word.rsplit_once('%'))
    else {
        return word == name;
    };
    // The letter behind the last `%` is the specifier's.
    let mut after = after.chars();
    after.next();
    let after = after.as_str();
    after.ends_with(kind) && name.starts_with(before) && name.ends_with(after)
}

fn named_units(apps: &[String], problems: &mut Vec<Problem>) -> Vec<UnitName> {
    let mut names = Vec::new();
    for app in apps {
        match UnitName::parse(app) {
            Some(name) => names.push(name),
            None => problems.push(Problem::new("", format!("{app}: not a unit's name"))),
        }
    }
    names
}

/// Instances of templates that run, though nothing pulls them in: `systemctl start app@2` leaves no link.
/// systemd puts the instances of a template into a slice of their own.
fn running_instances(sources: &Sources) -> Vec<UnitName> {
    const SLICES: [&str; 2] =
        ["/sys/fs/cgroup/system.slice", "/sys/fs/cgroup/systemd/system.slice"];
    let list = |path: &Path| sources.host().list(path).unwrap_or_default();
    let mut found = Vec::new();
    for slice in SLICES.map(Path::new) {
        let inner = list(slice).into_iter().filter(|name| name.as_bytes().ends_with(b".slice"));
        for name in inner.flat_map(|name| list(&slice.join(name))) {
            let unit = name.to_str().and_then(UnitName::exact);
            found.extend(unit.filter(|unit| unit.instance().is_some()));
        }
    }
    found
}

/// The services that may run gunicorn: the word is in a file of theirs, or they are not the
/// distribution's own and may start a script that runs it. A template is checked through its
/// instances where it has any.
fn services(sources: &Sources, paths: &UnitPaths, units: &[UnitName]) -> Vec<UnitName> {
    let instantiated: HashSet<UnitName> = units.iter().filter_map(UnitName::template).collect();
    units
        .iter()
        .filter(|name| name.kind() == UnitKind::Service && !instantiated.contains(name))
        .filter(|name| paths.mentions(sources, name, b"gunicorn") || is_local(paths, sources, name))
        .cloned()
        .collect()
}

/// Is the unit's fragment one that an administrator wrote, and its program none of the system's?
fn is_local(paths: &UnitPaths, sources: &Sources, name: &UnitName) -> bool {
    let Ok(unit) = paths.load(sources, name) else { return true };
    let distribution = ["/lib", "/usr/lib"].iter().any(|top| unit.path.starts_with(top));
    !distribution && !unit.masked
}

/// Does any of the unit's files mention gunicorn?
fn mentioned(candidate: &Candidate) -> bool {
    candidate
        .service
        .unit
        .files()
        .any(|file| memchr::memmem::find(&file.file.bytes, b"gunicorn").is_some())
}

fn candidate(
    sources: &Sources,
    machine: &Machine,
    unit: Unit,
    sockets: Vec<Unit>,
    env_files: &[std::path::PathBuf],
    problems: &mut Vec<Problem>,
) -> Candidate {
    let name = unit.name.to_string();
    let service = Service::read(sources, machine, unit, sockets);
    let environment = environment::read(sources, machine, &service, env_files, problems);
    let view = Rc::clone(&service.view);
    let launched = sources.seen_as(&view, || launch(sources, machine, &service, &environment));
    Candidate { name, service, environment, launched }
}

/// Does the user's word name this unit: `myapp`, `myapp.service`, `web@blue`?
fn is_named(word: &str, name: &UnitName) -> bool {
    UnitName::parse(word).as_ref() == Some(name)
}
