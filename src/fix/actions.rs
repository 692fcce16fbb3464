//! What must follow a change before it holds: systemd reads units again on `daemon-reload` alone,
//! a running service keeps the settings it was started with, nginx reads its files on a reload.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::owners::Owners;
use super::{Change, Content};
use crate::facts::{App, Deployment};
use crate::host::{Command, Host, Program};
use crate::source::unit::{UnitFile, syntax};
use crate::source::{FileId, SourceFile};

/// How long a restart may take: a stop and a start at systemd's default limits.
const LIMIT: Duration = Duration::from_secs(200);

/// `[Service]` settings that systemd uses from its own memory: a `daemon-reload` is enough.
const WITHOUT_RESTART: [&str; 20] = [
    "ExecReload",
    "ExecStop",
    "ExecStopPost",
    "KillMode",
    "KillSignal",
    "FinalKillSignal",
    "SendSIGKILL",
    "SendSIGHUP",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "TimeoutAbortSec",
    "Restart",
    "RestartSec",
    "RestartMode",
    "RestartPreventExitStatus",
    "RestartForceExitStatus",
    "SuccessExitStatus",
    "StartLimitBurst",
    "StartLimitIntervalSec",
];

/// One step after the files were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The command.
    pub command: Command,
    /// Why it is needed, in a few words.
    pub why: &'static str,
}

impl Action {
    fn systemctl(arguments: &[&str], why: &'static str) -> Self {
        let command = Command::new(Program::Systemctl, arguments.iter().copied()).within(LIMIT);
        Self { command, why }
    }
}

/// The steps that must follow, in order. `deployment` and `owners` are what was read with the changes
/// made.
pub fn after(changes: &[Change], deployment: &Deployment, owners: &Owners) -> Vec<Action> {
    let (mut reload_units, mut nginx) = (false, false);
    let mut restart: BTreeSet<String> = BTreeSet::new();
    let mut reload: BTreeSet<String> = BTreeSet::new();
    for change in changes {
        let path = change.path.as_path();
        let units = owners.units(path);
        reload_units |= !units.is_empty();
        if !units.is_empty() && needs_restart(change) {
            restart.extend(units.iter().cloned());
        }
        if change.before.bytes() != change.after.bytes() {
            restart.extend(owners.at_start(path).iter().cloned());
            reload.extend(owners.at_reload(path).iter().cloned());
            nginx |= owners.is_nginx(path);
        }
    }
    let mut actions = Vec::new();
    if reload_units {
        let why = "systemd reads the changed units";
        actions.push(Action::systemctl(&["daemon-reload"], why));
    }
    for app in &deployment.apps {
        services(app, &restart, &reload, &mut actions);
    }
    if nginx {
        let test = Command { needs_root: true, ..Command::new(Program::Nginx, ["-t"]) };
        actions.push(Action { command: test, why: "nginx accepts its configuration" });
        let why = "nginx reads its configuration";
        actions.push(Action::systemctl(&["reload-or-restart", "nginx.service"], why));
    }
    actions
}

fn services(
    app: &App,
    restart: &BTreeSet<String>,
    reload: &BTreeSet<String>,
    actions: &mut Vec<Action>,
) {
    let service = app.name.as_str();
    let sockets: Vec<String> = app
        .service
        .sockets
        .iter()
        .map(|socket| socket.name.to_string())
        .filter(|socket| restart.contains(socket))
        .collect();
    let why = "what it was started with changed; requests in flight are given up";
    if !sockets.is_empty() {
        // systemd refuses to start a socket whose service runs.
        actions.push(Action::systemctl(&["stop", service], why));
        for socket in &sockets {
            actions.push(Action::systemctl(&["restart", socket], "it listens anew"));
        }
        actions.push(Action::systemctl(&["start", service], "it gets the new socket"));
    } else if restart.contains(service) {
        actions.push(Action::systemctl(&["restart", service], why));
    } else if reload.contains(service) {
        let why = "gunicorn reads its configuration file";
        actions.push(Action::systemctl(&["reload", service], why));
    }
}

/// Does a unit's change need more than a `daemon-reload`?
fn needs_restart(change: &Change) -> bool {
    let (before, after) = (parsed(&change.before), parsed(&change.after));
    let changed = |a: &UnitFile, b: &UnitFile| {
        a.assignments.iter().any(|assignment| {
            let key = assignment.key.value.as_str();
            let (section, values) = (&*assignment.section, |file: &UnitFile| {
                let all = file.all(&assignment.section, key);
                all.map(|a| a.value.as_str().to_owned()).collect::<Vec<_>>()
            });
            let decides = match section {
                "Service" => !WITHOUT_RESTART.contains(&key),
                "Socket" => true,
                _ => false,
            };
            decides && values(a) != values(b)
        })
    };
    changed(&before, &after) || changed(&after, &before)
}

fn parsed(content: &Content) -> UnitFile {
    let bytes = content.bytes().unwrap_or_default();
    syntax::parse(Arc::new(SourceFile::new(FileId(0), "unit", bytes)))
}

/// Runs a step. The error says what the program said.
pub fn run(host: &dyn Host, action: &Action) -> Result<(), String> {
    let output = host.run(&action.command).map_err(|error| error.to_string())?;
    if output.status == Some(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    Err(match (said.is_empty(), output.status) {
        (false, _) => crate::source::show::block(said),
        (true, Some(status)) => format!("it ended with status {status}"),
        (true, None) => "a signal ended it".to_owned(),
    })
}
