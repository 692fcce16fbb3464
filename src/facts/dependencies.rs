//! The units that a service depends on, and whether they are there.

use std::path::Path;

use super::words::words;
use super::{Known, Machine, Why};
use crate::host::{Host, Outcome};
use crate::source::similar::nearest;
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
    /// One that is there, and whose name is a slip of the hand away.
    pub near: Option<String>,
}

/// The settings that name other units, those first without which nothing starts.
const SETTINGS: [&str; 5] = ["Requires", "BindsTo", "Requisite", "After", "Wants"];
/// Units that come from files alone; others are made while the system runs.
const FROM_FILES: [&str; 5] = [".service", ".socket", ".target", ".timer", ".path"];

/// systemd's own, which are everywhere.
const OWN: [&str; 8] = [
    "basic.target",
    "local-fs.target",
    "multi-user.target",
    "network-online.target",
    "network.target",
    "nss-lookup.target",
    "remote-fs.target",
    "sysinit.target",
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
    let own = ["/usr/lib/systemd/system/basic.target", "/lib/systemd/system/basic.target"];
    let read = machine.whole && own.iter().any(|path| exists(host, Path::new(path)));
    let mut found = Vec::new();
    let units = || std::iter::once(unit).chain(sockets);
    for unit in units() {
        for setting in SETTINGS {
            for line in unit.list("Unit", setting) {
                let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { continue };
                for (at, name) in words(text.as_str()) {
                    let judged = FROM_FILES.iter().any(|kind| name.ends_with(kind));
                    if !judged
                        || OWN.contains(&name)
                        || placeholder::find_with_dollar(name).is_some()
                    {
                        continue;
                    }
                    let standing = standing(host, name, units());
                    if !read && standing != Standing::Present {
                        return Known::Unknown(Why::not_read("systemd's own units were not read"));
                    }
                    let missing = standing == Standing::Missing;
                    found.push(Dependency {
                        setting,
                        name: name.to_owned(),
                        span: text.span_of(at..at + name.len()),
                        standing,
                        near: missing.then(|| similar(host, name, unit)).flatten(),
                    });
                }
            }
        }
    }
    Known::Observed(found, "the units on this host")
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

fn standing<'u>(host: &dyn Host, name: &str, mut own: impl Iterator<Item = &'u Unit>) -> Standing {
    if own.any(|unit| unit.name.to_string() == name) {
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
    let own = unit.name.to_string();
    let kind = name.rsplit_once('.').map_or("", |(_, kind)| kind);
    let same = names.iter().map(String::as_str).filter(|other| {
        *other != own && other.rsplit_once('.').is_some_and(|(_, other)| other == kind)
    });
    nearest(name, same).map(str::to_owned)
}
