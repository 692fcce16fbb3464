//! One requirement in the form of PEP 508, or in a form that pip accepts in addition: a bare URL, a
//! path.
//!
//! `pep508_rs` reads names, versions and markers. It is not given URLs, because it would replace
//! `${TOKEN}` in them with the value from our own environment, and quote them in its errors.

use std::str::FromStr;

use pep440_rs::VersionSpecifiers;
use pep508_rs::{Pep508ErrorSource, VersionOrUrl};

use super::{Marker, Requirement, What, redact};
use crate::source::venv::{markers, normalise};
use crate::source::{Secret, Span};

/// Reads one requirement.
pub(super) fn parse(text: &str, span: Span) -> Result<Requirement, String> {
    let text = text.trim();
    if text.contains('\0') {
        return Err("contains a NUL byte".into());
    }
    if let Some((name, url)) = named_url(text) {
        let (name, extras) = name_and_extras(name)?;
        let (url, marker) = split_marker(url);
        let mut requirement = located(url, span, What::Url(Secret::new(url)), text);
        requirement.name = Some(name);
        requirement.extras = extras;
        requirement.marker = marker;
        return Ok(requirement);
    }
    if is_url(text) {
        let (url, marker) = split_marker(text);
        let mut requirement = located(url, span, What::Url(Secret::new(url)), text);
        requirement.marker = marker;
        return Ok(requirement);
    }
    if is_path(text) {
        let (path, marker) = split_marker(text);
        let mut requirement = located(path, span, What::Path(redact(path)), text);
        requirement.marker = marker;
        return Ok(requirement);
    }
    if text.contains("${") {
        return Err("contains a variable, whose value is not known".into());
    }
    versioned(text, span)
}

/// Reads the argument of `-e`.
pub(super) fn editable(text: &str, span: Span) -> Requirement {
    let (url, marker) = split_marker(text.trim());
    let mut requirement = located(url, span, What::Editable(Secret::new(url)), text);
    requirement.raw = format!("-e {}", redact(text.trim()));
    requirement.marker = marker;
    if let Some((name, _)) = named_url(url)
        && let Ok((name, extras)) = name_and_extras(name)
    {
        requirement.name = Some(name);
        requirement.extras = extras;
    }
    requirement
}

/// Reads a requirement with a name and versions.
fn versioned(text: &str, span: Span) -> Result<Requirement, String> {
    let (named, marker) = text.split_once(';').unwrap_or((text, ""));
    markers::bounded(text)?;
    names_end_well(named)?;
    markers::comparable(marker)?;
    let parsed =
        pep508_rs::Requirement::<pep508_rs::VerbatimUrl>::from_str(text).map_err(|error| {
            match error.message {
                Pep508ErrorSource::String(text)
                | Pep508ErrorSource::UnsupportedRequirement(text) => redact(&text),
                Pep508ErrorSource::UrlError(_) => "contains an invalid URL".into(),
            }
        })?;
    let what = match parsed.version_or_url {
        None => What::Versioned(VersionSpecifiers::empty()),
        Some(VersionOrUrl::VersionSpecifier(versions)) => What::Versioned(versions),
        Some(VersionOrUrl::Url(_)) => return Err("contains an invalid URL".into()),
    };
    let marker_text = text.split_once(';').map_or("", |(_, marker)| marker.trim());
    Ok(Requirement {
        name: Some(normalise(parsed.name.as_ref())),
        span,
        via: Vec::new(),
        what,
        extras: parsed.extras.iter().map(|extra| normalise(extra.as_ref())).collect(),
        marker: Marker { tree: parsed.marker, text: marker_text.to_owned(), unknown: None },
        raw: redact(text),
    })
}

/// Checks that a name, and each extra's, ends in a letter or digit. `pep508_rs` 0.9.2 checks that
/// only if the line ends with the name: on `name- ==1` or `name[extra-]` it panics.
fn names_end_well(text: &str) -> Result<(), String> {
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let (name, rest) = text.split_at(text.find(|c| !letters(c)).unwrap_or(text.len()));
    let extras = rest.trim_start().strip_prefix('[').unwrap_or_default();
    let extras = extras.split_once(']').map_or(extras, |(extras, _)| extras);
    for (what, name) in
        std::iter::once(("name", name)).chain(extras.split(',').map(|e| ("extra", e)))
    {
        // Text after spaces is not part of the name; the parser itself reports that.
        let name = name.split_whitespace().next().unwrap_or_default();
        let name = name.split(|c| !letters(c)).next().unwrap_or_default();
        if name.ends_with(['-', '_', '.']) {
            return Err(format!("the {what} `{name}` does not end in a letter or digit"));
        }
    }
    Ok(())
}

fn located(location: &str, span: Span, what: What, text: &str) -> Requirement {
    let (name, extras) = name_of(location);
    Requirement {
        name,
        span,
        via: Vec::new(),
        what,
        extras,
        marker: Marker::always(),
        raw: redact(text.trim()),
    }
}

/// Splits `name[extras] @ url`. The text before the `@` must look like a name, which excludes the
/// `@` of `git+ssh://git@host`.
fn named_url(text: &str) -> Option<(&str, &str)> {
    let (name, url) = text.split_once('@')?;
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.[], \t".contains(c);
    let url = url.trim();
    (name.chars().all(letters)
        && !name.trim().is_empty()
        && (is_url(url) || is_path(url) || url.starts_with("${")))
    .then_some((name.trim(), url))
}

fn name_and_extras(text: &str) -> Result<(String, Vec<String>), String> {
    let (name, extras) = match text.split_once('[') {
        Some((name, extras)) => {
            (name, extras.trim_end().strip_suffix(']').ok_or("`[` is not closed")?)
        }
        None => (text, ""),
    };
    let name = name.trim();
    let letters = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || !name.chars().all(letters) {
        return Err("contains no package name".into());
    }
    let extras = extras.split(',').map(normalise).filter(|extra| !extra.is_empty()).collect();
    Ok((normalise(name), extras))
}

/// Splits `location ; marker`: a URL may contain `;`, so there must be white space before it.
fn split_marker(text: &str) -> (&str, Marker) {
    match text.split_once(" ;").or_else(|| text.split_once("\t;")) {
        Some((location, marker)) => (location.trim_end(), Marker::parse(marker.trim())),
        None => (text, Marker::always()),
    }
}

/// Whether a text is a URL: `scheme:` or `scheme+scheme:`, with the schemes that pip knows.
fn is_url(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else { return false };
    let scheme = scheme.to_ascii_lowercase();
    let base = scheme.split('+').next().unwrap_or_default();
    matches!(base, "http" | "https" | "file" | "ftp" | "git" | "hg" | "svn" | "bzr" | "ssh")
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+')
}

fn is_path(text: &str) -> bool {
    let path = text.split([';', '[']).next().unwrap_or(text).trim();
    let archive = [".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"];
    path == "."
        || path == ".."
        || (path.contains('/') && !path.contains("://") && !path.contains(['=', '<', '>', '@']))
        || archive.iter().any(|end| path.ends_with(end) && !path.contains(['=', '<', '>']))
}

/// The name and extras that a URL or path shows without being opened: from `#egg=`, or from a
/// wheel's file name.
fn name_of(location: &str) -> (Option<String>, Vec<String>) {
    if let Some((_, fragment)) = location.split_once('#') {
        for part in fragment.split('&') {
            if let Some(egg) = part.strip_prefix("egg=")
                && let Ok((name, extras)) = name_and_extras(egg)
            {
                return (Some(name), extras);
            }
        }
    }
    let plain = location.split(['#', '?']).next().unwrap_or(location);
    let (plain, extras) = match plain.rsplit_once('[') {
        Some((path, extras)) => (path, extras.trim_end_matches(']')),
        None => (plain, ""),
    };
    let last = plain.rsplit('/').next().unwrap_or(plain);
    let extras = extras.split(',').map(normalise).filter(|extra| !extra.is_empty()).collect();
    let wheel = last.strip_suffix(".whl").and_then(|stem| stem.split('-').next());
    (wheel.map(normalise).filter(|name| !name.is_empty()), extras)
}
