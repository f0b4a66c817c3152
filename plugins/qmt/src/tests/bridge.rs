//! A bridge that is made up: it says what a test wants, byte by byte.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{DEADLINE, EXAMPLE, TOKEN};
use crate::frame::{Fault, Frame, FrameReader, Kind, MOST_BODY};

/// Identity of its spool.
pub const SPOOL: u64 = 77;

/// A connection that knows the token.
pub struct Bridge {
    stream: TcpStream,
    reader: FrameReader,
    /// What the host said about its progress: confirmed, taken.
    pub told: (u64, u64),
}

/// What a visitor gets to hear first.
pub fn visit(address: SocketAddr) -> (TcpStream, FrameReader) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::frame::read_timeout())).unwrap();
    (stream, FrameReader::new(MOST_BODY))
}

/// The next frame; the fault when the host closed.
pub fn hear(stream: &mut TcpStream, reader: &mut FrameReader) -> Result<Frame, Fault> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(frame) = reader.read_once(stream)? {
            return Ok(frame);
        }
        assert!(Instant::now() < deadline, "the host says nothing");
    }
}

/// The answer to a challenge by somebody who believes in that token.
pub fn answer(hello: &Frame, token: &str, spool: u64) -> Frame {
    answer_of(1, hello, token, spool)
}

/// The same of a bridge that chose that version.
fn answer_of(version: u16, hello: &Frame, token: &str, spool: u64) -> Frame {
    let challenge = &hello.body[9..];
    let mut head = version.to_le_bytes().to_vec();
    head.extend([5; 32]);
    for word in [spool, 1, 1] {
        head.extend(word.to_le_bytes());
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).unwrap();
    for part in [b"dataserver qmt bridge".as_slice(), challenge, &head, b"test"] {
        mac.update(part);
    }
    let proof = mac.finalize().into_bytes();
    Frame::new(Kind::Auth, [&head, proof.as_slice(), b"test"].concat())
}

impl Bridge {
    /// Connects and is believed.
    pub fn connect(address: SocketAddr) -> Self {
        Self::with_spool(address, SPOOL)
    }

    /// The same with another spool.
    pub fn with_spool(address: SocketAddr, spool: u64) -> Self {
        Self::of_version(1, address, spool)
    }

    /// One that answers questions.
    pub fn of_history(address: SocketAddr, identity: u64) -> Self {
        Self::of_version(2, address, identity)
    }

    fn of_version(version: u16, address: SocketAddr, spool: u64) -> Self {
        let (mut stream, mut reader) = visit(address);
        let hello = hear(&mut stream, &mut reader).unwrap();
        assert_eq!((hello.kind, &hello.body[..5]), (Kind::Hello, b"DSQMT".as_slice()));
        stream.write_all(&answer_of(version, &hello, TOKEN, spool).encode()).unwrap();
        let welcome = hear(&mut stream, &mut reader).unwrap();
        assert_eq!(welcome.kind, Kind::Welcome, "{welcome:?}");
        let word = |at: usize| u64::from_le_bytes(welcome.body[at..at + 8].try_into().unwrap());
        Self { stream, reader, told: (word(32), word(40)) }
    }

    /// Sends a batch with one record.
    pub fn send(&mut self, sequence: u64) {
        self.write(&batch(sequence, sequence - 1).encode());
    }

    /// Sends a frame.
    pub fn say(&mut self, frame: &Frame) {
        self.write(&frame.encode());
    }

    /// Sends any bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The connection itself.
    pub fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Closes without a word.
    pub fn cut(self) {
        self.stream.shutdown(Shutdown::Both).unwrap();
    }

    /// The next frame that is no heartbeat.
    pub fn hear(&mut self) -> Result<Frame, Fault> {
        loop {
            match hear(&mut self.stream, &mut self.reader) {
                Ok(frame) if frame.kind == Kind::Heartbeat => {}
                other => return other,
            }
        }
    }

    /// Waits for the confirmation of that frame.
    pub fn wait_for_ack(&mut self, sequence: u64) {
        loop {
            let frame = self.hear().unwrap();
            assert_eq!(frame.kind, Kind::Ack, "{frame:?}");
            assert!(frame.sequence <= sequence, "{frame:?}");
            if frame.sequence == sequence {
                return;
            }
        }
    }

    /// What the host says until it closes.
    pub fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // a connection that was reset has nothing more to say
        let _ = self.stream.read_to_end(&mut rest);
        rest
    }
}

/// A batch with one record, numbered like the frame.
pub fn batch(sequence: u64, previous: u64) -> Frame {
    Frame { kind: Kind::Batch, sequence, body: body(previous, sequence, 1, EXAMPLE) }
}

/// A body whose ticks are all JSON.
pub fn body(previous: u64, first_record: u64, records: u32, json: &str) -> Vec<u8> {
    let length = u32::try_from(json.len()).unwrap();
    let mut inner = [0; 16].to_vec();
    inner.extend(length.to_le_bytes());
    inner.extend(json.as_bytes());
    let mut body = Vec::new();
    for word in [previous, first_record, 1_733_118_954_500_000] {
        body.extend(word.to_le_bytes());
    }
    body.extend(records.to_le_bytes());
    body.push(0);
    body.extend(u32::try_from(inner.len()).unwrap().to_le_bytes());
    body.extend(inner);
    body
}
