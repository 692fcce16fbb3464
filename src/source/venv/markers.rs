//! Environment markers (PEP 508), evaluated as a Python of this environment does on Linux.

use std::str::FromStr;

use pep508_rs::{ExtraName, MarkerEnvironment, MarkerEnvironmentBuilder, MarkerTree};

use super::{Venv, python_version};

/// The longest marker that is read, in bytes. The grammar is recursive, and the decision diagram
/// grows with every comparison, so a bound is needed.
const MARKER_LIMIT: usize = 4096;
/// The deepest nesting of parentheses that is read.
const NESTING_LIMIT: usize = 50;

/// A Python to evaluate markers for: CPython on Linux x86_64.
#[derive(Debug, Clone)]
pub struct Markers {
    environment: MarkerEnvironment,
    /// Whether the patch release is known, and not only the minor version.
    full_version: bool,
}

impl Markers {
    /// CPython `major.minor` on Linux x86_64; `full` is a version such as `3.11.7`, if known.
    pub fn new(version: (u8, u8), full: Option<&str>) -> Option<Self> {
        let short = format!("{}.{}", version.0, version.1);
        let full = full.filter(|text| text.matches('.').count() >= 2);
        let long = full.unwrap_or(&short);
        let environment = MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: long,
            os_name: "posix",
            platform_machine: "x86_64",
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: long,
            python_version: &short,
            sys_platform: "linux",
        })
        .ok()?;
        Some(Self { environment, full_version: full.is_some() })
    }

    /// Whether the marker is true. `text` is the marker as written; an error says what is not
    /// known.
    pub fn holds(
        &self,
        marker: &MarkerTree,
        text: &str,
        extras: &[ExtraName],
    ) -> Result<bool, String> {
        for name in ["platform_release", "platform_version", "platform.version"] {
            if text.contains(name) {
                return Err(format!("the marker asks for {name}"));
            }
        }
        if !self.full_version
            && (text.contains("python_full_version") || text.contains("implementation_version"))
        {
            return Err("the patch release of Python is not known".into());
        }
        Ok(marker.evaluate(&self.environment, extras))
    }
}

impl Venv {
    /// The Python of this environment, or why it is not known.
    pub fn markers(&self) -> Result<Markers, String> {
        let version = python_version(self).ok_or("the Python version of the venv is not known")?;
        let full = self.config.as_ref().and_then(|config| config.version.as_ref()).map(|v| {
            // virtualenv writes `3.11.7.final.0`.
            v.value.splitn(4, '.').take(3).collect::<Vec<_>>().join(".")
        });
        // If pyvenv.cfg has a different minor version than lib/, its patch release says nothing.
        let full =
            full.filter(|_| self.config.as_ref().and_then(super::Config::minor) == Some(version));
        Markers::new(version, full.as_deref()).ok_or_else(|| "the Python version is not one".into())
    }
}

/// Reads a marker, bounded in length and depth; an error never quotes a URL.
pub fn parse(text: &str) -> Result<MarkerTree, String> {
    bounded(text)?;
    comparable(text)?;
    MarkerTree::from_str(text).map_err(|error| match error.message {
        pep508_rs::Pep508ErrorSource::String(text)
        | pep508_rs::Pep508ErrorSource::UnsupportedRequirement(text) => text,
        pep508_rs::Pep508ErrorSource::UrlError(_) => "contains a URL".into(),
    })
}

/// Checks that the parser can handle every comparison. `pep508_rs` 0.9.2 panics on `'x' ~=
/// os_name`: it swaps the two sides, and has no `~=` between words.
pub fn comparable(marker: &str) -> Result<(), String> {
    let mut quote = None;
    for (at, c) in marker.char_indices() {
        match quote {
            Some(open) if open == c => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if c == '~' => {
                let right = marker.get(at..).unwrap_or_default();
                let right = right.trim_start_matches(['~', '=']).trim_start();
                if !right.starts_with(['\'', '"']) {
                    return Err("contains `~=` with no quoted version after it".into());
                }
            }
            None => {}
        }
    }
    Ok(())
}

/// Checks that this text is short and flat enough for a recursive parser, and contains only ASCII
/// characters. (PEP 508 is ASCII throughout; the parser would split other characters.)
pub fn bounded(text: &str) -> Result<(), String> {
    if text.len() > MARKER_LIMIT {
        return Err(format!("is longer than the {MARKER_LIMIT} bytes that are read"));
    }
    if !text.is_ascii() {
        return Err("contains a letter that is not ASCII".into());
    }
    if text.bytes().filter(|byte| *byte == b'(').count() > NESTING_LIMIT {
        return Err(format!("contains more than {NESTING_LIMIT} parentheses"));
    }
    Ok(())
}
