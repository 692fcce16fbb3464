//! Listening sockets: `/proc/net/unix`, `/proc/net/tcp`, `/proc/net/tcp6` (proc(5)).
//!
//! In a table with thousands of rows, only the listening sockets are parsed, each row separately,
//! so that a malformed row does not affect the others. `procfs-core` reads the TCP rows; for unix
//! sockets it handles neither the flags, which identify a listener, nor paths with spaces.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use procfs_core::ExplicitSystemInfo;
use procfs_core::net::TcpNetEntries;
use procfs_core::prelude::FromReadSI;

/// Where a socket listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// A path in the file system, as the process passed it to bind(2).
    Path(PathBuf),
    /// An address and port.
    Address(SocketAddr),
}

/// A listening socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// The address or path.
    pub local: Local,
    /// The socket's own inode, which is in the `socket:[…]` of `/proc/PID/fd`.
    pub inode: u64,
    /// Connections that wait to be accepted.
    pub queue: u32,
}

/// `__SO_ACCEPTCON` (linux/net.h): the flag of a listening unix socket.
const ACCEPTS: u64 = 1 << 16;

/// The unix sockets that listen at a path. Rows with inode 0 and the same path are waiting
/// connections (measured).
pub fn unix_listeners(bytes: &[u8]) -> Vec<Listening> {
    let mut found: Vec<Listening> = Vec::new();
    let mut waiting: HashMap<PathBuf, u32> = HashMap::new();
    for line in bytes.split(|byte| *byte == b'\n').skip(1) {
        let Some((flags, inode, path)) = unix_columns(line) else { continue };
        if inode == b"0" {
            let count = waiting.entry(path).or_default();
            *count = count.saturating_add(1);
        } else if flags & ACCEPTS != 0
            && let Some(inode) = number(inode)
        {
            found.push(Listening { local: Local::Path(path), inode, queue: 0 });
        }
    }
    for listener in &mut found {
        if let Local::Path(path) = &listener.local {
            listener.queue = waiting.get(path).copied().unwrap_or(0);
        }
    }
    found
}

/// Flags, inode and path of a row; `None` if it has no path in the file system.
fn unix_columns(line: &[u8]) -> Option<(u64, &[u8], PathBuf)> {
    // Most rows have no path, which is visible without parsing them.
    let slash = memchr::memchr(b'/', line)?;
    let head = line.get(..slash)?;
    if head.last() != Some(&b' ') {
        return None;
    }
    let mut columns = head.split(|byte| *byte == b' ').filter(|column| !column.is_empty());
    let flags = columns.nth(3)?;
    let inode = columns.nth(2)?;
    if columns.next().is_some() {
        return None;
    }
    let flags = u64::from_str_radix(std::str::from_utf8(flags).ok()?, 16).ok()?;
    Some((flags, inode, PathBuf::from(OsStr::from_bytes(line.get(slash..)?))))
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The listening TCP sockets of `/proc/net/tcp` or `/proc/net/tcp6`.
pub fn tcp_listeners(bytes: &[u8]) -> Vec<Listening> {
    let info = ExplicitSystemInfo {
        boot_time_secs: 0,
        ticks_per_second: super::TICKS,
        page_size: 4096,
        is_little_endian: cfg!(target_endian = "little"),
    };
    bytes
        .split(|byte| *byte == b'\n')
        .skip(1)
        // 0A is LISTEN.
        .filter(|line| memchr::memmem::find(line.get(..100).unwrap_or(line), b" 0A ").is_some())
        .filter_map(|line| {
            let mut row = b"\n".to_vec();
            row.extend_from_slice(line);
            let entries = TcpNetEntries::from_read(row.as_slice(), &info).ok()?;
            let entry = entries.0.into_iter().next()?;
            let mut address = entry.local_address;
            address.set_ip(address.ip().to_canonical());
            Some(Listening {
                local: Local::Address(address),
                inode: entry.inode,
                queue: entry.rx_queue,
            })
        })
        .collect()
}
