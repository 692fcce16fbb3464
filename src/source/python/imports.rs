//! The imports of a module, and whether each runs when the module itself is imported.

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtIf, StmtTry};

use super::super::Span;
use super::{Module, PythonVersion, condition, span_of, walk};

/// When an import runs; the most certain first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImportPlace {
    /// Whenever the module is imported.
    TopLevel,
    /// At import, but a failure is caught (`try … except ImportError`).
    Caught,
    /// At import, under a condition.
    Conditional,
    /// Not at import: in a function, under `if TYPE_CHECKING`, under a condition that is never true
    /// for this Python, after a `raise`.
    Later,
}

/// One module named by an `import` or `from … import`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The module: `a.b` in `import a.b` and in `from a.b import c`; empty in `from . import c`.
    pub module: String,
    /// The number of leading dots: 0 for an absolute import.
    pub level: u32,
    /// The imported names, which may be submodules; empty for `import a.b`.
    pub names: Vec<String>,
    /// `from … import *`.
    pub star: bool,
    /// When the import runs.
    pub place: ImportPlace,
    /// The place of the import.
    pub span: Span,
}

impl Import {
    /// The absolute name of the module, as seen from `package` (`a.b` for `a/b/x.py` and for
    /// `a/b/__init__.py`). `None` if the dots lead above the top-level package.
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
    /// All imports, in the order of the file. Conditions on the running Python are evaluated if
    /// `version` is known.
    pub fn imports(&self, version: Option<PythonVersion>) -> Vec<Import> {
        let mut reader = ImportReader { module: self, version, found: Vec::new(), called: false };
        reader.block(self.statements(), ImportPlace::TopLevel);
        reader.found
    }
}

struct ImportReader<'a> {
    module: &'a Module,
    version: Option<PythonVersion>,
    found: Vec<Import>,
    /// Whether the reader is in the body of a function that is called at import.
    called: bool,
}

impl ImportReader<'_> {
    fn block(&mut self, block: &[Stmt], mut place: ImportPlace) {
        for statement in block {
            self.statement(statement, place);
            if ends(statement) {
                place = ImportPlace::Later;
            } else if self.called && walk::may_return(statement) {
                place = place.max(ImportPlace::Conditional);
            }
        }
    }

    fn statement(&mut self, statement: &Stmt, place: ImportPlace) {
        let maybe = place.max(ImportPlace::Conditional);
        match statement {
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.import(statement, place),
            Stmt::FunctionDef(def) => {
                let runs = place == ImportPlace::TopLevel && self.module.run.contains(&*def.name);
                match runs && !self.called {
                    true => {
                        self.called = true;
                        self.block(&def.body, place);
                        self.called = false;
                    }
                    false => self.block(&def.body, ImportPlace::Later),
                }
            }
            Stmt::ClassDef(def) => self.block(&def.body, place),
            Stmt::If(node) => self.if_statement(node, place),
            Stmt::For(node) => {
                self.block(&node.body, maybe);
                self.block(&node.orelse, maybe);
            }
            Stmt::While(node) => {
                self.block(&node.body, maybe);
                self.block(&node.orelse, maybe);
            }
            Stmt::With(node) => {
                let lets_through = node.items.iter().all(|item| lets_through(&item.context_expr));
                let caught = place.max(ImportPlace::Caught);
                self.block(&node.body, if lets_through { place } else { caught });
            }
            Stmt::Match(node) => {
                for case in &node.cases {
                    self.block(&case.body, maybe);
                }
            }
            Stmt::Try(node) => self.try_statement(node, place),
            Stmt::Expr(node) => self.found.extend(flask_object(self.module, &node.value, place)),
            _ => {}
        }
    }

    fn if_statement(&mut self, node: &StmtIf, place: ImportPlace) {
        let first = std::iter::once((Some(&*node.test), &*node.body));
        let clauses = node.elif_else_clauses.iter().map(|c| (c.test.as_ref(), &*c.body));
        // The place of a clause that runs if none of the earlier clauses certainly runs.
        let mut place = place;
        for (test, body) in first.chain(clauses) {
            match test.map_or(Some(true), |test| condition::decide(test, self.version)) {
                Some(true) => {
                    self.block(body, place);
                    place = ImportPlace::Later;
                }
                Some(false) => self.block(body, ImportPlace::Later),
                None => {
                    place = place.max(ImportPlace::Conditional);
                    self.block(body, place);
                }
            }
        }
    }

    fn try_statement(&mut self, node: &StmtTry, place: ImportPlace) {
        let catches = node.handlers.iter().any(|handler| {
            walk::handles(handler, &["ImportError", "ModuleNotFoundError"]) && !raises(handler)
        });
        let inside = if catches { place.max(ImportPlace::Caught) } else { place };
        // Any other statement of the block may raise what a handler catches, which skips the rest.
        let mut sure = inside;
        for statement in &node.body {
            self.statement(statement, sure);
            let plain = matches!(statement, Stmt::Import(_) | Stmt::ImportFrom(_));
            if !plain && !node.handlers.is_empty() {
                sure = sure.max(ImportPlace::Conditional);
            }
            if ends(statement) {
                sure = ImportPlace::Later;
            }
        }
        for ExceptHandler::ExceptHandler(handler) in &node.handlers {
            self.block(&handler.body, place.max(ImportPlace::Conditional));
        }
        let otherwise = if node.handlers.is_empty() { sure } else { sure.max(ImportPlace::Caught) };
        self.block(&node.orelse, otherwise);
        self.block(&node.finalbody, place);
    }

    fn import(&mut self, statement: &Stmt, place: ImportPlace) {
        let file = self.module.file;
        match statement {
            Stmt::Import(node) => self.found.extend(node.names.iter().map(|alias| Import {
                module: alias.name.as_str().to_owned(),
                level: 0,
                names: Vec::new(),
                star: false,
                place,
                span: span_of(file, alias.range),
            })),
            Stmt::ImportFrom(node) => {
                let names: Vec<String> =
                    node.names.iter().map(|alias| alias.name.as_str().to_owned()).collect();
                let star = names.iter().any(|name| name == "*");
                self.found.push(Import {
                    module: node.module.as_ref().map_or("", |m| m.as_str()).to_owned(),
                    level: node.level,
                    names: if star { Vec::new() } else { names },
                    star,
                    place,
                    span: span_of(file, node.range),
                });
            }
            _ => {}
        }
    }
}

/// `app.config.from_object("config.Production")`: Flask imports the module that the text names
/// (`werkzeug.utils.import_string`).
fn flask_object(module: &Module, value: &Expr, place: ImportPlace) -> Option<Import> {
    let Expr::Call(call) = value else { return None };
    let names = walk::dotted(&call.func)?;
    let [.., "config", "from_object"] = names.as_slice() else { return None };
    let [Expr::StringLiteral(named)] = &*call.arguments.args else { return None };
    let text = named.value.to_str().replace(':', ".");
    let plain = |part: &str| {
        part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !part.is_empty()
    };
    if !text.split('.').all(plain) || !call.arguments.keywords.is_empty() {
        return None;
    }
    let (named_in, name) = match text.rsplit_once('.') {
        Some((before, name)) => (before.to_owned(), vec![name.to_owned()]),
        None => (text, Vec::new()),
    };
    let span = span_of(module.file, named.range);
    Some(Import { module: named_in, level: 0, names: name, star: false, place, span })
}

/// Whether nothing after this statement runs.
fn ends(statement: &Stmt) -> bool {
    match statement {
        Stmt::Raise(_) => true,
        Stmt::Expr(node) => match &*node.value {
            Expr::Call(call) => matches!(
                walk::dotted(&call.func).as_deref(),
                Some(["sys", "exit"] | ["exit"] | ["quit"] | ["os", "_exit"])
            ),
            _ => false,
        },
        _ => false,
    }
}

/// Whether a handler ends in a `raise` of its own, as the one in Django's `manage.py` does.
fn raises(handler: &ExceptHandler) -> bool {
    let ExceptHandler::ExceptHandler(handler) = handler;
    let simple = handler
        .body
        .iter()
        .all(|s| matches!(s, Stmt::Raise(_) | Stmt::Expr(_) | Stmt::Assign(_) | Stmt::Import(_)));
    simple && matches!(handler.body.last(), Some(Stmt::Raise(_)))
}

/// Whether the context manager is known to let an exception through; any other may swallow it.
fn lets_through(context: &Expr) -> bool {
    let Expr::Call(call) = context else { return false };
    let name = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => return false,
    };
    matches!(name, "app_context" | "test_request_context" | "catch_warnings" | "open" | "Lock")
}
