//! The units that a service depends on, and whether they exist.

use std::path::Path;

use super::words::words;
use super::{Known, Machine, Why};
use crate::host::{Host, Outcome};
use crate::source::similar::{is_slip, nearest};
use crate::source::unit::paths::SEARCH_PATH;
use crate::source::unit::{Expansion, Unit};
use crate::source::{Sources, Span, placeholder};

/// What is at a unit's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A unit.
    Present,
    /// A link to `/dev/null`.
    Masked,
    /// Nothing.
    Missing,
}

/// A unit that a service names.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// The setting that names it.
    pub setting: &'static str,
    /// Its name.
    pub name: String,
    /// Where it is named.
    pub span: Span,
    /// Is it there?
    pub standing: Standing,
    /// One that is there, and whose name is a typo away.
    pub near: Option<String>,
}

/// The settings that name other units, those first without which nothing starts.
const SETTINGS: [(&str, &str); 7] = [
    ("Unit", "Requires"),
    ("Unit", "BindsTo"),
    ("Unit", "Requisite"),
    ("Unit", "After"),
    ("Unit", "Wants"),
    ("Install", "WantedBy"),
    ("Install", "RequiredBy"),
];
/// Units that come from files alone; others are made while the system runs.
const FROM_FILES: [&str; 5] = [".service", ".socket", ".target", ".timer", ".path"];

/// systemd's own, which are everywhere.
const OWN: [&str; 18] = [
    "basic.target",
    "default.target",
    "graphical.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network-pre.target",
    "network.target",
    "nss-lookup.target",
    "nss-user-lookup.target",
    "paths.target",
    "remote-fs.target",
    "sockets.target",
    "swap.target",
    "sysinit.target",
    "time-set.target",
    "time-sync.target",
    "timers.target",
];

/// What distributions call the services that a site stands on, each of their names: a typo in one
/// is seen without the host.
const USUAL: [&str; 24] = [
    "apache2.service",
    "celery.service",
    "containerd.service",
    "cron.service",
    "crond.service",
    "docker.service",
    "httpd.service",
    "mariadb.service",
    "memcached.service",
    "mongod.service",
    "mongodb.service",
    "mysql.service",
    "mysqld.service",
    "networking.service",
    "nginx.service",
    "postgresql.service",
    "rabbitmq-server.service",
    "redis-server.service",
    "redis.service",
    "ssh.service",
    "sshd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "valkey.service",
];

/// Those that a service and its `.socket` units name. Not known where systemd's own units are not
/// among what was read.
pub(super) fn read(
    sources: &Sources,
    machine: &Machine,
    unit: &Unit,
    sockets: &[Unit],
) -> Known<Vec<Dependency>> {
    let host = sources.host();
    if !all_units_are_here(host, machine)
        && named(unit, sockets)
            .any(|one| standing(host, &one.name, unit, sockets) != Standing::Present)
    {
        return Known::Unknown(Why::not_read("systemd's own units were not read"));
    }
    let all = named(unit, sockets).map(|one| {
        let standing = standing(host, &one.name, unit, sockets);
        let missing = standing == Standing::Missing;
        let near = missing.then(|| similar(host, &one.name, unit)).flatten();
        Dependency { standing, near, ..one }
    });
    Known::Observed(all.collect(), "the units on this host")
}

/// Those that are a typo away from a unit of systemd's own or of a distribution's, where the host's
/// units were not read.
pub(super) fn misspelt(
    sources: &Sources,
    machine: &Machine,
    unit: &Unit,
    sockets: &[Unit],
) -> Vec<Dependency> {
    let host = sources.host();
    if all_units_are_here(host, machine) {
        return Vec::new();
    }
    let slips = named(unit, sockets).filter_map(|one| {
        let known = || OWN.iter().chain(&USUAL).copied();
        // In a repository nothing can be looked for.
        let there = machine.whole && standing(host, &one.name, unit, sockets) != Standing::Missing;
        if there || known().any(|known| known == one.name) {
            return None;
        }
        // `redis2.service` is one of several.
        let numbered = |name: &str| name.contains(|c: char| c.is_ascii_digit());
        let stem = |name: &str| {
            name.rsplit_once('.').map(|(stem, kind)| (stem.to_owned(), kind.to_owned()))
        };
        let own = stem(&one.name)?;
        let near = known().find(|known| {
            stem(known).is_some_and(|known| {
                known.1 == own.1 && is_slip(&own.0, &known.0) && !numbered(&own.0)
            })
        })?;
        Some(Dependency { near: Some(near.to_owned()), ..one })
    });
    slips.collect()
}

fn all_units_are_here(host: &dyn Host, machine: &Machine) -> bool {
    let own = ["/usr/lib/systemd/system/basic.target", "/lib/systemd/system/basic.target"];
    machine.whole && own.iter().any(|path| exists(host, Path::new(path)))
}

/// The units that are named, and not yet looked for.
fn named<'u>(unit: &'u Unit, sockets: &'u [Unit]) -> impl Iterator<Item = Dependency> + 'u {
    let units = std::iter::once(unit).chain(sockets);
    let lines = units.flat_map(|unit| {
        SETTINGS.iter().flat_map(move |(section, setting)| {
            unit.list(section, setting).into_iter().map(move |line| (unit, *setting, line))
        })
    });
    lines.flat_map(|(unit, setting, line)| {
        let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { return Vec::new() };
        let judged = |name: &str| {
            FROM_FILES.iter().any(|kind| name.ends_with(kind))
                && !OWN.contains(&name)
                && placeholder::find_with_dollar(name).is_none()
        };
        let names = words(text.as_str()).filter(|(_, name)| judged(name));
        let one = |(at, name): (usize, &str)| Dependency {
            setting,
            name: name.to_owned(),
            span: text.span_of(at..at + name.len()),
            standing: Standing::Missing,
            near: None,
        };
        names.map(one).collect()
    })
}

fn exists(host: &dyn Host, path: &Path) -> bool {
    !matches!(host.look(path).outcome, Outcome::Missing { .. })
}

/// The template of `name@instance.service`.
fn template(name: &str) -> Option<String> {
    let (prefix, rest) = name.split_once('@')?;
    let (_, kind) = rest.rsplit_once('.')?;
    Some(format!("{prefix}@.{kind}"))
}

fn standing(host: &dyn Host, name: &str, unit: &Unit, sockets: &[Unit]) -> Standing {
    if std::iter::once(unit).chain(sockets).any(|unit| unit.name.to_string() == name) {
        return Standing::Present;
    }
    for candidate in std::iter::once(name.to_owned()).chain(template(name)) {
        for directory in SEARCH_PATH {
            let path = Path::new(directory).join(&candidate);
            let lookup = host.look(&path);
            if lookup.resolved == Path::new("/dev/null") {
                return Standing::Masked;
            }
            // A link in a directory that is one itself (/lib) counts by its own name.
            let linked = lookup.links.iter().any(|hop| hop.link.file_name() == path.file_name());
            match lookup.outcome {
                Outcome::Missing { .. } if !linked => {}
                // Also what cannot be looked at: it is there, whatever it is.
                _ => return Standing::Present,
            }
        }
    }
    // systemd makes a unit of each script there.
    let script = name.strip_suffix(".service").map(|stem| Path::new("/etc/init.d").join(stem));
    match script.is_some_and(|path| exists(host, &path)) {
        true => Standing::Present,
        false => Standing::Missing,
    }
}

fn similar(host: &dyn Host, name: &str, unit: &Unit) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    for directory in SEARCH_PATH {
        let listed = host.list(Path::new(directory)).unwrap_or_default();
        names.extend(listed.into_iter().filter_map(|name| name.into_string().ok()));
    }
    names.extend(OWN.map(str::to_owned));
    let own = unit.name.to_string();
    let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
    let same = names.iter().map(String::as_str).filter(|other| {
        *other != own && other.rsplit_once('.').is_some_and(|(_, other)| other == kind)
    });
    nearest(name, same).map(str::to_owned)
}
