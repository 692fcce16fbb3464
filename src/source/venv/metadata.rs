//! The headers of `METADATA` and `PKG-INFO` (core metadata: RFC 822 headers), and setuptools'
//! `requires.txt`. Read only when needed.

use super::{Distribution, DistributionKind};
use crate::host::{HostError, HostErrorKind};
use crate::source::Sources;

/// A distribution's own metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `Name`.
    pub name: Option<String>,
    /// `Version`.
    pub version: Option<String>,
    /// `Requires-Dist`, each as written: a PEP 508 requirement.
    pub requires: Vec<String>,
    /// `Provides-Extra`.
    pub extras: Vec<String>,
    /// `Requires-Python`.
    pub requires_python: Option<String>,
}

/// Reads the headers of a distribution.
pub fn read(sources: &Sources<'_>, distribution: &Distribution) -> Result<Metadata, HostError> {
    let path = match distribution.kind {
        DistributionKind::DistInfo => distribution.path.join("METADATA"),
        DistributionKind::EggInfo => {
            let inside = distribution.path.join("PKG-INFO");
            match sources.load(&inside) {
                Err(error) if matches!(error.kind, HostErrorKind::NotADirectory) => {
                    distribution.path.clone()
                }
                _ => inside,
            }
        }
        DistributionKind::EggLink => {
            let kind = HostErrorKind::Other("an egg-link contains no metadata".into());
            return Err(HostError { path: distribution.path.clone(), kind });
        }
    };
    let file = sources.load(&path)?;
    let mut metadata = headers(&file.bytes);
    if distribution.kind == DistributionKind::EggInfo
        && let Ok(file) = sources.load(&distribution.path.join("requires.txt"))
    {
        metadata.requires.extend(requires_txt(&String::from_utf8_lossy(&file.bytes)));
    }
    Ok(metadata)
}

/// The headers up to the first empty line; a line that begins with white space continues the
/// previous one.
fn headers(bytes: &[u8]) -> Metadata {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            fields.push((key.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    let mut metadata = Metadata::default();
    for (key, value) in fields {
        match key.as_str() {
            "name" => metadata.name = Some(value),
            "version" => metadata.version = Some(value),
            "requires-dist" => metadata.requires.push(value),
            "provides-extra" => metadata.extras.push(value),
            "requires-python" => metadata.requires_python = Some(value),
            _ => {}
        }
    }
    metadata
}

/// Reads `requires.txt`: requirements, one per line, under `[extra]`, `[:marker]` or
/// `[extra:marker]`.
fn requires_txt(text: &str) -> Vec<String> {
    let mut condition = String::new();
    let mut requires = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let (extra, marker) = section.split_once(':').unwrap_or((section, ""));
            condition = match (extra.trim(), marker.trim()) {
                ("", marker) => marker.to_owned(),
                (extra, "") => format!("extra == '{extra}'"),
                (extra, marker) => format!("({marker}) and extra == '{extra}'"),
            };
        } else if condition.is_empty() {
            requires.push(line.to_owned());
        } else {
            requires.push(format!("{line} ; {condition}"));
        }
    }
    requires
}
