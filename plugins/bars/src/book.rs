//! All securities: quotes find theirs, and wait until their time is believed.

mod closing;

use std::collections::HashMap;

use plugin_api::{
    Batch,
    schemas::{
        stray::{Feed, Held, Stamp, Verdict},
        time::{DAY_US, ExchangeTime},
    },
};

use crate::{
    options::Settings,
    origin::Origins,
    period::Slot,
    securities::{Days, Securities},
    security::empty::Watch,
    security::row::Effects,
    security::{Quote, Security},
};
use closing::ChangedBar;

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

/// Every security that was seen.
#[derive(Debug)]
pub struct Book {
    pub settings: Settings,
    by_symbol: HashMap<Box<str>, usize>,
    pub securities: Securities,
    /// The time of the market, and quotes whose time is in doubt.
    pub feed: Feed<usize, Quote>,
    /// The sources of quotes and of history.
    pub origins: Origins,
    /// When the next open bar can change no more.
    pub next_due_us: i64,
    days: Days,
    /// Time of the first believed quote since the start, microseconds since 1970 UTC.
    started_us: Option<i64>,
    /// End of the newest minute that history told, microseconds since 1970 UTC.
    pub reach_us: i64,
    key: String,
    pub effects: Effects,
    /// Bars that are to be sent on: complete ones, and those that changed by their place.
    pub made: Vec<ChangedBar>,
    pub dirty: Vec<(usize, usize)>,
}

impl Book {
    /// An empty book.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            by_symbol: HashMap::new(),
            securities: Securities::default(),
            feed: Feed::default(),
            origins: Origins::default(),
            next_due_us: i64::MAX,
            days: Days::default(),
            started_us: None,
            reach_us: i64::MIN,
            key: String::new(),
            effects: Effects::default(),
            made: Vec::new(),
            dirty: Vec::new(),
        }
    }

    /// Puts a security of an earlier run in, unless there is no room.
    pub fn restore(&mut self, mut security: Security) {
        if self.securities.len() < self.settings.max_symbols {
            let (is_loaded, latest_us) = (security.is_loaded, security.latest_us);
            let is_new = security.joint.is_none();
            security = self.equipped(security);
            if let Some(watch) = &mut security.watch {
                watch.is_hole |= is_loaded;
            }
            if let Some(joint) = security.joint.as_mut().filter(|_| is_loaded || is_new) {
                joint.reopen(latest_us);
            }
            let open = security.row.bars.iter().flatten().filter(|bar| !bar.is_closed);
            let due_us = open.map(|bar| bar.slot.due_us).min().unwrap_or(i64::MAX);
            self.next_due_us = self.next_due_us.min(due_us);
            if security.watch.is_some() {
                self.next_due_us = i64::MIN; // what is to be filled next is not known yet
            }
            self.place(&security.market, &security.code);
            self.by_symbol.insert(self.key.as_str().into(), self.securities.len());
            self.securities.push(security);
        }
    }

    /// A security with what the settings ask for besides its bars.
    fn equipped(&self, security: Security) -> Security {
        let (watch, joint) = (security.watch, security.joint);
        Security {
            watch: self.settings.fills().then(|| watch.unwrap_or_else(Watch::new)),
            joint: self.settings.history.is_some().then(|| joint.unwrap_or_default()),
            ..security
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
            let hours = self.settings.hours_of(spot.market(), spot.code());
            let is_day = !(self.settings.ignore_weekend && is_weekend(moment.day));
            let counts = is_day && hours.part(moment.of_day_us).is_some();
            skipped.outside += u64::from(!counts);
            let source = match spot.source() {
                "" => batch.provenance().source(),
                source => source,
            };
            let origin = self.origins.of(source);
            let quote = Quote::new(&spot, origin, time_us, moment, is_day, counts);
            let is_watched = counts || is_day && self.settings.fills();
            let Some(index) = self.find(spot.market(), spot.code(), is_watched) else {
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
        if self.feed.is_live() && self.is_first_of_past_day(index, &quote) {
            return; // of a security that is suspended: its bars were made on that day
        }
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

    /// Whether a security was not seen before that quote, and the market is at a later day.
    fn is_first_of_past_day(&self, index: usize, quote: &Quote) -> bool {
        let is_past = |newest_us| quote.moment.day < ExchangeTime::from_utc_us(newest_us).day;
        self.securities[index].latest_us == i64::MIN && self.feed.newest_us().is_some_and(is_past)
    }

    /// Uses the time of a quote whose security has no place.
    fn observe_time(&mut self, time_us: i64, received_us: i64, skipped: &mut Skipped) {
        let stamp = Stamp { time_us, received_us, latest_us: None, counts: false };
        if self.feed.judge(&usize::MAX, &stamp) == Verdict::Believed {
            self.enter_released(skipped);
        }
    }

    fn enter_released(&mut self, skipped: &mut Skipped) {
        let released = self.feed.released();
        for Held { key, quote, .. } in &released {
            // a suspended security says the same again and again
            let mut own = released.iter().filter(|it| it.key == *key);
            let is_suspended = self.is_first_of_past_day(*key, quote)
                && (self.feed.is_live() || own.all(|it| it.quote.time_us == quote.time_us));
            if !is_suspended {
                self.enter(*key, quote, skipped);
            }
        }
        skipped.strays += self.feed.take_strays();
    }

    fn enter(&mut self, index: usize, quote: &Quote, skipped: &mut Skipped) {
        self.days.note(quote);
        let started_us = *self.started_us.get_or_insert(quote.time_us);
        let before_us = self.days.before_us;
        let (security, rules) = self.securities.of(index, &self.settings);
        let watched = security.watch;
        if let Some(watch) = watched.filter(|watch| watch.fill.day < quote.moment.day) {
            let is_over = |slot: &Slot| slot.end_us <= before_us;
            security.row.fill_all(&watch.fill, &rules, is_over, &mut self.effects.closed);
        }
        security.take(quote, started_us, &rules, &mut self.effects);
        if let Some(watch) = security.watch.filter(|watch| Some(watch) != watched.as_ref()) {
            let closed = &mut self.effects.closed;
            let due_us = security.row.fill_all(&watch.fill, &rules, |_| false, closed);
            self.next_due_us = self.next_due_us.min(due_us);
        }
        skipped.late += std::mem::take(&mut self.effects.late);
        self.collect(index);
    }

    /// Notes what was done to the bars of a security.
    pub fn collect(&mut self, index: usize) {
        for (period, bar) in self.effects.closed.drain(..) {
            self.made.push(ChangedBar { security: index, period, bar });
        }
        for period in self.effects.dirty.drain(..) {
            self.dirty.push((index, period));
            if let Some(bar) = &self.securities[index].row.bars[period] {
                self.next_due_us = self.next_due_us.min(bar.slot.due_us);
            }
        }
    }

    /// The security, if it is known, or has to be and there is room.
    pub fn find(&mut self, market: &str, code: &str, has_to_be: bool) -> Option<usize> {
        self.place(market, code);
        if let Some(index) = self.by_symbol.get(self.key.as_str()) {
            return Some(*index);
        }
        if !has_to_be || self.securities.len() == self.settings.max_symbols {
            return None;
        }
        let index = self.securities.len();
        self.by_symbol.insert(self.key.as_str().into(), index);
        let security = Security::new(market, code, self.settings.periods.len());
        let security = self.equipped(security);
        self.securities.push(security);
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
}

/// Whether a day, counted from 1970-01-01, which was a Thursday, is a Saturday or Sunday.
fn is_weekend(day: i64) -> bool {
    (day + 3).rem_euclid(7) >= 5
}
