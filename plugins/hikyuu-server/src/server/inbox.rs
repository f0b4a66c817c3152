//! Messages of one client.
//!
//! A message is its length, the words that lead its answer back (the last has its highest bit set),
//! and the question.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::ByteSize;
use rustix::net::sockopt;
use sp::Framing;

use super::clients::Client;
use crate::{
    budget::{Budget, Share},
    options::Settings,
    request::Refusal,
};

/// Bytes that are read at once, and room that a client's thread keeps.
const ROOM: usize = 64 << 10;
/// Lengths above this are no messages but a stream that is out of step.
const LARGEST_SKIPPED: u64 = 4 << 30;
/// Memory that a request takes while it is read and looked up, in its own sizes.
const WEIGHT: usize = 6;
/// Requests of the largest size that are read at a time.
const LARGEST_AT_A_TIME: usize = 4;
/// Bytes a second that a message comes with at least, after `stall_timeout`.
const SLOWEST: u64 = 1 << 20;
/// Share of `stall_timeout` that a request waits for memory, so that its client still waits for it.
const MEMORY_WAIT: f64 = 0.8;
/// Most bytes of the words that lead back: a question passes through 15 devices at most.
const LONGEST_HEADER: usize = 64;

/// What came.
#[derive(Debug)]
pub enum Incoming<'a> {
    /// A question.
    Request {
        /// The words that lead back.
        header: &'a [u8],
        /// The question itself.
        body: &'a [u8],
        /// Until when its client waits for the answer.
        deadline: Instant,
    },
    /// A message that was passed over.
    Refused {
        /// The words that lead back.
        header: Vec<u8>,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a connection ends.
#[derive(Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed it, as it should.
    Left,
    /// It asked nothing for the time allowed.
    Idle,
    /// What it did wrong, to be read after its name.
    Fault(String),
}

/// Reads messages off a socket.
pub struct Inbox<'a> {
    client: &'a Client,
    largest: usize,
    stall: Duration,
    /// Longest time between two messages.
    idle: Option<Duration>,
    budget: Arc<Budget>,
    /// What was read and not used yet lies at the beginning.
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes of the last message.
    used: usize,
    /// When the message that is read must have come; `None` before it begins.
    due: Option<Instant>,
    /// The socket's limit for waiting.
    limit: Option<Duration>,
    share: Option<Share>,
}

/// Memory that the requests of all clients may take.
pub fn budget(settings: &Settings) -> Arc<Budget> {
    Budget::new((LARGEST_AT_A_TIME * WEIGHT).saturating_mul(settings.max_request))
}

impl<'a> Inbox<'a> {
    /// Of an open connection.
    pub fn new(client: &'a Client, settings: &Settings, budget: Arc<Budget>) -> Self {
        Self {
            client,
            largest: settings.max_request,
            stall: settings.stall_timeout,
            idle: settings.idle_timeout,
            budget,
            bytes: Vec::new(),
            filled: 0,
            used: 0,
            due: None,
            limit: None,
            share: None,
        }
    }

    /// Waits for the next message.
    pub fn next(&mut self) -> Result<Incoming<'_>, CloseReason> {
        self.bytes.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        self.due = None;
        if self.filled == 0 {
            self.client.set_idle();
        }
        let head = self.client.framing.head(0).len();
        self.fill(head)?;
        if self.client.framing == Framing::Unix && self.bytes[0] != 1 {
            return Err(CloseReason::Fault(format!(
                "sent a message that begins with {:#04x}, not 0x01",
                self.bytes[0]
            )));
        }
        let mut len = [0; 8];
        len.copy_from_slice(&self.bytes[head - 8..head]);
        let len = u64::from_be_bytes(len);
        if len > LARGEST_SKIPPED {
            return Err(CloseReason::Fault(format!("announced a message of {len} bytes")));
        }
        let begun = Instant::now();
        self.due = Some(begun + self.stall + Duration::from_secs(len / SLOWEST));
        let deadline = begun + self.stall.mul_f64(MEMORY_WAIT);
        let size = usize::try_from(len).unwrap_or(usize::MAX);
        if size > self.largest {
            let refusal = Refusal::failed(format!(
                "the request has {len} bytes, the most is {}; ask for fewer codes at a time",
                ByteSize(self.largest as u64)
            ));
            return self.pass_over(head, len, refusal);
        }
        match self.budget.take(size.saturating_mul(WEIGHT), deadline) {
            Ok(share) => self.share = Some(share),
            Err(_) => {
                let refusal = Refusal::failed("too many large requests at once; ask again");
                return self.pass_over(head, len, refusal);
            }
        }
        self.fill(head + size)?;
        self.used = head + size;
        let message = &self.bytes[head..self.used];
        let header = header_len(message).ok_or_else(no_header)?;
        let (header, body) = message.split_at(header);
        Ok(Incoming::Request { header, body, deadline })
    }

    /// After a message was answered: gives large room back.
    pub fn tidy(&mut self) {
        if self.bytes.len() > ROOM {
            let rest = self.used..self.filled;
            self.bytes = self.bytes[rest].to_vec();
            (self.filled, self.used) = (self.bytes.len(), 0);
        }
        self.share = None;
    }

    /// Reads a message without keeping it.
    fn pass_over(
        &mut self,
        head: usize,
        len: u64,
        refusal: Refusal,
    ) -> Result<Incoming<'_>, CloseReason> {
        self.fill(head + LONGEST_HEADER.min(usize::try_from(len).unwrap_or(usize::MAX)))?;
        let header = header_len(&self.bytes[head..self.filled]).ok_or_else(no_header)?;
        let header = self.bytes[head..head + header].to_vec();
        // the next message may lie behind it
        let here = (self.filled - head).min(usize::try_from(len).unwrap_or(usize::MAX));
        self.used = head + here;
        let mut left = len - here as u64;
        self.limit_wait(Some(self.stall))?;
        let mut scrap = vec![0; ROOM];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(ROOM);
            left -= self.receive(&mut scrap[..most])? as u64;
        }
        Ok(Incoming::Refused { header, refusal })
    }

    /// Reads until so many bytes are there. The first may take long, the others may not.
    fn fill(&mut self, wanted: usize) -> Result<(), CloseReason> {
        while self.filled < wanted {
            self.limit_wait(if self.filled > 0 { Some(self.stall) } else { self.idle })?;
            // room for what was announced is made as it comes
            let room = (self.filled + ROOM).min(wanted.max(ROOM));
            if self.bytes.len() < room {
                self.bytes.resize(room, 0);
            }
            let mut bytes = std::mem::take(&mut self.bytes);
            let received = self.receive(&mut bytes[self.filled..]);
            self.bytes = bytes;
            self.filled += received?;
            self.client.set_busy();
        }
        Ok(())
    }

    /// Reads once. A message that comes byte by byte must not hold its room for ever.
    fn receive(&self, buffer: &mut [u8]) -> Result<usize, CloseReason> {
        let count = match self.client.wire.receive(buffer) {
            Ok(0) => return Err(CloseReason::Left),
            Ok(count) => count,
            Err(error) => return Err(self.close_reason(&error)),
        };
        if self.due.is_some_and(|due| Instant::now() > due) {
            return Err(CloseReason::Fault("sends its request too slowly".to_owned()));
        }
        Ok(count)
    }

    fn close_reason(&self, error: &io::Error) -> CloseReason {
        match error.kind() {
            ErrorKind::ConnectionReset => CloseReason::Left,
            ErrorKind::WouldBlock if self.filled == 0 => CloseReason::Idle,
            ErrorKind::WouldBlock => {
                CloseReason::Fault(format!("sent nothing more of its request for {:?}", self.stall))
            }
            _ => CloseReason::Fault(error.to_string()),
        }
    }

    fn limit_wait(&mut self, limit: Option<Duration>) -> Result<(), CloseReason> {
        if self.limit == limit {
            return Ok(());
        }
        self.limit = limit;
        sockopt::set_socket_timeout(&self.client.wire, sockopt::Timeout::Recv, limit)
            .map_err(|error| CloseReason::Fault(io::Error::from(error).to_string()))
    }
}

/// Bytes of the words that lead back; `None` when the last of them is missing.
fn header_len(message: &[u8]) -> Option<usize> {
    let words = message.chunks_exact(4).take(LONGEST_HEADER / 4);
    words.map(|word| word[0] & 0x80 != 0).position(|is_last| is_last).map(|at| 4 * (at + 1))
}

fn no_header() -> CloseReason {
    CloseReason::Fault("sent a message without a request number".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_that_lead_back_end_with_the_highest_bit() {
        assert_eq!(header_len(&[0x80, 0, 0, 1, 0x81]), Some(4));
        assert_eq!(header_len(&[0, 0, 0, 7, 0x80, 0, 0, 1]), Some(8));
        assert_eq!(header_len(&[0, 0, 0, 7]), None);
        assert_eq!(header_len(&[0x80, 0]), None);
        assert_eq!(header_len(&[0; 200]), None);
    }
}
