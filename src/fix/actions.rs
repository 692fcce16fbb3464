//! The commands that make a plan's changes take effect; `facts::follow` knows which change needs
//! which command.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::owners::Owners;
use super::{Change, Content};
use crate::facts::follow::{Follow, Step, Touched, changed};
use crate::facts::{App, Deployment, Known};
use crate::host::{Command, Host, Program};
use crate::source::gunicorn::SettingValue;
use crate::source::unit::{UnitFile, syntax};
use crate::source::{FileId, SourceFile};

/// How long a restart may take: a stop and a start, with systemd's default limits.
const LIMIT: Duration = Duration::from_secs(200);

/// A command to run after the files were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The command.
    pub command: Command,
    /// Why the command is needed, in a few words.
    pub why: &'static str,
}

/// A service that a change reaches although it was not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The unit's name.
    pub name: String,
    /// What must follow for it; nothing where `daemon-reload` alone is enough, or where it does not
    /// run.
    pub actions: Vec<Action>,
}

/// The commands that must follow, in order. The deployment is given as read before the changes and
/// with them; `owners` belong to the latter.
pub fn after(
    changes: &[Change],
    [before, after]: [&Deployment; 2],
    owners: &Owners,
) -> Vec<Action> {
    let was: HashMap<&str, &App> = before.apps.iter().map(|app| (app.name.as_str(), app)).collect();
    let mut follow = Follow::default();
    for app in &after.apps {
        let was = was.get(app.name.as_str()).copied().unwrap_or(app);
        for change in changes {
            touch(&mut follow, change, was, app, owners);
        }
    }
    for change in changes {
        if !owners.units(&change.path).is_empty() {
            follow.unit();
        }
        if change.before.bytes() != change.after.bytes() && owners.is_nginx(&change.path) {
            follow.nginx(&after.nginx.started.options);
        }
    }
    follow.steps().into_iter().filter_map(action).collect()
}

/// The steps that must follow for one application alone, without those of the host.
pub fn after_for(changes: &[Change], was: &App, is: &App, owners: &Owners) -> Vec<Action> {
    let mut follow = Follow::default();
    for change in changes {
        touch(&mut follow, change, was, is, owners);
    }
    let of_host =
        |action: &Action| action.command.arguments.iter().any(|word| word == "daemon-reload");
    follow.steps().into_iter().filter_map(action).filter(|action| !of_host(action)).collect()
}

fn action(step: Step) -> Option<Action> {
    let (program, arguments) = step.words.split_first()?;
    let arguments = arguments.iter().map(String::as_str);
    let command = match program.as_str() {
        "nginx" => Command { needs_root: true, ..Command::new(Program::Nginx, arguments) },
        _ => Command::new(Program::Systemctl, arguments).within(LIMIT),
    };
    Some(Action { command, why: step.why })
}

/// Records which parts of an application the change of one path affects.
fn touch(follow: &mut Follow, change: &Change, was: &App, is: &App, owners: &Owners) {
    let path = change.path.as_path();
    let units = owners.units(path);
    for unit in std::iter::once(&is.service.unit).chain(&is.service.sockets) {
        let name = unit.name.to_string();
        if units.contains(&name) {
            for (section, key) in changed(&parsed(&change.before), &parsed(&change.after)) {
                follow.touch(was, is, Touched::Unit { unit: &name, section: &section, key: &key });
            }
        }
    }
    if change.before.bytes() == change.after.bytes() {
        return;
    }
    if owners.at_start(path).contains(&is.name) {
        follow.touch(was, is, Touched::Start);
    }
    if owners.at_reload(path).contains(&is.name) {
        // Every change of this file requires reading it again; some settings need more than that.
        follow.touch(was, is, Touched::Gunicorn(""));
        let before: HashMap<_, _> = was.gunicorn.settings.all().collect();
        let now = is.gunicorn.settings.all();
        for (setting, _) in now.filter(|(name, value)| !same(before.get(name), value)) {
            follow.touch(was, is, Touched::Gunicorn(setting));
        }
    }
}

/// Whether both settings have the same value, wherever it is set.
fn same(before: Option<&&Known<SettingValue>>, now: &Known<SettingValue>) -> bool {
    before.is_some_and(|before| before.ok() == now.ok())
}

fn parsed(content: &Content) -> UnitFile {
    let bytes = content.bytes().unwrap_or_default();
    syntax::parse(Arc::new(SourceFile::new(FileId(0), "unit", bytes)))
}

/// Runs a command. The error contains the command's own message.
pub fn run(host: &dyn Host, action: &Action) -> Result<(), String> {
    let output = host.run(&action.command).map_err(|error| error.to_string())?;
    if output.status == Some(0) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    Err(match (said.is_empty(), output.status) {
        (false, _) => crate::source::show::block(said),
        (true, Some(status)) => format!("it exited with status {status}"),
        (true, None) => "a signal ended it".to_owned(),
    })
}
