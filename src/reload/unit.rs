//! The present state of a unit and its gunicorn, polled repeatedly: systemd's state of the unit,
//! the processes in its control group, and which workers have loaded the application.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::host::{Command, Host, Program, act};
use crate::source::{proc, systemctl};

/// A process, by what no other process ever has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Id {
    /// Its number.
    pub pid: u32,
    /// When it started, in ticks since boot.
    pub started: u64,
}

/// systemd's word on the unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// `active`, `failed`, `reloading` …
    pub active: String,
    /// `running`, `auto-restart` …
    pub sub: String,
    /// The main process; 0 where there is none.
    pub main_pid: u32,
    /// This run of the unit.
    pub invocation: String,
    /// How the last run ended.
    pub result: String,
    /// How often systemd restarted it by itself.
    pub restarts: u64,
    /// Its control group.
    pub control_group: String,
    /// `notify`, `simple` …
    pub kind: String,
    /// `main`, `all`, `none` …
    pub notify_access: String,
    /// The unit's files are newer than what systemd has loaded.
    pub need_daemon_reload: bool,
    /// systemd is still at it: a start, a reload or a stop of the unit is under way or waits.
    pub busy: bool,
    /// How the last reload ended: `success`, `exit-code` …
    pub reload_result: String,
    /// Is there a file of such a unit at all?
    pub exists: bool,
}

impl State {
    /// Is the unit up?
    pub fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }
}

const PROPERTIES: &str = "Id,ActiveState,SubState,MainPID,InvocationID,Result,NRestarts,\
                          ControlGroup,Type,NotifyAccess,NeedDaemonReload,Job,ReloadResult,LoadState";

/// Asks systemd for the state of a unit.
pub fn state(host: &dyn Host, unit: &str) -> Result<State, String> {
    let arguments = ["show", &format!("--property={PROPERTIES}"), "--", unit].map(str::to_owned);
    let output = host
        .run(&Command::new(Program::Systemctl, arguments))
        .map_err(|error| error.to_string())?;
    let shown = systemctl::parse(&output.stdout);
    let Some(shown) = shown.first() else {
        return Err(format!("systemctl show {unit} printed nothing"));
    };
    let text = |property: &str| shown.get(property).unwrap_or_default().to_owned();
    Ok(State {
        active: text("ActiveState"),
        sub: text("SubState"),
        main_pid: shown.number("MainPID").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
        invocation: text("InvocationID"),
        result: text("Result"),
        restarts: shown.number("NRestarts").unwrap_or(0),
        control_group: text("ControlGroup"),
        kind: text("Type"),
        notify_access: text("NotifyAccess"),
        need_daemon_reload: shown.boolean("NeedDaemonReload") == Some(true),
        busy: shown.get("Job").is_some_and(|job| !matches!(job, "" | "0")),
        reload_result: text("ReloadResult"),
        exists: shown.get("LoadState") != Some("not-found"),
    })
}

/// A worker from its first sight on.
#[derive(Debug, Clone)]
pub struct Worker {
    /// Which process.
    pub id: Id,
    /// Its master.
    pub master: u32,
    /// When it was first seen.
    pub seen: Instant,
    /// When it was seen to have loaded the application.
    pub loaded: Option<Instant>,
    /// When it was gone.
    pub gone: Option<Instant>,
    beat: Option<(i64, i64)>,
}

impl Worker {
    /// Does it show when it has loaded the application? Not every worker class does.
    pub fn beats(&self) -> bool {
        self.beat.is_some()
    }
}

/// Follows a unit's processes.
pub struct Observer {
    group: Option<PathBuf>,
    wrapped: bool,
    /// Every worker that was seen since the beginning.
    pub workers: BTreeMap<Id, Worker>,
}

impl Observer {
    /// For a unit whose control group is known. `wrapped`: gunicorn's master is a child of the main
    /// process.
    pub fn new(state: &State, wrapped: bool) -> Self {
        let group = group(&state.control_group);
        Self { group, wrapped, workers: BTreeMap::new() }
    }

    /// A unit that was down has no control group before it starts.
    pub fn follow(&mut self, state: &State) {
        self.group = self.group.take().or_else(|| group(&state.control_group));
    }

    /// Looks at the processes once: the children of these masters are their workers.
    pub fn look(&mut self, masters: &[u32]) {
        let now = Instant::now();
        let processes = self.processes();
        let within = self.wrapped.then(|| within(masters, &processes));
        let masters = within.as_deref().unwrap_or(masters);
        for stat in processes.values().filter(|stat| masters.contains(&stat.parent) && !stat.gone) {
            // A second master that SIGUSR2 began is not a worker.
            if masters.contains(&stat.pid) {
                continue;
            }
            let id = Id { pid: stat.pid, started: stat.started };
            let beat = act::heartbeat(stat.pid);
            let worker = self.workers.entry(id).or_insert_with(|| Worker {
                id,
                master: stat.parent,
                seen: now,
                loaded: None,
                gone: None,
                beat,
            });
            if worker.loaded.is_none() && beat.is_some() && worker.beat.is_some() {
                worker.loaded = (beat != worker.beat).then_some(now);
            }
            worker.beat = worker.beat.or(beat);
        }
        for worker in self.workers.values_mut().filter(|worker| worker.gone.is_none()) {
            let there = processes
                .get(&worker.id.pid)
                .is_some_and(|stat| stat.started == worker.id.started && !stat.gone);
            if !there {
                worker.gone = Some(now);
            }
        }
    }

    /// The workers that live.
    pub fn living(&self) -> impl Iterator<Item = &Worker> {
        self.workers.values().filter(|worker| worker.gone.is_none())
    }

    /// A process of the unit, where it lives.
    pub fn process(&self, pid: u32) -> Option<Id> {
        let stat = self.stat(pid)?;
        (!stat.gone).then_some(Id { pid, started: stat.started })
    }

    /// The processes in the unit whose parent this is.
    pub fn children(&self, parent: u32) -> Vec<Id> {
        let of = |stat: &proc::Stat| {
            (stat.parent == parent && !stat.gone)
                .then_some(Id { pid: stat.pid, started: stat.started })
        };
        self.processes().values().filter_map(of).collect()
    }

    fn stat(&self, pid: u32) -> Option<proc::Stat> {
        proc::parse_stat(&act::read(Path::new(&format!("/proc/{pid}/stat")))?)
    }

    fn processes(&self) -> BTreeMap<u32, proc::Stat> {
        let Some(group) = &self.group else { return BTreeMap::new() };
        let bytes = act::read(&group.join("cgroup.procs")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let pids = text.lines().filter_map(|line| line.trim().parse::<u32>().ok());
        pids.filter_map(|pid| Some((pid, self.stat(pid)?))).collect()
    }
}

/// gunicorn's masters below processes that started it and wait for it: their children that have children.
fn within(outer: &[u32], processes: &BTreeMap<u32, proc::Stat>) -> Vec<u32> {
    let parents: BTreeSet<u32> = processes.values().map(|stat| stat.parent).collect();
    let inner = |stat: &&proc::Stat| outer.contains(&stat.parent) && parents.contains(&stat.pid);
    processes.values().filter(inner).map(|stat| stat.pid).collect()
}

/// The directory of a control group, in the pure and the hybrid layout.
fn group(name: &str) -> Option<PathBuf> {
    let name = name.strip_prefix('/').filter(|name| !name.is_empty())?;
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"]
        .into_iter()
        .map(|top| Path::new(top).join(name))
        .find(|path| act::read(&path.join("cgroup.procs")).is_some())
}
