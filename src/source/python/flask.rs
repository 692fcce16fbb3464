//! Where Flask takes an application's static files from, and whether its code turns debug mode on.
//!
//! Source: `flask.Flask.__init__` and `flask.scaffold` (Flask 3.1): `static_folder="static"` is
//! relative to the directory of the module in the first argument, and `static_url_path` defaults to
//! the folder's name.

use std::collections::{HashMap, HashSet};

use ruff_python_ast::{Expr, ExprCall, Stmt, StmtFunctionDef};

use super::super::{Lookup, Secret, Span, Spanned};
use super::Module;
use super::evaluate::{CalledFactory, Walkthrough, with_variables};
use super::walk::{self, Place};

/// A `Flask(__name__, …)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaskApplication {
    /// The call.
    pub span: Span,
    /// The directory of its static files, relative to the module's directory, and the path under
    /// which they are requested; `None` if the call does not show them.
    pub statics: Option<FlaskStatics>,
}

/// Where Flask's static files are and how they are requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlaskStatics {
    /// The directory, relative to that of the module.
    pub folder: String,
    /// The path of requests, with a slash at both ends.
    pub url: String,
}

impl Module {
    /// All calls of `Flask(…)`, including those in functions, because a factory may create the
    /// application.
    pub fn flask_applications(&self) -> Vec<FlaskApplication> {
        let mut found = Vec::new();
        walk::statements(self.statements(), Place::default(), &mut |statement, _| {
            walk::evaluated(statement, &mut |expression| {
                if let Expr::Call(call) = expression
                    && is_flask(&call.func)
                {
                    found.push(FlaskApplication {
                        span: self.span(expression),
                        statics: statics(call),
                    });
                }
            });
        });
        found
    }
}

/// The place at which code turns on the debug mode of a Flask application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlaskDebug {
    /// The statement.
    pub span: Span,
    /// The place of `DEBUG = True` in the configuration that the statement loads.
    pub configuration: Option<Span>,
}

/// The argument of `app.config.from_object(…)`.
pub enum ConfigObject<'a> {
    /// A text: `"config.Development"`. It may be a variable's value.
    Text(Secret),
    /// A name of the module.
    Name(&'a str),
    /// An attribute of an imported module: `config`, `Development`.
    Attribute(&'a str, &'a str),
    /// The value of a key in a mapping of the module: `config[name]`. The key may be a variable's
    /// value.
    Entry(&'a str, Secret),
}

/// What is needed to find out whether a module turns debug mode on.
pub struct AskedOf<'a> {
    /// A name of the module that refers to an application, wherever that is created.
    pub own: Option<&'a str>,
    /// The function that creates the application, if it is known which one is called.
    pub factory: Option<&'a CalledFactory>,
    /// Looks up an environment variable, as the application finds it.
    pub variable: &'a dyn Fn(&str) -> Lookup,
    /// Looks up what a loaded configuration says about debug mode.
    pub says: &'a dyn Fn(&ConfigObject<'_>) -> SaysOfDebug,
}

/// The value of a key in a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MappingEntry<'a> {
    /// A name: `Development`.
    Name(&'a str),
    /// A text: `"config.Development"`.
    Text(&'a str),
}

/// What a configuration says about debug mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaysOfDebug {
    /// Debug mode is on, set at this place.
    On(Span),
    /// Debug mode is off.
    Off,
    /// The configuration says nothing about debug mode.
    Nothing,
    /// What it says is not known.
    Unknown,
}

impl Module {
    /// Where the module, or a factory in it, turns on the debug mode of an application that it
    /// creates, regardless of other settings. `None` if a condition or a later line may turn it off
    /// again.
    pub fn flask_debug(&self, asked: &AskedOf<'_>) -> Option<FlaskDebug> {
        let surroundings = with_variables(asked.variable);
        let mut code = Walkthrough::new(self, &surroundings);
        let on_top = self.turned_on(self.statements(), asked.own, asked, Some(&mut code));
        let functions: Vec<&StmtFunctionDef> = self
            .statements()
            .iter()
            .filter_map(|statement| match statement {
                Stmt::FunctionDef(def) => Some(def),
                _ => None,
            })
            .collect();
        let called = asked.factory.and_then(|factory| {
            let is_it = |def: &&StmtFunctionDef| self.span(&def.name) == factory.definition;
            Some((functions.iter().copied().find(is_it)?, factory))
        });
        let made: Vec<Option<FlaskDebug>> = match called {
            Some((def, factory)) => {
                code.enter(&def.parameters, &factory.arguments);
                let made = self.turned_on(&def.body, None, asked, Some(&mut code));
                on_top.into_iter().chain(made).collect()
            }
            // If it is not known which of several factories is called, all of them must turn it on.
            None => {
                let bodies = functions.iter().map(|def| def.body.as_slice());
                let made = bodies.filter_map(|body| self.turned_on(body, None, asked, None));
                on_top.into_iter().chain(made).collect()
            }
        };
        made.iter().all(Option::is_some).then(|| made.first().copied().flatten()).flatten()
    }

    /// The statement of a block that turns debug mode on, unless a later one may turn it off;
    /// `None` if the block has no application.
    fn turned_on<'a>(
        &self,
        block: &'a [Stmt],
        own: Option<&'a str>,
        asked: &AskedOf<'_>,
        mut code: Option<&mut Walkthrough<'a>>,
    ) -> Option<Option<FlaskDebug>> {
        let mut applications: HashSet<&str> = own.into_iter().collect();
        let mut on = None;
        let mut any = false;
        for statement in block {
            let mut anew = false;
            if let Stmt::Assign(node) = statement
                && let [Expr::Name(name)] = node.targets.as_slice()
            {
                if matches!(&*node.value, Expr::Call(call) if is_flask(&call.func)) {
                    any = true;
                    applications.insert(name.id.as_str());
                }
                anew = applications.contains(name.id.as_str());
            }
            let said = match anew {
                true => Some(SaysOfDebug::Unknown),
                false => self.debug(statement, &applications, asked, code.as_deref_mut()),
            };
            match said {
                Some(SaysOfDebug::On(span)) => {
                    let line = self.span(statement);
                    let configuration = (span != line).then_some(span);
                    on = Some(FlaskDebug { span: line, configuration });
                }
                Some(SaysOfDebug::Off | SaysOfDebug::Unknown) => on = None,
                Some(SaysOfDebug::Nothing) | None => {}
            }
            if let Some(code) = &mut code {
                code.run(statement);
            }
        }
        (any || on.is_some()).then_some(on)
    }

    /// The effect of a statement on debug mode.
    fn debug<'a>(
        &self,
        statement: &'a Stmt,
        applications: &HashSet<&str>,
        asked: &AskedOf<'_>,
        code: Option<&mut Walkthrough<'a>>,
    ) -> Option<SaysOfDebug> {
        let is_application =
            |e: &Expr| matches!(e, Expr::Name(n) if applications.contains(n.id.as_str()));
        let is_config = |e: &Expr| matches!(e, Expr::Attribute(a) if a.attr.as_str() == "config" && is_application(&a.value));
        let is_debug = |target: &Expr| match target {
            Expr::Attribute(a) => a.attr.as_str() == "debug" && is_application(&a.value),
            Expr::Subscript(s) => is_config(&s.value) && text(&s.slice).as_deref() == Some("DEBUG"),
            _ => false,
        };
        let set_to = |value: &Expr| match value {
            Expr::BooleanLiteral(literal) if literal.value => {
                Some(SaysOfDebug::On(self.span(statement)))
            }
            _ => Some(SaysOfDebug::Off),
        };
        match statement {
            Stmt::Assign(node) if node.targets.iter().any(is_debug) => set_to(&node.value),
            Stmt::Assign(node) if node.targets.iter().any(is_config) => Some(SaysOfDebug::Unknown),
            Stmt::Expr(node) => {
                let Expr::Call(call) = &*node.value else { return None };
                let Expr::Attribute(method) = &*call.func else {
                    return may_configure(call, is_application);
                };
                if !is_config(&method.value) {
                    return may_configure(call, is_application);
                }
                // `app.config.update(DEBUG=True)`. Any other way to load settings may set anything.
                let own = call.arguments.keywords.iter().find(|keyword| {
                    keyword.arg.as_ref().is_some_and(|name| name.as_str() == "DEBUG")
                });
                match (own, &*call.arguments.args) {
                    (Some(keyword), _) => set_to(&keyword.value),
                    (None, [])
                        if matches!(method.attr.as_str(), "update" | "setdefault" | "get")
                            && call.arguments.keywords.iter().all(|one| one.arg.is_some()) =>
                    {
                        None
                    }
                    (None, [one]) if method.attr.as_str() == "from_object" => {
                        let given = config_object(one, code);
                        Some(given.map_or(SaysOfDebug::Unknown, |one| (asked.says)(&one)))
                    }
                    _ => Some(SaysOfDebug::Unknown),
                }
            }
            // A branch or a loop that uses the settings.
            compound @ (Stmt::If(_)
            | Stmt::For(_)
            | Stmt::While(_)
            | Stmt::With(_)
            | Stmt::Try(_)
            | Stmt::Match(_)) => {
                let mut touched = false;
                let block = std::slice::from_ref(compound);
                walk::statements(block, Place::default(), &mut |inner, _| {
                    walk::evaluated(inner, &mut |expression| {
                        touched |= is_config(expression) || is_debug(expression);
                    });
                });
                touched.then_some(SaysOfDebug::Unknown)
            }
            _ => None,
        }
    }

    /// What the module, as a configuration of Flask, says about debug mode.
    pub fn says_of_debug(&self) -> SaysOfDebug {
        self.said(self.statements())
    }

    /// What a top-level class says about debug mode, itself or through its base classes.
    pub fn class_says_of_debug(&self, class: &str) -> SaysOfDebug {
        let mut classes = HashMap::new();
        for statement in self.statements() {
            if let Stmt::ClassDef(def) = statement {
                let twice = classes.insert(def.name.as_str(), def).is_some();
                if twice && def.name.as_str() == class {
                    return SaysOfDebug::Unknown;
                }
            }
        }
        let mut name = class;
        // Each class is looked at at most once, even if base classes form a cycle.
        for _ in 0..=classes.len() {
            let Some(def) = classes.get(name) else { return SaysOfDebug::Unknown };
            if !def.decorator_list.is_empty() {
                return SaysOfDebug::Unknown;
            }
            match self.said(&def.body) {
                SaysOfDebug::Nothing => {}
                said => return said,
            }
            let arguments = def.arguments.as_deref();
            match arguments.map_or((&[][..], true), |all| (&*all.args, all.keywords.is_empty())) {
                ([], true) => return SaysOfDebug::Nothing,
                ([Expr::Name(base)], true) if base.id.as_str() == "object" => {
                    return SaysOfDebug::Nothing;
                }
                ([Expr::Name(base)], true) => name = base.id.as_str(),
                _ => return SaysOfDebug::Unknown,
            }
        }
        SaysOfDebug::Unknown
    }

    /// The value of a key in a top-level mapping that is bound only once: the name of a class, or a
    /// text.
    pub fn entry(&self, mapping: &str, key: &str) -> Option<MappingEntry<'_>> {
        let mut bound = self.statements().iter().filter_map(|statement| match statement {
            Stmt::Assign(node) if matches!(node.targets.as_slice(), [Expr::Name(name)] if name.id.as_str() == mapping) => {
                Some(&*node.value)
            }
            Stmt::AnnAssign(node) if matches!(&*node.target, Expr::Name(name) if name.id.as_str() == mapping) => {
                node.value.as_deref()
            }
            _ => None,
        });
        let value = match (bound.next()?, bound.next()) {
            (Expr::Dict(dict), None) => {
                // What `**more` adds is not known.
                if dict.items.iter().any(|item| item.key.is_none()) {
                    return None;
                }
                let has = |given: &Expr| text(given).as_deref() == Some(key);
                let mut items = dict.items.iter().rev();
                &items.find(|item| item.key.as_ref().is_some_and(has))?.value
            }
            (Expr::Call(call), None) if matches!(&*call.func, Expr::Name(name) if name.id.as_str() == "dict") => {
                &call.arguments.find_keyword(key)?.value
            }
            _ => return None,
        };
        match value {
            Expr::Name(name) => Some(MappingEntry::Name(name.id.as_str())),
            Expr::StringLiteral(text) => Some(MappingEntry::Text(text.value.to_str())),
            _ => None,
        }
    }

    /// What the last `DEBUG = …` of a block says; under a condition nothing is certain.
    fn said(&self, block: &[Stmt]) -> SaysOfDebug {
        let mut said = SaysOfDebug::Nothing;
        let is_debug = |e: &Expr| matches!(e, Expr::Name(name) if name.id.as_str() == "DEBUG");
        for statement in block {
            let value = match statement {
                Stmt::Assign(node) if node.targets.iter().any(is_debug) => Some(&*node.value),
                Stmt::AnnAssign(node) if is_debug(&node.target) => node.value.as_deref(),
                // Defining a method sets nothing.
                Stmt::FunctionDef(_) | Stmt::ClassDef(_) => continue,
                Stmt::ImportFrom(node) if node.names.iter().any(|one| one.name.as_str() == "*") => {
                    said = SaysOfDebug::Unknown;
                    continue;
                }
                _ => {
                    walk::statements(
                        std::slice::from_ref(statement),
                        Place::default(),
                        &mut |inner, _| {
                            walk::evaluated(inner, &mut |one| {
                                let stored = matches!(one, Expr::Name(name) if name.ctx.is_store());
                                if stored && is_debug(one) {
                                    said = SaysOfDebug::Unknown;
                                }
                            });
                        },
                    );
                    continue;
                }
            };
            said = match value {
                Some(Expr::BooleanLiteral(literal)) if literal.value => {
                    SaysOfDebug::On(self.span(statement))
                }
                Some(Expr::BooleanLiteral(_)) => SaysOfDebug::Off,
                _ => SaysOfDebug::Unknown,
            };
        }
        said
    }
}

impl Module {
    /// The text in `app.config["SERVER_NAME"] = "example.com"`, if it is set once and unconditionally, and
    /// nothing in the module makes Flask match hosts or subdomains.
    pub fn server_name(&self) -> Option<Spanned<String>> {
        const MATCHES: [&str; 3] = ["subdomain_matching", "host_matching", "default_subdomain"];
        let mut found = Vec::new();
        let mut matches = false;
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            walk::evaluated(statement, &mut |expression| match expression {
                Expr::Call(call) => {
                    let mut names =
                        call.arguments.keywords.iter().filter_map(|one| one.arg.as_ref());
                    matches |= names.any(|name| MATCHES.contains(&name.as_str()));
                }
                Expr::Attribute(node) => matches |= MATCHES.contains(&node.attr.as_str()),
                _ => {}
            });
            let Stmt::Assign(node) = statement else { return };
            let names = |target: &Expr| {
                matches!(target, Expr::Subscript(one)
                    if text(&one.slice).as_deref() == Some("SERVER_NAME") && is_config(&one.value))
            };
            if node.targets.iter().any(names) {
                let span = self.span(&*node.value);
                let value = text(&node.value).filter(|_| !place.conditional);
                found.push(value.map(|value| Spanned { value, span }));
            }
        });
        found.pop().filter(|_| found.is_empty() && !matches).flatten()
    }

    /// The file in `app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:////…"`, if that is set once
    /// and unconditionally.
    pub fn sqlite_file(&self) -> Option<Spanned<String>> {
        let mut found = Vec::new();
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            let Stmt::Assign(node) = statement else { return };
            let names = |target: &Expr| {
                matches!(target, Expr::Subscript(one)
                if text(&one.slice).as_deref() == Some("SQLALCHEMY_DATABASE_URI"))
            };
            if node.targets.iter().any(names) {
                let url = text(&node.value).filter(|_| !place.conditional);
                let file = url.as_deref().and_then(sqlite_file).map(str::to_owned);
                let span = self.span(&*node.value);
                found.push(file.map(|value| Spanned { value, span }));
            }
        });
        found.pop().filter(|_| found.is_empty()).flatten()
    }
}

/// The absolute path in a `sqlite:////…` without options. A relative path starts at a different
/// directory in each framework.
pub fn sqlite_file(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:///").filter(|path| path.starts_with('/'))?;
    (!path.contains(['?', '%'])).then_some(path)
}

fn config_object<'a>(
    given: &'a Expr,
    code: Option<&mut Walkthrough<'a>>,
) -> Option<ConfigObject<'a>> {
    if let Some(code) = code {
        if let Some(text) = code.text(given) {
            return Some(ConfigObject::Text(text));
        }
        if let Some((mapping, key)) = code.entry(given) {
            return Some(ConfigObject::Entry(mapping, key));
        }
    }
    match given {
        Expr::StringLiteral(text) => Some(ConfigObject::Text(Secret::new(text.value.to_str()))),
        Expr::Name(name) => Some(ConfigObject::Name(name.id.as_str())),
        Expr::Attribute(node) => match &*node.value {
            Expr::Name(module) => {
                Some(ConfigObject::Attribute(module.id.as_str(), node.attr.as_str()))
            }
            _ => None,
        },
        _ => None,
    }
}

/// `Unknown` if a function is passed the application and may, judging by its name, set something.
fn may_configure(call: &ExprCall, is_application: impl Fn(&Expr) -> bool) -> Option<SaysOfDebug> {
    let name = match &*call.func {
        Expr::Name(name) => name.id.as_str(),
        Expr::Attribute(attribute) => attribute.attr.as_str(),
        _ => "",
    };
    let given = call.arguments.args.iter().any(is_application);
    let sets = ["conf", "setting", "setup", "load"].iter().any(|word| name.contains(word));
    (given && sets).then_some(SaysOfDebug::Unknown)
}

/// `app.config`
fn is_config(value: &Expr) -> bool {
    matches!(value, Expr::Attribute(node) if node.attr.as_str() == "config")
}

fn is_flask(function: &Expr) -> bool {
    match function {
        Expr::Name(name) => name.id.as_str() == "Flask",
        Expr::Attribute(node) => {
            node.attr.as_str() == "Flask"
                && matches!(&*node.value, Expr::Name(name) if name.id.as_str() == "flask")
        }
        _ => false,
    }
}

fn statics(call: &ExprCall) -> Option<FlaskStatics> {
    let [Expr::Name(first)] = &*call.arguments.args else { return None };
    if first.id.as_str() != "__name__" {
        return None;
    }
    let (mut folder, mut url) = ("static".to_owned(), None);
    for keyword in &call.arguments.keywords {
        match keyword.arg.as_ref()?.as_str() {
            "static_folder" => folder = text(&keyword.value)?,
            "static_url_path" => url = Some(text(&keyword.value)?),
            // The folder is then not relative to the module.
            "root_path" | "static_host" => return None,
            _ => {}
        }
    }
    let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let url = url.as_deref().unwrap_or(name).trim_matches('/').to_owned();
    (!url.is_empty()).then(|| FlaskStatics { folder, url: format!("/{url}/") })
}

fn text(value: &Expr) -> Option<String> {
    match value {
        Expr::StringLiteral(text) => Some(text.value.to_str().to_owned()),
        _ => None,
    }
}
