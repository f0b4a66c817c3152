//! A publisher that speaks the protocol byte by byte, and says whatever it is told to.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
};

use super::PATIENCE;

/// Greets every subscriber at once, one at a time.
pub struct RawPublisher {
    listener: TcpListener,
    stream: Option<TcpStream>,
}

impl RawPublisher {
    pub fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), stream: None }
    }

    /// Listens again where one that has gone did.
    pub fn at(address: &str) -> Self {
        let address = address.strip_prefix("tcp://").unwrap();
        Self { listener: TcpListener::bind(address).unwrap(), stream: None }
    }

    pub fn address(&self) -> String {
        format!("tcp://{}", self.listener.local_addr().unwrap())
    }

    /// Waits for a subscriber, who dials in the background once it was asked for a batch.
    pub fn accept(&mut self) {
        let (stream, _) = self.listener.accept().unwrap();
        self.greet(stream);
    }

    fn greet(&mut self, mut stream: TcpStream) {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"\0SP\0\0\x20\0\0").unwrap();
        let mut greeting = [0; 8];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"\0SP\0\0\x21\0\0");
        self.stream = Some(stream);
    }

    /// Whether a subscriber dialled meanwhile, who is then served.
    pub fn try_accept(&mut self) -> bool {
        self.listener.set_nonblocking(true).unwrap();
        let waits = self.listener.accept();
        self.listener.set_nonblocking(false).unwrap();
        waits.is_ok_and(|(stream, _)| {
            stream.set_nonblocking(false).unwrap();
            self.greet(stream);
            true
        })
    }

    pub fn send(&mut self, body: &[u8]) {
        self.say(&(body.len() as u64).to_be_bytes());
        self.say(body);
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.stream.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn hang_up(&mut self) {
        self.stream = None;
    }

    /// Whether the subscriber has hung up.
    pub fn is_left(&mut self) -> bool {
        let read = self.stream.as_mut().unwrap().read(&mut [0]);
        matches!(read, Ok(0))
            || read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
    }

    pub fn stream(&self) -> TcpStream {
        self.stream.as_ref().unwrap().try_clone().unwrap()
    }
}

/// Publishes by NNG's own library.
pub fn nng_publisher(address: &str) -> nng::Socket {
    let socket = nng::Socket::new(nng::Protocol::Pub0).unwrap();
    socket.listen(address).unwrap();
    socket
}

/// An ipc address in that folder.
pub fn ipc(folder: &Path) -> String {
    format!("ipc://{}", folder.join("bus.ipc").display())
}

/// Sends the body again and again until `is_there`, because a publisher knows nobody to wait for.
pub fn knock(socket: &nng::Socket, body: &[u8], mut is_there: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !is_there() {
        assert!(std::time::Instant::now() < deadline, "the subscriber does not come");
        socket.send(body).unwrap();
        thread::yield_now();
    }
}
