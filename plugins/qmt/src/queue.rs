//! Frames between the connection and the source: bounded, so that a slow pipeline slows the bridge.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Most frames that wait.
const MOST_FRAMES: usize = 16;
/// Most bytes that wait, unless one frame alone has more.
const MOST_BYTES: usize = 64 << 20;

/// A batch frame as it came, checksum verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Identity of the spool that numbered it.
    pub spool: u64,
    /// Its number there.
    pub sequence: u64,
    /// Head and columns.
    pub body: Vec<u8>,
}

/// Arrivals in order.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    arrivals: VecDeque<Arrival>,
    bytes: usize,
}

impl Waiting {
    fn has_room(&self, bytes: usize) -> bool {
        self.arrivals.is_empty()
            || (self.arrivals.len() < MOST_FRAMES && self.bytes + bytes <= MOST_BYTES)
    }
}

impl Queue {
    /// Waits at most so long for room; gives the arrival back when there is none.
    pub fn push(&self, arrival: Arrival, wait: Duration) -> Result<(), Arrival> {
        let size = arrival.body.len();
        let full = |waiting: &mut Waiting| !waiting.has_room(size);
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(self.lock(), wait, full)
            .unwrap_or_else(PoisonError::into_inner);
        if !waiting.has_room(size) {
            return Err(arrival);
        }
        waiting.bytes += size;
        waiting.arrivals.push_back(arrival);
        self.changed.notify_all();
        Ok(())
    }

    /// The oldest arrival, waiting until then for one.
    pub fn pop(&self, deadline: Instant) -> Option<Arrival> {
        let wait = deadline.saturating_duration_since(Instant::now());
        let empty = |waiting: &mut Waiting| waiting.arrivals.is_empty();
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(self.lock(), wait, empty)
            .unwrap_or_else(PoisonError::into_inner);
        let arrival = waiting.arrivals.pop_front()?;
        waiting.bytes -= arrival.body.len();
        self.changed.notify_all();
        Some(arrival)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
