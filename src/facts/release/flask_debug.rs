//! Where the application's code turns the debug mode of Flask on, by itself or by the configuration that
//! it loads.

use super::finder::{Found, Owner};
use super::graph::Graph;
use crate::source::python::flask::{ConfigObject, FlaskDebug, SaysOfDebug};
use crate::source::python::{self, Import, Module};

/// Takes note of it in each module. `own` is the name that gunicorn looks for, where what it names is
/// Flask's.
pub(super) fn read(graph: &mut Graph<'_>, own: Option<&str>) {
    let mut found: Vec<Option<FlaskDebug>> = Vec::new();
    for (index, module) in graph.modules.iter().enumerate() {
        let own = own.filter(|_| index == 0);
        let concerns = module.certain && module.may_read_debug;
        let parsed = graph.parsed.get(index);
        let parsed = parsed.filter(|_| concerns && (own.is_some() || !module.flask.is_empty()));
        let parsed = parsed.filter(|parsed| parsed.unusable().is_none());
        found.push(parsed.and_then(|parsed| {
            parsed.flask_debug(own, &|object| says(graph, index, parsed, object))
        }));
    }
    for (module, found) in graph.modules.iter_mut().zip(found) {
        module.flask_debug = found;
    }
}

/// What the object says that a module loads its configuration from.
fn says(
    graph: &Graph<'_>,
    index: usize,
    module: &Module,
    object: &ConfigObject<'_>,
) -> SaysOfDebug {
    match object {
        // `werkzeug.utils.import_string`: the whole as a module, else its last part in one.
        ConfigObject::Text(text) => match (load(graph, text), text.rsplit_once('.')) {
            (Some(module), _) => module.says_of_debug(),
            (None, Some((module, class))) => class_in(graph, module, class),
            (None, None) => SaysOfDebug::Unknown,
        },
        ConfigObject::Name(name) => match imported(graph, index, module, name) {
            None => module.class_says_of_debug(name),
            // `from shop import config` brings a module.
            Some(from) => match load(graph, &format!("{from}.{name}")) {
                Some(module) => module.says_of_debug(),
                None => class_in(graph, &from, name),
            },
        },
        ConfigObject::Attribute(of, class) => match imported(graph, index, module, of) {
            Some(from) => class_in(graph, &format!("{from}.{of}"), class),
            None if imports_whole(module, of) => class_in(graph, of, class),
            None => SaysOfDebug::Unknown,
        },
    }
}

fn class_in(graph: &Graph<'_>, module: &str, class: &str) -> SaysOfDebug {
    load(graph, module).map_or(SaysOfDebug::Unknown, |module| module.class_says_of_debug(class))
}

/// The module that a name is taken from.
fn imported(graph: &Graph<'_>, index: usize, module: &Module, name: &str) -> Option<String> {
    module.hands_on(name)?.absolute(Graph::package_of(graph.modules.get(index)?))
}

/// Does it contain `import NAME`?
fn imports_whole(module: &Module, name: &str) -> bool {
    let is_whole = |import: &Import| import.names.is_empty() && !import.star && import.level == 0;
    module.imports(None).iter().any(|import| is_whole(import) && import.module == name)
}

/// A module of the application's own.
fn load(graph: &Graph<'_>, name: &str) -> Option<Module> {
    let Found::File(path, Owner::Release) = graph.finder.find(name) else { return None };
    let file = graph.sources.load(&path).ok()?;
    let module = python::parse(&file, graph.version.unwrap_or(super::graph::NEWEST));
    module.unusable().is_none().then_some(module)
}
