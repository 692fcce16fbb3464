//! Which application an entry of INSTALLED_APPS names: its name and its label, by the `AppConfig`
//! that Django would choose (`apps/config.py`).

use ruff_python_ast::{Expr, Stmt, StmtClassDef};

use super::expression::{last_name, text};
use crate::source::python::Module;

/// An application's name and label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppName {
    /// Its module: `shop`, `django.contrib.auth`.
    pub module: String,
    /// Its label: `shop`, `auth`.
    pub label: String,
}

impl AppName {
    /// An application with its default label.
    pub fn plain(module: &str) -> Self {
        let label = module.rsplit('.').next().unwrap_or(module);
        Self { module: module.to_owned(), label: label.to_owned() }
    }
}

/// The application that an entry names. `config` is the module `apps` of a plain entry, or the
/// module before the last dot if the entry names a class in it; `None` if there is none. `class` is
/// that class. Returns `None` if the application is not known.
pub fn app_of(entry: &str, config: Option<&Module>, class: Option<&str>) -> Option<AppName> {
    let Some(module) = config else {
        return class.is_none().then(|| AppName::plain(entry));
    };
    if module.unusable().is_some() || module.names().open().is_some() {
        return None;
    }
    let classes = Classes::of(module);
    match class {
        Some(class) => classes.app(classes.get(class)?),
        None => match classes.chosen()? {
            Some(class) => classes.app(class),
            None => Some(AppName::plain(entry)),
        },
    }
}

struct Classes<'a> {
    all: Vec<&'a StmtClassDef>,
    /// Whether a class that may be a configuration was imported.
    imported: bool,
    /// Whether a class may be defined in a place that is not examined, such as under a condition.
    hidden: bool,
}

impl<'a> Classes<'a> {
    fn of(module: &'a Module) -> Self {
        let mut classes = Self { all: Vec::new(), imported: false, hidden: false };
        for statement in module.statements() {
            match statement {
                Stmt::ClassDef(class) => classes.all.push(class),
                Stmt::ImportFrom(import) => {
                    classes.imported |= import.names.iter().any(|alias| {
                        let name = alias.name.as_str();
                        name.ends_with("Config") && name != "AppConfig"
                    });
                }
                Stmt::If(_) | Stmt::Try(_) | Stmt::With(_) | Stmt::For(_) => classes.hidden = true,
                _ => {}
            }
        }
        classes
    }

    fn get(&self, name: &str) -> Option<&'a StmtClassDef> {
        self.all.iter().rev().find(|class| class.name.as_str() == name).copied()
    }

    /// Whether it derives from `AppConfig`. `None` if one of its bases is not known.
    fn is_config(&self, class: &StmtClassDef) -> Option<bool> {
        let mut at = class;
        for _ in 0..=self.all.len() {
            let bases = at.arguments.as_ref().map_or(&[][..], |arguments| &arguments.args);
            match bases {
                [] => return Some(false),
                [base] if last_name(base) == Some("AppConfig") => return Some(true),
                [Expr::Name(base)] => at = self.get(base.id.as_str())?,
                _ => return None,
            }
        }
        None
    }

    /// The class that Django chooses for a plain entry; `Some(None)` if there is none.
    fn chosen(&self) -> Option<Option<&'a StmtClassDef>> {
        if self.hidden {
            return None;
        }
        // A single class marked as default is chosen, whatever else there is; of two such classes
        // Django chooses none.
        let mut named = self.all.iter().filter(|c| says(c, true) && looks_like_config(c));
        if let (Some(one), None) = (named.next(), named.next()) {
            return Some(Some(one));
        }
        if self.imported {
            return None;
        }
        let mut configs = Vec::new();
        for class in &self.all {
            if self.is_config(class)? {
                configs.push(*class);
            }
        }
        configs.retain(|class| !says(class, false));
        match configs.as_slice() {
            [] => Some(None),
            [one] => Some(Some(one)),
            several => {
                let mut chosen = several.iter().filter(|class| says(class, true));
                match (chosen.next(), chosen.next()) {
                    (Some(one), None) => Some(Some(one)),
                    (None, _) => Some(None),
                    _ => None,
                }
            }
        }
    }

    fn app(&self, class: &'a StmtClassDef) -> Option<AppName> {
        let module = match self.find(class, "name")? {
            Some(name) => text(name)?.to_owned(),
            None => return None,
        };
        match self.find(class, "label")? {
            Some(label) => Some(AppName { module, label: text(label)?.to_owned() }),
            None => Some(AppName::plain(&module)),
        }
    }

    /// An attribute of a class or of its bases; `None` if a base is not known.
    fn find(&self, class: &'a StmtClassDef, name: &str) -> Option<Option<&'a Expr>> {
        let mut at = class;
        for _ in 0..=self.all.len() {
            if let Some(value) = attribute(at, name) {
                return Some(Some(value));
            }
            let bases = at.arguments.as_ref().map_or(&[][..], |arguments| &arguments.args);
            match bases {
                [base] if last_name(base) == Some("AppConfig") => return Some(None),
                [Expr::Name(base)] => at = self.get(base.id.as_str())?,
                _ => return None,
            }
        }
        None
    }
}

/// Whether a class sets `default` to this value.
fn says(class: &StmtClassDef, value: bool) -> bool {
    let default = attribute(class, "default");
    matches!(default, Some(Expr::BooleanLiteral(set)) if set.value == value)
}

/// Whether its only base class has a name like that of a configuration.
fn looks_like_config(class: &StmtClassDef) -> bool {
    let bases = class.arguments.as_ref().map_or(&[][..], |arguments| &arguments.args);
    matches!(bases, [base] if last_name(base).is_some_and(|name| name.ends_with("AppConfig")))
}

/// The last value that a class's body assigns to a name.
fn attribute<'a>(class: &'a StmtClassDef, wanted: &str) -> Option<&'a Expr> {
    class.body.iter().rev().find_map(|statement| match statement {
        Stmt::Assign(node) => match node.targets.as_slice() {
            [Expr::Name(target)] if target.id.as_str() == wanted => Some(&*node.value),
            _ => None,
        },
        Stmt::AnnAssign(node) => match (&*node.target, &node.value) {
            (Expr::Name(target), Some(value)) if target.id.as_str() == wanted => Some(&**value),
            _ => None,
        },
        _ => None,
    })
}
