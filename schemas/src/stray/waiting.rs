//! Quotes that wait for others to confirm them.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use super::Stamp;

/// A quote that waits for others to confirm it.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<K, Q> {
    /// Its security.
    pub key: K,
    /// What it is judged by.
    pub stamp: Stamp,
    /// Behind what is known, not ahead of it.
    pub is_behind: bool,
    /// The quote.
    pub quote: Q,
    /// Believed quotes since that say that the market is not there.
    pub(super) against: usize,
}

impl<K, Q> Held<K, Q> {
    /// A quote that waits from now on.
    pub fn new(key: K, stamp: Stamp, is_behind: bool, quote: Q) -> Self {
        Self { key, stamp, is_behind, quote, against: 0 }
    }

    /// Whether it lies ahead, and is newer than what is known of its security.
    pub(super) fn is_ahead(&self) -> bool {
        !self.is_behind && self.stamp.is_news()
    }
}

/// What becomes of a quote that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It waits on.
    Waits,
    /// It is believed.
    Released,
    /// It is a stray.
    Refuted,
}

/// The quotes that wait, in the order of arrival.
#[derive(Debug)]
pub struct Waiting<K, Q> {
    held: Vec<Held<K, Q>>,
    /// How many quotes [ahead](Held::is_ahead) each security has among them.
    ahead: HashMap<K, usize>,
}

impl<K, Q> Default for Waiting<K, Q> {
    fn default() -> Self {
        Self { held: Vec::new(), ahead: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash, Q> Waiting<K, Q> {
    /// All of them.
    pub fn held(&self) -> &[Held<K, Q>] {
        &self.held
    }

    /// How many quotes of that security wait that lie ahead.
    pub fn count_ahead<B>(&self, key: &B) -> usize
    where
        K: Borrow<B>,
        B: Eq + Hash + ?Sized,
    {
        self.ahead.get(key).copied().unwrap_or_default()
    }

    /// Adds a quote.
    pub fn add(&mut self, held: Held<K, Q>) {
        if held.is_ahead() {
            *self.ahead.entry(held.key.clone()).or_default() += 1;
        }
        self.held.push(held);
    }

    /// Asks for the fate of each quote, with its place. Adds what is released to `released`, and
    /// returns how many were refuted.
    pub fn sift(
        &mut self,
        released: &mut Vec<Held<K, Q>>,
        mut judge: impl FnMut(usize, &mut Held<K, Q>) -> Fate,
    ) -> u64 {
        let mut refuted = 0;
        for (at, mut held) in std::mem::take(&mut self.held).into_iter().enumerate() {
            let was_ahead = held.is_ahead();
            let fate = judge(at, &mut held);
            if was_ahead && (fate != Fate::Waits || !held.is_ahead()) {
                self.uncount(&held.key);
            }
            match fate {
                Fate::Waits => self.held.push(held),
                Fate::Released => released.push(held),
                Fate::Refuted => refuted += 1,
            }
        }
        refuted
    }

    fn uncount(&mut self, key: &K) {
        if let Some(count) = self.ahead.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.ahead.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_ahead_is_counted_as_if_all_were_looked_at() {
        let (mut waiting, mut released, mut refuted) = (Waiting::default(), Vec::new(), 0);
        for step in 0..2_000_u16 {
            let latest_us = (step % 3 == 0).then_some(10);
            let time_us = i64::from(step % 20);
            let stamp = Stamp { time_us, received_us: 0, latest_us, counts: true };
            waiting.add(Held::new(step % 7, stamp, step % 5 == 0, ()));
            refuted += waiting.sift(&mut released, |at, held| {
                let remainder = (usize::from(step) + at) % 11;
                held.is_behind |= remainder == 2;
                [Fate::Released, Fate::Refuted].get(remainder).copied().unwrap_or(Fate::Waits)
            });
            for key in 0..7 {
                let ahead = waiting.held().iter().filter(|it| it.is_ahead() && it.key == key);
                assert_eq!(waiting.count_ahead(&key), ahead.count(), "{key} after {step}");
            }
        }
        let all = waiting.held().len() as u64 + released.len() as u64 + refuted;
        assert!(all == 2_000 && refuted > 0 && !released.is_empty(), "{all}, {refuted}");
    }
}
