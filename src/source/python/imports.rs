//! What a module imports, and whether the import runs when the module itself is imported.

use ruff_python_ast::Stmt;

use super::super::Span;
use super::walk::{self, Place};
use super::{Module, span_of};

/// When an import runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportPlace {
    /// Whenever the module is imported.
    TopLevel,
    /// At import, under a condition.
    Conditional,
    /// At import; that it fails is caught (`try … except ImportError`).
    Caught,
    /// When a function is called.
    Function,
}

/// One module named by an `import` or `from … import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The module: `a.b` in `import a.b` and in `from a.b import c`; empty in `from . import c`.
    pub module: String,
    /// How many leading dots: 0 for an absolute import.
    pub level: u32,
    /// The names taken out of it, which may be submodules; empty for `import a.b`.
    pub names: Vec<String>,
    /// `from … import *`.
    pub star: bool,
    /// When it runs.
    pub place: ImportPlace,
    /// Where it stands.
    pub span: Span,
}

impl Import {
    /// The absolute name of the module, as seen from `package` (`a.b` for `a/b/x.py` and for
    /// `a/b/__init__.py`). Nothing where the dots lead above the top.
    pub fn absolute(&self, package: &str) -> Option<String> {
        if self.level == 0 {
            return Some(self.module.clone());
        }
        let mut parts: Vec<&str> = package.split('.').filter(|p| !p.is_empty()).collect();
        for _ in 1..self.level {
            parts.pop()?;
        }
        if parts.is_empty() {
            return None;
        }
        parts.extend(self.module.split('.').filter(|p| !p.is_empty()));
        Some(parts.join("."))
    }
}

impl Module {
    /// All imports, in the order of the file.
    pub fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            match statement {
                Stmt::Import(node) => found.extend(node.names.iter().map(|alias| Import {
                    module: alias.name.as_str().to_owned(),
                    level: 0,
                    names: Vec::new(),
                    star: false,
                    place: when(place),
                    span: span_of(self.file, alias.range),
                })),
                Stmt::ImportFrom(node) => {
                    let names: Vec<String> =
                        node.names.iter().map(|alias| alias.name.as_str().to_owned()).collect();
                    let star = names.iter().any(|name| name == "*");
                    found.push(Import {
                        module: node.module.as_ref().map_or("", |m| m.as_str()).to_owned(),
                        level: node.level,
                        names: if star { Vec::new() } else { names },
                        star,
                        place: when(place),
                        span: span_of(self.file, node.range),
                    });
                }
                _ => {}
            }
        });
        found
    }
}

fn when(place: Place) -> ImportPlace {
    if place.function {
        ImportPlace::Function
    } else if place.catches_import {
        ImportPlace::Caught
    } else if place.conditional {
        ImportPlace::Conditional
    } else {
        ImportPlace::TopLevel
    }
}
