//! What a `.socket` unit creates: whether there is an address in it at all, and who can connect to the
//! unix socket.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::service::{Service, Unit, expanded};
use super::{Bound, Identity, Known, Machine, Want, Why};
use crate::source::unit::value::parse_mode;
use crate::source::{Span, Spanned, Text};

/// Other addresses that such a unit may have.
const OTHERS: [&str; 7] = [
    "ListenDatagram",
    "ListenSequentialPacket",
    "ListenFIFO",
    "ListenSpecial",
    "ListenNetlink",
    "ListenMessageQueue",
    "ListenUSBFunction",
];

/// The `ListenStream=` lines of a unit that systemd refuses, because none of them is an address and it has no
/// other: `unix:/run/app.sock`, `localhost:8000`. Empty if it has no line at all; `None` for a unit that
/// systemd accepts, or that is not known well enough.
///
/// Source: systemd.socket(5); `systemd-analyze verify` of 252.
pub fn no_address(unit: &Unit) -> Option<Vec<Text>> {
    if OTHERS.iter().any(|key| !unit.list("Socket", key).is_empty()) {
        return None;
    }
    let lines = unit.list("Socket", "ListenStream");
    lines
        .iter()
        .map(|line| expanded(unit, line).ok().filter(|text| is_no_address(text.as_str())))
        .collect()
}

/// Only what is surely none: a path that does not begin with `/`, and a host that is not a number.
pub(super) fn is_no_address(text: &str) -> bool {
    if text.starts_with(['/', '@']) || text.contains(['{', '<', '%']) || text.starts_with("vsock:")
    {
        return false;
    }
    if text.contains('/') {
        return true;
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        // A port alone, on every address.
        return text.parse::<u16>().is_err();
    };
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    };
    !is_host || port.parse::<u16>().is_err()
}

/// The file of a socket as systemd will make it.
#[derive(Debug, Clone)]
pub struct SocketFile {
    /// `SocketMode=`.
    pub mode: u32,
    /// `SocketUser=`.
    pub user: Identity,
    /// Its number.
    uid: u32,
    /// The number of the group: `SocketGroup=`, else the user's own.
    gid: u32,
    /// The setting that decides: the mode, else the user or group.
    pub span: Option<Span>,
}

impl SocketFile {
    /// What a unit's settings make of it. Not known where a command may change it afterwards.
    pub fn read(machine: &Machine, unit: &Unit) -> Result<Self, Why> {
        if !unit.list("Socket", "ExecStartPost").is_empty() {
            return Err(Why::depends("ExecStartPost= of the socket may change its file"));
        }
        let text = |key: &str| match unit.last("Socket", key) {
            Some(line) => expanded(unit, line).map(Some),
            None => Ok(None),
        };
        let (mode, user, group) = (text("SocketMode")?, text("SocketUser")?, text("SocketGroup")?);
        let span = [&mode, &user, &group].into_iter().flatten().map(|text| text.span()).next();
        let mode = match mode {
            None => 0o666,
            Some(text) => parse_mode(text.as_str())
                .ok_or_else(|| Why::not_understood("SocketMode= is not a mode"))?,
        };
        let user = user.map_or_else(Identity::root, |text| machine.identity(text.as_str()));
        let missing = |name: &str| Why::not_read(format!("the number of {name} is not known"));
        let uid = user.uid.ok_or_else(|| missing(&user.name))?;
        let accounts = machine.accounts.get()?;
        let gid = match group {
            Some(text) => accounts
                .group(text.as_str())
                .map(|group| group.gid)
                .or_else(|| text.as_str().parse().ok())
                .ok_or_else(|| missing(text.as_str()))?,
            None if uid == 0 => 0,
            None => accounts
                .user(&user.name)
                .map(|user| user.gid)
                .ok_or_else(|| missing(&format!("the group of {}", user.name)))?,
        };
        Ok(Self { mode, user, uid, gid, span })
    }

    /// May this user connect to it?
    pub fn admits(&self, who: &Identity) -> Result<bool, Why> {
        if who.is_root() {
            return Ok(true);
        }
        who.may(Want::Write, self.mode, self.uid, self.gid)
    }
}

/// `DirectoryMode=`, where a unit sets it: the mode of the directories that systemd makes, for root, on
/// the way to a socket.
pub fn directory_mode(unit: &Unit) -> Result<Option<Spanned<u32>>, Why> {
    let Some(line) = unit.last("Socket", "DirectoryMode") else { return Ok(None) };
    let text = expanded(unit, line)?;
    match parse_mode(text.as_str()) {
        Some(value) => Ok(Some(Spanned { value, span: text.span() })),
        None => Err(Why::not_understood("DirectoryMode= is not a mode")),
    }
}

impl Service {
    /// The `.socket` unit that listens at one of the application's sockets.
    pub fn socket_of(&self, bound: &Bound) -> Option<&Unit> {
        let span = bound.origin.span().filter(|_| bound.activated)?;
        let listens = |unit: &&Unit| unit.files().any(|file| file.file.id == span.file);
        self.sockets.iter().find(listens)
    }

    /// Does anything that the service runs itself name this path, and may change what is there?
    pub fn touches(&self, path: &std::path::Path) -> bool {
        let path = path.to_string_lossy();
        let keys = ["ExecStartPre", "ExecStartPost"];
        let mut lines = keys.iter().flat_map(|key| self.unit.list("Service", key));
        lines.any(|line| line.value.as_str().contains(&*path))
    }

    /// Is it started at boot?
    pub fn starts_at_boot(&self) -> Known<bool> {
        match self.on_machine {
            true => Known::Observed(self.unit.is_enabled(), "the units on this host"),
            false => Known::Unknown(Why::not_read("only the files given were read")),
        }
    }
}
