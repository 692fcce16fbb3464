//! Manifests of static assets: do the files that the release's pages will request exist, in the
//! release and in the directory that nginx serves?

use std::path::{Path, PathBuf};

use super::super::nginx::StaticRoot;
use super::super::place::tidy;
use super::super::{Problem, Why};
use crate::host::Outcome;
use crate::source::manifest::{self, Manifest, ManifestKind};
use crate::source::{Sources, Span};

/// A manifest of static files, and which of them are missing.
#[derive(Debug)]
pub struct StaticManifest {
    /// The manifest's path.
    pub path: PathBuf,
    /// The first byte of it.
    pub span: Span,
    /// The directory that its files count from.
    pub base: PathBuf,
    /// What it lists.
    pub manifest: Manifest,
    /// The listed files that are not there.
    pub missing: Vec<String>,
    /// Copies of the directory that nginx serves in its place.
    pub served: Vec<ServedFrom>,
}

/// A directory other than the release's own from which nginx serves static files.
#[derive(Debug)]
pub struct ServedFrom {
    /// Its index in [`Nginx::statics`](super::super::Nginx::statics).
    pub root: usize,
    /// The listed files that are not in it, or why that is not known.
    pub missing: Result<Vec<String>, Why>,
}

/// Where such manifests are by convention.
const PLACES: [&str; 6] = [
    "static/cache_manifest.json",
    "static/manifest.json",
    "static/.vite/manifest.json",
    "static/staticfiles.json",
    "static/dist/manifest.json",
    "staticfiles/staticfiles.json",
];

pub(super) fn read(
    sources: &Sources,
    roots: &[PathBuf],
    problems: &mut Vec<Problem>,
) -> Vec<StaticManifest> {
    let mut found: Vec<StaticManifest> = Vec::new();
    for path in roots.iter().flat_map(|root| PLACES.map(|place| root.join(place))) {
        let Ok(file) = sources.load(&path) else { continue };
        // The release's link and its target are two names of one file.
        let resolved = |path: &Path| sources.host().look(path).resolved;
        if found.iter().any(|other| resolved(&other.path) == resolved(&path)) {
            continue;
        }
        let manifest = match manifest::read(&file) {
            Ok(manifest) => manifest,
            // A web app's own manifest has the same name.
            Err(_) if serde_json::from_slice::<serde_json::Value>(&file.bytes).is_ok() => continue,
            Err(fault) => {
                problems.push(Problem::at(sources, fault.span, fault.message));
                continue;
            }
        };
        let mut base = path.parent().unwrap_or(Path::new("/")).to_path_buf();
        if base.file_name().is_some_and(|name| name == ".vite") {
            base.pop();
        }
        let missing = missing(sources, &base, &manifest).unwrap_or_default();
        let span = Span { file: file.id, start: 0, end: 1.min(file.bytes.len() as u32) };
        found.push(StaticManifest { path, span, base, manifest, missing, served: Vec::new() });
    }
    found
}

/// Looks for the listed files where nginx serves `location /static/` from, if that is another
/// directory than the release's own.
pub(in super::super) fn look_where_served(
    sources: &Sources,
    manifests: &mut [StaticManifest],
    roots: &[(usize, &StaticRoot, String)],
) {
    for manifest in manifests {
        let own = sources.host().look(&manifest.base).resolved;
        let Some(name) = manifest.base.file_name().and_then(|name| name.to_str()) else { continue };
        for (index, root, location) in roots {
            // Only the location that bears the directory's name stands for it.
            if location.trim_matches('/') != name {
                continue;
            }
            let directory = match root.alias {
                true => root.place.path.clone(),
                false => root.place.path.join(name),
            };
            let lookup = sources.host().look(&directory);
            // One that is missing as a whole is a fault of its own.
            if lookup.resolved == own || lookup.metadata().is_none() {
                continue;
            }
            let missing = missing(sources, &directory, &manifest.manifest);
            manifest.served.push(ServedFrom { root: *index, missing });
        }
    }
}

fn missing(sources: &Sources, base: &Path, manifest: &Manifest) -> Result<Vec<String>, Why> {
    let mut found = Vec::new();
    for name in &manifest.files {
        let mut absent = true;
        for candidate in candidates(name, manifest.kind) {
            let lookup = sources.host().look(&tidy(&base.join(candidate)));
            match lookup.outcome {
                Outcome::Present(_) => absent = false,
                Outcome::Missing { .. } => {}
                Outcome::Failed(error) => return Err(Why::not_read(error.to_string())),
            }
        }
        if absent {
            found.push(name.clone());
        }
    }
    Ok(found)
}

/// Where a listed file may be. webpack's entries begin with whatever public path the pages use, so
/// each of their ends may be the path below the directory.
fn candidates(name: &str, kind: ManifestKind) -> Vec<&str> {
    let name = name.trim_start_matches('/');
    let mut found = vec![name];
    if kind == ManifestKind::Webpack {
        let ends = name.match_indices('/').take(16).filter_map(|(at, _)| name.get(at + 1..));
        found.extend(ends);
    }
    found
}
