//! One connection to a subscriber.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use rustix::net::{Shutdown, sockopt};
use sp::{Accepted, Framing, Protocol, Wire, greeting};

use crate::message::Message;

/// Why a connection to a subscriber was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// It closed the connection.
    Left,
    /// It sent something, which no subscriber does.
    Spoke,
    /// It took nothing for the time allowed.
    Stalled,
    /// The operator wanted it.
    Removed,
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
    wire: Wire,
    framing: Framing,
    /// Name of the peer, for the log.
    peer: String,
}

impl Connection {
    /// Takes a connection over.
    pub fn new(accepted: Accepted) -> Self {
        let Accepted { wire, framing, peer, .. } = accepted;
        Self { wire, framing, peer }
    }

    /// Name of the peer.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Greets the peer; from then on a write that makes no progress for `stall` fails.
    ///
    /// # Errors
    /// A text that says why the peer is no subscriber.
    pub fn shake_hands(&self, within: Duration, stall: Duration) -> Result<(), String> {
        greeting::shake_hands(&self.wire, Protocol::Pub, within)?;
        sockopt::set_socket_timeout(&self.wire, sockopt::Timeout::Send, Some(stall))
            .map_err(|error| io::Error::from(error).to_string())
    }

    /// Writes messages in one go, without copying their payloads.
    ///
    /// # Errors
    /// Why the subscriber gets no more.
    pub fn send(&self, messages: &[Message]) -> Result<(), CloseReason> {
        let heads: Vec<_> = messages.iter().map(|one| self.framing.head(one.len())).collect();
        let mut slices = Vec::with_capacity(3 * messages.len());
        for (message, head) in messages.iter().zip(&heads) {
            slices.push(IoSlice::new(head));
            slices.push(IoSlice::new(&message.head));
            slices.extend(message.payload.as_ref().map(|payload| IoSlice::new(payload)));
        }
        self.wire.send_all(&mut slices).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => CloseReason::Stalled,
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => CloseReason::Left,
            _ => CloseReason::Broken(error.to_string()),
        })
    }

    /// Blocks until the connection ends, or the peer breaks the protocol.
    pub fn wait_for_end(&self) -> CloseReason {
        let mut byte = [0; 1];
        match self.wire.receive(&mut byte) {
            Ok(0) => CloseReason::Left,
            Ok(_) => CloseReason::Spoke,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => CloseReason::Left,
            Err(error) => CloseReason::Broken(error.to_string()),
        }
    }

    /// Ends the connection: calls that block on it return. What was written still arrives.
    pub fn shut_down(&self) {
        self.wire.shut_down(Shutdown::Both);
    }
}
