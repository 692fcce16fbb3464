//! The services that nobody named and that a change reaches all the same: other instances of a
//! template, or whoever else reads a shared file.

use std::collections::HashMap;

use super::actions::{self, Reached};
use super::owners::Owners;
use super::{Change, plan};
use crate::facts::{App, Deployment};
use crate::host::{Host, OverlayHost};
use crate::source::Sources;

/// Which services other than these do the changes reach? `read` reads every application of the
/// host.
pub fn reached(
    host: &dyn Host,
    read: &dyn Fn(&Sources) -> Deployment,
    changes: &[Change],
    named: &dyn Fn(&App) -> bool,
) -> Vec<Reached> {
    if changes.is_empty() {
        return Vec::new();
    }
    let still = OverlayHost::new(host);
    let before = read(&Sources::new(&still));
    let overlay = plan::overlay(host, changes);
    let sources = Sources::new(&overlay);
    let after = read(&sources);
    let owners = Owners::of(&after, &sources);
    let was: HashMap<&str, &App> = before.apps.iter().map(|app| (app.name.as_str(), app)).collect();
    let mut found = Vec::new();
    for app in after.apps.iter().filter(|app| !named(app)) {
        let names: Vec<String> =
            app.service.sockets.iter().map(|unit| unit.name.to_string()).collect();
        let own = |name: &String| *name == app.name || names.contains(name);
        let reads = changes.iter().any(|change| {
            let path = change.path.as_path();
            let lists = [owners.units(path), owners.at_start(path), owners.at_reload(path)];
            lists.iter().any(|list| list.iter().any(own))
        });
        if !reads {
            continue;
        }
        // What does not run reads everything when it starts.
        let idle = app.processes.ok().is_some_and(|all| all.members.ok() == Some(&0));
        let actions = match idle {
            true => Vec::new(),
            false => {
                let was = was.get(app.name.as_str()).copied().unwrap_or(app);
                actions::after_for(changes, was, app, &owners)
            }
        };
        found.push(Reached { name: app.name.clone(), actions });
    }
    found
}
