//! An open connection, in TLS or not.

use std::{
    io::{self, IoSlice, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, Shutdown, shutdown, sockopt},
};

use crate::{
    socket,
    tls::{self, Session},
};

/// An open connection. Every call may come from any thread; at most one reads at a time, and one
/// writes.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    /// The certificates to show, where the peer is to speak TLS.
    server: Option<Arc<tls::Server>>,
    /// There once both ends have agreed on TLS.
    session: OnceLock<Session>,
}

impl Wire {
    /// Over a connected socket, on which nothing was said yet, or no TLS.
    pub fn new(socket: OwnedFd) -> Self {
        Self { socket, server: None, session: OnceLock::new() }
    }

    /// Over a socket that was accepted where TLS is spoken.
    pub(crate) fn accepted(socket: OwnedFd, server: Option<Arc<tls::Server>>) -> Self {
        Self { server, ..Self::new(socket) }
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.session.get().is_some()
    }

    /// Agrees on TLS with a peer that dialled, where TLS is spoken; elsewhere does nothing. `wait` is
    /// called when the socket must be readable or writable to go on, and may give up.
    ///
    /// # Errors
    /// Those of `wait`, or a text that says what the peer did instead, for after its name.
    pub fn welcome<E: From<String>>(
        &self,
        mut wait: impl FnMut(PollFlags) -> Result<(), E>,
    ) -> Result<(), E> {
        match &self.server {
            Some(server) if !self.is_tls() => {
                let session = Session::begin(self.as_fd(), server.connection()?, &mut wait)?;
                // nobody else sets it
                let _ = self.session.set(session);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Agrees on TLS with a peer of that name, which was dialled. `wait` is as for
    /// [`welcome`](Self::welcome).
    ///
    /// # Errors
    /// Those of `wait`, or a text that says what the peer did instead, for after its name.
    pub fn secure<E: From<String>>(
        &self,
        client: &tls::Client,
        name: &str,
        mut wait: impl FnMut(PollFlags) -> Result<(), E>,
    ) -> Result<(), E> {
        let session = Session::begin(self.as_fd(), client.connection(name)?, &mut wait)?;
        let _ = self.session.set(session);
        Ok(())
    }

    /// Waits until the socket is ready for that, or the moment comes; false in that case.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait(&self, flags: PollFlags, until: Instant) -> io::Result<bool> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match poll_once(self.as_fd(), flags, Some(left)) {
                Ok(false) if left.is_zero() => return Ok(false),
                Ok(false) => {}
                settled => return settled,
            }
        }
    }

    /// Reads once. Blocks until something comes, the socket's limit for receiving is over
    /// (`WouldBlock`), or the connection has ended (0).
    ///
    /// # Errors
    /// What the kernel says, or what is wrong with the TLS of the peer.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = self.session.get() else {
            return socket::receive_plain(self.as_fd(), buffer, RecvFlags::empty());
        };
        loop {
            match session.receive(self.as_fd(), buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // the session is not held while this waits, so that others can write
                    let limit = sockopt::socket_timeout(&self.socket, sockopt::Timeout::Recv)?;
                    if !poll_once(self.as_fd(), PollFlags::IN, limit)? {
                        return Err(error);
                    }
                }
                settled => return settled,
            }
        }
    }

    /// Reads once what is there already; `WouldBlock` when nothing is.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.session.get() {
            None => socket::receive_plain(self.as_fd(), buffer, RecvFlags::DONTWAIT),
            Some(session) => session.receive(self.as_fd(), buffer),
        }
    }

    /// Whether something can be read that the socket no longer shows.
    pub fn holds_bytes(&self) -> bool {
        self.session.get().is_some_and(Session::holds_bytes)
    }

    /// Writes all the slices in order. Blocks while the peer takes nothing, unless the socket has a
    /// limit for that.
    ///
    /// # Errors
    /// What the kernel says; `WouldBlock` when the socket's limit for sending is over.
    pub fn send_all(&self, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
        match self.session.get() {
            None => socket::send_all(self.as_fd(), slices),
            Some(session) => session.send(self.as_fd(), slices, None),
        }
    }

    /// As [`send_all`](Self::send_all), for a peer that may take a little now and then and must be
    /// done by a moment. The socket needs a limit for sending, after which that is looked at.
    ///
    /// # Errors
    /// What the kernel says; `WouldBlock` also when the moment has come.
    pub fn send_by(&self, slices: &mut [IoSlice<'_>], moment: Instant) -> io::Result<()> {
        match self.session.get() {
            None => socket::send_by(self.as_fd(), slices, moment),
            Some(session) => session.send(self.as_fd(), slices, Some(moment)),
        }
    }

    /// Ends the connection: whoever blocks on it returns. What was written still arrives.
    pub fn shut_down(&self, how: Shutdown) {
        // fails only when the connection has ended already
        let _ = shutdown(&self.socket, how);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for &Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer)
    }
}

/// Whether the socket is ready, after at most so long.
fn poll_once(
    socket: BorrowedFd<'_>,
    flags: PollFlags,
    at_most: Option<Duration>,
) -> io::Result<bool> {
    let timeout = at_most.map(Timespec::try_from).transpose().unwrap_or(None);
    match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], timeout.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        // nothing can be said about the time; who has a limit looks at it, who has none goes on
        Err(Errno::INTR) => Ok(at_most.is_none()),
        Err(error) => Err(error.into()),
    }
}
