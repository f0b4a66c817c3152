//! The greeting with which both ends of a connection say what they are.
//!
//! Both send at once: `00 'S' 'P' 00 PP PP 00 00`, PP being the number of their protocol.

use std::{
    io::{ErrorKind, IoSlice},
    time::{Duration, Instant},
};

use rustix::event::PollFlags;

use crate::wire::Wire;

/// Length of a greeting, in bytes.
pub const LEN: usize = 8;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Publishes; its peers subscribe.
    Pub,
    /// Subscribes to a publisher.
    Sub,
    /// Requests of a replier.
    Req,
    /// Replies; its peers request.
    Rep,
}

impl Protocol {
    /// The number that stands for it.
    pub fn number(self) -> u16 {
        match self {
            Self::Pub => 0x20,
            Self::Sub => 0x21,
            Self::Req => 0x30,
            Self::Rep => 0x31,
        }
    }

    /// What the other end must be.
    pub fn peer(self) -> Self {
        match self {
            Self::Pub => Self::Sub,
            Self::Sub => Self::Pub,
            Self::Req => Self::Rep,
            Self::Rep => Self::Req,
        }
    }

    /// What this end sends first.
    pub fn greeting(self) -> [u8; LEN] {
        let [high, low] = self.number().to_be_bytes();
        [0, b'S', b'P', 0, high, low, 0, 0]
    }

    /// Checks what this end received first.
    ///
    /// # Errors
    /// A text that says what the peer is instead, for after its name.
    pub fn check(self, received: [u8; LEN]) -> Result<(), String> {
        if received == self.peer().greeting() {
            return Ok(());
        }
        match received {
            [0, b'S', b'P', 0, high, low, 0, 0] => {
                let number = u16::from_be_bytes([high, low]);
                let name = name(number).map(|name| format!(" ({name})")).unwrap_or_default();
                Err(format!("speaks protocol {number:#04x}{name}, {}", self.wanted()))
            }
            _ => Err(stranger(&received)),
        }
    }

    /// What may be wrong with a peer that was dialled and left without a word.
    fn hint(self, wire: &Wire) -> &'static str {
        match self {
            Self::Sub | Self::Req if !wire.is_tls() => "; if it speaks TLS, dial tls+tcp://",
            _ => "",
        }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::Pub => "only subscribers (0x21) are served",
            Self::Sub => "not that of a publisher (0x20); dial the collector's own address",
            Self::Req => "not that of a replier (0x31); dial the server's own address",
            Self::Rep => "only requesters (0x30) are served",
        }
    }
}

/// What somebody is who begins in another way.
fn stranger(began: &[u8]) -> String {
    match began {
        // the first record of TLS: its kind, its version
        [0x16, 3, ..] => "speaks TLS, which this address does not; have it dial tcp://, or listen \
                          at tls+tcp:// with `tls`"
            .to_owned(),
        [0x15, 3, ..] => "wants TLS; dial tls+tcp:// with `tls`".to_owned(),
        _ => format!("is no NNG peer: it began with \"{}\"", began.escape_ascii()),
    }
}

fn name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x10 => "PAIR",
        0x20 => "PUB",
        0x21 => "SUB",
        0x30 => "REQ",
        0x31 => "REP",
        0x50 => "PUSH",
        0x51 => "PULL",
        _ => return None,
    })
}

/// Agrees on TLS with a peer that dialled, where TLS is spoken, greets it and checks that it is the
/// one that `own` wants, however slowly single bytes arrive. Blocks until then, until the time is
/// over, or until the wire is shut down.
///
/// # Errors
/// A text that says what the peer did instead, for after its name.
pub fn shake_hands(wire: &Wire, own: Protocol, within: Duration) -> Result<(), String> {
    let deadline = Instant::now() + within;
    wire.welcome(|flags| match wire.wait(flags, deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("did not agree on TLS in {within:?}; have it dial tls+tcp://")),
        Err(error) => Err(error.to_string()),
    })?;
    greet(wire, own, |received| match wire.wait(PollFlags::IN, deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("said only {received} of {LEN} bytes in {within:?}")),
        Err(error) => Err(error.to_string()),
    })
}

/// Greets the peer and checks what it is. `wait` is called when nothing more is there, with the
/// number of bytes that came, and may give up.
///
/// # Errors
/// Those of `wait`, or a text that says what the peer did instead, for after its name.
pub fn greet<E: From<String>>(
    wire: &Wire,
    own: Protocol,
    mut wait: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    // a new connection has room for so little
    let sent = wire.send_all(&mut [IoSlice::new(&own.greeting())]);
    if sent.is_err() {
        let why = match wire.receive_now(&mut [0]) {
            // its refusal is there, though it has gone
            Err(error) if error.kind() == ErrorKind::InvalidData => error.to_string(),
            _ => "left at once".to_owned(),
        };
        return Err(why.into());
    }
    let mut received = [0; LEN];
    let mut filled = 0;
    while filled < LEN {
        match wire.receive_now(&mut received[filled..]) {
            Ok(0) if received[..filled].starts_with(&[0x15, 3]) => {
                return Err(stranger(&received[..filled]).into());
            }
            Ok(0) => {
                return Err(format!("left after {filled} of {LEN} bytes{}", own.hint(wire)).into());
            }
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(filled)?,
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                return Err(error.to_string().into());
            }
            Err(error) => return Err(format!("left: {error}").into()),
        }
    }
    own.check(received).map_err(E::from)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    const ALL: [Protocol; 4] = [Protocol::Pub, Protocol::Sub, Protocol::Req, Protocol::Rep];

    fn wire(stream: UnixStream) -> Wire {
        Wire::new(stream.into())
    }

    fn answer(own: Protocol, bytes: &[u8]) -> Result<(), String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let result = shake_hands(&wire(ours), own, Duration::from_secs(5));
        let mut greeting = [0; LEN];
        theirs.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, own.greeting());
        result
    }

    #[test]
    fn greetings_are_those_of_nng() {
        let greetings = ALL.map(Protocol::greeting);
        let expected =
            [b"\0SP\0\0\x20\0\0", b"\0SP\0\0\x21\0\0", b"\0SP\0\0\x30\0\0", b"\0SP\0\0\x31\0\0"];
        assert_eq!(greetings.each_ref(), expected);
    }

    #[test]
    fn each_end_takes_only_the_one_it_belongs_to() {
        for own in ALL {
            for other in ALL {
                let answer = answer(own, &other.greeting());
                assert_eq!(answer.is_ok(), other == own.peer(), "{own:?} and {other:?}");
            }
        }
    }

    #[test]
    fn who_is_no_subscriber_is_told_from_one() {
        let cases: [(&[u8], &str); 10] = [
            // what the peer says, what is said of it
            (b"\0SP\0\0\x30\0\0", "speaks protocol 0x30 (REQ), only subscribers (0x21) are served"),
            (b"\0SP\0\0\x20\0\0", "0x20 (PUB)"),
            (b"\0SP\0\x21\0\0\0", "0x2100"),
            (b"\0SP\x01\0\x21\0\0", "no NNG peer"),
            (b"\0SP\0\0\x21\0\x01", "no NNG peer"),
            (b"GET / HTTP/1.1\r\n", "GET / HT"),
            (b"\x16\x03\x01\x02\0\x01\0\x01", "speaks TLS, which this address does not"),
            (b"\x15\x03\x03\0\x02\x02\x46", "wants TLS; dial tls+tcp://"),
            (b"", "left after 0 of 8"),
            (b"\0SP", "left after 3 of 8"),
        ];
        for (bytes, said) in cases {
            let fault = answer(Protocol::Pub, bytes).unwrap_err();
            assert!(fault.contains(said), "{fault} of {bytes:?}");
        }
    }

    #[test]
    fn a_peer_that_dawdles_is_given_up() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"\0SP").unwrap();
        let fault = shake_hands(&wire(ours), Protocol::Pub, Duration::from_millis(20)).unwrap_err();
        assert!(fault.contains("3 of 8 bytes in 20ms"), "{fault}");
    }

    #[test]
    fn a_greeting_ends_when_the_socket_is_shut_down() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let wire = wire(ours);
        std::thread::scope(|scope| {
            let greeting =
                scope.spawn(|| shake_hands(&wire, Protocol::Rep, Duration::from_secs(60)));
            wire.shut_down(rustix::net::Shutdown::Both);
            assert!(greeting.join().unwrap().is_err());
        });
    }
}
