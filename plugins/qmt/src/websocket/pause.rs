//! When a server that was lost is connected again.

use std::time::{Duration, Instant};

/// Pause after the first connection that was of no use; doubled with every further one.
const FIRST: Duration = Duration::from_millis(250);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(30);
/// For how long quotes must have come before a server that was lost is connected at once.
const GOOD_SERVICE: Duration = Duration::from_secs(1);
/// Messages without a quote that a server may send within [`WINDOW`].
const MOST_USELESS: u32 = 2_000;
const WINDOW: Duration = Duration::from_secs(10);

/// The pause before the next connection.
#[derive(Debug, Default)]
pub struct Pause {
    length: Duration,
    until: Option<Instant>,
}

impl Pause {
    /// When it is over; `None` when it is.
    pub fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Takes note that a connection has ended that gave quotes, or none, for so long. One that comes
    /// back after good service is looked for at once.
    pub fn after(&mut self, was_useful: bool, lasted: Duration, now: Instant) {
        self.length = match was_useful && lasted > self.length.max(GOOD_SERVICE) {
            true => Duration::ZERO,
            false => (self.length * 2).clamp(FIRST, LONGEST),
        };
        self.until = (!self.length.is_zero()).then(|| now + self.length);
    }
}

/// Counts what a server sends for nothing.
#[derive(Debug)]
pub struct Useless {
    since: Instant,
    count: u32,
}

impl Useless {
    /// Of a connection that begins.
    pub fn new(now: Instant) -> Self {
        Self { since: now, count: 0 }
    }

    /// Counts a message without a quote; a fault when they are too many.
    ///
    /// # Errors
    /// What the server does, for people.
    pub fn count(&mut self, now: Instant) -> Result<(), String> {
        if now.duration_since(self.since) > WINDOW {
            *self = Self::new(now);
        }
        self.count += 1;
        if self.count <= MOST_USELESS {
            return Ok(());
        }
        Err(format!("it sent {} messages without a quote in {WINDOW:?}", self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_of_no_use_is_looked_for_more_and_more_rarely() {
        let now = Instant::now();
        let mut pause = Pause::default();
        assert_eq!(pause.until(now), None);
        let mut lengths = Vec::new();
        for _ in 0..9 {
            pause.after(false, Duration::from_secs(99), now);
            lengths.push((pause.until(now).unwrap() - now).as_millis());
        }
        assert_eq!(lengths, [250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        // a quote and the end at once are no good service either
        pause.after(true, Duration::from_secs(1), now);
        assert!(pause.until(now).is_some());
        pause.after(true, Duration::from_secs(31), now);
        assert_eq!(pause.until(now), None);
    }

    #[test]
    fn a_flood_is_told_from_signs_of_life() {
        let now = Instant::now();
        let mut useless = Useless::new(now);
        assert!((0..2_000).all(|_| useless.count(now).is_ok()));
        assert!(useless.count(now).unwrap_err().contains("2001 messages"));
        let mut useless = Useless::new(now);
        for second in 0..100_000 {
            assert!(useless.count(now + Duration::from_secs(second)).is_ok());
        }
    }
}
