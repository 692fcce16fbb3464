//! The guarded reload's actions on the live host, in addition to the commands it runs: it sends
//! signals, moves a link, tells systemd which process is the main one, and keeps a log.
//!
//! Sources: `signal(7)`, `rename(2)`, `sd_notify(3)`, `unix(7)` (`SCM_CREDENTIALS`), `statvfs(3)`.

use std::fs;
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketType, UCred,
};
use rustix::process::{Pid, Signal};

/// Where systemd hears what services say (`NOTIFY_SOCKET` of the system's manager).
const NOTIFY: &str = "/run/systemd/notify";

/// The signals that a hand-over sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// SIGUSR2: gunicorn starts a second master next to itself.
    Usr2,
    /// SIGTERM: gunicorn finishes its requests and ends.
    Term,
    /// SIGKILL: what does not hear the others.
    Kill,
}

/// Sends a signal to a process that started at that tick, and to no other that has its number by
/// now.
pub fn signal(pid: u32, started: u64, send: Send) -> io::Result<()> {
    let gone = || io::Error::other(format!("process {pid} is gone"));
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // The descriptor keeps meaning this process, so nothing can come between look and signal.
    let handle = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero()))?;
    if start_of(&stat) != Some(started) {
        return Err(gone());
    }
    let signal = match send {
        Send::Usr2 => Signal::USR2,
        Send::Term => Signal::TERM,
        Send::Kill => Signal::KILL,
    };
    Ok(rustix::process::pidfd_send_signal(handle, signal)?)
}

/// The 22nd field of `/proc/PID/stat`; the second, in parentheses, may contain anything.
fn start_of(stat: &[u8]) -> Option<u64> {
    let close = memchr::memrchr(b')', stat)?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Tells systemd, in the name of the main process, which process takes its place. Only root may
/// speak for another process; systemd takes it where the unit's `NotifyAccess=` lets its main
/// process speak.
pub fn hand_over(from: u32, to: u32) -> io::Result<()> {
    let wrong = || io::Error::other("no such process");
    let pid = i32::try_from(from).ok().and_then(Pid::from_raw).ok_or_else(wrong)?;
    let credentials = UCred { pid, uid: rustix::process::getuid(), gid: rustix::process::getgid() };
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    let address = SocketAddrUnix::new(NOTIFY)?;
    let text = format!("MAINPID={to}\n");
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmCredentials(credentials)) {
        return Err(io::Error::other("no room for the credentials"));
    }
    let parts = [IoSlice::new(text.as_bytes())];
    rustix::net::sendmsg_addr(socket, &address, &parts, &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// When a worker last gave a sign of life: gunicorn's worker touches a file of its own, which has
/// no name any more, once it has loaded the application and from then on every second or so
/// (`gunicorn.workers.workertmp`). Seconds and nanoseconds of its last change; `None` if the
/// process has no such file, or may not be looked at.
pub fn heartbeat(pid: u32) -> Option<(i64, i64)> {
    fs::read_dir(format!("/proc/{pid}/fd")).ok()?.flatten().find_map(|entry| {
        let path = entry.path();
        let target = fs::read_link(&path).ok()?;
        let name = target.file_name()?.to_str()?;
        if !(name.starts_with("wgunicorn-") && name.ends_with(" (deleted)")) {
            return None;
        }
        let metadata = fs::metadata(&path).ok()?;
        Some((metadata.ctime(), metadata.ctime_nsec()))
    })
}

/// Reads a file as it is at this moment: of `/proc`, or of a control group, which comes and goes with
/// its unit. None where it is not there.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(4 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Is it a directory at this moment, links followed?
pub fn is_directory(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Moves a link to another directory, at once and for good: a new link next to it takes its place
/// and its owner.
pub fn move_link(link: &Path, to: &Path) -> io::Result<()> {
    let directory = link.parent().ok_or_else(|| io::Error::other("the link has no directory"))?;
    let name = link.file_name().ok_or_else(|| io::Error::other("the link has no name"))?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".deploy-doctor.{}", std::process::id()));
    let temporary = directory.join(temporary);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(to, &temporary)?;
    let take = || {
        let owner = fs::symlink_metadata(link)?;
        lchown(&temporary, Some(owner.uid()), Some(owner.gid()))?;
        fs::rename(&temporary, link)?;
        fs::File::open(directory)?.sync_all()
    };
    let result = take();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    result
}

/// The bytes that are free for others than root where a path is, and the inodes.
pub fn room(path: &Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(path)?;
    Ok((found.f_bavail.saturating_mul(found.f_frsize), found.f_favail))
}

/// A log of lines that only grows; each line is on the disk before the next step begins.
#[derive(Debug)]
pub struct Log {
    file: fs::File,
    path: PathBuf,
}

impl Log {
    /// Opens the log, and makes it with mode 0600 where it is not there. A link is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = fs::OpenOptions::new();
        options.append(true).read(true).create(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(path)?;
        // A run that was killed may have left half a line.
        use std::io::{Read, Seek, SeekFrom};
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Self { file, path: path.into() })
    }

    /// Adds a line.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        self.file.write_all(whole.as_bytes())?;
        self.file.sync_data()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Has somebody asked the program to stop (Ctrl-C, SIGTERM, the terminal gone)?
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    /// Takes the signals that ask for an end; from now on they are only noted.
    pub fn catch() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in
            [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Was one heard?
    pub fn heard(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
