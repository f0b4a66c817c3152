//! A client that writes the protocol byte by byte.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rmpv::Value;

use super::DEADLINE;

/// A connection on which nothing was said.
pub fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// A message as it lies on the wire.
pub fn framed(number: u32, body: &[u8]) -> Vec<u8> {
    with_length(&[&number.to_be_bytes(), body].concat())
}

pub fn with_length(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u64).to_be_bytes(), message].concat()
}

/// A client that was greeted.
pub struct RawClient(pub TcpStream);

impl RawClient {
    pub fn dial(address: &str) -> Self {
        let mut socket = connect(address);
        socket.write_all(b"\0SP\0\0\x30\0\0").unwrap();
        let mut greeting = [0; 8];
        socket.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"\0SP\0\0\x31\0\0");
        Self(socket)
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The answer to one question.
    pub fn ask(&mut self, request: &Value) -> Value {
        let mut body = Vec::new();
        rmpv::encode::write_value(&mut body, request).unwrap();
        self.write(&framed(0x8000_0001, &body));
        super::read(&self.read().1)
    }

    pub fn is_alive(&mut self) -> bool {
        self.ask(&super::map(&[("cmd", "ping".into())]))["data"] == Value::from("pong")
    }

    /// Whether something comes before the end.
    pub fn hears(&mut self) -> bool {
        self.0.read(&mut [0]).is_ok_and(|count| count == 1)
    }

    /// Number and body of the next answer.
    pub fn read(&mut self) -> (u32, Vec<u8>) {
        let (mut len, mut number) = ([0; 8], [0; 4]);
        self.0.read_exact(&mut len).unwrap();
        self.0.read_exact(&mut number).unwrap();
        let mut body = vec![0; usize::try_from(u64::from_be_bytes(len)).unwrap() - 4];
        self.0.read_exact(&mut body).unwrap();
        (u32::from_be_bytes(number), body)
    }
}
