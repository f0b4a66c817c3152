//! A client that does as little as it can, so that the server is measured.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use rmpv::Value;

/// A connection that was greeted.
pub struct Client {
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    pub fn dial(address: &str) -> Self {
        let mut socket = TcpStream::connect(address.strip_prefix("tcp://").unwrap()).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.write_all(b"\0SP\0\0\x30\0\0").unwrap();
        let mut greeting = [0; 8];
        socket.read_exact(&mut greeting).unwrap();
        Self { socket, answer: Vec::new() }
    }

    /// The body of the answer.
    pub fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let mut message = (request.len() as u64 + 4).to_be_bytes().to_vec();
        message.extend(0x8000_0001_u32.to_be_bytes());
        message.extend_from_slice(request);
        self.socket.write_all(&message).unwrap();
        let mut len = [0; 8];
        self.socket.read_exact(&mut len).unwrap();
        self.answer.resize(usize::try_from(u64::from_be_bytes(len)).unwrap(), 0);
        self.socket.read_exact(&mut self.answer).unwrap();
        self.answer[4..].to_vec()
    }
}

/// Whether an answer is a success: the map begins with `ret`, which is 0.
pub fn is_success(answer: &[u8]) -> bool {
    answer.get(..6) == Some(b"\x82\xa3ret\0".as_slice())
}

pub fn ping() -> Vec<u8> {
    map(&[("cmd", "ping".into())])
}

pub fn market(ktype: &str, codes: &[String], date: &str) -> Vec<u8> {
    let dates = vec![Value::from(date); codes.len()];
    let codes = codes.iter().map(|code| Value::from(code.as_str())).collect();
    map(&[
        ("cmd", "market".into()),
        ("codes", Value::Array(codes)),
        ("dates", Value::Array(dates)),
        ("ktype", ktype.into()),
    ])
}

pub fn tick(market: &str, code: &str, since: &str) -> Vec<u8> {
    map(&[
        ("cmd", "tick".into()),
        ("code", code.into()),
        ("datetime", since.into()),
        ("market", market.into()),
    ])
}

fn map(pairs: &[(&str, Value)]) -> Vec<u8> {
    let pairs = pairs.iter().map(|(key, value)| ((*key).into(), value.clone())).collect();
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Value::Map(pairs)).unwrap();
    bytes
}

/// The latency that so large a share of all stayed below.
pub fn percentile(mut latencies: Vec<Duration>, share: f64) -> Duration {
    latencies.sort_unstable();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (latencies.len() as f64 * share) as usize;
    latencies.get(at).or(latencies.last()).copied().unwrap_or_default()
}
