//! Where Flask takes an application's static files from.
//!
//! Source: `flask.Flask.__init__` and `flask.scaffold` (Flask 3.1): `static_folder="static"` counts
//! from the directory of the module that is named first, `static_url_path` is that folder's name.

use ruff_python_ast::{Expr, ExprCall};

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
