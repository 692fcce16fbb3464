//! `pylock.toml` (PEP 751): every package with its whole condition.

use super::{Marker, Requirement, Requirements, What, redact, toml, uv};
use crate::source::venv::normalise;
use crate::source::{Secret, SourceFile};

/// Reads the lock file.
pub(super) fn read(file: &SourceFile, text: &str, found: &mut Requirements) {
    let Some(root) = toml::parse(file, text, found) else { return };
    for value in toml::array(&root, "packages") {
        let span = toml::span(file, value);
        let table = value.get_ref().as_table();
        let Some((table, name)) = table.and_then(|t| Some((t, toml::string(t, "name")?))) else {
            found.fault(span, "is a package without a name");
            continue;
        };
        let span = table.get("name").map_or(span, |name| toml::span(file, name));
        let of = |kind: &str, key: &str| {
            toml::table(table, kind).and_then(|source| toml::string(source, key))
        };
        let what = if let Some(path) = of("directory", "path") {
            let editable =
                toml::table(table, "directory").is_some_and(|d| toml::flag(d, "editable"));
            Ok(if editable { What::Editable(Secret::new(path)) } else { What::Path(redact(path)) })
        } else if let Some(url) = of("vcs", "url").or_else(|| of("archive", "url")) {
            Ok(What::Url(Secret::new(url)))
        } else if let Some(path) = of("vcs", "path").or_else(|| of("archive", "path")) {
            Ok(What::Path(redact(path)))
        } else {
            match toml::string(table, "version") {
                Some(version) => uv::pinned(version),
                None => Err("names neither a version nor a place".to_owned()),
            }
        };
        let what = match what {
            Ok(what) => what,
            Err(reason) => {
                found.fault(span, reason);
                continue;
            }
        };
        found.requirements.push(Requirement {
            name: Some(normalise(name)),
            span,
            via: Vec::new(),
            what,
            extras: Vec::new(),
            marker: toml::string(table, "marker").map_or_else(Marker::always, Marker::parse),
            raw: redact(&match toml::string(table, "version") {
                Some(version) => format!("{name}=={version}"),
                None => name.to_owned(),
            }),
        });
    }
}
