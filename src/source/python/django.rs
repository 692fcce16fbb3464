//! What Django loads when it starts: the settings module that `wsgi.py` names, and the values that
//! the settings certainly contain.
//!
//! Source: Django's `apps.registry`, `core.handlers.base` and `django.setup()`.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, Operator, Stmt};

use super::super::Spanned;
use super::imports::Import;
use super::walk::{self, Place};
use super::{Module, PythonVersion, condition};

/// How a module starts Django.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DjangoStart {
    /// `get_wsgi_application()`, `get_asgi_application()` or `django.setup()` is called at the top
    /// level.
    pub starts: bool,
    /// The value that the module puts into DJANGO_SETTINGS_MODULE.
    pub settings: Option<Spanned<String>>,
    /// Whether it does so whatever the environment contains (`os.environ[…] = …`, not
    /// `setdefault`).
    pub forced: bool,
}

/// The settings by name.
pub type Settings = BTreeMap<String, Texts>;

/// The texts of a setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Texts {
    /// The texts that the setting certainly contains.
    pub certain: Vec<Spanned<String>>,
    /// Whether there may be others.
    pub more: bool,
}

impl Texts {
    fn extend(&mut self, more: Self) {
        self.certain.extend(more.certain);
        self.more |= more.more;
    }
}

/// The settings that name modules.
pub const NAMING: [&str; 3] = ["INSTALLED_APPS", "MIDDLEWARE", "ROOT_URLCONF"];

const VARIABLE: &str = "DJANGO_SETTINGS_MODULE";

impl Module {
    /// Whether the module starts Django, and with which settings.
    pub fn django_start(&self) -> DjangoStart {
        let mut start = DjangoStart::default();
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            if place.function || place.conditional {
                return;
            }
            if let Stmt::Assign(node) = statement
                && let [Expr::Subscript(target)] = node.targets.as_slice()
                && text(&target.slice) == Some(VARIABLE)
                && let Some(value) = text(&node.value)
            {
                let span = self.span(&*node.value);
                start.settings = Some(Spanned { value: value.to_owned(), span });
                start.forced = true;
            }
            walk::evaluated(statement, &mut |found| {
                if let Expr::Call(call) = found {
                    self.started_by(call, &mut start);
                }
            });
        });
        start
    }

    fn started_by(&self, call: &ruff_python_ast::ExprCall, start: &mut DjangoStart) {
        let Some(names) = walk::dotted(&call.func) else { return };
        match (names.as_slice(), &*call.arguments.args) {
            ([.., "get_wsgi_application" | "get_asgi_application"], _)
            | (["django", "setup"], _) => start.starts = true,
            ([.., "environ", "setdefault"], [name, value])
                if text(name) == Some(VARIABLE) && start.settings.is_none() =>
            {
                let span = self.span(value);
                start.settings = text(value).map(|t| Spanned { value: t.to_owned(), span });
            }
            _ => {}
        }
    }

    /// The settings that the module certainly contains. `star` returns those of a module that this
    /// one imports with `from … import *`.
    pub fn django_settings(
        &self,
        version: Option<PythonVersion>,
        star: &mut dyn FnMut(&Import) -> Option<Settings>,
    ) -> Settings {
        let mut reader = SettingsReader { module: self, version, star, names: Settings::new() };
        // The imports by their place: an import carries the span of its statement.
        reader.block(self.statements(), true);
        reader.names
    }
}

struct SettingsReader<'a, 'f> {
    module: &'a Module,
    version: Option<PythonVersion>,
    star: &'f mut dyn FnMut(&Import) -> Option<Settings>,
    names: Settings,
}

impl<'a> SettingsReader<'a, '_> {
    fn block(&mut self, block: &'a [Stmt], sure: bool) {
        for statement in block {
            self.statement(statement, sure);
        }
    }

    fn statement(&mut self, statement: &'a Stmt, sure: bool) {
        match statement {
            Stmt::ImportFrom(node) => {
                let import = Import {
                    module: node.module.as_ref().map_or("", |m| m.as_str()).to_owned(),
                    level: node.level,
                    names: node.names.iter().map(|alias| alias.name.as_str().to_owned()).collect(),
                    star: node.names.iter().any(|alias| alias.name.as_str() == "*"),
                    place: super::ImportPlace::TopLevel,
                    span: self.module.span(node),
                };
                self.import(&import, node, sure);
            }
            Stmt::Assign(node) => {
                for target in &node.targets {
                    self.assign(target, &node.value, sure);
                }
            }
            Stmt::AnnAssign(node) => {
                if let Some(value) = &node.value {
                    self.assign(&node.target, value, sure);
                }
            }
            Stmt::AugAssign(node) => {
                let Expr::Name(name) = &*node.target else { return };
                let name = name.id.as_str();
                if sure && node.op == Operator::Add {
                    let more = self.texts(&node.value);
                    self.names.entry(name.to_owned()).or_default().extend(more);
                } else {
                    self.open(name);
                }
            }
            Stmt::Expr(node) => self.call(&node.value, sure),
            Stmt::If(node) => {
                let first = std::iter::once((Some(&*node.test), &*node.body));
                let clauses = node.elif_else_clauses.iter().map(|c| (c.test.as_ref(), &*c.body));
                let mut open = sure;
                for (test, body) in first.chain(clauses) {
                    match test.map_or(Some(true), |test| condition::decide(test, self.version)) {
                        Some(true) => return self.block(body, open),
                        Some(false) => {}
                        None => {
                            open = false;
                            self.block(body, false);
                        }
                    }
                }
            }
            Stmt::Try(node) => {
                self.block(&node.body, false);
                for ruff_python_ast::ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    self.block(&handler.body, false);
                }
                self.block(&node.orelse, false);
                self.block(&node.finalbody, sure);
            }
            Stmt::For(node) => self.block(&node.body, false),
            Stmt::While(node) => self.block(&node.body, false),
            Stmt::With(node) => self.block(&node.body, sure),
            Stmt::Delete(_) | Stmt::Match(_) => self.names.clear(),
            _ => {}
        }
    }

    fn import(&mut self, import: &Import, node: &ruff_python_ast::StmtImportFrom, sure: bool) {
        let taken = (self.star)(import);
        for alias in &node.names {
            let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
            match (&taken, name) {
                // What the unknown module defines may replace anything set before.
                (None, "*") => self.names.clear(),
                (Some(taken), "*") => {
                    for (name, texts) in taken {
                        self.set(name, texts.clone(), sure);
                    }
                }
                (Some(taken), _) => {
                    let unknown = Texts { more: true, ..Texts::default() };
                    let texts = taken.get(alias.name.as_str()).cloned().unwrap_or(unknown);
                    self.set(name, texts, sure);
                }
                (None, _) => self.set(name, Texts { more: true, ..Texts::default() }, sure),
            }
        }
    }

    /// Sets a name. Under a condition (not `sure`), the name keeps what both branches have in
    /// common.
    fn set(&mut self, name: &str, texts: Texts, sure: bool) {
        if sure {
            self.names.insert(name.to_owned(), texts);
        } else if let Some(before) = self.names.get_mut(name) {
            before.certain.retain(|one| texts.certain.iter().any(|other| other.value == one.value));
            before.more = true;
        }
    }

    /// Records that the setting may contain other texts.
    fn open(&mut self, name: &str) {
        if let Some(texts) = self.names.get_mut(name) {
            texts.more = true;
        }
    }

    fn assign(&mut self, target: &'a Expr, value: &'a Expr, sure: bool) {
        match target {
            Expr::Name(name) => {
                let texts = self.texts(value);
                self.set(name.id.as_str(), texts, sure);
            }
            Expr::Subscript(node) => {
                if let Expr::Name(name) = &*node.value {
                    self.names.remove(name.id.as_str());
                }
            }
            Expr::Tuple(node) => {
                for element in &node.elts {
                    if let Expr::Name(name) = element {
                        self.names.remove(name.id.as_str());
                    }
                }
            }
            _ => {}
        }
    }

    fn call(&mut self, expression: &'a Expr, sure: bool) {
        let Expr::Call(call) = expression else { return };
        let names = walk::dotted(&call.func).unwrap_or_default();
        match (names.as_slice(), &*call.arguments.args) {
            ([name, "append"], [value]) | ([name, "insert"], [_, value]) => {
                if let (Some(text), true) = (text(value), sure) {
                    let span = self.module.span(value);
                    let list = self.names.entry((*name).to_owned()).or_default();
                    list.certain.push(Spanned { value: text.to_owned(), span });
                } else {
                    self.open(name);
                }
            }
            ([name, "extend"], [value]) if sure => {
                let more = self.texts(value);
                self.names.entry((*name).to_owned()).or_default().extend(more);
            }
            ([name, "remove"], [value]) => match text(value) {
                Some(gone) => {
                    if let Some(list) = self.names.get_mut(*name) {
                        list.certain.retain(|one| one.value != gone);
                        // If the removal may not happen, the text may still be there.
                        list.more |= !sure;
                    }
                }
                None => {
                    self.names.remove(*name);
                }
            },
            ([name, "pop" | "clear"], _) => {
                self.names.remove(*name);
            }
            ([name, "extend"], _) => self.open(name),
            // django-split-settings, and every function that is passed all names.
            (["include" | "optional" | "exec" | "execfile"], _) => self.names.clear(),
            _ => {}
        }
    }

    /// The texts that an expression certainly contains.
    fn texts(&self, expression: &'a Expr) -> Texts {
        let mut found = Texts::default();
        let mut todo = vec![expression];
        while let Some(expression) = todo.pop() {
            match expression {
                Expr::StringLiteral(node) => {
                    let value = node.value.to_str().to_owned();
                    found.certain.push(Spanned { value, span: self.module.span(node) });
                }
                Expr::List(node) => todo.extend(elements(&node.elts, &mut found.more)),
                Expr::Tuple(node) => todo.extend(elements(&node.elts, &mut found.more)),
                Expr::Starred(node) => todo.push(&node.value),
                Expr::Name(name) => match self.names.get(name.id.as_str()) {
                    Some(texts) => found.extend(texts.clone()),
                    None => found.more = true,
                },
                Expr::BinOp(node) if node.op == Operator::Add => {
                    todo.extend([&*node.right, &*node.left]);
                }
                Expr::Call(call) => {
                    let plain = matches!(&*call.func, Expr::Name(name)
                        if matches!(name.id.as_str(), "list" | "tuple"));
                    if let (true, [value]) = (plain, &*call.arguments.args) {
                        todo.push(value);
                    } else {
                        found.more = true;
                    }
                }
                _ => found.more = true,
            }
        }
        found
    }
}

/// The elements that are a text or another list, the last first. Computed elements are left out,
/// which sets `more`.
fn elements<'a>(elements: &'a [Expr], more: &mut bool) -> impl Iterator<Item = &'a Expr> + use<'a> {
    let plain = |e: &&Expr| matches!(e, Expr::StringLiteral(_) | Expr::Starred(_));
    *more |= !elements.iter().all(|element| plain(&element));
    elements.iter().rev().filter(plain)
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(node) => Some(node.value.to_str()),
        _ => None,
    }
}
