//! How gunicorn's validators (`config.py`) convert a value, and what they refuse.

use super::settings::Kind;

/// A setting's value after its validator.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// A number.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// None.
    None,
    /// A dictionary.
    Dict,
    /// A function or class.
    Callable,
}

/// A value before its validator.
#[derive(Clone, PartialEq)]
pub enum RawValue {
    /// `int`
    Int(i64),
    /// `float`
    Float(f64),
    /// `bool`
    Bool(bool),
    /// `str`
    Text(String),
    /// `None`
    None,
    /// A list or tuple.
    List(Vec<RawValue>),
    /// A dictionary.
    Dict,
    /// A function or class; for a function, how many positional arguments it takes.
    Callable(Option<usize>),
    /// Not known, with the reason.
    Unknown(String),
}

/// The result of a validator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validated {
    /// The value.
    Value(SettingValue),
    /// Not known, with the reason.
    Unknown(String),
    /// gunicorn refuses the value and exits; the text says what gunicorn wants instead, and does
    /// not contain the value.
    Refused(String),
}

/// How many arguments a hook has to take; `None` for a setting that is not a hook.
///
/// Tested against gunicorn 20.1.0 to 27.0.1 (`gunicorn_real::hooks_take_these_many_arguments`).
fn arguments(hook: &str) -> Option<&'static [usize]> {
    Some(match hook {
        "on_starting" | "on_reload" | "when_ready" | "post_worker_init" | "worker_int"
        | "worker_abort" | "pre_exec" | "on_exit" | "on_dirty_starting" | "dirty_worker_init" => {
            &[1]
        }
        "pre_fork" | "post_fork" | "pre_request" | "child_exit" | "worker_exit" | "ssl_context"
        | "dirty_post_fork" | "dirty_worker_exit" => &[2],
        "nworkers_changed" => &[3],
        "post_request" => &[2, 3, 4],
        _ => return None,
    })
}

/// Whether the setting must be a function with a certain number of arguments.
pub fn is_hook(name: &str) -> bool {
    arguments(name).is_some()
}

fn wanted(fits: &[usize], has: usize) -> String {
    let counts: Vec<String> = fits.iter().map(ToString::to_string).collect();
    let arguments = if fits == [1] { "argument" } else { "arguments" };
    format!(
        "a function of {} {arguments}, and takes {has} (*args does not count)",
        counts.join(" or ")
    )
}

/// Validates a value as gunicorn's validator of this kind does; `name` is the setting's.
pub fn validate(kind: Kind, name: &str, value: &RawValue) -> Validated {
    use Validated::{Refused, Unknown};
    let refused = |wants: &str| Refused(wants.to_owned());
    if let RawValue::Unknown(why) = value {
        return Unknown(why.clone());
    }
    match kind {
        Kind::PositiveInt => positive_int(value),
        Kind::Bool => match value {
            RawValue::None => done(SettingValue::None),
            RawValue::Bool(value) => done(SettingValue::Bool(*value)),
            RawValue::Text(text) => match text.to_lowercase().trim() {
                "true" => done(SettingValue::Bool(true)),
                "false" => done(SettingValue::Bool(false)),
                _ => refused("True or False"),
            },
            _ => refused("True or False"),
        },
        Kind::Text | Kind::Directory => text(value),
        Kind::TextList | Kind::Files => text_list(value),
        Kind::TextSet => match text(value) {
            Validated::Value(SettingValue::Text(text)) => {
                let items = text.split(',').filter(|item| !item.is_empty());
                done(SettingValue::List(items.map(|item| item.trim().to_owned()).collect()))
            }
            Validated::Value(_) => done(SettingValue::List(Vec::new())),
            other => other,
        },
        Kind::User | Kind::Group => match value {
            RawValue::Int(number) => done(SettingValue::Int(*number)),
            RawValue::Bool(number) => done(SettingValue::Int(i64::from(*number))),
            RawValue::None => done(SettingValue::None),
            RawValue::Text(text)
                if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) =>
            {
                match text.parse() {
                    Ok(number) => done(SettingValue::Int(number)),
                    Err(_) => Unknown("a number beyond 64 bits".into()),
                }
            }
            RawValue::Text(text) => done(SettingValue::Text(text.clone())),
            _ => refused("a name or a number"),
        },
        Kind::Class => match value {
            RawValue::Callable(_) => done(SettingValue::Callable),
            other => text(other),
        },
        Kind::Callable => match value {
            RawValue::Callable(count) => match (count, arguments(name)) {
                (Some(count), Some(fits)) if !fits.contains(count) => Refused(wanted(fits, *count)),
                _ => done(SettingValue::Callable),
            },
            RawValue::Text(text) if text.contains('.') => {
                Unknown("a function named by text".into())
            }
            _ => refused("a function"),
        },
        Kind::Dict => match value {
            RawValue::Dict => done(SettingValue::Dict),
            _ => refused("a dictionary"),
        },
        Kind::ProxyProtocol => proxy_protocol(value),
        Kind::ReloadEngine => match value {
            RawValue::Text(text) if matches!(text.as_str(), "auto" | "poll" | "inotify") => {
                done(SettingValue::Text(text.clone()))
            }
            _ => refused("auto, poll or inotify"),
        },
        Kind::Statsd | Kind::Choice | Kind::Opaque => match value {
            RawValue::Int(number) => done(SettingValue::Int(*number)),
            RawValue::Text(text) => done(SettingValue::Text(text.clone())),
            RawValue::None => done(SettingValue::None),
            _ => Unknown("a value that is not checked here".into()),
        },
    }
}

fn done(value: SettingValue) -> Validated {
    Validated::Value(value)
}

fn text(value: &RawValue) -> Validated {
    match value {
        RawValue::Text(text) => done(SettingValue::Text(text.trim().to_owned())),
        RawValue::None => done(SettingValue::None),
        _ => Validated::Refused("text".into()),
    }
}

/// `validate_list_string`: no text, one text, or several.
fn text_list(value: &RawValue) -> Validated {
    let items = match value {
        RawValue::Text(text) if text.is_empty() => return done(SettingValue::List(Vec::new())),
        RawValue::Text(text) => return done(SettingValue::List(vec![text.trim().to_owned()])),
        RawValue::None | RawValue::Bool(false) | RawValue::Int(0) => {
            return done(SettingValue::List(Vec::new()));
        }
        RawValue::List(items) => items,
        RawValue::Dict => return Validated::Unknown("a dictionary for a list".into()),
        _ => return Validated::Refused("a list of texts".into()),
    };
    let mut texts = Vec::new();
    for item in items {
        match item {
            RawValue::Text(text) => texts.push(text.trim().to_owned()),
            RawValue::Unknown(why) => return Validated::Unknown(why.clone()),
            // `validate_string` accepts None: what happens then depends on the setting.
            RawValue::None => return Validated::Unknown("None in a list of texts".into()),
            _ => return Validated::Refused("a list of texts".into()),
        }
    }
    done(SettingValue::List(texts))
}

fn positive_int(value: &RawValue) -> Validated {
    let number = match value {
        RawValue::Int(number) => *number,
        RawValue::Bool(number) => i64::from(*number),
        RawValue::Text(text) => match integer(text, Base::Any) {
            Some(Some(number)) => number,
            Some(None) => return Validated::Unknown("a number beyond 64 bits".into()),
            None => return Validated::Refused("a whole number".into()),
        },
        _ => return Validated::Refused("a whole number".into()),
    };
    if number < 0 {
        return Validated::Refused("a number that is not below 0".into());
    }
    done(SettingValue::Int(number))
}

fn proxy_protocol(value: &RawValue) -> Validated {
    let word = match value {
        RawValue::None | RawValue::Bool(false) => "off",
        RawValue::Bool(true) => "auto",
        RawValue::Text(text) => match text.to_lowercase().trim() {
            "false" | "off" | "0" | "none" => "off",
            "true" | "auto" | "1" => "auto",
            "v1" => "v1",
            "v2" => "v2",
            _ => return Validated::Refused("off, v1, v2 or auto".into()),
        },
        _ => return Validated::Refused("off, v1, v2 or auto".into()),
    };
    done(SettingValue::Text(word.into()))
}

/// The bases in which Python reads a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// `int(x)`.
    Ten,
    /// `int(x, 0)`: `0x`, `0o`, `0b`.
    Any,
    /// gunicorn's `auto_int`: like [`Base::Any`], but `022` is octal.
    Auto,
}

/// Python's `int(text)`: `None` if it raises, `Some(None)` if the number does not fit in 64 bits.
pub fn integer(text: &str, base: Base) -> Option<Option<i64>> {
    let auto;
    let mut text = text;
    // `re.match(r"0(\d)", x)`, then the first `0` becomes `0o`.
    if base == Base::Auto
        && text.starts_with('0')
        && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit)
    {
        auto = format!("0o{}", text.get(1..)?);
        text = &auto;
    }
    let text = text.trim_matches(|c: char| c.is_whitespace());
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match (base, lower.get(..2)) {
        (Base::Any | Base::Auto, Some("0x")) => (16, lower.get(2..)?),
        (Base::Any | Base::Auto, Some("0o")) => (8, lower.get(2..)?),
        (Base::Any | Base::Auto, Some("0b")) => (2, lower.get(2..)?),
        _ => (10, lower.as_str()),
    };
    // An underscore may come after a prefix and between digits, but only one at a time.
    let digits = if radix == 10 { digits } else { digits.strip_prefix('_').unwrap_or(digits) };
    let valid =
        digits.split('_').all(|part| !part.is_empty() && part.chars().all(|c| c.is_digit(radix)));
    if !valid {
        // Python also accepts digits of other scripts.
        return (!text.is_ascii()).then_some(None);
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    // `int("010", 0)` raises, `int("00", 0)` does not.
    if base != Base::Ten
        && radix == 10
        && digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().any(|b| b != b'0')
    {
        return None;
    }
    let number = i128::from_str_radix(&digits, radix).ok().map(|n| if negative { -n } else { n });
    Some(number.and_then(|number| i64::try_from(number).ok()))
}
