//! Python values, as far as configuration files use them.

use ruff_python_ast::Parameters;

use super::ConfigValue;

/// A value, and whether it contains an environment variable's value.
#[derive(Clone)]
pub(super) struct Evaluated {
    pub value: Value,
    pub secret: bool,
}

#[derive(Clone)]
pub(super) enum Value {
    Int(i64),
    Float(f64),
    Str(String),
    /// A `pathlib.Path`.
    Path(String),
    Bool(bool),
    None,
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// An object of Python's library, by its dotted name.
    Named(String),
    Callable(Option<usize>),
    Unknown(String),
}

impl Evaluated {
    pub(super) fn plain(value: Value) -> Self {
        Self { value, secret: false }
    }

    pub(super) fn unknown(why: impl Into<String>) -> Self {
        Self::plain(Value::Unknown(why.into()))
    }
}

impl Value {
    /// The cost of copying the value.
    pub(super) fn weight(&self) -> usize {
        let mut todo = vec![self];
        let mut weight = 0_usize;
        while let Some(value) = todo.pop() {
            weight += 1;
            match value {
                Self::Str(text) | Self::Path(text) | Self::Unknown(text) | Self::Named(text) => {
                    weight += text.len();
                }
                Self::List(items) | Self::Tuple(items) => todo.extend(items),
                Self::Dict(items) => todo.extend(items.iter().flat_map(|(k, v)| [k, v])),
                _ => {}
            }
        }
        weight
    }

    /// The truth of the value in Python; `None` if that is not known.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(match self {
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(value) => !value.is_empty(),
            Self::Bool(value) => *value,
            Self::None => false,
            Self::List(items) | Self::Tuple(items) => !items.is_empty(),
            Self::Dict(items) => !items.is_empty(),
            Self::Path(_) | Self::Named(_) | Self::Callable(_) => true,
            Self::Unknown(_) => return None,
        })
    }

    /// The reason why the value, or something in it, is not known.
    pub(super) fn unknown(&self) -> Option<&str> {
        let mut todo = vec![self];
        while let Some(value) = todo.pop() {
            match value {
                Self::Unknown(why) => return Some(why),
                Self::List(items) | Self::Tuple(items) => todo.extend(items),
                Self::Dict(items) => todo.extend(items.iter().flat_map(|(k, v)| [k, v])),
                _ => {}
            }
        }
        None
    }

    /// The value as a whole number; Python counts truth values as such.
    pub(super) fn int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Bool(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    /// The value as a number.
    #[expect(clippy::cast_precision_loss, reason = "as Python's own float(int)")]
    pub(super) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            other => other.int().map(|value| value as f64),
        }
    }

    /// Python's `==`; `None` if it is not known.
    pub(super) fn equals(&self, other: &Self) -> Option<bool> {
        if self.unknown().is_some() || other.unknown().is_some() {
            return None;
        }
        if let (Some(a), Some(b)) = (self.int(), other.int()) {
            return Some(a == b);
        }
        if let (Some(a), Some(b)) = (self.float(), other.float()) {
            return Some(a == b);
        }
        match (self, other) {
            (Self::Str(a), Self::Str(b)) | (Self::Path(a), Self::Path(b)) => Some(a == b),
            (Self::None, Self::None) => Some(true),
            (Self::List(a), Self::List(b)) | (Self::Tuple(a), Self::Tuple(b)) => {
                if a.len() != b.len() {
                    return Some(false);
                }
                let mut all = a.iter().zip(b).map(|(a, b)| a.equals(b));
                all.try_fold(true, |all, one| one.map(|one| all && one))
            }
            (Self::Dict(_) | Self::Named(_) | Self::Callable(_), _)
            | (_, Self::Dict(_) | Self::Named(_) | Self::Callable(_)) => None,
            _ => Some(false),
        }
    }

    /// `str(value)`; `None` if its form is not certain.
    pub(super) fn text(&self) -> Option<String> {
        Some(match self {
            Self::Int(value) => value.to_string(),
            Self::Float(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                format!("{value:.1}")
            }
            Self::Float(value) if (1e-4..1e15).contains(&value.abs()) => format!("{value}"),
            Self::Str(value) | Self::Path(value) => value.clone(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::None => "None".into(),
            _ => return None,
        })
    }

    pub(super) fn into_config(self) -> ConfigValue {
        let list = |items: Vec<Self>| {
            ConfigValue::List(items.into_iter().map(Self::into_config).collect())
        };
        match self {
            Self::Int(value) => ConfigValue::Int(value),
            Self::Float(value) => ConfigValue::Float(value),
            Self::Str(value) => ConfigValue::Str(value),
            Self::Bool(value) => ConfigValue::Bool(value),
            Self::None => ConfigValue::None,
            Self::List(items) | Self::Tuple(items) => list(items),
            Self::Dict(items) => ConfigValue::Dict(
                items.into_iter().map(|(k, v)| (k.into_config(), v.into_config())).collect(),
            ),
            Self::Callable(count) => ConfigValue::Callable(count),
            Self::Path(value) => ConfigValue::Path(value),
            Self::Named(name) => ConfigValue::Unknown(format!("`{name}` itself")),
            Self::Unknown(why) => ConfigValue::Unknown(why),
        }
    }
}

/// How many positional arguments a function takes, without `*args`.
pub(super) fn positional(parameters: &Parameters) -> usize {
    parameters.posonlyargs.len() + parameters.args.len()
}
