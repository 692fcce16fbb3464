//! The process table, read once for all applications: only the name of every process (`comm`, the
//! cheapest of its files), the command line of those that may be gunicorn, and everything else only
//! for a few.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::{Known, Why};
use super::command::{may_be_gunicorn, running, unreadable};
use super::{Held, Holder, Process, Running};
use crate::host::{Host, HostErrorKind};
use crate::source::Sources;
use crate::source::proc::{
    self, HashKey, RunningEnvironment, Stat, TICKS, boot_time, cgroups, command_line, link_target,
};

/// The most processes that are looked at.
const PROCESS_LIMIT: usize = 65_536;
/// The largest file of a process that is read, in bytes: arguments and environment together may
/// take 6 MiB (execve(2)), gunicorn's take some kilobytes.
const FILE_LIMIT: u64 = 1 << 20;
/// The most descriptors of one process that are looked at.
const DESCRIPTOR_LIMIT: usize = 8_192;

/// A process that runs gunicorn: its number, its words, and what they come to.
pub type Found = (u32, Vec<String>, Known<Running>);

/// The process table.
pub struct Table<'h> {
    host: &'h dyn Host,
    /// Every process that was listed, in the order of their numbers as text.
    numbers: Vec<u32>,
    /// Those that were looked at; `None` if one is gone.
    rows: RefCell<HashMap<u32, Option<Rc<Stat>>>>,
    /// The processes that run gunicorn, by number, with their command lines.
    gunicorns: Vec<Found>,
    /// The processes of nginx, by number, with the titles that they gave themselves.
    nginx: RefCell<Vec<(u32, String)>>,
    boot: Option<i64>,
    /// The control groups that were asked for.
    groups: RefCell<HashMap<u32, Known<Option<String>>>>,
    /// What environments are hashed with.
    pub key: HashKey,
}

impl<'h> Table<'h> {
    /// Reads the table. The reason is [`Why::not_live`] where there is none.
    pub fn read(sources: &Sources<'h>) -> Result<Self, Why> {
        let host = sources.machine();
        let names = match host.list(Path::new("/proc")) {
            Ok(names) => names,
            Err(error) => {
                return Err(match error.kind {
                    HostErrorKind::NotFound | HostErrorKind::NotGiven => Why::not_live(),
                    _ => Why::not_read(format!("the process table {error}")),
                });
            }
        };
        let numbers: Vec<u32> =
            names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect();
        if numbers.is_empty() {
            return Err(Why::not_live());
        }
        if numbers.len() > PROCESS_LIMIT {
            return Err(Why::not_read(format!("there are more than {PROCESS_LIMIT} processes")));
        }
        let mut table = Self {
            host,
            numbers,
            rows: RefCell::default(),
            gunicorns: Vec::new(),
            nginx: RefCell::default(),
            boot: host.read(Path::new("/proc/stat"), 8 << 20).ok().and_then(|b| boot_time(&b)),
            groups: RefCell::default(),
            key: HashKey::default(),
        };
        if table.row(1).is_none() {
            return Err(Why::not_read(
                "other users' processes are hidden here (hidepid); run as root",
            ));
        }
        table.gunicorns = table.numbers().filter_map(|pid| table.gunicorn(pid)).collect();
        Ok(table)
    }

    /// Takes a process apart that runs gunicorn. One that is gone by now is none.
    fn gunicorn(&self, pid: u32) -> Option<Found> {
        let name = self.file(pid, "comm").ok()?;
        if name.trim_ascii_end() == b"nginx"
            && let Ok(words) = self.file(pid, "cmdline")
        {
            let title = command_line(&words).join(" ").trim_end().to_owned();
            self.nginx.borrow_mut().push((pid, title));
        }
        if !may_be_gunicorn(&String::from_utf8_lossy(&name)) {
            return None;
        }
        let words = command_line(&self.file(pid, "cmdline").ok()?);
        let running = running(&words)?;
        self.row(pid)?;
        Some((pid, words, running))
    }

    fn path(pid: u32, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{pid}/{name}"))
    }

    fn file(&self, pid: u32, name: &str) -> Result<Vec<u8>, crate::host::HostError> {
        self.host.read(&Self::path(pid, name), FILE_LIMIT)
    }

    /// The processes that run gunicorn.
    pub fn gunicorns(&self) -> &[Found] {
        &self.gunicorns
    }

    /// The processes of nginx, with their titles.
    pub fn nginx_processes(&self) -> Vec<(u32, String)> {
        self.nginx.borrow().clone()
    }

    /// When a process was started, in seconds since 1970.
    pub fn started_at(&self, pid: u32) -> Known<i64> {
        match self.row(pid) {
            Some(row) => self.started(&row),
            None => Known::Unknown(Why::not_read(format!("process {pid} is gone"))),
        }
    }

    /// The numbers of all processes.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        self.numbers.iter().copied()
    }

    /// What `stat` shows of a process. Nothing of one that is gone, or waits for its parent to take
    /// note of its end.
    pub fn row(&self, pid: u32) -> Option<Rc<Stat>> {
        if let Some(row) = self.rows.borrow().get(&pid) {
            return row.clone();
        }
        let stat = self.file(pid, "stat").ok().and_then(|bytes| proc::parse_stat(&bytes));
        let row = stat.filter(|stat| !stat.gone).map(Rc::new);
        self.rows.borrow_mut().insert(pid, row.clone());
        row
    }

    /// Is the first process systemd?
    pub fn runs_systemd(&self) -> bool {
        self.row(1).is_some_and(|first| matches!(first.name.as_str(), "systemd" | "init"))
    }

    /// The host's time, from when it started and how long it has been up.
    pub fn now(&self) -> Known<i64> {
        let uptime = self.host.read(Path::new("/proc/uptime"), 4096).ok();
        let uptime =
            uptime.and_then(|bytes| proc::uptime(&bytes)).and_then(|up| up.try_into().ok());
        match (self.boot, uptime) {
            (Some(boot), Some(up)) => Known::Observed(boot.saturating_add(up), "/proc"),
            _ => Known::Unknown(Why::not_read("/proc/uptime was not read")),
        }
    }

    fn started(&self, stat: &Stat) -> Known<i64> {
        let since = i64::try_from(stat.started / TICKS).ok();
        match (self.boot, since) {
            (Some(boot), Some(since)) => Known::Observed(boot.saturating_add(since), "/proc"),
            _ => Known::Unknown(Why::not_read("/proc/stat does not say when the machine started")),
        }
    }

    /// The service or scope whose control group a process is in.
    pub fn unit_of(&self, pid: u32) -> Known<Option<String>> {
        if let Some(known) = self.groups.borrow().get(&pid) {
            return known.clone();
        }
        let unit = match self.file(pid, "cgroup") {
            Ok(bytes) => {
                // The innermost: a container's own units are below the unit that runs it.
                let unit = cgroups(&bytes).iter().find_map(|path| {
                    let mut names = path.iter().rev().filter_map(|name| name.to_str());
                    let unit = |n: &str| n.ends_with(".service") || n.ends_with(".scope");
                    names.find(|name| unit(name)).map(str::to_owned)
                });
                Known::Observed(unit, "/proc")
            }
            Err(error) => Known::Unknown(unreadable(pid, "the control group", &error)),
        };
        self.groups.borrow_mut().insert(pid, unit.clone());
        unit
    }

    /// Is a process in this unit's control group?
    pub fn is_in(&self, pid: u32, unit: &str) -> bool {
        matches!(self.unit_of(pid).ok(), Some(Some(name)) if name == unit)
    }

    fn held(&self, pid: u32, name: &str, what: &str) -> Known<Held> {
        match self.host.read_link(&Self::path(pid, name)) {
            Ok(target) => {
                let (path, deleted) = link_target(&target);
                let replaced = deleted && self.host.look(&path).metadata().is_some();
                Known::Observed(Held { path, deleted, replaced }, "/proc")
            }
            Err(error) => Known::Unknown(unreadable(pid, what, &error)),
        }
    }

    /// A process's network namespace, `net:[4026531840]`.
    pub fn network(&self, pid: u32) -> Option<PathBuf> {
        self.host.read_link(&Self::path(pid, "ns/net")).ok()
    }

    /// A process's mount namespace.
    pub fn mounts(&self, pid: u32) -> Known<String> {
        match self.host.read_link(&Self::path(pid, "ns/mnt")) {
            Ok(name) => Known::Observed(name.to_string_lossy().into_owned(), "/proc"),
            Err(error) => Known::Unknown(unreadable(pid, "the mount namespace", &error)),
        }
    }

    /// The processes that hold these sockets. The open files of all processes are gone through
    /// for that, so it is asked only where no gunicorn holds a socket that nginx reaches.
    pub fn holders(&self, wanted: &HashSet<u64>) -> HashMap<u64, Known<Vec<Holder>>> {
        if wanted.is_empty() {
            return HashMap::new();
        }
        let mut found: HashMap<u64, Vec<Holder>> = HashMap::new();
        let mut hidden = None;
        for pid in self.numbers() {
            match self.sockets(pid).take() {
                Ok((held, _)) => {
                    let held: HashSet<u64> =
                        held.into_iter().filter(|inode| wanted.contains(inode)).collect();
                    for inode in held {
                        let Some(row) = self.row(pid) else { continue };
                        let unit = self.unit_of(pid);
                        let holder = Holder { pid, name: row.name.clone(), unit };
                        found.entry(inode).or_default().push(holder);
                    }
                }
                // One that is gone by now holds nothing.
                Err(why) if self.is_there(pid) => hidden = Some(why),
                Err(_) => {}
            }
        }
        let known = |inode: &u64| match (found.remove(inode), &hidden) {
            (Some(mut holders), _) => {
                holders.sort_by_key(|holder| holder.pid);
                (*inode, Known::Observed(holders, "/proc"))
            }
            (None, Some(why)) => (*inode, Known::Unknown(why.clone())),
            (None, None) => (
                *inode,
                Known::Unknown(Why::not_read("the process that holds the socket was not found")),
            ),
        };
        wanted.iter().map(known).collect()
    }

    fn is_there(&self, pid: u32) -> bool {
        self.file(pid, "stat").ok().and_then(|b| proc::parse_stat(&b)).is_some_and(|s| !s.gone)
    }

    fn status(&self, pid: u32) -> Option<proc::Status> {
        self.file(pid, "status").ok().and_then(|bytes| proc::parse_status(&bytes))
    }

    /// Who a process runs as.
    pub fn user(&self, pid: u32) -> Known<u32> {
        match self.status(pid) {
            Some(status) => Known::Observed(status.uid, "/proc"),
            None => {
                Known::Unknown(Why::not_read(format!("the user of process {pid} was not read")))
            }
        }
    }

    /// Does this gunicorn process handle its signals as a worker does? Measured for every class of
    /// worker, 20.1.0 to 27.0.1: a worker has SIGUSR1 and no SIGHUP, a master both, and one that
    /// begins neither.
    pub fn listens_as_worker(&self, pid: u32) -> bool {
        const HUP: u32 = 1;
        const USR1: u32 = 10;
        self.status(pid).is_some_and(|status| status.catches(USR1) && !status.catches(HUP))
    }

    /// All facts of one process; `None` if it is gone.
    pub fn process(&self, pid: u32, words: &[String]) -> Option<Process> {
        let stat = self.row(pid)?;
        let ids = self.status(pid);
        let number = |number: Option<u32>| match number {
            Some(number) => Known::Observed(number, "/proc"),
            None => {
                Known::Unknown(Why::not_read(format!("the user of process {pid} was not read")))
            }
        };
        Some(Process {
            pid,
            parent: stat.parent,
            name: stat.name.clone(),
            words: words.to_vec(),
            started: self.started(&stat),
            uid: number(ids.map(|ids| ids.uid)),
            gid: number(ids.map(|ids| ids.gid)),
            memory: match ids.and_then(|ids| ids.anonymous) {
                Some(bytes) => Known::Observed(bytes, "/proc"),
                None => Known::Unknown(Why::not_read(format!(
                    "the memory of process {pid} was not read"
                ))),
            },
            directory: self.held(pid, "cwd", "the working directory"),
            executable: self.held(pid, "exe", "the program"),
            mounts: self.mounts(pid),
            unit: self.unit_of(pid),
        })
    }

    /// What a process was started with.
    pub fn environment(&self, pid: u32) -> Known<RunningEnvironment> {
        match self.file(pid, "environ") {
            Ok(bytes) => Known::Observed(RunningEnvironment::read(&bytes, &self.key), "/proc"),
            Err(error) => Known::Unknown(unreadable(pid, "the environment", &error)),
        }
    }

    /// Does a process no longer hold a socket that it held? False if that is not known.
    pub fn has_closed(&self, pid: u32, socket: u64) -> bool {
        match self.sockets(pid).ok() {
            Some(held) => !held.contains(&socket),
            None => !self.is_there(pid),
        }
    }

    /// The inodes of the sockets that a process holds.
    pub fn sockets(&self, pid: u32) -> Known<Vec<u64>> {
        self.open_files(pid).map(|files| sockets_among(&files))
    }

    /// What a process's descriptors lead to.
    pub fn open_files(&self, pid: u32) -> Known<Vec<PathBuf>> {
        match self.host.link_targets(&Self::path(pid, "fd"), DESCRIPTOR_LIMIT) {
            Ok(targets) => Known::Observed(targets, "/proc"),
            Err(error) if error.kind == HostErrorKind::TooMany => Known::Unknown(Why::not_read(
                format!("process {pid} has more than {DESCRIPTOR_LIMIT} open files"),
            )),
            Err(error) => Known::Unknown(unreadable(pid, "the open files", &error)),
        }
    }
}

/// The inodes of the sockets among open files.
pub fn sockets_among(files: &[PathBuf]) -> Vec<u64> {
    let inode = |target: &PathBuf| {
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    files.iter().filter_map(inode).collect()
}

/// The directory of the last open file of this name that was deleted. `/` is none: what is in a file
/// system that is no longer mounted seems to be there.
pub fn made_in(files: &[PathBuf], name: &str) -> Option<PathBuf> {
    let directory = |target: &PathBuf| {
        let (path, deleted) = link_target(target);
        let own = path.file_name()?.to_str()?.starts_with(name);
        let directory = path.parent()?;
        (own && deleted && directory != Path::new("/")).then(|| directory.to_path_buf())
    };
    files.iter().rev().find_map(directory)
}
