//! The modules Django imports when it starts, and for its first request: the settings module, then
//! INSTALLED_APPS, MIDDLEWARE and ROOT_URLCONF.

use std::path::PathBuf;

use super::super::{Problem, Why};
use super::finder::{Found, Owner};
use super::graph::Graph;
use crate::source::python::Import;
use crate::source::python::ImportPlace;
use crate::source::python::django::Settings;
use crate::source::{Span, Spanned};

/// How many modules may take over each other's settings with `from … import *`, and how often in
/// all.
const DEPTH: usize = 10;
const TAKEN: usize = 100;

/// Follows Django's settings where a module that certainly runs starts Django. `variable` is
/// DJANGO_SETTINGS_MODULE in the environment. Hands out the settings' module and its file.
pub(super) fn follow(
    graph: &mut Graph<'_>,
    variable: &dyn Fn() -> Result<Option<(String, Option<Span>)>, Why>,
    problems: &mut Vec<Problem>,
) -> Result<Option<(String, PathBuf)>, Why> {
    let Some((index, named, forced)) = started(graph) else { return Ok(None) };
    let Some(from_code) = named else {
        // No line of the code leads there: they are read, and not followed.
        let Some((module, _)) = variable()? else { return Ok(None) };
        return Ok(match graph.finder.find(&module) {
            Found::File(path, Owner::Release) => Some((module, path)),
            _ => None,
        });
    };
    let named = match forced {
        true => from_code,
        false => match variable()? {
            Some((value, span)) => {
                graph.hidden = Some(("DJANGO_SETTINGS_MODULE", value.clone(), span));
                Spanned { value, ..from_code }
            }
            None => from_code,
        },
    };
    graph.import(import(&named.value, named.span), index, true);
    graph.run(problems);
    let Found::File(path, Owner::Release) = graph.finder.find(&named.value) else {
        return Ok(None);
    };
    let Some(position) = graph.position(&path) else { return Ok(None) };
    let settings = settings_of(graph, position, DEPTH, &mut 0);
    for app in texts(&settings, "INSTALLED_APPS") {
        follow_app(graph, app);
    }
    for path in texts(&settings, "MIDDLEWARE") {
        if let Some((module, _)) = path.value.rsplit_once('.') {
            follow_module(graph, module, path.span);
        }
    }
    if let [urls] = texts(&settings, "ROOT_URLCONF") {
        follow_module(graph, &urls.value, urls.span);
    }
    graph.run(problems);
    Ok(Some((named.value, path)))
}

fn texts<'s>(settings: &'s Settings, name: &str) -> &'s [Spanned<String>] {
    settings.get(name).map_or(&[], |texts| &texts.certain)
}

/// The module that starts Django, and the settings that the code names.
fn started(graph: &Graph<'_>) -> Option<(usize, Option<Spanned<String>>, bool)> {
    let mut starts = None;
    let mut named = None;
    for (index, module) in graph.modules.iter().enumerate().filter(|(_, module)| module.certain) {
        let file = graph.sources.file(module.file);
        let word = b"application";
        if !file.bytes.windows(word.len()).any(|part| part == word)
            && !file.bytes.windows(6).any(|part| part == b"django" || part == b"DJANGO")
        {
            continue;
        }
        let start = graph.parsed.get(index)?.django_start();
        if start.starts {
            starts.get_or_insert(index);
        }
        if let Some(settings) = start.settings {
            named.get_or_insert((settings, start.forced));
        }
    }
    let index = starts?;
    match named {
        Some((settings, forced)) => Some((index, Some(settings), forced)),
        None => Some((index, None, false)),
    }
}

fn import(module: &str, span: Span) -> Import {
    Import {
        module: module.to_owned(),
        level: 0,
        names: Vec::new(),
        star: false,
        place: ImportPlace::TopLevel,
        span,
    }
}

fn follow_module(graph: &mut Graph<'_>, module: &str, span: Span) {
    if let Some(index) = graph.module_at(span) {
        graph.import(import(module, span), index, true);
    }
}

/// An entry of INSTALLED_APPS: a module, or the path of an `AppConfig` in one. Of the application's
/// own, Django imports `apps` and `models` too.
fn follow_app(graph: &mut Graph<'_>, app: &Spanned<String>) {
    let name = app.value.as_str();
    let class = name.rsplit_once('.').filter(|(_, class)| class.starts_with(char::is_uppercase));
    if let (Some((module, _)), Found::Missing(_)) = (class, graph.finder.find(name)) {
        follow_module(graph, module, app.span);
        // The application of `shop.apps.ShopConfig` is mostly `shop`.
        return;
    }
    follow_module(graph, name, app.span);
    for part in ["apps", "models"] {
        let inner = format!("{name}.{part}");
        if matches!(graph.finder.find(&inner), Found::File(_, Owner::Release)) {
            follow_module(graph, &inner, app.span);
        }
    }
}

/// What is in the settings for certain, through the modules that they take over.
fn settings_of(graph: &Graph<'_>, index: usize, depth: usize, taken: &mut usize) -> Settings {
    let (Some(module), Some(read)) = (graph.parsed.get(index), graph.modules.get(index)) else {
        return Settings::new();
    };
    *taken += 1;
    if depth == 0 || *taken > TAKEN || module.unusable().is_some() {
        return Settings::new();
    }
    module.django_settings(graph.version, &mut |import| {
        match graph.finder.find(&import.absolute(Graph::package_of(read))?) {
            Found::File(path, Owner::Release) => {
                let at = graph.position(&path)?;
                Some(settings_of(graph, at, depth - 1, taken))
            }
            // `try: from .local import *`, and no such file.
            Found::Missing(_) => Some(Settings::new()),
            _ => None,
        }
    })
}
