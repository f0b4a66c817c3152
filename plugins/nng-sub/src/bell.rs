//! Waits for a socket or for the source's own word, whichever comes first.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::{Errno, read, write},
};

/// Wakes the thread that waits for the publisher. Once rung it goes on ringing until silenced.
#[derive(Debug)]
pub struct Bell(OwnedFd);

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// The socket can be read or written, or has failed.
    Socket,
    /// Somebody rang.
    Bell,
    /// The time is over.
    Time,
}

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(fd))
    }

    /// Ends the wait that is going on, or the next.
    pub fn ring(&self) {
        // a counter that is full rings already
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Lets waits last again.
    pub fn silence(&self) {
        // fails when it is silent already
        let _ = read(&self.0, &mut [0_u8; 8]);
    }

    /// Waits until the socket is ready for that, the bell rings, or the moment comes.
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
            let bell = self.0.as_fd();
            let mut fds = vec![PollFd::from_borrowed_fd(bell, PollFlags::IN)];
            fds.extend(socket.map(|(fd, flags)| PollFd::from_borrowed_fd(fd, flags)));
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) if left.is_some_and(|left| left.is_zero()) => return Ok(Woken::Time),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Woken::Bell),
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
        let bell = Bell::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let socket = Some((ours.as_fd(), PollFlags::IN));
        let soon = Instant::now() + Duration::from_millis(5);
        assert_eq!(bell.wait(socket, Some(soon)).unwrap(), Woken::Time);
        bell.ring();
        assert_eq!(bell.wait(socket, None).unwrap(), Woken::Bell);
        assert_eq!(bell.wait(None, None).unwrap(), Woken::Bell, "it goes on ringing");
        bell.silence();
        drop(theirs);
        assert_eq!(bell.wait(socket, None).unwrap(), Woken::Socket);
    }
}
