//! A connection whose reading has to be over at some time, however steadily bytes come.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

/// Least wait within a read; the system takes no shorter one.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A stream that is not read beyond its deadline.
pub struct Patient {
    stream: TcpStream,
    deadline: Instant,
}

impl Patient {
    /// Reads until then at most; the stream has a timeout of its own for each write.
    pub fn new(stream: TcpStream, deadline: Instant) -> Self {
        Self { stream, deadline }
    }

    /// From now on, reading has to be over by then, or in a moment.
    pub fn read_until(&mut self, deadline: Instant) {
        self.deadline = deadline.max(Instant::now() + LEAST_WAIT);
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left.max(LEAST_WAIT)))?;
        self.stream.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        })
    }
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
