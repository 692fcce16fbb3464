//! Which file each listening unix socket was bound to: `UNIX_DIAG_VFS` of sock_diag(7), what `ss
//! -xe` prints. `/proc/net/unix` shows the path that was given to bind(2), even if another socket's
//! file has replaced it since.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use rustix::thread::LinkNameSpaceType;

/// The kernel answers at once; the limit is for a kernel that does not.
const TIME_LIMIT: Duration = Duration::from_secs(1);
/// The most messages that are read, of some hundred sockets each.
const MESSAGE_LIMIT: usize = 1 << 12;
/// The largest message: the kernel's dumps have a few pages.
const MESSAGE_SIZE: usize = 64 << 10;

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST | NLM_F_DUMP`, `NLMSG_ERROR`, `NLMSG_DONE` (linux/netlink.h).
const REQUEST_DUMP: u16 = 0x301;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The request: a netlink header of 16 bytes and `struct unix_diag_req` (linux/unix_diag.h).
const REQUEST_SIZE: u32 = 16 + 24;
/// `TCP_LISTEN`, as a bit in the set of requested states.
const LISTENING: u32 = 1 << 10;
/// `UDIAG_SHOW_VFS`, and the attribute that contains the answer.
const SHOW_FILE: u32 = 2;
const FILE: u16 = 1;

/// A listening unix socket, and the file it was bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BoundSocket {
    /// The socket's own inode.
    pub socket: u64,
    /// The number of the file's inode; the lower 32 bits if it has more.
    pub inode: u32,
    /// The major and minor number of the file's device.
    pub device: (u32, u32),
}

/// Asks the kernel for every listening unix socket in the reader's network namespace.
pub(super) fn sockets() -> Result<Vec<BoundSocket>, Errno> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket =
        rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(TIME_LIMIT))?;
    rustix::net::send(&socket, &request(), SendFlags::empty())?;
    let mut found = Vec::new();
    let mut message = vec![0; MESSAGE_SIZE];
    for _ in 0..MESSAGE_LIMIT {
        let (length, _) = rustix::net::recv(&socket, message.as_mut_slice(), RecvFlags::empty())?;
        if read(message.get(..length).unwrap_or_default(), &mut found)? {
            return Ok(found);
        }
    }
    Err(Errno::TOOBIG)
}

/// The same in the network namespace of a process, which a thread of its own enters for it.
pub(super) fn sockets_of(pid: u32) -> Result<Vec<BoundSocket>, Errno> {
    let (flags, mode) = (OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let namespace = rustix::fs::open(format!("/proc/{pid}/ns/net"), flags, mode)?;
    let ask = move || {
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(namespace.as_fd(), network)?;
        sockets()
    };
    let thread = std::thread::Builder::new().spawn(ask).map_err(|_| Errno::AGAIN)?;
    thread.join().unwrap_or(Err(Errno::IO))
}

fn request() -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(REQUEST_SIZE.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend(REQUEST_DUMP.to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port: one request on a socket of its own
    bytes.extend([1, 0, 0, 0]); // AF_UNIX
    bytes.extend(LISTENING.to_ne_bytes());
    bytes.extend(0_u32.to_ne_bytes());
    bytes.extend(SHOW_FILE.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes
}

/// Takes a message of several parts apart. Returns whether it is the last message.
fn read(mut message: &[u8], found: &mut Vec<BoundSocket>) -> Result<bool, Errno> {
    while let (Some(length), Some(kind)) = (word(message, 0), half(message, 4)) {
        let length = length as usize;
        let Some(part) = message.get(16..length) else { return Err(Errno::BADMSG) };
        match kind {
            DONE => return Ok(true),
            ERROR => {
                let code = word(part, 0).map_or(0, u32::cast_signed);
                return Err(Errno::from_raw_os_error(code.checked_neg().unwrap_or(0)));
            }
            BY_FAMILY => found.extend(socket(part)),
            _ => {}
        }
        message = message.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// Reads `struct unix_diag_msg` and its attributes. `None` for a socket without a file.
fn socket(part: &[u8]) -> Option<BoundSocket> {
    let socket = u64::from(word(part, 4)?);
    let mut attributes = part.get(16..)?;
    while let (Some(length), Some(kind)) = (half(attributes, 0), half(attributes, 2)) {
        let value = attributes.get(4..usize::from(length))?;
        if kind == FILE {
            // The kernel's own encoding of a device number: 12 bits and 20 bits.
            let device = word(value, 4)?;
            let device = (device >> 20, device & 0xf_ffff);
            return Some(BoundSocket { socket, inode: word(value, 0)?, device });
        }
        attributes = attributes.get(aligned(usize::from(length))..)?;
    }
    None
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

/// Netlink's parts and attributes begin at multiples of four.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_is_bound_to_its_file() {
        let path = std::env::temp_dir().join(format!("bound-{}.sock", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let before = sockets().unwrap();
        let _listener = UnixListener::bind(&path).unwrap();
        let file = std::fs::metadata(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = sockets().unwrap();
        let new = new.iter().filter(|socket| !before.contains(socket));
        assert!(new.clone().any(|socket| u64::from(socket.inode) == file.ino() & 0xffff_ffff));
    }

    #[test]
    fn cut_and_strange_answers_do_no_harm() {
        let mut found = Vec::new();
        for length in 0..40_u32 {
            let mut message = length.to_ne_bytes().to_vec();
            message.extend(BY_FAMILY.to_ne_bytes());
            message.extend([0xff; 30]);
            let _ = read(&message, &mut found);
        }
        assert_eq!(found, []);
        let mut refused = 20_u32.to_ne_bytes().to_vec();
        refused.extend(ERROR.to_ne_bytes());
        refused.extend([0; 10]);
        refused.extend((-1_i32).to_ne_bytes());
        assert_eq!(read(&refused, &mut found), Err(Errno::PERM));
    }
}
