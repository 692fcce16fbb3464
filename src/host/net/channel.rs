//! A connection's bytes, plain or over TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;

use super::dial::Stream;
use super::tls::{self, Tls};
use super::{Address, NetError};

/// A non-blocking connection.
#[derive(Debug)]
pub struct Channel {
    stream: Stream,
    tls: Option<Box<ClientConnection>>,
    connected: bool,
    /// The bytes given to [`Channel::send`] that are not yet written; TLS keeps them in its own
    /// buffer.
    unsent: Vec<u8>,
    written: usize,
}

/// The state of a connection after reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// There is nothing more for now.
    Open,
    /// There may be more at once.
    More,
    /// The other side ended the connection properly.
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

    /// Whether the connection is established, not counting TLS's handshake.
    pub fn connected(&self) -> bool {
        self.connected
    }

    /// Whether it waits until the socket can be written to.
    pub fn wants_to_write(&self) -> bool {
        !self.connected
            || self.unsent.len() > self.written
            || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Accepts bytes to be sent; [`Channel::advance`] sends them once the connection is
    /// established.
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

    /// Continues connecting and writing as far as possible without waiting. What is read in the
    /// meantime is left for [`Channel::receive`].
    pub fn advance(&mut self) -> Result<(), NetError> {
        if !self.connected {
            match self.stream.failure() {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => return Err(NetError::from_io(&error)),
            }
            // Not refused does not mean connected: the first write shows it.
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

    /// Reads what has arrived, as far as there is room, and returns the number of bytes.
    pub fn receive(&mut self, into: &mut [u8]) -> Result<(usize, Received), NetError> {
        if self.tls.is_some() {
            return self.receive_tls(into);
        }
        match retry(|| self.stream.read(into)) {
            Ok(0) => Ok((0, Received::End)),
            Ok(read) if read == into.len() => Ok((read, Received::More)),
            // If anything is left after this, even just the end of the connection, the poller
            // reports it in another event.
            Ok(read) => Ok((read, Received::Open)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok((0, Received::Open)),
            Err(error) => Err(NetError::from_io(&error)),
        }
    }

    fn receive_tls(&mut self, into: &mut [u8]) -> Result<(usize, Received), NetError> {
        let Some(tls) = &mut self.tls else { return Ok((0, Received::Open)) };
        match tls.reader().read(into) {
            Ok(0) => return Ok((0, Received::End)),
            Ok(read) => return Ok((read, Received::More)),
            // Ending without close_notify is common; HTTP shows whether the response was complete.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Ok((0, Received::End));
            }
            // All decrypted bytes have been read.
            Err(_) => {}
        }
        match retry(|| tls.read_tls(&mut self.stream)) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((0, Received::Open)),
            Err(error) => return Err(NetError::from_io(&error)),
        }
        if let Err(error) = tls.process_new_packets() {
            // Tries to send the alert that says why.
            let _ = tls.write_tls(&mut self.stream);
            return Err(tls::failure(&error));
        }
        Ok((0, Received::More))
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
