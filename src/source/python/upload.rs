//! How large a request the application itself accepts: Flask's `MAX_CONTENT_LENGTH`.

use ruff_python_ast::{Expr, Number, Operator, Stmt};

use super::super::Spanned;
use super::Module;
use super::walk::{self, Place};

const NAME: &str = "MAX_CONTENT_LENGTH";

impl Module {
    /// The largest limit written in the module, in bytes: in a class of settings, or by
    /// `app.config["MAX_CONTENT_LENGTH"] = 16 * 1024 * 1024`. A value that is computed from
    /// anything but numbers does not count.
    pub fn upload_limit(&self) -> Option<Spanned<u64>> {
        let mut largest: Option<Spanned<u64>> = None;
        walk::statements(self.statements(), Place::default(), &mut |statement, _| {
            let found = match statement {
                Stmt::Assign(node) if node.targets.iter().any(is_limit) => &node.value,
                Stmt::AnnAssign(node) if is_limit(&node.target) => match &node.value {
                    Some(value) => value,
                    None => return,
                },
                _ => return,
            };
            let Some(value) = number(found) else { return };
            if largest.as_ref().is_none_or(|largest| largest.value < value) {
                largest = Some(Spanned { value, span: self.span(&**found) });
            }
        });
        largest
    }
}

fn is_limit(target: &Expr) -> bool {
    match target {
        Expr::Name(name) => name.id.as_str() == NAME,
        Expr::Subscript(node) => {
            matches!(&*node.slice, Expr::StringLiteral(text) if text.value.to_str() == NAME)
        }
        _ => false,
    }
}

/// The value of a whole number as people write sizes: `16_000_000`, `16 * 1024 * 1024`, `1 << 24`,
/// `2 ** 24`.
fn number(value: &Expr) -> Option<u64> {
    match value {
        Expr::NumberLiteral(node) => match &node.value {
            Number::Int(number) => number.as_u64(),
            _ => None,
        },
        Expr::BinOp(node) => {
            let (left, right) = (number(&node.left)?, number(&node.right)?);
            let small = u32::try_from(right).ok();
            match node.op {
                Operator::Mult => left.checked_mul(right),
                Operator::Add => left.checked_add(right),
                Operator::LShift => small.and_then(|by| left.checked_mul(1_u64.checked_shl(by)?)),
                Operator::Pow => small.and_then(|by| left.checked_pow(by)),
                _ => None,
            }
        }
        _ => None,
    }
}
