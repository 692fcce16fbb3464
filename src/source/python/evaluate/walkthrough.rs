//! Evaluates code statement by statement, so that an expression can be evaluated on the way:
//! `app.config.from_object(config[os.getenv("APP_CONFIG") or "default"])`.

use std::collections::HashMap;

use ruff_python_ast::{Expr, ExprCall, Parameters, Stmt};

use super::super::super::{Lookup, Secret, Span};
use super::super::Module;
use super::value::{Evaluated, Value};
use super::{ConfigValue, Evaluator, FileText, Surroundings, TakenModule};

/// The arguments that a call passes to a function.
#[derive(Clone, Default)]
pub struct CallArguments {
    positional: Vec<Evaluated>,
    named: Vec<(String, Evaluated)>,
    /// Whether the call passes `*args` or `**kwargs`.
    open: bool,
}

impl CallArguments {
    /// The arguments of a call that is not looked at.
    pub(in super::super) fn unknown() -> Self {
        Self { open: true, ..Self::default() }
    }
}

/// The function that creates the application, and its arguments.
pub struct CalledFactory {
    /// The place of its name in its definition.
    pub definition: Span,
    /// The arguments of the call.
    pub arguments: CallArguments,
}

/// What the names in the code are bound to, as far as the code was run.
pub(in super::super) struct Walkthrough<'a> {
    machine: Evaluator<'a>,
    /// The expressions that names were bound to last.
    bound: HashMap<&'a str, &'a Expr>,
    /// Whether the code raised, so that nothing after that is run.
    over: bool,
}

impl<'a> Walkthrough<'a> {
    pub(in super::super) fn new(module: &'a Module, surroundings: &'a Surroundings<'a>) -> Self {
        Self { machine: Evaluator::new(module, surroundings), bound: HashMap::new(), over: false }
    }

    /// Runs a statement.
    pub(in super::super) fn run(&mut self, statement: &'a Stmt) {
        if let Stmt::Assign(node) = statement
            && let [Expr::Name(name)] = node.targets.as_slice()
        {
            self.bound.insert(name.id.as_str(), &node.value);
        }
        self.over = self.over || self.machine.run(std::slice::from_ref(statement)).is_err();
    }

    /// Continues in the body of a function of the module, called with these arguments.
    pub(in super::super) fn enter(&mut self, parameters: &'a Parameters, given: &CallArguments) {
        self.bound.clear();
        let by_place = parameters.posonlyargs.iter().chain(&parameters.args).enumerate();
        let by_name = parameters.kwonlyargs.iter().map(|one| (usize::MAX, one));
        let mut values = Vec::new();
        for (index, one) in by_place.chain(by_name) {
            let name = &one.parameter.name;
            let named = given.named.iter().find(|(known, _)| known == name.as_str());
            let value = given.positional.get(index).or(named.map(|(_, value)| value)).cloned();
            let value = match (value, one.default.as_deref()) {
                _ if given.open => None,
                (Some(value), _) => Some(value),
                (None, default) => default.and_then(|one| self.machine.expression(one).ok()),
            };
            values.push((name, value));
        }
        let rest = [&parameters.vararg, &parameters.kwarg].into_iter().flatten();
        values.extend(rest.map(|rest| (&rest.name, None)));
        for (name, value) in values {
            let value = value.unwrap_or_else(|| Evaluated::unknown("an argument"));
            self.machine.bind(name, value, self.machine.span(name), None);
        }
    }

    /// The arguments of a call.
    fn arguments(&mut self, call: &'a ExprCall) -> CallArguments {
        let mut value = |given: &'a Expr| {
            let value = self.machine.expression(given);
            value.unwrap_or_else(|_| Evaluated::unknown("an argument that raises"))
        };
        let mut found = CallArguments::default();
        for given in &call.arguments.args {
            found.open |= given.is_starred_expr();
            found.positional.push(value(given));
        }
        for keyword in &call.arguments.keywords {
            found.open |= keyword.arg.is_none();
            let name = keyword.arg.as_ref().map_or("", |name| name.as_str());
            found.named.push((name.to_owned(), value(&keyword.value)));
        }
        found
    }

    /// The text that an expression evaluates to. It may be a variable's value.
    pub(in super::super) fn text(&mut self, expression: &'a Expr) -> Option<Secret> {
        match self.machine.expression(expression).ok()?.value {
            Value::Str(text) if !self.over => Some(Secret::new(text)),
            _ => None,
        }
    }

    /// The path that an expression evaluates to, unless it is derived from a variable.
    pub(in super::super) fn path(&mut self, expression: &'a Expr) -> Option<String> {
        let evaluated = self.machine.expression(expression).ok()?;
        match evaluated.value {
            Value::Str(path) | Value::Path(path) if !self.over && !evaluated.secret => Some(path),
            _ => None,
        }
    }

    /// The value of an expression, unless it is derived from a variable.
    pub(in super::super) fn shown(&mut self, expression: &'a Expr) -> Option<ConfigValue> {
        let evaluated = self.machine.expression(expression).ok()?;
        (!self.over && !evaluated.secret).then(|| evaluated.value.into_config())
    }

    /// The name of a mapping and the key that an expression looks up in it: `config[name]`. The key
    /// may be a variable's value.
    pub(in super::super) fn entry(&mut self, expression: &'a Expr) -> Option<(&'a str, Secret)> {
        let expression = match expression {
            Expr::Name(name) => self.bound.get(name.id.as_str()).copied()?,
            other => other,
        };
        let (mapping, key) = match expression {
            Expr::Subscript(node) => (&*node.value, &*node.slice),
            Expr::Call(call) => match (&*call.func, &*call.arguments.args) {
                (Expr::Attribute(method), [key, ..]) if method.attr.as_str() == "get" => {
                    (&*method.value, key)
                }
                _ => return None,
            },
            _ => return None,
        };
        let Expr::Name(mapping) = mapping else { return None };
        Some((mapping.id.as_str(), self.text(key)?))
    }
}

/// The surroundings of code in which only the environment is known.
pub(in super::super) fn with_variables<'a>(
    variable: &'a dyn Fn(&str) -> Lookup,
) -> Surroundings<'a> {
    Surroundings {
        variable,
        cpu_count: None,
        file: None,
        working_directory: None,
        resolve: &|_| None,
        read: &|_| FileText::Unknown("files are not read for it".into()),
        // The caller, who provides the variables, knows what else changes them.
        imported: &|_| Some(Vec::new()),
        taken: &|_| TakenModule::Unknown,
    }
}

impl Module {
    /// The arguments of the top-level call that creates the object bound to a name of the module.
    pub fn given_to_maker(
        &self,
        name: &str,
        variable: &dyn Fn(&str) -> Lookup,
    ) -> Option<CallArguments> {
        let surroundings = with_variables(variable);
        let mut code = Walkthrough::new(self, &surroundings);
        let mut last = None;
        for statement in self.statements() {
            if let Stmt::Assign(node) = statement
                && node.targets.iter().any(|e| matches!(e, Expr::Name(n) if n.id.as_str() == name))
            {
                last = match &*node.value {
                    Expr::Call(call) => Some(code.arguments(call)),
                    _ => None,
                };
            }
            code.run(statement);
        }
        last
    }
}
