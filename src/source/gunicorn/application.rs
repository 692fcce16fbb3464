//! `module:attribute`, as `import_app` in gunicorn's `util.py` reads it (from 20.0 on).
//!
//! The attribute is a plain name or a call of a plain name with literal arguments. A dotted
//! attribute (`app:obj.attr`) is refused.

use ruff_python_ast::{Expr, UnaryOp};

/// The parts of an application's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationName {
    /// The dotted name of the module.
    pub module: String,
    /// The object in the module.
    pub object: ApplicationObject,
}

/// The part after the colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationObject {
    /// A name; `application` if none is given.
    Name {
        /// The name.
        name: String,
        /// Whether no name was given.
        default: bool,
    },
    /// A factory that is called.
    Call {
        /// The function's name.
        name: String,
        /// The number of its positional arguments.
        positional: usize,
        /// The names of its keyword arguments.
        keywords: Vec<String>,
    },
    /// gunicorn refuses the name, for this reason: the worker fails to boot.
    Invalid(String),
}

impl ApplicationName {
    /// Reads the application's name.
    pub fn parse(text: &str) -> Self {
        let Some((module, object)) = text.split_once(':') else {
            let object = ApplicationObject::Name { name: "application".into(), default: true };
            return Self { module: text.into(), object };
        };
        Self { module: module.into(), object: object_of(object) }
    }

    /// The name that must exist in the module.
    pub fn attribute(&self) -> Option<&str> {
        match &self.object {
            ApplicationObject::Name { name, .. } | ApplicationObject::Call { name, .. } => {
                Some(name)
            }
            ApplicationObject::Invalid(_) => None,
        }
    }
}

fn object_of(text: &str) -> ApplicationObject {
    let invalid = |why: &str| ApplicationObject::Invalid(why.to_owned());
    // Text that could nest deeply is not given to the parser.
    if text.len() > 4096 || text.bytes().filter(|b| b"([{-~+.".contains(b)).count() > 200 {
        return invalid("longer than an attribute name or function call can sensibly be");
    }
    let text = text.trim_start_matches([' ', '\t']);
    let Ok(parsed) = ruff_python_parser::parse_expression(text) else {
        return invalid("not an attribute name or function call");
    };
    match parsed.expr() {
        Expr::Name(name) => {
            ApplicationObject::Name { name: name.id.as_str().to_owned(), default: false }
        }
        Expr::Call(call) => {
            let Expr::Name(name) = &*call.func else {
                return invalid("the function must be a simple name");
            };
            let keywords = call.arguments.keywords.iter();
            let literal = call.arguments.args.iter().all(is_literal)
                && call.arguments.keywords.iter().all(|k| is_literal(&k.value));
            if !literal {
                return invalid("the arguments must be literal values");
            }
            ApplicationObject::Call {
                name: name.id.as_str().to_owned(),
                positional: call.arguments.args.len(),
                keywords: keywords
                    .map(|k| k.arg.as_ref().map_or("**", |arg| arg.as_str()).to_owned())
                    .collect(),
            }
        }
        Expr::Attribute(_) => invalid("a dotted attribute is not accepted"),
        _ => invalid("not an attribute name or function call"),
    }
}

/// Whether `ast.literal_eval` accepts the expression.
fn is_literal(expression: &Expr) -> bool {
    let mut todo = vec![expression];
    while let Some(expression) = todo.pop() {
        match expression {
            Expr::StringLiteral(_)
            | Expr::BytesLiteral(_)
            | Expr::NumberLiteral(_)
            | Expr::BooleanLiteral(_)
            | Expr::EllipsisLiteral(_)
            | Expr::NoneLiteral(_) => {}
            Expr::List(node) => todo.extend(&node.elts),
            Expr::Tuple(node) => todo.extend(&node.elts),
            Expr::Set(node) => todo.extend(&node.elts),
            Expr::Dict(node) => {
                for item in &node.items {
                    let Some(key) = &item.key else { return false };
                    todo.extend([key, &item.value]);
                }
            }
            Expr::UnaryOp(node)
                if matches!(node.op, UnaryOp::USub | UnaryOp::UAdd)
                    && node.operand.is_number_literal_expr() => {}
            _ => return false,
        }
    }
    true
}
