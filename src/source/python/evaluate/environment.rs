//! How the file itself changes the environment while it is loaded.
//!
//! Only what is followed is known. What is not followed (a loop, a function, an imported module, a
//! file that was not read) makes the variables that it may set unknown; they never keep a default.

use std::collections::BTreeMap;

use ruff_python_ast::ExprCall;

use super::super::super::{Lookup, Secret, Span};
use super::super::environ::{EnvironmentWrite, WriteKind};
use super::calls::Given;
use super::dotenv;
use super::value::{Evaluated, Value};
use super::{Evaluator, FileText, OwnEnvironment, Raise};

/// How many directories upward `load_dotenv()` is followed.
const UPWARD: usize = 64;

/// Packages that configuration files import and whose import does not change the environment.
const HARMLESS: [&str; 16] = [
    "decouple",
    "environ",
    "environs",
    "eventlet",
    "flask",
    "django",
    "gevent",
    "gunicorn",
    "json_log_formatter",
    "prometheus_client",
    "psycogreen",
    "psycopg2",
    "pythonjsonlogger",
    "structlog",
    "uvicorn",
    "yaml",
];

/// Whether importing this module does not change the environment.
pub fn leaves_environment_alone(module: &str) -> bool {
    let first = module.split('.').next().unwrap_or_default();
    first == "dotenv" || HARMLESS.contains(&first)
}

/// What is known about the environment besides what the process was started with.
#[derive(Clone, Default)]
pub(super) struct Changes {
    variables: BTreeMap<String, Own>,
    /// Why any unset variable may have been set.
    fills: Option<String>,
    /// Why any variable may have been set, changed or removed.
    changes: Option<String>,
}

#[derive(Clone)]
enum Own {
    Set(Evaluated),
    Removed,
    Unknown(String),
}

impl<'a> Evaluator<'a> {
    /// `os.environ["X"]`: the value, or the exception if it is not set.
    pub(super) fn required_variable(&mut self, name: &str, at: Span) -> Result<Evaluated, Raise> {
        match self.variable(name) {
            Some(value) => Ok(value),
            None => {
                let message = format!("{name} is not set in the environment");
                Err(self.raise("KeyError", &message, at))
            }
        }
    }

    /// A variable's value; `None` if it is not set.
    pub(super) fn variable(&mut self, name: &str) -> Option<Evaluated> {
        let unknown = |why: &str| Evaluated::unknown(format!("the variable {name}: {why}"));
        match self.environment.variables.get(name) {
            Some(Own::Set(value)) => return Some(value.clone()),
            Some(Own::Removed) => return None,
            Some(Own::Unknown(why)) => return Some(unknown(why)),
            None => {}
        }
        if let Some(why) = &self.environment.changes {
            return Some(unknown(why));
        }
        match (self.surroundings.variable)(name) {
            Lookup::Set(value) => {
                let value = value.expose_str().map_or_else(
                    || Value::Unknown(format!("{name} is not UTF-8")),
                    |text| Value::Str(text.to_owned()),
                );
                Some(Evaluated { value, secret: true })
            }
            Lookup::Unset => self.environment.fills.as_deref().map(unknown),
            Lookup::Unknown(why) => Some(unknown(&why)),
        }
    }

    pub(super) fn is_set(&self, name: &str) -> Option<bool> {
        match self.environment.variables.get(name) {
            Some(Own::Set(_)) => return Some(true),
            Some(Own::Removed) => return Some(false),
            Some(Own::Unknown(_)) => return None,
            None => {}
        }
        if self.environment.changes.is_some() {
            return None;
        }
        match (self.surroundings.variable)(name) {
            Lookup::Set(Secret { .. }) => Some(true),
            Lookup::Unset if self.environment.fills.is_none() => Some(false),
            Lookup::Unset | Lookup::Unknown(_) => None,
        }
    }

    /// `os.environ[key] = value`.
    pub(super) fn set_variable(&mut self, key: &Value, value: Evaluated) {
        match (key, &value.value) {
            (Value::Str(name), Value::Str(_) | Value::Unknown(_)) => {
                self.environment.variables.insert(name.clone(), Own::Set(value));
            }
            // Any value but text raises an exception; which one is not determined.
            (Value::Str(name), _) => {
                let why = Own::Unknown("the file sets it to something that is not text".into());
                self.environment.variables.insert(name.clone(), why);
                self.uncertain = true;
            }
            _ => self.environment_changes("the file sets variables whose names are not known"),
        }
    }

    pub(super) fn set_default(&mut self, key: &Value, value: Evaluated) {
        let Value::Str(name) = key else {
            return self.environment_fills("the file sets variables whose names are not known");
        };
        match self.is_set(name) {
            Some(true) => {}
            Some(false) => self.set_variable(key, value),
            None => {
                let why = "the file sets it, unless it is set already".to_owned();
                self.environment.variables.insert(name.clone(), Own::Unknown(why));
            }
        }
    }

    pub(super) fn remove_variable(&mut self, key: &Value) {
        match key {
            Value::Str(name) => {
                self.environment.variables.insert(name.clone(), Own::Removed);
            }
            _ => self.environment_changes("the file removes variables whose names are not known"),
        }
    }

    /// `os.environ.update(…)`, `os.environ |= …`.
    pub(super) fn update_variables(&mut self, from: Option<&Value>, secret: bool) {
        match from {
            None => {}
            Some(Value::Dict(items)) => {
                for (key, value) in items.clone() {
                    self.set_variable(&key, Evaluated { value, secret });
                }
            }
            Some(_) => self.environment_changes("`os.environ.update(…)` may set it"),
        }
    }

    /// A method of `os.environ`.
    pub(super) fn environment_method(
        &mut self,
        name: &str,
        node: &'a ExprCall,
        given: &Given,
    ) -> Result<Evaluated, Raise> {
        let at = self.span(node);
        let first = given.values.first();
        let second = given.values.get(1).cloned();
        Ok(match (name.rsplit('.').next().unwrap_or_default(), first) {
            ("setdefault", Some(key)) => {
                let value = second.unwrap_or(Value::None);
                self.set_default(key, Evaluated { value, secret: given.secret });
                match key {
                    Value::Str(name) => self.required_variable(name, at)?,
                    _ => Evaluated::unknown("a variable whose name is not known"),
                }
            }
            ("pop", Some(key)) => {
                let value = match (key, second) {
                    (Value::Str(name), None) => self.required_variable(name, at)?,
                    (Value::Str(name), Some(default)) => self
                        .variable(name)
                        .unwrap_or(Evaluated { value: default, secret: given.secret }),
                    _ => Evaluated::unknown("a variable whose name is not known"),
                };
                self.remove_variable(key);
                value
            }
            ("update", first) => {
                self.update_variables(first, given.secret);
                for (name, value) in &given.named {
                    let value = Evaluated { value: value.clone(), secret: given.secret };
                    match name.as_str() {
                        "**" => self.update_variables(Some(&value.value), given.secret),
                        name => self.set_variable(&Value::Str(name.to_owned()), value),
                    }
                }
                Evaluated::plain(Value::None)
            }
            ("clear", _) => {
                self.environment_changes("the file clears the environment");
                Evaluated::plain(Value::None)
            }
            _ => Evaluated::unknown("the whole environment"),
        })
    }

    /// Records that any unset variable may be set now.
    pub(super) fn environment_fills(&mut self, why: &str) {
        for own in self.environment.variables.values_mut() {
            if matches!(own, Own::Removed) {
                *own = Own::Unknown(why.to_owned());
            }
        }
        self.environment.fills.get_or_insert_with(|| why.to_owned());
    }

    /// Records that any variable may have changed.
    pub(super) fn environment_changes(&mut self, why: &str) {
        self.environment.variables.clear();
        self.environment.changes.get_or_insert_with(|| why.to_owned());
    }

    /// Makes the variables unknown that code in this range writes, because the code is not
    /// followed.
    pub(super) fn writes_within(&mut self, span: Span) {
        let inside = |write: &&EnvironmentWrite| {
            span.file == write.span.file
                && span.start <= write.span.start
                && write.span.end <= span.end
        };
        let writes: Vec<EnvironmentWrite> = self.writes.iter().filter(inside).cloned().collect();
        self.not_followed(&writes);
    }

    /// Makes the variables unknown that functions of the file write: it is not known which
    /// functions run, or how far.
    pub(super) fn writes_of_functions(&mut self) {
        let inside = |write: &&EnvironmentWrite| write.in_function;
        let writes: Vec<EnvironmentWrite> = self.writes.iter().filter(inside).cloned().collect();
        self.not_followed(&writes);
    }

    fn not_followed(&mut self, writes: &[EnvironmentWrite]) {
        for write in writes {
            match (&write.name, write.kind) {
                (Some(name), WriteKind::Fill) if self.is_set(name) == Some(true) => {}
                (Some(name), _) => {
                    let why = "the file changes it in code that is not followed".to_owned();
                    self.environment.variables.insert(name.clone(), Own::Unknown(why));
                }
                (None, WriteKind::Fill) => self.environment_fills("the file loads variables"),
                (None, _) => self
                    .environment_changes("the file sets variables in a way that is not followed"),
            }
        }
    }

    /// The arguments of `load_dotenv(dotenv_path, stream, verbose, override, interpolate)`.
    pub(super) fn dotenv_call(&mut self, given: &Given) -> Value {
        let path = given.argument(0, "dotenv_path").cloned();
        let stream = given.argument(1, "stream").is_some_and(|v| !matches!(v, Value::None));
        let overrides = match given.argument(3, "override") {
            None => Some(false),
            Some(value) => value.truth(),
        };
        let plain = !stream && given.argument(5, "encoding").is_none() && !given.is_open();
        if self.is_set("PYTHON_DOTENV_DISABLED") != Some(false) || !plain {
            self.environment_changes("`load_dotenv()` may change it");
            return Value::Unknown("what `load_dotenv()` found".into());
        }
        self.load_dotenv(path.as_ref(), overrides)
    }

    /// `find_dotenv(filename, raise_error_if_not_found, usecwd)`.
    pub(super) fn dotenv_search(&mut self, given: &Given) -> Value {
        let unknown = || Value::Unknown("it is not known which file `find_dotenv()` finds".into());
        let name = match given.argument(0, "filename") {
            None => ".env".to_owned(),
            Some(Value::Str(name)) => name.clone(),
            Some(_) => return unknown(),
        };
        let from = match given.argument(2, "usecwd").map(Value::truth) {
            None | Some(Some(false)) => {
                self.module.path().parent().map(std::path::Path::to_path_buf)
            }
            Some(Some(true)) => self.surroundings.working_directory.clone(),
            Some(None) => return unknown(),
        };
        let from = from.filter(|from| from.is_absolute());
        match from
            .as_deref()
            .and_then(std::path::Path::to_str)
            .and_then(|from| self.find_dotenv(&name, from))
        {
            Some(Some(path)) => Value::Str(path),
            Some(None) if given.argument(1, "raise_error_if_not_found").is_none() => {
                Value::Str(String::new())
            }
            _ => unknown(),
        }
    }

    /// Records what importing a module of the release or of another package changes.
    pub(super) fn import_changes(&mut self, module: &str, name: Option<&str>) {
        if leaves_environment_alone(module) {
            return;
        }
        let whole = name.map(|name| format!("{module}.{name}"));
        let found = (self.surroundings.imported)(module);
        // `from package import module` runs both modules.
        let below = whole.and_then(|whole| (self.surroundings.imported)(&whole));
        match found {
            Some(writes) => {
                self.not_followed(&writes);
                self.not_followed(&below.unwrap_or_default());
            }
            None => {
                self.environment_changes(&format!("`{module}`, which is imported, may change it"))
            }
        }
    }

    /// Loads the file at `path`, or the first `.env` found from the file's own directory upward.
    pub(super) fn load_dotenv(&mut self, path: Option<&Value>, overrides: Option<bool>) -> Value {
        let found = match path {
            None | Some(Value::None) => {
                let here = self.module.path().parent();
                let here = here.filter(|here| here.is_absolute());
                let here = here.and_then(|here| here.to_str()).map(str::to_owned);
                here.and_then(|here| self.find_dotenv(".env", &here))
            }
            Some(Value::Str(path) | Value::Path(path)) if !path.is_empty() => {
                self.absolute(path).map(Some)
            }
            Some(Value::Str(_)) => Some(None),
            _ => None,
        };
        let read = match &found {
            Some(Some(path)) => (self.surroundings.read)(std::path::Path::new(path)),
            Some(None) => FileText::Missing,
            None => FileText::Unknown("it is not known where `load_dotenv()` looks".into()),
        };
        match (read, overrides) {
            (FileText::Text(text), Some(overrides)) => {
                self.adopt_dotenv(&text, overrides);
                Value::Bool(true)
            }
            (FileText::Missing, _) => Value::Bool(false),
            (FileText::Unknown(why), Some(false)) => {
                self.environment_fills(&format!("`load_dotenv()` may set it ({why})"));
                Value::Unknown(why)
            }
            _ => {
                self.environment_changes("`load_dotenv()` may change it");
                Value::Unknown("what `load_dotenv()` found".into())
            }
        }
    }

    /// The first file of this name from a directory upward: `None` if that is not known,
    /// `Some(None)` if there is no such file.
    pub(super) fn find_dotenv(&self, name: &str, from: &str) -> Option<Option<String>> {
        let directories = std::path::Path::new(from).ancestors().take(UPWARD);
        for directory in directories {
            let path = directory.join(name);
            match (self.surroundings.read)(&path) {
                FileText::Text(_) => return Some(Some(path.to_str()?.to_owned())),
                FileText::Missing => {}
                FileText::Unknown(_) => return None,
            }
        }
        Some(None)
    }

    fn adopt_dotenv(&mut self, text: &str, overrides: bool) {
        let parsed = dotenv::parse(text);
        for (name, value) in parsed.variables {
            let value = match value {
                Some(text) => Evaluated { value: Value::Str(text), secret: true },
                None => Evaluated {
                    secret: true,
                    ..Evaluated::unknown("its value in a `.env` is not followed")
                },
            };
            let key = Value::Str(name);
            if overrides { self.set_variable(&key, value) } else { self.set_default(&key, value) }
        }
        if parsed.open {
            let why = "a line of a `.env` was not understood";
            if overrides { self.environment_changes(why) } else { self.environment_fills(why) }
        }
    }

    /// The environment as the application finds it, after the file's changes and possibly those of
    /// its hooks.
    pub(super) fn own_environment(&self) -> OwnEnvironment {
        let variables = self.environment.variables.iter().map(|(name, own)| {
            let own = match own {
                Own::Set(Evaluated { value: Value::Str(text), .. }) => {
                    Lookup::Set(Secret::new(text.as_str()))
                }
                Own::Set(_) => Lookup::Unknown("the configuration file sets it".into()),
                Own::Removed => Lookup::Unset,
                Own::Unknown(why) => Lookup::Unknown(why.clone()),
            };
            (name.clone(), own)
        });
        let mut own = OwnEnvironment {
            variables: variables.collect(),
            fills: self.environment.fills.clone(),
            changes: self.environment.changes.clone(),
        };
        for write in self.writes.iter().filter(|write| write.in_function) {
            match (&write.name, write.kind) {
                (Some(name), _) => {
                    let why = "a function of the configuration file, such as a hook, changes it";
                    own.variables.insert(name.clone(), Lookup::Unknown(why.into()));
                }
                (None, WriteKind::Fill) => {
                    own.fills.get_or_insert_with(|| {
                        "a hook of the configuration file loads variables".into()
                    });
                }
                (None, _) => {
                    own.changes.get_or_insert_with(|| {
                        "a hook of the configuration file changes the environment".into()
                    });
                }
            }
        }
        own
    }
}
