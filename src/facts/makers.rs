//! What may make a path before a unit is started: a line of tmpfiles.d, a command of another unit, or
//! a unit that does something once and before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Machine;
use super::words::words;
use crate::source::Sources;
use crate::source::unit::{Expansion, Unit, UnitKind, UnitPaths};

/// Who speaks of which path.
pub(super) struct Makers {
    /// The paths that commands of other units name.
    named: HashMap<PathBuf, String>,
    /// The paths that tmpfiles.d makes, and whether what lies below may come with one.
    at_boot: Vec<(PathBuf, bool)>,
    /// A unit that is done before this one is started, by a program that was not looked into.
    before: Option<String>,
}

/// The settings by which a unit has another one started, or waits for it.
const WAITS: [&str; 5] = ["After", "Requires", "Wants", "BindsTo", "Requisite"];

impl Makers {
    /// Reads the units around one. That it is worth it where something is missing only, the caller
    /// knows.
    pub fn read(sources: &Sources, machine: &Machine, unit: &Unit) -> Self {
        let at_boot = machine.made_at_boot.iter();
        let mut found = Self {
            named: HashMap::new(),
            at_boot: at_boot.map(|(path, below)| (path.into(), *below)).collect(),
            before: None,
        };
        let paths = UnitPaths::scan(sources);
        let own = unit.name.to_string();
        let awaited: Vec<String> = WAITS.iter().flat_map(|key| names(unit, key)).collect();
        for name in &paths.list_units().units {
            if *name == unit.name || name.kind() != UnitKind::Service {
                continue;
            }
            let Ok(other) = paths.load(sources, name) else { continue };
            let name = name.to_string();
            let before = awaited.contains(&name) || names(&other, "Before").contains(&own);
            let once = other.last("Service", "Type").is_some_and(|a| a.value.as_str() == "oneshot");
            let local = !["/lib", "/usr/lib"].iter().any(|top| other.path.starts_with(top));
            if before && once && local {
                found.before.get_or_insert(name.clone());
            }
            found.add(&name, &other);
        }
        found
    }

    /// Notes down the paths in a unit's commands.
    fn add(&mut self, name: &str, unit: &Unit) {
        let part = |c: char| c.is_alphanumeric() || "/._-+@:~,".contains(c);
        for line in unit.assignments() {
            if !line.key.value.starts_with("Exec") {
                continue;
            }
            let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { continue };
            let found = text.as_str().split(|c| !part(c)).filter(|word| word.starts_with('/'));
            for word in found {
                self.named.entry(word.into()).or_insert_with(|| name.to_owned());
            }
        }
    }

    /// What may make this path, in words.
    pub fn of(&self, path: &Path) -> Option<String> {
        let at_boot = self.at_boot.iter().any(|(made, below)| match below {
            true => path.starts_with(made),
            false => path == made,
        });
        if at_boot {
            return Some("tmpfiles.d".to_owned());
        }
        self.named.get(path).or(self.before.as_ref()).cloned()
    }
}

fn names(unit: &Unit, key: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in unit.list("Unit", key) {
        if let Expansion::Known(text) = unit.specifiers.expand(&line.value) {
            found.extend(words(text.as_str()).map(|(_, word)| word.to_owned()));
        }
    }
    found
}
