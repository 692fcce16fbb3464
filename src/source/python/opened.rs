//! What a module writes while it is imported: files that handlers of `logging` open, and directories
//! that it makes. Whoever may not write there cannot import it.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use ruff_python_ast::{Arguments, Expr, ExprCall, Stmt, UnaryOp};

use super::super::{Lookup, Span};
use super::Module;
use super::evaluate::{CallArguments, ConfigValue, Surroundings, Walkthrough, with_variables};
use super::walk;

/// The handlers that open their file when they are made.
pub const HANDLERS: [&str; 4] =
    ["FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler", "WatchedFileHandler"];

/// What is written.
#[derive(Clone, PartialEq)]
pub enum Written {
    /// A file is opened to append to it.
    File(String),
    /// The same, if the root logger has no handler yet (`logging.basicConfig`).
    RootLog(String),
    /// A directory is made if there is none.
    Directory(String),
    /// A dictionary is given to `logging.config.dictConfig`.
    Logging(ConfigValue),
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::RootLog(path) => f.debug_tuple("RootLog").field(path).finish(),
            Self::Directory(path) => f.debug_tuple("Directory").field(path).finish(),
            // A handler may be given a password.
            Self::Logging(_) => f.write_str("Logging(…)"),
        }
    }
}

/// Something that an import writes.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    /// What.
    pub written: Written,
    /// The argument that names it.
    pub span: Span,
    /// Only where the application's debug mode is off: `if not app.debug:`.
    pub unless_debug: bool,
}

/// Might a module write something that [`Module::opened`] finds? Most do not mention it.
pub fn mentions(bytes: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"FileHandler", b"basicConfig", b"dictConfig", b"filename"];
    makes_directories(bytes) || words.iter().any(|w| memchr::memmem::find(bytes, w).is_some())
}

/// Does a module speak of making directories?
pub fn makes_directories(bytes: &[u8]) -> bool {
    [&b"mkdir"[..], b"makedirs"].iter().any(|w| memchr::memmem::find(bytes, w).is_some())
}

/// How a path's links are resolved; `None` if that is not known.
pub type Resolve<'a> = dyn Fn(&Path) -> Option<std::path::PathBuf> + 'a;

impl Module {
    /// What its import certainly writes, in the order of the file. `working_directory` is the one that
    /// gunicorn imports it in.
    pub fn opened(&self, working_directory: Option<&Path>, resolve: &Resolve<'_>) -> Vec<Opened> {
        let variable = |_: &str| Lookup::Unknown("variables are not looked up for it".into());
        let surroundings = Surroundings {
            working_directory: working_directory.map(Path::to_path_buf),
            resolve: &|path| resolve(path),
            ..with_variables(&variable)
        };
        let names = ImportedNames::of(self.statements());
        let mut found = Vec::new();
        let mut top = Walkthrough::new(self, &surroundings);
        OpenedReading { module: self, names: &names, code: &mut top, found: &mut found }
            .block(self.statements(), false);
        for statement in self.statements() {
            let Stmt::FunctionDef(def) = statement else { continue };
            if !self.run.contains(def.name.as_str()) || !speaks_of_it(&def.body) {
                continue;
            }
            let mut code = Walkthrough::new(self, &surroundings);
            for statement in self.statements() {
                code.run(statement);
            }
            code.enter(&def.parameters, &CallArguments::unknown());
            OpenedReading { module: self, names: &names, code: &mut code, found: &mut found }
                .block(&def.body, false);
        }
        found
    }
}

/// Does a function's body make a directory or a handler?
fn speaks_of_it(body: &[Stmt]) -> bool {
    let mut found = false;
    walk::statements(body, walk::Place::default(), &mut |statement, _| {
        walk::evaluated(statement, &mut |one| {
            let name = match one {
                Expr::Call(call) => match &*call.func {
                    Expr::Attribute(node) => node.attr.as_str(),
                    Expr::Name(name) => name.id.as_str(),
                    _ => return,
                },
                _ => return,
            };
            found |= ["mkdir", "makedirs", "basicConfig", "dictConfig"].contains(&name)
                || HANDLERS.contains(&name);
        });
    });
    found
}

/// What the names that the module imports are, in full: `{"os": "os", "mkdir": "os.mkdir"}`.
struct ImportedNames(HashMap<String, String>);

impl ImportedNames {
    fn of(block: &[Stmt]) -> Self {
        let mut names = HashMap::new();
        walk::statements(block, walk::Place::default(), &mut |statement, _| match statement {
            Stmt::Import(node) => {
                for alias in &node.names {
                    let whole = alias.name.as_str();
                    match &alias.asname {
                        Some(name) => names.insert(name.to_string(), whole.to_owned()),
                        None => {
                            let first = whole.split('.').next().unwrap_or(whole);
                            names.insert(first.to_owned(), first.to_owned())
                        }
                    };
                }
            }
            Stmt::ImportFrom(node) if node.level == 0 => {
                let Some(from) = &node.module else { return };
                for alias in &node.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    names.insert(name.to_string(), format!("{from}.{}", alias.name));
                }
            }
            _ => {}
        });
        Self(names)
    }

    /// A function's name with the module that it is from.
    fn whole(&self, function: &Expr) -> Option<String> {
        let names = walk::dotted(function)?;
        let (first, rest) = names.split_first()?;
        let mut whole = self.0.get(*first)?.clone();
        for name in rest {
            whole.push('.');
            whole.push_str(name);
        }
        Some(whole)
    }
}

struct OpenedReading<'r, 'a> {
    module: &'a Module,
    names: &'r ImportedNames,
    code: &'r mut Walkthrough<'a>,
    found: &'r mut Vec<Opened>,
}

impl<'a> OpenedReading<'_, 'a> {
    fn block(&mut self, block: &'a [Stmt], unless_debug: bool) {
        for statement in block {
            match statement {
                // What fails in it may be caught; what it binds is taken note of below.
                Stmt::If(node) if node.elif_else_clauses.is_empty() => {
                    if is_not_debug(&node.test) {
                        self.block(&node.body, true);
                        continue;
                    }
                    if self.is_missing(&node.test) {
                        self.block(&node.body, unless_debug);
                        continue;
                    }
                }
                Stmt::With(node)
                    if node.items.iter().all(|item| is_context(&item.context_expr)) =>
                {
                    self.block(&node.body, unless_debug);
                    continue;
                }
                Stmt::Assign(_) | Stmt::AnnAssign(_) | Stmt::Expr(_) | Stmt::Return(_) => {
                    for root in walk::own_expressions(statement) {
                        self.calls(root, unless_debug);
                    }
                }
                _ => {}
            }
            self.code.run(statement);
            if walk::may_return(statement) || matches!(statement, Stmt::Raise(_)) {
                break;
            }
        }
    }

    /// The calls that an expression certainly makes.
    fn calls(&mut self, root: &'a Expr, unless_debug: bool) {
        let mut calls = Vec::new();
        walk::expressions(root, &mut |one| {
            if let Expr::Call(call) = one {
                calls.push(call);
            }
            walk::evaluates_all_of(one)
        });
        for call in calls {
            if let Some((written, argument)) = self.written(call) {
                let span = self.module.span(argument);
                self.found.push(Opened { written, span, unless_debug });
            }
        }
    }

    fn written(&mut self, call: &'a ExprCall) -> Option<(Written, &'a Expr)> {
        if let Some(path) = made_by_path(call) {
            return Some((Written::Directory(self.code.path(path)?), path));
        }
        let whole = self.names.whole(&call.func)?;
        let arguments = &call.arguments;
        let name = whole.rsplit('.').next().unwrap_or(&whole);
        if whole.starts_with("logging.") && HANDLERS.contains(&name) {
            let path = argument(arguments, 0, "filename")?;
            let later = arguments.find_keyword("delay").is_some() || arguments.args.len() > 3;
            return (!later).then_some((Written::File(self.code.path(path)?), path));
        }
        match whole.as_str() {
            "logging.basicConfig" => {
                let path = argument(arguments, usize::MAX, "filename")?;
                Some((Written::RootLog(self.code.path(path)?), path))
            }
            "logging.config.dictConfig" => {
                let given = argument(arguments, 0, "config")?;
                Some((Written::Logging(self.code.shown(given)?), given))
            }
            "os.mkdir" | "os.makedirs" => {
                let path = argument(arguments, 0, if name == "mkdir" { "path" } else { "name" })?;
                Some((Written::Directory(self.code.path(path)?), path))
            }
            _ => None,
        }
    }

    /// `not os.path.exists(…)`, `not os.path.isdir(…)`, `not path.exists()`: what follows makes it.
    fn is_missing(&self, test: &Expr) -> bool {
        let Expr::UnaryOp(node) = test else { return false };
        let Expr::Call(call) = &*node.operand else { return false };
        if node.op != UnaryOp::Not {
            return false;
        }
        let asked = self.names.whole(&call.func);
        let of_os = matches!(asked.as_deref(), Some("os.path.exists" | "os.path.isdir"));
        let of_path = match &*call.func {
            Expr::Attribute(node) => {
                matches!(node.attr.as_str(), "exists" | "is_dir") && call.arguments.is_empty()
            }
            _ => false,
        };
        of_os || of_path
    }
}

/// `path.mkdir(…)`: what it is called on. `os.mkdir(PATH)` has an argument of its own.
fn made_by_path(call: &ExprCall) -> Option<&Expr> {
    let Expr::Attribute(method) = &*call.func else { return None };
    let plain = call.arguments.args.is_empty() && method.attr.as_str() == "mkdir";
    plain.then_some(&*method.value)
}

fn argument<'a>(arguments: &'a Arguments, at: usize, name: &str) -> Option<&'a Expr> {
    let by_name = arguments.find_keyword(name).map(|keyword| &keyword.value);
    by_name.or_else(|| arguments.args.get(at).filter(|one| !one.is_starred_expr()))
}

/// `with app.app_context():` lets every exception through.
fn is_context(context: &Expr) -> bool {
    let Expr::Call(call) = context else { return false };
    walk::dotted(&call.func).is_some_and(|names| names.last() == Some(&"app_context"))
}

/// `not app.debug`, `not app.debug and not app.testing`: true of what serves a site.
fn is_not_debug(test: &Expr) -> bool {
    match test {
        Expr::BoolOp(node) => {
            node.op == ruff_python_ast::BoolOp::And && node.values.iter().all(is_not_debug)
        }
        Expr::UnaryOp(node) if node.op == UnaryOp::Not => match &*node.operand {
            Expr::Attribute(node) => matches!(node.attr.as_str(), "debug" | "testing"),
            _ => false,
        },
        _ => false,
    }
}
