//! `pyproject.toml`: PEP 621's `dependencies`, setuptools' dynamic ones, and Poetry's table.
//! Optional and development groups do not count.

use ::toml::de::{DeTable, DeValue};

use super::{Marker, Requirement, Requirements, What, pep508, redact, text, toml};
use crate::source::venv::normalise;
use crate::source::{Secret, SourceFile, Sources, Span};

/// Reads the project's own dependencies.
pub(super) fn read(
    sources: &Sources<'_>,
    file: &SourceFile,
    content: &str,
    found: &mut Requirements,
) {
    let Some(root) = toml::parse(file, content, found) else { return };
    let project = toml::table(&root, "project");
    let dynamic = project.map(|p| toml::strings(p, "dynamic")).unwrap_or_default();
    collect(file, &root, found);
    if dynamic.iter().any(|name| name == "dependencies")
        && poetry_table(&root).is_none()
        && !dynamic_files(sources, file, &root, found)
    {
        let span = project.and_then(|p| p.get("dynamic")).map(|value| toml::span(file, value));
        let span = span.unwrap_or(Span::new(file.id, 0, 0));
        found.fault(span, "the dependencies are made by the build and are not known");
    }
}

/// The project's own requirements; `None` if they could not be read.
pub(super) fn direct(file: &SourceFile) -> Option<Vec<Requirement>> {
    let content = std::str::from_utf8(&file.bytes).ok()?;
    let mut found = Requirements::default();
    let root = toml::parse(file, content, &mut found)?;
    collect(file, &root, &mut found);
    found.faults.is_empty().then_some(found.requirements)
}

fn collect(file: &SourceFile, root: &DeTable<'_>, found: &mut Requirements) {
    let dependencies = toml::table(root, "project")
        .into_iter()
        .flat_map(|project| toml::array(project, "dependencies"));
    for value in dependencies {
        let span = toml::span(file, value);
        match value.get_ref().as_str().map(|text| pep508::parse(text, span)) {
            Some(Ok(requirement)) => found.requirements.push(requirement),
            Some(Err(reason)) => found.fault(span, format!("is not a requirement: {reason}")),
            None => found.fault(span, "is not a string"),
        }
    }
    // In Poetry 2, its own table may add to what `[project]` already names.
    let named = !found.requirements.is_empty();
    for (name, value) in poetry_table(root).into_iter().flatten().filter(|_| !named) {
        if normalise(name.get_ref()) == "python" {
            continue;
        }
        let span = Span::new(file.id, name.span().start, value.span().end);
        let variants = match value.get_ref().as_array() {
            Some(values) => values.iter().map(|value| value.get_ref()).collect(),
            None => vec![value.get_ref()],
        };
        for variant in variants {
            match poetry(name.get_ref(), variant, span) {
                Ok(Some(requirement)) => found.requirements.push(requirement),
                Ok(None) => {}
                Err(reason) => found.fault(span, reason),
            }
        }
    }
}

fn poetry_table<'a, 't>(root: &'a DeTable<'t>) -> Option<&'a DeTable<'t>> {
    toml::table(toml::table(toml::table(root, "tool")?, "poetry")?, "dependencies")
}

/// The files in `[tool.setuptools.dynamic] dependencies = {file = [...]}`.
fn dynamic_files(
    sources: &Sources<'_>,
    file: &SourceFile,
    root: &DeTable<'_>,
    found: &mut Requirements,
) -> bool {
    let table = ["tool", "setuptools", "dynamic", "dependencies"]
        .iter()
        .try_fold(root, |table, key| toml::table(table, key));
    let Some(table) = table else { return false };
    let mut names = toml::strings(table, "file");
    names.extend(toml::string(table, "file").map(str::to_owned));
    let span = table.get("file").map(|value| toml::span(file, value));
    for name in &names {
        match sources.load(&file.path.with_file_name(name)) {
            Ok(listed) => text::read(sources, &listed, found),
            Err(error) => found.fault(span.unwrap_or(Span::new(file.id, 0, 0)), error.to_string()),
        }
    }
    !names.is_empty()
}

/// One of Poetry's dependencies; `None` for an optional one.
fn poetry(name: &str, value: &DeValue<'_>, span: Span) -> Result<Option<Requirement>, String> {
    let table = value.as_table();
    if table.is_some_and(|table| toml::flag(table, "optional")) {
        return Ok(None);
    }
    let of = |key: &str| table.and_then(|table| toml::string(table, key));
    let version = value.as_str().or_else(|| of("version"));
    let develop = table.is_some_and(|table| toml::flag(table, "develop"));
    let what = if let Some(url) = of("git").or_else(|| of("url")) {
        What::Url(Secret::new(url))
    } else if let Some(path) = of("path").or_else(|| of("file")) {
        if develop { What::Editable(Secret::new(path)) } else { What::Path(redact(path)) }
    } else {
        let version = version.ok_or("names neither a version nor a place")?;
        let specifiers = specifiers(version).ok_or_else(|| {
            format!("{} is not a version constraint that is read", redact(version))
        })?;
        let parsed = specifiers.parse();
        What::Versioned(parsed.map_err(|_| format!("{} is not a version", redact(version)))?)
    };
    let mut marker = of("markers").map_or_else(Marker::always, Marker::parse);
    // `python = "^3.8"` next to a version is a condition too, and so is `platform`.
    if let Some(python) = of("python").and_then(specifiers).filter(|text| !text.is_empty()) {
        let text: Vec<String> = python
            .split(',')
            .filter_map(|part| {
                let at = part.find(|c: char| c.is_ascii_digit())?;
                Some(format!(
                    "python_full_version {} '{}'",
                    part.get(..at)?.trim(),
                    part.get(at..)?
                ))
            })
            .collect();
        let condition = Marker::parse(&text.join(" and "));
        marker.tree.and(condition.tree);
        marker.text = format!("{} {}", marker.text, condition.text);
        marker.unknown = marker.unknown.or(condition.unknown);
    } else if of("python").is_some_and(|text| text.trim() != "*") || of("platform").is_some() {
        marker.unknown = Some("Poetry's condition was not understood".into());
    }
    Ok(Some(Requirement {
        name: Some(normalise(name)),
        span,
        via: Vec::new(),
        what,
        extras: table.map(|t| toml::strings(t, "extras")).unwrap_or_default(),
        marker,
        raw: redact(&format!("{name} {}", version.unwrap_or_default())),
    }))
}

/// Converts Poetry's constraints to PEP 440: `^1.2`, `~1.2`, `1.2`, `1.2.*`, `*`. `||` is not
/// supported.
fn specifiers(text: &str) -> Option<String> {
    if text.contains('|') {
        return None;
    }
    let mut parts = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty() && *part != "*") {
        if let Some(version) = part.strip_prefix('^') {
            parts.push(range(version, |numbers| {
                numbers
                    .iter()
                    .position(|number| *number != 0)
                    .unwrap_or(numbers.len().saturating_sub(1))
            })?);
        } else if let Some(version) = part.strip_prefix('~').filter(|v| !v.starts_with('=')) {
            parts.push(range(version, |numbers| usize::from(numbers.len() > 1))?);
        } else if part.starts_with(|c: char| c.is_ascii_digit()) {
            parts.push(format!("=={part}"));
        } else {
            parts.push(part.to_owned());
        }
    }
    Some(parts.join(","))
}

/// `>=version,<next`, where `next` is the version with the number at the chosen place raised by
/// one.
fn range(version: &str, place: impl Fn(&[u64]) -> usize) -> Option<String> {
    let parsed: pep440_rs::Version = version.trim().parse().ok()?;
    let numbers = parsed.release();
    let place = place(numbers);
    let mut next: Vec<String> = numbers.iter().take(place).map(u64::to_string).collect();
    next.push(numbers.get(place)?.checked_add(1)?.to_string());
    Some(format!(">={},<{}", version.trim(), next.join(".")))
}
