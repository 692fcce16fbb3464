//! The few kinds of values that constants in a migration can have without running it.

use std::collections::HashMap;

use ruff_python_ast::{Expr, ExprCall, Number, Stmt, UnaryOp};

/// A value, possibly unknown.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A string.
    Text(String),
    /// A tuple, list or set.
    List(Vec<Value>),
    /// Alembic's `op`.
    Op,
    /// The result of `op.batch_alter_table("t")`.
    Batch(Option<String>),
    /// A database connection or session: only its `execute` matters.
    Connection,
    /// `alembic` itself.
    Alembic,
    /// A function `op.NAME` that was imported on its own.
    OpFunction(String),
    /// A function of this file, by its name.
    Function(String),
    /// Not known.
    Unknown,
}

/// Names and their values.
pub(super) type Names = HashMap<String, Value>;

impl Value {
    /// The string, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Evaluates an expression. Its depth is bounded by `parse::flat_enough`.
pub(super) fn evaluate(expression: &Expr, names: &Names) -> Value {
    match expression {
        Expr::NoneLiteral(_) => Value::None,
        Expr::BooleanLiteral(literal) => Value::Bool(literal.value),
        Expr::StringLiteral(literal) => Value::Text(literal.value.to_str().to_owned()),
        Expr::NumberLiteral(literal) => match &literal.value {
            Number::Int(number) => number.as_i64().map_or(Value::Unknown, Value::Int),
            _ => Value::Unknown,
        },
        Expr::UnaryOp(unary) if unary.op == UnaryOp::USub => {
            match evaluate(&unary.operand, names) {
                Value::Int(number) => number.checked_neg().map_or(Value::Unknown, Value::Int),
                _ => Value::Unknown,
            }
        }
        Expr::Tuple(tuple) => list(&tuple.elts, names),
        Expr::List(list_) => list(&list_.elts, names),
        Expr::Set(set) => list(&set.elts, names),
        Expr::Name(name) => names.get(name.id.as_str()).cloned().unwrap_or(Value::Unknown),
        Expr::Attribute(attribute) => {
            match (evaluate(&attribute.value, names), attribute.attr.as_str()) {
                (Value::Alembic, "op") => Value::Op,
                (Value::Op, name) => Value::OpFunction(name.to_owned()),
                _ => Value::Unknown,
            }
        }
        Expr::Call(call) => called(call, names),
        _ => Value::Unknown,
    }
}

fn list(items: &[Expr], names: &Names) -> Value {
    Value::List(items.iter().map(|item| evaluate(item, names)).collect())
}

/// `op.f("name")`, `sa.text("…")`, `op.get_bind()`, `Session(bind=…)`, `"…".strip()`.
fn called(call: &ExprCall, names: &Names) -> Value {
    let first =
        || call.arguments.args.first().map(|a| evaluate(a, names)).unwrap_or(Value::Unknown);
    match call.func.as_ref() {
        Expr::Attribute(attribute) => {
            let receiver = evaluate(&attribute.value, names);
            match (&receiver, attribute.attr.as_str()) {
                (Value::Op | Value::Batch(_), "f") => first(),
                (Value::Op, "get_bind") => Value::Connection,
                (Value::Connection, _) => Value::Connection,
                (_, "text" | "DDL") => first(),
                (_, "Session" | "sessionmaker") => Value::Connection,
                _ => Value::Unknown,
            }
        }
        Expr::Name(name) => match (names.get(name.id.as_str()), name.id.as_str()) {
            (Some(Value::OpFunction(function)), _) if function == "f" => first(),
            (Some(Value::OpFunction(function)), _) if function == "get_bind" => Value::Connection,
            (_, "text" | "DDL") => first(),
            (_, "Session") => Value::Connection,
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

/// Records what the statements of a module assign, import and define. What is assigned inside `if`,
/// `for`, `try` … is unknown.
pub(super) fn module_names(body: &[Stmt]) -> Names {
    let mut names = Names::new();
    for statement in body {
        match statement {
            Stmt::Assign(assign) => {
                let value = evaluate(&assign.value, &names);
                for target in &assign.targets {
                    bind(target, &value, &mut names);
                }
            }
            Stmt::AnnAssign(assign) => {
                if let Some(value) = &assign.value {
                    let value = evaluate(value, &names);
                    bind(&assign.target, &value, &mut names);
                }
            }
            Stmt::AugAssign(assign) => bind(&assign.target, &Value::Unknown, &mut names),
            Stmt::FunctionDef(function) => {
                let name = function.name.as_str().to_owned();
                names.insert(name.clone(), Value::Function(name));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let bound = alias.asname.as_ref().map_or(name, |n| n.as_str());
                    let value = match (name, &alias.asname) {
                        ("alembic", _) | ("alembic.op", None) => Value::Alembic,
                        ("alembic.op", Some(_)) => Value::Op,
                        _ => Value::Unknown,
                    };
                    let bound = bound.split('.').next().unwrap_or(bound);
                    names.insert(bound.to_owned(), value);
                }
            }
            Stmt::ImportFrom(import) => {
                let module = import.module.as_ref().map_or("", |m| m.as_str());
                for alias in &import.names {
                    let name = alias.name.as_str();
                    let bound = alias.asname.as_ref().map_or(name, |n| n.as_str());
                    let value = match (module, name) {
                        ("alembic", "op") => Value::Op,
                        ("alembic.op", name) => Value::OpFunction(name.to_owned()),
                        _ => Value::Unknown,
                    };
                    names.insert(bound.to_owned(), value);
                }
            }
            other => unknown_names(other, &mut names),
        }
    }
    names
}

/// Binds a target to a value; several targets all become unknown unless the value is a list.
pub(super) fn bind(target: &Expr, value: &Value, names: &mut Names) {
    match target {
        Expr::Name(name) => {
            names.insert(name.id.as_str().to_owned(), value.clone());
        }
        Expr::Tuple(tuple) => {
            for (index, target) in tuple.elts.iter().enumerate() {
                let part = match value {
                    Value::List(values) if values.len() == tuple.elts.len() => values.get(index),
                    _ => None,
                };
                bind(target, part.unwrap_or(&Value::Unknown), names);
            }
        }
        _ => {}
    }
}

/// Makes the names unknown that a compound statement may assign.
pub(super) fn unknown_names(statement: &Stmt, names: &mut Names) {
    let mut todo = vec![statement];
    while let Some(statement) = todo.pop() {
        match statement {
            Stmt::Assign(assign) => {
                assign.targets.iter().for_each(|t| bind(t, &Value::Unknown, names));
            }
            Stmt::AnnAssign(assign) => bind(&assign.target, &Value::Unknown, names),
            Stmt::If(branch) => {
                todo.extend(branch.body.iter());
                todo.extend(branch.elif_else_clauses.iter().flat_map(|clause| clause.body.iter()));
            }
            Stmt::For(repeat) => {
                bind(&repeat.target, &Value::Unknown, names);
                todo.extend(repeat.body.iter().chain(repeat.orelse.iter()));
            }
            Stmt::While(repeat) => todo.extend(repeat.body.iter().chain(repeat.orelse.iter())),
            Stmt::With(with) => todo.extend(with.body.iter()),
            Stmt::Try(attempt) => {
                let plain = attempt.body.iter().chain(&attempt.orelse).chain(&attempt.finalbody);
                todo.extend(plain);
                for handler in &attempt.handlers {
                    let ruff_python_ast::ExceptHandler::ExceptHandler(handler) = handler;
                    todo.extend(handler.body.iter());
                }
            }
            _ => {}
        }
    }
}
