//! A socket that gives up at a moment, whatever the other end sends meanwhile.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Least wait within a call; the system takes no shorter one.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A connection that is read and written until a moment, then says `WouldBlock`.
///
/// One that sends without pause would otherwise never let a reader of whole messages go: fragments
/// of a message that never ends, or answers to pings that nobody takes.
pub struct Paced {
    stream: TcpStream,
    until: Instant,
    /// Nothing was read since the moment was set: every call may do a little.
    is_fresh: bool,
    /// Bytes since the last whole message.
    pub unfinished: u64,
    /// When the first of them came.
    pub begun: Instant,
    /// When the last byte came.
    pub last_byte: Instant,
}

impl Paced {
    /// A connection that may be used until that moment.
    pub fn new(stream: TcpStream, until: Instant) -> Self {
        let now = Instant::now();
        Self { stream, until, is_fresh: true, unfinished: 0, begun: now, last_byte: now }
    }

    /// Sets another moment.
    pub fn give_up_at(&mut self, until: Instant) {
        (self.until, self.is_fresh) = (until, true);
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Read for Paced {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left();
        if left.is_zero() && !self.is_fresh {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.is_fresh = false;
        self.stream.set_read_timeout(Some(left.max(LEAST_WAIT)))?;
        let count = self.stream.read(buffer)?;
        self.last_byte = Instant::now();
        if self.unfinished == 0 {
            self.begun = self.last_byte;
        }
        self.unfinished += count as u64;
        Ok(count)
    }
}

impl Write for Paced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left().max(LEAST_WAIT)))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
