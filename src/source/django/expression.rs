//! The value of a literal Python expression.

use ruff_python_ast::Expr;

/// The elements of a list or tuple.
pub(super) fn elements(expression: &Expr) -> Option<&[Expr]> {
    match expression {
        Expr::List(node) => Some(&node.elts),
        Expr::Tuple(node) => Some(&node.elts),
        Expr::Set(node) => Some(&node.elts),
        _ => None,
    }
}

/// The content of a string literal.
pub(super) fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(literal) => Some(literal.value.to_str()),
        _ => None,
    }
}

/// The last part of a dotted name: `CreateModel` for `migrations.CreateModel`.
pub(super) fn last_name(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::Name(name) => Some(name.id.as_str()),
        Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}
