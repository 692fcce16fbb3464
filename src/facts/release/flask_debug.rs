//! Where the application's code turns the debug mode of Flask on, by itself or by the configuration that
//! it loads.

use super::finder::{Found, Owner};
use super::graph::Graph;
use super::interface;
use crate::source::gunicorn::{ApplicationName, ApplicationObject};
use crate::source::python::evaluate::{CallArguments, CalledFactory};
use crate::source::python::flask::{AskedOf, ConfigObject, FlaskDebug, MappingEntry, SaysOfDebug};
use crate::source::python::{self, Import, Module};
use crate::source::{Lookup, Secret};

/// Takes note of it in each module. `own` is the name that gunicorn looks for, where what it names is
/// Flask's; `variable` an environment variable, as gunicorn is started with it.
pub(super) fn read(
    graph: &mut Graph<'_>,
    name: &ApplicationName,
    own: Option<&str>,
    variable: &dyn Fn(&str) -> Lookup,
) {
    let concerned: Vec<usize> = (0..graph.modules.len())
        .filter(|index| {
            let Some(module) = graph.modules.get(*index) else { return false };
            let makes_one = *index == 0 && own.is_some() || !module.flask.is_empty();
            let read = graph.parsed.get(*index).is_some_and(|read| read.unusable().is_none());
            module.certain && module.may_read_debug && makes_one && read
        })
        .collect();
    if concerned.is_empty() {
        return;
    }
    let loads_file = graph.modules.iter().any(|module| !module.environment.loads_file.is_empty());
    let open = graph.open.is_some() || loads_file;
    let seen = |name: &str| {
        let writes = |module: &super::ReadModule| {
            let mut writes = module.environment.writes.iter();
            writes.any(|write| write.name.as_deref().is_none_or(|written| written == name))
        };
        match variable(name) {
            Lookup::Unset if open => Lookup::Unknown("a file may set it".into()),
            _ if graph.modules.iter().any(writes) => Lookup::Unknown("the code sets it".into()),
            seen => seen,
        }
    };
    let factory = called_factory(graph, name, &seen);
    let found: Vec<(usize, Option<FlaskDebug>)> = concerned
        .into_iter()
        .filter_map(|index| {
            let module = graph.parsed.get(index)?;
            let on = module.flask_debug(&AskedOf {
                own: own.filter(|_| index == 0),
                factory: factory.as_ref(),
                variable: &seen,
                says: &|object| says(graph, index, module, object),
            });
            Some((index, on))
        })
        .collect();
    for (index, on) in found {
        if let Some(module) = graph.modules.get_mut(index) {
            module.flask_debug = on;
        }
    }
}

/// The function that makes the application, with what it is given.
fn called_factory(
    graph: &Graph<'_>,
    name: &ApplicationName,
    variable: &dyn Fn(&str) -> Lookup,
) -> Option<CalledFactory> {
    let (_, definition) = interface::factory(graph, name)?;
    let arguments = match &name.object {
        ApplicationObject::Call { positional: 0, keywords, .. } if keywords.is_empty() => {
            CallArguments::default()
        }
        // What `app:create_app("production")` gives is not looked at.
        ApplicationObject::Call { .. } => return None,
        _ => graph.parsed.first()?.given_to_maker(name.attribute()?, variable)?,
    };
    Some(CalledFactory { definition, arguments })
}

/// What the object says that a module loads its configuration from.
fn says(
    graph: &Graph<'_>,
    index: usize,
    module: &Module,
    object: &ConfigObject<'_>,
) -> SaysOfDebug {
    match object {
        ConfigObject::Text(text) => named_by_text(graph, text),
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
        ConfigObject::Entry(mapping, key) => match imported(graph, index, module, mapping) {
            None => entry_in(graph, module, mapping, key),
            Some(from) => load(graph, &from)
                .map_or(SaysOfDebug::Unknown, |from| entry_in(graph, &from, mapping, key)),
        },
    }
}

/// `werkzeug.utils.import_string`: the whole as a module, else its last part in one.
fn named_by_text(graph: &Graph<'_>, text: &Secret) -> SaysOfDebug {
    let Some(text) = text.expose_str() else { return SaysOfDebug::Unknown };
    match (load(graph, text), text.rsplit_once('.')) {
        (Some(module), _) => module.says_of_debug(),
        (None, Some((module, class))) => class_in(graph, module, class),
        (None, None) => SaysOfDebug::Unknown,
    }
}

fn entry_in(graph: &Graph<'_>, module: &Module, mapping: &str, key: &Secret) -> SaysOfDebug {
    match key.expose_str().and_then(|key| module.entry(mapping, key)) {
        Some(MappingEntry::Name(class)) => module.class_says_of_debug(class),
        Some(MappingEntry::Text(text)) => named_by_text(graph, &Secret::new(text)),
        None => SaysOfDebug::Unknown,
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
