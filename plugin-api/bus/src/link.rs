//! A connection to a publisher, from dialling to its end.
//!
//! A subscriber greets and says nothing after that. Every wait ends when the waker is called, so
//! that a source can be closed while it dials.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt},
};
use sp::{Address, Endpoint, Framing, Protocol, Wire, greeting, tls, tune};

use crate::waker::{Waker, Woken};

/// What a taken socket shows; any time does.
const TAKEN: Duration = Duration::from_secs(60);

/// A connection to a publisher that has greeted.
#[derive(Debug)]
pub struct Link {
    wire: Wire,
    framing: Framing,
    /// Where it leads, for the log.
    peer: String,
}

/// Why there is no connection.
#[derive(Debug, PartialEq, Eq)]
pub enum NoLink {
    /// The waker was called.
    Interrupted,
    /// No publisher answers; a text for people.
    Fault(String),
}

/// What came over a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// So many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The connection has ended; a text for people.
    End(String),
}

impl Link {
    /// Connects to the first address that answers as a publisher within the time, which each has.
    /// Those with TLS need `tls`.
    ///
    /// # Errors
    /// All that was tried with what came of it, or that the waker was called.
    pub fn dial(
        addresses: &[Address],
        tls: Option<&tls::Client>,
        waker: &Waker,
        within: Duration,
    ) -> Result<Self, NoLink> {
        let mut faults = Vec::new();
        for address in addresses {
            match Self::dial_one(address, tls, waker, within) {
                Err(NoLink::Fault(fault)) => faults.push(format!("{address}: {fault}")),
                settled => return settled,
            }
        }
        Err(NoLink::Fault(faults.join("; ")))
    }

    fn dial_one(
        address: &Address,
        tls: Option<&tls::Client>,
        waker: &Waker,
        within: Duration,
    ) -> Result<Self, NoLink> {
        let tls = match address {
            Address::Tcp { tls: true, host, .. } => tls.map(|tls| (tls, host.as_str())),
            _ => None,
        };
        let mut last = NoLink::Fault("it stands for no address".to_owned());
        for endpoint in address.endpoints().map_err(NoLink::Fault)? {
            let dialled = reach(&endpoint, tls, waker, Instant::now() + within).map(|wire| {
                let framing = match endpoint {
                    Endpoint::Tcp(_) => Framing::Tcp,
                    Endpoint::Unix(_) => Framing::Unix,
                };
                Self { wire, framing, peer: address.to_string() }
            });
            match dialled {
                Err(NoLink::Fault(fault)) => last = NoLink::Fault(fault),
                settled => return settled,
            }
        }
        Err(last)
    }

    /// Takes a connection over that has greeted already.
    pub fn adopt(socket: OwnedFd, framing: Framing, peer: String) -> Self {
        Self { wire: Wire::new(socket), framing, peer }
    }

    /// Whether another instance could go on with the socket: what TLS has agreed on cannot go over.
    pub fn can_go_over(&self) -> bool {
        !self.wire.is_tls()
    }

    /// Where it leads.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// How messages are framed on it.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Notes on the socket itself, which others may share, that a successor has taken it.
    ///
    /// The note is a limit for receiving, which has no effect where nobody waits in the call.
    pub fn mark_taken(&self) {
        // without the note the one before only waits in vain for it
        let _ = sockopt::set_socket_timeout(&self.wire, sockopt::Timeout::Recv, Some(TAKEN));
    }

    /// Whether a successor has taken the socket.
    pub fn is_taken(&self) -> bool {
        matches!(sockopt::socket_timeout(&self.wire, sockopt::Timeout::Recv), Ok(Some(_)))
    }

    /// Removes the note, so that the next successor can leave one.
    pub fn unmark(&self) {
        let _ = sockopt::set_socket_timeout(&self.wire, sockopt::Timeout::Recv, None);
    }

    /// Waits until something came, the waker is called, or the deadline passes.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait(&self, waker: &Waker, until: Option<Instant>) -> io::Result<Woken> {
        if self.wire.holds_bytes() {
            return Ok(Woken::Socket);
        }
        waker.wait(Some((self.wire.as_fd(), PollFlags::IN)), until)
    }

    /// Takes what came, without waiting.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        match self.wire.receive_now(buffer) {
            Ok(0) => Received::End("it closed the connection".to_owned()),
            Ok(count) => Received::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
            Err(error) => Received::End(error.to_string()),
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wire.as_fd()
    }
}

/// A connection whose other end has greeted as a publisher.
fn reach(
    endpoint: &Endpoint,
    tls: Option<(&tls::Client, &str)>,
    waker: &Waker,
    until: Instant,
) -> Result<Wire, NoLink> {
    let fault = |error: Errno| NoLink::Fault(io::Error::from(error).to_string());
    let family = match endpoint {
        Endpoint::Tcp(address) if address.is_ipv4() => AddressFamily::INET,
        Endpoint::Tcp(_) => AddressFamily::INET6,
        Endpoint::Unix(_) => AddressFamily::UNIX,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None).map_err(fault)?;
    let connecting = match endpoint {
        Endpoint::Tcp(address) => connect(&socket, address),
        Endpoint::Unix(address) => connect(&socket, address),
    };
    match connecting {
        Ok(()) => {}
        Err(Errno::INPROGRESS) => {
            await_socket(&socket, PollFlags::OUT, waker, until, "does not answer")?;
            sockopt::socket_error(&socket).and_then(|result| result).map_err(fault)?;
        }
        Err(Errno::AGAIN) => return Err(NoLink::Fault("it is overrun with connections".into())),
        Err(error) => return Err(fault(error)),
    }
    if matches!(endpoint, Endpoint::Tcp(_)) {
        tune(&socket);
    }
    let wire = Wire::new(socket);
    if let Some((tls, name)) = tls {
        wire.secure(tls, name, |flags| {
            await_socket(&wire, flags, waker, until, "does not agree on TLS")
        })?;
    }
    greeting::greet(&wire, Protocol::Sub, |_| {
        await_socket(&wire, PollFlags::IN, waker, until, "does not say what it is")
    })?;
    Ok(wire)
}

impl From<String> for NoLink {
    /// What the peer did instead of greeting as a publisher.
    fn from(fault: String) -> Self {
        Self::Fault(format!("it {fault}"))
    }
}

fn await_socket(
    socket: impl AsFd,
    flags: PollFlags,
    waker: &Waker,
    until: Instant,
    late: &str,
) -> Result<(), NoLink> {
    match waker.wait(Some((socket.as_fd(), flags)), Some(until)) {
        Ok(Woken::Socket) => Ok(()),
        Ok(Woken::Waker) => Err(NoLink::Interrupted),
        Ok(Woken::Time) => Err(NoLink::Fault(format!("it {late} in time"))),
        Err(error) => Err(NoLink::Fault(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        path::Path,
        thread,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Dials a peer that sends those bytes and nothing more.
    fn dial(says: &'static [u8], stays: bool, within: Duration) -> Result<Link, NoLink> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (done, is_done) = std::sync::mpsc::sync_channel::<()>(0);
        let peer = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = [0; greeting::LEN];
            stream.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"\0SP\0\0\x21\0\0");
            stream.write_all(says).unwrap();
            if stays {
                let _ = is_done.recv();
            }
        });
        let address = Address::dial(&format!("tcp://127.0.0.1:{port}"), Path::to_owned).unwrap();
        let link = Link::dial(&[address], None, &Waker::new().unwrap(), within);
        drop(done);
        peer.join().unwrap();
        link
    }

    #[test]
    fn only_a_publisher_is_listened_to() {
        let link = dial(b"\0SP\0\0\x20\0\0", false, PATIENCE).unwrap();
        assert!(link.peer().starts_with("tcp://127.0.0.1:"), "{link:?}");
        let cases: [(&[u8], &str); 7] = [
            // what the peer says, what is said of it
            (b"\0SP\0\0\x31\0\0", "0x31 (REP)"),
            (b"\0SP\0\0\x21\0\0", "0x21 (SUB)"),
            (b"\0SP\0\x20\0\0\0", "0x2000"),
            (b"\0SP\x01\0\x20\0\0", "no NNG peer"),
            (b"HTTP/1.1 400", "HTTP/1.1"),
            (b"", "left after 0 of 8"),
            (b"\0SP", "left after 3 of 8"),
        ];
        for (says, said) in cases {
            let Err(NoLink::Fault(fault)) = dial(says, false, PATIENCE) else { panic!("{says:?}") };
            assert!(fault.contains(said), "{fault} of {says:?}");
        }
    }

    #[test]
    fn a_peer_that_says_nothing_is_given_up() {
        let Err(NoLink::Fault(fault)) = dial(b"\0SP", true, Duration::from_millis(20)) else {
            panic!("it was listened to")
        };
        assert!(fault.contains("does not say what it is in time"), "{fault}");
    }

    #[test]
    fn dialling_ends_when_the_bell_rings() {
        let waker = Waker::new().unwrap();
        waker.wake();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap(); // never accepts
        let text = format!("tcp://{}", listener.local_addr().unwrap());
        let address = Address::dial(&text, Path::to_owned).unwrap();
        let dialled = Link::dial(&[address], None, &waker, PATIENCE);
        assert_eq!(dialled.err(), Some(NoLink::Interrupted));
    }

    #[test]
    fn every_address_is_named_when_none_answers() {
        let folder = tempfile::tempdir().unwrap();
        let texts =
            ["tcp://127.0.0.1:1".to_owned(), format!("ipc://{}/a", folder.path().display())];
        let addresses: Vec<_> =
            texts.iter().map(|text| Address::dial(text, Path::to_owned).unwrap()).collect();
        let dialled = Link::dial(&addresses, None, &Waker::new().unwrap(), PATIENCE);
        let Err(NoLink::Fault(fault)) = dialled else { panic!("somebody answered") };
        for text in texts {
            assert!(fault.contains(&text), "{text} is missing in: {fault}");
        }
    }
}
