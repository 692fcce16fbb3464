//! Which names a module defines at its top level, as far as its text shows.
//!
//! Branches are merged: a name that every branch defines is defined, and a name that only some
//! branches define may be defined. Constructs that can define names invisibly (`from x import *`, a
//! module's own `__getattr__`, `globals()`, `exec`) leave every other name unknown, never "not
//! defined".

use std::collections::BTreeMap;

use ruff_python_ast::{ExceptHandler, Expr, Pattern, Stmt};

use super::super::Span;
use super::called::yields;
use super::walk;
use super::{Module, span_of};

/// Whether a name is defined once the module was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// The name is defined, last at this place.
    Defined(Span),
    /// The name is defined on some paths through the module, last at this place.
    MaybeDefined(Span),
    /// The name is not defined.
    NotDefined,
    /// Not known, with the reason.
    Unknown(String),
}

/// The kind of the last object bound to a top-level name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefinitionKind {
    /// `def`.
    Function {
        /// Parameters without a default.
        required: usize,
        /// The most positional arguments it takes; `None` if there is a `*args`.
        most: Option<usize>,
        /// Whether it is an `async def`.
        is_async: bool,
    },
    /// `class`.
    Class,
    /// `import` or `from … import`.
    Import,
    /// `x = None`.
    None,
    /// Text, a number or a collection, which cannot be called; the text says what it is: `a tuple`.
    Plain(&'static str),
    /// Anything else.
    Other,
}

/// The top-level names of a module.
#[derive(Debug, Clone)]
pub struct Names {
    scope: NameScope,
    unusable: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BindingState {
    Defined,
    Maybe,
    Deleted,
}

#[derive(Debug, Clone, Copy)]
struct BoundName {
    state: BindingState,
    span: Span,
    kind: DefinitionKind,
}

#[derive(Debug, Clone, Default)]
struct NameScope {
    names: BTreeMap<String, BoundName>,
    open: Option<String>,
    /// Whether the block ends in `raise`, so that nothing after it runs.
    ended: bool,
}

impl Names {
    /// Whether this name is defined.
    pub fn binding(&self, name: &str) -> Binding {
        if let Some(reason) = &self.unusable {
            return Binding::Unknown(reason.clone());
        }
        let bound = self.scope.names.get(name);
        let open = self.scope.open.as_ref();
        match (bound.map(|b| (b.state, b.span)), open) {
            (Some((BindingState::Defined, span)), _) => Binding::Defined(span),
            (Some((BindingState::Maybe, span)), _) => Binding::MaybeDefined(span),
            (_, Some(reason)) => Binding::Unknown(reason.clone()),
            _ if name.starts_with("__") && name.ends_with("__") => {
                Binding::Unknown("a name that Python itself may set".into())
            }
            _ => Binding::NotDefined,
        }
    }

    /// The kind of the last object bound to the name.
    pub fn kind(&self, name: &str) -> Option<DefinitionKind> {
        let bound = self.scope.names.get(name)?;
        (bound.state != BindingState::Deleted).then_some(bound.kind)
    }

    /// All names that are or may be defined, for "did you mean".
    pub fn all(&self) -> impl Iterator<Item = &str> {
        let names = self.scope.names.iter();
        names.filter(|(_, b)| b.state != BindingState::Deleted).map(|(name, _)| name.as_str())
    }

    /// Why names may be defined that the text does not show.
    pub fn open(&self) -> Option<&str> {
        self.scope.open.as_deref()
    }
}

impl Module {
    /// The names that the module defines.
    pub fn names(&self) -> Names {
        let package = self.path().file_name().is_some_and(|name| name == "__init__.py");
        let mut reader = NameReader { module: self, package };
        let mut scope = NameScope::default();
        reader.block(self.statements(), &mut scope);
        Names { scope, unusable: self.unusable() }
    }
}

/// Whether a function with this body may return something other than `None`. One with a `raise`
/// counts too: the exception explains itself.
fn gives(body: &[Stmt]) -> bool {
    let mut found =
        yields(body) || body.iter().any(|statement| matches!(statement, Stmt::Raise(_)));
    walk::statements(body, walk::Place::default(), &mut |statement, place| {
        if let (Stmt::Return(node), false) = (statement, place.function) {
            found |= node.value.as_deref().is_some_and(|value| !value.is_none_literal_expr());
        }
    });
    found
}

impl Module {
    /// Whether the function defined at this place returns `None` on every path.
    pub fn gives_nothing(&self, definition: Span) -> bool {
        let mut nothing = false;
        walk::statements(self.statements(), walk::Place::default(), &mut |statement, _| {
            if let Stmt::FunctionDef(def) = statement
                && span_of(self.file, def.name.range) == definition
            {
                nothing = !gives(&def.body);
            }
        });
        nothing
    }

    /// How many positional arguments a top-level function takes, without `*args`, if it is defined
    /// only once and has no decorators.
    pub fn takes_by_place(&self, name: &str) -> Option<usize> {
        let Binding::Defined(_) = self.names().binding(name) else { return None };
        let Some(DefinitionKind::Function { .. }) = self.names().kind(name) else { return None };
        let mut defined = self.statements().iter().filter_map(|statement| match statement {
            Stmt::FunctionDef(def) if def.name.as_str() == name => Some(&def.parameters),
            _ => None,
        });
        match (defined.next(), defined.next()) {
            (Some(parameters), None) => Some(parameters.posonlyargs.len() + parameters.args.len()),
            _ => None,
        }
    }
}

struct NameReader<'a> {
    module: &'a Module,
    package: bool,
}

impl NameScope {
    fn bind(&mut self, name: &str, state: BindingState, span: Span, kind: DefinitionKind) {
        // A name that is already defined stays defined if it may be bound again.
        if let (BindingState::Maybe, Some(before)) = (state, self.names.get_mut(name))
            && before.state == BindingState::Defined
        {
            *before = BoundName { state: BindingState::Defined, span, kind: DefinitionKind::Other };
            return;
        }
        self.names.insert(name.to_owned(), BoundName { state, span, kind });
    }

    fn open(&mut self, reason: &str) {
        self.open.get_or_insert_with(|| reason.to_owned());
    }

    /// Joins the branches of which exactly one ran.
    fn join(&mut self, branches: Vec<NameScope>) {
        if let Some(reason) = branches.iter().find_map(|b| b.open.clone()) {
            self.open(&reason);
        }
        let alive: Vec<NameScope> = branches.into_iter().filter(|b| !b.ended).collect();
        if alive.is_empty() {
            self.ended = true;
            return;
        }
        let branches = alive.len();
        let mut joined: BTreeMap<String, (usize, usize, BoundName)> = BTreeMap::new();
        for (name, bound) in alive.into_iter().flat_map(|branch| branch.names) {
            let entry = joined.entry(name).or_insert((0, 0, bound));
            entry.0 += usize::from(bound.state == BindingState::Defined);
            entry.1 += usize::from(bound.state == BindingState::Deleted);
            // If the branches bind different kinds, the kind is uncertain.
            let kind = match entry.2.kind == bound.kind {
                true => bound.kind,
                false => DefinitionKind::Other,
            };
            if bound.span >= entry.2.span {
                entry.2 = bound;
            }
            entry.2.kind = kind;
        }
        for (name, (defined, deleted, mut bound)) in joined {
            let earlier = self.names.get(&name);
            if defined < branches && earlier.is_none_or(|earlier| earlier.kind != bound.kind) {
                bound.kind = DefinitionKind::Other;
            }
            let before = earlier.is_some_and(|b| b.state == BindingState::Defined);
            bound.state = if defined == branches || (before && deleted == 0) {
                BindingState::Defined
            } else if deleted == branches {
                BindingState::Deleted
            } else {
                BindingState::Maybe
            };
            self.names.insert(name, bound);
        }
    }
}

impl NameReader<'_> {
    fn block(&mut self, block: &[Stmt], scope: &mut NameScope) {
        for statement in block {
            self.statement(statement, scope);
        }
    }

    /// What one branch does to the names. It starts empty, so that joining costs no more than the
    /// branches contain.
    fn branch(&mut self, blocks: &[&[Stmt]]) -> NameScope {
        let mut scope = NameScope::default();
        for block in blocks {
            self.block(block, &mut scope);
        }
        scope
    }

    fn statement(&mut self, statement: &Stmt, scope: &mut NameScope) {
        let file = self.module.file;
        let span = |range| span_of(file, range);
        for expression in walk::own_expressions(statement) {
            self.expression(expression, scope);
        }
        match statement {
            Stmt::FunctionDef(def) => {
                let required = def
                    .parameters
                    .iter_non_variadic_params()
                    .filter(|p| p.default.is_none())
                    .count();
                let places = def.parameters.posonlyargs.len() + def.parameters.args.len();
                let most = def.parameters.vararg.is_none().then_some(places);
                let kind = DefinitionKind::Function { required, most, is_async: def.is_async };
                let kind = if def.decorator_list.is_empty() { kind } else { DefinitionKind::Other };
                if def.name.as_str() == "__getattr__" {
                    scope.open("the module has its own __getattr__");
                }
                scope.bind(&def.name, BindingState::Defined, span(def.name.range), kind);
                self.globals_of(&def.body, scope);
            }
            Stmt::ClassDef(def) => {
                let at = span(def.name.range);
                scope.bind(&def.name, BindingState::Defined, at, DefinitionKind::Class);
            }
            Stmt::Assign(node) => {
                let kind = match &*node.value {
                    Expr::NoneLiteral(_) => DefinitionKind::None,
                    Expr::Tuple(_) => DefinitionKind::Plain("a tuple"),
                    Expr::List(_) => DefinitionKind::Plain("a list"),
                    Expr::Dict(_) => DefinitionKind::Plain("a dictionary"),
                    Expr::StringLiteral(_) => DefinitionKind::Plain("text"),
                    Expr::NumberLiteral(_) | Expr::BooleanLiteral(_) => {
                        DefinitionKind::Plain("a number")
                    }
                    _ => DefinitionKind::Other,
                };
                for target in &node.targets {
                    // A value that is unpacked into several names does not give its kind to any of
                    // them.
                    let whole = matches!(target, Expr::Name(_));
                    let kind = if whole { kind } else { DefinitionKind::Other };
                    self.target(target, BindingState::Defined, kind, scope);
                }
            }
            Stmt::AugAssign(node) => {
                self.target(&node.target, BindingState::Defined, DefinitionKind::Other, scope);
            }
            Stmt::AnnAssign(node) => {
                if node.value.is_some() {
                    self.target(&node.target, BindingState::Defined, DefinitionKind::Other, scope);
                }
            }
            Stmt::TypeAlias(node) => {
                self.target(&node.name, BindingState::Defined, DefinitionKind::Other, scope);
            }
            Stmt::Delete(node) => {
                for target in &node.targets {
                    self.target(target, BindingState::Deleted, DefinitionKind::Other, scope);
                }
            }
            Stmt::Import(node) => {
                for alias in &node.names {
                    let whole = alias.name.as_str();
                    let first = whole.split('.').next().unwrap_or(whole);
                    let name = alias.asname.as_ref().map_or(first, |name| name.as_str());
                    scope.bind(
                        name,
                        BindingState::Defined,
                        span(alias.range),
                        DefinitionKind::Import,
                    );
                }
            }
            Stmt::ImportFrom(node) => self.import_from(node, scope),
            Stmt::Raise(_) => scope.ended = true,
            _ => self.compound(statement, scope),
        }
    }

    fn import_from(&mut self, node: &ruff_python_ast::StmtImportFrom, scope: &mut NameScope) {
        let span = |range| span_of(self.module.file, range);
        if self.package
            && node.level == 1
            && let Some(module) = &node.module
        {
            // Importing a submodule sets it as an attribute of its package.
            let name = module.as_str().split('.').next().unwrap_or_default();
            scope.bind(name, BindingState::Maybe, span(module.range), DefinitionKind::Import);
        }
        for alias in &node.names {
            if alias.name.as_str() == "*" {
                scope.open("`from … import *` may define it");
                continue;
            }
            let name = alias.asname.as_ref().unwrap_or(&alias.name);
            scope.bind(name, BindingState::Defined, span(alias.range), DefinitionKind::Import);
        }
    }

    fn compound(&mut self, statement: &Stmt, scope: &mut NameScope) {
        match statement {
            Stmt::If(node) => {
                let mut branches = Vec::new();
                if !walk::never_at_import(&node.test) {
                    branches.push(self.branch(&[&node.body]));
                }
                let mut otherwise = false;
                for clause in &node.elif_else_clauses {
                    otherwise |= clause.test.is_none();
                    branches.push(self.branch(&[&clause.body]));
                }
                if !otherwise {
                    branches.push(self.branch(&[]));
                }
                scope.join(branches);
            }
            Stmt::For(node) => {
                let mut ran = self.branch(&[]);
                self.target(&node.target, BindingState::Defined, DefinitionKind::Other, &mut ran);
                self.block(&node.body, &mut ran);
                let not = self.branch(&[]);
                scope.join(vec![ran, not]);
                self.block(&node.orelse, scope);
            }
            Stmt::While(node) => {
                let branches = vec![self.branch(&[&node.body]), self.branch(&[])];
                scope.join(branches);
            }
            Stmt::With(node) => {
                for item in &node.items {
                    if let Some(target) = &item.optional_vars {
                        self.target(target, BindingState::Defined, DefinitionKind::Other, scope);
                    }
                }
                self.block(&node.body, scope);
            }
            Stmt::Try(node) => {
                let mut branches = vec![self.branch(&[&node.body, &node.orelse])];
                for ExceptHandler::ExceptHandler(handler) in &node.handlers {
                    branches.push(self.branch(&[&handler.body]));
                }
                scope.join(branches);
                self.block(&node.finalbody, scope);
            }
            Stmt::Match(node) => {
                let mut branches = vec![self.branch(&[])];
                for case in &node.cases {
                    let mut branch = self.branch(&[]);
                    self.captures(&case.pattern, &mut branch);
                    self.block(&case.body, &mut branch);
                    branches.push(branch);
                }
                scope.join(branches);
            }
            _ => {}
        }
    }

    fn target(
        &mut self,
        target: &Expr,
        state: BindingState,
        kind: DefinitionKind,
        scope: &mut NameScope,
    ) {
        let mut todo = vec![(target, kind)];
        while let Some((target, kind)) = todo.pop() {
            match target {
                Expr::Name(name) => {
                    scope.bind(&name.id, state, span_of(self.module.file, name.range), kind);
                }
                Expr::Tuple(node) => {
                    todo.extend(node.elts.iter().map(|e| (e, DefinitionKind::Other)));
                }
                Expr::List(node) => {
                    todo.extend(node.elts.iter().map(|e| (e, DefinitionKind::Other)));
                }
                Expr::Starred(node) => todo.push((&node.value, DefinitionKind::Other)),
                _ => {}
            }
        }
    }

    /// Records what an expression binds (`:=`) or may bind invisibly.
    fn expression(&mut self, expression: &Expr, scope: &mut NameScope) {
        let file = self.module.file;
        walk::expressions(expression, &mut |found| {
            match found {
                Expr::Named(node) => {
                    if let Expr::Name(name) = &*node.target {
                        let at = span_of(file, name.range);
                        scope.bind(&name.id, BindingState::Maybe, at, DefinitionKind::Other);
                    }
                }
                Expr::Call(call) => {
                    let name = match &*call.func {
                        Expr::Name(name) => name.id.as_str(),
                        _ => "",
                    };
                    if matches!(name, "globals" | "locals" | "vars" | "exec" | "setattr") {
                        scope.open(&format!("`{name}(…)` may define it"));
                    }
                }
                Expr::Attribute(node) if node.attr.as_str() == "modules" => {
                    scope.open("`sys.modules` is used and may replace the module");
                }
                _ => {}
            }
            true
        });
    }

    /// Records the names that a function declares `global`, which may be set when it is called.
    fn globals_of(&mut self, body: &[Stmt], scope: &mut NameScope) {
        let file = self.module.file;
        walk::statements(body, walk::Place::default(), &mut |statement, _| {
            if let Stmt::Global(node) = statement {
                for name in &node.names {
                    if !scope.names.contains_key(name.as_str()) {
                        let at = span_of(file, name.range);
                        scope.bind(name, BindingState::Maybe, at, DefinitionKind::Other);
                    }
                }
            }
        });
    }

    fn captures(&mut self, pattern: &Pattern, scope: &mut NameScope) {
        for name in walk::captured(pattern) {
            let at = span_of(self.module.file, name.range);
            scope.bind(name, BindingState::Defined, at, DefinitionKind::Other);
        }
    }
}
