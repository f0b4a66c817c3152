//! Which securities a subscriber was given: sets of numbers that messages carry along.
//!
//! To look at each record costs more than to send it. A market's pace is looked at in full; of a
//! replay at full speed as much as makes no difference, as the rounds of a feed repeat their
//! securities.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use plugin_api::Batch;

/// Most securities that are told apart.
const MAX_SECURITIES: usize = 1 << 16;
/// Records that are looked at within a second.
const MAX_RECORDS: u32 = 50_000;
const SECOND: Duration = Duration::from_secs(1);

/// Securities by their numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Set(Vec<u64>);

/// Numbers of the securities that were published.
#[derive(Debug, Default)]
pub struct Securities {
    hasher: RandomState,
    /// By the hash of exchange and code.
    numbers: HashMap<u64, usize>,
    second: Option<Instant>,
    looked_at: u32,
}

impl Securities {
    /// The securities of a batch of quotes; `None` when enough was looked at in this second.
    pub fn of(&mut self, batch: &Batch, now: Instant) -> Option<Arc<Set>> {
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= SECOND) {
            (self.second, self.looked_at) = (Some(now), 0);
        }
        if self.looked_at >= MAX_RECORDS {
            return None;
        }
        self.looked_at = self.looked_at.saturating_add(batch.records());
        let mut set = Set::default();
        for spot in batch.spots().iter() {
            let hash = self.hasher.hash_one((spot.market(), spot.code()));
            let next = self.numbers.len();
            if next < MAX_SECURITIES || self.numbers.contains_key(&hash) {
                set.insert(*self.numbers.entry(hash).or_insert(next));
            }
        }
        Some(Arc::new(set))
    }
}

impl Set {
    /// Adds those of another set.
    pub fn add(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }

    /// How many they are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    fn insert(&mut self, number: usize) {
        let place = number / 64;
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] |= 1 << (number % 64);
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    #[test]
    fn each_security_counts_once_however_often_it_comes() {
        let (mut securities, mut all, now) =
            (Securities::default(), Set::default(), Instant::now());
        for records in [3, 200, 3, 200] {
            all.add(&securities.of(&spot_batch(records, Round::WHOLE), now).unwrap());
        }
        assert_eq!(all.count(), 200);
        let some = securities.of(&spot_batch(7, Round::WHOLE), now).unwrap();
        assert_eq!(some.count(), 7);
    }

    #[test]
    fn what_is_looked_at_in_a_second_is_bounded() {
        let (mut securities, now) = (Securities::default(), Instant::now());
        let batch = spot_batch(500, Round::WHOLE);
        let seen = (0..1_000).filter(|_| securities.of(&batch, now).is_some()).count();
        assert_eq!(seen, usize::try_from(MAX_RECORDS).unwrap() / 500);
        assert!(securities.of(&batch, now + SECOND).is_some());
    }
}
