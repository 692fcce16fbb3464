//! Which environment variables a module reads, and which it cannot do without.
//!
//! A read is required if it raises when the variable is missing and runs whenever the module is
//! imported: `os.environ["X"]`, python-decouple's `config("X")`, environs' `env.str("X")`, and a
//! pydantic-settings field without default, at the top level or in a class body. A read under a
//! condition, in a loop, in `try … except KeyError` or inside a function is recorded as such and is
//! not required: it may never run.

mod files;
mod writes;

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::{Arguments, Expr, Stmt, StmtClassDef};

use super::super::Span;
use super::walk::{self, Place};
use super::{Module, span_of};

pub use files::{EnvironmentFiles, NamedFile};

/// Whether the variable must be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The import fails without it.
    Required,
    /// The read raises without it, but only under a condition, or the exception is caught.
    Conditional,
    /// The read raises without it when the enclosing function is called.
    InFunction,
    /// The read does not raise without it: `None` or a default takes its place.
    Optional {
        /// Whether there is a default other than `None`.
        default: bool,
    },
}

/// How the variable is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// `os.environ`, `os.getenv`.
    Os,
    /// python-decouple or starlette: also reads a file (`.env`, `settings.ini`).
    Decouple,
    /// environs or django-environ: reads a file only after `read_env()`.
    Environs,
    /// A pydantic-settings class; its field's name is matched case-insensitively.
    Pydantic,
}

/// One read of one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// The variable.
    pub name: String,
    /// The place of its name.
    pub span: Span,
    /// Whether it must be set.
    pub need: Need,
    /// How it is read.
    pub reader: Reader,
}

/// How a module changes a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteKind {
    /// Set, whatever its previous value.
    Set,
    /// Set if it is not set yet: `setdefault`, `load_dotenv()`.
    Fill,
    /// Removed.
    Remove,
}

/// One place where a module changes the environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentWrite {
    /// The variable; `None` if its name is computed, or if all variables of a file or a dictionary
    /// are set.
    pub name: Option<String>,
    /// The kind of change.
    pub kind: WriteKind,
    /// The statement or call that makes the change.
    pub span: Span,
    /// Whether the change is in a function, which may never be called.
    pub in_function: bool,
}

/// How a module uses its environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EnvironmentUse {
    /// Every read of a variable whose name is written out.
    pub variables: Vec<VariableUse>,
    /// Reads whose name is computed.
    pub computed: Vec<Span>,
    /// Calls of `load_dotenv`, `read_env` and similar functions: variables may be set from such a
    /// file.
    pub loads_file: Vec<Span>,
    /// Variables that the module itself sets (`os.environ["X"] = …`, `setdefault`).
    pub sets: BTreeSet<String>,
    /// Every change to the environment, including what loading a file sets.
    pub writes: Vec<EnvironmentWrite>,
}

impl Module {
    /// Which environment variables the module reads.
    pub fn environment(&self) -> EnvironmentUse {
        let mut scan = self.scan();
        let runs = |name: &str| self.run.contains(name);
        walk::statements_run(
            self.statements(),
            Place::default(),
            &runs,
            &mut |statement, place| {
                scan.statement(statement, place);
            },
        );
        scan.out.variables.sort_by_key(|v| v.span);
        scan.out.writes.sort_by_key(|write| write.span);
        scan.out
    }

    /// What the names of the module refer to. A pass of its own, because a function may use an import
    /// that comes after it in the file.
    fn scan(&self) -> Scan<'_> {
        let mut scan = Scan {
            module: self,
            names: BTreeMap::new(),
            called: called(self),
            schemes: BTreeSet::new(),
            out: EnvironmentUse::default(),
        };
        walk::statements(self.statements(), Place::default(), &mut |statement, _| {
            scan.learn(statement);
        });
        scan
    }
}

/// What a name in the module refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Os,
    Environ,
    Getenv,
    DecoupleConfig,
    DecoupleModule,
    EnvironsClass,
    EnvironsObject,
    SettingsClass,
    LoadDotenv,
    DotenvModule,
    DecoupleClass,
}

/// The names to which a scheme of django-environ gives a type and a default: `DEBUG=(bool, False)`.
fn with_default(arguments: &Arguments) -> impl Iterator<Item = String> {
    arguments.keywords.iter().filter_map(|keyword| match &keyword.value {
        Expr::Tuple(pair) if pair.elts.len() == 2 => {
            Some(keyword.arg.as_ref()?.as_str().to_owned())
        }
        _ => None,
    })
}

struct Scan<'a> {
    module: &'a Module,
    names: BTreeMap<String, Meaning>,
    called: BTreeSet<&'a str>,
    /// Variables that django-environ has a default for: `Env(DEBUG=(bool, False))`.
    schemes: BTreeSet<String>,
    out: EnvironmentUse,
}

impl Scan<'_> {
    fn learn(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Import(node) => {
                for alias in &node.names {
                    let meaning = match alias.name.as_str() {
                        "os" | "os.path" => Meaning::Os,
                        "decouple" => Meaning::DecoupleModule,
                        "dotenv" => Meaning::DotenvModule,
                        _ => continue,
                    };
                    let name = alias.asname.as_ref().map_or_else(
                        || alias.name.as_str().split('.').next().unwrap_or_default(),
                        |name| name.as_str(),
                    );
                    self.names.insert(name.to_owned(), meaning);
                }
            }
            Stmt::ImportFrom(node) => {
                let module = node.module.as_ref().map_or("", |m| m.as_str());
                for alias in &node.names {
                    let meaning = match (module, alias.name.as_str()) {
                        ("os", "environ") => Meaning::Environ,
                        ("os", "getenv") => Meaning::Getenv,
                        ("decouple", "config") => Meaning::DecoupleConfig,
                        ("decouple" | "starlette.config", "Config" | "AutoConfig") => {
                            Meaning::DecoupleClass
                        }
                        ("environs" | "environ", "Env") => Meaning::EnvironsClass,
                        ("environs", "env") => Meaning::EnvironsObject,
                        ("pydantic_settings" | "pydantic", "BaseSettings") => {
                            Meaning::SettingsClass
                        }
                        ("dotenv" | "dotenv.main", "load_dotenv" | "read_dotenv") => {
                            Meaning::LoadDotenv
                        }
                        _ => continue,
                    };
                    let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                    self.names.insert(name.to_owned(), meaning);
                }
            }
            Stmt::Assign(node) => {
                let [Expr::Name(target)] = node.targets.as_slice() else { return };
                let meaning = match &*node.value {
                    Expr::Call(call) => match self.meaning(&call.func) {
                        Some(Meaning::EnvironsClass) => {
                            self.schemes.extend(with_default(&call.arguments));
                            Meaning::EnvironsObject
                        }
                        Some(Meaning::DecoupleClass) => Meaning::DecoupleConfig,
                        _ => return,
                    },
                    other => match self.meaning(other) {
                        Some(meaning) => meaning,
                        None => return,
                    },
                };
                self.names.insert(target.id.as_str().to_owned(), meaning);
            }
            _ => {}
        }
    }

    /// What an expression such as `os.environ` refers to.
    fn meaning(&self, expression: &Expr) -> Option<Meaning> {
        let names = walk::dotted(expression)?;
        let (first, rest) = names.split_first()?;
        // `import environ; environ.Env()` of django-environ, `import environs`.
        if matches!((*first, rest), ("environ" | "environs", ["Env"])) {
            return Some(Meaning::EnvironsClass);
        }
        if matches!((*first, rest), ("pydantic_settings" | "pydantic", ["BaseSettings"])) {
            return Some(Meaning::SettingsClass);
        }
        match (self.names.get(*first)?, rest) {
            (meaning, []) => Some(*meaning),
            (Meaning::Os, ["environ"]) => Some(Meaning::Environ),
            (Meaning::Os, ["getenv"]) => Some(Meaning::Getenv),
            (Meaning::DecoupleModule, ["config"]) => Some(Meaning::DecoupleConfig),
            (Meaning::DecoupleModule, ["Config" | "AutoConfig"]) => Some(Meaning::DecoupleClass),
            (Meaning::DotenvModule, ["load_dotenv" | "read_dotenv"]) => Some(Meaning::LoadDotenv),
            _ => None,
        }
    }

    fn statement(&mut self, statement: &Stmt, place: Place) {
        if let Stmt::ClassDef(class) = statement {
            self.settings_class(class, place);
        }
        self.writes(statement, place);
        for expression in walk::own_expressions(statement) {
            self.expression(expression, place);
        }
    }

    fn expression(&mut self, root: &Expr, place: Place) {
        // Only the first part of `a or b` and the condition of `x if c else y` are sure to be
        // evaluated.
        let mut todo = vec![(root, place)];
        while let Some((root, place)) = todo.pop() {
            let maybe = Place { conditional: true, ..place };
            let mut later = Vec::new();
            walk::expressions(root, &mut |found| match found {
                Expr::BoolOp(node) => {
                    let mut values = node.values.iter();
                    later.extend(values.next().map(|first| (first, place)));
                    later.extend(values.map(|value| (value, maybe)));
                    false
                }
                Expr::If(node) => {
                    later.push((&*node.test, place));
                    later.push((&*node.body, maybe));
                    later.push((&*node.orelse, maybe));
                    false
                }
                Expr::ListComp(_) | Expr::SetComp(_) | Expr::DictComp(_) | Expr::Generator(_)
                    if !place.conditional =>
                {
                    later.push((found, maybe));
                    false
                }
                Expr::Subscript(node) => {
                    if node.ctx.is_load() && self.meaning(&node.value) == Some(Meaning::Environ) {
                        self.read(Some(&node.slice), raising(place), Reader::Os, found);
                    }
                    true
                }
                Expr::Call(call) => {
                    self.call(&call.func, &call.arguments, place, found);
                    true
                }
                _ => true,
            });
            todo.extend(later);
        }
    }

    fn call(&mut self, function: &Expr, arguments: &Arguments, place: Place, whole: &Expr) {
        let first = arguments.args.first();
        let key = first.or_else(|| keyword(arguments, "key").or(keyword(arguments, "name")));
        match self.meaning(function) {
            Some(Meaning::Getenv) => {
                let default = given_default(arguments, 1);
                return self.read(key, Need::Optional { default }, Reader::Os, whole);
            }
            Some(Meaning::DecoupleConfig) => {
                // decouple accepts the default only as a keyword; starlette's third argument is
                // positional.
                let need = match has_default(arguments, 2) {
                    true => Need::Optional { default: true },
                    false => raising(place),
                };
                return self.read(key, need, Reader::Decouple, whole);
            }
            Some(Meaning::LoadDotenv) => return self.load(arguments, place, whole),
            Some(Meaning::EnvironsObject) => {
                return self.environs(arguments, key, place, whole);
            }
            _ => {}
        }
        let Expr::Attribute(method) = function else { return };
        // Flask raises RuntimeError without the variable, unless `silent` is set.
        if method.attr.as_str() == "from_envvar" && walk::dotted(function).is_some_and(is_config) {
            let silent = arguments.args.len() > 1 || !arguments.keywords.is_empty();
            let need = match silent {
                true => Need::Optional { default: false },
                false => raising(place),
            };
            return self.read(key, need, Reader::Os, whole);
        }
        if self.meaning(&method.value) == Some(Meaning::Environ) {
            self.write_by_method(method.attr.as_str(), arguments, self.span(whole), place);
        }
        match (self.meaning(&method.value), method.attr.as_str()) {
            (Some(Meaning::Environ), "get" | "pop") => {
                let pops = method.attr.as_str() == "pop" && arguments.args.len() < 2;
                let need = match pops {
                    true => raising(place),
                    false => Need::Optional { default: given_default(arguments, 1) },
                };
                self.read(key, need, Reader::Os, whole);
            }
            (Some(Meaning::EnvironsObject | Meaning::EnvironsClass), "read_env") => {
                self.load(arguments, place, whole);
            }
            (
                Some(Meaning::EnvironsObject),
                "str" | "int" | "bool" | "float" | "list" | "dict" | "json" | "url" | "path"
                | "decimal" | "date" | "datetime" | "timedelta" | "uuid" | "log_level" | "enum"
                | "db" | "db_url" | "cache" | "cache_url" | "email_url" | "tuple" | "bytes"
                | "unicode",
            ) => self.environs(arguments, key, place, whole),
            _ => {}
        }
    }

    fn environs(&mut self, arguments: &Arguments, key: Option<&Expr>, place: Place, whole: &Expr) {
        let in_scheme = key.and_then(literal).is_some_and(|name| self.schemes.contains(name));
        let need = match has_default(arguments, 1) || in_scheme {
            true => Need::Optional { default: true },
            false => raising(place),
        };
        self.read(key, need, Reader::Environs, whole);
    }

    fn read(&mut self, key: Option<&Expr>, need: Need, reader: Reader, whole: &Expr) {
        match key.and_then(|key| literal(key).map(|name| (name, key))) {
            Some((name, key)) => {
                let span = self.span(key);
                self.out.variables.push(VariableUse { name: name.to_owned(), span, need, reader });
            }
            None => self.out.computed.push(self.span(whole)),
        }
    }

    fn span(&self, expression: &Expr) -> Span {
        self.module.span(expression)
    }

    fn is_settings(&self, class: &StmtClassDef) -> bool {
        let settings = |base| self.meaning(base) == Some(Meaning::SettingsClass);
        class.arguments.as_ref().is_some_and(|arguments| arguments.args.iter().any(settings))
    }

    /// Reads the fields of a class that derives from `BaseSettings`, named as pydantic names their
    /// variables.
    fn settings_class(&mut self, class: &StmtClassDef, place: Place) {
        if !self.is_settings(class) {
            return;
        }
        let mut prefix = Some(String::new());
        for statement in &class.body {
            if let Some(found) = env_prefix(statement) {
                prefix = found;
            }
        }
        // The variables are read when the class is called, mostly at the end of the same module.
        let need = match raising(place) {
            Need::Required
                if !self.called.contains(class.name.as_str()) || has_other_sources(class) =>
            {
                Need::Conditional
            }
            other => other,
        };
        for statement in &class.body {
            let Stmt::AnnAssign(field) = statement else { continue };
            let Expr::Name(name) = &*field.target else { continue };
            if name.id.as_str() == "model_config" || is_class_variable(&field.annotation) {
                continue;
            }
            let (default, alias) = match field.value.as_deref() {
                None => (false, None),
                Some(Expr::Call(call)) if last_name(&call.func) == Some("Field") => {
                    let arguments = &call.arguments;
                    let positional = arguments.args.first();
                    let required = positional.is_none_or(|e| e.is_ellipsis_literal_expr())
                        && keyword(arguments, "default")
                            .is_none_or(|e| e.is_ellipsis_literal_expr())
                        && keyword(arguments, "default_factory").is_none();
                    let alias = ["validation_alias", "alias", "env"]
                        .iter()
                        .find_map(|name| keyword(arguments, name));
                    (!required, alias)
                }
                Some(value) => (!value.is_ellipsis_literal_expr(), None),
            };
            let need = if default { Need::Optional { default: true } } else { need };
            let span = span_of(self.module.file, name.range);
            let variable = match alias {
                Some(alias) => literal(alias).map(str::to_owned),
                None => prefix.as_ref().map(|p| format!("{p}{}", name.id.as_str()).to_uppercase()),
            };
            match variable {
                Some(name) => {
                    let reader = Reader::Pydantic;
                    self.out.variables.push(VariableUse { name, span, need, reader });
                }
                None => self.out.computed.push(span),
            }
        }
    }
}

/// Whether a settings class takes values from other sources, too: files of secrets, the command line,
/// sources of its own.
fn has_other_sources(class: &StmtClassDef) -> bool {
    const OTHERS: [&str; 7] = [
        "secrets_dir",
        "cli_parse_args",
        "json_file",
        "toml_file",
        "yaml_file",
        "settings_customise_sources",
        "customise_sources",
    ];
    let mut found = false;
    walk::statements(&class.body, Place::default(), &mut |statement, _| {
        match statement {
            Stmt::FunctionDef(def) => found |= OTHERS.contains(&def.name.as_str()),
            Stmt::Assign(node) => {
                found |= node.targets.iter().any(
                    |target| matches!(target, Expr::Name(name) if OTHERS.contains(&name.id.as_str())),
                );
            }
            _ => {}
        }
        walk::evaluated(statement, &mut |one| match one {
            Expr::Call(call) => {
                found |= OTHERS.iter().any(|name| keyword(&call.arguments, name).is_some());
            }
            Expr::Dict(dict) => {
                let mut keys = dict.items.iter().filter_map(|item| item.key.as_ref());
                found |= keys.any(|key| literal(key).is_some_and(|key| OTHERS.contains(&key)));
            }
            _ => {}
        });
    });
    found
}

/// The names that are called at the top level of the module, without arguments: `Settings(key="…")` gives
/// a field its value.
fn called(module: &Module) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    walk::statements(module.statements(), Place::default(), &mut |statement, place| {
        if place.function || place.conditional || matches!(statement, Stmt::ClassDef(_)) {
            return;
        }
        walk::evaluated(statement, &mut |e| {
            if let Expr::Call(call) = e
                && call.arguments.is_empty()
                && let Expr::Name(name) = &*call.func
            {
                found.insert(name.id.as_str());
            }
        });
    });
    found
}

/// Whether the names are `app.config.from_envvar`.
fn is_config(names: Vec<&str>) -> bool {
    matches!(names.as_slice(), [_, .., "config", "from_envvar"])
}

fn raising(place: Place) -> Need {
    if place.function {
        Need::InFunction
    } else if place.conditional || place.catches_key {
        Need::Conditional
    } else {
        Need::Required
    }
}

fn literal(expression: &Expr) -> Option<&str> {
    match expression {
        Expr::StringLiteral(node) => Some(node.value.to_str()),
        _ => None,
    }
}

fn keyword<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a Expr> {
    let found = arguments.keywords.iter();
    let mut found = found.filter(|k| k.arg.as_ref().is_some_and(|arg| arg.as_str() == name));
    found.next().map(|k| &k.value)
}

/// Whether a default is at this position or is named; `**options` may contain one.
fn has_default(arguments: &Arguments, position: usize) -> bool {
    arguments.args.len() > position
        || arguments.args.iter().any(Expr::is_starred_expr)
        || keyword(arguments, "default").is_some()
        || arguments.keywords.iter().any(|k| k.arg.is_none())
}

/// Whether there is a default other than `None`.
fn given_default(arguments: &Arguments, position: usize) -> bool {
    let value = arguments.args.get(position).or_else(|| keyword(arguments, "default"));
    value.is_some_and(|value| !value.is_none_literal_expr())
}

fn last_name(expression: &Expr) -> Option<&str> {
    walk::dotted(expression)?.pop()
}

fn is_class_variable(annotation: &Expr) -> bool {
    let inner = match annotation {
        Expr::Subscript(node) => &*node.value,
        other => other,
    };
    last_name(inner) == Some("ClassVar")
}

/// `model_config = SettingsConfigDict(env_prefix="X_")` or `class Config: env_prefix = "X_"`;
/// `Some(None)` if the prefix is computed.
fn env_prefix(statement: &Stmt) -> Option<Option<String>> {
    let text = |value: &Expr| literal(value).map(str::to_owned);
    match statement {
        Stmt::ClassDef(inner) if inner.name.as_str() == "Config" => {
            inner.body.iter().find_map(|statement| match statement {
                Stmt::Assign(node) => match node.targets.as_slice() {
                    [Expr::Name(name)] if name.id.as_str() == "env_prefix" => {
                        Some(text(&node.value))
                    }
                    _ => None,
                },
                _ => None,
            })
        }
        Stmt::Assign(node) => match (node.targets.as_slice(), &*node.value) {
            ([Expr::Name(name)], Expr::Call(call)) if name.id.as_str() == "model_config" => {
                keyword(&call.arguments, "env_prefix").map(text)
            }
            ([Expr::Name(name)], Expr::Dict(dict)) if name.id.as_str() == "model_config" => {
                let mut items = dict.items.iter();
                let item = items.find(|i| i.key.as_ref().and_then(literal) == Some("env_prefix"));
                item.map(|item| text(&item.value))
            }
            _ => None,
        },
        _ => None,
    }
}
