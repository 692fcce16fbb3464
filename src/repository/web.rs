//! nginx's files of a repository: what each defines, and which cannot be loaded together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::units::read;
use super::{Contents, Survey};
use crate::facts::{Endpoint, Given};
use crate::source::Sources;
use crate::source::nginx::{Context, Model};

/// A file of nginx's configuration with all that it includes.
#[derive(Debug)]
pub(super) struct WebFile {
    pub path: PathBuf,
    /// Where its passes lead.
    pub peers: Vec<Endpoint>,
    /// Does it pass anything on?
    pub passes: bool,
    /// What it defines, and no second file may next to it: in words.
    pub defines: BTreeSet<String>,
}

impl WebFile {
    /// Something that both define, so that one host does not load both.
    pub(super) fn clash<'f>(&'f self, other: &'f Self) -> Option<&'f String> {
        self.defines.intersection(&other.defines).next()
    }
}

/// Reads each file by itself. What another one includes is a part of that one.
pub(super) fn read_all(
    sources: &Sources,
    contents: &Contents,
    survey: &mut Survey,
) -> Vec<WebFile> {
    let mut found = Vec::new();
    let mut included: Vec<(PathBuf, PathBuf)> = Vec::new();
    for path in &contents.nginx {
        let deployment = read(sources, Given { nginx: vec![path.clone()], ..Given::default() });
        let nginx = &deployment.nginx;
        let Some(model) = nginx.model.ok() else { continue };
        for tree in &model.config.trees {
            if tree.file.path != *path {
                included.push((tree.file.path.clone(), path.clone()));
            }
        }
        let peers = nginx.destinations.iter().flat_map(|destination| destination.peers.iter());
        found.push(WebFile {
            path: path.clone(),
            peers: peers.map(|peer| peer.endpoint.clone()).collect(),
            passes: passes(model),
            defines: defines(model),
        });
    }
    let around = |file: &Path| included.iter().find(|(inner, _)| inner == file);
    found.retain(|file| around(&file.path).is_none());
    let mut parts: Vec<&(PathBuf, PathBuf)> = included.iter().collect();
    parts.sort();
    parts.dedup_by_key(|(inner, _)| inner);
    for (inner, outer) in parts {
        survey.take(inner, "nginx", None, Some(format!("{} includes it", outer.display())));
    }
    for snippet in contents.snippets.iter().filter(|path| around(path).is_none()) {
        survey.leave(
            snippet,
            "it counts only if an nginx file includes it, and no file here includes it by a path \
             that leads to it",
        );
    }
    found
}

/// Where to is not known where a template has a placeholder in it; of a file that is not read to
/// its end (`{% if %}`), the words tell.
fn passes(model: &Model) -> bool {
    let cut = model.config.trees.iter().filter(|tree| tree.fault.is_some());
    model.config.named_any(|name| name.ends_with(b"_pass")).next().is_some()
        || cut.into_iter().any(|tree| memchr::memmem::find(&tree.file.bytes, b"_pass ").is_some())
}

fn defines(model: &Model) -> BTreeSet<String> {
    let mut defines = BTreeSet::new();
    if model.config.context == Context::Main {
        defines.insert("nginx's main file".to_owned());
    }
    for upstream in &model.upstreams {
        defines.insert(format!("upstream {}", upstream.name.value.to_ascii_lowercase()));
    }
    for server in &model.servers {
        for address in server.addresses() {
            let names = server.names.iter().map(|name| name.text.as_str());
            let names: Vec<&str> = names.collect();
            let names = if names.is_empty() { vec![""] } else { names };
            defines.extend(names.iter().map(|name| match *name {
                "" => format!("the server without a name on {address}"),
                name => format!("the server {name} on {address}"),
            }));
        }
        for listen in server.listens.iter().filter(|listen| listen.default_server) {
            defines.extend(listen.address.as_ref().map(|at| format!("the default server of {at}")));
        }
    }
    defines
}
