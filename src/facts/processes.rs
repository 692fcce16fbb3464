//! The processes of an application: gunicorn's masters and workers, and what else its unit runs.
//!
//! Measured (gunicorn.md, "Processes"): without setproctitle, master and workers have the same
//! command line; a worker's parent is gunicorn, a master's is not; a master started by USR2 has its
//! predecessor as its parent, and the predecessor's process id in `GUNICORN_PID`. A worker whose
//! master is gone has the same parent as a master would, and is recognised by the signals that it
//! handles.

mod command;
mod read;
mod table;

use std::path::PathBuf;
use std::rc::Rc;

use serde::Serialize;

use super::{Known, Why};
use crate::source::proc::RunningEnvironment;

pub use command::{Running, shown};
pub(super) use read::{gunicorns, processes};
pub(super) use table::Table;

/// What `cwd` or `exe` of a process leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The path, free of links.
    pub path: PathBuf,
    /// What was there is gone; something new may be at the path.
    pub deleted: bool,
    /// What was there is gone, and something new is at the path.
    pub replaced: bool,
}

/// One process.
#[derive(Debug, Clone, Serialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its short name.
    pub name: String,
    /// Its command line, as far as gunicorn's words go.
    #[serde(skip)]
    pub words: Vec<String>,
    /// When it started, seconds since 1970; the machine's clock at boot may be off by a second.
    pub started: Known<i64>,
    /// The user that it runs as.
    pub uid: Known<u32>,
    /// The group.
    pub gid: Known<u32>,
    /// The bytes of memory that no file is behind.
    pub memory: Known<u64>,
    /// Its working directory.
    pub directory: Known<Held>,
    /// Its program.
    pub executable: Known<Held>,
    /// Its mount namespace, `mnt:[4026531841]`.
    pub mounts: Known<String>,
    /// The unit whose control group it is in.
    pub unit: Known<Option<String>>,
}

/// A gunicorn master.
#[derive(Debug)]
pub struct Master {
    /// The process.
    pub process: Process,
    /// Its command line parsed; unknown where it gave itself a title.
    pub running: Known<Running>,
    /// Its workers, oldest first.
    pub workers: Vec<Process>,
    /// What it was started with.
    pub environment: Known<RunningEnvironment>,
    /// The inodes of the sockets that it holds.
    pub sockets: Known<Vec<u64>>,
    /// The directory in which it makes its workers' heartbeat files, if its descriptors show it.
    pub heartbeats: Option<PathBuf>,
    /// Does it come from another master, by SIGUSR2, that is still there?
    pub successor: bool,
}

/// A gunicorn worker whose master is gone.
#[derive(Debug)]
pub struct Orphan {
    /// The process.
    pub process: Process,
    /// The inodes of the sockets that it holds.
    pub sockets: Known<Vec<u64>>,
}

/// What runs of gunicorn on the host.
#[derive(Debug, Default)]
pub struct Gunicorns {
    /// The masters, oldest first.
    pub masters: Vec<Rc<Master>>,
    /// Workers whose master is gone, oldest first.
    pub orphans: Vec<Rc<Orphan>>,
}

/// A process that holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its short name.
    pub name: String,
    /// The unit whose control group it is in.
    pub unit: Known<Option<String>>,
}

/// The processes of an application.
#[derive(Debug)]
pub struct Processes {
    /// The gunicorn masters in the unit, oldest first.
    pub masters: Vec<Rc<Master>>,
    /// The gunicorn masters of the host that are not in the unit.
    pub others: Vec<Rc<Master>>,
    /// The workers of the host whose master is gone.
    pub orphans: Vec<Rc<Orphan>>,
    /// The unit's main process, what systemd calls `MAINPID`; `None` if it runs none.
    pub main: Known<Option<Process>>,
    /// How many processes the unit has.
    pub members: Known<usize>,
    /// Is the first process systemd? Not in a container that runs gunicorn by itself.
    pub systemd: bool,
    /// Who the first process runs as: root, unless users are numbered otherwise here.
    pub first: Known<u32>,
    /// The mount namespace of the first process: the view that paths are looked at in.
    pub mounts: Known<String>,
    /// The time on the host, seconds since 1970.
    pub now: Known<i64>,
    /// When the release link was last moved, seconds since 1970; `None` if there is no link.
    pub link_moved: Known<Option<i64>>,
}

impl Processes {
    /// The master that answers: the only one, or the youngest of several.
    pub fn master(&self) -> Result<&Master, Why> {
        self.masters
            .last()
            .map(Rc::as_ref)
            .ok_or_else(|| Why::not_there("no gunicorn master was found in the unit"))
    }
}

impl Process {
    /// Is it gunicorn's title that it shows instead of its command line?
    pub fn is_renamed(&self) -> bool {
        self.words.first().is_some_and(|word| word.starts_with("gunicorn: "))
    }
}
