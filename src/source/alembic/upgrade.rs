//! Walks `upgrade()`: its statements, the helpers of the same file that it calls, and loops over
//! constants. Both branches of an `if` count. A call to code outside the file is an unknown
//! operation.

use std::collections::HashMap;

use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{ExceptHandler, Expr, ExprCall, Stmt, StmtFor, StmtFunctionDef, StmtWith};
use ruff_text_size::Ranged;

use super::operation::{Kind, Operation};
use super::span::span;
use super::value::{self, Names, Value, bind, evaluate};
use super::{call, sql};
use crate::source::SourceFile;

/// The deepest chain of helper functions that is followed.
const HELPER_LIMIT: usize = 20;
/// The most statements that are walked; those in helpers and loops count each time.
const STATEMENT_LIMIT: usize = 50_000;
/// The longest loop that is unrolled.
const LOOP_LIMIT: usize = 100;

/// What `upgrade()` does, in order.
pub(super) fn operations(file: &SourceFile, body: &[Stmt], names: &Names) -> Vec<Operation> {
    let mut functions: HashMap<&str, &StmtFunctionDef> = HashMap::new();
    for statement in body {
        if let Stmt::FunctionDef(function) = statement {
            functions.insert(function.name.as_str(), function);
        }
    }
    let whole = crate::source::Span::new(file.id, 0, 0);
    let Some(upgrade) = functions.get("upgrade").copied() else {
        return vec![Operation::unknown(Kind::Other, whole, "the file defines no upgrade()")];
    };
    let mut walk = UpgradeWalk {
        file,
        module: names,
        functions,
        autocommit: false,
        stack: vec!["upgrade"],
        statements: 0,
        operations: Vec::new(),
    };
    let mut local = names.clone();
    walk.block(&upgrade.body, &mut local);
    if walk.statements > STATEMENT_LIMIT {
        let why = "upgrade() is too long to be followed to its end";
        walk.operations.push(Operation::unknown(Kind::Other, whole, why));
    }
    walk.operations
}

struct UpgradeWalk<'a> {
    file: &'a SourceFile,
    module: &'a Names,
    functions: HashMap<&'a str, &'a StmtFunctionDef>,
    /// Whether it is inside `with op.get_context().autocommit_block()`.
    autocommit: bool,
    stack: Vec<&'a str>,
    statements: usize,
    operations: Vec<Operation>,
}

impl<'a> UpgradeWalk<'a> {
    fn block(&mut self, body: &'a [Stmt], names: &mut Names) {
        for statement in body {
            self.statements += 1;
            if self.statements > STATEMENT_LIMIT {
                return;
            }
            self.statement(statement, names);
        }
    }

    fn statement(&mut self, statement: &'a Stmt, names: &mut Names) {
        match statement {
            Stmt::Expr(expression) => self.expression(&expression.value, names),
            Stmt::Assign(assign) => {
                self.expression(&assign.value, names);
                let value = evaluate(&assign.value, names);
                assign.targets.iter().for_each(|target| bind(target, &value, names));
            }
            Stmt::AnnAssign(assign) => {
                if let Some(expression) = &assign.value {
                    self.expression(expression, names);
                    let value = evaluate(expression, names);
                    bind(&assign.target, &value, names);
                }
            }
            Stmt::AugAssign(assign) => {
                self.expression(&assign.value, names);
                bind(&assign.target, &Value::Unknown, names);
            }
            Stmt::Return(back) => {
                if let Some(value) = &back.value {
                    self.expression(value, names);
                }
            }
            Stmt::Assert(assertion) => self.expression(&assertion.test, names),
            Stmt::If(branch) => {
                self.expression(&branch.test, names);
                self.block(&branch.body, names);
                for clause in &branch.elif_else_clauses {
                    if let Some(test) = &clause.test {
                        self.expression(test, names);
                    }
                    self.block(&clause.body, names);
                }
                value::unknown_names(statement, names);
            }
            Stmt::For(repeat) => self.repeat(repeat, names),
            Stmt::While(repeat) => {
                value::unknown_names(statement, names);
                self.expression(&repeat.test, names);
                self.block(&repeat.body, names);
                self.block(&repeat.orelse, names);
                value::unknown_names(statement, names);
            }
            Stmt::With(with) => self.with(with, names),
            Stmt::Try(attempt) => {
                self.block(&attempt.body, names);
                for ExceptHandler::ExceptHandler(handler) in &attempt.handlers {
                    self.block(&handler.body, names);
                }
                self.block(&attempt.orelse, names);
                self.block(&attempt.finalbody, names);
            }
            Stmt::Match(choice) => {
                for case in &choice.cases {
                    self.block(&case.body, names);
                }
            }
            Stmt::FunctionDef(function) => {
                names.insert(function.name.as_str().to_owned(), Value::Unknown);
            }
            Stmt::Import(_) | Stmt::ImportFrom(_) => {
                names.extend(value::module_names(std::slice::from_ref(statement)));
            }
            _ => {}
        }
    }

    fn repeat(&mut self, repeat: &'a StmtFor, names: &mut Names) {
        self.expression(&repeat.iter, names);
        match evaluate(&repeat.iter, names) {
            Value::List(values) if values.len() <= LOOP_LIMIT => {
                for value in values {
                    bind(&repeat.target, &value, names);
                    self.block(&repeat.body, names);
                }
            }
            _ => {
                bind(&repeat.target, &Value::Unknown, names);
                self.block(&repeat.body, names);
            }
        }
        self.block(&repeat.orelse, names);
    }

    fn with(&mut self, with: &'a StmtWith, names: &mut Names) {
        let before = self.autocommit;
        for item in &with.items {
            let mut value = Value::Unknown;
            if let Expr::Call(made) = &item.context_expr {
                match self.called_operation(made, names) {
                    Some("batch_alter_table") => {
                        let table = call::Arguments::new(made, names).text(0, "table_name");
                        value = Value::Batch(table);
                    }
                    _ if attribute(made) == Some("autocommit_block") => self.autocommit = true,
                    _ => {
                        self.expression(&item.context_expr, names);
                        value = evaluate(&item.context_expr, names);
                    }
                }
            }
            if let Some(target) = &item.optional_vars {
                bind(target, &value, names);
            }
        }
        self.block(&with.body, names);
        self.autocommit = before;
    }

    /// The name of the `op` function that a call invokes.
    fn called_operation<'c>(&self, call: &'c ExprCall, names: &'c Names) -> Option<&'c str> {
        match call.func.as_ref() {
            Expr::Attribute(attribute)
                if matches!(evaluate(&attribute.value, names), Value::Op) =>
            {
                Some(attribute.attr.as_str())
            }
            Expr::Name(name) => match names.get(name.id.as_str()) {
                Some(Value::OpFunction(function)) => Some(function),
                _ => None,
            },
            _ => None,
        }
    }

    /// Handles every call in an expression.
    fn expression(&mut self, expression: &'a Expr, names: &Names) {
        let mut calls = Calls(Vec::new());
        calls.visit_expr(expression);
        for call in calls.0 {
            self.call(call, names);
        }
    }

    fn call(&mut self, call: &'a ExprCall, names: &Names) {
        let place = span(self.file, call.range());
        if let Some(operation) = self.called_operation(call, names) {
            let found = call::operation(operation, None, call, names, place, self.autocommit);
            self.operations.extend(found);
            return;
        }
        match call.func.as_ref() {
            Expr::Attribute(attribute) => {
                let receiver = evaluate(&attribute.value, names);
                let method = attribute.attr.as_str();
                match receiver {
                    Value::Batch(table) => {
                        let batch = Some(table);
                        let found =
                            call::operation(method, batch, call, names, place, self.autocommit);
                        self.operations.extend(found);
                    }
                    receiver => self.method(call, &receiver, method, names),
                }
            }
            Expr::Name(name) => self.function(call, name.id.as_str(), names),
            // Flask-Migrate's template for several databases: `globals()["upgrade_" + name]()`.
            Expr::Subscript(_) => {
                let mut several: Vec<&'a StmtFunctionDef> = self
                    .functions
                    .iter()
                    .filter(|(name, _)| name.starts_with("upgrade_"))
                    .map(|(_, function)| *function)
                    .collect();
                several.sort_by_key(|function| function.range().start());
                if several.is_empty() {
                    self.unknown(call, "calls code that is not known here");
                }
                for function in several {
                    self.helper(function, call, names);
                }
            }
            _ => {}
        }
    }

    /// Handles a method of an object that is neither `op` nor a batch.
    fn method(&mut self, call: &ExprCall, receiver: &Value, method: &str, names: &Names) {
        let place = span(self.file, call.range());
        match method {
            "execute" | "exec_driver_sql" | "scalar" | "scalars" => {
                let text = call::Arguments::new(call, names).text(0, "statement");
                self.operations.extend(sql::executed(text.as_deref(), place, self.autocommit));
            }
            "drop" | "drop_all" if given(call, names) => {
                self.unknown(call, "drops something through SQLAlchemy");
            }
            "create" | "create_all" if given(call, names) => {
                self.operations.push(Operation::harmless(Kind::Other, place));
            }
            "add"
            | "add_all"
            | "delete"
            | "update"
            | "bulk_save_objects"
            | "bulk_insert_mappings"
            | "bulk_update_mappings"
                if *receiver == Value::Connection =>
            {
                let why = "changes rows through a session";
                self.operations.push(Operation::unknown(Kind::ChangeRows, place, why));
            }
            "inspect" | "from_engine" | "Session" | "sessionmaker" | "configure" | "has_table" => {}
            _ if *receiver != Value::Connection && given(call, names) => {
                self.unknown(call, "hands the database to code of another file");
            }
            _ => {}
        }
    }

    fn function(&mut self, call: &'a ExprCall, name: &str, names: &Names) {
        match names.get(name) {
            Some(Value::Function(function)) => match self.functions.get(function.as_str()) {
                Some(function) => self.helper(function, call, names),
                None => self.unknown(call, "calls code that is not known here"),
            },
            _ if matches!(name, "inspect" | "Session" | "text" | "table" | "column" | "select") => {
            }
            // An imported or assigned function may do anything with the `op` that it imports
            // itself.
            Some(Value::Unknown) if !name.starts_with(|c: char| c.is_ascii_uppercase()) => {
                self.unknown(call, "calls code of another file");
            }
            _ if given(call, names) => self.unknown(call, "hands the database to other code"),
            _ => {}
        }
    }

    fn helper(&mut self, function: &'a StmtFunctionDef, call: &'a ExprCall, names: &Names) {
        let name = function.name.as_str();
        if self.stack.contains(&name) || self.stack.len() > HELPER_LIMIT {
            return self.unknown(call, "calls itself");
        }
        let mut local = self.module.clone();
        self.statements += local.len() / 8;
        let parameters = &function.parameters;
        for (at, parameter) in parameters.posonlyargs.iter().chain(&parameters.args).enumerate() {
            let name = parameter.parameter.name.as_str();
            let default = parameter.default.as_deref().map(|d| evaluate(d, self.module));
            let value = call::Arguments::new(call, names).value(at, name).or(default);
            local.insert(name.to_owned(), value.unwrap_or(Value::Unknown));
        }
        for parameter in &parameters.kwonlyargs {
            let name = parameter.parameter.name.as_str();
            let default = parameter.default.as_deref().map(|d| evaluate(d, self.module));
            let value = call::Arguments::new(call, names).value(usize::MAX, name).or(default);
            local.insert(name.to_owned(), value.unwrap_or(Value::Unknown));
        }
        for rest in [&parameters.vararg, &parameters.kwarg].into_iter().flatten() {
            local.insert(rest.name.as_str().to_owned(), Value::Unknown);
        }
        self.stack.push(name);
        self.block(&function.body, &mut local);
        self.stack.pop();
    }

    fn unknown(&mut self, call: &ExprCall, why: &str) {
        let place = span(self.file, call.range());
        self.operations.push(Operation::unknown(Kind::Other, place, why));
    }
}

/// Whether `op` or a connection is among the arguments.
fn given(call: &ExprCall, names: &Names) -> bool {
    let handed = |value: Value| matches!(value, Value::Op | Value::Batch(_) | Value::Connection);
    call.arguments.args.iter().any(|argument| handed(evaluate(argument, names)))
        || call.arguments.keywords.iter().any(|k| handed(evaluate(&k.value, names)))
}

fn attribute(call: &ExprCall) -> Option<&str> {
    match call.func.as_ref() {
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

/// The calls of an expression, inner ones first. Its depth is bounded by `parse::flat_enough`.
struct Calls<'a>(Vec<&'a ExprCall>);

impl<'a> Visitor<'a> for Calls<'a> {
    fn visit_expr(&mut self, expression: &'a Expr) {
        walk_expr(self, expression);
        if let Expr::Call(call) = expression {
            self.0.push(call);
        }
    }
}
