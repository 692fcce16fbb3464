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

/// The socket on which systemd receives notifications from services (`NOTIFY_SOCKET` of the system
/// manager).
const NOTIFY: &str = "/run/systemd/notify";

/// The signals that a hand-over sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Send {
    /// SIGUSR2: gunicorn starts a second master next to itself.
    Usr2,
    /// SIGTERM: gunicorn finishes its requests and exits.
    Term,
    /// SIGKILL: for processes that ignore the other signals.
    Kill,
}

/// Sends a signal to the process that started at this tick, and never to another process that has
/// its number by now.
pub fn signal(pid: u32, started: u64, send: Send) -> io::Result<()> {
    let gone = || io::Error::other(format!("process {pid} is gone"));
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    // The descriptor keeps referring to this process, so no other can take its place between the
    // check and the signal.
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

/// The 22nd field of `/proc/PID/stat`; the second field, in parentheses, may contain anything.
fn start_of(stat: &[u8]) -> Option<u64> {
    let close = memchr::memrchr(b')', stat)?;
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

/// Tells systemd, on behalf of the main process, which process takes its place. Only root may send
/// for another process; systemd accepts the message if the unit's `NotifyAccess=` allows one from
/// the main process.
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

/// When a worker last gave a sign of life. gunicorn's worker touches a file of its own, which is
/// already unlinked, once it has loaded the application and about every second after that
/// (`gunicorn.workers.workertmp`). Returns the seconds and nanoseconds of the file's last change;
/// `None` if the process has no such file, or cannot be examined.
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

/// Reads the current content of a file, for example in `/proc` or in a control group, which comes
/// and goes with its unit. `None` if the file does not exist.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(4 << 20).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether the path is a directory at this moment, links followed.
pub fn is_directory(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Points a link to another directory, atomically and durably: a new link with the same owner is
/// created next to it and takes its place.
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

/// The free bytes and inodes, for users other than root, in the file system of a path.
pub fn room(path: &Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(path)?;
    Ok((found.f_bavail.saturating_mul(found.f_frsize), found.f_favail))
}

/// An append-only log of lines; each line is on the disk before the next step begins.
#[derive(Debug)]
pub struct Log {
    file: fs::File,
    path: PathBuf,
}

impl Log {
    /// Opens the log, or creates it with mode 0600 if it does not exist. A link is an error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or_default();
        let mut options = fs::OpenOptions::new();
        options.append(true).read(true).create(true).mode(0o600).custom_flags(flags);
        let mut file = options.open(path)?;
        // A killed run may have left half a line.
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

    /// Appends a line.
    pub fn add(&mut self, line: &str) -> io::Result<()> {
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        self.file.write_all(whole.as_bytes())?;
        self.file.sync_data()
    }

    /// The path of the log.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether somebody asked the program to stop (Ctrl-C, SIGTERM, the terminal gone).
#[derive(Debug, Clone, Default)]
pub struct Interrupts(Arc<AtomicBool>);

impl Interrupts {
    /// Catches the signals that ask the program to stop; from now on they are only recorded.
    pub fn catch() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in
            [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether such a signal arrived.
    pub fn heard(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
