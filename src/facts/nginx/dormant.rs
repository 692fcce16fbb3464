//! Files of nginx's directory that its configuration does not load.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::super::endpoint::Endpoint;
use super::{Nginx, destinations};
use crate::host::FileKind;
use crate::source::nginx::{self, Model};
use crate::source::{Sources, Span};

/// Where sites are by convention, below the directory of the configuration that nginx reads.
const DIRECTORIES: [&str; 5] = ["sites-available", "sites-enabled", "conf.d", "sites", "vhosts.d"];
/// The most files that are looked at: a host has tens of them.
const FILE_LIMIT: usize = 200;

/// A peer of a site that is not loaded.
#[derive(Debug, Clone)]
pub struct DormantPeer {
    /// The file.
    pub path: PathBuf,
    /// Is the file linked from `sites-enabled`, which nothing includes?
    pub linked: bool,
    /// Where the peer is named.
    pub span: Span,
    /// Where it leads.
    pub endpoint: Endpoint,
}

/// The peers of the sites that nginx does not load.
pub(in super::super) fn read(sources: &Sources, nginx: &Nginx) -> Vec<DormantPeer> {
    let Some(model) = nginx.model.ok() else { return Vec::new() };
    let host = sources.host();
    let real = |path: &Path| host.look(path).resolved;
    let loaded: HashSet<PathBuf> =
        model.config.trees.iter().map(|tree| real(&tree.file.path)).collect();
    let mut seen = loaded;
    let mut linked = HashSet::new();
    let mut found = Vec::new();
    let mut files = Vec::new();
    let Some(top) = nginx.started.file.ok().and_then(|file| file.parent()) else {
        return Vec::new();
    };
    for directory in DIRECTORIES.map(|name| top.join(name)) {
        let Ok(names) = host.list(&directory) else { continue };
        for name in names {
            let path = directory.join(name);
            let lookup = host.look(&path);
            if directory.ends_with("sites-enabled") {
                linked.insert(lookup.resolved.clone());
            }
            let is_file = lookup.metadata().is_some_and(|found| found.kind == FileKind::File);
            if is_file && files.len() < FILE_LIMIT && seen.insert(lookup.resolved.clone()) {
                files.push((path, lookup.resolved));
            }
        }
    }
    for (path, resolved) in files {
        let Ok(config) = nginx::load_fragments(sources, std::slice::from_ref(&path)) else {
            continue;
        };
        let model = Model::new(config);
        for destination in destinations(&model) {
            found.extend(destination.peers.iter().map(|peer| DormantPeer {
                path: path.clone(),
                linked: linked.contains(&resolved),
                span: peer.span,
                endpoint: peer.endpoint.clone(),
            }));
        }
    }
    found
}
