//! One process: `stat`, `status`, `cmdline`, `cgroup` and the links `cwd`, `exe` (proc(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use procfs_core::prelude::FromRead;
use procfs_core::{ProcessCGroups, process};

/// The content of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The number.
    pub pid: u32,
    /// The name, at most 15 bytes.
    pub name: String,
    /// The parent's number; 0 for the first process.
    pub parent: u32,
    /// Whether it is a zombie, or dead.
    pub gone: bool,
    /// When it started, in [ticks](super::TICKS) since boot.
    pub started: u64,
}

/// Reads `/proc/PID/stat`. `None` if its format is different.
pub fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    let bytes = bytes.trim_ascii();
    // The parser slices at the parentheses without checking that they exist.
    let open = memchr::memchr(b'(', bytes)?;
    let close = memchr::memrchr(b')', bytes)?;
    let shaped = open > 1
        && open < close
        && bytes.get(open - 1) == Some(&b' ')
        && bytes.get(close + 1) == Some(&b' ')
        && bytes.len() > close + 2;
    if !shaped {
        return None;
    }
    let stat = process::Stat::from_read(bytes).ok()?;
    Some(Stat {
        pid: u32::try_from(stat.pid).ok()?,
        name: stat.comm,
        parent: u32::try_from(stat.ppid).ok()?,
        gone: matches!(stat.state, 'Z' | 'X' | 'x'),
        started: stat.starttime,
    })
}

/// The user and group of a process, the signals it handles, and its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The effective user.
    pub uid: u32,
    /// The effective group.
    pub gid: u32,
    /// The signals that it handles itself, one bit each.
    caught: u64,
    /// The bytes of memory without a file behind them (`RssAnon`, from Linux 4.5 on).
    pub anonymous: Option<u64>,
}

impl Status {
    /// Whether it handles this signal itself.
    pub fn catches(self, signal: u32) -> bool {
        signal.checked_sub(1).is_some_and(|bit| self.caught.checked_shr(bit).unwrap_or(0) & 1 == 1)
    }
}

/// Reads `/proc/PID/status`.
pub fn parse_status(bytes: &[u8]) -> Option<Status> {
    let status = process::Status::from_read(bytes).ok()?;
    let anonymous = status.rssanon.map(|kibibytes| kibibytes.saturating_mul(1024));
    Some(Status { uid: status.euid, gid: status.egid, caught: status.sigcgt, anonymous })
}

/// The words of `/proc/PID/cmdline`. A program that rewrites its title leaves trailing spaces or
/// zeros, which are not words.
pub fn command_line(bytes: &[u8]) -> Vec<String> {
    // Each word ends in a zero; a new title leaves further zeros.
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let words = bytes.get(..end).filter(|words| !words.is_empty());
    words
        .into_iter()
        .flat_map(|words| words.split(|byte| *byte == 0))
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// The control groups of a process: the paths of `/proc/PID/cgroup`, every hierarchy.
pub fn cgroups(bytes: &[u8]) -> Vec<PathBuf> {
    ProcessCGroups::from_read(bytes)
        .map(|groups| groups.0.into_iter().map(|group| PathBuf::from(group.pathname)).collect())
        .unwrap_or_default()
}

/// The path in `cwd` or `exe`, and whether its target no longer exists.
pub fn link_target(target: &Path) -> (PathBuf, bool) {
    match target.as_os_str().as_bytes().strip_suffix(b" (deleted)") {
        Some(path) => (PathBuf::from(OsStr::from_bytes(path)), true),
        None => (target.to_path_buf(), false),
    }
}

/// `btime` in `/proc/stat`: the time at which the machine started, in seconds since 1970.
pub fn boot_time(bytes: &[u8]) -> Option<i64> {
    let line = bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// `/proc/uptime`: whole seconds since boot.
pub fn uptime(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.split(['.', ' ']).next()?.trim().parse().ok()
}
