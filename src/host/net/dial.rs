//! A connection that is being established.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt,
};

use super::NetError;

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A unix socket.
    Unix(PathBuf),
    /// An address and a port.
    Tcp(SocketAddr),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// A non-blocking socket.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Starts to connect. A TCP connection is established or refused later.
    pub(super) fn connect(address: &Address) -> Result<Self, NetError> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let failed = |errno: Errno| NetError::from_io(&errno.into());
        match address {
            Address::Unix(path) => {
                let name = SocketAddrUnix::new(path.as_path()).map_err(failed)?;
                let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
                    .map_err(failed)?;
                match connect(&socket, &name) {
                    Ok(()) => Ok(Self::Unix(socket.into())),
                    // A unix socket does not connect later: its queue is full (unix(7)).
                    Err(Errno::AGAIN) => Err(NetError::QueueFull),
                    Err(errno) => Err(failed(errno)),
                }
            }
            Address::Tcp(address) => {
                let family =
                    if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
                let socket =
                    socket_with(family, SocketType::STREAM, flags, None).map_err(failed)?;
                // A request is one small write, which should leave at once.
                let _ = sockopt::set_tcp_nodelay(&socket, true);
                match connect(&socket, address) {
                    Ok(()) | Err(Errno::INPROGRESS) => Ok(Self::Tcp(socket.into())),
                    Err(errno) => Err(failed(errno)),
                }
            }
        }
    }

    /// Why connecting failed, if it did, once the socket can be written to.
    pub(super) fn failure(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
