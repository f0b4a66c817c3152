//! Making room: the oldest days go, then the oldest quotes.

use std::sync::{Arc, atomic::Ordering};

use super::{Evicted, Oldest, StoreWriter};
use crate::{ktype::KType, store::Held};

/// Share of the bound that is free after room was made.
const FREED: usize = 20;

impl StoreWriter {
    /// Makes room if there is too much, and lets readers see the figures.
    pub fn settle(&mut self) -> Evicted {
        let mut evicted = Evicted::default();
        if self.bytes > self.full_at {
            evicted = self.make_room();
            self.store.figures.evicted.fetch_add(evicted.ticks, Ordering::Relaxed);
        }
        // where nothing can go, the next try waits until there is more again
        if self.bytes <= self.limits.bytes {
            self.full_at = self.limits.bytes;
        } else if self.bytes > self.full_at {
            self.full_at = self.bytes + self.bytes / FREED;
        }
        self.store.figures.set(self.ticks, self.bars, self.bytes);
        evicted
    }

    /// Forgets quotes and bars within a day of the days before that one.
    pub(super) fn evict_before(&mut self, oldest: i64) {
        self.forget(|held| {
            held.ticks.evict_before(oldest);
            let types = (0..KType::COUNT).filter_map(KType::by_index);
            for ktype in types.filter(|ktype| ktype.is_within_day()) {
                held.bars[ktype.index()].evict_before(oldest);
            }
        });
    }

    /// Has every security forget, and counts what is left.
    pub(super) fn forget(&mut self, forget: impl Fn(&mut Held)) {
        for known in self.securities.values() {
            let mut held = known.security.lock();
            let before = held.weight();
            forget(&mut held);
            let after = held.weight();
            self.bytes = self.bytes + after.bytes - before.bytes;
            self.ticks = self.ticks + after.ticks - before.ticks;
            self.bars = self.bars + after.bars - before.bars;
        }
    }

    /// Forgets until a part of the bound is free: the oldest days, then the oldest quotes of the
    /// last.
    fn make_room(&mut self) -> Evicted {
        let goal = self.limits.bytes - self.limits.bytes / FREED;
        let before = self.ticks;
        let mut from = None;
        while self.bytes > goal
            && let Some(oldest) = self.days.evict_oldest()
        {
            self.evict_before(oldest);
            from = Some(Oldest::Day(oldest));
        }
        if self.bytes > goal {
            from = self.evict_blocks(goal).map(Oldest::Tick).or(from);
        }
        Evicted { ticks: before - self.ticks, from, is_full: self.bytes > self.limits.bytes }
    }

    /// Forgets the oldest blocks of all securities; returns the time of the oldest that is left.
    fn evict_blocks(&mut self, goal: usize) -> Option<i64> {
        let mut oldest = Vec::new();
        let securities: Vec<_> =
            self.securities.values().map(|it| Arc::clone(&it.security)).collect();
        for security in &securities {
            let held = security.lock();
            // the newest block of each stays, so that every security keeps its last quotes
            let blocks = held.ticks.blocks();
            let old = &blocks[..blocks.len().saturating_sub(1)];
            oldest.extend(old.iter().map(|block| (block.first_us, security)));
        }
        oldest.sort_unstable_by_key(|(first_us, _)| *first_us);
        let mut left_from = None;
        for (first_us, security) in oldest {
            left_from = Some(first_us);
            if self.bytes <= goal {
                break;
            }
            let mut held = security.lock();
            let before = held.ticks.size();
            self.ticks -= held.ticks.evict_oldest_blocks();
            self.bytes = self.bytes + held.ticks.size() - before;
        }
        left_from
    }
}
