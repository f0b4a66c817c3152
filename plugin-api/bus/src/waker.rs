//! Waits for a socket or for a call of the source, whichever comes first.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{Errno, read, write},
};

/// Wakes the thread that waits for the publisher. Every wait ends at once until it is reset.
#[derive(Debug)]
pub struct Waker(OwnedFd);

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The socket can be read or written, or has failed.
    Socket,
    /// The waker was called.
    Waker,
    /// The time is over.
    Time,
}

impl Waker {
    /// A waker that was not called.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(fd))
    }

    /// Ends the wait that is going on, or the next.
    pub fn wake(&self) {
        // fails when the counter is full, which wakes as well
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Makes waits block again.
    pub fn reset(&self) {
        // fails when it is reset already
        let _ = read(&self.0, &mut [0_u8; 8]);
    }

    /// Waits until the socket is ready for that, the waker is called, or the deadline passes.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub fn wait(
        &self,
        socket: Option<(BorrowedFd<'_>, PollFlags)>,
        until: Option<Instant>,
    ) -> io::Result<Woken> {
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.map(Timespec::try_from).transpose().unwrap_or(None);
            let waker = self.0.as_fd();
            let mut fds = vec![PollFd::from_borrowed_fd(waker, PollFlags::IN)];
            fds.extend(socket.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(Woken::Time),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Woken::Waker),
                Ok(_) => return Ok(Woken::Socket),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixStream, time::Duration};

    use super::*;

    #[test]
    fn a_wait_ends_with_what_comes_first() {
        let waker = Waker::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let socket = Some((ours.as_fd(), PollFlags::IN));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(waker.wait(socket, Some(soon)).unwrap(), Woken::Time);
        waker.wake();
        assert_eq!(waker.wait(socket, None).unwrap(), Woken::Waker);
        assert_eq!(waker.wait(None, None).unwrap(), Woken::Waker, "it goes on ringing");
        waker.reset();
        drop(theirs);
        assert_eq!(waker.wait(socket, None).unwrap(), Woken::Socket);
    }
}
