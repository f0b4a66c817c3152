//! The writing side of the store.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
};

use plugin_api::{
    BarRecord,
    schemas::{
        spot::SpotView,
        stray::{Feed, Stamp, Verdict as Time},
        time::{DatetimeText, SECOND_US},
        units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume},
    },
};

use super::{
    Bar, Bars, Block, Held, Security, Store, Tick,
    days::{Days, Verdict},
    key_buffer, key_of,
    ticks::{Kept, day_of},
};
use crate::ktype::KType;

/// Most securities; several times those that China's exchanges list.
const MOST_SECURITIES: usize = 65_536;
/// Share of the bound that is free after room was made.
const FREED: usize = 20;
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

    /// Takes a quote in that the host received at `received_us`; nothing comes from the future of
    /// `now_us`.
    ///
    /// A quote whose time is in doubt is kept like any other of a day that has begun. It begins no
    /// day and is not the newest before others confirm it, and what a live feed cannot have yet
    /// waits.
    pub fn take_spot(
        &mut self,
        spot: &SpotView<'_>,
        received_us: i64,
        now_us: i64,
        skipped: &mut Skipped,
    ) {
        if !self.limits.ticks {
            return;
        }
        let mut tick = std::mem::take(&mut self.tick);
        tick.set(spot, spot.time_us());
        self.weigh((spot.market(), spot.code()), &tick, received_us, now_us, skipped);
        self.tick = tick;
    }

    fn weigh(
        &mut self,
        (market, code): (&str, &str),
        tick: &Tick,
        received_us: i64,
        now_us: i64,
        skipped: &mut Skipped,
    ) {
        if !is_time(tick.time_us, now_us) {
            skipped.bad_time += 1;
            return;
        }
        let mut buffer = key_buffer();
        let Some(key) = key_of(market, code, &mut buffer) else {
            skipped.bad_symbol += 1;
            return;
        };
        let latest_us = self.securities.get(key).and_then(|it| it.latest_us);
        let stamp = Stamp { time_us: tick.time_us, received_us, latest_us, counts: true };
        let time = self.feed.judge(key, &stamp);
        if time == Time::Believed {
            self.store_released(skipped);
            self.store_believed(key, tick, skipped);
            return;
        }
        let day = day_of(tick.time_us);
        let is_impossible = self.feed.is_live() && stamp.is_early();
        let waits = is_impossible || !self.days.has_room_for(day);
        if !waits {
            self.days.doubt(day);
            self.store_tick(key, tick, skipped);
            if self.feed.newest_us().is_none() {
                self.note_newest(tick.time_us);
            }
        }
        self.feed.hold(key.into(), stamp, time, waits.then(|| tick.clone()));
    }

    /// Keeps the quotes that others have confirmed.
    fn store_released(&mut self, skipped: &mut Skipped) {
        for held in self.feed.released() {
            match held.quote {
                Some(tick) => self.store_believed(&held.key, &tick, skipped),
                None => self.believe(&held.key, held.stamp.time_us),
            }
        }
        skipped.strays += self.feed.take_strays();
    }

    fn store_believed(&mut self, key: &str, tick: &Tick, skipped: &mut Skipped) {
        self.begin(day_of(tick.time_us));
        self.store_tick(key, tick, skipped);
        self.believe(key, tick.time_us);
    }

    fn believe(&mut self, key: &str, time_us: i64) {
        self.begin(day_of(time_us));
        if let Some(known) = self.securities.get_mut(key) {
            known.latest_us = Some(time_us);
        }
    }

    /// Makes room for a day that is believed.
    fn begin(&mut self, day: i64) {
        let Some(refuted) = self.days.believe(day) else { return };
        self.forget(|held| held.ticks.evict_day(refuted));
    }

    /// Keeps a quote from a lake or a file, whose time is certain.
    pub fn take_tick(
        &mut self,
        market: &str,
        code: &str,
        tick: &Tick,
        now_us: i64,
        skipped: &mut Skipped,
    ) {
        if !is_time(tick.time_us, now_us) {
            skipped.bad_time += 1;
            return;
        }
        match key_of(market, code, &mut key_buffer()) {
            Some(key) => self.store_tick(key, tick, skipped),
            None => skipped.bad_symbol += 1,
        }
        self.note_newest(tick.time_us);
    }

    fn store_tick(&mut self, key: &str, tick: &Tick, skipped: &mut Skipped) {
        if !self.is_kept_day(day_of(tick.time_us)) {
            skipped.outdated += 1;
            return;
        }
        let Some(security) = self.security("", key) else {
            skipped.bad_symbol += 1;
            return;
        };
        let mut held = security.lock();
        let before = held.ticks.size();
        match held.ticks.insert(tick) {
            Kept::New => self.ticks += 1,
            Kept::Known => skipped.known += 1,
        }
        self.bytes = self.bytes + held.ticks.size() - before;
    }

    fn note_newest(&self, time_us: i64) {
        let newest_us = time_us.max(0).unsigned_abs();
        self.store.figures.newest_us.fetch_max(newest_us, Ordering::Relaxed);
    }

    /// Takes a bar in.
    pub fn take_bar(&mut self, bar: &BarRecord<'_>, now_us: i64, skipped: &mut Skipped) {
        self.convert_bar(bar, now_us, skipped, Bars::put);
    }

    /// Takes a bar from elsewhere in, unless a later state of it is here.
    pub fn merge_bar(&mut self, bar: &BarRecord<'_>, now_us: i64, skipped: &mut Skipped) {
        self.convert_bar(bar, now_us, skipped, Bars::merge);
    }

    fn convert_bar(
        &mut self,
        bar: &BarRecord<'_>,
        now_us: i64,
        skipped: &mut Skipped,
        put: fn(&mut Bars, Bar, &mut DatetimeText),
    ) {
        let Some(ktype) = KType::of_period(bar.period) else {
            skipped.bad_bar += 1;
            return;
        };
        let (market, code) = (bar.symbol.market, bar.symbol.code);
        let lots_per_unit = shares_per_wire_volume(market, code) / SHARES_PER_LOT;
        #[allow(clippy::cast_precision_loss)] // within 2^53 shares
        let shares = bar.volume_shares as f64 / lots_per_unit;
        let volume = if ktype.is_within_day() { shares } else { shares / SHARES_PER_LOT };
        let amount = bar.amount_cny / CNY_PER_WIRE_AMOUNT;
        let values = [bar.open, bar.high, bar.low, bar.close, amount, volume];
        let kept = Bar { time_us: bar.time_us, values };
        self.put_bar((market, code), ktype, kept, now_us, skipped, put);
    }

    fn put_bar(
        &mut self,
        (market, code): (&str, &str),
        ktype: KType,
        bar: Bar,
        now_us: i64,
        skipped: &mut Skipped,
        put: fn(&mut Bars, Bar, &mut DatetimeText),
    ) {
        if !bar.is_sound() {
            skipped.bad_bar += 1;
            return;
        }
        let day = if ktype.is_within_day() { bar.day() } else { day_of(bar.time_us) };
        let last_day = day_of(now_us.saturating_add(AHEAD_US)) + ktype.longest_wait();
        if bar.time_us <= 0 || day > last_day {
            skipped.bad_time += 1;
            return;
        }
        if ktype.is_within_day() && !self.is_kept_day(day) {
            skipped.outdated += 1;
            return;
        }
        let Some(security) = self.security(market, code) else {
            skipped.bad_symbol += 1;
            return;
        };
        let mut held = security.lock();
        let bars = &mut held.bars[ktype.index()];
        let before = (bars.size(), bars.len());
        put(bars, bar, &mut self.datetime);
        if !ktype.is_within_day() {
            bars.keep_newest();
        }
        self.bytes = self.bytes + bars.size() - before.0;
        self.bars = self.bars + bars.len() as u64 - before.1 as u64;
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

    /// After a batch: keeps the quotes whose times have confirmed each other.
    pub fn settle_times(&mut self, skipped: &mut Skipped) {
        self.feed.settle();
        self.store_released(skipped);
        if let Some(newest_us) = self.feed.newest_us() {
            let newest_us = newest_us.max(0).unsigned_abs();
            self.store.figures.newest_us.store(newest_us, Ordering::Relaxed);
        }
    }

    /// At the end, or when nothing has come for long: keeps the quotes whose times nothing refutes.
    pub fn end_times(&mut self, skipped: &mut Skipped) {
        self.feed.end();
        self.settle_times(skipped);
    }

    /// Whether there are quotes whose time is in doubt.
    pub fn is_in_doubt(&self) -> bool {
        !self.feed.held().is_empty()
    }

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

    /// Forgets quotes and bars within a day of the days before that one.
    fn evict_before(&mut self, oldest: i64) {
        self.forget(|held| {
            held.ticks.evict_before(oldest);
            let types = (0..KType::COUNT).filter_map(KType::by_index);
            for ktype in types.filter(|ktype| ktype.is_within_day()) {
                held.bars[ktype.index()].evict_before(oldest);
            }
        });
    }

    /// Has every security forget, and counts what is left.
    fn forget(&mut self, forget: impl Fn(&mut Held)) {
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

    /// Every security with what it holds, by name.
    pub(super) fn each_security(&self) -> impl Iterator<Item = (&str, &Arc<Security>)> {
        self.securities.iter().map(|(key, known)| (&**key, &known.security))
    }
}

/// Whether a record can have that time.
fn is_time(time_us: i64, now_us: i64) -> bool {
    time_us > 0 && time_us <= now_us.saturating_add(AHEAD_US)
}
