//! The pid file from which `ExecReload=` takes gunicorn's process: what is in it while the service
//! runs, in the service's own view of the file system.

use std::path::{Path, PathBuf};

use super::exec_reload::{Effect, effects};
use super::processes::Table;
use super::{App, Known, Why};
use crate::host::HostErrorKind;
use crate::source::Sources;

/// The most bytes of a pid file: a number and the end of its line.
const LIMIT: u64 = 4096;

/// A pid file that `ExecReload=` reads.
#[derive(Debug)]
pub struct PidFile {
    /// Its path, as the service sees it.
    pub path: PathBuf,
    /// What it names.
    pub names: Known<NamedProcess>,
}

/// What a pid file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedProcess {
    /// A master of gunicorn's, or the unit's main process.
    Master(u32),
    /// A process that is no master of this unit, and its name.
    Other(u32, String),
    /// A process that does not run.
    Gone(u32),
    /// No number.
    Nothing,
    /// There is no such file.
    Missing,
}

/// Reads the files that a unit's `ExecReload=` names; none where gunicorn does not run.
pub(super) fn read(sources: &Sources, table: &Table<'_>, app: &App) -> Vec<PidFile> {
    let lines = app.service.exec_reload.iter().map(|command| &command.line);
    let named = lines.flat_map(|line| effects(app, line)).filter_map(|(effect, _)| match effect {
        Effect::ByPidFile { file: Some(file), .. } => Some(file),
        _ => None,
    });
    let mut found: Vec<PidFile> = Vec::new();
    for path in named {
        if found.iter().all(|known| known.path != path) {
            let names = match names(sources, table, app, &path) {
                Ok(names) => Known::Observed(names, "the pid file"),
                Err(why) => Known::Unknown(why),
            };
            found.push(PidFile { path, names });
        }
    }
    found
}

fn names(
    sources: &Sources,
    table: &Table<'_>,
    app: &App,
    path: &Path,
) -> Result<NamedProcess, Why> {
    let processes = app.processes.get()?;
    let master = processes.master()?.process.pid;
    let unit = &app.service.unit;
    if unit.last("Service", "PrivatePIDs").is_some() {
        return Err(Why::not_read("PrivatePIDs= numbers the service's processes otherwise"));
    }
    let seen = crate::host::seen_by(master, path);
    let bytes = match sources.host().read(&seen, LIMIT) {
        Ok(bytes) => bytes,
        Err(error) if error.kind == HostErrorKind::NotFound => return Ok(NamedProcess::Missing),
        Err(error) if error.kind == HostErrorKind::PermissionDenied => {
            return Err(Why::not_read(format!(
                "{} cannot be read as the service sees it: run as root",
                path.display()
            )));
        }
        Err(error) => return Err(Why::not_read(error.to_string())),
    };
    let text = String::from_utf8_lossy(&bytes);
    let Ok(pid) = text.trim().parse::<u32>() else { return Ok(NamedProcess::Nothing) };
    let main = processes.main.ok().and_then(Option::as_ref);
    if processes.masters.iter().any(|one| one.process.pid == pid)
        || main.is_some_and(|main| main.pid == pid)
    {
        return Ok(NamedProcess::Master(pid));
    }
    Ok(match table.row(pid) {
        Some(row) => NamedProcess::Other(pid, row.name.clone()),
        None => NamedProcess::Gone(pid),
    })
}
