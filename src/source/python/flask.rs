//! Where Flask takes an application's static files from, and whether its code turns debug mode on.
//!
//! Source: `flask.Flask.__init__` and `flask.scaffold` (Flask 3.1): `static_folder="static"` counts
//! from the directory of the module that is named first, `static_url_path` is that folder's name.

use std::collections::HashSet;

use ruff_python_ast::{Expr, ExprCall, Stmt};

use super::super::Span;
use super::Module;
use super::walk::{self, Place};

/// A `Flask(__name__, …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaskApplication {
    /// The call.
    pub span: Span,
    /// The directory of its static files, from the module's own, and the path of requests for
    /// them; `None` if the call does not tell.
    pub statics: Option<FlaskStatics>,
}

/// Where Flask's static files lie and how they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaskStatics {
    /// The directory, from that of the module.
    pub folder: String,
    /// The path of requests, with a slash at both ends.
    pub url: String,
}

impl Module {
    /// All calls of `Flask(…)`, in functions, too: a factory makes the application.
    pub fn flask_applications(&self) -> Vec<FlaskApplication> {
        let mut found = Vec::new();
        walk::statements(self.statements(), Place::default(), &mut |statement, _| {
            for root in walk::own_expressions(statement) {
                walk::expressions(root, &mut |expression| {
                    if let Expr::Call(call) = expression
                        && is_flask(&call.func)
                    {
                        found.push(FlaskApplication {
                            span: self.span(expression),
                            statics: statics(call),
                        });
                    }
                    true
                });
            }
        });
        found
    }
}

impl Module {
    /// Where the module, or a factory in it, turns the debug mode of an application on that it makes,
    /// whatever is set elsewhere; `None` where a condition or a later line may turn it off again.
    pub fn flask_debug(&self) -> Option<Span> {
        let functions = self.statements().iter().filter_map(|statement| match statement {
            Stmt::FunctionDef(def) => Some(def.body.as_slice()),
            _ => None,
        });
        let mut blocks = std::iter::once(self.statements()).chain(functions);
        let on = blocks.find_map(turned_on)?;
        Some(self.span(on))
    }
}

/// The statement of a block that turns debug mode on, where none behind it may turn it off.
fn turned_on(block: &[Stmt]) -> Option<&Stmt> {
    let mut applications: HashSet<&str> = HashSet::new();
    let mut on = None;
    for statement in block {
        if let Stmt::Assign(node) = statement
            && let [Expr::Name(name)] = node.targets.as_slice()
            && matches!(&*node.value, Expr::Call(call) if is_flask(&call.func))
        {
            applications.insert(name.id.as_str());
            continue;
        }
        match debug(statement, &applications) {
            Some(true) => on = Some(statement),
            Some(false) => on = None,
            None => {}
        }
    }
    on
}

/// What a statement makes of the debug mode: `Some(false)` where it may turn it off.
fn debug(statement: &Stmt, applications: &HashSet<&str>) -> Option<bool> {
    let is_application =
        |e: &Expr| matches!(e, Expr::Name(n) if applications.contains(n.id.as_str()));
    let is_config = |e: &Expr| matches!(e, Expr::Attribute(a) if a.attr.as_str() == "config" && is_application(&a.value));
    let is_debug = |target: &Expr| match target {
        Expr::Attribute(a) => a.attr.as_str() == "debug" && is_application(&a.value),
        Expr::Subscript(s) => is_config(&s.value) && text(&s.slice).as_deref() == Some("DEBUG"),
        _ => false,
    };
    let is_true = |value: &Expr| matches!(value, Expr::BooleanLiteral(literal) if literal.value);
    match statement {
        Stmt::Assign(node) if node.targets.iter().any(is_debug) => Some(is_true(&node.value)),
        Stmt::Assign(node) if node.targets.iter().any(is_config) => Some(false),
        Stmt::Expr(node) => {
            let Expr::Call(call) = &*node.value else { return None };
            let Expr::Attribute(method) = &*call.func else {
                return may_configure(call, is_application);
            };
            if !is_config(&method.value) {
                return may_configure(call, is_application);
            }
            // `app.config.update(DEBUG=True)`; whatever else loads settings may hold anything.
            let own =
                call.arguments.keywords.iter().find(|keyword| {
                    keyword.arg.as_ref().is_some_and(|name| name.as_str() == "DEBUG")
                });
            match own {
                Some(keyword) => Some(is_true(&keyword.value)),
                None if matches!(method.attr.as_str(), "update" | "setdefault" | "get")
                    && call.arguments.args.is_empty()
                    && call.arguments.keywords.iter().all(|keyword| keyword.arg.is_some()) =>
                {
                    None
                }
                None => Some(false),
            }
        }
        // A branch or a loop that looks at the settings.
        compound @ (Stmt::If(_)
        | Stmt::For(_)
        | Stmt::While(_)
        | Stmt::With(_)
        | Stmt::Try(_)
        | Stmt::Match(_)) => {
            let mut touched = false;
            walk::statements(std::slice::from_ref(compound), Place::default(), &mut |inner, _| {
                for root in walk::own_expressions(inner) {
                    walk::expressions(root, &mut |expression| {
                        touched |= is_config(expression) || is_debug(expression);
                        true
                    });
                }
            });
            touched.then_some(false)
        }
        _ => None,
    }
}

/// A function that is given the application, and that by its name may set something.
fn may_configure(call: &ExprCall, is_application: impl Fn(&Expr) -> bool) -> Option<bool> {
    let name = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => "",
    };
    let given = call.arguments.args.iter().any(is_application);
    let sets = ["conf", "setting", "setup", "load"].iter().any(|word| name.contains(word));
    (given && sets).then_some(false)
}

fn is_flask(function: &Expr) -> bool {
    match function {
        Expr::Name(name) => name.id.as_str() == "Flask",
        Expr::Attribute(node) => {
            node.attr.as_str() == "Flask"
                && matches!(&*node.value, Expr::Name(name) if name.id.as_str() == "flask")
        }
        _ => false,
    }
}

fn statics(call: &ExprCall) -> Option<FlaskStatics> {
    let [Expr::Name(first)] = &*call.arguments.args else { return None };
    if first.id.as_str() != "__name__" {
        return None;
    }
    let (mut folder, mut url) = ("static".to_owned(), None);
    for keyword in &call.arguments.keywords {
        match keyword.arg.as_ref()?.as_str() {
            "static_folder" => folder = text(&keyword.value)?,
            "static_url_path" => url = Some(text(&keyword.value)?),
            // It counts from elsewhere.
            "root_path" | "static_host" => return None,
            _ => {}
        }
    }
    let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let url = url.as_deref().unwrap_or(name).trim_matches('/').to_owned();
    (!url.is_empty()).then(|| FlaskStatics { folder, url: format!("/{url}/") })
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        _ => None,
    }
}
