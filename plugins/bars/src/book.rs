//! All securities, and which of their bars are to be sent on.

use std::collections::HashMap;

use plugin_api::{
    BarRecord, Batch, Symbol, encode_bars,
    schemas::{
        stray::{Feed, Stamp, Verdict},
        time::{DAY_US, ExchangeTime},
    },
};

use crate::{
    bar::Bar,
    options::Settings,
    origin::Origins,
    period::Period,
    security::{Effects, Quote, Security},
};

/// What was left out of a batch of quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Without a time, or from the future.
    pub bad_time: u64,
    /// Of securities for which there is no room.
    pub no_room: u64,
    /// Outside of sessions, which is no fault.
    pub outside: u64,
    /// Bars for which a quote came too late.
    pub late: u64,
    /// With a time that those around them refute.
    pub strays: u64,
}

/// A bar that is to be sent on.
#[derive(Debug, Clone, Copy)]
struct ChangedBar {
    security: usize,
    period: usize,
    bar: Bar,
}

/// Every security that was seen.
#[derive(Debug)]
pub struct Book {
    pub settings: Settings,
    by_symbol: HashMap<Box<str>, usize>,
    pub securities: Vec<Security>,
    /// The time of the market, and quotes whose time is in doubt.
    pub feed: Feed<usize, Quote>,
    /// The sources of quotes.
    pub origins: Origins,
    /// When the next open bar can change no more.
    next_due_us: i64,
    key: String,
    effects: Effects,
    made: Vec<ChangedBar>,
    dirty: Vec<(usize, usize)>,
}

impl Book {
    /// An empty book.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            by_symbol: HashMap::new(),
            securities: Vec::new(),
            feed: Feed::default(),
            origins: Origins::default(),
            next_due_us: i64::MAX,
            key: String::new(),
            effects: Effects::default(),
            made: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// Puts a security of an earlier run in, unless there is no room.
    pub fn restore(&mut self, security: Security) {
        if self.securities.len() < self.settings.max_symbols {
            let open = security.bars.iter().flatten().filter(|bar| !bar.is_closed);
            let due_us = open.map(|bar| bar.slot.due_us).min().unwrap_or(i64::MAX);
            self.next_due_us = self.next_due_us.min(due_us);
            self.place(&security.market, &security.code);
            self.by_symbol.insert(self.key.as_str().into(), self.securities.len());
            self.securities.push(security);
        }
    }

    /// Takes the quotes of a batch at that moment of the clock; returns what was left out.
    pub fn take(&mut self, batch: &Batch, now_us: i64) -> Skipped {
        let mut skipped = Skipped::default();
        let received_us = match batch.provenance().received_at_us {
            0 => now_us,
            received_us => received_us,
        };
        for spot in batch.spots().iter() {
            let time_us = spot.time_us();
            if time_us == 0 || time_us > now_us.saturating_add(DAY_US) {
                skipped.bad_time += 1;
                continue;
            }
            let moment = ExchangeTime::from_utc_us(time_us);
            let hours = self.settings.hours_of(spot.market());
            let is_day = !(self.settings.ignore_weekend && is_weekend(moment.day));
            let counts = is_day && hours.counts(moment.of_day_us);
            skipped.outside += u64::from(!counts);
            let source = match spot.source() {
                "" => batch.provenance().source(),
                source => source,
            };
            let origin = self.origins.of(source);
            let quote = Quote::new(&spot, origin, time_us, moment, counts);
            let Some(index) = self.find(spot.market(), spot.code(), counts) else {
                skipped.no_room += u64::from(counts);
                self.observe_time(time_us, received_us, &mut skipped);
                continue;
            };
            self.weigh(index, quote, received_us, &mut skipped);
        }
        self.feed.settle();
        self.enter_released(&mut skipped);
        skipped
    }

    /// Takes the quotes in that nothing refuted, for a feed of which nothing more is expected.
    pub fn end(&mut self) -> Skipped {
        let mut skipped = Skipped::default();
        self.feed.end();
        self.enter_released(&mut skipped);
        skipped
    }

    /// Takes a quote in, or has it wait until others confirm its time.
    fn weigh(&mut self, index: usize, quote: Quote, received_us: i64, skipped: &mut Skipped) {
        let latest_us = self.securities[index].latest_us;
        let stamp = Stamp {
            time_us: quote.time_us,
            received_us,
            latest_us: (latest_us > i64::MIN).then_some(latest_us),
            counts: quote.counts,
        };
        match self.feed.judge(&index, &stamp) {
            Verdict::Believed => {
                self.enter_released(skipped);
                self.enter(index, &quote, skipped);
            }
            verdict @ (Verdict::Ahead | Verdict::Behind) => {
                self.feed.hold(index, stamp, verdict, quote);
            }
            Verdict::Stray => {} // outside of the sessions it enters no bar anyway
        }
    }

    /// Uses the time of a quote whose security has no place.
    fn observe_time(&mut self, time_us: i64, received_us: i64, skipped: &mut Skipped) {
        let stamp = Stamp { time_us, received_us, latest_us: None, counts: false };
        if self.feed.judge(&usize::MAX, &stamp) == Verdict::Believed {
            self.enter_released(skipped);
        }
    }

    fn enter_released(&mut self, skipped: &mut Skipped) {
        for held in self.feed.released() {
            self.enter(held.key, &held.quote, skipped);
        }
        skipped.strays += self.feed.take_strays();
    }

    fn enter(&mut self, index: usize, quote: &Quote, skipped: &mut Skipped) {
        let security = &mut self.securities[index];
        let hours = self.settings.hours_of(&security.market);
        let effects = &mut self.effects;
        security.take(quote, &self.settings.periods, hours, effects);
        skipped.late += std::mem::take(&mut effects.late);
        for (period, bar) in effects.closed.drain(..) {
            self.made.push(ChangedBar { security: index, period, bar });
        }
        for period in effects.dirty.drain(..) {
            self.dirty.push((index, period));
            if let Some(bar) = &security.bars[period] {
                self.next_due_us = self.next_due_us.min(bar.slot.due_us);
            }
        }
    }

    /// The security, if it is known, or has to be and there is room.
    fn find(&mut self, market: &str, code: &str, has_to_be: bool) -> Option<usize> {
        self.place(market, code);
        if let Some(index) = self.by_symbol.get(self.key.as_str()) {
            return Some(*index);
        }
        if !has_to_be || self.securities.len() == self.settings.max_symbols {
            return None;
        }
        let index = self.securities.len();
        self.by_symbol.insert(self.key.as_str().into(), index);
        self.securities.push(Security::new(market, code, self.settings.periods.len()));
        Some(index)
    }

    fn place(&mut self, market: &str, code: &str) {
        self.key.clear();
        self.key.push_str(market);
        self.key.push('.');
        self.key.push_str(code);
    }

    /// Time of the newest believed quote of all, microseconds since 1970 UTC.
    pub fn newest_us(&self) -> i64 {
        self.feed.newest_us().unwrap_or(i64::MIN)
    }

    /// Closes what can change no more at that moment.
    pub fn close_until(&mut self, at_us: i64) {
        if at_us >= self.next_due_us {
            self.next_due_us = self.close_if(|bar| bar.slot.due_us <= at_us);
        }
    }

    /// Closes the bars whose trading had ended when the newest quote was made, for a feed that goes
    /// on no more.
    pub fn close_ended(&mut self) {
        let newest_us = self.newest_us();
        self.next_due_us = self.close_if(|bar| bar.slot.end_us <= newest_us);
    }

    fn close_if(&mut self, is_over: impl Fn(&Bar) -> bool) -> i64 {
        let mut next_due_us = i64::MAX;
        for (index, security) in self.securities.iter_mut().enumerate() {
            let due_us = security.close_if(&is_over, &mut self.effects.closed);
            next_due_us = next_due_us.min(due_us);
            for (period, bar) in self.effects.closed.drain(..) {
                self.made.push(ChangedBar { security: index, period, bar });
            }
        }
        next_due_us
    }

    /// Makes all open bars known once more.
    pub fn show_open(&mut self) {
        for (index, security) in self.securities.iter_mut().enumerate() {
            for (period, bar) in security.bars.iter_mut().enumerate() {
                if let Some(bar) = bar.as_mut().filter(|bar| !bar.is_closed) {
                    bar.is_dirty = true;
                    self.dirty.push((index, period));
                }
            }
        }
    }

    /// The bars that changed since the last call, as a list: complete ones first,
    /// then those that changed, as they are now; open ones only if `with_open`.
    pub fn drain(&mut self, with_open: bool) -> Option<Vec<u8>> {
        for (index, period) in self.dirty.drain(..) {
            let bar = self.securities[index].bars[period].as_mut();
            let Some(bar) = bar.filter(|bar| bar.is_dirty) else { continue };
            bar.is_dirty = false;
            if with_open || bar.is_closed {
                self.made.push(ChangedBar { security: index, period, bar: *bar });
            }
        }
        if self.made.is_empty() {
            return None;
        }
        self.origins.name(self.made.iter().map(|made| made.bar.origin));
        let (securities, periods, origins) =
            (&self.securities, &self.settings.periods, &self.origins);
        let records = self.made.iter().map(|made| {
            record(&securities[made.security], periods, made, origins.text(made.bar.origin))
        });
        let bytes = encode_bars(records);
        self.made.clear();
        Some(bytes)
    }
}

fn record<'a>(
    security: &'a Security,
    periods: &[Period],
    made: &ChangedBar,
    source: &'a str,
) -> BarRecord<'a> {
    let (period, bar) = (periods[made.period], &made.bar);
    BarRecord {
        symbol: Symbol { market: &security.market, code: &security.code },
        period: period.as_str(),
        time_us: bar.slot.time_us,
        open: bar.prices.open,
        high: bar.prices.high,
        low: bar.prices.low,
        close: bar.prices.close,
        amount_cny: bar.amount(period),
        volume_shares: bar.volume(period),
        closed: bar.is_closed,
        quality_score: bar.quality_score,
        source,
    }
}

/// Whether a day, counted from 1970-01-01, which was a Thursday, is a Saturday or Sunday.
fn is_weekend(day: i64) -> bool {
    (day + 3).rem_euclid(7) >= 5
}
