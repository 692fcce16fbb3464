//! Evaluates expressions: literals, names, operators, conditions.

use ruff_python_ast::{BoolOp, CmpOp, Expr, Number, Operator, UnaryOp};

use super::super::super::Span;
use super::value::{Evaluated, Value, positional};
use super::{DEPTH, Evaluator, Raise};

/// Longer texts and lists are not built.
const LENGTH: usize = 64 << 10;

impl<'a> Evaluator<'a> {
    pub(super) fn expression(&mut self, expression: &'a Expr) -> Result<Evaluated, Raise> {
        if self.depth >= DEPTH || self.fuel == 0 {
            self.uncertain = true;
            return Ok(Evaluated::unknown("too much to work out"));
        }
        self.depth += 1;
        let result = self.inner(expression);
        self.depth -= 1;
        let mut evaluated = result?;
        let weight = match &evaluated.value {
            Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) => {
                evaluated.value.weight()
            }
            _ => 1,
        };
        if weight > LENGTH {
            evaluated.value = Value::Unknown("too large to work out".into());
        }
        self.fuel = self.fuel.saturating_sub(weight);
        self.uncertain |= matches!(evaluated.value, Value::Unknown(_));
        Ok(evaluated)
    }

    fn inner(&mut self, expression: &'a Expr) -> Result<Evaluated, Raise> {
        Ok(match expression {
            Expr::NumberLiteral(node) => Evaluated::plain(match &node.value {
                Number::Int(value) => match value.as_i64() {
                    Some(value) => Value::Int(value),
                    None => Value::Unknown("a number beyond 64 bits".into()),
                },
                Number::Float(value) => Value::Float(*value),
                Number::Complex { .. } => Value::Unknown("a complex number".into()),
            }),
            Expr::StringLiteral(node) => Evaluated::plain(Value::Str(node.value.to_str().into())),
            Expr::BooleanLiteral(node) => Evaluated::plain(Value::Bool(node.value)),
            Expr::NoneLiteral(_) => Evaluated::plain(Value::None),
            Expr::FString(node) => self.f_string(node)?,
            Expr::Name(node) => self.name(node.id.as_str(), self.span(node))?,
            Expr::List(node) => {
                let (items, secret) = self.items(&node.elts)?;
                Evaluated { value: wrap(items, Value::List), secret }
            }
            Expr::Tuple(node) => {
                let (items, secret) = self.items(&node.elts)?;
                Evaluated { value: wrap(items, Value::Tuple), secret }
            }
            Expr::Dict(node) => self.dict(node)?,
            Expr::Attribute(node) => self.attribute(node)?,
            Expr::Subscript(node) => self.subscript(node)?,
            Expr::BinOp(node) => {
                let left = self.expression(&node.left)?;
                let right = self.expression(&node.right)?;
                self.binary(node.op, left, right, self.span(node))?
            }
            Expr::UnaryOp(node) => {
                let operand = self.expression(&node.operand)?;
                Evaluated { secret: operand.secret, value: unary(node.op, operand.value) }
            }
            Expr::BoolOp(node) => self.bool_op(node)?,
            Expr::Compare(node) => self.compare(node)?,
            Expr::If(node) => {
                let test = self.expression(&node.test)?;
                match test.value.truth() {
                    Some(true) => self.expression(&node.body)?,
                    Some(false) => self.expression(&node.orelse)?,
                    None => {
                        self.forget_calls(expression);
                        Evaluated::unknown("depends on a condition that is not known")
                    }
                }
            }
            Expr::Call(node) => self.call(node)?,
            Expr::Lambda(node) => {
                let count = node.parameters.as_deref().map_or(0, positional);
                Evaluated::plain(Value::Callable(Some(count)))
            }
            Expr::Named(node) => {
                let value = self.expression(&node.value)?;
                if let Expr::Name(name) = &*node.target {
                    let from = Some(self.span(&*node.value));
                    self.bind(name.id.as_str(), value.clone(), self.span(name), from);
                }
                value
            }
            _ => {
                self.forget_calls(expression);
                Evaluated::unknown("an expression that is not followed")
            }
        })
    }

    /// Makes everything that an expression calls or binds unknown, because its parts were not
    /// followed.
    pub(super) fn forget_calls(&mut self, expression: &'a Expr) {
        self.writes_within(self.span(expression));
        let mut names = Vec::new();
        let mut bound = Vec::new();
        let mut opens = false;
        super::super::walk::expressions(expression, &mut |found| {
            match found {
                Expr::Named(node) => bound.push(&*node.target),
                Expr::Call(call) => {
                    opens |= matches!(&*call.func, Expr::Name(name) if OPENERS.contains(&name.id.as_str()));
                    names.push(&*call.func);
                    names.extend(call.arguments.args.iter().filter(|e| e.is_name_expr()));
                }
                _ => {}
            }
            true
        });
        for target in bound {
            if let Expr::Name(name) = target {
                let why = Evaluated::unknown("bound in an expression that is not followed");
                self.bind(name.id.as_str(), why, self.span(name), None);
            }
        }
        for name in names {
            self.may_change(name);
        }
        if opens {
            self.open("`exec` or `globals()`", self.span(expression));
        }
    }

    /// Records that a list or dictionary may have changed: it was passed to a function, or one of
    /// its methods was called.
    pub(super) fn may_change(&mut self, expression: &'a Expr) {
        let mut base = expression;
        while let Expr::Attribute(node) = base {
            base = &node.value;
        }
        let Expr::Name(name) = base else { return };
        match self.names.get(name.id.as_str()).map(|slot| &slot.evaluated.value) {
            Some(Value::List(_) | Value::Dict(_)) => self.forget(base, "may be changed by a call"),
            Some(Value::Callable(_)) => self.calls_own_function(),
            _ => {}
        }
    }

    fn name(&mut self, name: &str, at: Span) -> Result<Evaluated, Raise> {
        if let Some(slot) = self.names.get(name) {
            return Ok(slot.evaluated.clone());
        }
        Ok(match name {
            "__file__" => {
                let path = self.surroundings.file.unwrap_or(self.module.path());
                match (path.is_absolute(), path.to_str()) {
                    (true, Some(path)) => Evaluated::plain(Value::Str(path.into())),
                    _ => Evaluated::unknown("the file's own path"),
                }
            }
            // The name that gunicorn gives the module it loads.
            "__name__" => Evaluated::plain(Value::Str("__config__".into())),
            "int" | "str" | "float" | "bool" | "min" | "max" | "len" | "abs" | "round" | "list"
            | "tuple" | "dict" | "print" | "sum" | "any" | "all" | "exit" | "quit" | "set"
            | "isinstance" | "sorted" | "open" | "getattr" | "hasattr" | "range" | "divmod"
            | "repr" | "type" | "callable" => Evaluated::plain(Value::Named(name.into())),
            _ if OPENERS.contains(&name) => Evaluated::plain(Value::Named(name.into())),
            _ if self.open.is_some() || name.starts_with("__") || BUILTIN.contains(&name) => {
                Evaluated::unknown(format!("`{name}` is not followed"))
            }
            // Every earlier assignment was seen, so the name is not defined. Python has many names
            // of its own, so only names without a capital are reported as missing.
            _ if name.chars().any(char::is_uppercase) => {
                Evaluated::unknown(format!("`{name}` is not defined here"))
            }
            _ => {
                let message = format!("name '{name}' is not defined");
                return Err(self.raise("NameError", &message, at));
            }
        })
    }

    pub(super) fn items(&mut self, elements: &'a [Expr]) -> Result<(Vec<Value>, bool), Raise> {
        let mut items = Vec::new();
        let mut secret = false;
        for element in elements {
            if let Expr::Starred(node) = element {
                let inner = self.expression(&node.value)?;
                secret |= inner.secret;
                match inner.value {
                    Value::List(inner) | Value::Tuple(inner) => items.extend(inner),
                    // With an unknown number of items, nothing about the list is known.
                    _ => return Ok((vec![Value::Named("*".into())], secret)),
                }
                continue;
            }
            let item = self.expression(element)?;
            secret |= item.secret;
            items.push(item.value);
        }
        Ok((items, secret))
    }

    fn dict(&mut self, node: &'a ruff_python_ast::ExprDict) -> Result<Evaluated, Raise> {
        let mut items = Vec::new();
        let mut secret = false;
        let mut whole = true;
        for item in &node.items {
            let value = self.expression(&item.value)?;
            secret |= value.secret;
            match &item.key {
                Some(key) => {
                    let key = self.expression(key)?;
                    secret |= key.secret;
                    items.push((key.value, value.value));
                }
                None => match value.value {
                    Value::Dict(inner) => items.extend(inner),
                    _ => whole = false,
                },
            }
        }
        let value = match whole {
            true => Value::Dict(items),
            false => Value::Unknown("a dictionary of unknown contents".into()),
        };
        Ok(Evaluated { value, secret })
    }

    fn subscript(&mut self, node: &'a ruff_python_ast::ExprSubscript) -> Result<Evaluated, Raise> {
        let base = self.expression(&node.value)?;
        if let Expr::Slice(_) = &*node.slice {
            self.forget_calls(&node.slice);
            return Ok(Evaluated::unknown("a slice"));
        }
        let key = self.expression(&node.slice)?;
        let secret = base.secret || key.secret;
        let at = self.span(node);
        let value = match (base.value, key.value) {
            (Value::Named(name), Value::Str(key)) if name == "os.environ" => {
                return self.required_variable(&key, at);
            }
            (Value::List(items) | Value::Tuple(items), Value::Int(index)) => {
                let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
                let index = if index < 0 { index.saturating_add(length) } else { index };
                let found = usize::try_from(index).ok().and_then(|i| items.into_iter().nth(i));
                match found {
                    Some(item) => item,
                    None => return Err(self.raise("IndexError", "index out of range", at)),
                }
            }
            (Value::Dict(items), key @ (Value::Str(_) | Value::Int(_))) => {
                let unclear = items.iter().any(|(k, _)| k.equals(&key).is_none());
                let found = items.into_iter().rev().find(|(k, _)| k.equals(&key) == Some(true));
                match found {
                    _ if unclear => Value::Unknown("a dictionary's entry".into()),
                    Some((_, value)) => value,
                    None => return Err(self.raise("KeyError", "no such key", at)),
                }
            }
            _ => Value::Unknown("an element of something that is not known".into()),
        };
        Ok(Evaluated { value, secret })
    }

    fn bool_op(&mut self, node: &'a ruff_python_ast::ExprBoolOp) -> Result<Evaluated, Raise> {
        let mut last = Evaluated::plain(Value::None);
        let mut secret = false;
        for (at, operand) in node.values.iter().enumerate() {
            last = self.expression(operand)?;
            secret |= last.secret;
            last.secret = secret;
            let stop = match (node.op, last.value.truth()) {
                (_, None) => {
                    for rest in node.values.iter().skip(at + 1) {
                        self.forget_calls(rest);
                    }
                    return Ok(last);
                }
                (BoolOp::Or, Some(truth)) => truth,
                (BoolOp::And, Some(truth)) => !truth,
            };
            if stop {
                break;
            }
        }
        Ok(last)
    }

    fn compare(&mut self, node: &'a ruff_python_ast::ExprCompare) -> Result<Evaluated, Raise> {
        let mut left = self.expression(&node.left)?;
        let mut secret = left.secret;
        for (op, right) in node.ops.iter().zip(&node.comparators) {
            let right = self.expression(right)?;
            secret |= right.secret;
            let environment = match (&left.value, &right.value) {
                (Value::Str(name), Value::Named(of)) if of == "os.environ" => {
                    Some(self.is_set(name))
                }
                _ => None,
            };
            let truth = match environment {
                Some(set) => match op {
                    CmpOp::In => set,
                    CmpOp::NotIn => set.map(|set| !set),
                    _ => None,
                },
                None => compare(*op, &left.value, &right.value),
            };
            match truth {
                Some(true) => left = right,
                Some(false) => return Ok(Evaluated { value: Value::Bool(false), secret }),
                None => return Ok(Evaluated::unknown("a comparison with something not known")),
            }
        }
        Ok(Evaluated { value: Value::Bool(true), secret })
    }

    pub(super) fn binary(
        &mut self,
        op: Operator,
        left: Evaluated,
        right: Evaluated,
        at: Span,
    ) -> Result<Evaluated, Raise> {
        let secret = left.secret || right.secret;
        if let Some(why) = left.value.unknown().or(right.value.unknown()) {
            let keep = matches!(
                (&left.value, op, &right.value),
                (Value::List(_), Operator::Add, Value::List(_))
            );
            if !keep {
                let value = Value::Unknown(why.to_owned());
                return Ok(Evaluated { value, secret });
            }
        }
        let zero = right.value.float() == Some(0.0);
        if zero
            && left.value.float().is_some()
            && matches!(op, Operator::Div | Operator::FloorDiv | Operator::Mod)
        {
            return Err(self.raise("ZeroDivisionError", "", at));
        }
        let value = operate(op, left.value, right.value);
        let value = value.unwrap_or_else(|| Value::Unknown("an operation not followed".into()));
        Ok(Evaluated { value, secret })
    }
}

/// A call of one of these may set any name.
pub(super) const OPENERS: [&str; 6] = ["exec", "eval", "globals", "locals", "vars", "setattr"];
const BUILTIN: [&str; 42] = [
    "map",
    "filter",
    "zip",
    "enumerate",
    "iter",
    "next",
    "reversed",
    "input",
    "id",
    "hash",
    "hex",
    "oct",
    "bin",
    "chr",
    "ord",
    "bytes",
    "bytearray",
    "object",
    "super",
    "property",
    "delattr",
    "dir",
    "format",
    "frozenset",
    "memoryview",
    "pow",
    "slice",
    "compile",
    "breakpoint",
    "complex",
    "issubclass",
    "staticmethod",
    "classmethod",
    "ascii",
    "aiter",
    "anext",
    "help",
    "license",
    "credits",
    "copyright",
    "reload",
    "unicode",
];

fn wrap(items: Vec<Value>, make: fn(Vec<Value>) -> Value) -> Value {
    if matches!(items.as_slice(), [Value::Named(name)] if name == "*") {
        return Value::Unknown("a list of unknown contents".into());
    }
    make(items)
}

fn unary(op: UnaryOp, value: Value) -> Value {
    let unknown = || Value::Unknown("an operation not followed".into());
    match (op, &value) {
        (_, Value::Unknown(_)) => value,
        (UnaryOp::Not, _) => value.truth().map_or_else(unknown, |truth| Value::Bool(!truth)),
        (UnaryOp::USub, Value::Float(value)) => Value::Float(-value),
        (UnaryOp::USub, _) => match value.int().and_then(i64::checked_neg) {
            Some(value) => Value::Int(value),
            None => unknown(),
        },
        (UnaryOp::UAdd, _) if value.float().is_some() => value,
        (UnaryOp::Invert, _) => value.int().map_or_else(unknown, |value| Value::Int(!value)),
        _ => unknown(),
    }
}

fn operate(op: Operator, left: Value, right: Value) -> Option<Value> {
    match (op, left, right) {
        (Operator::Add, Value::Str(a), Value::Str(b)) if a.len() + b.len() <= LENGTH => {
            Some(Value::Str(a + &b))
        }
        (Operator::Add, Value::List(mut a), Value::List(b)) => {
            a.extend(b);
            Some(Value::List(a))
        }
        (Operator::Add, Value::Tuple(mut a), Value::Tuple(b)) => {
            a.extend(b);
            Some(Value::Tuple(a))
        }
        (Operator::Mult, Value::Str(text), count) | (Operator::Mult, count, Value::Str(text)) => {
            let count = usize::try_from(count.int()?.max(0)).ok()?;
            (text.len().checked_mul(count)? <= LENGTH).then(|| Value::Str(text.repeat(count)))
        }
        (Operator::Mod, Value::Str(pattern), arguments) => {
            super::format::percent(&pattern, arguments).map(Value::Str)
        }
        (Operator::Div, Value::Path(base), Value::Str(part) | Value::Path(part)) => {
            Some(Value::Path(super::calls::join(&base, &part)))
        }
        (op, left, right) => arithmetic(op, &left, &right),
    }
}

fn arithmetic(op: Operator, left: &Value, right: &Value) -> Option<Value> {
    if let (Some(a), Some(b)) = (left.int(), right.int()) {
        let int = match op {
            Operator::Add => a.checked_add(b),
            Operator::Sub => a.checked_sub(b),
            Operator::Mult => a.checked_mul(b),
            Operator::FloorDiv => floor_divide(a, b),
            Operator::Mod => {
                let quotient = floor_divide(a, b)?;
                quotient.checked_mul(b).and_then(|whole| a.checked_sub(whole))
            }
            Operator::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
            Operator::LShift if (0..63).contains(&b) => {
                2_i64.checked_pow(u32::try_from(b).ok()?).and_then(|f| a.checked_mul(f))
            }
            Operator::RShift if (0..63).contains(&b) => Some(a >> b),
            Operator::BitOr => Some(a | b),
            Operator::BitAnd => Some(a & b),
            Operator::BitXor => Some(a ^ b),
            _ => None,
        };
        if op != Operator::Div {
            return int.map(Value::Int);
        }
    }
    let (a, b) = (left.float()?, right.float()?);
    Some(Value::Float(match op {
        Operator::Add => a + b,
        Operator::Sub => a - b,
        Operator::Mult => a * b,
        Operator::Div => a / b,
        Operator::FloorDiv => (a / b).floor(),
        _ => return None,
    }))
}

fn floor_divide(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    let inexact = a.checked_rem(b)? != 0;
    if inexact && (a < 0) != (b < 0) { quotient.checked_sub(1) } else { Some(quotient) }
}

fn compare(op: CmpOp, left: &Value, right: &Value) -> Option<bool> {
    match op {
        CmpOp::Eq => left.equals(right),
        CmpOp::NotEq => left.equals(right).map(|equal| !equal),
        CmpOp::Is | CmpOp::IsNot => {
            let is = match (left, right) {
                (Value::Unknown(_), _) | (_, Value::Unknown(_)) => return None,
                (Value::None, Value::None) => true,
                (Value::None, _) | (_, Value::None) => false,
                (Value::Bool(a), Value::Bool(b)) => a == b,
                _ => return None,
            };
            Some(is == (op == CmpOp::Is))
        }
        CmpOp::In | CmpOp::NotIn => {
            let inside = match (left, right) {
                (Value::Str(part), Value::Str(whole)) => whole.contains(part.as_str()),
                (item, Value::List(items) | Value::Tuple(items)) => {
                    let all = items.iter().map(|other| item.equals(other));
                    let all: Option<Vec<bool>> = all.collect();
                    all?.contains(&true)
                }
                _ => return None,
            };
            Some(inside == (op == CmpOp::In))
        }
        CmpOp::Lt | CmpOp::LtE | CmpOp::Gt | CmpOp::GtE => {
            let order = match (left, right) {
                (Value::Str(a), Value::Str(b)) => a.cmp(b),
                _ => match (left.int(), right.int()) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => left.float()?.partial_cmp(&right.float()?)?,
                },
            };
            Some(match op {
                CmpOp::Lt => order.is_lt(),
                CmpOp::LtE => order.is_le(),
                CmpOp::Gt => order.is_gt(),
                _ => order.is_ge(),
            })
        }
    }
}
