//! Names that a module imports from another: `from .base import *`, `from .base import DATABASES`.
//!
//! The other module is evaluated at that point and only once, as Python runs it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use ruff_python_ast::StmtImportFrom;

use super::super::Module;
use super::value::{Evaluated, Value};
use super::{Evaluator, FileId, Raise, Slot, Surroundings};

/// How deeply modules that import from each other are followed.
const LEVELS: usize = 5;
/// How many modules are followed in total.
const MODULES: usize = 50;

/// An import of names from another module.
pub struct FromImport<'a> {
    /// The file that contains the import.
    pub importer: FileId,
    /// The module, without its leading dots.
    pub module: &'a str,
    /// The number of leading dots.
    pub level: u32,
    /// Whether it imports all names.
    pub star: bool,
}

/// The module from which names are imported.
pub enum TakenModule {
    /// This module, and the value of `__file__` in it, if that is not its own path.
    Module(Box<Module>, Option<PathBuf>),
    /// The module does not exist.
    Missing,
    /// The module is not followed.
    Unknown,
}

/// What a module provides for others to import.
pub(super) struct Taken {
    names: BTreeMap<String, Slot>,
    order: Vec<String>,
    /// Why it may contain other names as well.
    open: Option<String>,
}

impl Taken {
    /// The names that `import *` imports; `None` if they are not known.
    fn all(&self) -> Option<Vec<&str>> {
        let Some(all) = self.names.get("__all__") else {
            let is_public = |name: &&str| !name.starts_with('_');
            return Some(self.order.iter().map(String::as_str).filter(is_public).collect());
        };
        let (Value::List(items) | Value::Tuple(items)) = &all.evaluated.value else { return None };
        items
            .iter()
            .map(|item| match item {
                Value::Str(name) => self.names.get_key_value(name).map(|(name, _)| name.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Evaluator<'_> {
    /// Imports what the statement names; returns `false` if the module is not followed.
    pub(super) fn take_names(&mut self, node: &StmtImportFrom) -> Result<bool, Raise> {
        let module = node.module.as_ref().map_or("", |module| module.as_str());
        // `from . import base` binds modules, not names in them.
        if module.is_empty() {
            return Ok(false);
        }
        let star = node.names.iter().any(|alias| alias.name.as_str() == "*");
        let import = FromImport { importer: self.module.file, module, level: node.level, star };
        let (parsed, file) = match (self.surroundings.taken)(&import) {
            TakenModule::Unknown => return Ok(false),
            TakenModule::Missing => {
                let message = format!("there is no module {}{module}", dots(node.level));
                return Err(self.raise("ModuleNotFoundError", &message, self.span(node)));
            }
            TakenModule::Module(parsed, file) => (parsed, file),
        };
        let before = self.taken.contains_key(&parsed.file);
        let Some(taken) = self.work_out(&parsed, file)? else { return Ok(false) };
        let at = self.span(node);
        for alias in &node.names {
            let name = alias.name.as_str();
            if name == "*" {
                match taken.all() {
                    Some(all) => {
                        all.into_iter().for_each(|one| self.take(&taken, one, one, before))
                    }
                    None => self.open("`import *` of what `__all__` does not tell", at),
                }
                continue;
            }
            let own = alias.asname.as_ref().map_or(name, |own| own.as_str());
            match taken.names.contains_key(name) {
                true => self.take(&taken, name, own, before),
                false => {
                    let value = self.imported(".", Some(name));
                    self.bind(own, value, self.span(alias), None);
                }
            }
        }
        if let Some(why) = &taken.open {
            self.open(why, at);
        }
        Ok(true)
    }

    /// Binds a name to the other module's value. A list that was already imported `before` may have
    /// been changed since, in either module.
    fn take(&mut self, taken: &Taken, name: &str, own: &str, before: bool) {
        let Some(slot) = taken.names.get(name) else { return };
        let changes = matches!(slot.evaluated.value, Value::List(_) | Value::Dict(_));
        if before && changes {
            if self.names.get(own).is_some_and(|here| here.name_span == slot.name_span) {
                return;
            }
            let unknown = Evaluated::unknown("taken over more than once");
            return self.bind(own, unknown, slot.name_span, Some(slot.value_span));
        }
        let weight = slot.evaluated.value.weight();
        let evaluated = match self.fuel > weight {
            true => slot.evaluated.clone(),
            false => Evaluated::unknown("too much to work out"),
        };
        self.fuel = self.fuel.saturating_sub(weight);
        self.bind(own, evaluated, slot.name_span, Some(slot.value_span));
        if let Some(bound) = self.names.get_mut(own) {
            bound.shared = slot.shared;
        }
    }

    /// Evaluates the other module; `None` if it cannot be followed.
    fn work_out(
        &mut self,
        module: &Module,
        file: Option<PathBuf>,
    ) -> Result<Option<Rc<Taken>>, Raise> {
        if let Some(known) = self.taken.get(&module.file) {
            return Ok(known.clone());
        }
        if self.level == LEVELS || self.taken.len() == MODULES || module.unusable().is_some() {
            return Ok(None);
        }
        let own = self.surroundings;
        let surroundings = Surroundings {
            variable: own.variable,
            cpu_count: own.cpu_count,
            file: file.as_deref(),
            working_directory: own.working_directory.clone(),
            resolve: own.resolve,
            read: own.read,
            imported: own.imported,
            taken: own.taken,
        };
        let mut inner = Evaluator::new(module, &surroundings);
        inner.environment = std::mem::take(&mut self.environment);
        inner.taken = std::mem::take(&mut self.taken);
        inner.taken.insert(module.file, None);
        inner.fuel = self.fuel;
        inner.level = self.level + 1;
        let outcome = inner.run(module.statements());
        self.environment = std::mem::take(&mut inner.environment);
        self.taken = std::mem::take(&mut inner.taken);
        self.fuel = inner.fuel;
        self.uncertain |= inner.uncertain;
        self.writes.extend(inner.writes.iter().filter(|write| write.in_function).cloned());
        outcome?;
        let taken = Rc::new(Taken {
            names: inner.names,
            order: inner.order,
            open: inner.open.map(|(why, _)| why),
        });
        self.taken.insert(module.file, Some(Rc::clone(&taken)));
        Ok(Some(taken))
    }
}

fn dots(level: u32) -> String {
    ".".repeat(level as usize)
}
