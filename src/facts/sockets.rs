//! Sockets that listen on the host: where, who holds them, how many connections wait.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::processes::Master;
use super::{Bound, Endpoint, Known, Machine, Place, Route, TcpHost, Why};
use crate::source::Sources;
use crate::source::proc::{Local, tcp_listeners, unix_listeners};

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
    /// The gunicorn masters, of all units, that hold it.
    pub owners: Vec<u32>,
}

/// The sockets that matter to an application.
#[derive(Debug)]
pub struct Sockets {
    /// Every socket of the host that listens.
    pub listeners: Rc<[Listener]>,
    /// What stands at the paths that the application binds or nginx connects to.
    pub files: Vec<Place>,
}

impl Sockets {
    /// The listeners that a client of this endpoint reaches. Unknown where only a resolver could
    /// tell.
    pub fn reached(&self, endpoint: &Endpoint) -> Result<Vec<&Listener>, Why> {
        let mut found = Vec::new();
        for listener in self.listeners.iter() {
            match endpoint.reaches(&listener.endpoint) {
                Some(true) => found.push(listener),
                Some(false) => {}
                None => {
                    return Err(Why::new(format!(
                        "whether {endpoint} leads to {} only a resolver knows",
                        listener.endpoint
                    )));
                }
            }
        }
        Ok(found)
    }

    /// What stands at a unix socket's path.
    pub fn file(&self, path: &Path) -> Option<&Place> {
        self.files.iter().find(|place| place.path == path)
    }
}

/// Every socket of the host that listens: read once for all applications.
///
/// The tables are those of the first process's network, which is the host's: `/proc/net` is the
/// reader's own and leads nowhere under `--root` of a container.
pub(super) fn listeners(sources: &Sources, masters: &[Rc<Master>]) -> Result<Rc<[Listener]>, Why> {
    let read = |name: &str| {
        let host = sources.host();
        host.read(&Path::new("/proc/1/net").join(name), TABLE_LIMIT)
            .or_else(|_| host.read(&Path::new("/proc/net").join(name), TABLE_LIMIT))
    };
    let mut all = match read("unix") {
        Ok(bytes) => unix_listeners(&bytes),
        Err(error) => return Err(Why::new(format!("the sockets: {error}"))),
    };
    // Without IPv6 there is no tcp6; without both the network is not there at all.
    for name in ["tcp", "tcp6"] {
        all.extend(read(name).map(|bytes| tcp_listeners(&bytes)).unwrap_or_default());
    }
    let mut owners: HashMap<u64, Vec<u32>> = HashMap::new();
    for master in masters {
        for inode in master.sockets.ok().into_iter().flatten() {
            owners.entry(*inode).or_default().push(master.process.pid);
        }
    }
    let listeners = all.iter().map(|listening| Listener {
        endpoint: endpoint(&listening.local),
        inode: listening.inode,
        queue: listening.queue,
        owners: owners.get(&listening.inode).cloned().unwrap_or_default(),
    });
    Ok(listeners.collect())
}

/// The listeners, and what stands at an application's paths.
pub(super) fn sockets(
    sources: &Sources,
    machine: &Machine,
    listeners: &Result<Rc<[Listener]>, Why>,
    bounds: &Known<Vec<Bound>>,
    routes: &[Route],
) -> Known<Sockets> {
    let listeners = match listeners {
        Ok(listeners) => Rc::clone(listeners),
        Err(why) => return Known::Unknown(why.clone()),
    };
    let bound = bounds.ok().into_iter().flatten().map(|bound| &bound.endpoint);
    let mut paths: Vec<&Path> = bound
        .chain(routes.iter().map(|route| &route.endpoint))
        .filter_map(|endpoint| match endpoint {
            Endpoint::Unix(path) => Some(path.as_path()),
            Endpoint::Tcp { .. } => None,
        })
        .collect();
    paths.sort_unstable();
    paths.dedup();
    let look = |path: &Path| Place::look(sources.host(), path, machine.owners_known);
    Known::Default(Sockets { listeners, files: paths.into_iter().map(look).collect() })
}

fn endpoint(local: &Local) -> Endpoint {
    match local {
        Local::Path(path) => Endpoint::unix(path),
        Local::Address(address) if address.ip().is_unspecified() => {
            Endpoint::Tcp { host: TcpHost::Any, port: address.port() }
        }
        Local::Address(address) => {
            Endpoint::Tcp { host: TcpHost::Address(address.ip()), port: address.port() }
        }
    }
}
