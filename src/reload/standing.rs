//! The deployment as it stands before a reload: what of it the later steps go by.

use std::path::PathBuf;

use super::behind::{self, Behind};
use super::unit::State;
use super::{capacity, probing};
use crate::facts::environment::SetBy;
use crate::facts::gunicorn::SettingValue;
use crate::facts::processes::Process;
use crate::facts::{App, Known};
use crate::source::Secret;

/// What the host shows of the deployment as it is now.
pub(super) struct Standing {
    /// The release link: its path, what it says, and the directory that it leads to.
    pub link: Option<(PathBuf, PathBuf, PathBuf)>,
    /// Where to ask, when the user names no URL.
    pub targets: Vec<String>,
    /// The values of the application's variables, which no answer that is kept may show.
    pub hidden: Vec<Secret>,
    /// Does a `.socket` unit keep the socket over a restart?
    pub socket_activated: bool,
    /// Is the link moved, and gunicorn known not to look through it? A new process does.
    pub stale: bool,
    /// How many workers gunicorn is told to have, where that is known.
    pub workers: Option<usize>,
    /// Other units that run from the link which is moved, and are not reloaded.
    pub others: Vec<String>,
    /// Is gunicorn a child of the main process (`uv run`, `poetry run`), which passes signals on?
    pub wrapped: bool,
    /// gunicorn's error log, where that is a file.
    pub error_log: Option<PathBuf>,
    /// What the application's sockets are asked while the probes ask nginx.
    pub behind: Behind,
    /// The name that visitors use.
    pub site: Option<String>,
    /// nginx limits how often the application may be asked.
    pub limited: bool,
    /// How many requests gunicorn works on at a time; `None` for workers that wait for many.
    pub at_a_time: Option<f64>,
    /// A master in the unit next to the main process: an upgrade by SIGUSR2 that was not finished.
    pub second: Option<u32>,
    /// The migrations that the code knows which serves now; `None` if it has none.
    revisions: Option<Vec<String>>,
}

impl Standing {
    /// Takes it from what was read. `probes` are the URLs that the user named.
    pub(super) fn new(app: &App, probes: &[String], others: Vec<String>, stale: bool) -> Self {
        Self {
            others,
            wrapped: is_wrapped(app),
            error_log: error_log(app),
            behind: Behind::new(app, probes),
            site: app.site_name().map(str::to_owned),
            limited: behind::limits_rate(app),
            at_a_time: capacity::at_a_time(app),
            second: second(app),
            link: app
                .release
                .link
                .as_ref()
                .map(|link| (link.path.clone(), link.target.clone(), link.resolved.clone())),
            targets: probing::of_sockets(app),
            hidden: values(app),
            socket_activated: !app.service.sockets.is_empty(),
            stale,
            workers: app.gunicorn.settings.workers().ok().and_then(|n| usize::try_from(*n).ok()),
            revisions: app.release.migrations.ok().and_then(Option::as_ref).map(|migrations| {
                let all = migrations.revisions.revisions.iter();
                all.map(|revision| revision.id.value.clone()).collect()
            }),
        }
    }

    /// Why the code that serves now does not know the database's revision, where that is so.
    pub(super) fn unknown(&self, revision: &str) -> Option<String> {
        let revisions = self.revisions.as_ref()?;
        let mut ids = revision.lines().filter_map(|line| line.split_whitespace().next());
        let unknown = ids.find(|id| !revisions.iter().any(|known| known.starts_with(id)))?;
        Some(format!("the previous release lacks the database's revision {unknown}"))
    }

    /// May a second master take the first one's place in the unit? systemd has to be told which
    /// process is the main one, and listens to the main process alone or to all.
    pub(super) fn may_hand_over(&self, state: &State) -> Result<(), String> {
        if state.main_pid == 0 {
            return Err("the unit has no main process".into());
        }
        if self.wrapped {
            return Err("the unit's main process is not gunicorn's master but the program that \
                        started it, which a second master could not replace"
                .into());
        }
        if self.socket_activated {
            return Err("systemd hands the sockets over, and gunicorn cannot pass them on to a \
                        second master (20.1, 23.0 and 27.0 fail with OSError)"
                .into());
        }
        if !matches!(state.notify_access.as_str(), "main" | "all") {
            return Err(format!(
                "systemd does not accept a new main process (NotifyAccess={}); Type=notify with \
                 NotifyAccess=main allows it",
                if state.notify_access.is_empty() { "none" } else { &state.notify_access }
            ));
        }
        Ok(())
    }
}

/// Is the unit's main process another than gunicorn's master?
fn is_wrapped(app: &App) -> bool {
    let Some(processes) = app.processes.ok() else { return false };
    let main = processes.main.ok().and_then(Option::as_ref);
    let of =
        |main: &Process| !processes.masters.iter().any(|master| master.process.pid == main.pid);
    !processes.masters.is_empty() && main.is_some_and(of)
}

/// A master in the unit that is not the main process, where another one is.
fn second(app: &App) -> Option<u32> {
    let processes = app.processes.ok()?;
    let main = processes.main.ok()?.as_ref()?.pid;
    let mut pids = processes.masters.iter().map(|master| master.process.pid);
    pids.clone().any(|pid| pid == main).then(|| pids.find(|pid| *pid != main))?
}

/// gunicorn's error log, where it is a file.
fn error_log(app: &App) -> Option<PathBuf> {
    let Known::Value(SettingValue::Text(to), _) = app.gunicorn.settings.get("errorlog") else {
        return None;
    };
    let directory = app.gunicorn.settings.chdir();
    let path = directory.ok()?.join(&to);
    (to != "-").then_some(path)
}

/// The values that somebody gave the application's variables, in whichever layer.
fn values(app: &App) -> Vec<Secret> {
    let raw = app.gunicorn.settings.raw_env();
    let raw = raw.ok().into_iter().flatten().map(|(_, value)| value.clone());
    let unit = app.environment.variables.values();
    let unit = unit.filter(|variable| variable.set_by != SetBy::Manager);
    unit.map(|variable| variable.value.clone()).chain(raw).collect()
}
