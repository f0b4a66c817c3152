//! The writing side of the store.

mod bars;
mod quotes;
mod room;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use plugin_api::schemas::{
    stray::Feed,
    time::{DatetimeText, SECOND_US},
};

use super::{
    Bar, Bars, Block, Security, Store, Tick,
    days::{Days, Verdict},
    key_buffer, key_of,
};
use crate::ktype::KType;

/// Most securities; several times those that China's exchanges list.
const MOST_SECURITIES: usize = 65_536;
/// How far another clock may be ahead of this one. More would let one bad record of tomorrow put an
/// end to what is kept of today.
const AHEAD_US: i64 = 3_600 * SECOND_US;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Days with records, for quotes and for bars within a day.
    pub days: usize,
    /// Memory of all, bytes.
    pub bytes: usize,
    /// Whether quotes are kept at all.
    pub ticks: bool,
}

/// What became of the records of a batch, beyond those that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Without a time that can be read, or from the future.
    pub bad_time: u64,
    /// Of securities without a proper name, or for which there is no room.
    pub bad_symbol: u64,
    /// Bars of a period that Hikyuu does not have, or with numbers that are none.
    pub bad_bar: u64,
    /// Of days that are no longer kept.
    pub outdated: u64,
    /// Kept before, bit by bit the same.
    pub known: u64,
    /// With a time that those around them refute.
    pub strays: u64,
}

/// What was evicted because there was no more room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Evicted {
    /// Quotes.
    pub ticks: u64,
    /// What is left; `None` when nothing was evicted.
    pub from: Option<Oldest>,
    /// Nothing more can go, and the bound is not kept.
    pub is_full: bool,
}

/// The oldest that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oldest {
    /// A whole day, counted from 1970-01-01.
    Day(i64),
    /// Quotes from about that time, microseconds since 1970 UTC.
    Tick(i64),
}

/// Writes what readers find in a [`Store`].
#[derive(Debug)]
pub struct StoreWriter {
    store: Arc<Store>,
    /// The securities again, without a lock.
    securities: HashMap<Box<str>, Known>,
    limits: Limits,
    days: Days,
    /// The time of the market, and quotes whose time is in doubt: `None` for one that is kept.
    feed: Feed<Box<str>, Option<Tick>>,
    /// Room for the quote that is taken in.
    tick: Tick,
    datetime: DatetimeText,
    ticks: u64,
    bars: u64,
    bytes: usize,
    /// Room is made when there is more than so many bytes.
    full_at: usize,
}

/// A security as the writer knows it.
#[derive(Debug)]
struct Known {
    security: Arc<Security>,
    /// Time of its newest quote that is believed.
    latest_us: Option<i64>,
}

impl StoreWriter {
    /// Writes into an empty store.
    pub fn new(limits: Limits) -> Self {
        Self {
            store: Arc::default(),
            securities: HashMap::new(),
            limits,
            days: Days::new(limits.days),
            feed: Feed::default(),
            tick: Tick::default(),
            datetime: DatetimeText::default(),
            ticks: 0,
            bars: 0,
            bytes: 0,
            full_at: limits.bytes,
        }
    }

    /// What readers read.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    fn note_newest(&self, time_us: i64) {
        let newest_us = time_us.max(0).unsigned_abs();
        self.store.figures.newest_us.fetch_max(newest_us, Ordering::Relaxed);
    }

    /// Takes blocks and bars in that another writer held.
    pub(super) fn take_held(
        &mut self,
        key: &str,
        blocks: Vec<Block>,
        bars: Vec<(KType, Bar)>,
        now_us: i64,
        skipped: &mut Skipped,
    ) {
        for block in blocks {
            if !is_time(block.last_us, now_us) {
                skipped.bad_time += u64::from(block.ticks);
                continue;
            }
            if !self.limits.ticks || !self.is_kept_day(block.day) {
                skipped.outdated += u64::from(block.ticks);
                continue;
            }
            self.note_newest(block.last_us);
            let Some(security) = self.security("", key) else { continue };
            if let Some(known) = self.securities.get_mut(key) {
                known.latest_us = known.latest_us.max(Some(block.last_us));
            }
            let mut held = security.lock();
            let before = (held.ticks.size(), held.ticks.len());
            held.ticks.merge(block);
            self.bytes = self.bytes + held.ticks.size() - before.0;
            self.ticks += held.ticks.len() - before.1;
        }
        for (ktype, bar) in bars {
            self.put_bar(("", key), ktype, bar, now_us, skipped, Bars::merge);
        }
    }

    fn security(&mut self, market: &str, code: &str) -> Option<Arc<Security>> {
        let mut buffer = key_buffer();
        let key = key_of(market, code, &mut buffer)?;
        if let Some(known) = self.securities.get(key) {
            return Some(Arc::clone(&known.security));
        }
        if self.securities.len() == MOST_SECURITIES {
            return None;
        }
        let security = self.store.insert(key);
        self.bytes += size_of::<Security>();
        let known = Known { security: Arc::clone(&security), latest_us: None };
        self.securities.insert(key.into(), known);
        Some(security)
    }

    fn is_kept_day(&mut self, day: i64) -> bool {
        match self.days.see(day) {
            Verdict::Kept => true,
            Verdict::Outdated => false,
            Verdict::Begins(oldest) => {
                self.evict_before(oldest);
                true
            }
        }
    }

    /// Every security with what it holds, by name.
    pub(super) fn each_security(&self) -> impl Iterator<Item = (&str, &Arc<Security>)> {
        self.securities.iter().map(|(key, known)| (&**key, &known.security))
    }
}

/// Whether a record can have that time.
fn is_time(time_us: i64, now_us: i64) -> bool {
    time_us > 0 && time_us <= now_us.saturating_add(AHEAD_US)
}
