//! Which text code chooses by environment variables and by what a function is given:
//! `os.getenv("APP_CONFIG") or "default"`, and the entry of a mapping that it takes by it.

use std::collections::HashMap;

use ruff_python_ast::{
    BoolOp, CmpOp, Expr, ExprCall, InterpolatedStringElement, Operator, Parameters, Stmt, UnaryOp,
};

use super::super::{Lookup, Secret, Span};
use super::walk::{self, Place};
use super::{Module, span_of};

/// Longer texts name no configuration, in bytes.
const LONGEST: usize = 4096;

/// What an expression comes to. A text may be a variable's value.
#[derive(Debug, Clone)]
pub(super) enum Chosen {
    /// This text.
    Text(Secret),
    /// What a mapping has under this key: `config[name]`.
    Entry { mapping: String, key: Secret },
    /// `None`.
    None,
    /// That is not known.
    Unknown,
}

impl Chosen {
    fn text(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        // `name = name + name`, and again, fills the memory.
        if text.len() > LONGEST { Self::Unknown } else { Self::Text(Secret::new(text)) }
    }

    /// Is it true where it is asked for? `None` if that is not known.
    fn truth(&self) -> Option<bool> {
        match self {
            Self::Text(text) => Some(!text.expose().is_empty()),
            Self::None => Some(false),
            Self::Entry { .. } | Self::Unknown => None,
        }
    }
}

/// A call of the function that makes the application: what it is given.
#[derive(Debug, Clone, Default)]
pub struct CallArguments {
    positional: Vec<Chosen>,
    named: Vec<(String, Chosen)>,
    /// `*args` or `**kwargs` stands among it.
    open: bool,
}

/// The function that makes the application, and what it is called with.
#[derive(Debug, Clone)]
pub struct CalledFactory {
    /// Where its name stands in its definition.
    pub definition: Span,
    /// What it is given.
    pub given: CallArguments,
}

/// What the names of a block are bound to, as far as it was run.
pub(super) struct Choices<'a> {
    variable: &'a dyn Fn(&str) -> Lookup,
    outer: Option<&'a Choices<'a>>,
    names: HashMap<&'a str, Chosen>,
}

impl<'a> Choices<'a> {
    /// Those of a module's top level.
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Lookup) -> Self {
        Self { variable, outer: None, names: HashMap::new() }
    }

    /// Those of a function's body; without a call its parameters are not known.
    pub(super) fn within(
        outer: &'a Choices<'a>,
        parameters: &'a Parameters,
        given: Option<&CallArguments>,
    ) -> Self {
        let mut inner =
            Self { variable: outer.variable, outer: Some(outer), names: HashMap::new() };
        let by_place = parameters.posonlyargs.iter().chain(&parameters.args).enumerate();
        let by_name = parameters.kwonlyargs.iter().map(|one| (usize::MAX, one));
        for (index, one) in by_place.chain(by_name) {
            let name = one.parameter.name.as_str();
            let value = given.filter(|given| !given.open).map(|given| {
                let named = given.named.iter().find(|(known, _)| known == name);
                let value = given.positional.get(index).or(named.map(|(_, value)| value));
                match (value, &one.default) {
                    (Some(value), _) => value.clone(),
                    (None, Some(default)) => outer.value(default),
                    (None, None) => Chosen::Unknown,
                }
            });
            inner.names.insert(name, value.unwrap_or(Chosen::Unknown));
        }
        for rest in [&parameters.vararg, &parameters.kwarg].into_iter().flatten() {
            inner.names.insert(rest.name.as_str(), Chosen::Unknown);
        }
        inner
    }

    /// Takes note of what a statement binds.
    pub(super) fn run(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::Assign(node) => match node.targets.as_slice() {
                [Expr::Name(name)] => {
                    let value = self.value(&node.value);
                    self.names.insert(name.id.as_str(), value);
                }
                _ => self.forget(statement),
            },
            // `if name is None: name = os.getenv(…)`.
            Stmt::If(node) if node.elif_else_clauses.is_empty() => match self.holds(&node.test) {
                Some(true) => node.body.iter().for_each(|inner| self.run(inner)),
                Some(false) => {}
                None => self.forget(statement),
            },
            _ => self.forget(statement),
        }
    }

    /// What a statement binds is not known any more.
    fn forget(&mut self, statement: &'a Stmt) {
        walk::statements(std::slice::from_ref(statement), Place::default(), &mut |inner, place| {
            // A function's names are its own.
            if place.function {
                return;
            }
            match inner {
                Stmt::FunctionDef(def) => {
                    self.names.insert(def.name.as_str(), Chosen::Unknown);
                }
                Stmt::ClassDef(def) => {
                    self.names.insert(def.name.as_str(), Chosen::Unknown);
                }
                Stmt::ImportFrom(node) => {
                    for alias in &node.names {
                        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                        self.names.insert(name, Chosen::Unknown);
                    }
                }
                _ => {}
            }
            walk::evaluated(inner, &mut |expression| {
                if let Expr::Name(name) = expression
                    && !name.ctx.is_load()
                {
                    self.names.insert(name.id.as_str(), Chosen::Unknown);
                }
            });
        });
    }

    fn holds(&self, test: &Expr) -> Option<bool> {
        match test {
            Expr::UnaryOp(node) if node.op == UnaryOp::Not => Some(!self.holds(&node.operand)?),
            Expr::Compare(node) => match (&*node.ops, &*node.comparators) {
                ([CmpOp::Is], [Expr::NoneLiteral(_)]) => match self.value(&node.left) {
                    Chosen::None => Some(true),
                    Chosen::Text(_) => Some(false),
                    Chosen::Entry { .. } | Chosen::Unknown => None,
                },
                _ => None,
            },
            other => self.value(other).truth(),
        }
    }

    /// What an expression comes to.
    pub(super) fn value(&self, expression: &Expr) -> Chosen {
        match expression {
            Expr::StringLiteral(text) => Chosen::text(text.value.to_str()),
            Expr::NoneLiteral(_) => Chosen::None,
            Expr::Name(name) => self.named(name.id.as_str()),
            Expr::BoolOp(node) if node.op == BoolOp::Or => {
                let mut last = Chosen::Unknown;
                for value in &node.values {
                    last = self.value(value);
                    if last.truth() != Some(false) {
                        break;
                    }
                }
                last
            }
            Expr::BinOp(node) if node.op == Operator::Add => {
                match (self.value(&node.left), self.value(&node.right)) {
                    (Chosen::Text(left), Chosen::Text(right)) => {
                        Chosen::text([left.expose(), right.expose()].concat())
                    }
                    _ => Chosen::Unknown,
                }
            }
            Expr::FString(node) => {
                let mut text = Vec::new();
                for element in node.value.elements() {
                    match element {
                        InterpolatedStringElement::Literal(literal) => {
                            text.extend_from_slice(literal.value.as_bytes());
                        }
                        InterpolatedStringElement::Interpolation(part) => {
                            let plain = part.conversion.is_none()
                                && part.format_spec.is_none()
                                && part.debug_text.is_none();
                            match self.value(&part.expression) {
                                Chosen::Text(value) if plain => text.extend(value.expose()),
                                _ => return Chosen::Unknown,
                            }
                        }
                    }
                }
                Chosen::text(text)
            }
            Expr::Subscript(node) => {
                let Chosen::Text(key) = self.value(&node.slice) else { return Chosen::Unknown };
                match &*node.value {
                    of if is_environ(of) => self.variable(&key, Chosen::Unknown),
                    Expr::Name(mapping) => {
                        Chosen::Entry { mapping: mapping.id.as_str().to_owned(), key }
                    }
                    _ => Chosen::Unknown,
                }
            }
            Expr::Call(call) => self.call(call),
            _ => Chosen::Unknown,
        }
    }

    fn call(&self, call: &ExprCall) -> Chosen {
        let arguments = &call.arguments;
        let is_getenv =
            matches!(walk::dotted(&call.func).as_deref(), Some(["os", "getenv"] | ["getenv"]));
        let method = match &*call.func {
            Expr::Attribute(node) => Some((&*node.value, node.attr.as_str())),
            _ => None,
        };
        match (method, arguments.args.first()) {
            (_, Some(key)) if is_getenv => self.read(key, call),
            (Some((of, "get")), Some(key)) if is_environ(of) => self.read(key, call),
            (Some((Expr::Name(mapping), "get")), Some(key)) => match self.value(key) {
                Chosen::Text(key) => Chosen::Entry { mapping: mapping.id.as_str().to_owned(), key },
                _ => Chosen::Unknown,
            },
            (Some((of, "lower" | "upper" | "strip")), None) if arguments.keywords.is_empty() => {
                let Chosen::Text(text) = self.value(of) else { return Chosen::Unknown };
                let Some(text) = text.expose_str() else { return Chosen::Unknown };
                match method {
                    Some((_, "lower")) => Chosen::text(text.to_lowercase()),
                    Some((_, "upper")) => Chosen::text(text.to_uppercase()),
                    _ => Chosen::text(text.trim()),
                }
            }
            _ => Chosen::Unknown,
        }
    }

    /// `os.environ.get(KEY, DEFAULT)`.
    fn read(&self, key: &Expr, call: &ExprCall) -> Chosen {
        let Chosen::Text(key) = self.value(key) else { return Chosen::Unknown };
        let named = call.arguments.find_keyword("default").map(|keyword| &keyword.value);
        let default = call.arguments.args.get(1).or(named);
        self.variable(&key, default.map_or(Chosen::None, |default| self.value(default)))
    }

    fn variable(&self, name: &Secret, unset: Chosen) -> Chosen {
        match name.expose_str().map(self.variable) {
            Some(Lookup::Set(value)) => Chosen::Text(value),
            Some(Lookup::Unset) => unset,
            Some(Lookup::Unknown(_)) | None => Chosen::Unknown,
        }
    }

    fn named(&self, name: &str) -> Chosen {
        match (self.names.get(name), self.outer) {
            (Some(value), _) => value.clone(),
            (None, Some(outer)) => outer.named(name),
            (None, None) => Chosen::Unknown,
        }
    }
}

fn is_environ(expression: &Expr) -> bool {
    matches!(walk::dotted(expression).as_deref(), Some(["os", "environ"] | ["environ"]))
}

impl Module {
    /// What the call is given by which a name of the module is made, at its top level.
    pub fn given_to_maker(
        &self,
        name: &str,
        variable: &dyn Fn(&str) -> Lookup,
    ) -> Option<CallArguments> {
        let mut choices = Choices::new(variable);
        let mut last = None;
        for statement in self.statements() {
            if let Stmt::Assign(node) = statement
                && node.targets.iter().any(|e| matches!(e, Expr::Name(n) if n.id.as_str() == name))
            {
                last = match &*node.value {
                    Expr::Call(call) => Some(given(call, &choices)),
                    _ => None,
                };
            }
            choices.run(statement);
        }
        last
    }

    /// The place of the name in the definition of a function.
    pub(super) fn definition_of(&self, name: &ruff_python_ast::Identifier) -> Span {
        span_of(self.file, name.range)
    }
}

fn given(call: &ExprCall, choices: &Choices<'_>) -> CallArguments {
    let mut given = CallArguments::default();
    for value in &call.arguments.args {
        given.open |= value.is_starred_expr();
        given.positional.push(choices.value(value));
    }
    for keyword in &call.arguments.keywords {
        match &keyword.arg {
            Some(name) => {
                given.named.push((name.as_str().to_owned(), choices.value(&keyword.value)))
            }
            None => given.open = true,
        }
    }
    given
}
