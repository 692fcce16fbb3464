//! Units that have a directory of `RuntimeDirectory=` in common: systemd removes it, with what all of
//! them have in it, when any one of them stops.

use std::collections::HashMap;
use std::path::PathBuf;

use super::service::{Service, SharedDirectory};

/// Of how many others a service is told: the first that matters is reported, and thousands of units may
/// share one directory.
const OTHERS: usize = 16;

/// The directories that a unit takes away; none of a template, which is never started as such.
pub(super) fn of(service: &Service) -> Vec<SharedDirectory> {
    let name = service.unit.name.to_string();
    let preserve = service.word("RuntimeDirectoryPreserve", "no");
    let kept = service.boolean("RuntimeDirectoryPreserve", false).ok() == Some(&true);
    let (Ok(preserve), Ok(directories), false) =
        (preserve.get(), service.directories.get(), kept || name.contains("@."))
    else {
        return Vec::new();
    };
    directories
        .iter()
        .filter(|made| made.path.starts_with("/run"))
        .map(|made| SharedDirectory {
            unit: name.clone(),
            enabled: service.unit.is_enabled(),
            kept_on_restart: preserve.as_str() == "restart",
            path: made.path.clone(),
            span: made.span,
        })
        .collect()
}

/// Tells each service of the directories that others take away from it.
pub(super) fn tell<'s>(
    services: impl Iterator<Item = &'s mut Service>,
    taken: &HashMap<PathBuf, Vec<SharedDirectory>>,
) {
    for service in services {
        let name = service.unit.name.to_string();
        let own = service.directories.ok().into_iter().flatten();
        // What is below a directory is removed with it.
        let above = own.flat_map(|made| made.path.ancestors());
        let others = above.filter_map(|path| taken.get(path)).flatten();
        let others = others.filter(|other| other.unit != name).take(OTHERS);
        service.shared_directories = others.cloned().collect();
    }
}
