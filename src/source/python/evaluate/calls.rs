//! Evaluates calls and attributes: the few functions of Python's library that configuration files
//! use.

use std::path::Path;

use ruff_python_ast::{Expr, ExprAttribute, ExprCall};

use super::super::super::Span;
use super::super::normpath;
use super::expressions::OPENERS;
use super::value::{Evaluated, Value};
use super::{Evaluator, Raise};

/// The arguments of a call.
pub(super) struct Given {
    pub values: Vec<Value>,
    pub named: Vec<(String, Value)>,
    pub secret: bool,
}

impl Given {
    /// An argument by its position or its name.
    pub(super) fn argument(&self, place: usize, name: &str) -> Option<&Value> {
        let named = self.named.iter().find(|(given, _)| given == name).map(|(_, value)| value);
        self.values.get(place).or(named)
    }

    /// Whether `*items` or `**options` may contain more arguments.
    pub(super) fn is_open(&self) -> bool {
        self.named.iter().any(|(name, _)| name == "**")
            || self.values.iter().any(|value| matches!(value, Value::Named(name) if name == "*"))
    }
}

impl<'a> Evaluator<'a> {
    pub(super) fn attribute(&mut self, node: &'a ExprAttribute) -> Result<Evaluated, Raise> {
        let base = self.expression(&node.value)?;
        let name = node.attr.as_str();
        let value = match base.value {
            Value::Named(module) => Value::Named(format!("{module}.{name}")),
            Value::Path(path) => match name {
                "parent" => Value::Path(parent(&path)),
                "name" => Value::Str(last(&path).to_owned()),
                "stem" => {
                    let last = last(&path);
                    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
                    Value::Str(if stem.is_empty() { last } else { stem }.to_owned())
                }
                _ => Value::Unknown(format!("`.{name}` of a path")),
            },
            Value::Unknown(why) => Value::Unknown(why),
            _ => Value::Unknown(format!("`.{name}`")),
        };
        Ok(Evaluated { value, secret: base.secret })
    }

    pub(super) fn call(&mut self, node: &'a ExprCall) -> Result<Evaluated, Raise> {
        if let Expr::Name(name) = &*node.func
            && OPENERS.contains(&name.id.as_str())
            && !self.names.contains_key(name.id.as_str())
        {
            let why = format!("`{}(…)`", name.id.as_str());
            self.open(&why, self.span(node));
            return Ok(Evaluated::unknown(why));
        }
        let mut given = Given { values: Vec::new(), named: Vec::new(), secret: false };
        let (values, secret) = self.items(&node.arguments.args)?;
        given.values = values;
        given.secret = secret;
        for keyword in &node.arguments.keywords {
            let value = self.expression(&keyword.value)?;
            given.secret |= value.secret;
            let name = keyword.arg.as_ref().map_or("**", |name| name.as_str());
            given.named.push((name.to_owned(), value.value));
        }
        if let Expr::Attribute(method) = &*node.func {
            let base = self.expression(&method.value)?;
            match base.value {
                Value::Named(_) => {}
                _ => return self.method(node, method, base, given),
            }
        }
        let function = self.expression(&node.func)?;
        match function.value {
            Value::Named(name) => self.library(&name, node, given),
            Value::Callable(_) => {
                self.calls_own_function();
                self.hand_over(node);
                Ok(Evaluated::unknown("what a function of the file returns"))
            }
            Value::Unknown(why) => {
                self.hand_over(node);
                Ok(Evaluated::unknown(why))
            }
            _ => {
                self.hand_over(node);
                Ok(Evaluated::unknown("a call that is not followed"))
            }
        }
    }

    /// A call that is not followed may change the lists passed to it.
    fn hand_over(&mut self, node: &'a ExprCall) {
        self.writes_within(self.span(node));
        let given =
            node.arguments.args.iter().chain(node.arguments.keywords.iter().map(|k| &k.value));
        for argument in given {
            if let Ok(Evaluated { value: Value::Named(of), .. }) = self.expression(argument)
                && of == "os.environ"
            {
                self.environment_changes("`os.environ` is handed to a call that is not followed");
            }
        }
        for argument in &node.arguments.args {
            self.may_change(argument);
        }
        for keyword in &node.arguments.keywords {
            self.may_change(&keyword.value);
        }
        self.uncertain = true;
    }

    fn method(
        &mut self,
        node: &'a ExprCall,
        method: &'a ExprAttribute,
        base: Evaluated,
        given: Given,
    ) -> Result<Evaluated, Raise> {
        let name = method.attr.as_str();
        let secret = base.secret || given.secret;
        let value = match base.value {
            Value::Str(text) => text_method(&text, name, &given),
            Value::Path(path) => self.path_method(&path, name, &given),
            Value::List(mut items) if matches!(name, "append" | "extend") => {
                let Expr::Name(list) = &*method.value else { return Ok(self.unfollowed(node)) };
                if !self.mutates_shared(list.id.as_str()) {
                    match (name, given.values.into_iter().next()) {
                        ("append", Some(value)) => items.push(value),
                        ("extend", Some(Value::List(more) | Value::Tuple(more))) => {
                            items.extend(more);
                        }
                        _ => return Ok(self.unfollowed(node)),
                    }
                    if let Some(slot) = self.names.get_mut(list.id.as_str()) {
                        slot.evaluated = Evaluated { value: Value::List(items), secret };
                    }
                }
                Some(Value::None)
            }
            Value::Dict(items) if name == "get" => {
                let key = given.values.first().cloned().unwrap_or(Value::None);
                let unclear = items.iter().any(|(k, _)| k.equals(&key).is_none());
                let found = items.into_iter().rev().find(|(k, _)| k.equals(&key) == Some(true));
                match (unclear, found) {
                    (true, _) => None,
                    (_, Some((_, value))) => Some(value),
                    _ => Some(given.values.into_iter().nth(1).unwrap_or(Value::None)),
                }
            }
            Value::Unknown(why) => {
                self.hand_over(node);
                return Ok(Evaluated { value: Value::Unknown(why), secret });
            }
            _ => return Ok(self.unfollowed(node)),
        };
        match value {
            Some(value) => Ok(Evaluated { value, secret }),
            None => Ok(self.unfollowed(node)),
        }
    }

    fn unfollowed(&mut self, node: &'a ExprCall) -> Evaluated {
        if let Expr::Attribute(method) = &*node.func {
            self.may_change(&method.value);
        }
        self.hand_over(node);
        Evaluated::unknown("a call that is not followed")
    }

    fn library(
        &mut self,
        name: &str,
        node: &'a ExprCall,
        given: Given,
    ) -> Result<Evaluated, Raise> {
        let at = self.span(node);
        let secret = given.secret;
        let first = given.values.first();
        let value = match name {
            "multiprocessing.cpu_count" | "os.cpu_count" => match self.surroundings.cpu_count {
                Some(count) => Some(Value::Int(i64::from(count))),
                None => Some(Value::Unknown("the number of processors is not known".into())),
            },
            "os.environ.get" | "os.getenv" => return Ok(self.optional_variable(&given)),
            "os.environ.setdefault"
            | "os.environ.pop"
            | "os.environ.update"
            | "os.environ.clear"
            | "os.environ.copy"
            | "os.environ.keys"
            | "os.environ.items"
            | "os.environ.values" => return self.environment_method(name, node, &given),
            // These functions set variables for programs started later, but not in `os.environ`.
            "os.putenv" | "os.unsetenv" => Some(Value::None),
            "dotenv.load_dotenv" => Some(self.dotenv_call(&given)),
            "dotenv.find_dotenv" => Some(self.dotenv_search(&given)),
            // This function reads the file but sets nothing.
            "dotenv.dotenv_values" => Some(Value::Unknown("the contents of a `.env`".into())),
            "int" | "float" | "bool" | "str" => return self.convert(name, given, at),
            "min" | "max" => extreme(name, &given.values),
            "len" => match first {
                Some(Value::Str(text)) => i64::try_from(text.chars().count()).ok().map(Value::Int),
                Some(Value::List(items) | Value::Tuple(items)) => {
                    i64::try_from(items.len()).ok().map(Value::Int)
                }
                _ => None,
            },
            "abs" => match first {
                Some(Value::Float(value)) => Some(Value::Float(value.abs())),
                Some(value) => value.int().and_then(i64::checked_abs).map(Value::Int),
                None => None,
            },
            "list" | "tuple" => match first {
                None if name == "list" => Some(Value::List(Vec::new())),
                Some(Value::List(items) | Value::Tuple(items)) => Some(Value::List(items.clone())),
                _ => None,
            },
            "dict" if given.values.is_empty() => {
                let pairs = given.named.into_iter().map(|(k, v)| (Value::Str(k), v));
                Some(Value::Dict(pairs.collect()))
            }
            "print" => Some(Value::None),
            "exit" | "quit" | "sys.exit" => return Err(self.raise("SystemExit", "", at)),
            _ => return Ok(self.paths(name, node, &given)),
        };
        Ok(match value {
            Some(value) => Evaluated { value, secret },
            None => match given.values.iter().find_map(Value::unknown) {
                Some(why) => Evaluated { value: Value::Unknown(why.to_owned()), secret },
                None => self.unfollowed(node),
            },
        })
    }

    fn paths(&mut self, name: &str, node: &'a ExprCall, given: &Given) -> Evaluated {
        let texts: Option<Vec<&str>> = given
            .values
            .iter()
            .map(|value| match value {
                Value::Str(text) | Value::Path(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let secret = given.secret;
        let Some(texts) = texts else {
            let why = given.values.iter().find_map(Value::unknown).map(str::to_owned);
            self.unfollowed(node);
            return match why {
                Some(why) => Evaluated { value: Value::Unknown(why), secret },
                None => Evaluated::unknown("a call that is not followed"),
            };
        };
        let one = texts.first().copied();
        let all = || texts.iter().skip(1).fold(one.unwrap_or(".").to_owned(), |a, b| join(&a, b));
        let value = match (name, one) {
            ("os.path.join", Some(_)) => Some(Value::Str(all())),
            ("os.path.dirname", Some(path)) => Some(Value::Str(dirname(path))),
            ("os.path.basename", Some(path)) => {
                Some(Value::Str(path.rsplit('/').next().unwrap_or_default().to_owned()))
            }
            ("os.path.abspath", Some(path)) => self.absolute(path).map(Value::Str),
            ("os.path.normpath", Some(path)) => Some(Value::Str(normpath(path))),
            ("os.path.realpath", Some(path)) => self.resolved(path).map(Value::Str),
            ("pathlib.Path" | "pathlib.PurePath" | "pathlib.PosixPath", _) => {
                Some(Value::Path(pure_path(&all())))
            }
            ("os.getcwd" | "pathlib.Path.cwd", None) => {
                let here = self.surroundings.working_directory.as_deref().and_then(Path::to_str);
                let make = if name == "os.getcwd" { Value::Str } else { Value::Path };
                here.map(|here| make(here.to_owned()))
            }
            _ => {
                return self.unfollowed(node);
            }
        };
        match value {
            Some(value) => Evaluated { value, secret },
            None => Evaluated::unknown("it is not known where a path leads"),
        }
    }

    fn path_method(&mut self, path: &str, name: &str, given: &Given) -> Option<Value> {
        match (name, given.values.as_slice()) {
            ("resolve", []) => self.resolved(path).map(Value::Path),
            ("absolute", []) if path.starts_with('/') => Some(Value::Path(path.to_owned())),
            ("as_posix" | "__str__", []) => Some(Value::Str(path.to_owned())),
            ("joinpath", parts) => parts
                .iter()
                .try_fold(path.to_owned(), |base, part| match part {
                    Value::Str(part) | Value::Path(part) => Some(join(&base, part)),
                    _ => None,
                })
                .map(|path| Value::Path(pure_path(&path))),
            _ => None,
        }
    }

    pub(super) fn absolute(&self, path: &str) -> Option<String> {
        if path.starts_with('/') {
            return Some(normpath(path));
        }
        let here = self.surroundings.working_directory.as_deref()?.to_str()?;
        Some(normpath(&join(here, path)))
    }

    fn resolved(&self, path: &str) -> Option<String> {
        let path = self.absolute(path)?;
        let found = (self.surroundings.resolve)(Path::new(&path))?;
        found.to_str().map(str::to_owned)
    }

    fn optional_variable(&mut self, given: &Given) -> Evaluated {
        let default = given.values.get(1).cloned().or_else(|| {
            given.named.iter().find(|(name, _)| name == "default").map(|(_, v)| v.clone())
        });
        match given.values.first() {
            Some(Value::Str(name)) => self.variable(name).unwrap_or_else(|| Evaluated {
                value: default.unwrap_or(Value::None),
                secret: given.secret,
            }),
            _ => Evaluated::unknown("a variable whose name is not known"),
        }
    }

    fn convert(&mut self, name: &str, given: Given, at: Span) -> Result<Evaluated, Raise> {
        let secret = given.secret;
        let exact = given.values.len() == 1 && given.named.is_empty();
        let value = match given.values.into_iter().next() {
            None => match name {
                "int" => Value::Int(0),
                "float" => Value::Float(0.0),
                "bool" => Value::Bool(false),
                _ => Value::Str(String::new()),
            },
            Some(Value::Unknown(why)) => Value::Unknown(why),
            Some(_) if !exact => Value::Unknown("a conversion that is not followed".into()),
            Some(value) => match (name, value) {
                ("bool", value) => match value.truth() {
                    Some(truth) => Value::Bool(truth),
                    None => Value::Unknown("a truth value".into()),
                },
                ("str", value) => match value.text() {
                    Some(text) => Value::Str(text),
                    None => Value::Unknown("a text form that is not followed".into()),
                },
                ("int", Value::Str(text)) => match integer(&text) {
                    Some(Some(value)) => Value::Int(value),
                    Some(None) => Value::Unknown("a number beyond 64 bits".into()),
                    None => return Err(self.raise("ValueError", "not a whole number", at)),
                },
                ("int", Value::Float(value)) => truncate(value),
                ("float", Value::Str(text)) => match text.trim().parse::<f64>() {
                    Ok(value) => Value::Float(value),
                    Err(_) => Value::Unknown("a number that is not followed".into()),
                },
                ("int", Value::None) => {
                    return Err(self.raise("TypeError", "int() of None", at));
                }
                ("int", value) => match value.int() {
                    Some(value) => Value::Int(value),
                    None => Value::Unknown("a conversion that is not followed".into()),
                },
                (_, value) => match value.float() {
                    Some(value) => Value::Float(value),
                    None => Value::Unknown("a conversion that is not followed".into()),
                },
            },
        };
        Ok(Evaluated { value, secret })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
fn truncate(value: f64) -> Value {
    match value.abs() < 9e15 {
        true => Value::Int(value.trunc() as i64),
        false => Value::Unknown("a number beyond 64 bits".into()),
    }
}

/// `int(text)`: `None` if Python raises, `Some(None)` if the number is too large for an `i64`.
fn integer(text: &str) -> Option<Option<i64>> {
    let text = text.trim();
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("", text.get(1..)?),
        _ => ("", text),
    };
    let whole =
        digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !whole {
        // Python also accepts digits of other scripts.
        return (!text.is_ascii()).then_some(None);
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    Some(format!("{sign}{digits}").parse().ok())
}

fn extreme(name: &str, values: &[Value]) -> Option<Value> {
    let items = match values {
        [Value::List(items) | Value::Tuple(items)] => items.as_slice(),
        [_] | [] => return None,
        many => many,
    };
    let mut best = items.first()?;
    best.float()?;
    for item in items {
        let (a, b) = (item.float()?, best.float()?);
        if (name == "min" && a < b) || (name == "max" && a > b) {
            best = item;
        }
    }
    Some(best.clone())
}

fn text_method(text: &str, name: &str, given: &Given) -> Option<Value> {
    let texts: Option<Vec<&str>> = given
        .values
        .iter()
        .map(|value| match value {
            Value::Str(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if name == "format" {
        return super::format::braces(text, &given.values, &given.named).map(Value::Str);
    }
    if name == "join" {
        let [Value::List(items) | Value::Tuple(items)] = given.values.as_slice() else {
            return None;
        };
        let parts: Option<Vec<&str>> = items
            .iter()
            .map(|item| match item {
                Value::Str(item) => Some(item.as_str()),
                _ => None,
            })
            .collect();
        return Some(Value::Str(parts?.join(text)));
    }
    if !given.named.is_empty() {
        return None;
    }
    let texts = texts?;
    let value = match (name, texts.as_slice()) {
        ("lower" | "casefold", []) if text.is_ascii() => text.to_lowercase(),
        ("upper", []) if text.is_ascii() => text.to_uppercase(),
        ("strip", []) => text.trim().to_owned(),
        ("lstrip", []) => text.trim_start().to_owned(),
        ("rstrip", []) => text.trim_end().to_owned(),
        ("strip", [set]) => text.trim_matches(|c| set.contains(c)).to_owned(),
        ("lstrip", [set]) => text.trim_start_matches(|c| set.contains(c)).to_owned(),
        ("rstrip", [set]) => text.trim_end_matches(|c| set.contains(c)).to_owned(),
        ("replace", [from, to]) if !from.is_empty() && to.len() < 64 => text.replace(from, to),
        ("startswith", [part]) => return Some(Value::Bool(text.starts_with(part))),
        ("endswith", [part]) => return Some(Value::Bool(text.ends_with(part))),
        ("isdigit" | "isnumeric" | "isdecimal", []) if text.is_ascii() => {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            return Some(Value::Bool(digits));
        }
        ("split", []) => {
            let parts = text.split_whitespace().map(|part| Value::Str(part.to_owned()));
            return Some(Value::List(parts.collect()));
        }
        ("split", [separator]) if !separator.is_empty() => {
            let parts = text.split(separator).map(|part| Value::Str(part.to_owned()));
            return Some(Value::List(parts.collect()));
        }
        _ => return None,
    };
    Some(Value::Str(value))
}

/// `os.path.join`.
pub(super) fn join(base: &str, part: &str) -> String {
    if part.starts_with('/') || base.is_empty() {
        part.to_owned()
    } else if base.ends_with('/') {
        format!("{base}{part}")
    } else {
        format!("{base}/{part}")
    }
}

fn dirname(path: &str) -> String {
    let head = path.rfind('/').map_or("", |at| path.get(..=at).unwrap_or_default());
    let trimmed = head.trim_end_matches('/');
    if trimmed.is_empty() { head.to_owned() } else { trimmed.to_owned() }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// `Path(…).parent`.
fn parent(path: &str) -> String {
    match path.rfind('/') {
        Some(0) => "/".to_owned(),
        Some(at) => path.get(..at).unwrap_or_default().to_owned(),
        None => ".".to_owned(),
    }
}

/// The path as `Path(…)` keeps it: without doubled slashes and `.`, but with `..`.
fn pure_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty() && *p != ".").collect();
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
