//! A subscriber that speaks the protocol byte by byte, and reads only when told to.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    os::{linux::net::SocketAddrExt, unix::net},
};

use plugin_api::{Batch, Round};

use super::DEADLINE;

pub const TOPIC: &[u8] = b":spot:";

pub trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Start,
    End,
    Data(Vec<u8>),
}

impl Seen {
    /// Codes of the quotes.
    pub fn numbers(&self) -> Vec<usize> {
        let Self::Data(payload) = self else { return Vec::new() };
        let batch = Batch::from_untrusted_spots(payload.clone(), Round::MIDDLE).unwrap();
        batch.spots().iter().map(|spot| spot.code().parse().unwrap()).collect()
    }
}

pub struct RawSubscriber {
    stream: Box<dyn Stream>,
    is_tcp: bool,
}

/// A connection that has said nothing yet.
pub fn connect(address: &str) -> Box<dyn Stream> {
    let (scheme, rest) = address.split_once("://").unwrap();
    match scheme {
        "tcp" => {
            let stream = TcpStream::connect(rest).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            Box::new(stream)
        }
        _ => {
            let address = match scheme {
                "abstract" => net::SocketAddr::from_abstract_name(rest),
                _ => net::SocketAddr::from_pathname(rest),
            };
            let stream = net::UnixStream::connect_addr(&address.unwrap()).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            Box::new(stream)
        }
    }
}

impl RawSubscriber {
    pub fn dial(address: &str) -> Self {
        let mut stream = connect(address);
        stream.write_all(b"\0SP\0\0\x21\0\0").unwrap();
        let mut greeting = [0; 8];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"\0SP\0\0\x20\0\0");
        Self { stream, is_tcp: address.starts_with("tcp") }
    }

    /// Reads until the publisher has closed, which may be in the middle of a message.
    pub fn drain(&mut self) {
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }

    /// The next message; `None` when the publisher has closed.
    pub fn next(&mut self) -> Option<Seen> {
        if !self.is_tcp {
            let mut kind = [0; 1];
            self.fill(&mut kind)?;
            assert_eq!(kind, [1]);
        }
        let mut len = [0; 8];
        self.fill(&mut len)?;
        let mut body = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap()];
        self.stream.read_exact(&mut body).expect("a message arrives whole");
        let content = body.strip_prefix(TOPIC).expect("every message begins with the topic");
        Some(match content {
            b"[start spot]" => Seen::Start,
            b"[end spot]" => Seen::End,
            payload => Seen::Data(payload.to_vec()),
        })
    }

    /// All messages until the publisher closes.
    pub fn rest(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.next()).collect()
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) => {
                let ends = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                assert!(ends.contains(&error.kind()), "{error}");
                None
            }
        }
    }
}
