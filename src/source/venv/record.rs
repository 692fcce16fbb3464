//! `RECORD` (PEP 376, 627) and `direct_url.json` (PEP 610): what an installer put where, and where
//! a distribution came from. Both are read only when needed.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Distribution, Venv};
use crate::host::{FileKind, Host, HostError, HostErrorKind};
use crate::source::{Secret, Sources};

/// The origin of a distribution that did not come from an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectUrl {
    /// Whether it was installed with `-e`, so that its code is imported from that directory.
    pub editable: bool,
    /// The directory or file, for a `file:` URL.
    pub path: Option<PathBuf>,
    /// The whole URL, which may contain credentials.
    pub url: Secret,
    /// The commit, for a version control URL.
    pub commit: Option<String>,
}

/// The top-level files of a distribution that `RECORD` names and that do not exist: packages, their
/// `__init__.py`, and modules. An editable install records none of its code, so nothing of it is
/// missing here.
pub fn missing_files(
    host: &dyn Host,
    sources: &Sources<'_>,
    venv: &Venv,
    distribution: &Distribution,
) -> Result<Vec<PathBuf>, HostError> {
    let site = distribution.path.parent().unwrap_or(Path::new("/"));
    let mut missing = Vec::new();
    let mut gone: Option<String> = None;
    for place in top_level(&recorded(sources, distribution)?) {
        let first = place.split('/').next().unwrap_or(&place);
        if !venv.has_entry(first) {
            if gone.as_deref() != Some(first) {
                missing.push(site.join(first));
                gone = Some(first.to_owned());
            }
            continue;
        }
        if place.contains('/') && host.look(&site.join(&place)).metadata().is_none() {
            missing.push(site.join(&place));
        }
    }
    Ok(missing)
}

/// The names that can be imported once this distribution is installed: those in `top_level.txt`,
/// otherwise those that follow from `RECORD`.
pub fn import_names(
    sources: &Sources<'_>,
    distribution: &Distribution,
) -> Result<Vec<String>, HostError> {
    if let Ok(file) = sources.load(&distribution.path.join("top_level.txt")) {
        let text = String::from_utf8_lossy(&file.bytes);
        return Ok(text.split_whitespace().map(str::to_owned).collect());
    }
    let mut names = BTreeSet::new();
    for path in recorded(sources, distribution)? {
        let (first, rest) = match path.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (path.as_str(), None),
        };
        let name = match rest {
            Some(rest) if rest.ends_with(".py") || rest.ends_with(".so") => first,
            Some(_) => continue,
            None if first.ends_with(".py") || first.ends_with(".so") => {
                first.split('.').next().unwrap_or(first)
            }
            None => continue,
        };
        if !name.is_empty() && !name.contains('-') && name != ".." && name != "__pycache__" {
            names.insert(name.to_owned());
        }
    }
    Ok(names.into_iter().collect())
}

/// Reads `direct_url.json`; `None` for a distribution from an index.
pub fn direct_url(
    sources: &Sources<'_>,
    distribution: &Distribution,
) -> Result<Option<DirectUrl>, HostError> {
    if !distribution.direct_url_present {
        return Ok(None);
    }
    let path = distribution.path.join("direct_url.json");
    let file = sources.load(&path)?;
    let invalid = || HostError {
        path: path.clone(),
        kind: HostErrorKind::Other("is not the JSON of PEP 610".into()),
    };
    let json: serde_json::Value = serde_json::from_slice(&file.bytes).map_err(|_| invalid())?;
    let url = json.get("url").and_then(|v| v.as_str()).ok_or_else(invalid)?;
    let flag = json.get("dir_info").and_then(|v| v.get("editable")).and_then(|v| v.as_bool());
    let commit = json.get("vcs_info").and_then(|v| v.get("commit_id")).and_then(|v| v.as_str());
    Ok(Some(DirectUrl {
        editable: flag.unwrap_or(false),
        path: url.strip_prefix("file://").map(percent_decoded),
        url: Secret::new(url),
        commit: commit.map(str::to_owned),
    }))
}

/// The paths in `RECORD`, relative to `site-packages`, as written. The `installed-files.txt` of old
/// tools is not read, because its paths are relative to another directory.
fn recorded(sources: &Sources<'_>, distribution: &Distribution) -> Result<Vec<String>, HostError> {
    let path = distribution.path.join("RECORD");
    if !distribution.record_present {
        return Err(HostError { path, kind: HostErrorKind::NotFound });
    }
    let file = sources.load(&path)?;
    let text = String::from_utf8_lossy(&file.bytes);
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(first_field).collect())
}

/// The first field of a CSV line; quoted if it contains a comma or a quote.
fn first_field(line: &str) -> String {
    let Some(quoted) = line.strip_prefix('"') else {
        return line.split(',').next().unwrap_or(line).to_owned();
    };
    let mut field = String::new();
    let mut characters = quoted.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '"' && characters.next_if_eq(&'"').is_none() {
            break;
        }
        field.push(c);
    }
    field
}

/// The top-level modules and packages in `site-packages`, and each package's `__init__.py`.
fn top_level(recorded: &[String]) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    for path in recorded {
        let mut parts = Path::new(path).components();
        let Some(Component::Normal(first)) = parts.next() else { continue };
        let Some(first) = first.to_str() else { continue };
        let second = parts.next().and_then(|c| c.as_os_str().to_str());
        let last = parts.next().is_none();
        match second {
            _ if first == "__pycache__" || first.ends_with(".dist-info") => {}
            None => {
                places.insert(first.to_owned());
            }
            Some("__init__.py") if last => {
                places.insert(format!("{first}/__init__.py"));
            }
            Some(_) => {
                places.insert(first.to_owned());
            }
        }
    }
    places
}

fn percent_decoded(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| *byte == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(decoded))
}

/// Whether there is a directory at this path.
pub(super) fn is_directory(host: &dyn Host, path: &Path) -> bool {
    host.look(path).metadata().is_some_and(|m| m.kind == FileKind::Directory)
}
