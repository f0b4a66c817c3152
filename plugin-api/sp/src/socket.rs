//! What both ends of a connection do with its socket.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg, sockopt},
};

/// Silence after which the kernel asks whether a TCP peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// Pause between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Unanswered questions after which the connection is given up.
const KEEPALIVE_COUNT: u32 = 3;

/// Bytes of one call where the time counts.
const PART: usize = 1 << 20;

/// Has a TCP socket send small messages at once, and notice a peer that vanished without a word.
///
/// A socket without these works all the same, so a kernel that refuses them is not told of.
pub fn tune(socket: impl AsFd) {
    let socket = socket.as_fd();
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT);
    let _ = sockopt::set_socket_keepalive(socket, true);
}

/// Writes all the slices in order. Blocks while the peer takes nothing, unless the socket has a
/// limit for that.
///
/// # Errors
/// What the kernel says; `WouldBlock` when the socket's limit for sending is over.
pub fn send_all(socket: impl AsFd, slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    send(socket, slices, None)
}

/// As [`send_all`], for a peer that may take a little now and then and must be done by a moment. The
/// socket needs a limit for sending, after which that is looked at.
///
/// # Errors
/// What the kernel says; `WouldBlock` also when the moment has come.
pub fn send_by(socket: impl AsFd, slices: &mut [IoSlice<'_>], moment: Instant) -> io::Result<()> {
    send(socket, slices, Some(moment))
}

fn send(
    socket: impl AsFd,
    mut slices: &mut [IoSlice<'_>],
    moment: Option<Instant>,
) -> io::Result<()> {
    while !slices.is_empty() {
        // not `writev`: in a process that does not ignore SIGPIPE it would end the process
        let mut nothing = SendAncillaryBuffer::default();
        let sent = match moment {
            None => sendmsg(&socket, slices, &mut nothing, SendFlags::NOSIGNAL),
            Some(_) => sendmsg(&socket, &beginning(slices), &mut nothing, SendFlags::NOSIGNAL),
        };
        match sent {
            Ok(sent) => {
                IoSlice::advance_slices(&mut slices, sent);
                if !slices.is_empty() && moment.is_some_and(|moment| Instant::now() > moment) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// As much as is sent in one call where the time counts: on a Unix socket a call with more ends
/// only when everything is sent, however slowly that goes.
fn beginning<'a>(slices: &'a [IoSlice<'_>]) -> Vec<IoSlice<'a>> {
    let mut left = PART;
    let mut part = Vec::with_capacity(slices.len());
    for slice in slices {
        let taken = slice.len().min(left);
        part.push(IoSlice::new(&slice[..taken]));
        left -= taken;
        if left == 0 {
            break;
        }
    }
    part
}

/// Reads a plain socket once.
pub fn receive_plain(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    flags: RecvFlags,
) -> io::Result<usize> {
    loop {
        return match recv(socket, &mut *buffer, flags) {
            Ok((_, count)) => Ok(count),
            Err(Errno::INTR) => continue,
            Err(error) => Err(error.into()),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream, thread};

    use super::*;

    #[test]
    fn slices_arrive_in_order_and_whole_through_a_socket_that_is_too_small_for_them() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let parts: Vec<Vec<u8>> = (0..20).map(|part| vec![part; 100_000]).collect();
        let received = thread::spawn(move || {
            let mut bytes = Vec::new();
            theirs.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
        send_all(&ours, &mut slices).unwrap();
        drop(ours);
        assert_eq!(received.join().unwrap(), parts.concat());
    }

    #[test]
    fn a_peer_that_takes_a_little_now_and_then_is_given_up_in_the_end() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        let slow = thread::spawn(move || {
            let mut byte = [0; 4_096];
            while theirs.read(&mut byte).is_ok_and(|count| count > 0) {
                thread::sleep(Duration::from_millis(1));
            }
        });
        let moment = Instant::now() + Duration::from_millis(20);
        let bytes = vec![0; 64 << 20];
        let fault = send_by(&ours, &mut [IoSlice::new(b"head"), IoSlice::new(&bytes)], moment);
        let fault = fault.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::WouldBlock);
        drop(ours);
        slow.join().unwrap();
    }

    #[test]
    fn a_peer_that_has_gone_is_an_error_and_no_signal() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let fault = send_all(&ours, &mut [IoSlice::new(b"x")]).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_after_the_sockets_limit() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        ours.set_write_timeout(Some(Duration::from_millis(5))).unwrap();
        let fault = send_all(&ours, &mut [IoSlice::new(&vec![0; 8 << 20])]).unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::WouldBlock);
    }
}
