//! How much of the processors' time the observer may use.

use std::time::{Duration, Instant};

/// What a record is believed to take before any was measured, nanoseconds.
const FIRST_RECORD_NS: i64 = 500;

/// A share of the processors' time, with what was not used lately on top.
#[derive(Debug)]
pub struct Budget {
    /// Nanoseconds that a second adds.
    per_second_ns: i64,
    /// Most that is kept for a burst.
    burst_ns: i64,
    /// What is left; below zero while more was used than there was.
    left_ns: i64,
    refilled_at: Instant,
    /// What a record took lately.
    record_ns: i64,
}

impl Budget {
    /// A full budget that gets so much in each second.
    pub fn new(per_second: Duration, burst: Duration, now: Instant) -> Self {
        let burst_ns = nanos(burst);
        Self {
            per_second_ns: nanos(per_second),
            burst_ns,
            left_ns: burst_ns,
            refilled_at: now,
            record_ns: FIRST_RECORD_NS,
        }
    }

    /// Adds what the time since the last call gives.
    pub fn refill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.refilled_at).as_micros();
        let since_us = i64::try_from(since).unwrap_or(i64::MAX);
        let gained_ns = since_us.saturating_mul(self.per_second_ns) / 1_000_000;
        self.left_ns = self.left_ns.saturating_add(gained_ns).min(self.burst_ns);
        self.refilled_at = now;
    }

    /// How many records may be looked at.
    pub fn records(&self) -> u64 {
        u64::try_from(self.left_ns / self.record_ns).unwrap_or(0)
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left_ns <= 0
    }

    /// Takes off what was used for so many records.
    pub fn spend(&mut self, took: Duration, records: u64) {
        let took_ns = nanos(took);
        // so that after a second there is something again, whatever it took
        self.left_ns = self.left_ns.saturating_sub(took_ns).max(-self.per_second_ns);
        if let Ok(records @ 1..) = i64::try_from(records) {
            self.record_ns = ((self.record_ns * 7 + took_ns / records) / 8).max(1);
        }
    }
}

fn nanos(time: Duration) -> i64 {
    // far below what overflows when it is multiplied with a time in microseconds or weighed
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX).min(1_000_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_second_gives_its_share_and_no_more_than_a_burst_is_kept() {
        let start = Instant::now();
        let mut budget = Budget::new(10 * MILLISECOND, 20 * MILLISECOND, start);
        budget.spend(20 * MILLISECOND, 0);
        assert!(budget.is_spent());
        budget.refill(start + 100 * MILLISECOND);
        assert_eq!((budget.left_ns, budget.is_spent()), (1_000_000, false));
        budget.refill(start + Duration::from_secs(1_000_000));
        assert_eq!(budget.left_ns, 20_000_000);
    }

    #[test]
    fn what_was_overdrawn_is_paid_back_before_anything_is_looked_at() {
        let start = Instant::now();
        let mut budget = Budget::new(10 * MILLISECOND, 20 * MILLISECOND, start);
        budget.spend(40 * MILLISECOND, 1_000);
        budget.refill(start + Duration::from_secs(1));
        assert_eq!((budget.records(), budget.is_spent()), (0, true));
        budget.refill(start + Duration::from_secs(2));
        assert!(budget.records() > 0);
    }

    #[test]
    fn slow_records_are_allowed_in_smaller_numbers() {
        let start = Instant::now();
        let mut budget = Budget::new(10 * MILLISECOND, 20 * MILLISECOND, start);
        let before = budget.records();
        for turn in 1..50 {
            budget.spend(MILLISECOND, 100);
            budget.refill(start + turn * Duration::from_secs(1));
        }
        let after = budget.records();
        assert!(after < before / 10 && after > 0, "{before} before, {after} after");
    }
}
