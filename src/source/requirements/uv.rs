//! `uv.lock`: packages with their own dependencies and with markers on the edges. What the project
//! at `.` needs is installed by default; its dev groups and extras do not count.

use std::collections::HashMap;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::graph::{Graph, Key};
use super::{Marker, Requirement, Requirements, What, redact, toml};
use crate::source::venv::normalise;
use crate::source::{Secret, SourceFile, Span};

struct Package<'a, 't> {
    name: String,
    version: &'a str,
    table: &'a DeTable<'t>,
    span: Span,
}

/// Reads the lock file.
pub(super) fn read(file: &SourceFile, text: &str, found: &mut Requirements) {
    let Some(root) = toml::parse(file, text, found) else { return };
    let mut packages = Vec::new();
    for value in toml::array(&root, "package") {
        let span = toml::span(file, value);
        let Some(table) = value.get_ref().as_table() else { continue };
        let Some(name) = toml::string(table, "name") else {
            found.fault(span, "is a package without a name");
            continue;
        };
        let version = toml::string(table, "version").unwrap_or_default();
        let span = table.get("name").map_or(span, |name| toml::span(file, name));
        packages.push(Package { name: normalise(name), version, table, span });
    }
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, package) in packages.iter().enumerate() {
        by_name.entry(&package.name).or_default().push(index);
    }
    let mut graph = Graph::default();
    for (index, package) in packages.iter().enumerate() {
        let node = graph.node(Key { package: index, extra: None });
        let edges = toml::array(package.table, "dependencies");
        add(file, &packages, &by_name, &mut graph, node, edges, found);
        let extras = toml::table(package.table, "optional-dependencies");
        for (extra, _) in extras.into_iter().flat_map(|extras| extras.iter()) {
            let extra_name = extra.get_ref().as_ref();
            let key = Key { package: index, extra: Some(normalise(extra_name)) };
            let node = graph.node(key);
            let edges = extras.into_iter().flat_map(|table| toml::array(table, extra_name));
            add(file, &packages, &by_name, &mut graph, node, edges, found);
        }
    }
    let projects = projects(&root, &packages);
    if projects.is_empty() {
        found.fault(Span::new(file.id, 0, 0), "names no project: its requirements are not known");
        return;
    }
    let roots: Vec<usize> =
        projects.iter().map(|index| graph.node(Key { package: *index, extra: None })).collect();
    let conditions = match graph.conditions(&roots) {
        Ok(conditions) => conditions,
        Err(reason) => return found.fault(Span::new(file.id, 0, 0), reason),
    };
    for (index, package) in packages.iter().enumerate() {
        if projects.contains(&index) {
            continue;
        }
        if let Some(marker) = conditions.get(&index) {
            match requirement(package, marker.clone()) {
                Ok(requirement) => found.requirements.push(requirement),
                Err(reason) => found.fault(package.span, reason),
            }
        }
    }
}

/// The project at `.`, otherwise the members of the workspace.
fn projects(root: &DeTable<'_>, packages: &[Package<'_, '_>]) -> Vec<usize> {
    let at = |package: &Package<'_, '_>, any: bool| {
        toml::table(package.table, "source").is_some_and(|source| {
            ["editable", "virtual"]
                .iter()
                .any(|kind| toml::string(source, kind).is_some_and(|path| any || path == "."))
        })
    };
    let here: Vec<usize> = (0..packages.len()).filter(|i| at(&packages[*i], false)).collect();
    if !here.is_empty() {
        return here;
    }
    let members: Vec<String> = toml::table(root, "manifest")
        .map(|manifest| toml::strings(manifest, "members"))
        .unwrap_or_default()
        .iter()
        .map(|name| normalise(name))
        .collect();
    (0..packages.len())
        .filter(|i| members.contains(&packages[*i].name) && at(&packages[*i], true))
        .collect()
}

#[allow(clippy::too_many_arguments)]
fn add<'a, 't: 'a>(
    file: &SourceFile,
    packages: &[Package<'_, '_>],
    by_name: &HashMap<&str, Vec<usize>>,
    graph: &mut Graph,
    from: usize,
    edges: impl Iterator<Item = &'a Spanned<DeValue<'t>>>,
    found: &mut Requirements,
) {
    for value in edges {
        let span = toml::span(file, value);
        let Some(edge) = value.get_ref().as_table() else {
            found.fault(span, "is not a dependency");
            continue;
        };
        let name = toml::string(edge, "name").map(normalise).unwrap_or_default();
        let version = toml::string(edge, "version");
        let targets = by_name.get(name.as_str()).map_or(&[][..], Vec::as_slice).iter().copied();
        let targets: Vec<usize> = targets
            .filter(|i| version.is_none_or(|version| packages[*i].version == version))
            .collect();
        if targets.is_empty() {
            found.fault(span, "is a dependency that the lock does not list");
        }
        let marker = toml::string(edge, "marker").map_or_else(Marker::always, Marker::parse);
        for target in targets {
            let node = graph.node(Key { package: target, extra: None });
            graph.edge(from, node, marker.clone());
            for extra in toml::strings(edge, "extra") {
                let key = Key { package: target, extra: Some(normalise(&extra)) };
                let node = graph.node(key);
                graph.edge(from, node, marker.clone());
            }
        }
    }
}

fn requirement(package: &Package<'_, '_>, marker: Marker) -> Result<Requirement, String> {
    let source = toml::table(package.table, "source");
    let of = |key: &str| source.and_then(|source| toml::string(source, key));
    let what = if let Some(path) = of("editable") {
        What::Editable(Secret::new(path))
    } else if let Some(path) = of("directory").or_else(|| of("path")) {
        What::Path(redact(path))
    } else if let Some(url) = of("git").or_else(|| of("url")) {
        What::Url(Secret::new(url))
    } else if of("virtual").is_some() {
        return Err("is a virtual package that is needed by the project".into());
    } else {
        pinned(package.version)?
    };
    Ok(Requirement {
        name: Some(package.name.clone()),
        span: package.span,
        via: Vec::new(),
        what,
        extras: Vec::new(),
        marker,
        raw: redact(&format!("{}=={}", package.name, package.version)),
    })
}

/// `==version`, which is the meaning of a version in every lock file.
pub(super) fn pinned(version: &str) -> Result<What, String> {
    let text = format!("=={version}");
    text.parse().map(What::Versioned).map_err(|_| format!("{} is not a version", redact(version)))
}
