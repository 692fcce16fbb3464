//! Evaluates the top-level names of a `gunicorn.conf.py` without running it.
//!
//! Only what is certain is reported: a value that depends on something unknown is
//! [`ConfigValue::Unknown`] with the reason, and so is every name that may be assigned by a
//! construct that is not followed (a loop, `with`, an unknown condition). The semantics are those
//! of Python's Language Reference; the constructs covered are those that real configuration files
//! use.

mod calls;
mod dotenv;
mod environment;
mod expressions;
mod format;
mod statements;
mod taken;
mod value;
mod walkthrough;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::{FileId, Lookup, Span, Spanned};
use super::Module;
use super::environ::EnvironmentWrite;
use environment::Changes;
pub use environment::leaves_environment_alone;
use taken::Taken;
pub use taken::{FromImport, TakenModule};
use value::{Evaluated, Value};
pub use walkthrough::{CallArguments, CalledFactory};
pub(super) use walkthrough::{Walkthrough, with_variables};

/// The value of a name.
#[derive(Clone, PartialEq)]
pub enum ConfigValue {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A `pathlib.Path`, which gunicorn refuses where it expects text.
    Path(String),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// A list or tuple.
    List(Vec<ConfigValue>),
    /// A dictionary.
    Dict(Vec<(ConfigValue, ConfigValue)>),
    /// A function or class; for a function, how many positional arguments it takes, without
    /// `*args`.
    Callable(Option<usize>),
    /// Not known, with the reason.
    Unknown(String),
}

/// One top-level name of a configuration file and its last value.
#[derive(Clone, PartialEq)]
pub struct Assignment {
    /// The name, at its last assignment.
    pub name: Spanned<String>,
    /// The place of the expression.
    pub value_span: Span,
    /// Whether the value is derived from an environment variable and must not be shown.
    pub secret: bool,
    value: ConfigValue,
}

impl Assignment {
    /// The value. If [`Assignment::secret`] is set, the value must not reach any output.
    pub fn value(&self) -> &ConfigValue {
        &self.value
    }

    /// The value, if it is text that is not derived from an environment variable.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            ConfigValue::Str(text) if !self.secret => Some(text),
            _ => None,
        }
    }

    /// Records that the text names a function with this many positional arguments.
    pub fn is_function(&mut self, count: usize) {
        self.value = ConfigValue::Callable(Some(count));
    }
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Assignment");
        out.field("name", &self.name).field("value_span", &self.value_span);
        match self.secret {
            true => out.field("value", &format_args!("Secret(…)")),
            false => out.field("value", &Plain(&self.value)),
        };
        out.finish()
    }
}

struct Plain<'a>(&'a ConfigValue);

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ConfigValue::Int(value) => value.fmt(f),
            ConfigValue::Float(value) => value.fmt(f),
            ConfigValue::Str(value) | ConfigValue::Path(value) => value.fmt(f),
            ConfigValue::Bool(value) => value.fmt(f),
            ConfigValue::None => f.write_str("None"),
            ConfigValue::List(items) => f.debug_list().entries(items.iter().map(Plain)).finish(),
            ConfigValue::Dict(items) => {
                let items = items.iter().map(|(key, value)| (Plain(key), Plain(value)));
                f.debug_map().entries(items).finish()
            }
            ConfigValue::Callable(_) => f.write_str("Callable"),
            ConfigValue::Unknown(why) => write!(f, "Unknown({why})"),
        }
    }
}

/// How the file, or a hook in it, changes the environment that gunicorn was started with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnEnvironment {
    /// The variables that it changes, as the application finds them.
    pub variables: BTreeMap<String, Lookup>,
    /// Why it may set other variables that are unset.
    pub fills: Option<String>,
    /// Why it may change any variable.
    pub changes: Option<String>,
}

/// The content of another file that the configuration file reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// The text. It may contain secrets.
    Text(String),
    /// The file does not exist.
    Missing,
    /// The content is not known, with the reason.
    Unknown(String),
}

/// An exception that running the file certainly raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raises {
    /// The exception and its message, without any value.
    pub message: String,
    /// The place at which it is raised.
    pub span: Span,
}

/// An evaluated configuration file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigFile {
    /// The top-level names in the order of their first assignment, with their last values.
    pub values: Vec<Assignment>,
    /// Why, and where, names beyond [`ConfigFile::values`] may be set (`from x import *`).
    pub open: Option<(String, Span)>,
    /// The exception with which loading the file certainly fails.
    pub raises: Option<Raises>,
    /// Why the file could not be evaluated (a syntax error, not read), so that nothing in it is
    /// known.
    pub unusable: Option<String>,
    /// How the file changes the environment.
    pub environment: OwnEnvironment,
}

impl ConfigFile {
    /// A file that exists but of which nothing is known.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { unusable: Some(why.into()), ..Self::default() }
    }

    /// The assignment of a name.
    pub fn get(&self, name: &str) -> Option<&Assignment> {
        self.values.iter().find(|assignment| assignment.name.value == name)
    }
}

/// The surroundings of the file, as far as they are known.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// What `cpu_count()` returns.
    pub cpu_count: Option<u32>,
    /// The value of `__file__`, if that is not the module's own path.
    pub file: Option<&'a Path>,
    /// The working directory when the file is loaded.
    pub working_directory: Option<PathBuf>,
    /// Resolves all links of a path (`resolve()`, `realpath`); `None` if that is not known.
    pub resolve: &'a dyn Fn(&Path) -> Option<PathBuf>,
    /// Reads a file that the configuration file reads, such as a `.env`.
    pub read: &'a dyn Fn(&Path) -> FileText,
    /// How an imported module, with everything it imports in turn, changes the environment; `None`
    /// if that is not known.
    pub imported: &'a dyn Fn(&str) -> Option<Vec<EnvironmentWrite>>,
    /// Finds a module from which the file imports names (`from .base import *`), to be evaluated as
    /// well.
    pub taken: &'a dyn Fn(&FromImport<'_>) -> TakenModule,
}

/// Evaluates the top-level names of a module that is loaded as a configuration file.
pub fn evaluate(module: &Module, surroundings: &Surroundings<'_>) -> ConfigFile {
    if let Some(why) = module.unusable() {
        return ConfigFile::unknown(why);
    }
    let mut machine = Evaluator::new(module, surroundings);
    let raised = machine.run(module.statements()).err();
    let raises = raised.map(|raise| Raises { message: raise.message, span: raise.span });
    let names = &machine.names;
    let values = machine
        .order
        .iter()
        .filter_map(|name| Some((name, names.get(name)?)))
        .filter(|(_, slot)| !matches!(slot.evaluated.value, Value::Named(_)))
        .map(|(name, slot)| Assignment {
            name: Spanned { value: name.clone(), span: slot.name_span },
            value_span: slot.value_span,
            secret: slot.evaluated.secret,
            value: slot.evaluated.value.clone().into_config(),
        })
        .collect();
    let environment = machine.own_environment();
    ConfigFile { values, open: machine.open, raises, unusable: None, environment }
}

/// How much may be copied in total, so that a hostile file costs little.
const FUEL: usize = 4 << 20;
/// How deeply expressions are followed.
const DEPTH: usize = 80;

#[derive(Clone)]
struct Slot {
    evaluated: Evaluated,
    name_span: Span,
    value_span: Span,
    /// Whether another name may refer to the same list.
    shared: bool,
}

struct Evaluator<'a> {
    module: &'a Module,
    surroundings: &'a Surroundings<'a>,
    names: BTreeMap<String, Slot>,
    order: Vec<String>,
    /// Variables that the file itself sets.
    environment: Changes,
    /// The places at which the file changes the environment, followed or not.
    writes: Vec<EnvironmentWrite>,
    open: Option<(String, Span)>,
    /// Names that functions in the file declare `global`.
    globals: BTreeSet<String>,
    /// Whether something was met that may raise.
    uncertain: bool,
    depth: usize,
    fuel: usize,
    /// The modules evaluated so far, for this one or for one that imports from it; `None` during
    /// the evaluation.
    taken: BTreeMap<FileId, Option<Rc<Taken>>>,
    /// How many modules import from each other down to this one.
    level: usize,
}

impl<'a> Evaluator<'a> {
    fn new(module: &'a Module, surroundings: &'a Surroundings<'a>) -> Self {
        Self {
            module,
            surroundings,
            names: BTreeMap::new(),
            order: Vec::new(),
            environment: Changes::default(),
            writes: module.environment().writes,
            open: None,
            globals: statements::declared_global(module.statements()),
            uncertain: false,
            depth: 0,
            fuel: FUEL,
            taken: BTreeMap::from([(module.file, None)]),
            level: 0,
        }
    }
}

/// An exception that is certainly raised.
struct Raise {
    kind: &'static str,
    message: String,
    span: Span,
}
