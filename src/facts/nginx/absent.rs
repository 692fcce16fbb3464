//! nginx that is configured to pass requests to an application and does not run: seen in the process
//! table and in the sockets that listen, with its unit's state beside them.

use super::{Address, Host, Model, ServerId};
use crate::facts::processes::Table;
use crate::facts::sockets::Listener;
use crate::facts::state::{States, UnitState};
use crate::facts::{Endpoint, Known, Request, TcpHost, Why};
use crate::source::unit::Unit;
use crate::source::{Sources, Span};

/// Nobody answers at the addresses of the servers that lead to an application.
#[derive(Debug, Clone)]
pub struct AbsentNginx {
    /// Where visitors connect, and the line that says so.
    pub addresses: Vec<(Address, Span)>,
    /// How systemd says that `nginx.service` is; `None` where it was not asked.
    pub state: Option<UnitState>,
    /// Is it started at boot?
    pub enabled: bool,
}

/// The unit that Debian, Red Hat, SUSE and nginx.org install.
const UNIT: &str = "nginx.service";

/// `None` if nginx is there. systemd is asked only where it is not.
pub(in crate::facts) fn read(
    sources: &Sources,
    request: &Request,
    (table, listeners): (&Table<'_>, &[Listener]),
    (model, unit): (&Model, Option<&Unit>),
    servers: &[ServerId],
) -> Known<Option<AbsentNginx>> {
    match find(sources, request, (table, listeners), (model, unit), servers) {
        Ok(absent) => Known::Observed(absent, "/proc"),
        Err(why) => Known::Unknown(why),
    }
}

fn find(
    sources: &Sources,
    request: &Request,
    (table, listeners): (&Table<'_>, &[Listener]),
    (model, unit): (&Model, Option<&Unit>),
    servers: &[ServerId],
) -> Result<Option<AbsentNginx>, Why> {
    let addresses = addresses(model, servers);
    if servers.is_empty() {
        return Ok(None);
    }
    let all = table.nginx_processes();
    let mut others = false;
    for (pid, _) in all.iter().filter(|(pid, _)| table.row(*pid).is_some()) {
        if table.is_in(*pid, UNIT) {
            return Ok(None);
        }
        others = true;
    }
    let taken =
        |address: &Address| listeners.iter().any(|one| !one.apart && holds(&one.endpoint, address));
    if let Some((address, _)) = addresses.iter().find(|(address, _)| taken(address)) {
        return match others {
            true => Ok(None),
            false => Err(Why::not_understood(format!(
                "nginx does not run, and another program listens on {address}"
            ))),
        };
    }
    if others {
        return Err(Why::not_understood(
            "nginx runs outside nginx.service, as in a container: who takes the site's requests is \
             not known",
        ));
    }
    if addresses.is_empty() {
        return Err(Why::not_understood("where the site listens is not known"));
    }
    if !table.runs_systemd() {
        return Err(Why::not_there("the first process here is not systemd"));
    }
    let state = States::read(sources, request, [UNIT.to_owned()]).of(UNIT);
    let state = state.ok().cloned();
    let missing = || Err(Why::not_there("nginx is configured here, but there is no nginx.service"));
    let enabled = match &state {
        Some(state) if state.load == "not-found" => return missing(),
        // Starting, stopping, or started since the processes were read.
        Some(state) if !matches!(state.active.as_str(), "inactive" | "failed") => {
            return Err(Why::not_read(format!(
                "no process of nginx was seen, but systemd says that nginx.service is {}",
                state.active
            )));
        }
        Some(state) => state.unit_file != "disabled",
        None => match unit {
            Some(unit) => unit.is_enabled(),
            None => return missing(),
        },
    };
    Ok(Some(AbsentNginx { addresses, state, enabled }))
}

/// Where the servers listen, each address once.
fn addresses(model: &Model, servers: &[ServerId]) -> Vec<(Address, Span)> {
    let mut found: Vec<(Address, Span)> = Vec::new();
    for server in servers.iter().filter_map(|id| model.server(*id)) {
        for address in server.addresses() {
            let line = server.listens.iter().find(|line| line.address.as_ref() == Some(&address));
            let span = line.map_or(server.span, |line| line.span);
            if !found.iter().any(|(other, _)| *other == address) {
                found.push((address, span));
            }
        }
    }
    found
}

/// May this socket be what clients of the address reach? So is every one on the same port, unless
/// both are of one address and these differ.
fn holds(listener: &Endpoint, address: &Address) -> bool {
    match (listener, address) {
        (Endpoint::Unix(_), Address::Unix(path)) => *listener == Endpoint::unix(path),
        (Endpoint::Tcp { host, port }, Address::Inet { host: wanted, port: at }) => {
            port == at
                && match (host, wanted) {
                    (TcpHost::Address(a), Host::Ip(b)) => a == b,
                    _ => true,
                }
        }
        _ => false,
    }
}
