//! Executes the statements of a configuration file in order.

use std::collections::BTreeSet;

use ruff_python_ast::{ExceptHandler, Expr, Stmt, StmtIf, StmtTry};

use super::super::super::Span;
use super::super::{span_of, walk};
use super::value::{Evaluated, Value, positional};
use super::{Evaluator, Raise, Slot};

impl<'a> Evaluator<'a> {
    pub(super) fn span(&self, node: impl ruff_text_size::Ranged) -> Span {
        span_of(self.module.file, node.range())
    }

    pub(super) fn run(&mut self, block: &'a [Stmt]) -> Result<(), Raise> {
        block.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &'a Stmt) -> Result<(), Raise> {
        match statement {
            Stmt::Assign(node) => {
                let value = self.expression(&node.value)?;
                let shared = node.targets.len() > 1 || node.value.is_name_expr();
                if let (true, Expr::Name(source)) = (shared, &*node.value)
                    && let Some(slot) = self.names.get_mut(source.id.as_str())
                {
                    slot.shared = true;
                }
                for target in &node.targets {
                    self.assign(target, value.clone(), self.span(&*node.value), shared)?;
                }
            }
            Stmt::AnnAssign(node) => {
                if let Some(value) = &node.value {
                    let shared = value.is_name_expr();
                    let evaluated = self.expression(value)?;
                    self.assign(&node.target, evaluated, self.span(&**value), shared)?;
                }
            }
            Stmt::AugAssign(node) => {
                let left = self.expression(&node.target)?;
                let right = self.expression(&node.value)?;
                if matches!(&left.value, Value::Named(name) if name == "os.environ") {
                    self.update_variables(Some(&right.value), right.secret);
                    return Ok(());
                }
                if matches!(left.value, Value::List(_) | Value::Dict(_))
                    && let Expr::Name(name) = &*node.target
                    && self.mutates_shared(name.id.as_str())
                {
                    return Ok(());
                }
                let value = self.binary(node.op, left, right, self.span(node))?;
                self.assign(&node.target, value, self.span(&*node.value), false)?;
            }
            Stmt::Expr(node) => {
                self.expression(&node.value)?;
            }
            Stmt::FunctionDef(def) => {
                // The effect of a decorator is not known.
                let plain = def.decorator_list.is_empty();
                let function = Value::Callable(plain.then(|| positional(&def.parameters)));
                self.bind(&def.name, Evaluated::plain(function), self.span(&def.name), None);
            }
            Stmt::ClassDef(def) => {
                self.opens(statement);
                self.writes_within(self.span(statement));
                let class = Evaluated::plain(Value::Callable(None));
                self.bind(&def.name, class, self.span(&def.name), None);
            }
            Stmt::Import(_) | Stmt::ImportFrom(_) => self.import(statement)?,
            Stmt::If(node) => self.if_statement(node, statement)?,
            Stmt::Try(node) => self.try_statement(node, statement)?,
            Stmt::Delete(node) => {
                for target in &node.targets {
                    match target {
                        Expr::Name(name) => {
                            self.names.remove(name.id.as_str());
                        }
                        Expr::Subscript(node) => {
                            let base = self.expression(&node.value)?;
                            let key = self.expression(&node.slice)?;
                            match (&base.value, &key.value) {
                                (Value::Named(of), key) if of == "os.environ" => {
                                    if let Value::Str(name) = key {
                                        self.required_variable(name, self.span(target))?;
                                    }
                                    self.remove_variable(key);
                                }
                                _ => self.skip(statement, "changed by `del`"),
                            }
                        }
                        _ => self.skip(statement, "changed by `del`"),
                    }
                }
            }
            Stmt::Assert(node) => {
                let test = self.expression(&node.test)?;
                match test.value.truth() {
                    Some(true) => {}
                    Some(false) => return Err(self.raise("AssertionError", "", self.span(node))),
                    None => self.uncertain = true,
                }
            }
            Stmt::Raise(node) => {
                return Err(self.raise("Exception", "raised by the file", self.span(node)));
            }
            Stmt::Pass(_) | Stmt::Global(_) | Stmt::Nonlocal(_) => {}
            Stmt::TypeAlias(node) => self.skip_name(&node.name),
            Stmt::For(_) | Stmt::While(_) => self.skip(statement, "assigned in a loop"),
            Stmt::With(_) => self.skip(statement, "assigned in a `with` block"),
            _ => self.skip(statement, "assigned in a statement that is not followed"),
        }
        Ok(())
    }

    fn skip_name(&mut self, target: &Expr) {
        if let Expr::Name(name) = target {
            let why = Evaluated::unknown("a type");
            self.bind(name.id.as_str(), why, self.span(name), None);
        }
    }

    pub(super) fn raise(&self, kind: &'static str, message: &str, span: Span) -> Raise {
        let message = match message {
            "" => kind.to_owned(),
            _ => format!("{kind}: {message}"),
        };
        Raise { kind, message, span }
    }

    fn if_statement(&mut self, node: &'a StmtIf, whole: &'a Stmt) -> Result<(), Raise> {
        let first = std::iter::once((Some(&*node.test), &*node.body));
        let clauses = node.elif_else_clauses.iter().map(|c| (c.test.as_ref(), &*c.body));
        for (test, body) in first.chain(clauses) {
            let truth = match test {
                Some(test) => self.expression(test)?.value.truth(),
                None => Some(true),
            };
            match truth {
                Some(true) => return self.run(body),
                Some(false) => {}
                None => {
                    self.skip(whole, "assigned under a condition that is not known");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn try_statement(&mut self, node: &'a StmtTry, whole: &'a Stmt) -> Result<(), Raise> {
        let before = std::mem::replace(&mut self.uncertain, false);
        let environment = self.environment.clone();
        let outcome = self.run(&node.body);
        let uncertain = std::mem::replace(&mut self.uncertain, before);
        if uncertain {
            self.environment = environment;
            self.skip(whole, "assigned in a `try` whose outcome is not known");
            return Ok(());
        }
        let raise = match outcome {
            Ok(()) => {
                self.run(&node.orelse)?;
                return self.run(&node.finalbody);
            }
            Err(raise) => raise,
        };
        for ExceptHandler::ExceptHandler(handler) in &node.handlers {
            match catches(handler.type_.as_deref(), raise.kind) {
                Some(true) => {
                    if let Some(name) = &handler.name {
                        let exception = Evaluated::unknown("an exception");
                        self.bind(name, exception, self.span(name), None);
                    }
                    self.run(&handler.body)?;
                    return self.run(&node.finalbody);
                }
                Some(false) => {}
                None => {
                    self.skip(whole, "assigned in a `try` whose outcome is not known");
                    return Ok(());
                }
            }
        }
        self.run(&node.finalbody)?;
        Err(raise)
    }

    fn import(&mut self, statement: &Stmt) -> Result<(), Raise> {
        match statement {
            Stmt::Import(node) => {
                for alias in &node.names {
                    let whole = alias.name.as_str();
                    let (name, module) = match &alias.asname {
                        Some(name) => (name.as_str(), whole),
                        None => {
                            let first = whole.split('.').next().unwrap_or(whole);
                            (first, first)
                        }
                    };
                    let value = self.imported(module, None);
                    self.bind(name, value, self.span(alias), None);
                }
            }
            Stmt::ImportFrom(node) => {
                if self.take_names(node)? {
                    return Ok(());
                }
                let module = node.module.as_ref().map_or("", |m| m.as_str());
                let module = if node.level == 0 { module } else { "." };
                for alias in &node.names {
                    let name = alias.name.as_str();
                    if name == "*" {
                        self.open(&format!("`from {module} import *`"), self.span(node));
                        continue;
                    }
                    let value = self.imported(module, Some(name));
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    self.bind(name, value, self.span(alias), None);
                }
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn imported(&mut self, module: &str, name: Option<&str>) -> Evaluated {
        let library = matches!(
            module.split('.').next().unwrap_or_default(),
            "os" | "posixpath"
                | "multiprocessing"
                | "pathlib"
                | "sys"
                | "json"
                | "logging"
                | "platform"
                | "socket"
                | "math"
                | "typing"
                | "time"
                | "datetime"
                | "re"
                | "subprocess"
                | "shutil"
                | "tempfile"
                | "__future__"
                | "signal"
                | "threading"
        );
        if library {
            let name = name.map_or(module.to_owned(), |name| format!("{module}.{name}"));
            return Evaluated::plain(Value::Named(name));
        }
        self.uncertain = true;
        if module == "dotenv" {
            let name = name.map_or(module.to_owned(), |name| format!("{module}.{name}"));
            return Evaluated::plain(Value::Named(name));
        }
        self.import_changes(module, name);
        Evaluated::unknown(format!("imported from `{module}`"))
    }

    pub(super) fn bind(&mut self, name: &str, value: Evaluated, at: Span, from: Option<Span>) {
        let slot =
            Slot { evaluated: value, name_span: at, value_span: from.unwrap_or(at), shared: false };
        if self.names.insert(name.to_owned(), slot).is_none() {
            self.order.push(name.to_owned());
        }
    }

    fn assign(
        &mut self,
        target: &'a Expr,
        value: Evaluated,
        from: Span,
        shared: bool,
    ) -> Result<(), Raise> {
        match target {
            Expr::Name(name) => {
                self.bind(name.id.as_str(), value, self.span(name), Some(from));
                if let Some(slot) = self.names.get_mut(name.id.as_str()) {
                    slot.shared = shared;
                }
            }
            Expr::Tuple(_) | Expr::List(_) => {
                let targets = match target {
                    Expr::Tuple(node) => &node.elts,
                    Expr::List(node) => &node.elts,
                    _ => return Ok(()),
                };
                let simple = targets.iter().all(|t| !t.is_starred_expr());
                let items = match value.value {
                    Value::Tuple(items) | Value::List(items)
                        if simple && items.len() == targets.len() =>
                    {
                        items
                    }
                    _ => vec![Value::Unknown("unpacked".into()); targets.len()],
                };
                for (target, item) in targets.iter().zip(items) {
                    let item = Evaluated { value: item, secret: value.secret };
                    let target = match target {
                        Expr::Starred(node) => &node.value,
                        other => other,
                    };
                    // Nested unpacking is not followed.
                    match target {
                        Expr::Name(_) => self.assign(target, item, from, false)?,
                        _ => self.forget(target, "unpacked"),
                    }
                }
            }
            Expr::Subscript(node) => {
                let base = self.expression(&node.value)?;
                let key = self.expression(&node.slice)?;
                if matches!(&base.value, Value::Named(name) if name == "os.environ") {
                    self.set_variable(&key.value, value);
                } else {
                    self.forget(&node.value, "changed in place");
                }
            }
            Expr::Attribute(node) => self.forget(&node.value, "changed in place"),
            _ => {}
        }
        Ok(())
    }

    /// Records a change to a list that another name may refer to as well, which makes every such
    /// list unknown. Returns whether the list is shared.
    pub(super) fn mutates_shared(&mut self, name: &str) -> bool {
        if !self.names.get(name).is_some_and(|slot| slot.shared) {
            return false;
        }
        for slot in self.names.values_mut().filter(|slot| slot.shared) {
            if matches!(slot.evaluated.value, Value::List(_) | Value::Dict(_)) {
                slot.evaluated = Evaluated::unknown("changed in place");
            }
        }
        true
    }

    /// Makes every name in this expression unknown.
    pub(super) fn forget(&mut self, expression: &'a Expr, why: &str) {
        let mut names = Vec::new();
        walk::expressions(expression, &mut |found| {
            if let Expr::Name(name) = found {
                names.push(name.id.as_str());
            }
            true
        });
        for name in names {
            self.mutates_shared(name);
            if let Some(slot) = self.names.get_mut(name) {
                slot.evaluated = Evaluated::unknown(why);
            }
        }
    }

    /// Makes every name unknown, because anything may have been set.
    pub(super) fn open(&mut self, why: &str, at: Span) {
        for slot in self.names.values_mut() {
            if !matches!(slot.evaluated.value, Value::Named(_)) {
                slot.evaluated = Evaluated::unknown(format!("{why} may set it"));
            }
        }
        self.open.get_or_insert_with(|| (why.to_owned(), at));
        self.environment_changes(&format!("{why} may change it"));
        self.uncertain = true;
    }

    /// Skips a statement that is not followed: what it may assign is unknown afterwards.
    pub(super) fn skip(&mut self, statement: &'a Stmt, why: &str) {
        self.opens(statement);
        self.writes_within(self.span(statement));
        let names = assigned(statement);
        for (name, range) in names.assigned {
            let at = span_of(self.module.file, range);
            self.bind(&name, Evaluated::unknown(why), at, None);
        }
        for name in names.used {
            let Some(slot) = self.names.get(&name) else { continue };
            match slot.evaluated.value {
                Value::List(_) | Value::Dict(_) => {
                    self.mutates_shared(&name);
                    if let Some(slot) = self.names.get_mut(&name) {
                        slot.evaluated = Evaluated::unknown(why);
                    }
                }
                Value::Callable(_) => self.calls_own_function(),
                _ => {}
            }
        }
        self.uncertain = true;
    }

    /// Makes the `global` names of the file's functions unknown, because one of them is or may be
    /// called.
    pub(super) fn calls_own_function(&mut self) {
        let names = std::mem::take(&mut self.globals);
        for name in &names {
            let (at, from) = match self.names.get(name) {
                Some(slot) => (slot.name_span, slot.value_span),
                None => (Span::new(self.module.file, 0, 0), Span::new(self.module.file, 0, 0)),
            };
            self.bind(name, Evaluated::unknown("set by a function"), at, Some(from));
        }
        self.globals = names;
        self.writes_of_functions();
        self.uncertain = true;
    }

    /// Records whether something in this statement sets names in a way that the text does not show.
    fn opens(&mut self, statement: &'a Stmt) {
        let mut found = None;
        walk::statements(std::slice::from_ref(statement), walk::Place::default(), &mut |s, _| {
            if let Stmt::ImportFrom(node) = s
                && node.names.iter().any(|alias| alias.name.as_str() == "*")
            {
                found = Some("`from … import *`");
            }
            walk::evaluated(s, &mut |e| {
                if let Expr::Call(call) = e
                    && let Expr::Name(name) = &*call.func
                    && matches!(
                        name.id.as_str(),
                        "exec" | "globals" | "locals" | "vars" | "setattr"
                    )
                {
                    found = Some("`exec` or `globals()`");
                }
            });
        });
        if let Some(why) = found {
            self.open(why, self.span(statement));
        }
    }
}

/// Whether an `except` clause catches this exception. `None` if that is not known.
fn catches(class: Option<&Expr>, kind: &str) -> Option<bool> {
    let Some(class) = class else { return Some(true) };
    let classes: Vec<&Expr> = match class {
        Expr::Tuple(tuple) => tuple.elts.iter().collect(),
        one => vec![one],
    };
    for class in classes {
        let Expr::Name(name) = class else { return None };
        let name = name.id.as_str();
        let base = match kind {
            "KeyError" | "IndexError" => "LookupError",
            "ModuleNotFoundError" => "ImportError",
            "ZeroDivisionError" => "ArithmeticError",
            _ => "",
        };
        let exits = kind == "SystemExit";
        if name == kind
            || name == base
            || name == "BaseException"
            || (name == "Exception" && !exits)
        {
            // What a `raise` in the file itself raises was not determined.
            return if kind == "Exception" && name != "Exception" { None } else { Some(true) };
        }
        let known = matches!(
            name,
            "KeyError"
                | "ValueError"
                | "TypeError"
                | "ImportError"
                | "ModuleNotFoundError"
                | "AttributeError"
                | "IndexError"
                | "OSError"
                | "FileNotFoundError"
                | "NameError"
                | "ZeroDivisionError"
                | "LookupError"
                | "Exception"
                | "NotImplementedError"
        );
        if !known || kind == "Exception" {
            return None;
        }
    }
    Some(false)
}

struct Touched {
    assigned: Vec<(String, ruff_text_size::TextRange)>,
    used: BTreeSet<String>,
}

/// The names that a statement and the blocks in it may assign, and those they use.
fn assigned(statement: &Stmt) -> Touched {
    let mut touched = Touched { assigned: Vec::new(), used: BTreeSet::new() };
    walk::statements(std::slice::from_ref(statement), walk::Place::default(), &mut |s, place| {
        let mut expressions = walk::own_expressions(s);
        match s {
            Stmt::For(node) => expressions.push(&node.target),
            Stmt::With(node) => {
                expressions.extend(node.items.iter().filter_map(|i| i.optional_vars.as_deref()));
            }
            Stmt::FunctionDef(def) if !place.function && !place.class => {
                touched.assigned.push((def.name.as_str().to_owned(), def.name.range));
            }
            Stmt::ClassDef(def) if !place.function && !place.class => {
                touched.assigned.push((def.name.as_str().to_owned(), def.name.range));
            }
            Stmt::Import(node) if !place.function => {
                for alias in &node.names {
                    let whole = alias.name.as_str();
                    let first = whole.split('.').next().unwrap_or(whole);
                    let name = alias.asname.as_ref().map_or(first, |n| n.as_str());
                    touched.assigned.push((name.to_owned(), alias.range));
                }
            }
            Stmt::ImportFrom(node) if !place.function => {
                for alias in &node.names {
                    let name = alias.asname.as_ref().unwrap_or(&alias.name);
                    touched.assigned.push((name.as_str().to_owned(), alias.range));
                }
            }
            Stmt::Match(node) => {
                // Captures are so rare that any name in a pattern counts as one.
                for case in &node.cases {
                    captures(&case.pattern, &mut touched.assigned);
                }
            }
            Stmt::Try(node) => {
                for ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    if let Some(name) = &handler.name {
                        touched.assigned.push((name.as_str().to_owned(), name.range));
                    }
                }
            }
            _ => {}
        }
        for expression in expressions {
            walk::expressions(expression, &mut |e| {
                if let Expr::Name(name) = e {
                    if name.ctx.is_load() {
                        touched.used.insert(name.id.as_str().to_owned());
                    } else if !place.function && !place.class {
                        touched.assigned.push((name.id.as_str().to_owned(), name.range));
                    }
                }
                true
            });
        }
    });
    touched
}

fn captures(
    pattern: &ruff_python_ast::Pattern,
    out: &mut Vec<(String, ruff_text_size::TextRange)>,
) {
    out.extend(walk::captured(pattern).map(|name| (name.as_str().to_owned(), name.range)));
}

/// The names that functions in the file declare `global`.
pub(super) fn declared_global(block: &[Stmt]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    walk::statements(block, walk::Place::default(), &mut |statement, _| {
        if let Stmt::Global(node) = statement {
            found.extend(node.names.iter().map(|name| name.as_str().to_owned()));
        }
    });
    found
}
