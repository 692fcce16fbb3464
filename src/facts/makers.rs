//! What may create a path before a unit is started: a line of tmpfiles.d, a command of another
//! unit, or a unit that runs once, before it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Machine;
use super::words::words;
use crate::source::Sources;
use crate::source::unit::{Expansion, Unit, UnitKind, UnitName, UnitPaths};

/// Who mentions which path: read once, as each of a thousand services may have to be looked up.
pub(super) struct Makers {
    /// The paths that commands name, each with the first two units that do: one may be the unit that is
    /// asked about.
    named: HashMap<PathBuf, Vec<UnitName>>,
    /// The paths that tmpfiles.d makes, and whether what is below may come with one.
    at_boot: HashMap<PathBuf, bool>,
    /// Units that are done once, by programs that were not looked into.
    once: Vec<UnitName>,
    /// Their indices by name.
    by_name: HashMap<String, usize>,
    /// The indices of the first that are done before a unit, by its name.
    before: HashMap<String, usize>,
}

/// The settings by which a unit has another one started, or waits for it.
const WAITS: [&str; 5] = ["After", "Requires", "Wants", "BindsTo", "Requisite"];

impl Makers {
    /// Reads all services. That it is worth it where something is missing only, the caller knows.
    pub fn read(
        sources: &Sources,
        machine: &Machine,
        paths: &UnitPaths,
        units: &[UnitName],
    ) -> Self {
        let mut at_boot = HashMap::new();
        for (path, below) in &machine.made_at_boot {
            *at_boot.entry(path.into()).or_default() |= *below;
        }
        let mut found = Self {
            named: HashMap::new(),
            at_boot,
            once: Vec::new(),
            by_name: HashMap::new(),
            before: HashMap::new(),
        };
        for name in units.iter().filter(|name| name.kind() == UnitKind::Service) {
            if let Ok(unit) = paths.load(sources, name) {
                found.add(name, &unit);
            }
        }
        found
    }

    /// Notes down the paths in a unit's commands, and whom it is done before.
    fn add(&mut self, name: &UnitName, unit: &Unit) {
        let once = unit.last("Service", "Type").is_some_and(|a| a.value.as_str() == "oneshot");
        let local = !["/lib", "/usr/lib"].iter().any(|top| unit.path.starts_with(top));
        if once && local {
            let index = self.once.len();
            self.once.push(name.clone());
            self.by_name.insert(name.to_string(), index);
            for other in names(unit, "Before") {
                self.before.entry(other).or_insert(index);
            }
        }
        let part = |c: char| c.is_alphanumeric() || "/._-+@:~,".contains(c);
        for line in unit.assignments() {
            if !line.key.value.starts_with("Exec") {
                continue;
            }
            let Expansion::Known(text) = unit.specifiers.expand(&line.value) else { continue };
            let found = text.as_str().split(|c| !part(c)).filter(|word| word.starts_with('/'));
            for word in found {
                let named = self.named.entry(word.into()).or_default();
                if named.len() < 2 && !named.contains(name) {
                    named.push(name.clone());
                }
            }
        }
    }

    /// What may make this path before the unit is started, in words.
    pub fn of(&self, unit: &Unit, path: &Path) -> Option<String> {
        let at_boot =
            |above: &Path| self.at_boot.get(above).is_some_and(|all| *all || above == path);
        if path.ancestors().any(at_boot) {
            return Some("tmpfiles.d".to_owned());
        }
        let named = self.named.get(path).into_iter().flatten();
        let maker = named.into_iter().find(|name| **name != unit.name);
        maker.or_else(|| self.done_before(unit)).map(ToString::to_string)
    }

    /// The first unit that is done once, before this one is started.
    fn done_before(&self, unit: &Unit) -> Option<&UnitName> {
        let awaited = WAITS.iter().flat_map(|key| names(unit, key));
        let awaited = awaited.filter_map(|name| self.by_name.get(&name));
        let indices = awaited.chain(self.before.get(&unit.name.to_string()));
        let others = indices.filter_map(|index| Some((index, self.once.get(*index)?)));
        let others = others.filter(|(_, name)| **name != unit.name);
        others.min_by_key(|(index, _)| **index).map(|(_, name)| name)
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
