//! Stderr, without ever waiting for who reads it.
//!
//! In a notebook it is a pipe that a thread of Python empties, which needs the lock that the caller of
//! `start` and `stop` holds: whoever waited for room in it would wait for ever. The log's file keeps
//! what is left out here.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes that a pipe takes at once when it takes any.
const PART: usize = 4_096;

/// Writes what there is room for.
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        for part in bytes.chunks(PART) {
            let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
            let has_room =
                poll(&mut ready, Some(&Timespec::default())).is_ok_and(|count| count > 0);
            if !has_room {
                break;
            }
            stderr.lock().write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
