//! One connection and how messages lie on it.
//!
//! A message is its length as 8 bytes, big endian, and its body; on Unix sockets a byte 1 stands
//! before the length.

use std::{
    io::{self, IoSlice},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown, sockopt},
};

use crate::{handshake, message::Message};

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The length.
    Tcp,
    /// A byte 1 and the length.
    Unix,
}

impl Framing {
    /// The frame's head, of which only the last bytes are sent on TCP.
    fn head(self, len: usize) -> [u8; 9] {
        let mut head = [1; 9];
        head[1..].copy_from_slice(&(len as u64).to_be_bytes());
        head
    }

    fn skip(self) -> usize {
        match self {
            Self::Tcp => 1,
            Self::Unix => 0,
        }
    }
}

/// Why a subscriber is no longer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// It closed the connection.
    Left,
    /// It sent something, which no subscriber does.
    Spoke,
    /// It took nothing for the time allowed.
    Stalled,
    /// The connection broke otherwise.
    Broken(String),
    /// The sink closed and had sent it everything.
    Done,
    /// The sink closed and could not wait for it any longer.
    CutOff,
}

/// An accepted connection. Every call may come from any thread.
#[derive(Debug)]
pub struct Connection {
    socket: OwnedFd,
    framing: Framing,
    /// Who is at the other end, for the log.
    peer: String,
}

impl Connection {
    /// Takes a connection over.
    pub fn new(socket: OwnedFd, framing: Framing, peer: String) -> Self {
        Self { socket, framing, peer }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Greets the peer; from then on a write that makes no progress for `stall` fails.
    ///
    /// # Errors
    /// A text that says why the peer is no subscriber.
    pub fn shake_hands(&self, within: Duration, stall: Duration) -> Result<(), String> {
        handshake::shake_hands(&self.socket, within)?;
        sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, None)
            .and_then(|()| {
                sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Send, Some(stall))
            })
            .map_err(|error| io::Error::from(error).to_string())
    }

    /// Writes messages in one go, without copying their payloads.
    ///
    /// # Errors
    /// Why the subscriber gets no more.
    pub fn send(&self, messages: &[Message]) -> Result<(), Farewell> {
        let heads: Vec<_> = messages.iter().map(|one| self.framing.head(one.len())).collect();
        let mut slices = Vec::with_capacity(3 * messages.len());
        for (message, head) in messages.iter().zip(&heads) {
            slices.push(IoSlice::new(&head[self.framing.skip()..]));
            slices.push(IoSlice::new(&message.head));
            slices.extend(message.payload.as_ref().map(|payload| IoSlice::new(payload)));
        }
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            // not `writev`: in a process that does not ignore SIGPIPE it would end the process
            let mut nothing = SendAncillaryBuffer::default();
            match sendmsg(&self.socket, rest, &mut nothing, SendFlags::NOSIGNAL) {
                Ok(sent) => IoSlice::advance_slices(&mut rest, sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Err(Farewell::Stalled),
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Farewell::Left),
                Err(error) => return Err(Farewell::Broken(io::Error::from(error).to_string())),
            }
        }
        Ok(())
    }

    /// Blocks until the connection ends, or the peer breaks the protocol.
    pub fn wait_for_end(&self) -> Farewell {
        let mut byte = [0; 1];
        loop {
            match recv(&self.socket, &mut byte, RecvFlags::empty()) {
                Ok((_, 0)) | Err(Errno::CONNRESET) => return Farewell::Left,
                Ok(_) => return Farewell::Spoke,
                Err(Errno::INTR) => {}
                Err(error) => return Farewell::Broken(io::Error::from(error).to_string()),
            }
        }
    }

    /// Ends the connection: whoever blocks on it returns. What was written still arrives.
    pub fn shut_down(&self) {
        // fails only when the connection has ended already
        let _ = shutdown(&self.socket, Shutdown::Both);
    }
}
