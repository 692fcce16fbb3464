//! A connection's bytes, plain or within TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;

use super::dial::Stream;
use super::tls::{self, Tls};
use super::{Address, NetError};

/// How much is read in one step, so that one fast server does not hold up all other connections.
const STEP: usize = 64 << 10;

/// A connection that never waits.
#[derive(Debug)]
pub struct Channel {
    stream: Stream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    /// What was given to [`Channel::send`] and is not written yet; under TLS it waits there.
    unsent: Vec<u8>,
    written: usize,
}

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Nothing more for now.
    Open,
    /// There may be more at once.
    More,
    /// The other side has ended the connection in good order.
    End,
}

impl Channel {
    /// Starts to connect.
    pub fn open(address: &Address, tls: Option<&Tls>) -> Result<Self, NetError> {
        let stream = Stream::connect(address)?;
        let tls = tls.map(Tls::connection).transpose()?.map(Box::new);
        let connected = matches!(stream, Stream::Unix(_));
        Ok(Self { stream, tls, connected, unsent: Vec::new(), written: 0 })
    }

    /// The connection stands (TLS's handshake not counted).
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Does it wait until the socket can be written to?
    pub fn wants_to_write(&self) -> bool {
        !self.connected
            || self.unsent.len() > self.written
            || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Takes bytes to be sent; [`Channel::advance`] sends them when the connection stands.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), NetError> {
        match &mut self.tls {
            Some(tls) => tls.writer().write_all(bytes).map_err(|error| NetError::from_io(&error)),
            None => {
                self.unsent.drain(..self.written);
                self.written = 0;
                self.unsent.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Goes on with connecting and writing, as far as that goes without waiting. What is read
    /// meanwhile is left for [`Channel::receive`].
    pub fn advance(&mut self) -> Result<(), NetError> {
        if !self.connected {
            match self.stream.failure() {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => return Err(NetError::from_io(&error)),
            }
            // Not refused is not yet connected: the first write tells.
            if !self.peer_is_known() {
                return Ok(());
            }
            self.connected = true;
        }
        match self.write() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(NetError::from_io(&error)),
            Ok(()) => Ok(()),
        }
    }

    fn peer_is_known(&self) -> bool {
        match &self.stream {
            Stream::Tcp(stream) => stream.peer_addr().is_ok(),
            Stream::Unix(_) => true,
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                retry(|| tls.write_tls(&mut self.stream))?;
            }
            return Ok(());
        }
        while self.written < self.unsent.len() {
            let rest = self.unsent.get(self.written..).unwrap_or_default();
            self.written += retry(|| self.stream.write(rest))?;
        }
        Ok(())
    }

    /// Reads what has come, up to a bound, and appends it to `into`.
    pub fn receive(&mut self, into: &mut Vec<u8>) -> Result<Received, NetError> {
        if self.tls.is_some() {
            return self.receive_tls(into);
        }
        self.receive_plain(into).map_err(|error| NetError::from_io(&error))
    }

    fn receive_plain(&mut self, into: &mut Vec<u8>) -> io::Result<Received> {
        let start = into.len();
        into.resize(start + STEP, 0);
        let free = into.get_mut(start..).unwrap_or_default();
        let read = retry(|| self.stream.read(free));
        into.truncate(start + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Ok(Received::End),
            Ok(STEP) => Ok(Received::More),
            // What is left after this, an end included, raises an event of its own.
            Ok(_) => Ok(Received::Open),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Received::Open),
            Err(error) => Err(error),
        }
    }

    fn receive_tls(&mut self, into: &mut Vec<u8>) -> Result<Received, NetError> {
        let Some(tls) = &mut self.tls else { return Ok(Received::Open) };
        let read = match retry(|| tls.read_tls(&mut self.stream)) {
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Open),
            Err(error) => return Err(NetError::from_io(&error)),
        };
        let state = match tls.process_new_packets() {
            Ok(state) => state,
            Err(error) => {
                // The alert that says why is worth a try.
                let _ = tls.write_tls(&mut self.stream);
                return Err(tls::failure(&error));
            }
        };
        let length = state.plaintext_bytes_to_read();
        let start = into.len();
        into.resize(start + length, 0);
        let free = into.get_mut(start..).unwrap_or_default();
        let got = if length > 0 { tls.reader().read(free).unwrap_or(0) } else { 0 };
        into.truncate(start + got);
        // An end without close_notify is common; whether the answer was whole, HTTP tells.
        Ok(if read == 0 || state.peer_has_closed() { Received::End } else { Received::More })
    }
}

fn retry(mut step: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match step() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
