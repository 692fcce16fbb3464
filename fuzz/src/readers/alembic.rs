//! Migrations: what their graph is asked holds together. Each file is a migration; `alembic.ini` and
//! others lie where they are named.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use deploy_doctor::host::MemoryHost;
use deploy_doctor::source::alembic::{Revisions, classify_sql, locate, read};
use deploy_doctor::source::{FileId, Sources, Span};

use crate::pack::sections;
use crate::spans::inside;

const VERSIONS: &str = "/srv/myapp/migrations/versions";

pub fn run(input: &[u8]) {
    let mut host = MemoryHost::new();
    for (number, section) in sections(input).iter().enumerate() {
        match section.name {
            "" => host.file(format!("{VERSIONS}/m.py"), section.bytes),
            name if name.contains("..") || name.len() > 200 => continue,
            name if name.contains('.') && !name.ends_with(".py") => {
                host.file(Path::new("/srv/myapp").join(name.trim_matches('/')), section.bytes)
            }
            _ => host.file(format!("{VERSIONS}/m{number}.py"), section.bytes),
        };
        let text = String::from_utf8_lossy(section.bytes);
        let place = Span::new(FileId(0), 0, section.bytes.len());
        classify_sql(&text, place, section.bytes.len() % 2 == 0);
    }
    let sources = Sources::new(&host);
    if let Ok(location) = locate::find(&sources, Path::new("/srv/myapp")) {
        for directory in location.directories {
            let _ = read(&sources, &directory);
        }
    }
    let Ok(revisions) = read(&sources, Path::new(VERSIONS)) else { return };
    for fault in revisions.faults.iter().filter_map(|fault| fault.span) {
        inside(&sources.file(fault.file), fault);
    }
    for revision in &revisions.revisions {
        inside(&sources.file(revision.id.span.file), revision.id.span);
        for down in &revision.down {
            inside(&sources.file(down.span.file), down.span);
        }
    }
    graph(&revisions);
}

fn graph(revisions: &Revisions) {
    let ids: HashSet<&str> = revisions.revisions.iter().map(|r| r.id.value.as_str()).collect();
    let heads = revisions.heads().unwrap_or_default();
    assert!(heads.iter().all(|head| ids.contains(head)), "a head that is no revision");
    let _ = (revisions.rival_heads(), revisions.bases(), revisions.missing_parents());
    revisions.duplicates();
    for cycle in revisions.cycles() {
        assert!(cycle.iter().all(|id| ids.contains(id)), "a cycle of what is no revision");
    }
    for id in ids.iter().take(8) {
        let Ok(above) = revisions.ancestors(id) else { continue };
        let Ok(pending) = revisions.pending(id) else { continue };
        assert!(!pending.contains(id), "{id} is applied and pending");
        assert!(pending.iter().all(|one| !above.contains(one)), "applied and pending");
        let _ = revisions.resolve(id.get(..4).unwrap_or(id));
    }
    if let Ok(pending) = revisions.pending("base") {
        ordered(revisions, &pending);
        revisions.operations(&pending);
    }
}

/// Each comes after those that it follows.
fn ordered(revisions: &Revisions, pending: &[&str]) {
    let place: HashMap<&str, usize> =
        pending.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    assert_eq!(place.len(), pending.len(), "a revision twice");
    for revision in &revisions.revisions {
        let Some(own) = place.get(revision.id.value.as_str()) else { continue };
        for down in &revision.down {
            let above = place.get(down.value.as_str());
            assert!(above.is_none_or(|above| above < own), "a revision before its parent");
        }
    }
}
