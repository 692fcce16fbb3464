//! Which processes are an application's: those in the unit's control group, then masters anywhere
//! in the process table.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::super::{Known, ReleaseLink, Service, Why};
use super::command::{may_be_gunicorn, title_of_master};
use super::table::{Found, made_in, sockets_among};
use super::{Gunicorns, Master, Orphan, Process, Processes, Table};
use crate::host::Host;
use crate::source::{Secret, Sources};

/// How the names of gunicorn's heartbeat files begin.
const HEARTBEAT: &str = "wgunicorn-";
/// The most control groups below a unit's that are looked into.
const GROUP_LIMIT: usize = 64;

/// Finds an application's processes in the table.
pub fn processes(
    sources: &Sources,
    table: &Table<'_>,
    all: &Gunicorns,
    unit: &str,
    service: &Service,
    link: Option<&ReleaseLink>,
) -> Processes {
    let (masters, others): (Vec<_>, Vec<_>) =
        all.masters.iter().map(Rc::clone).partition(|one| table.is_in(one.process.pid, unit));
    let members = members(sources.host(), table, unit, service, !masters.is_empty());
    Processes {
        main: main_process(table, &members, &all.orphans),
        orphans: all.orphans.clone(),
        members: Known::Observed(members.len(), "/proc"),
        masters,
        others,
        systemd: table.runs_systemd(),
        first: table.user(1),
        mounts: table.mounts(1),
        now: table.now(),
        link_moved: match link {
            None => Known::Observed(None, "the file system"),
            Some(link) => match sources.host().link_metadata(&link.path) {
                Ok(metadata) => Known::Observed(Some(metadata.mtime), "the file system"),
                Err(error) => Known::Unknown(Why::not_read(error.to_string())),
            },
        },
    }
}

/// Every gunicorn master of the host with its workers, and workers without a master, oldest first.
pub fn gunicorns(table: &Table<'_>) -> Gunicorns {
    let gunicorns = table.gunicorns();
    let numbers: HashSet<u32> = gunicorns.iter().map(|(pid, ..)| *pid).collect();
    let mut masters = Vec::new();
    let mut orphans = Vec::new();
    let mut children: HashMap<u32, Vec<&Found>> = HashMap::new();
    for entry in gunicorns {
        let (pid, words, running) = entry;
        let Some(row) = table.row(*pid) else { continue };
        let below = numbers.contains(&row.parent);
        let successor = below && succeeds(table, *pid, row.parent, words);
        if below && !successor {
            children.entry(row.parent).or_default().push(entry);
            continue;
        }
        let titled = title_of_master(words);
        if titled == Some(false) || (titled.is_none() && table.listens_as_worker(*pid)) {
            // Nobody's master. Below a program that embeds gunicorn it is a worker like any other.
            if !may_be_master(table, row.parent)
                && let Some(process) = table.process(*pid, words)
            {
                orphans.push(Orphan { sockets: table.sockets(*pid), process });
            }
            continue;
        }
        let Some(process) = table.process(*pid, words) else { continue };
        let environment = if process.is_renamed() {
            // The title takes the place of the environment, too.
            Known::Unknown(Why::not_read(
                "setproctitle overwrote the environment that the kernel shows",
            ))
        } else {
            table.environment(*pid)
        };
        let files = table.open_files(*pid);
        masters.push(Master {
            environment,
            heartbeats: files.ok().and_then(|files| made_in(files, HEARTBEAT)),
            sockets: files.map(|files| sockets_among(&files)),
            running: running.clone(),
            process,
            workers: Vec::new(),
            successor,
        });
    }
    for master in &mut masters {
        let mut workers: Vec<Process> = children
            .get(&master.process.pid)
            .into_iter()
            .flatten()
            .filter_map(|(pid, words, _)| table.process(*pid, words))
            .collect();
        workers.sort_by_key(|worker| table.row(worker.pid).map(|row| row.started));
        master.workers = workers;
    }
    masters.sort_by_key(|master| table.row(master.process.pid).map(|row| row.started));
    orphans.sort_by_key(|orphan| table.row(orphan.process.pid).map(|row| row.started));
    Gunicorns {
        masters: masters.into_iter().map(Rc::new).collect(),
        orphans: orphans.into_iter().map(Rc::new).collect(),
    }
}

/// May this process, which is not told to be gunicorn, be a worker's master all the same?
fn may_be_master(table: &Table<'_>, parent: u32) -> bool {
    parent != 1 && table.row(parent).is_none_or(|row| may_be_gunicorn(&row.name))
}

/// Was this process started by SIGUSR2 from the master above it, and not forked as its worker?
/// A worker of such a master inherits the variable, but not the parent that it names.
fn succeeds(table: &Table<'_>, pid: u32, parent: u32, words: &[String]) -> bool {
    if let Some(master) = title_of_master(words) {
        return master;
    }
    let named = Secret::new(parent.to_string());
    table.environment(pid).ok().is_some_and(|env| env.holds("GUNICORN_PID", &named))
}

/// The processes in the unit's control group.
///
/// `cgroup.procs` numbers processes as the reader's own namespace does: under `--root` of a
/// container they are not those of its /proc. So each is checked against its own `cgroup` file,
/// and where they do not agree the whole table is asked.
fn members(
    host: &dyn Host,
    table: &Table<'_>,
    unit: &str,
    service: &Service,
    has_master: bool,
) -> Vec<u32> {
    let listed = listed(host, unit, service);
    if !listed.is_empty() && listed.iter().all(|pid| table.is_in(*pid, unit)) {
        return listed;
    }
    if has_master {
        // The masters, what is above them and what is below: enough to tell the main process.
        let mut found = HashSet::new();
        for (pid, ..) in table.gunicorns() {
            let mut at = Some(*pid);
            while let Some(pid) = at {
                if !table.is_in(pid, unit) || !found.insert(pid) {
                    break;
                }
                at = table.row(pid).map(|row| row.parent);
            }
        }
        let mut found: Vec<u32> = found.into_iter().collect();
        found.sort_unstable();
        return found;
    }
    let mut found: Vec<u32> = table
        .numbers()
        .filter(|pid| table.is_in(*pid, unit) && table.row(*pid).is_some())
        .collect();
    found.sort_unstable();
    found
}

/// What the unit's `cgroup.procs` files list, in the pure and the hybrid layout.
fn listed(host: &dyn Host, unit: &str, service: &Service) -> Vec<u32> {
    let slice = slice(unit, service);
    let mut found = Vec::new();
    for top in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"] {
        let mut todo = vec![Path::new(top).join(&slice).join(unit)];
        let mut looked = 0;
        while let Some(group) = todo.pop() {
            looked += 1;
            if looked > GROUP_LIMIT {
                break;
            }
            let Ok(bytes) = host.read(&group.join("cgroup.procs"), 4 << 20) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            found.extend(text.lines().filter_map(|line| line.trim().parse::<u32>().ok()));
            for name in host.list(&group).unwrap_or_default() {
                let below = group.join(name);
                let kind = host.link_metadata(&below).map(|metadata| metadata.kind);
                if kind == Ok(crate::host::FileKind::Directory) {
                    todo.push(below);
                }
            }
        }
        if !found.is_empty() {
            break;
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Where the unit's control group is: systemd.slice(5), `a-b.slice` is below `a.slice`.
fn slice(unit: &str, service: &Service) -> PathBuf {
    let set = match service.text("Slice") {
        Known::Value(Some(text), _) => Some(text.as_str().to_owned()),
        _ => None,
    };
    let name = match (set, unit.split_once('@')) {
        (Some(name), _) => name,
        (None, Some((template, _))) => {
            format!("system-{}.slice", template.replace('-', "\\x2d"))
        }
        (None, None) => "system.slice".to_owned(),
    };
    let stem = name.strip_suffix(".slice").unwrap_or(&name);
    let mut path = PathBuf::new();
    let ends = stem.match_indices('-').map(|(at, _)| at).chain([stem.len()]);
    for end in ends {
        path.push(format!("{}.slice", stem.get(..end).unwrap_or(stem)));
    }
    path
}

/// The unit's only process that systemd itself started. If there are several, only systemd knows
/// which one is meant.
fn main_process(
    table: &Table<'_>,
    members: &[u32],
    orphans: &[Rc<Orphan>],
) -> Known<Option<Process>> {
    let started: Vec<u32> = members
        .iter()
        .copied()
        .filter(|pid| table.row(*pid).is_some_and(|row| row.parent == 1))
        .filter(|pid| !orphans.iter().any(|orphan| orphan.process.pid == *pid))
        .collect();
    match started.as_slice() {
        [] if members.is_empty() => Known::Observed(None, "/proc"),
        [pid] => {
            let words =
                table.gunicorns().iter().find(|(gunicorn, ..)| gunicorn == pid).map(|g| &g.1);
            let words = words.map_or(&[] as &[_], |words| words.as_slice());
            Known::Observed(table.process(*pid, words), "/proc")
        }
        [] => Known::Unknown(Why::not_there("none of the unit's processes was started by systemd")),
        _ => Known::Unknown(Why::not_understood(
            "the unit has several processes without a parent in it",
        )),
    }
}
