//! Where the running master makes a file for each new worker's heartbeat, and whether it still can.
//!
//! Measured (gunicorn 20.1 to 27): the master finds the directory once, when it starts its first
//! worker, and keeps to it. At a reload it makes the files of all new workers before the old ones
//! end. One that cannot be made ends the master, and the site is down. The files stay empty, so a
//! file system without space does no harm as long as it has inodes. They are deleted at once and
//! held open, so the master's descriptors name the directory.

use std::path::{Path, PathBuf};

use super::{App, Known, Why};
use crate::host::{HostErrorKind, Room, seen_by};
use crate::source::Sources;
use crate::source::gunicorn::SettingValue;

/// The directory of the heartbeat files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeats {
    /// Its path, as the service sees it.
    pub directory: PathBuf,
    /// It comes from a variable or another value that is not shown.
    pub secret: bool,
    /// What is left in its file system.
    pub room: Room,
}

/// The directories that Python tries, in this order, where no variable names one.
const USUAL: [&str; 3] = ["/tmp", "/var/tmp", "/usr/tmp"];
/// The variables that it looks at before them.
const VARIABLES: [&str; 3] = ["TMPDIR", "TEMP", "TMP"];

/// Looks at it where gunicorn runs.
pub(super) fn read(sources: &Sources, app: &App) -> Known<Heartbeats> {
    match find(sources, app) {
        Ok(found) => Known::Observed(found, "the file systems"),
        Err(why) => Known::Unknown(why),
    }
}

fn find(sources: &Sources, app: &App) -> Result<Heartbeats, Why> {
    let master = app.processes.get()?.master()?;
    let (directory, secret) = match &master.heartbeats {
        Some(directory) => shown(app, directory.clone()),
        None => expected(app)?,
    };
    match sources.host().room(&seen_by(master.process.pid, &directory)) {
        Ok(room) => Ok(Heartbeats { directory, secret, room }),
        Err(error) if error.kind == HostErrorKind::NotGiven => Err(Why::not_live()),
        Err(error) if error.kind == HostErrorKind::PermissionDenied => Err(Why::not_read(
            "the directory of the workers' heartbeat files was not looked at: run as root",
        )),
        Err(error) => Err(Why::not_read(format!(
            "the directory of the workers' heartbeat files: {}",
            error.kind
        ))),
    }
}

/// A directory that nobody named is shown; one that something names only if that may be shown.
fn shown(app: &App, directory: PathBuf) -> (PathBuf, bool) {
    let usual = USUAL.iter().any(|usual| directory == Path::new(usual));
    let settings = &app.gunicorn.settings;
    let named = matches!(
        settings.get("worker_tmp_dir").ok(),
        Some(SettingValue::Text(text)) if directory == Path::new(text)
    ) && !settings.is_secret("worker_tmp_dir");
    (directory, !usual && !named)
}

/// The directory, where the descriptors do not show it: another file system may have been mounted
/// over the one that they are in.
fn expected(app: &App) -> Result<(PathBuf, bool), Why> {
    let settings = &app.gunicorn.settings;
    match settings.get("worker_tmp_dir").get()? {
        SettingValue::Text(text) if text.starts_with('/') => {
            return Ok((text.into(), settings.is_secret("worker_tmp_dir")));
        }
        SettingValue::None => {}
        _ => return Err(Why::not_understood("worker_tmp_dir is not an absolute path")),
    }
    let service = &app.service;
    let read_only = ["ProtectSystem", "ReadOnlyPaths", "InaccessiblePaths", "TemporaryFileSystem"];
    let by_variable = VARIABLES.iter().find(|name| app.environment.variables.contains_key(**name));
    if let Some(name) = by_variable {
        return Err(Why::depends(format!(
            "{name} says where gunicorn makes the workers' heartbeat files"
        )));
    }
    if app.environment.open.is_some()
        || read_only.iter().any(|key| service.unit.last("Service", key).is_some())
    {
        return Err(Why::depends(
            "it is not known in which directory gunicorn makes the workers' heartbeat files",
        ));
    }
    Ok((USUAL[0].into(), false))
}
