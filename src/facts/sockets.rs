//! The listening sockets of the host: where they are bound, which processes hold them, how many
//! connections wait, and whether the file at a unix socket's path still belongs to that socket.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Serialize;

use super::processes::{Gunicorns, Holder, Table};
use super::{Bound, Endpoint, Known, Machine, Place, Route, TcpHost, Why};
use crate::host::{Host, HostErrorKind};
use crate::source::Sources;
use crate::source::proc::{Listening, Local, tcp_listeners, unix_listeners};

/// The largest table that is read, in bytes.
const TABLE_LIMIT: u64 = 64 << 20;

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listener {
    /// Where.
    pub endpoint: Endpoint,
    /// The socket's own inode, not that of its file.
    pub inode: u64,
    /// Connections that wait to be accepted.
    pub queue: u32,
    /// The gunicorn masters, of all units, that hold it, and the workers without a master.
    pub owners: Vec<u32>,
    /// A process in its network, where that is not the host's.
    pub network: Option<u32>,
    /// Is it a port of a network in which nginx is not? A path is reached from every network.
    pub apart: bool,
}

/// The sockets that matter to an application.
#[derive(Debug)]
pub struct Sockets {
    /// Every socket of the host that listens.
    pub listeners: Rc<[Listener]>,
    /// What is at the paths that the application binds or nginx connects to.
    pub files: Vec<Place>,
    /// Of the sockets that nginx reaches and no gunicorn holds: who does.
    holders: Rc<HashMap<u64, Known<Vec<Holder>>>>,
    /// For each path with a socket's file: which sockets are bound to that very file.
    bound: HashMap<PathBuf, Told>,
    /// The sockets, by their inode, that gunicorn's masters had closed by the time when the files
    /// had been looked at.
    closed: HashSet<u64>,
}

/// Of sockets, by their inode: is it bound to the file in question? None where nothing tells.
type Told = Result<Vec<(u64, Option<bool>)>, Why>;

impl Sockets {
    /// The listeners that a client of this endpoint reaches. Unknown where only a resolver could
    /// tell.
    pub fn reached(&self, endpoint: &Endpoint) -> Result<Vec<&Listener>, Why> {
        let mut found = Vec::new();
        for listener in self.listeners.iter().filter(|one| !one.apart) {
            match endpoint.reaches(&listener.endpoint) {
                Some(true) => found.push(listener),
                Some(false) => {}
                None => {
                    return Err(Why::depends(format!(
                        "only a resolver can tell whether {endpoint} leads to {}",
                        listener.endpoint
                    )));
                }
            }
        }
        Ok(found)
    }

    /// Does something listen where a client of this endpoint connects? Unknown for a socket of another
    /// host, and for a name.
    pub fn answers(&self, endpoint: &Endpoint) -> Option<bool> {
        if let Endpoint::Tcp { host, .. } = endpoint
            && !host.is_here()
        {
            return None;
        }
        let listeners = self.reached(endpoint).ok()?;
        let Endpoint::Unix(path) = endpoint else { return Some(!listeners.is_empty()) };
        let there = self.file(path).is_none_or(|place| place.exists() != Ok(false));
        Some(there && listeners.iter().any(|one| self.is_at(one, path) != Ok(false)))
    }

    /// What is at a unix socket's path.
    pub fn file(&self, path: &Path) -> Option<&Place> {
        self.files.iter().find(|place| place.path == path)
    }

    /// Is the socket bound to the file that is at this path now, and not to one that was there
    /// before?
    pub fn is_at(&self, listener: &Listener, path: &Path) -> Result<bool, Why> {
        let told = match self.bound.get(path) {
            Some(Ok(told)) => told,
            Some(Err(why)) => return Err(why.clone()),
            None => return Err(Why::not_read(format!("{} was not checked", path.display()))),
        };
        told.iter()
            .find(|(inode, _)| *inode == listener.inode)
            .and_then(|(_, told)| *told)
            .ok_or_else(|| {
                Why::not_read(format!(
                    "it is not known whether {} is the socket's own file",
                    path.display()
                ))
            })
    }

    /// Did a master close the socket while the host was read? gunicorn does so at its end, right
    /// before it removes the file: what is missing then was not taken away from it.
    pub fn was_closed(&self, listener: &Listener) -> bool {
        self.closed.contains(&listener.inode)
    }

    /// The processes that hold a socket which no gunicorn master holds.
    pub fn holders(&self, listener: &Listener) -> Result<&[Holder], Why> {
        match self.holders.get(&listener.inode) {
            Some(holders) => holders.get().map(Vec::as_slice),
            None => {
                Err(Why::not_understood(format!("the owner of {} is not known", listener.endpoint)))
            }
        }
    }
}

/// The sockets that these routes reach and no gunicorn master holds.
pub(super) fn without_master(
    listeners: &Result<Rc<[Listener]>, Why>,
    routes: &[Route],
) -> HashSet<u64> {
    let unowned = |listener: &&Listener| {
        listener.owners.is_empty()
            && !listener.apart
            && routes.iter().any(|way| way.endpoint.reaches(&listener.endpoint) == Some(true))
    };
    listeners.iter().flat_map(|all| all.iter()).filter(unowned).map(|l| l.inode).collect()
}

/// Every socket of the host that listens: read once for all applications.
///
/// The tables are those of the first process's network, which is the host's: `/proc/net` is the
/// reader's own and leads nowhere under `--root` of a container. A table shows one network alone: what
/// gunicorn or nginx listens on in another (`PrivateNetwork=`, `NetworkNamespacePath=`), only its own
/// process's tables do. `v6_only` are the ports that files say are listened on for IPv6 alone.
pub(super) fn listeners(
    sources: &Sources,
    table: &Table<'_>,
    gunicorns: &Gunicorns,
    v6_only: &HashSet<u16>,
) -> Result<Rc<[Listener]>, Why> {
    let read = |name: &str| {
        let host = sources.host();
        host.read(&Path::new("/proc/1/net").join(name), TABLE_LIMIT)
            .or_else(|_| host.read(&Path::new("/proc/net").join(name), TABLE_LIMIT))
    };
    let all = match read("unix") {
        Ok(bytes) => unix_listeners(&bytes),
        Err(error) => return Err(Why::not_read(format!("the sockets: {error}"))),
    };
    let mut all: Vec<(Listening, Option<u32>)> = all.into_iter().map(|one| (one, None)).collect();
    // Without IPv6 there is no tcp6; without both the network is not there at all.
    for name in ["tcp", "tcp6"] {
        let found = read(name).map(|bytes| tcp_listeners(&bytes)).unwrap_or_default();
        all.extend(found.into_iter().map(|one| (one, None)));
    }
    let (others, of_nginx) = networks(table, gunicorns);
    let mut seen: HashSet<u64> = all.iter().map(|(one, _)| one.inode).collect();
    for pid in others {
        // Where the name of the network is hidden, its tables show whether it is the host's.
        let found = listening_in(sources.host(), pid);
        all.extend(
            found.into_iter().filter(|one| seen.insert(one.inode)).map(|one| (one, Some(pid))),
        );
    }
    let mut owners: HashMap<u64, Vec<u32>> = HashMap::new();
    let masters = gunicorns.masters.iter().map(|one| (one.process.pid, &one.sockets));
    let orphans = gunicorns.orphans.iter().map(|one| (one.process.pid, &one.sockets));
    for (pid, sockets) in masters.chain(orphans) {
        for inode in sockets.ok().into_iter().flatten() {
            owners.entry(*inode).or_default().push(pid);
        }
    }
    // The table does not show whether a `[::]` excludes IPv4. If there is also a listener on
    // 0.0.0.0, it does.
    let beside: HashSet<u16> = all
        .iter()
        .filter_map(|(listening, _)| match &listening.local {
            Local::Address(SocketAddr::V4(at)) if at.ip().is_unspecified() => Some(at.port()),
            _ => None,
        })
        .collect();
    let only = |port: u16| v6_only.contains(&port) || beside.contains(&port);
    let listeners = all.iter().map(|(listening, network)| Listener {
        network: *network,
        apart: *network != of_nginx && matches!(listening.local, Local::Address(_)),
        endpoint: endpoint(&listening.local, only),
        inode: listening.inode,
        queue: listening.queue,
        owners: owners.get(&listening.inode).cloned().unwrap_or_default(),
    });
    Ok(listeners.collect())
}

/// A process in each network that gunicorn or nginx runs in and the host does not, and which of them
/// is nginx's.
fn networks(table: &Table<'_>, gunicorns: &Gunicorns) -> (Vec<u32>, Option<u32>) {
    let nginx = table.nginx_processes();
    let nginx = nginx.iter().map(|(pid, _)| *pid).find(|pid| table.is_in(*pid, "nginx.service"));
    let masters = gunicorns.masters.iter().map(|one| one.process.pid);
    let orphans = gunicorns.orphans.iter().map(|one| one.process.pid);
    let host = table.network(1);
    let mut found: Vec<(Option<PathBuf>, u32)> = Vec::new();
    for pid in masters.chain(orphans) {
        let network = table.network(pid);
        let known = |(other, _): &(Option<PathBuf>, u32)| *other == network;
        if network.is_none() || !(network == host || found.iter().any(known)) {
            found.push((network, pid));
        }
    }
    // A port is reached from its own network alone.
    let mut of_nginx = None;
    if let Some(pid) = nginx
        && let Some(network) = table.network(pid).filter(|network| host.as_ref() != Some(network))
    {
        let same = found.iter().find(|(other, _)| other.as_ref() == Some(&network));
        of_nginx = Some(same.map_or(pid, |(_, pid)| *pid));
        if same.is_none() {
            found.push((Some(network), pid));
        }
    }
    (found.into_iter().map(|(_, pid)| pid).collect(), of_nginx)
}

/// What listens in a process's network, as far as its tables can be read.
fn listening_in(host: &dyn Host, pid: u32) -> Vec<Listening> {
    let read = |name: &str| {
        let path = PathBuf::from(format!("/proc/{pid}/net/{name}"));
        host.read(&path, TABLE_LIMIT).unwrap_or_default()
    };
    let mut found = unix_listeners(&read("unix"));
    for name in ["tcp", "tcp6"] {
        found.extend(tcp_listeners(&read(name)));
    }
    found
}

/// The listeners, and what is at an application's paths.
pub(super) fn sockets(
    sources: &Sources,
    machine: &Machine,
    table: Option<&Table>,
    listeners: &Result<Rc<[Listener]>, Why>,
    holders: &Rc<HashMap<u64, Known<Vec<Holder>>>>,
    bounds: &Known<Vec<Bound>>,
    asked: &[Endpoint],
) -> Known<Sockets> {
    let listeners = match listeners {
        Ok(listeners) => Rc::clone(listeners),
        Err(why) => return Known::Unknown(why.clone()),
    };
    let bound = bounds.ok().into_iter().flatten().map(|bound| &bound.endpoint);
    let mut paths: Vec<&Path> = bound
        .chain(asked)
        .filter_map(|endpoint| match endpoint {
            Endpoint::Unix(path) => Some(path.as_path()),
            Endpoint::Tcp { .. } => None,
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    let files: Vec<Place> = paths.into_iter().map(look).collect();
    let bound = files
        .iter()
        .filter(|place| place.is(crate::host::FileKind::Socket) == Ok(true))
        .map(|place| (place.path.clone(), bound_to(sources, &place.path, &listeners)))
        .collect();
    let closed = match table {
        Some(table) => closed(table, &listeners, &files, &bound),
        None => HashSet::new(),
    };
    let sockets = Sockets { listeners, files, holders: Rc::clone(holders), bound, closed };
    Known::Observed(sockets, "/proc/net")
}

/// Looks once more whether the masters hold the sockets whose files are not there any more.
fn closed(
    table: &Table,
    listeners: &[Listener],
    files: &[Place],
    bound: &HashMap<PathBuf, Told>,
) -> HashSet<u64> {
    let lost = |listener: &&Listener| {
        let Endpoint::Unix(path) = &listener.endpoint else { return false };
        let elsewhere = |told: &Told| match told {
            Ok(told) => told.contains(&(listener.inode, Some(false))),
            Err(_) => false,
        };
        files.iter().any(|place| place.path == *path)
            && !listener.owners.is_empty()
            && bound.get(path).is_none_or(elsewhere)
    };
    let closed = |listener: &&Listener| {
        listener.owners.iter().all(|pid| table.has_closed(*pid, listener.inode))
    };
    listeners.iter().filter(lost).filter(closed).map(|listener| listener.inode).collect()
}

fn bound_to(sources: &Sources, path: &Path, listeners: &[Listener]) -> Told {
    let here =
        |listener: &&Listener| matches!(&listener.endpoint, Endpoint::Unix(at) if at == path);
    let mut networks: Vec<u32> =
        listeners.iter().filter(here).filter_map(|listener| listener.network).collect();
    networks.sort_unstable();
    networks.dedup();
    let mut told = sources.host().bound(path, &networks).map_err(|error| match error.kind {
        HostErrorKind::NotGiven => Why::not_live(),
        _ => Why::not_read(format!("the sockets: {error}")),
    })?;
    let inodes: HashSet<u64> = listeners.iter().filter(here).map(|one| one.inode).collect();
    told.retain(|(inode, _)| inodes.contains(inode));
    Ok(told)
}

fn endpoint(local: &Local, only: impl Fn(u16) -> bool) -> Endpoint {
    match local {
        Local::Path(path) => Endpoint::unix(path),
        Local::Address(address) => {
            let port = address.port();
            let host = match TcpHost::of(address.ip()) {
                TcpHost::AnyV6 { .. } => TcpHost::AnyV6 { only: only(port) },
                host => host,
            };
            Endpoint::Tcp { host, port }
        }
    }
}

/// The ports of sockets that are said to be for IPv6 alone.
pub(super) fn v6_only<'b>(bounds: impl Iterator<Item = &'b Known<Vec<Bound>>>) -> HashSet<u16> {
    let sockets = bounds.flat_map(|bounds| bounds.ok().into_iter().flatten());
    sockets
        .filter_map(|bound| match bound.endpoint {
            Endpoint::Tcp { host: TcpHost::AnyV6 { only: true }, port } => Some(port),
            _ => None,
        })
        .collect()
}
