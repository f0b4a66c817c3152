//! A byte stream to a server, over TCP, TLS or a socket of the file system, that keeps a deadline.
//!
//! The deadline is one for all that is read and written until the next is set: a server that sends
//! a byte a second is given up as one that sends none.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use redis::ConnectionAddr;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

/// Bytes that are worth a second more: a large value on a slow line is no silence.
const BYTES_A_SECOND: u64 = 1 << 20;

/// A connection to a server.
pub enum Link {
    /// Bytes as they are.
    Plain(Socket),
    /// The same within TLS.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Link {
    /// Connects, and agrees on keys where the address asks for TLS, all until the deadline.
    ///
    /// # Errors
    /// When no server answers, not in time, or one that is not trusted.
    pub fn connect(
        address: &ConnectionAddr,
        tls: &Arc<ClientConfig>,
        deadline: Instant,
    ) -> io::Result<Self> {
        match address {
            ConnectionAddr::Unix(path) => Ok(Self::Plain(Socket::unix(path, deadline)?)),
            ConnectionAddr::Tcp(host, port) => Ok(Self::Plain(Socket::tcp(host, *port, deadline)?)),
            ConnectionAddr::TcpTls { host, port, .. } => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                let mut session =
                    ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
                let mut socket = Socket::tcp(host, *port, deadline)?;
                session.complete_io(&mut socket)?;
                Ok(Self::Tls(Box::new(StreamOwned::new(session, socket))))
            }
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// From now on, everything has to be over by then.
    pub fn set_deadline(&mut self, deadline: Instant) {
        match self {
            Self::Plain(socket) => socket.deadline = deadline,
            Self::Tls(stream) => stream.sock.deadline = deadline,
        }
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket that gives up at its deadline.
pub struct Socket {
    stream: Stream,
    deadline: Instant,
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn tcp(host: &str, port: u16, deadline: Instant) -> io::Result<Self> {
        let addresses = resolve(host, port, deadline)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for (place, address) in addresses.iter().enumerate() {
            // one that takes no connection leaves the others their share
            let others = u32::try_from(addresses.len() - place).unwrap_or(u32::MAX);
            match TcpStream::connect_timeout(address, left(deadline)? / others) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(Self { stream: Stream::Tcp(stream), deadline });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn unix(path: &Path, deadline: Instant) -> io::Result<Self> {
        // such a socket connects at once or not at all, unless it may block
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?).map_err(|error| match error {
            Errno::AGAIN => io::Error::other("it takes no more connections"),
            error => error.into(),
        })?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(Self { stream: Stream::Unix(stream), deadline })
    }

    /// Counts bytes that got through.
    fn moved(&mut self, moved: io::Result<usize>) -> io::Result<usize> {
        match moved {
            Ok(bytes) => {
                self.deadline += Duration::from_secs(1) * u32::try_from(bytes).unwrap_or(u32::MAX)
                    / u32::try_from(BYTES_A_SECOND).unwrap_or(u32::MAX);
                Ok(bytes)
            }
            // a socket whose time is over says that it would have to wait
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::TimedOut.into())
            }
            Err(error) => Err(error),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = Some(left(self.deadline)?);
        let read = match &mut self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(left).and_then(|()| stream.read(buffer)),
            Stream::Unix(stream) => {
                stream.set_read_timeout(left).and_then(|()| stream.read(buffer))
            }
        };
        self.moved(read)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = Some(left(self.deadline)?);
        let written = match &mut self.stream {
            Stream::Tcp(stream) => {
                stream.set_write_timeout(left).and_then(|()| stream.write(bytes))
            }
            Stream::Unix(stream) => {
                stream.set_write_timeout(left).and_then(|()| stream.write(bytes))
            }
        };
        self.moved(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The time until the deadline; never nothing, which would mean for ever.
fn left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// The addresses of a host. A name is asked for by a thread, which ends when the system gives up.
fn resolve(host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let host = host.to_owned();
    thread::Builder::new().name("resolve".to_owned()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        let _ = sender.send(found);
    })?;
    let answer = receiver.recv_timeout(left(deadline)?);
    answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
