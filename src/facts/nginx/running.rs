//! The running nginx: when it last read its configuration, and what has changed since.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Model;
use crate::facts::processes::Table;
use crate::facts::{Known, Why};
use crate::host::Host;
use crate::source::{SourceFile, Sources};

/// A file of the configuration and when it, or a link on the way to it, was changed last.
#[derive(Debug, Clone)]
pub struct ChangedFile {
    /// The file as it was read.
    pub file: Arc<SourceFile>,
    /// What was changed: the file, or the link.
    pub path: PathBuf,
    /// When, in seconds since 1970.
    pub time: i64,
}

/// nginx's processes, compared with its files.
#[derive(Debug, Clone)]
pub struct Running {
    /// The master's number.
    pub master: u32,
    /// When the oldest and the newest of its workers were started, in seconds since 1970. A reload
    /// starts all of them again.
    pub workers: (i64, i64),
    /// The numbers of workers that were told to end and still serve what they have begun.
    pub leaving: Vec<u32>,
    /// The configuration's files, the one that was changed last first.
    pub files: Vec<ChangedFile>,
}

/// What nginx calls a worker that has not been told to end.
const WORKER: &str = "nginx: worker process";
/// And one that has been.
const LEAVING: &str = "nginx: worker process is shutting down";

/// Reads it from the process table. Only nginx of `nginx.service` is known to have read the
/// configuration of this host: one in a container has another.
pub(in crate::facts) fn read(
    sources: &Sources,
    table: &Table<'_>,
    model: &Model,
) -> Known<Running> {
    match find(sources, table, model) {
        Ok(running) => Known::Observed(running, "/proc"),
        Err(why) => Known::Unknown(why),
    }
}

/// The masters of `nginx.service`, with their titles.
pub(super) fn masters(table: &Table<'_>) -> Vec<(u32, String)> {
    let own = |(pid, title): &(u32, String)| {
        title.starts_with("nginx: master process") && table.is_in(*pid, "nginx.service")
    };
    table.nginx_processes().into_iter().filter(own).collect()
}

fn find(sources: &Sources, table: &Table<'_>, model: &Model) -> Result<Running, Why> {
    let masters = masters(table);
    let master = match masters.as_slice() {
        [(master, _)] => *master,
        [] => return Err(Why::not_there("nginx does not run as nginx.service")),
        _ => return Err(Why::not_understood("nginx.service has several masters")),
    };
    let all = table.nginx_processes();
    let below = |pid: u32| table.row(pid).is_some_and(|row| row.parent == master);
    let workers = all.iter().filter(|(pid, title)| title == WORKER && below(*pid));
    let mut started = Vec::new();
    for (pid, _) in workers {
        started.push(*table.started_at(*pid).get()?);
    }
    let leaving = all.iter().filter(|(pid, title)| title == LEAVING && below(*pid));
    let leaving = leaving.map(|(pid, _)| *pid).collect();
    let (Some(oldest), Some(newest)) = (started.iter().min(), started.iter().max()) else {
        return Err(Why::not_there("nginx has no workers"));
    };
    let trees = model.config.trees.iter();
    let mut files: Vec<ChangedFile> =
        trees.filter_map(|tree| changed(sources, &tree.file)).collect();
    files.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.path.cmp(&b.path)));
    Ok(Running { master, workers: (*oldest, *newest), leaving, files })
}

/// A link that was made later than the file brings it into the configuration.
fn changed(sources: &Sources, file: &Arc<SourceFile>) -> Option<ChangedFile> {
    let (time, path) = last_change(sources.host(), &file.path)?;
    Some(ChangedFile { file: Arc::clone(file), path, time })
}

/// The later time of a file and of the links on the way to it, in seconds since 1970, and which of
/// them it is: an older file behind a new link is a change, too.
pub(super) fn last_change(host: &dyn Host, path: &Path) -> Option<(i64, PathBuf)> {
    let lookup = host.look(path);
    let own = (lookup.metadata()?.mtime, path.to_path_buf());
    let links = lookup.links.iter().filter_map(|hop| {
        let metadata = host.link_metadata(&hop.link).ok()?;
        Some((metadata.mtime, hop.link.clone()))
    });
    links.chain([own]).max_by_key(|(time, _)| *time)
}
