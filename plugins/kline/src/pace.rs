//! When the next request may go out, and waiting that ends when the source does.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use plugin_api::Context;

/// Longest time in which the end of the source goes unnoticed.
const LOOK: Duration = Duration::from_millis(20);

/// Spreads requests of several threads over time.
pub struct Pace {
    gap: Duration,
    next: Mutex<Instant>,
    context: Context,
    is_stopped: AtomicBool,
}

impl Pace {
    /// So many requests a second at most.
    pub fn new(rate: u32, context: Context) -> Self {
        Self {
            gap: Duration::from_secs(1) / rate.max(1),
            next: Mutex::new(Instant::now()),
            context,
            is_stopped: AtomicBool::new(false),
        }
    }

    /// Ends all waiting.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the source is to end.
    pub fn is_stopping(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed) || self.context.is_stopping()
    }

    /// Waits for the turn of a request; false when the source is to end.
    pub fn turn(&self) -> bool {
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (*next).max(Instant::now());
            *next = at + self.gap;
            at
        };
        self.wait_until(at)
    }

    /// Waits so long; false when the source is to end.
    pub fn wait(&self, time: Duration) -> bool {
        self.wait_until(Instant::now() + time)
    }

    fn wait_until(&self, at: Instant) -> bool {
        loop {
            if self.is_stopping() {
                return false;
            }
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::park_timeout(left.min(LOOK));
        }
    }
}
