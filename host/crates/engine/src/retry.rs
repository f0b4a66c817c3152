//! Pauses between attempts.

use std::time::Duration;

use rand::RngExt;

/// Pauses that double from a first to a longest one, each shortened at random by up to a half so
/// that many clients do not return to a server at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    attempts: u32,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, attempts: 0 }
    }

    /// Pauses handed out since the last reset.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        let full = self.first.saturating_mul(1 << self.attempts.min(20)).min(self.longest);
        self.attempts = self.attempts.saturating_add(1);
        full.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// Starts anew after a success.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_with_jitter() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
        for full in [100, 200, 350, 350] {
            let pause = backoff.next_pause().as_millis();
            assert!((full / 2..=full).contains(&pause), "{pause} of {full}");
        }
        assert_eq!(backoff.attempts(), 4);
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_millis(100));
    }
}
