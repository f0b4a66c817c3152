//! How long batches took, in all and within the last minute.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use hdrhistogram::{Counter, Histogram};

/// Latencies above count as this: a day.
pub(super) const MAX_US: u64 = 86_400_000_000;
/// So long one histogram of the last minute is filled.
const SLOT: Duration = Duration::from_secs(10);
/// Histograms of the last minute, the one that is being filled among them.
const SLOTS: u64 = 6;

/// Latencies of the last minute, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Half of the batches took no longer.
    pub p50_us: u64,
    /// 99 of 100 batches took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Latencies of one component, at fixed memory.
#[derive(Debug)]
pub(super) struct Latencies {
    all: Histogram<u64>,
    began: Instant,
    /// Latest of the last minute at the end, each with its number since `began`; made when they are
    /// needed, because only sinks have latencies.
    slots: VecDeque<(u64, Histogram<u32>)>,
}

impl Latencies {
    /// None so far.
    pub fn new(now: Instant) -> Self {
        Self { all: empty(), began: now, slots: VecDeque::new() }
    }

    /// Adds one, in microseconds.
    pub fn record(&mut self, latency_us: u64, now: Instant) {
        self.all.saturating_record(latency_us);
        let number = self.number(now);
        if self.slots.back().is_none_or(|(last, _)| *last < number) {
            self.begin(number);
        }
        if let Some((_, slot)) = self.slots.back_mut() {
            slot.saturating_record(latency_us);
        }
    }

    /// Below which that share of all batches stayed; `None` without a batch.
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        (!self.all.is_empty()).then(|| self.all.value_at_quantile(quantile))
    }

    /// Those of the last 50 to 60 seconds; `None` without a batch in that time.
    pub fn last_minute(&self, now: Instant) -> Option<Latency> {
        let number = self.number(now);
        let mut minute = empty::<u32>();
        for (_, slot) in self.slots.iter().filter(|(at, _)| at + SLOTS > number) {
            // all have the same bounds
            let _ = minute.add(slot);
        }
        (!minute.is_empty()).then(|| Latency {
            p50_us: minute.value_at_quantile(0.5),
            p99_us: minute.value_at_quantile(0.99),
            max_us: minute.max(),
        })
    }

    fn begin(&mut self, number: u64) {
        let is_over = |(at, _): &mut (u64, _)| *at + SLOTS <= number;
        let mut slot = self.slots.pop_front_if(is_over).map_or_else(empty, |(_, slot)| slot);
        while self.slots.pop_front_if(is_over).is_some() {}
        slot.reset();
        self.slots.push_back((number, slot));
    }

    fn number(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_secs() / SLOT.as_secs()
    }
}

fn empty<T: Counter>() -> Histogram<T> {
    Histogram::new_with_bounds(1, MAX_US, 2)
        .unwrap_or_else(|_| unreachable!("the bounds and digits are constants in range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(found: u64, wanted: u64) -> bool {
        found.abs_diff(wanted) <= wanted / 50
    }

    #[test]
    fn latencies_keep_their_size_from_microseconds_to_a_day() {
        let now = Instant::now();
        let mut latencies = Latencies::new(now);
        assert_eq!(latencies.quantile_us(0.5), None);
        for latency_us in [10, 100_000, 200_000, 90 * MAX_US] {
            latencies.record(latency_us, now);
        }
        for (quantile, wanted) in [(0.25, 10), (0.5, 100_000), (1.0, MAX_US)] {
            assert!(is_near(latencies.quantile_us(quantile).unwrap(), wanted), "{quantile}");
        }
    }

    #[test]
    fn the_last_minute_forgets_what_is_older_and_takes_no_more_room_after_hours() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut latencies = Latencies::new(start);
        assert_eq!(latencies.last_minute(start), None);
        latencies.record(5_000_000, start);
        for second in 1..=10_000 {
            latencies.record(1_000, at(second));
        }
        assert!(latencies.slots.len() <= 6, "{}", latencies.slots.len());
        let minute = latencies.last_minute(at(10_000)).unwrap();
        assert!(is_near(minute.p50_us, 1_000) && is_near(minute.max_us, 1_000), "{minute:?}");
        latencies.record(2_000_000, at(10_030));
        let minute = latencies.last_minute(at(10_030)).unwrap();
        assert!(is_near(minute.p50_us, 1_000) && is_near(minute.max_us, 2_000_000), "{minute:?}");
        assert_eq!(latencies.last_minute(at(10_100)), None);
        assert!(is_near(latencies.quantile_us(1.0).unwrap(), 5_000_000), "all are still there");
    }
}
