//! Conditions at the top of a module whose answer does not depend on the deployment: which Python
//! runs, on which system, and what only type checkers see.

use ruff_python_ast::{BoolOp, CmpOp, Expr, Number, UnaryOp};

use super::{PythonVersion, walk};

/// Whether the condition is true when the module is imported on Linux by this Python. `None` if
/// that is not known.
pub(super) fn decide(test: &Expr, version: Option<PythonVersion>) -> Option<bool> {
    if walk::never_at_import(test) {
        return Some(false);
    }
    match test {
        Expr::BooleanLiteral(node) => Some(node.value),
        Expr::NumberLiteral(_) => number(test).map(|value| value != 0),
        Expr::UnaryOp(node) if node.op == UnaryOp::Not => {
            decide(&node.operand, version).map(|b| !b)
        }
        Expr::BoolOp(node) => {
            let decisive = node.op == BoolOp::Or;
            let answers: Vec<_> = node.values.iter().map(|value| decide(value, version)).collect();
            if answers.contains(&Some(decisive)) {
                return Some(decisive);
            }
            answers.iter().all(Option::is_some).then_some(!decisive)
        }
        Expr::Compare(node) => {
            let ([op], [right]) = (&*node.ops, &*node.comparators) else { return None };
            compare(&node.left, *op, right, version)
        }
        // `sys.platform.startswith("linux")`
        Expr::Call(call) => {
            let names = walk::dotted(&call.func)?;
            let [argument] = &*call.arguments.args else { return None };
            match (names.as_slice(), text(argument)) {
                (["sys", "platform", "startswith"], Some(start)) => {
                    Some("linux".starts_with(start))
                }
                _ => None,
            }
        }
        Expr::Name(_) | Expr::Attribute(_) => match walk::dotted(test)?.as_slice() {
            [.., "PY2"] => Some(false),
            [.., "PY3"] => Some(true),
            _ => None,
        },
        _ => None,
    }
}

fn compare(left: &Expr, op: CmpOp, right: &Expr, version: Option<PythonVersion>) -> Option<bool> {
    if let (Some(system), Some(other)) = (system(left), text(right)) {
        return match op {
            CmpOp::Eq => Some(system == other),
            CmpOp::NotEq => Some(system != other),
            _ => None,
        };
    }
    if name_of_module(left) && text(right) == Some("__main__") {
        return match op {
            CmpOp::Eq => Some(false),
            CmpOp::NotEq => Some(true),
            _ => None,
        };
    }
    let left = version_parts(left, version?)?;
    let right = numbers(right)?;
    // `sys.version_info == (3, 11)` compares with five parts and is never true. How a longer tuple
    // compares depends on the patch release.
    if right.len() > left.len() {
        return None;
    }
    let longer = left.len() > right.len();
    let order = left[..right.len()].cmp(&right);
    Some(match op {
        CmpOp::Lt => order.is_lt(),
        CmpOp::LtE => order.is_lt() || (order.is_eq() && !longer),
        CmpOp::Gt => order.is_gt() || (order.is_eq() && longer),
        CmpOp::GtE => order.is_ge(),
        CmpOp::Eq if !longer => order.is_eq(),
        CmpOp::NotEq if !longer => order.is_ne(),
        _ => return None,
    })
}

/// The name of the system that `sys.platform`, `os.name` or `platform.system()` returns on Linux.
fn system(expression: &Expr) -> Option<&'static str> {
    let called = match expression {
        Expr::Call(call) => walk::dotted(&call.func)?,
        other => walk::dotted(other)?,
    };
    match (called.as_slice(), expression.is_call_expr()) {
        (["sys", "platform"], false) => Some("linux"),
        (["os", "name"], false) => Some("posix"),
        (["platform", "system"], true) => Some("Linux"),
        _ => None,
    }
}

fn name_of_module(expression: &Expr) -> bool {
    matches!(expression, Expr::Name(name) if name.id.as_str() == "__name__")
}

/// The compared parts of `sys.version_info`: the known ones, then one in place of the rest.
fn version_parts(expression: &Expr, version: PythonVersion) -> Option<Vec<i64>> {
    let (major, minor) = (i64::from(version.major), i64::from(version.minor));
    let is_info = |e: &Expr| walk::dotted(e).is_some_and(|n| n == ["sys", "version_info"]);
    match expression {
        Expr::Subscript(node) if is_info(&node.value) => match &*node.slice {
            Expr::Slice(slice) if slice.lower.is_none() && slice.step.is_none() => {
                match number(slice.upper.as_deref()?)? {
                    1 => Some(vec![major]),
                    2 => Some(vec![major, minor]),
                    _ => None,
                }
            }
            index => match number(index)? {
                0 => Some(vec![major]),
                1 => Some(vec![minor]),
                _ => None,
            },
        },
        Expr::Attribute(node) if is_info(&node.value) => match node.attr.as_str() {
            "major" => Some(vec![major]),
            "minor" => Some(vec![minor]),
            _ => None,
        },
        // The patch release is not known, but compares as greater than a missing part.
        whole if is_info(whole) => Some(vec![major, minor, i64::MAX]),
        _ => None,
    }
}

/// The numbers in `3` or `(3, 8)`.
fn numbers(expression: &Expr) -> Option<Vec<i64>> {
    match expression {
        Expr::Tuple(node) if node.elts.len() <= 2 => node.elts.iter().map(number).collect(),
        other => number(other).map(|value| vec![value]),
    }
}

fn number(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::NumberLiteral(node) => match &node.value {
            Number::Int(value) => value.as_i64(),
            _ => None,
        },
        _ => None,
    }
}

fn text(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(node) => Some(node.value.to_str()),
        _ => None,
    }
}
