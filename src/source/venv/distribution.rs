//! One installed distribution, from the name of its `*.dist-info` or `*.egg-info`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use pep440_rs::Version;

use super::{Fault, fault};
use crate::host::{FileKind, Host};

/// How a distribution was installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DistributionKind {
    /// `*.dist-info`, as every installer writes today.
    DistInfo,
    /// `*.egg-info`: setuptools or distutils.
    EggInfo,
    /// `*.egg-link`: an editable old-style install.
    EggLink,
}

/// One installed distribution.
#[derive(Debug, Clone)]
pub struct Distribution {
    /// The name as PEP 503 normalises it.
    pub name: String,
    /// The version, if the directory's name contains one that is valid by PEP 440.
    pub version: Option<Version>,
    /// The `*.dist-info` directory (or a similar one).
    pub path: PathBuf,
    /// How it was installed.
    pub kind: DistributionKind,
    /// Whether `METADATA` (or `PKG-INFO`) exists. Without it, Python does not know the version, and
    /// pip considers the package broken.
    pub metadata_present: bool,
    /// Whether `RECORD` exists: the list of what was installed.
    pub record_present: bool,
    /// Whether `direct_url.json` exists: the distribution was installed from a URL or a directory,
    /// and may be editable.
    pub direct_url_present: bool,
}

/// A name as PEP 503 compares it: in small letters, with one `-` for each run of `-`, `_` and `.`.
pub fn normalise(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for part in name.trim().split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normal.is_empty() {
            normal.push('-');
        }
        normal.push_str(&part.to_ascii_lowercase());
    }
    normal
}

/// Reads an entry of `site-packages` as a distribution, if it is one.
pub(super) fn read(
    host: &dyn Host,
    path: &Path,
    entry: &str,
    faults: &mut Vec<Fault>,
) -> Option<Distribution> {
    let (stem, extension) = entry.rsplit_once('.')?;
    let (kind, stem) = match extension {
        "dist-info" => (DistributionKind::DistInfo, stem),
        "egg-info" => (DistributionKind::EggInfo, without_python(stem)),
        "egg-link" => (DistributionKind::EggLink, stem),
        _ => return None,
    };
    let (name, version) = split(stem);
    if normalise(name).is_empty() {
        faults.push(fault(path, "contains no package name"));
        return None;
    }
    if kind == DistributionKind::DistInfo && version.is_none() {
        faults.push(fault(path, "contains no version that PEP 440 allows"));
    }
    let mut found = Distribution {
        name: normalise(name),
        version,
        path: path.into(),
        kind,
        metadata_present: false,
        record_present: false,
        direct_url_present: false,
    };
    let is_file = || host.look(path).metadata().is_some_and(|m| m.kind == FileKind::File);
    match kind {
        DistributionKind::EggLink => found.metadata_present = true,
        // distutils wrote one file where setuptools writes a directory.
        DistributionKind::EggInfo if is_file() => found.metadata_present = true,
        _ => match host.list(path) {
            Ok(names) => {
                let wanted =
                    if kind == DistributionKind::EggInfo { "PKG-INFO" } else { "METADATA" };
                found.metadata_present = names.iter().any(|name| name == wanted);
                found.record_present = names.iter().any(|name| name == "RECORD");
                found.direct_url_present = names.iter().any(|name| name == "direct_url.json");
            }
            Err(error) => faults.push(fault(path, error.kind.to_string())),
        },
    }
    Some(found)
}

/// Splits `name-version`; a name may contain `-` if an old tool did not escape it, but a version
/// may not.
fn split(stem: &str) -> (&str, Option<Version>) {
    match stem.rsplit_once('-') {
        // `1.0_1` means `1.0-1`, as wheels escape it.
        Some((name, text)) => {
            match Version::from_str(text).or_else(|_| Version::from_str(&text.replace('_', "-"))) {
                Ok(version) => (name, Some(version)),
                Err(_) => (stem.split_once('-').map_or(stem, |(name, _)| name), None),
            }
        }
        None => (stem, None),
    }
}

/// `name-1.0-py3.11(-platform)` without the Python version and platform.
fn without_python(stem: &str) -> &str {
    let python = |start: &usize| {
        stem.get(start + 3..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match stem.find("-py").filter(python) {
        Some(at) => stem.get(..at).unwrap_or(stem),
        None => stem,
    }
}
