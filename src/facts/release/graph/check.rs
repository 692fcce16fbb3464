//! Finds imports that certainly run but whose module does not exist.

use std::collections::HashMap;
use std::path::Path;

use super::super::super::Why;
use super::super::finder::Found;
use super::super::standard_library;
use super::super::unresolved::{ImportCheck, Judge, Missing, Unresolved};
use super::Graph;
use crate::source::Span;
use crate::source::python::Binding;

impl Graph<'_> {
    fn unresolved(&self, missing: Missing, from: (usize, Span)) -> Unresolved {
        let mut chain = self.chain(from);
        let hidden = self.hidden.as_ref().filter(|(_, hidden, _)| match &missing {
            Missing::Module(name) => hidden
                .strip_prefix(name.as_str())
                .is_some_and(|r| r.is_empty() || r.starts_with('.')),
            _ => false,
        });
        let missing = match hidden {
            Some((variable, _, span)) => {
                chain.extend(*span);
                Missing::NamedBy(variable)
            }
            None => missing,
        };
        let way = self.way(&chain, &missing.shown());
        let last_python = match &missing {
            Missing::Module(name) => standard_library::last_version(name),
            _ => None,
        };
        Unresolved { missing, chain, way, last_python }
    }

    /// What certainly runs at import and is nowhere.
    pub(in crate::facts::release) fn check(&self, judge: &Judge) -> ImportCheck {
        let mut check = ImportCheck::default();
        for pending in self.pending.iter().filter(|pending| pending.certain) {
            let Some(importer) = self.modules.get(pending.module) else { continue };
            let from = (pending.module, pending.import.span);
            let missing = match pending.import.absolute(Self::package_of(importer)) {
                None => Ok(Missing::Relative { level: pending.import.level }),
                Some(module) => self.missing(judge, &module, &pending.import.names),
            };
            match missing {
                Ok(missing) => check.add(self.unresolved(missing, from)),
                Err(None) => {}
                Err(Some(why)) => {
                    let module = pending.import.absolute(Self::package_of(importer));
                    let wanted = module.as_deref().and_then(|module| judge.unlisted(self, module));
                    match wanted {
                        Some((missing, distribution)) => {
                            check.add_unlisted(self.unresolved(missing, from), distribution);
                        }
                        None => check.skip(why),
                    }
                }
            }
        }
        self.check_names(&mut check);
        check
    }

    /// Which part of an import is nowhere; `None` if it is there by other means.
    fn missing(
        &self,
        judge: &Judge,
        module: &str,
        names: &[String],
    ) -> Result<Missing, Option<Why>> {
        let mut found = self.finder.find(module);
        if let (Found::Namespace(_), [name]) = (&found, names) {
            found = self.finder.find(&format!("{module}.{name}"));
        }
        match found {
            Found::Missing(name) => {
                judge.is_nowhere(self, &name)?;
                Ok(Missing::Module(name))
            }
            Found::Unknown(why) => Err(Some(why)),
            _ => Err(None),
        }
    }

    fn check_names(&self, check: &mut ImportCheck) {
        let by_path: HashMap<&Path, usize> =
            self.modules.iter().enumerate().map(|(at, m)| (m.path.as_path(), at)).collect();
        let mut names = HashMap::new();
        for wanted in &self.names {
            let Some(at) = by_path.get(wanted.path.as_path()) else { continue };
            let Some(module) = self.parsed.get(*at) else { continue };
            let defined = names.entry(*at).or_insert_with(|| module.names());
            if defined.binding(&wanted.name) != Binding::NotDefined
                || self.attributes.contains(&wanted.name)
            {
                continue;
            }
            if let Some(why) = &self.unfollowed {
                check.skip(why.clone());
                continue;
            }
            let (module, name) = (wanted.module.clone(), wanted.name.clone());
            let missing = Missing::Name { module, name, path: wanted.path.clone() };
            check.add(self.unresolved(missing, wanted.from));
        }
    }
}
