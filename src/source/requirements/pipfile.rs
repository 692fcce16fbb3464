//! `Pipfile.lock`: JSON with the packages under `default`; those under `develop` do not count.

use std::collections::HashMap;

use serde_json::Value;

use super::{Marker, Requirement, Requirements, What, redact};
use crate::source::venv::normalise;
use crate::source::{Secret, SourceFile, Span};

/// Reads the lock file.
pub(super) fn read(file: &SourceFile, text: &str, found: &mut Requirements) {
    let json: Value = match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(json) => json,
        Err(error) => {
            return found.fault(file.line_span(error.line().max(1)), "is not JSON");
        }
    };
    let Some(packages) = json.get("default").and_then(Value::as_object) else {
        return found.fault(Span::new(file.id, 0, 0), "contains no `default` packages");
    };
    let places = keys_of(text, "default");
    for (name, package) in packages {
        let place = places.get(name.as_str()).copied().unwrap_or((0, 0));
        let span = Span::new(file.id, place.0, place.1);
        match requirement(name, package, span) {
            Ok(requirement) => found.requirements.push(requirement),
            Err(reason) => found.fault(span, reason),
        }
    }
}

fn requirement(name: &str, package: &Value, span: Span) -> Result<Requirement, String> {
    let of = |key: &str| package.get(key).and_then(Value::as_str);
    let version = package.as_str().or_else(|| of("version"));
    let location = ["git", "hg", "svn", "file", "path", "url"].iter().find_map(|key| of(key));
    let editable = package.get("editable").and_then(Value::as_bool).unwrap_or(false);
    let what = match (location, version) {
        (Some(location), _) if editable => What::Editable(Secret::new(location)),
        (Some(location), _) if location.contains("://") => What::Url(Secret::new(location)),
        (Some(location), _) => What::Path(redact(location)),
        (None, Some("*")) => What::Versioned(pep440_rs::VersionSpecifiers::empty()),
        (None, Some(version)) => What::Versioned(
            version.parse().map_err(|_| format!("{} is not a version", redact(version)))?,
        ),
        (None, None) => return Err("names neither a version nor a place".into()),
    };
    let extras = package.get("extras").and_then(Value::as_array).into_iter().flatten();
    Ok(Requirement {
        name: Some(normalise(name)),
        span,
        via: Vec::new(),
        what,
        extras: extras.filter_map(Value::as_str).map(normalise).collect(),
        marker: of("markers").map_or_else(Marker::always, Marker::parse),
        raw: redact(&format!("{name}{}", version.filter(|v| *v != "*").unwrap_or_default())),
    })
}

/// The byte ranges of the keys in a top-level object, found in one pass over the text.
fn keys_of<'t>(text: &'t str, object: &str) -> HashMap<&'t str, (usize, usize)> {
    let bytes = text.as_bytes();
    let mut places = HashMap::new();
    let (mut depth, mut at) = (0_usize, 0);
    let (mut last, mut inside) = (None, false);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let start = at + 1;
                at = start;
                while let Some(byte) = bytes.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                last = text.get(start..at).map(|key| (key, start));
            }
            b':' => {
                if let Some((key, start)) = last.take() {
                    match depth {
                        1 => inside = key == object,
                        2 if inside => {
                            places.insert(key, (start, start + key.len()));
                        }
                        _ => {}
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    places
}
