//! A migration's file: its class and the class's attributes.

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtClassDef};

use super::expression::{elements, last_name, text};
use super::operation::{self, Step};
use super::{Dependency, FileKind, Key, Migration};
use crate::source::python::{Binding, Module};
use crate::source::{Span, Spanned};

/// The place and reason of a failure to understand something.
type Fault = (Option<Span>, String);

/// The attributes of the class that are read.
const READ: [&str; 5] = ["dependencies", "run_before", "replaces", "operations", "atomic"];

pub(super) fn read(module: &Module, name: &str) -> FileKind {
    if let Some(why) = module.unusable() {
        return FileKind::Unknown(module.faults().first().map(|fault| fault.span), why);
    }
    let mut classes = module.statements().iter().filter_map(|statement| match statement {
        Stmt::ClassDef(class) if class.name.as_str() == "Migration" => Some(class),
        _ => None,
    });
    let Some(class) = classes.next_back() else {
        return match module.names().binding("Migration") {
            Binding::NotDefined => FileKind::NoClass,
            Binding::Defined(span) | Binding::MaybeDefined(span) => {
                FileKind::Unknown(Some(span), "its Migration is not a plain class".into())
            }
            Binding::Unknown(why) => FileKind::Unknown(None, why),
        };
    };
    match migration(module, class, name) {
        Ok(migration) => FileKind::Migration(migration),
        Err((span, why)) => FileKind::Unknown(span, why),
    }
}

fn migration(module: &Module, class: &StmtClassDef, name: &str) -> Result<Migration, Fault> {
    let bases = class.arguments.as_ref().map_or(&[][..], |arguments| &arguments.args);
    if !matches!(bases, [base] if last_name(base) == Some("Migration")) {
        // Another base class may define its dependencies.
        let span = module.span(&class.name);
        return Err((Some(span), "its class is not made only from migrations.Migration".into()));
    }
    let mut migration = Migration {
        name: name.to_owned(),
        path: module.path().to_path_buf(),
        span: module.span(&class.name),
        dependencies: Vec::new(),
        run_before: Vec::new(),
        replaces: Vec::new(),
        atomic: true,
        steps: Vec::new(),
    };
    for statement in &class.body {
        attribute(module, statement, &mut migration)?;
    }
    Ok(migration)
}

/// Reads one statement of the class's body.
fn attribute(module: &Module, statement: &Stmt, to: &mut Migration) -> Result<(), Fault> {
    let (target, value) = match statement {
        Stmt::Assign(node) => match node.targets.as_slice() {
            [Expr::Name(target)] => (target.id.as_str(), &*node.value),
            _ => return mentions(module, statement),
        },
        Stmt::AnnAssign(node) => match (&*node.target, &node.value) {
            (Expr::Name(target), Some(value)) => (target.id.as_str(), &**value),
            _ => return Ok(()),
        },
        Stmt::FunctionDef(_) | Stmt::Pass(_) | Stmt::Expr(_) => {
            return match statement {
                // `operations.append(…)`; a docstring does not matter.
                Stmt::Expr(node) if !node.value.is_string_literal_expr() => {
                    mentions(module, statement)
                }
                // The class's own `__init__` may change everything.
                Stmt::FunctionDef(def) if matches!(def.name.as_str(), "__init__" | "__new__") => {
                    let span = module.span(&def.name);
                    Err((Some(span), format!("its class has its own {}", def.name)))
                }
                _ => Ok(()),
            };
        }
        other => return mentions(module, other),
    };
    match target {
        "dependencies" => to.dependencies = items(module, value, dependency)?,
        "run_before" => to.run_before = items(module, value, key)?,
        "replaces" => {
            to.replaces = items(module, value, key)?.into_iter().map(|key| key.value).collect();
        }
        "atomic" => match value {
            Expr::BooleanLiteral(literal) => to.atomic = literal.value,
            _ => to.atomic = false,
        },
        "operations" => to.steps = steps(module, value),
        _ => {}
    }
    Ok(())
}

/// Fails if a statement that is not followed mentions one of the attributes that are read.
fn mentions(module: &Module, statement: &Stmt) -> Result<(), Fault> {
    let mut names = NameVisitor(None);
    ruff_python_ast::visitor::Visitor::visit_stmt(&mut names, statement);
    match names.0 {
        Some(name) => {
            Err((Some(module.span(statement)), format!("`{name}` is put together when it runs")))
        }
        None => Ok(()),
    }
}

struct NameVisitor(Option<&'static str>);

impl<'a> ruff_python_ast::visitor::Visitor<'a> for NameVisitor {
    fn visit_expr(&mut self, expression: &'a Expr) {
        if let Expr::Name(name) = expression {
            let found = READ.iter().find(|read| **read == name.id.as_str());
            self.0 = self.0.or(found.copied());
        }
        ruff_python_ast::visitor::walk_expr(self, expression);
    }
}

fn items<T>(
    module: &Module,
    expression: &Expr,
    one: fn(&Expr) -> Option<T>,
) -> Result<Vec<Spanned<T>>, Fault> {
    let unknown =
        |at: &Expr| (Some(module.span(at)), "its dependencies are computed at run time".to_owned());
    let items = elements(expression).ok_or_else(|| unknown(expression))?;
    items
        .iter()
        .map(|item| {
            let value = one(item).ok_or_else(|| unknown(item))?;
            Ok(Spanned { value, span: module.span(item) })
        })
        .collect()
}

fn key(expression: &Expr) -> Option<Key> {
    let [app, name] = elements(expression)? else { return None };
    Some(Key { app: text(app)?.to_owned(), name: text(name)?.to_owned() })
}

fn dependency(expression: &Expr) -> Option<Dependency> {
    if let Expr::Call(call) = expression {
        return swappable(call);
    }
    key(expression).map(Dependency::On)
}

/// `migrations.swappable_dependency(settings.AUTH_USER_MODEL)`.
fn swappable(call: &ExprCall) -> Option<Dependency> {
    if last_name(&call.func) != Some("swappable_dependency") {
        return None;
    }
    match &*call.arguments.args {
        [Expr::Attribute(setting)] if last_name(&setting.value) == Some("settings") => {
            Some(Dependency::Swappable(setting.attr.as_str().to_owned()))
        }
        [Expr::StringLiteral(model)] => {
            let (app, _) = model.value.to_str().split_once('.')?;
            Some(Dependency::On(Key { app: app.to_owned(), name: "__first__".into() }))
        }
        _ => None,
    }
}

fn steps(module: &Module, expression: &Expr) -> Vec<Spanned<Step>> {
    let step = |expression: &Expr| Spanned {
        value: operation::read(module, expression),
        span: module.span(expression),
    };
    match elements(expression) {
        Some(items) => items.iter().map(step).collect(),
        None => vec![step(expression)],
    }
}
