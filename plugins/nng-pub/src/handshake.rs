//! The greeting with which both ends of a connection say what they are.
//!
//! Both send at once: `00 'S' 'P' 00 PP PP 00 00`, PP being the number of their protocol.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send, sockopt},
};

/// Number of the publisher's protocol.
const PUB: u16 = 0x20;
/// Number of the subscriber's protocol.
const SUB: u16 = 0x21;
/// Length of a greeting.
const LEN: usize = 8;

/// What the end of that protocol sends.
fn greeting(protocol: u16) -> [u8; LEN] {
    let [high, low] = protocol.to_be_bytes();
    [0, b'S', b'P', 0, high, low, 0, 0]
}

/// Greets the peer and checks that it is a subscriber.
///
/// # Errors
/// A text that says what the peer did instead.
pub fn shake_hands(socket: impl AsFd, within: Duration) -> Result<(), String> {
    let socket = socket.as_fd();
    // a new connection has room for 8 bytes
    let sent = send(socket, &greeting(PUB), SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    if sent != Ok(LEN) {
        return Err("left at once".to_owned());
    }
    let mut received = [0; LEN];
    receive(socket, &mut received, within)?;
    check(received)
}

/// Fills the buffer before the time is over, however slowly single bytes arrive.
fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], within: Duration) -> Result<(), String> {
    let deadline = Instant::now() + within;
    let mut filled = 0;
    while filled < buffer.len() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("said only {filled} of {LEN} bytes in {within:?}"));
        }
        // the kernel takes a time of zero for "no limit" and counts in microseconds
        let left = left.max(Duration::from_millis(1));
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(left))
            .map_err(|error| io::Error::from(error).to_string())?;
        match recv(socket, &mut buffer[filled..], RecvFlags::empty()) {
            Ok((_, 0)) => return Err(format!("left after {filled} of {LEN} bytes")),
            Ok((_, count)) => filled += count,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => return Err(format!("left: {}", io::Error::from(error))),
        }
    }
    Ok(())
}

fn check(received: [u8; LEN]) -> Result<(), String> {
    if received == greeting(SUB) {
        return Ok(());
    }
    match received {
        [0, b'S', b'P', 0, high, low, 0, 0] => {
            let protocol = u16::from_be_bytes([high, low]);
            Err(format!(
                "speaks protocol {protocol:#04x}{}, only subscribers (0x21) are served",
                match protocol {
                    0x10 => " (PAIR)",
                    0x20 => " (PUB)",
                    0x30 => " (REQ)",
                    0x31 => " (REP)",
                    0x50 => " (PUSH)",
                    0x51 => " (PULL)",
                    _ => "",
                }
            ))
        }
        _ => Err(format!("is no NNG peer: it began with \"{}\"", received.escape_ascii())),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    fn answer(bytes: &[u8]) -> Result<(), String> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(bytes).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let result = shake_hands(&ours, Duration::from_secs(5));
        let mut greeting = [0; LEN];
        theirs.read_exact(&mut greeting).unwrap();
        assert_eq!(&greeting, b"\0SP\0\0\x20\0\0");
        result
    }

    #[test]
    fn only_a_subscriber_is_let_in() {
        assert_eq!(answer(b"\0SP\0\0\x21\0\0"), Ok(()));
        let cases: [(&[u8], &str); 8] = [
            // what the peer says, what is said of it
            (b"\0SP\0\0\x30\0\0", "0x30 (REQ)"),
            (b"\0SP\0\0\x20\0\0", "0x20 (PUB)"),
            (b"\0SP\0\x21\0\0\0", "0x2100"),
            (b"\0SP\x01\0\x21\0\0", "no NNG peer"),
            (b"\0SP\0\0\x21\0\x01", "no NNG peer"),
            (b"GET / HTTP/1.1\r\n", "GET / HT"),
            (b"", "left after 0 of 8"),
            (b"\0SP", "left after 3 of 8"),
        ];
        for (bytes, said) in cases {
            let fault = answer(bytes).unwrap_err();
            assert!(fault.contains(said), "{fault} of {bytes:?}");
        }
    }

    #[test]
    fn a_peer_that_dawdles_is_given_up() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"\0SP").unwrap();
        let fault = shake_hands(&ours, Duration::from_millis(20)).unwrap_err();
        assert!(fault.contains("3 of 8 bytes in 20ms"), "{fault}");
    }
}
