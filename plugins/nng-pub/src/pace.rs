//! Rate limit of one subscriber.
//!
//! A subscriber of NNG keeps 128 messages by default, 8192 at most, and drops the rest without
//! notice. Rounds of a live market stay far below that; a replay at full speed does not, and would
//! lose delivered messages in the reader. So bursts are limited: few at once, then an even rate.

use std::time::{Duration, Instant};

/// Messages that may leave at once: a few less than a subscriber keeps by default.
const BURST: f64 = 100.0;

/// Spreads messages over time.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Messages a second; infinite when nothing is to be spread.
    rate: f64,
    /// Messages that may leave now.
    due: f64,
    since: Option<Instant>,
}

impl Pace {
    /// At most so many messages a second; 0 for as many as there are.
    pub fn new(messages_per_second: u32) -> Self {
        let rate =
            if messages_per_second == 0 { f64::INFINITY } else { messages_per_second.into() };
        Self { rate, due: BURST, since: None }
    }

    /// Messages that may leave now, or how long to wait for the first.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to BURST
    pub fn due(&mut self, now: Instant) -> Result<usize, Duration> {
        if self.rate.is_infinite() {
            return Ok(usize::MAX);
        }
        let elapsed = self.since.map_or(0.0, |since| now.duration_since(since).as_secs_f64());
        self.due = (self.due + elapsed * self.rate).min(BURST);
        self.since = Some(now);
        if self.due >= 1.0 {
            return Ok(self.due as usize);
        }
        Err(Duration::from_secs_f64((1.0 - self.due) / self.rate))
    }

    /// Counts so many messages as sent.
    pub fn left(&mut self, messages: usize) {
        #[allow(clippy::cast_precision_loss)]
        let messages = messages as f64;
        self.due -= messages;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_evenly() {
        let mut pace = Pace::new(1_000);
        let mut now = Instant::now();
        assert_eq!(pace.due(now), Ok(100));
        pace.left(100);
        let wait = pace.due(now).unwrap_err();
        assert!(wait <= Duration::from_millis(1), "{wait:?}");
        now += Duration::from_millis(10);
        assert_eq!(pace.due(now), Ok(10));
        pace.left(10);
        now += Duration::from_secs(60);
        assert_eq!(pace.due(now), Ok(100), "idle time does not add up to a larger burst");
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        let mut pace = Pace::new(0);
        pace.left(1_000_000);
        assert_eq!(pace.due(Instant::now()), Ok(usize::MAX));
    }
}
