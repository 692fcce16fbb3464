//! A unit's state as systemd reports it: `systemctl show`, one call for all units.

use super::{Known, Origin, Request, Scope, Why};
use crate::host::{Command, Output, RunError};
use crate::source::exit_status::Exit;
use crate::source::systemctl::{self, Shown};
use crate::source::{Sources, show};

/// A unit as the running systemd has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct UnitState {
    /// `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating`, `reloading`, `deactivating`.
    pub active: String,
    /// `running`, `dead`, `auto-restart` …
    pub sub: String,
    /// `enabled`, `disabled`, `static` …; empty where there is no file.
    pub unit_file: String,
    /// A file of the unit is other than what systemd has loaded; `None` if it does not say.
    pub need_daemon_reload: Option<bool>,
    /// Does it have an ExecReload=?
    pub can_reload: Option<bool>,
    /// The main process; 0 where there is none.
    pub main_pid: u32,
    /// How the last run ended: `success`, `exit-code`, `timeout` …
    pub result: String,
    /// How the last main process ended; `None` if it runs, or never ran.
    pub exit: Option<Exit>,
    /// How the last reload ended.
    pub reload_result: String,
    /// How often systemd restarted it by itself.
    pub restarts: u64,
    /// The unit's control group.
    pub control_group: String,
    /// The file that systemd loaded.
    pub fragment: String,
    /// The drop-ins that systemd loaded; `None` if it does not say.
    pub drop_ins: Option<Vec<String>>,
    /// The number of this run of the unit.
    pub invocation: String,
    /// When the main process was started last, in the machine's own time zone.
    pub started: Option<String>,
    /// The same on the clock that never jumps, in microseconds since boot.
    pub started_monotonic: Option<u64>,
    /// When it last became active.
    pub active_since: Option<String>,
    /// When its state last changed; a reload changes it too.
    pub changed: Option<String>,
}

impl UnitState {
    fn new(shown: &Shown) -> Self {
        let text = |property: &str| shown.get(property).unwrap_or_default().to_owned();
        let number = |property: &str| shown.number(property).unwrap_or(0);
        Self {
            load: text("LoadState"),
            active: text("ActiveState"),
            sub: text("SubState"),
            unit_file: text("UnitFileState"),
            need_daemon_reload: shown.boolean("NeedDaemonReload"),
            can_reload: shown.boolean("CanReload"),
            main_pid: u32::try_from(number("MainPID")).unwrap_or(0),
            result: text("Result"),
            exit: shown
                .number("ExecMainCode")
                .zip(shown.number("ExecMainStatus"))
                .and_then(|(code, status)| Exit::new(code, status)),
            reload_result: text("ReloadResult"),
            restarts: number("NRestarts"),
            control_group: text("ControlGroup"),
            fragment: text("FragmentPath"),
            drop_ins: shown
                .get("DropInPaths")
                .map(|paths| paths.split_whitespace().map(Into::into).collect()),
            invocation: text("InvocationID"),
            started: shown.local_time("ExecMainStartTimestamp"),
            started_monotonic: shown.number("ExecMainStartTimestampMonotonic"),
            active_since: shown.local_time("ActiveEnterTimestamp"),
            changed: shown.local_time("StateChangeTimestamp"),
        }
    }

    /// How its last process failed, in words, if it did: `status 203/EXEC: …`.
    pub fn failure(&self) -> Option<String> {
        self.exit.filter(|exit| !exit.is_success()).map(|exit| exit.to_string())
    }

    /// Is it up?
    pub fn is_active(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    /// Since when it is as it is now: the last start, or the last reload after it. For a unit
    /// that systemd starts again and again, the last start of its process.
    pub fn settled(&self) -> Option<&str> {
        let started = self.started.as_deref();
        if self.is_active() { started.max(self.changed.as_deref()) } else { started }
    }
}

/// What systemd says about the units that were asked for.
#[derive(Debug)]
pub struct States {
    units: Result<Vec<Shown>, Why>,
}

impl States {
    /// Asks once for all.
    pub fn read(
        sources: &Sources,
        request: &Request,
        names: impl IntoIterator<Item = String>,
    ) -> Self {
        // A template without its instance is not a unit; one such name would spoil the whole
        // answer.
        let mut names: Vec<String> =
            names.into_iter().filter(|name| !name.contains("@.")).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            // Without a name it would mention the manager itself.
            return Self { units: Err(Why::not_there("there is no unit to ask for")) };
        }
        let units = run(sources, request, &systemctl::command(names.iter().map(String::as_str)))
            .and_then(|output| {
                let units = systemctl::parse(&output.stdout);
                if units.is_empty() { Err(refused("systemctl", &output)) } else { Ok(units) }
            });
        Self { units }
    }

    /// How one unit is.
    pub fn of(&self, name: &str) -> Known<UnitState> {
        let units = match &self.units {
            Ok(units) => units,
            Err(why) => return Known::Unknown(why.clone()),
        };
        match units.iter().find(|unit| unit.is_named(name)) {
            Some(unit) => Known::Value(UnitState::new(unit), Origin::Command("systemctl show")),
            None => Known::Unknown(Why::not_read(format!("systemctl says nothing of {name}"))),
        }
    }
}

/// Runs a command, or says why not.
pub(super) fn run(sources: &Sources, request: &Request, command: &Command) -> Result<Output, Why> {
    sources.host().run(command).map_err(|error| not_run(request, &error))
}

/// Why a command did not run, in the words that a skip shows.
pub(super) fn not_run(request: &Request, error: &RunError) -> Why {
    match error {
        RunError::NotHere if matches!(request.scope, Scope::Live) => {
            Why::not_asked("no command is run here (--no-exec)")
        }
        RunError::NotHere => Why::not_live(),
        other => Why::not_read(other.to_string()),
    }
}

/// Why a command that ran told nothing: its status and the first line of what it says.
pub(super) fn refused(name: &str, output: &Output) -> Why {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = show::line(said.lines().next().unwrap_or_default());
    let status = output.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
    Why::not_read(format!("{name} ended with {status}: {said}"))
}
