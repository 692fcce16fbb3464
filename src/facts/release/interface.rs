//! The kind of the application, WSGI or ASGI, followed through the release's own modules; and
//! modules that start a server of their own when they are imported.

use super::finder::{Found, Owner};
use super::graph::Graph;
use crate::source::Span;
use crate::source::gunicorn::{ApplicationName, ApplicationObject};
use crate::source::python::interface::{Made, RUNNABLE};
use crate::source::python::names::DefinitionKind;
use crate::source::python::{Binding, Import, ImportPlace};

pub use crate::source::python::interface::Interface;

/// How often a name may be taken from another module.
const DEPTH: usize = 20;

/// What the application is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MadeBy {
    /// The class or function: `FastAPI`.
    pub maker: &'static str,
    /// How it wants to be called.
    pub interface: Interface,
}

/// A call that starts a server while the application is imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAtImport {
    /// The call: `app.run()`.
    pub call: String,
    /// The imports that lead to its module, then the call itself.
    pub chain: Vec<Span>,
    /// The same in words.
    pub way: String,
}

/// What gunicorn's application is, where that is sure.
pub(super) fn of(graph: &Graph<'_>, name: &ApplicationName) -> Option<MadeBy> {
    let attribute = name.attribute()?;
    let made = match &name.object {
        ApplicationObject::Call { .. } => graph.parsed.first()?.made_by_calling(attribute),
        _ => graph.parsed.first()?.made(attribute),
    };
    resolve(graph, 0, made?, DEPTH)
}

fn resolve(graph: &Graph<'_>, index: usize, made: Made, depth: usize) -> Option<MadeBy> {
    match made {
        Made::By(maker, interface) => Some(MadeBy { maker, interface }),
        Made::Function(interface) => Some(MadeBy { maker: "a function", interface }),
        Made::From { module, level, name, called } => {
            if depth == 0 {
                return None;
            }
            let at = match module.is_empty() && level == 0 {
                true => index,
                false => source(graph, index, module, level)?,
            };
            let parsed = graph.parsed.get(at)?;
            let direct = if called { parsed.made_by_calling(&name) } else { parsed.made(&name) };
            // A factory may have been taken from somewhere else again.
            let next = direct.or_else(|| match parsed.made(&name)? {
                Made::From { module, level, name, called: false } if called => {
                    Some(Made::From { module, level, name, called })
                }
                _ => None,
            })?;
            resolve(graph, at, next, depth - 1)
        }
    }
}

/// What a name of the application's first module was bound to, followed through imports, with the
/// place of its definition.
pub(super) fn definition(graph: &Graph<'_>, name: &str) -> Option<(DefinitionKind, Span)> {
    definition_from(graph, 0, name)
}

/// The function that makes the application: its name, and where its definition has it.
pub(super) fn factory(graph: &Graph<'_>, name: &ApplicationName) -> Option<(String, Span)> {
    let attribute = name.attribute()?;
    let (index, factory) = match &name.object {
        ApplicationObject::Call { .. } => (0, attribute.to_owned()),
        // `app = create_app()`.
        _ => match graph.parsed.first()?.made(attribute)? {
            Made::From { module, level, name, called: true } => {
                let here = module.is_empty() && level == 0;
                (if here { 0 } else { source(graph, 0, module, level)? }, name)
            }
            _ => return None,
        },
    };
    let (DefinitionKind::Function { is_async: false, .. }, span) =
        definition_from(graph, index, &factory)?
    else {
        return None;
    };
    Some((factory, span))
}

/// The function that makes the application and gives nothing back: its name, and where it stands.
pub(super) fn nothing(graph: &Graph<'_>, name: &ApplicationName) -> Option<(String, Span)> {
    let (factory, span) = factory(graph, name)?;
    let module = graph.parsed.iter().find(|module| module.file() == span.file)?;
    module.gives_nothing(span).then_some((factory, span))
}

/// The same from any of the modules.
fn definition_from(graph: &Graph<'_>, index: usize, name: &str) -> Option<(DefinitionKind, Span)> {
    let (mut index, mut name) = (index, name.to_owned());
    for _ in 0..DEPTH {
        let parsed = graph.parsed.get(index)?;
        let names = parsed.names();
        match (names.kind(&name)?, names.binding(&name)) {
            (DefinitionKind::Import, _) => {}
            (kind, Binding::Defined(span)) => return Some((kind, span)),
            _ => return None,
        }
        let Made::From { module, level, name: there, called: false } = parsed.made(&name)? else {
            return None;
        };
        index = source(graph, index, module, level)?;
        name = there;
    }
    None
}

/// The module of the application that a name is taken from.
fn source(graph: &Graph<'_>, index: usize, module: String, level: u32) -> Option<usize> {
    let import = Import {
        module,
        level,
        names: Vec::new(),
        star: false,
        place: ImportPlace::TopLevel,
        span: Span { file: graph.modules.get(index)?.file, start: 0, end: 0 },
    };
    let absolute = import.absolute(Graph::package_of(graph.modules.get(index)?))?;
    match graph.finder.find(&absolute) {
        Found::File(path, Owner::Release) => graph.position(&path),
        _ => None,
    }
}

/// Modules that certainly run at import and start a server there.
pub(super) fn served(graph: &Graph<'_>) -> Vec<ServedAtImport> {
    let certain = graph.modules.iter().enumerate().filter(|(_, module)| module.certain);
    let mut found = Vec::new();
    for (index, _) in certain {
        let Some(parsed) = graph.parsed.get(index).filter(|parsed| parsed.unusable().is_none())
        else {
            continue;
        };
        for served in parsed.served() {
            let runs = match &served.object {
                None => true,
                Some(object) => parsed
                    .made(object)
                    .and_then(|made| resolve(graph, index, made, DEPTH))
                    .is_some_and(|made| RUNNABLE.contains(&made.maker)),
            };
            if runs {
                let chain = graph.chain((index, served.call.span));
                let way = graph.way(&chain, &served.call.value);
                found.push(ServedAtImport { call: served.call.value, chain, way });
            }
        }
    }
    found
}
