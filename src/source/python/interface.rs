//! Which interface a module's application has (WSGI or ASGI), and whether importing the module
//! starts a server of its own.

use std::collections::BTreeMap;

use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};

use super::super::Spanned;
use super::Module;
use super::walk::{self, Place};

/// How a server calls an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interface {
    /// `application(environ, start_response)`, PEP 3333.
    Wsgi,
    /// `await application(scope, receive, send)`.
    Asgi,
}

impl Interface {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wsgi => "WSGI",
            Self::Asgi => "ASGI",
        }
    }
}

/// How the value of a name in a module is created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// By this class or function of a framework, with this interface.
    By(&'static str, Interface),
    /// It is imported from another module.
    From {
        /// The module, without its leading dots.
        module: String,
        /// The number of leading dots.
        level: u32,
        /// The name in that module.
        name: String,
        /// Whether the value is what a call of that name returns.
        called: bool,
    },
    /// An `async def` or `def` of the module that is an application itself.
    Function(Interface),
}

/// A call at the top level of a module that starts a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The call, in a form that may be shown.
    pub call: Spanned<String>,
    /// If set, the call serves only if this name is an application with a `run()`.
    pub object: Option<String>,
}

/// Constructors of applications with a `run()` that serves until it is stopped.
pub const RUNNABLE: [&str; 7] =
    ["Flask", "APIFlask", "OpenAPI", "Quart", "Bottle", "Robyn", "default_app"];

/// How frameworks create applications: the module, the name in it, and the interface of what it
/// creates.
const MAKERS: &[(&str, &str, Interface)] = &[
    ("fastapi", "FastAPI", Interface::Asgi),
    ("starlette.applications", "Starlette", Interface::Asgi),
    ("quart", "Quart", Interface::Asgi),
    ("litestar", "Litestar", Interface::Asgi),
    ("blacksheep", "Application", Interface::Asgi),
    ("django.core.asgi", "get_asgi_application", Interface::Asgi),
    ("channels.routing", "ProtocolTypeRouter", Interface::Asgi),
    ("asgiref.wsgi", "WsgiToAsgi", Interface::Asgi),
    ("a2wsgi", "WSGIMiddleware", Interface::Asgi),
    ("a2wsgi", "ASGIMiddleware", Interface::Wsgi),
    ("falcon.asgi", "App", Interface::Asgi),
    ("socketio", "ASGIApp", Interface::Asgi),
    ("socketio", "WSGIApp", Interface::Wsgi),
    ("robyn", "Robyn", Interface::Asgi),
    ("flask", "Flask", Interface::Wsgi),
    ("flask_openapi3", "OpenAPI", Interface::Wsgi),
    ("apiflask", "APIFlask", Interface::Wsgi),
    ("bottle", "Bottle", Interface::Wsgi),
    ("bottle", "default_app", Interface::Wsgi),
    ("falcon", "App", Interface::Wsgi),
    ("falcon", "API", Interface::Wsgi),
    ("django.core.wsgi", "get_wsgi_application", Interface::Wsgi),
    ("werkzeug.middleware.dispatcher", "DispatcherMiddleware", Interface::Wsgi),
    ("werkzeug.middleware.proxy_fix", "ProxyFix", Interface::Wsgi),
    ("whitenoise", "WhiteNoise", Interface::Wsgi),
    ("cherrypy", "Application", Interface::Wsgi),
];

/// Servers that are started by calling one of their functions.
const SERVERS: &[(&str, &str)] = &[
    ("uvicorn", "run"),
    ("waitress", "serve"),
    ("hypercorn", "run"),
    ("bottle", "run"),
    ("werkzeug.serving", "run_simple"),
    ("aiohttp.web", "run_app"),
    ("cheroot", "serve"),
    ("granian", "serve"),
    ("paste.httpserver", "serve"),
];

impl Module {
    /// How the value of this name of the module is created, if that is certain.
    pub fn made(&self, name: &str) -> Option<Made> {
        let scope = ImportedNames::of(self);
        let mut last = None;
        let mut sure = true;
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            if place.function {
                return;
            }
            let found = match statement {
                Stmt::Assign(node) => {
                    let named = |e: &Expr| matches!(e, Expr::Name(n) if n.id.as_str() == name);
                    if !node.targets.iter().any(named) {
                        return;
                    }
                    scope.value(&node.value)
                }
                Stmt::AnnAssign(node) => match (&*node.target, &node.value) {
                    (Expr::Name(target), Some(value)) if target.id.as_str() == name => {
                        scope.value(value)
                    }
                    _ => return,
                },
                Stmt::ImportFrom(node) => {
                    let alias = node.names.iter().find(|alias| {
                        alias.asname.as_ref().unwrap_or(&alias.name).as_str() == name
                    });
                    let Some(alias) = alias else { return };
                    Some(Made::From {
                        module: node.module.as_ref().map_or("", |m| m.as_str()).to_owned(),
                        level: node.level,
                        name: alias.name.as_str().to_owned(),
                        called: false,
                    })
                }
                Stmt::FunctionDef(def) if def.name.as_str() == name && !place.class => {
                    function(def).map(Made::Function)
                }
                _ => return,
            };
            sure &= !place.conditional && !place.class;
            last = found;
        });
        last.filter(|_| sure)
    }

    /// How the result of calling this function of the module is created, if every `return` returns
    /// the same.
    pub fn made_by_calling(&self, name: &str) -> Option<Made> {
        let scope = ImportedNames::of(self);
        let def = self.statements().iter().find_map(|statement| match statement {
            Stmt::FunctionDef(def) if def.name.as_str() == name && !def.is_async => Some(def),
            _ => None,
        })?;
        let mut inner: BTreeMap<&str, Option<Made>> = BTreeMap::new();
        let mut returned = Vec::new();
        walk::statements(&def.body, Place::default(), &mut |statement, place| {
            if place.function {
                return;
            }
            match statement {
                Stmt::Assign(node) => {
                    for target in &node.targets {
                        if let Expr::Name(target) = target {
                            let made = scope.value(&node.value).filter(|_| !place.conditional);
                            let slot = inner.entry(target.id.as_str());
                            slot.and_modify(|known| *known = None).or_insert(made);
                        }
                    }
                }
                Stmt::Return(node) => returned.push(node.value.as_deref()),
                _ => {}
            }
        });
        let made = |value: Option<&Expr>| match value? {
            Expr::Name(name) => inner.get(name.id.as_str()).cloned().flatten(),
            other => scope.value(other),
        };
        let mut all = returned.into_iter().map(made);
        let first = all.next()??;
        all.all(|other| other.as_ref() == Some(&first)).then_some(first)
    }

    /// Top-level calls that certainly start a server and do not return.
    pub fn served(&self) -> Vec<Served> {
        let scope = ImportedNames::of(self);
        let mut found = Vec::new();
        walk::statements(self.statements(), Place::default(), &mut |statement, place| {
            if place.function || place.conditional || place.class {
                return;
            }
            let Stmt::Expr(node) = statement else { return };
            let Expr::Call(call) = &*node.value else { return };
            let Some(names) = walk::dotted(&call.func) else { return };
            let Some(origin) = scope.origin(&names) else { return };
            let server = SERVERS.iter().any(|(module, name)| origin == format!("{module}.{name}"));
            // `app.run()` serves if `app` is a framework's application.
            let object = match names.as_slice() {
                [object, "run"] => Some((*object).to_owned()),
                _ => None,
            };
            if server || object.is_some() {
                let value = format!("{}()", names.join("."));
                let call = Spanned { value, span: self.span(call) };
                found.push(Served { call, object: object.filter(|_| !server) });
            }
        });
        found
    }
}

/// Where the names of a module were imported from.
struct ImportedNames<'a> {
    imported: BTreeMap<&'a str, String>,
}

impl<'a> ImportedNames<'a> {
    fn of(module: &'a Module) -> Self {
        let mut imported = BTreeMap::new();
        walk::statements(
            module.statements(),
            Place::default(),
            &mut |statement, _| match statement {
                Stmt::Import(node) => {
                    for alias in &node.names {
                        let whole = alias.name.as_str();
                        let (name, stands) = match &alias.asname {
                            Some(name) => (name.as_str(), whole),
                            None => {
                                let first = whole.split('.').next().unwrap_or(whole);
                                (first, first)
                            }
                        };
                        imported.insert(name, stands.to_owned());
                    }
                }
                Stmt::ImportFrom(node) if node.level == 0 => {
                    let module = node.module.as_ref().map_or("", |m| m.as_str());
                    for alias in &node.names {
                        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
                        imported.insert(name, format!("{module}.{}", alias.name.as_str()));
                    }
                }
                _ => {}
            },
        );
        Self { imported }
    }

    /// The full name of `a.b`: `FastAPI` is `fastapi.FastAPI`. A name that was not imported is its
    /// own full name.
    fn origin(&self, names: &[&str]) -> Option<String> {
        let (first, rest) = names.split_first()?;
        let mut whole = self.imported.get(first).cloned().unwrap_or_else(|| (*first).to_owned());
        for name in rest {
            whole.push('.');
            whole.push_str(name);
        }
        Some(whole)
    }

    /// How an expression creates its value.
    fn value(&self, value: &Expr) -> Option<Made> {
        let Expr::Call(call) = value else { return None };
        let names = walk::dotted(&call.func)?;
        let origin = self.origin(&names)?;
        let maker = MAKERS.iter().find(|(module, name, _)| origin == format!("{module}.{name}"));
        if let Some((_, name, interface)) = maker {
            return Some(Made::By(name, *interface));
        }
        // A factory that was imported or is defined in the module.
        let (module, name) = match origin.rsplit_once('.') {
            Some((module, name)) => (module.to_owned(), name.to_owned()),
            None => (String::new(), origin),
        };
        (names.len() == 1).then_some(Made::From { module, level: 0, name, called: true })
    }
}

/// The interface of a function that is itself an application, judging by the names of its
/// parameters.
fn function(def: &StmtFunctionDef) -> Option<Interface> {
    let names: Vec<&str> = def
        .parameters
        .iter_non_variadic_params()
        .map(|parameter| parameter.parameter.name.as_str())
        .collect();
    match (def.is_async, names.as_slice()) {
        (true, ["scope", "receive", "send"]) => Some(Interface::Asgi),
        (false, ["environ", "start_response"]) => Some(Interface::Wsgi),
        _ => None,
    }
}
