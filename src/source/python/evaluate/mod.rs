//! The values of the top-level names of a `gunicorn.conf.py`, worked out without running it.
//!
//! Only what is certain is reported: a value that depends on something that is not known is
//! [`ConfigValue::Unknown`] with the reason, and so is every name that a construct which is not
//! followed (a loop, `with`, an unknown condition) may assign. Semantics as in Python's Language
//! Reference; what is covered was chosen by what real configuration files use.

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

/// What a name came to.
#[derive(Clone, PartialEq)]
pub enum ConfigValue {
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Text.
    Str(String),
    /// A `pathlib.Path`, which gunicorn refuses where it wants text.
    Path(String),
    /// `True` or `False`.
    Bool(bool),
    /// `None`.
    None,
    /// A list or tuple.
    List(Vec<ConfigValue>),
    /// A dictionary.
    Dict(Vec<(ConfigValue, ConfigValue)>),
    /// A function or class; of a function how many arguments it takes by their place, without
    /// `*args`.
    Callable(Option<usize>),
    /// Not known, and why.
    Unknown(String),
}

/// One top-level name of a configuration file and its last value.
#[derive(Clone, PartialEq)]
pub struct Assignment {
    /// The name, where it was assigned last.
    pub name: Spanned<String>,
    /// Where the expression is.
    pub value_span: Span,
    /// The value is made from an environment variable's: it must not be shown.
    pub secret: bool,
    value: ConfigValue,
}

impl Assignment {
    /// The value. Where [`Assignment::secret`] is set it must not reach any output.
    pub fn value(&self) -> &ConfigValue {
        &self.value
    }

    /// Its text, where it is one and no variable's.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            ConfigValue::Str(text) if !self.secret => Some(text),
            _ => None,
        }
    }

    /// The text names a function that takes this many arguments by their place.
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

/// What the file, or a hook in it, makes of the environment that gunicorn was started with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnEnvironment {
    /// The variables that it changes, as the application finds them.
    pub variables: BTreeMap<String, Lookup>,
    /// Why others that are not set may be set by it.
    pub fills: Option<String>,
    /// Why anything may be changed by it.
    pub changes: Option<String>,
}

/// What another file holds that the configuration file reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileText {
    /// This. It may contain secrets.
    Text(String),
    /// There is none.
    Missing,
    /// Not known, and why.
    Unknown(String),
}

/// A file that cannot be loaded: running it raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raises {
    /// The exception and what it says, without any value.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// A configuration file, worked out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ConfigFile {
    /// The top-level names in the order of their first assignment, with their last values.
    pub values: Vec<Assignment>,
    /// Names beyond [`ConfigFile::values`] may be set: why, and where (`from x import *`).
    pub open: Option<(String, Span)>,
    /// Loading the file fails for sure.
    pub raises: Option<Raises>,
    /// The file could not be judged (a syntax error, not read): nothing in it is known.
    pub unusable: Option<String>,
    /// What it does to the environment.
    pub environment: OwnEnvironment,
}

impl ConfigFile {
    /// A file that is there but of which nothing is known.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { unusable: Some(why.into()), ..Self::default() }
    }

    /// The assignment of a name.
    pub fn get(&self, name: &str) -> Option<&Assignment> {
        self.values.iter().find(|assignment| assignment.name.value == name)
    }
}

/// What the file's surroundings are, as far as they are known.
pub struct Surroundings<'a> {
    /// The environment.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// What `cpu_count()` gives.
    pub cpu_count: Option<u32>,
    /// What `__file__` is, where that is not the module's own path.
    pub file: Option<&'a Path>,
    /// The working directory when the file is loaded.
    pub working_directory: Option<PathBuf>,
    /// A path with all its links followed (`resolve()`, `realpath`); nothing when not known.
    pub resolve: &'a dyn Fn(&Path) -> Option<PathBuf>,
    /// A file that it reads, such as a `.env`.
    pub read: &'a dyn Fn(&Path) -> FileText,
    /// How a module that it imports, and what that imports, changes the environment; nothing when
    /// not known.
    pub imported: &'a dyn Fn(&str) -> Option<Vec<EnvironmentWrite>>,
    /// A module that it takes names from (`from .base import *`), to be worked out as well.
    pub taken: &'a dyn Fn(&FromImport<'_>) -> TakenModule,
}

/// Works out the top-level names of a module that is loaded as a configuration file.
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

/// How much may be copied around in all, so that a hostile file costs little.
const FUEL: usize = 4 << 20;
/// How deep expressions are followed.
const DEPTH: usize = 80;

#[derive(Clone)]
struct Slot {
    evaluated: Evaluated,
    name_span: Span,
    value_span: Span,
    /// Another name may contain the same list.
    shared: bool,
}

struct Evaluator<'a> {
    module: &'a Module,
    surroundings: &'a Surroundings<'a>,
    names: BTreeMap<String, Slot>,
    order: Vec<String>,
    /// Variables that the file itself sets.
    environment: Changes,
    /// Where the file changes the environment, followed or not.
    writes: Vec<EnvironmentWrite>,
    open: Option<(String, Span)>,
    /// Names that functions of the file declare `global`.
    globals: BTreeSet<String>,
    /// Something that may raise was met.
    uncertain: bool,
    depth: usize,
    fuel: usize,
    /// The modules that were worked out, for this one or for one that takes it over; nothing while
    /// that goes on.
    taken: BTreeMap<FileId, Option<Rc<Taken>>>,
    /// How many modules take this one over, one the other.
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

/// An exception that is raised for sure.
struct Raise {
    kind: &'static str,
    message: String,
    span: Span,
}
