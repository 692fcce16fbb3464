//! nginx on the host: its configuration, who it runs as, where it passes requests, what it serves
//! by itself.

pub(super) mod absent;
mod certificates;
pub mod descriptors;
mod destinations;
pub mod diverted;
pub(super) mod dormant;
pub mod logs;
mod passwords;
pub(super) mod running;
pub mod started;
mod time;
pub mod unreached;

use std::path::{Path, PathBuf};

pub use absent::AbsentNginx;
pub use certificates::{CertificateFile, LackingIssuer, ServedCertificate};
pub use descriptors::Descriptors;
use destinations::destinations;
pub use destinations::{Destination, PeerEndpoint, tcp_host};
pub use dormant::DormantPeer;
pub use logs::UnopenedLog;
pub use passwords::PasswordFile;
pub use running::{ChangedFile, Running};
pub use started::Invocation;

use super::place::{Identity, Place, tidy};
use super::processes::Table;
use super::{Given, Known, Machine, Origin, Problem, Request, Scope, Whose, Why};
use crate::host::{Command, HostErrorKind, Program};
use crate::source::nginx::{self, NotRead, NotReadReason};
use crate::source::unit::Unit;
use crate::source::{FileId, Sources, Span};

// What a configuration says, as nginx reads it.
pub use crate::source::nginx::{
    Address, Context, DirectiveId, DirectiveRef, Effective, Fault, FaultKind, Host, Listen,
    Location, LocationId, LocationKind, Malformed, Model, Pass, Peer, Place as BlockPlace,
    Protocol, Server, ServerId, ServerName, ServerNameKind, Target, Upstream, UpstreamId, Version,
    WordRef,
};
pub use crate::source::nginx_test::Verdict;

/// nginx on the host.
#[derive(Debug)]
pub struct Nginx {
    /// How it is started.
    pub started: Invocation,
    /// The configuration and what it means; unknown where there is none or none was given.
    pub model: Known<Model>,
    /// The version that is installed.
    pub version: Known<Version>,
    /// Who its workers run as.
    pub user: Known<Identity>,
    /// `PrivateTmp=` of its unit.
    pub private_tmp: Known<bool>,
    /// Everywhere that it passes requests to.
    pub destinations: Vec<Destination>,
    /// The directories that it serves files from.
    pub statics: Vec<StaticRoot>,
    /// The ends of its error logs.
    pub log: Known<super::ErrorLog>,
    /// What `nginx -t` says, where the host lives.
    pub test: Known<Verdict>,
    /// Its processes, where the host lives.
    pub running: Known<Running>,
    /// Where it is missing, though it would pass requests to an application; `None` if it is there.
    pub absent: Known<Option<AbsentNginx>>,
    /// The certificates and keys that it loads; only of a machine as a whole.
    pub certificates: Vec<CertificateFile>,
    /// The files that it asks for passwords; only of a machine as a whole.
    pub passwords: Vec<PasswordFile>,
    /// The certificates that it shows; only of a machine as a whole.
    pub served: Vec<ServedCertificate>,
    /// The host's time, in seconds since 1970, where it lives.
    pub now: Known<i64>,
    /// How many files its processes may hold open.
    pub descriptors: Descriptors,
    /// Where files lead that it does not load; looked for where nothing leads to an application.
    pub dormant: Vec<DormantPeer>,
    /// The logs that it cannot make.
    pub unopened_logs: Vec<UnopenedLog>,
    /// Why there may be more than what was read.
    pub incomplete: Option<Why>,
    /// Why a file that was read is not known to its end.
    cut_short: Option<Why>,
}

/// A `root` or `alias`.
#[derive(Debug, Clone)]
pub struct StaticRoot {
    /// The server that it holds in.
    pub server: ServerId,
    /// The location that it is in; none for the server's own.
    pub location: Option<LocationId>,
    /// Is it `alias`?
    pub alias: bool,
    /// The value.
    pub span: Span,
    /// The directory.
    pub place: Place,
    /// Where nginx looks, for a `root` that itself ends in the path of its location: that path comes
    /// once more.
    pub doubled: Option<Place>,
}

impl Nginx {
    /// Reads nginx's configuration, and what its unit says about it.
    pub fn read(
        sources: &Sources,
        machine: &Machine,
        request: &Request,
        unit: Option<&Unit>,
        table: Option<&Table<'_>>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let version = version(sources, &request.scope);
        let started = match &request.scope {
            Scope::Files(_) => Invocation::usual(),
            Scope::Live | Scope::Root => started::read(sources, machine, unit, table),
        };
        let model = match &request.scope {
            Scope::Files(given) => given_model(sources, given, problems),
            Scope::Live | Scope::Root => {
                installed_model(sources, &started, version.ok().copied(), problems)
            }
        };
        let mut read = Self {
            started,
            model,
            version,
            user: Known::Unknown(Why::not_read("nginx's configuration was not read")),
            private_tmp: private_tmp(machine, unit),
            destinations: Vec::new(),
            statics: Vec::new(),
            log: Known::Unknown(Why::not_live()),
            test: Known::Unknown(Why::not_live()),
            running: Known::Unknown(Why::not_live()),
            absent: Known::Unknown(Why::not_live()),
            incomplete: None,
            cut_short: None,
            certificates: Vec::new(),
            passwords: Vec::new(),
            served: Vec::new(),
            now: Known::Unknown(Why::not_live()),
            descriptors: Descriptors {
                limit: Known::Unknown(Why::not_read("nginx's configuration was not read")),
                connections: Known::Unknown(Why::not_read("nginx's configuration was not read")),
            },
            dormant: Vec::new(),
            unopened_logs: Vec::new(),
        };
        let Some(model) = read.model.ok() else { return read };
        read.descriptors = descriptors::read(machine, model, unit);
        for not_read in &model.config.not_read {
            let why = format!("{} was not read", not_read.path.display());
            read.incomplete.get_or_insert(Why::not_read(why));
            if let NotReadReason::Host(error) = &not_read.reason
                && error.kind != HostErrorKind::NotGiven
            {
                problems.push(Problem::at(
                    sources,
                    not_read.span,
                    format!("{} cannot be read: {}", not_read.path.display(), error.kind),
                ));
            }
        }
        for fault in &model.faults {
            if matches!(fault.kind, FaultKind::Template | FaultKind::TooLarge) {
                problems.push(Problem::at(sources, fault.span, fault.message.clone()));
                read.cut_short.get_or_insert(Why::not_understood(fault.message.clone()));
            } else if fault.kind.is_syntax() {
                read.cut_short
                    .get_or_insert(Why::not_read("nginx's configuration was not read to its end"));
            }
        }
        if let Some(why) = &read.cut_short {
            read.incomplete.get_or_insert(why.clone());
        }
        read.user = user(machine, model);
        if let Some(directives) = &read.started.directives {
            let given = started::model_of(sources, directives);
            if given.user.is_some() {
                read.user = match user(machine, &given).take() {
                    Ok((user, _)) => Known::Observed(user, "nginx's -g"),
                    Err(why) => Known::Unknown(why),
                };
            }
            let blocks = |line: DirectiveRef<'_>| {
                matches!(line.name().as_ref(), b"include" | b"http" | b"stream")
            };
            if given.config.roots().any(blocks) {
                let why = Why::not_read("what -g adds to nginx's configuration was not read");
                read.cut_short.get_or_insert(why.clone());
                read.incomplete.get_or_insert(why);
            }
        }
        read.destinations = destinations(model);
        read.statics = statics(sources, machine, model);
        read.certificates = certificates::read(sources, machine, model);
        if machine.whole {
            read.unopened_logs = logs::unopened(sources, machine, unit, model);
            read.served = certificates::served(sources, model);
            read.passwords = passwords::read(sources, machine, model);
        }
        read
    }

    /// The configuration's files.
    pub fn files(&self) -> Vec<FileId> {
        match self.model.ok() {
            Some(model) => model.config.trees.iter().map(|tree| tree.file.id).collect(),
            None => Vec::new(),
        }
    }

    /// The model, if no place was left unread where a pass can be: what is included in a location
    /// that passes requests on already holds headers and the like.
    pub fn all_passes(&self) -> Result<&Model, Why> {
        let model = self.model.get()?;
        let passes = |block: DirectiveId| {
            let mut locations = model.locations.iter().filter(|here| here.directive == block);
            locations.any(|here| !here.handling.passes.is_empty())
        };
        self.unread(|not_read| {
            !not_read.parent.is_some_and(passes) && !holds_settings(&not_read.path)
        })
    }

    /// The model, if no place was left unread where an `upstream` can be: it is in `http`.
    pub fn all_upstreams(&self) -> Result<&Model, Why> {
        let model = self.model.get()?;
        self.unread(|not_read| {
            let around = not_read.parent.and_then(|block| model.config.get(block));
            around.is_none_or(|block| block.name().as_ref() == b"http")
                && !holds_settings(&not_read.path)
        })
    }

    fn unread(&self, matters: impl Fn(&NotRead) -> bool) -> Result<&Model, Why> {
        let model = self.model.get()?;
        if let Some(why) = &self.cut_short {
            return Err(why.clone());
        }
        match model.config.not_read.iter().find(|not_read| matters(not_read)) {
            Some(not_read) => {
                Err(Why::not_read(format!("{} was not read", not_read.path.display())))
            }
            None => Ok(model),
        }
    }

    /// The model, if all of it was read; the reason otherwise. Whoever concludes from what is
    /// *not* there asks this.
    pub fn whole(&self) -> Result<&Model, Why> {
        match &self.incomplete {
            Some(why) => Err(why.clone()),
            None => self.model.get(),
        }
    }
}

/// Files that distributions and certbot ship: they hold settings, no servers and no passes.
fn holds_settings(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    matches!(
        name.as_ref(),
        "proxy_params"
            | "uwsgi_params"
            | "fastcgi_params"
            | "scgi_params"
            | "fastcgi.conf"
            | "mime.types"
            | "options-ssl-nginx.conf"
    )
}

fn given_model(sources: &Sources, given: &Given, problems: &mut Vec<Problem>) -> Known<Model> {
    let Some(first) = given.nginx.first() else {
        let why = given.nginx_unknown.as_deref();
        return Known::Unknown(Why::not_read(why.unwrap_or("no nginx configuration was given")));
    };
    match nginx::load_fragments(sources, &given.nginx) {
        Ok(config) => Known::Value(Model::new(config), Origin::Path(first.clone())),
        Err(error) => {
            problems.push(Problem::unreadable(&error));
            Known::Unknown(Why::not_read(error.to_string()))
        }
    }
}

/// From the program's own text or the package manager's database; on a live host that has neither,
/// nginx is asked.
fn version(sources: &Sources, scope: &Scope) -> Known<Version> {
    if matches!(scope, Scope::Files(_)) {
        return Known::Unknown(Why::not_read("only the files given were read"));
    }
    if let Some((version, path)) = nginx::installed::find(sources.host()) {
        return Known::Value(version, Origin::Path(path));
    }
    let asked = matches!(scope, Scope::Live)
        .then(|| sources.host().run(&Command::new(Program::Nginx, ["-v"])).ok())
        .flatten()
        .and_then(|output| nginx::installed::in_program(&output.stderr));
    match asked {
        Some(version) => Known::Value(version, Origin::Command("nginx -v")),
        None => Known::Unknown(Why::not_read("nginx's version was not found")),
    }
}

fn installed_model(
    sources: &Sources,
    started: &Invocation,
    version: Option<Version>,
    problems: &mut Vec<Problem>,
) -> Known<Model> {
    let path = match started.file.get() {
        Ok(path) => path,
        Err(why) => return Known::Unknown(why),
    };
    // What an include says counts from the directory of the first file.
    match nginx::load(sources, path, path.parent().unwrap_or(Path::new("/"))) {
        Ok(mut config) => {
            config.version = version;
            Known::Value(Model::new(config), Origin::Path(path.into()))
        }
        Err(error) if error.kind == HostErrorKind::NotFound => {
            let missing = format!("there is no {}", path.display());
            Known::Unknown(match started.options.is_empty() {
                true => Why::not_there(missing),
                // Somebody asks for it.
                false => Why::not_read(missing),
            })
        }
        Err(error) => {
            problems.push(Problem::unreadable(&error));
            Known::Unknown(Why::not_read(error.to_string()))
        }
    }
}

fn private_tmp(machine: &Machine, unit: Option<&Unit>) -> Known<bool> {
    use crate::source::unit::value::parse_boolean;
    let Some(unit) = unit else {
        return if machine.whole {
            Known::Default(false, Whose::SYSTEMD)
        } else {
            Known::Unknown(Why::not_read("nginx's unit was not read"))
        };
    };
    match unit.last("Service", "PrivateTmp") {
        None => Known::Default(false, Whose::SYSTEMD),
        Some(assignment) => match parse_boolean(assignment.value.as_str()) {
            Some(value) => Known::Value(value, Origin::text(assignment.value.span())),
            None => Known::Value(true, Origin::text(assignment.value.span())),
        },
    }
}

fn user(machine: &Machine, model: &Model) -> Known<Identity> {
    let Some(words) = &model.user else {
        return Known::Unknown(Why::not_there("nginx's configuration names no user"));
    };
    let Some(name) = words.value.first() else {
        return Known::Unknown(Why::not_there("nginx's configuration names no user"));
    };
    let mut identity = machine.identity(&name.value);
    // `user name group;` replaces the primary group; without it the group is the user's name.
    if let Some(group) = words.value.get(1) {
        let number = machine.accounts.ok().and_then(|a| a.group(&group.value)).map(|g| g.gid);
        match (number, &mut identity.groups) {
            (Some(number), Some(groups)) => groups.push(number),
            _ => identity.groups = None,
        }
    }
    Known::Value(identity, Origin::text(words.span))
}

/// Does the text stand for itself, without a variable of nginx or a template's placeholder?
pub fn is_literal(text: &str) -> bool {
    !nginx::has_variable(text) && crate::source::placeholder::find(text).is_none()
}

fn statics(sources: &Sources, machine: &Machine, model: &Model) -> Vec<StaticRoot> {
    let mut found = Vec::new();
    let servers = model.servers.iter().map(|server| (server.id, None, &server.handling));
    let locations = model
        .locations
        .iter()
        .map(|location| (location.server, Some(location.id), &location.handling));
    for (server, location, handling) in servers.chain(locations) {
        for (value, alias) in [(&handling.root, false), (&handling.alias, true)] {
            let Some(value) = value else { continue };
            let text = value.value.to_string_lossy();
            // A relative one counts from nginx's compiled-in prefix, which files do not show.
            if !is_literal(&text) || !value.value.is_absolute() {
                continue;
            }
            let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
            let place = look(&tidy(&value.value));
            let here = location.filter(|_| !alias).and_then(|id| model.location(id));
            let doubled = here.and_then(|here| doubled(here, &place.path)).map(|path| look(&path));
            found.push(StaticRoot { server, location, alias, span: value.span, place, doubled });
        }
    }
    found
}

/// `location /static/ { root /srv/static; }`: nginx looks in /srv/static/static/.
fn doubled(location: &Location, root: &Path) -> Option<PathBuf> {
    let begins = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    let path = location.pattern.value.trim_matches('/');
    (begins && !location.unknown && !path.is_empty() && root.ends_with(path))
        .then(|| root.join(path))
}
