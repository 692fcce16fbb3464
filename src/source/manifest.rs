//! Manifests of static assets: the files that a release's pages will request.
//!
//! The known forms are Flask-Static-Digest's `cache_manifest.json`, Django's and whitenoise's
//! `staticfiles.json`, webpack's `manifest.json` (a flat map) and Vite's `manifest.json` (chunks).
//! The caller checks whether the files exist.

use std::collections::BTreeSet;

use super::{SourceFile, Span};

/// The tool that wrote a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManifestKind {
    /// Flask-Static-Digest.
    StaticDigest,
    /// Django's `ManifestStaticFilesStorage`, or whitenoise's.
    Django,
    /// webpack's manifest plugin: each name has a path.
    Webpack,
    /// Vite: each name has a chunk.
    Vite,
}

/// The content of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The tool that wrote it.
    pub kind: ManifestKind,
    /// The files that must exist, relative to the static root, sorted. webpack's may begin with `/`
    /// or with the public path, as pages refer to them.
    pub files: Vec<String>,
    /// How many entries lead elsewhere (`https://…`, `//host/…`, `data:`) or were not understood.
    pub unknown: usize,
}

/// Why a manifest could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

/// Reads a manifest of any known kind.
pub fn read(file: &SourceFile) -> Result<Manifest, Fault> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&file.bytes);
    let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| {
        let line = file.line_span(error.line().max(1));
        Fault { span: line, message: "is not JSON".into() }
    })?;
    let other = || Fault {
        span: Span::new(file.id, 0, 0),
        message: "is not a known manifest of static assets".into(),
    };
    let object = json.as_object().ok_or_else(other)?;
    let mut found = ManifestFiles::default();
    let kind = if let Some(paths) = object.get("paths").and_then(|v| v.as_object()) {
        paths.values().for_each(|value| found.add(value.as_str()));
        ManifestKind::Django
    } else if let (Some(latest), true) =
        (object.get("latest").and_then(|v| v.as_object()), object.contains_key("digests"))
    {
        latest.values().for_each(|value| found.add(value.as_str()));
        ManifestKind::StaticDigest
    } else if object.values().any(|v| v.get("file").is_some()) {
        object.values().for_each(|chunk| found.add_chunk(chunk));
        ManifestKind::Vite
    } else if object.values().all(|v| v.as_str().is_some_and(is_file)) && !object.is_empty() {
        object.values().for_each(|value| found.add(value.as_str()));
        ManifestKind::Webpack
    } else {
        return Err(other());
    };
    Ok(Manifest { kind, files: found.files.into_iter().collect(), unknown: found.unknown })
}

/// Whether a text names a file, as every value in a map of files does. The values in the
/// `manifest.json` of a web app (its name, its colours) do not.
fn is_file(text: &str) -> bool {
    let path = text.split(['?', '#']).next().unwrap_or(text);
    let last = path.rsplit('/').next().unwrap_or(path);
    !path.contains(char::is_whitespace)
        && last
            .rsplit_once('.')
            .is_some_and(|(stem, ending)| !stem.is_empty() && !ending.is_empty())
}

#[derive(Default)]
struct ManifestFiles {
    files: BTreeSet<String>,
    unknown: usize,
}

impl ManifestFiles {
    fn add(&mut self, path: Option<&str>) {
        match path {
            Some(path) if !path.contains(':') && !path.starts_with("//") && !path.is_empty() => {
                let end = path.find(['?', '#']).unwrap_or(path.len());
                self.files.insert(path.get(..end).unwrap_or(path).to_owned());
            }
            _ => self.unknown += 1,
        }
    }

    /// Adds a chunk of Vite: its file, its style sheets and its assets.
    fn add_chunk(&mut self, chunk: &serde_json::Value) {
        self.add(chunk.get("file").and_then(|v| v.as_str()));
        for key in ["css", "assets"] {
            for value in chunk.get(key).and_then(|v| v.as_array()).into_iter().flatten() {
                self.add(value.as_str());
            }
        }
    }
}
