//! `poetry.lock`. Since Poetry 2.1 each package names its groups and markers. Before that, only the
//! edges had markers and no package named its groups, so `pyproject.toml` is needed as well.

use std::collections::HashMap;

use ::toml::de::{DeTable, DeValue};

use super::graph::{Graph, Key};
use super::{Marker, Requirement, Requirements, What, pyproject, redact, toml, uv};
use crate::source::venv::normalise;
use crate::source::{Secret, SourceFile, Span};

struct Package<'a, 't> {
    name: String,
    table: &'a DeTable<'t>,
    span: Span,
}

/// Reads the lock file, with the project next to it if it exists.
pub(super) fn read(
    file: &SourceFile,
    text: &str,
    project: Option<&SourceFile>,
    found: &mut Requirements,
) {
    let Some(root) = toml::parse(file, text, found) else { return };
    let mut packages = Vec::new();
    for value in toml::array(&root, "package") {
        let span = toml::span(file, value);
        let table = value.get_ref().as_table();
        let Some((table, name)) = table.and_then(|t| Some((t, toml::string(t, "name")?))) else {
            found.fault(span, "is a package without a name");
            continue;
        };
        let span = table.get("name").map_or(span, |name| toml::span(file, name));
        packages.push(Package { name: normalise(name), table, span });
    }
    let grouped = packages.iter().any(|package| package.table.contains_key("groups"));
    let conditions = if grouped {
        packages.iter().map(grouped_condition).collect()
    } else {
        edge_conditions(file, &packages, project, found)
    };
    for (package, marker) in packages.iter().zip(conditions) {
        let Some(marker) = marker else { continue };
        match requirement(package, marker) {
            Ok(requirement) => found.requirements.push(requirement),
            Err(reason) => found.fault(package.span, reason),
        }
    }
}

/// The condition in Poetry 2.1 and later. `markers` is a string, or a table with one for each
/// group.
fn grouped_condition(package: &Package<'_, '_>) -> Option<Marker> {
    let main = toml::strings(package.table, "groups").iter().any(|group| group == "main");
    if !main || toml::flag(package.table, "optional") {
        return None;
    }
    Some(match package.table.get("markers").map(|value| value.get_ref()) {
        None => Marker::always(),
        Some(DeValue::String(text)) => Marker::parse(text),
        Some(DeValue::Table(groups)) => {
            toml::string(groups, "main").map_or_else(Marker::always, Marker::parse)
        }
        Some(_) => unknown("the markers of the lock were not understood"),
    })
}

/// The conditions before Poetry 2.1, found by following the edges from the project's own
/// dependencies.
fn edge_conditions(
    file: &SourceFile,
    packages: &[Package<'_, '_>],
    project: Option<&SourceFile>,
    found: &mut Requirements,
) -> Vec<Option<Marker>> {
    let roots = project.and_then(pyproject::direct);
    let Some(roots) = roots else {
        let why = "the lock does not tell the groups, and pyproject.toml was not read";
        let wanted = |package: &Package<'_, '_>| {
            let category = toml::string(package.table, "category").unwrap_or("main");
            (category == "main" && !toml::flag(package.table, "optional")).then(|| unknown(why))
        };
        return packages.iter().map(wanted).collect();
    };
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, package) in packages.iter().enumerate() {
        by_name.entry(&package.name).or_default().push(index);
    }
    let mut graph = Graph::default();
    let start = graph.node(Key { package: usize::MAX, extra: None });
    for root in &roots {
        let name = root.name.clone().unwrap_or_default();
        let known = link(&by_name, &mut graph, start, &name, &root.extras, &root.marker);
        if !known && root.marker.tree.is_true() {
            found.fault(
                file.line_span(1),
                format!("does not list {name}, which pyproject.toml asks for"),
            );
        }
    }
    for (index, package) in packages.iter().enumerate() {
        let node = graph.node(Key { package: index, extra: None });
        let Some(needs) = toml::table(package.table, "dependencies") else { continue };
        for (name, value) in needs {
            let name = normalise(name.get_ref());
            for (marker, optional, extras) in variants(value.get_ref()) {
                if !optional {
                    link(&by_name, &mut graph, node, &name, &extras, &marker);
                }
                for extra in extras_with(package.table, &name).iter().filter(|_| optional) {
                    let key = Key { package: index, extra: Some(extra.clone()) };
                    let from = graph.node(key);
                    link(&by_name, &mut graph, from, &name, &extras, &marker);
                }
            }
        }
    }
    match graph.conditions(&[start]) {
        Ok(mut conditions) => (0..packages.len()).map(|index| conditions.remove(&index)).collect(),
        Err(reason) => {
            found.fault(Span::new(file.id, 0, 0), reason);
            vec![None; packages.len()]
        }
    }
}

fn link(
    by_name: &HashMap<&str, Vec<usize>>,
    graph: &mut Graph,
    from: usize,
    name: &str,
    extras: &[String],
    marker: &Marker,
) -> bool {
    let targets = by_name.get(name).map_or(&[][..], Vec::as_slice);
    for target in targets {
        let node = graph.node(Key { package: *target, extra: None });
        graph.edge(from, node, marker.clone());
        for extra in extras {
            let key = Key { package: *target, extra: Some(normalise(extra)) };
            let node = graph.node(key);
            graph.edge(from, node, marker.clone());
        }
    }
    !targets.is_empty()
}

/// The variants of a dependency: a version, a table, or several tables for several markers.
fn variants(value: &DeValue<'_>) -> Vec<(Marker, bool, Vec<String>)> {
    let one = |value: &DeValue<'_>| match value.as_table() {
        Some(table) => (
            toml::string(table, "markers").map_or_else(Marker::always, Marker::parse),
            toml::flag(table, "optional"),
            toml::strings(table, "extras"),
        ),
        None => (Marker::always(), false, Vec::new()),
    };
    match value.as_array() {
        Some(values) => values.iter().map(|value| one(value.get_ref())).collect(),
        None => vec![one(value)],
    }
}

/// The extras of a package that require the dependency with this name.
fn extras_with(package: &DeTable<'_>, dependency: &str) -> Vec<String> {
    let Some(extras) = toml::table(package, "extras") else { return Vec::new() };
    let names = |entry: &str| {
        let end = entry.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        normalise(entry.get(..end.unwrap_or(entry.len())).unwrap_or(entry)) == dependency
    };
    extras
        .iter()
        .filter(|(extra, _)| toml::strings(extras, extra.get_ref()).iter().any(|e| names(e)))
        .map(|(extra, _)| normalise(extra.get_ref()))
        .collect()
}

fn requirement(package: &Package<'_, '_>, marker: Marker) -> Result<Requirement, String> {
    let version = toml::string(package.table, "version").unwrap_or_default();
    let source = toml::table(package.table, "source");
    let kind = source.and_then(|source| toml::string(source, "type")).unwrap_or("legacy");
    let url = source.and_then(|source| toml::string(source, "url")).unwrap_or_default();
    let what = match kind {
        "directory" if toml::flag(package.table, "develop") => What::Editable(Secret::new(url)),
        "directory" | "file" => What::Path(redact(url)),
        "git" | "url" => What::Url(Secret::new(url)),
        _ => uv::pinned(version)?,
    };
    Ok(Requirement {
        name: Some(package.name.clone()),
        span: package.span,
        via: Vec::new(),
        what,
        extras: Vec::new(),
        marker,
        raw: redact(&format!("{}=={version}", package.name)),
    })
}

fn unknown(why: &str) -> Marker {
    Marker { unknown: Some(why.to_owned()), ..Marker::always() }
}
