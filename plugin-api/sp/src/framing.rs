//! How messages lie on a connection.
//!
//! A message is its length as 8 bytes, big endian, and its body; on Unix sockets a byte 1 stands
//! before the length. A body that is too large is passed over without being kept, so that one
//! message does not cost the connection; a length that nobody means ends it.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// Bodies above this are no messages but a stream that is out of step.
const MAX_SKIPPED: u64 = 4 << 30;
/// Room that is made for a body before its bytes arrive.
const FIRST_ROOM: usize = 1 << 20;
/// Length of the longer of the two heads.
const MAX_HEAD: usize = 9;

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// The length.
    Tcp,
    /// A byte 1 and the length.
    Unix,
}

impl Framing {
    /// What is to be written before a body of that length.
    pub fn head(self, len: usize) -> Head {
        let mut bytes = [1; MAX_HEAD];
        bytes[1..].copy_from_slice(&(len as u64).to_be_bytes());
        Head { bytes, len: self.head_len() }
    }

    fn head_len(self) -> usize {
        match self {
            Self::Tcp => MAX_HEAD - 1,
            Self::Unix => MAX_HEAD,
        }
    }
}

/// What stands before one message.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    bytes: [u8; MAX_HEAD],
    /// Only the last bytes count.
    len: usize,
}

impl Deref for Head {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[MAX_HEAD - self.len..]
    }
}

/// What the bytes held.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// The body of a message.
    Message(Vec<u8>),
    /// A message that is larger than allowed was passed over; its length.
    TooLarge(u64),
}

/// Puts messages together from bytes as they come.
#[derive(Debug)]
pub struct Frames {
    framing: Framing,
    largest: u64,
    /// Bytes of a head that is not complete.
    head: Vec<u8>,
    /// A body that is not complete, with its full length.
    body: Option<(usize, Vec<u8>)>,
    /// Bytes that are still to be passed over.
    to_skip: u64,
}

impl Frames {
    /// For bodies of at most `largest` bytes.
    pub fn new(framing: Framing, largest: usize) -> Self {
        Self { framing, largest: largest as u64, head: Vec::new(), body: None, to_skip: 0 }
    }

    /// Takes bytes and gives what they complete.
    ///
    /// # Errors
    /// When the stream makes no sense any more; a text for people.
    pub fn push(&mut self, mut bytes: &[u8], mut give: impl FnMut(Frame)) -> Result<(), String> {
        loop {
            if self.to_skip > 0 {
                let skipped = bytes.len().min(usize::try_from(self.to_skip).unwrap_or(usize::MAX));
                bytes = &bytes[skipped..];
                self.to_skip -= skipped as u64;
            }
            if let Some((len, body)) = &mut self.body {
                let taken = bytes.len().min(*len - body.len());
                body.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                if body.len() < *len {
                    return Ok(());
                }
                give(Frame::Message(std::mem::take(body)));
                self.body = None;
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let head_len = self.framing.head_len();
            let taken = bytes.len().min(head_len - self.head.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.framing == Framing::Unix && self.head.first() != Some(&1) {
                return Err(format!("a message begins with {:#04x}, not 0x01", self.head[0]));
            }
            if self.head.len() == head_len {
                self.begin(&mut give)?;
            }
        }
    }

    /// Begins the body that a complete head announces.
    fn begin(&mut self, give: &mut impl FnMut(Frame)) -> Result<(), String> {
        let mut len = [0; 8];
        len.copy_from_slice(&self.head[self.head.len() - 8..]);
        self.head.clear();
        let len = u64::from_be_bytes(len);
        if len > MAX_SKIPPED {
            return Err(format!("a message announces {len} bytes"));
        }
        match usize::try_from(len) {
            Ok(size) if len <= self.largest => {
                self.body = Some((size, Vec::with_capacity(size.min(FIRST_ROOM))));
            }
            _ => {
                self.to_skip = len;
                give(Frame::TooLarge(len));
            }
        }
        Ok(())
    }

    /// The bytes of a message that is not complete, as they came, and how many more are to be
    /// passed over: what another instance needs to go on in the middle.
    pub fn rest(&self) -> (Vec<u8>, u64) {
        let mut bytes = self.head.clone();
        if let Some((len, body)) = &self.body {
            bytes.extend_from_slice(&self.framing.head(*len));
            bytes.extend_from_slice(body);
        }
        (bytes, self.to_skip)
    }

    /// Passes over so many bytes.
    pub fn skip(&mut self, bytes: u64) {
        self.to_skip = bytes;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LARGEST: usize = 50;

    fn written(framing: Framing, bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for body in bodies {
            bytes.extend_from_slice(&framing.head(body.len()));
            bytes.extend(body);
        }
        bytes
    }

    fn expected(bodies: &[Vec<u8>]) -> Vec<Frame> {
        let frame = |body: &Vec<u8>| match body.len() {
            len if len > LARGEST => Frame::TooLarge(len as u64),
            _ => Frame::Message(body.clone()),
        };
        bodies.iter().map(frame).collect()
    }

    #[test]
    fn a_head_is_the_length_and_on_unix_sockets_a_byte_before_it() {
        assert_eq!(*Framing::Tcp.head(0x0102), [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(*Framing::Unix.head(0x0102), [1, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    proptest! {
        #[test]
        fn messages_come_out_however_their_bytes_are_cut(
            is_tcp: bool,
            bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
            cuts in prop::collection::vec(1..60_usize, 1..20),
            handover in 0..40_usize,
        ) {
            let framing = if is_tcp { Framing::Tcp } else { Framing::Unix };
            let bytes = written(framing, &bodies);
            let mut frames = Frames::new(framing, LARGEST);
            let mut seen = Vec::new();
            let (mut rest, mut step) = (bytes.as_slice(), 0);
            while !rest.is_empty() {
                let (piece, later) = rest.split_at(cuts[step % cuts.len()].min(rest.len()));
                frames.push(piece, |frame| seen.push(frame)).unwrap();
                rest = later;
                if step == handover {
                    let (bytes, to_skip) = frames.rest();
                    frames = Frames::new(framing, LARGEST);
                    frames.skip(to_skip);
                    frames.push(&bytes, |_| panic!("nothing is complete")).unwrap();
                }
                step += 1;
            }
            prop_assert_eq!(seen, expected(&bodies));
        }

        #[test]
        fn any_bytes_are_survived(is_tcp: bool, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let framing = if is_tcp { Framing::Tcp } else { Framing::Unix };
            let mut frames = Frames::new(framing, LARGEST);
            let mut kept = 0;
            let result = frames.push(&bytes, |frame| {
                kept += match frame { Frame::Message(body) => body.len(), Frame::TooLarge(_) => 0 };
            });
            prop_assert!(kept <= bytes.len());
            prop_assert!(result.is_ok() || result.unwrap_err().contains("a message"));
        }
    }

    #[test]
    fn a_stream_that_is_out_of_step_is_told_from_a_large_message() {
        let mut frames = Frames::new(Framing::Tcp, LARGEST);
        let fault = frames.push(&[0xff; 8], |_| {}).unwrap_err();
        assert!(fault.contains("announces 18446744073709551615 bytes"), "{fault}");
        let mut frames = Frames::new(Framing::Unix, LARGEST);
        assert!(frames.push(&[2], |_| {}).unwrap_err().contains("0x02"));
    }

    #[test]
    fn an_announced_body_takes_no_room_before_it_comes() {
        let mut frames = Frames::new(Framing::Tcp, 1 << 30);
        frames.push(&(1_u64 << 30).to_be_bytes(), |_| {}).unwrap();
        let (_, body) = frames.body.as_ref().unwrap();
        assert!(body.capacity() <= 2 * FIRST_ROOM);
    }
}
