//! What a module changes about where Python looks for modules: `sys.path`, `sys.modules`, import
//! hooks.
//!
//! Added directories count wherever the statement is, even in a function or under a condition: a
//! module that is not found there either is certainly missing. If a change cannot be followed, it
//! is unknown whether a module that was not found exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ruff_python_ast::{Expr, ExprCall, Number, Operator, Stmt};

use super::super::Span;
use super::walk::{self, Place};
use super::{Module, normpath, span_of};
use crate::host::tidy;

/// What a module changes about the search for modules.
#[derive(Debug, Clone, Default)]
pub struct SearchChanges {
    /// Directories that are added to `sys.path`.
    pub directories: Vec<PathBuf>,
    /// Modules that are put into `sys.modules` under their name.
    pub provided: BTreeSet<String>,
    /// The first change that cannot be followed, and a description of it.
    pub unfollowed: Option<(Span, &'static str)>,
    /// The names of attributes that are set on any object (`shop.db = …`).
    pub attributes: BTreeSet<String>,
}

/// What the values of paths depend on.
pub struct PathSurroundings<'a> {
    /// The working directory when the module is imported.
    pub working_directory: Option<&'a Path>,
    /// Resolves all links of a path.
    pub resolve: &'a dyn Fn(&Path) -> PathBuf,
}

impl Module {
    /// What the module changes about the search for modules.
    pub fn search_changes(&self, surroundings: &PathSurroundings<'_>) -> SearchChanges {
        let mut reader = SearchPathReader {
            module: self,
            surroundings,
            names: BTreeMap::new(),
            found: SearchChanges::default(),
        };
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            reader.statement(statement, place);
        });
        reader.found
    }
}

struct SearchPathReader<'a> {
    module: &'a Module,
    surroundings: &'a PathSurroundings<'a>,
    /// The top-level names and their assigned expressions; `None` for a name that is assigned
    /// twice.
    names: BTreeMap<&'a str, Option<&'a Expr>>,
    found: SearchChanges,
}

/// How deeply expressions are followed.
const DEPTH: usize = 20;

impl<'a> SearchPathReader<'a> {
    fn statement(&mut self, statement: &'a Stmt, place: Place) {
        match statement {
            Stmt::Assign(node) => {
                for target in &node.targets {
                    self.assign(target, &node.value, place);
                }
            }
            Stmt::AnnAssign(node) => {
                if let Some(value) = &node.value {
                    self.assign(&node.target, value, place);
                }
            }
            Stmt::AugAssign(node) => match walk::dotted(&node.target).as_deref() {
                Some(["sys", "path"]) => self.add_all(&node.value),
                Some(["__path__"]) => self.unfollowed(&node.target, "__path__ is changed"),
                _ => {}
            },
            // The imported name is not followed.
            Stmt::ImportFrom(node) if node.module.as_ref().is_some_and(|m| m == "sys") => {
                let hidden = ["path", "modules", "meta_path", "path_hooks"];
                if node.names.iter().any(|alias| hidden.contains(&alias.name.as_str())) {
                    let span = span_of(self.module.file, node.range);
                    self.found.unfollowed.get_or_insert((span, "sys.path is imported by name"));
                }
            }
            Stmt::Import(node) => {
                for alias in &node.names {
                    if matches!(alias.name.as_str(), "pyximport" | "hy") {
                        let span = span_of(self.module.file, node.range);
                        let what = "an import hook is installed";
                        self.found.unfollowed.get_or_insert((span, what));
                    }
                }
            }
            _ => {}
        }
        walk::evaluated(statement, &mut |found| self.expression(found));
    }

    fn assign(&mut self, target: &'a Expr, value: &'a Expr, place: Place) {
        match target {
            Expr::Name(name) if name.id.as_str() == "__path__" => {
                self.unfollowed(target, "__path__ is changed");
            }
            Expr::Name(name) if !place.function && !place.class => {
                let slot = self.names.entry(name.id.as_str());
                slot.and_modify(|before| *before = None).or_insert(Some(value));
            }
            Expr::Attribute(node) => {
                if walk::dotted(target).is_some_and(|names| names == ["sys", "path"]) {
                    self.unfollowed(target, "sys.path is replaced");
                }
                self.found.attributes.insert(node.attr.as_str().to_owned());
            }
            Expr::Subscript(node) => match walk::dotted(&node.value).as_deref() {
                Some(["sys", "modules"]) => match text(&node.slice) {
                    Some(name) => {
                        self.found.provided.insert(name.to_owned());
                    }
                    // A module that replaces itself can still be found.
                    None if is_own_name(&node.slice) => {}
                    None => self.unfollowed(target, "sys.modules is changed"),
                },
                Some(["sys", "path"]) => self.add_all(value),
                _ => {}
            },
            Expr::Tuple(node) => {
                for element in &node.elts {
                    self.assign(element, value, Place { function: true, ..place });
                }
            }
            _ => {}
        }
    }

    fn expression(&mut self, expression: &'a Expr) {
        match expression {
            Expr::Call(call) => self.call(call),
            Expr::Attribute(node) => {
                let sys = matches!(&*node.value, Expr::Name(name) if name.id.as_str() == "sys");
                if sys && matches!(node.attr.as_str(), "meta_path" | "path_hooks") {
                    self.unfollowed(expression, "an import hook is installed");
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &'a ExprCall) {
        let Some(names) = walk::dotted(&call.func) else { return };
        let arguments = &*call.arguments.args;
        match (names.as_slice(), arguments) {
            (["sys", "path", "insert"], [_, path]) | (["sys", "path", "append"], [path]) => {
                self.add(path);
            }
            (["sys", "path", "extend"], [paths]) => self.add_all(paths),
            (["sys", "path", "insert" | "append" | "extend" | "__setitem__"], _) => {
                self.unfollowed(&call.func, "sys.path is changed");
            }
            ([.., "addsitedir"], _) => self.unfollowed(&call.func, "site.addsitedir is called"),
            (["sys", "modules", "setdefault" | "__setitem__"], [name, ..]) => match text(name) {
                Some(name) => {
                    self.found.provided.insert(name.to_owned());
                }
                None => self.unfollowed(&call.func, "sys.modules is changed"),
            },
            (["sys", "modules", "update"], _) => {
                self.unfollowed(&call.func, "sys.modules is changed");
            }
            (["setattr"], [_, name, _]) => {
                self.found.attributes.extend(text(name).map(str::to_owned));
            }
            // PyMySQL and psycopg2cffi take the place of other modules.
            ([.., "install_as_MySQLdb"], _) => {
                self.found.provided.extend(["MySQLdb".to_owned(), "_mysql".to_owned()]);
            }
            (["compat", "register"], _) => {
                self.found.provided.insert("psycopg2".to_owned());
            }
            (
                [.., "load_source" | "install_import_hook" | "extend_path" | "module_from_spec"],
                _,
            ) => {
                self.unfollowed(&call.func, "modules are loaded by hand");
            }
            _ => {}
        }
    }

    fn add_all(&mut self, paths: &'a Expr) {
        match paths {
            Expr::List(node) => node.elts.iter().for_each(|path| self.add(path)),
            Expr::Tuple(node) => node.elts.iter().for_each(|path| self.add(path)),
            _ => self.unfollowed(paths, "sys.path is changed"),
        }
    }

    fn add(&mut self, path: &'a Expr) {
        match self.path(path, 0) {
            Some(path) => {
                self.found.directories.push(PathBuf::from(self.absolute(&path)));
            }
            None => self.unfollowed(path, "sys.path is changed"),
        }
    }

    fn unfollowed(&mut self, expression: &Expr, what: &'static str) {
        let span = self.module.span(expression);
        self.found.unfollowed.get_or_insert((span, what));
    }

    /// The value of an expression that computes a path.
    fn path(&self, expression: &Expr, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        let inner = |expression: &Expr| self.path(expression, depth + 1);
        match expression {
            Expr::StringLiteral(node) => Some(node.value.to_str().to_owned()),
            Expr::Name(name) => match name.id.as_str() {
                "__file__" => self.module.path().to_str().map(str::to_owned),
                name => inner((*self.names.get(name)?)?),
            },
            Expr::Call(call) => self.path_call(call, depth),
            Expr::Attribute(node) => match node.attr.as_str() {
                "pardir" => Some("..".into()),
                "curdir" => Some(".".into()),
                "parent" => parent(&inner(&node.value)?),
                _ => None,
            },
            Expr::Subscript(node) => {
                let Expr::Attribute(attribute) = &*node.value else { return None };
                if attribute.attr.as_str() != "parents" {
                    return None;
                }
                let Expr::NumberLiteral(literal) = &*node.slice else { return None };
                let Number::Int(count) = &literal.value else { return None };
                let start = inner(&attribute.value)?;
                (0..=count.as_u8()?).try_fold(start, |path, _| parent(&path))
            }
            Expr::BinOp(node) => {
                let (left, right) = (inner(&node.left)?, inner(&node.right)?);
                match node.op {
                    Operator::Div => Some(join(&left, &right)),
                    Operator::Add => Some(left + &right),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn path_call(&self, call: &ExprCall, depth: usize) -> Option<String> {
        let inner = |expression: &Expr| self.path(expression, depth + 1);
        let arguments = &*call.arguments.args;
        let function = match &*call.func {
            Expr::Name(name) => name.id.as_str(),
            Expr::Attribute(node) => {
                let method = node.attr.as_str();
                match (method, arguments) {
                    ("resolve", _) => return Some(self.resolved(&inner(&node.value)?)),
                    ("absolute", []) => return Some(self.absolute(&inner(&node.value)?)),
                    ("as_posix" | "__str__", []) => return inner(&node.value),
                    ("joinpath", _) => {
                        let start = inner(&node.value)?;
                        return arguments
                            .iter()
                            .try_fold(start, |path, part| Some(join(&path, &inner(part)?)));
                    }
                    _ => method,
                }
            }
            _ => return None,
        };
        match (function, arguments) {
            ("dirname", [path]) => {
                let path = inner(path)?;
                Some(path.rsplit_once('/').map_or("", |(start, _)| start).to_owned())
            }
            ("abspath", [path]) => Some(self.absolute(&inner(path)?)),
            ("realpath", [path]) => Some(self.resolved(&inner(path)?)),
            ("normpath", [path]) => Some(normpath(&inner(path)?)),
            ("str" | "fspath", [path]) => inner(path),
            ("join" | "Path" | "PurePath", [first, rest @ ..]) => {
                rest.iter().try_fold(inner(first)?, |path, part| Some(join(&path, &inner(part)?)))
            }
            ("getcwd" | "cwd", []) => {
                self.surroundings.working_directory?.to_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    fn absolute(&self, path: &str) -> String {
        match self.surroundings.working_directory {
            // Files named on the command line keep the names given there.
            Some(base) if base.is_relative() && Path::new(path).starts_with(base) => lexical(path),
            Some(base) => tidy(&base.join(path)).to_string_lossy().into_owned(),
            None => lexical(path),
        }
    }

    fn resolved(&self, path: &str) -> String {
        let absolute = self.absolute(path);
        (self.surroundings.resolve)(Path::new(&absolute)).to_string_lossy().into_owned()
    }
}

fn lexical(path: &str) -> String {
    tidy(Path::new(path)).to_string_lossy().into_owned()
}

fn join(left: &str, right: &str) -> String {
    Path::new(left).join(right).to_string_lossy().into_owned()
}

fn parent(path: &str) -> Option<String> {
    Some(Path::new(path).parent()?.to_string_lossy().into_owned())
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(node) => Some(node.value.to_str()),
        _ => None,
    }
}

fn is_own_name(expression: &Expr) -> bool {
    matches!(expression, Expr::Name(name) if name.id.as_str() == "__name__")
}
