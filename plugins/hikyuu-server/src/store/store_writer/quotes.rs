//! Taking quotes in: those whose time is certain, and those that others have to confirm.

use std::sync::atomic::Ordering;

use plugin_api::schemas::{
    spot::SpotView,
    stray::{Stamp, Verdict},
};

use super::{Skipped, StoreWriter, is_time};
use crate::store::{
    Tick, key_buffer, key_of,
    ticks::{Kept, day_of},
};

impl StoreWriter {
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
        if time == Verdict::Believed {
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
}
