//! Evaluates formatted strings: f-strings, `%` and `.format()`, in their plain forms.

use ruff_python_ast::{ConversionFlag, ExprFString, FStringPart, InterpolatedStringElement};

use super::value::{Evaluated, Value};
use super::{Evaluator, Raise};

impl<'a> Evaluator<'a> {
    pub(super) fn f_string(&mut self, node: &'a ExprFString) -> Result<Evaluated, Raise> {
        let mut text = String::new();
        let mut secret = false;
        let mut unknown = None;
        for part in &node.value {
            let string = match part {
                FStringPart::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                FStringPart::FString(string) => string,
            };
            for element in &string.elements {
                let element = match element {
                    InterpolatedStringElement::Literal(literal) => {
                        text.push_str(&literal.value);
                        continue;
                    }
                    InterpolatedStringElement::Interpolation(element) => element,
                };
                let value = self.expression(&element.expression)?;
                secret |= value.secret;
                let plain = element.format_spec.is_none()
                    && element.debug_text.is_none()
                    && matches!(element.conversion, ConversionFlag::None | ConversionFlag::Str);
                match (&value.value, value.value.text()) {
                    (Value::Unknown(why), _) => unknown = Some(why.clone()),
                    (_, Some(piece)) if plain => text.push_str(&piece),
                    _ => unknown = Some("a format that is not followed".to_owned()),
                }
            }
        }
        let value = unknown.map_or(Value::Str(text), Value::Unknown);
        Ok(Evaluated { value, secret })
    }
}

/// `pattern % arguments` with `%s`, `%d`, `%i` and `%%`.
pub(super) fn percent(pattern: &str, arguments: Value) -> Option<String> {
    let mut arguments = match arguments {
        Value::Tuple(items) => items,
        Value::Dict(_) => return None,
        one => vec![one],
    }
    .into_iter();
    let mut text = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match characters.next()? {
            '%' => text.push('%'),
            's' => text.push_str(&arguments.next()?.text()?),
            'd' | 'i' => text.push_str(&arguments.next()?.int()?.to_string()),
            _ => return None,
        }
    }
    arguments.next().is_none().then_some(text)
}

/// `pattern.format(…)` with `{}`, `{0}`, `{name}`, `{{` and `}}`.
pub(super) fn braces(
    pattern: &str,
    arguments: &[Value],
    named: &[(String, Value)],
) -> Option<String> {
    let mut text = String::new();
    let mut next = 0_usize;
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        text.push_str(rest.get(..at)?);
        let (brace, tail) = rest.get(at..)?.split_at(1);
        if tail.starts_with(brace) {
            text.push_str(brace);
            rest = tail.get(1..)?;
            continue;
        }
        if brace == "}" {
            return None;
        }
        let end = tail.find('}')?;
        let field = tail.get(..end)?;
        let value = if field.is_empty() {
            next += 1;
            arguments.get(next - 1)?
        } else if field.bytes().all(|b| b.is_ascii_digit()) {
            arguments.get(field.parse::<usize>().ok()?)?
        } else {
            &named.iter().find(|(name, _)| name == field)?.1
        };
        text.push_str(&value.text()?);
        rest = tail.get(end + 1..)?;
    }
    text.push_str(rest);
    Some(text)
}
