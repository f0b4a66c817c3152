//! Frames of the connection between bridge and host, and of the bridge's spool.
//!
//! ```text
//! body length u32 │ kind u8 │ sequence u64 │ checksum u32 │ body      (little endian)
//! ```
//!
//! The checksum is the CRC-32 of kind, sequence and body. docs/QMT.md has the bodies.

use std::{
    io::{self, Read},
    time::{Duration, Instant},
};

/// Bytes before the body.
pub const HEADER_LEN: usize = 17;
/// Longest body before the bridge has shown that it knows the token, bytes.
pub const MOST_BEFORE_AUTH: usize = 4 << 10;
/// Longest body of an authenticated bridge, bytes.
pub const MOST_BODY: usize = 64 << 20;

/// What one read takes at most, bytes.
const CHUNK: usize = 256 << 10;
/// Pauses between bytes after which a reader hears that nothing came.
const TICK: Duration = Duration::from_millis(100);

/// What a frame is; the number stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Host's first word: versions and a challenge.
    Hello = 1,
    /// Bridge's proof that it knows the token.
    Auth = 2,
    /// Host's own proof, and how far it is.
    Welcome = 3,
    /// Host's reason to close.
    Refused = 4,
    /// Quotes.
    Batch = 5,
    /// Host: all up to this sequence are where every sink wants them.
    Ack = 6,
    /// Nothing to say, still there.
    Heartbeat = 7,
    /// Bridge: what it does, as JSON.
    Status = 8,
    /// Bridge: it ends in order.
    Bye = 9,
    /// Host: what it wants of the past, as JSON.
    Ask = 10,
    /// Bridge: a part of the answer.
    Page = 11,
}

impl Kind {
    fn of(number: u8) -> Option<Self> {
        let all = [
            Self::Hello,
            Self::Auth,
            Self::Welcome,
            Self::Refused,
            Self::Batch,
            Self::Ack,
            Self::Heartbeat,
            Self::Status,
            Self::Bye,
            Self::Ask,
            Self::Page,
        ];
        all.into_iter().find(|kind| *kind as u8 == number)
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// Number in the bridge's spool, from 1; of an answer that of its question; 0 for all others.
    pub sequence: u64,
    /// What it says.
    pub body: Vec<u8>,
}

/// Why nothing more can be read from a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The peer closed, within a frame or between two.
    Closed {
        /// Bytes of the frame that was cut.
        within: usize,
    },
    /// The bytes are no frames.
    Garbage(String),
    /// The connection failed.
    Broken(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed { within: 0 } => write!(f, "it closed the connection"),
            Self::Closed { within } => {
                write!(f, "the connection was cut {within} bytes into a frame")
            }
            Self::Garbage(text) | Self::Broken(text) => f.write_str(text),
        }
    }
}

impl Frame {
    /// A frame outside of the spool's numbering.
    pub fn new(kind: Kind, body: Vec<u8>) -> Self {
        Self { kind, sequence: 0, body }
    }

    /// The frame as it stands on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.body.len());
        bytes.extend(length.to_le_bytes());
        bytes.push(self.kind as u8);
        bytes.extend(self.sequence.to_le_bytes());
        bytes.extend(checksum(self.kind as u8, self.sequence, &self.body).to_le_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

fn checksum(kind: u8, sequence: u64, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&[kind]);
    crc.update(&sequence.to_le_bytes());
    crc.update(body);
    crc.finalize()
}

/// Takes bytes as they come and gives whole frames.
#[derive(Debug)]
pub struct FrameReader {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were given as frames.
    taken: usize,
    /// Longest body that is accepted.
    most_body: usize,
    /// When the last byte came.
    last_byte: Instant,
}

impl FrameReader {
    /// A reader that accepts bodies of at most so many bytes.
    pub fn new(most_body: usize) -> Self {
        Self { buffer: Vec::new(), taken: 0, most_body, last_byte: Instant::now() }
    }

    /// Lets in longer bodies from now on.
    pub fn allow(&mut self, most_body: usize) {
        self.most_body = most_body;
    }

    /// How long nothing came.
    pub fn silence(&self) -> Duration {
        self.last_byte.elapsed()
    }

    /// Restarts the time since the last frame, for a time in which nothing was read.
    pub fn forget_silence(&mut self) {
        self.last_byte = Instant::now();
    }

    /// The next frame, after at most one read; `None` when more bytes are needed.
    ///
    /// The source must give up waiting now and then; see [`read_timeout`].
    ///
    /// # Errors
    /// [`Fault`]; nothing more can be read then.
    pub fn read_once(&mut self, source: &mut impl Read) -> Result<Option<Frame>, Fault> {
        if let Some(frame) = self.take()? {
            return Ok(Some(frame));
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let len = self.buffer.len();
        self.buffer.resize(len + CHUNK, 0);
        let read = source.read(&mut self.buffer[len..]);
        self.buffer.truncate(len + read.as_ref().map_or(0, |read| *read));
        match read {
            Ok(0) => Err(Fault::Closed { within: len }),
            Ok(_) => {
                self.last_byte = Instant::now();
                self.take()
            }
            Err(error) if is_pause(&error) => Ok(None),
            Err(error) => Err(Fault::Broken(format!("the connection failed: {error}"))),
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, Fault> {
        let bytes = &self.buffer[self.taken..];
        // as a length that would be far above what is accepted before the handshake
        if let ([0x16, 3, 0..=4, ..], MOST_BEFORE_AUTH) = (bytes, self.most_body) {
            return Err(Fault::Garbage(
                "it speaks TLS, and this address does not; listen at tls+tcp:// with `tls`, or set \
                 tls = no in the bridge's options"
                    .to_owned(),
            ));
        }
        let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Ok(None);
        };
        let [l0, l1, l2, l3, kind, s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2, c3] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let sequence = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        let Some(kind) = Kind::of(kind) else {
            return Err(Fault::Garbage(format!(
                "it sent something else than frames (kind {kind}); only a qmt bridge may connect \
                 here"
            )));
        };
        if length > self.most_body {
            return Err(Fault::Garbage(format!(
                "it announced a frame of {length} bytes; the most here is {}",
                self.most_body
            )));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        if checksum(kind as u8, sequence, body) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(Fault::Garbage(format!(
                "the checksum of frame {sequence} is wrong, so the connection starts anew"
            )));
        }
        let frame = Frame { kind, sequence, body: body.to_vec() };
        self.taken += HEADER_LEN + length;
        Ok(Some(frame))
    }
}

/// How long a socket that a [`FrameReader`] reads should wait for a byte.
pub const fn read_timeout() -> Duration {
    TICK
}

fn is_pause(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}
