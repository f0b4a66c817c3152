//! Minutes of today that nobody saw: a source of history tells them.
//!
//! What history says of a minute enters the bars as quotes do, with the sum of all minutes up to it
//! for the day's totals. As long as no quote came, it enters the last bars themselves; afterwards those
//! that were there before the first quote, and the [`Seam`] corrects the bars that began with it.

use plugin_api::schemas::time::ExchangeTime;

use crate::{
    bar::{Prices, Totals},
    hours::{Hours, MINUTE_US, Part},
    options::Rules,
    origin::Origin,
    period::{Period, midnight_us},
    security::Security,
    security::empty::Watch,
    security::fill::Fill,
    security::minute::Minute,
    security::row::{Effects, Entry, Row},
    security::seam::Seam,
    shape::Auction,
};

/// What history told of one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taken {
    /// The day, counted from 1970-01-01.
    pub day: i64,
    /// End of the last minute, microseconds since 1970 UTC.
    pub last_us: i64,
    /// Traded before the last minute, and within it.
    pub before: Totals,
    pub last: Totals,
    /// Prices of the day so far.
    pub prices: Prices,
    /// It tells volumes without turnover.
    pub lacks_amounts: bool,
    /// The sources of the day so far.
    pub origin: Origin,
}

impl Default for Taken {
    fn default() -> Self {
        let (none, prices) = (Totals::default(), Prices::flat(0.0));
        let (day, last_us) = (i64::MIN, i64::MIN);
        let origin = Origin::default();
        Self { day, last_us, before: none, last: none, prices, lacks_amounts: false, origin }
    }
}

impl Taken {
    /// Traded since the day began.
    pub fn totals(&self) -> Totals {
        self.before.plus(self.last)
    }

    /// Adds a minute, or more of the last one; false when that is known.
    fn add(&mut self, minute: &Minute) -> bool {
        if minute.start.day > self.day {
            *self = Self { day: minute.start.day, ..Self::default() };
        }
        if minute.end_us < self.last_us
            || minute.end_us == self.last_us && minute.traded.volume <= self.last.volume
        {
            return false;
        }
        if minute.end_us > self.last_us {
            self.before = self.totals();
        }
        (self.last_us, self.last) = (minute.end_us, minute.traded);
        self.origin = self.origin.with(minute.origin);
        self.lacks_amounts |= minute.traded.volume > 0 && minute.traded.amount <= 0.0;
        let is_first = !self.prices.are_valid();
        self.prices = if is_first { minute.prices } else { self.prices.and_then(minute.prices) };
        true
    }
}

/// What history tells of one security, and where the quotes begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// Quotes count since the start.
    pub is_live: bool,
    /// Time of the newest quote before the start, microseconds since 1970 UTC.
    pub seen_us: i64,
    pub taken: Taken,
    /// The last minute that days follow from.
    pub assumed_us: i64,
    /// The bars on both sides of the first quote, as long as history may come.
    pub seam: Option<Seam>,
}

impl Default for Joint {
    fn default() -> Self {
        let (taken, never_us) = (Taken::default(), i64::MIN);
        Self { is_live: false, seen_us: never_us, taken, assumed_us: never_us, seam: None }
    }
}

impl Joint {
    /// After a restart, when nobody watched for a while: history may tell what comes after the last
    /// quote.
    pub fn reopen(&mut self, latest_us: i64) {
        // of what came before an earlier start it told nothing yet, and that is more
        if self.seam.as_ref().is_none_or(|seam| seam.day == self.taken.day) {
            (self.is_live, self.seen_us, self.seam) = (false, latest_us, None);
        }
    }

    /// Takes note of a quote before it enters the bars; all are watched since `started_us`,
    /// microseconds since 1970 UTC.
    pub fn meet(&mut self, entry: &Entry, started_us: i64, row: &Row, rules: &Rules<'_>) {
        let open_us = rules.hours.open_of_day().map(|us| us + midnight_us(entry.moment.day));
        let is_whole = open_us.is_some_and(|open_us| started_us <= open_us);
        if !std::mem::replace(&mut self.is_live, true) && !is_whole {
            self.seam = Some(Seam::new(entry, row, rules));
        }
        self.seam.take_if(|seam| seam.day < entry.moment.day);
    }

    /// Takes note of the bars that a quote has changed; returns whether they need the turnover that
    /// history did not tell.
    pub fn follow(&mut self, row: &Row, rules: &Rules<'_>) -> bool {
        let is_first = self.seam.as_mut().is_some_and(|seam| seam.follow(row, rules));
        is_first && self.taken.lacks_amounts
    }

    /// Whether quotes told all of a minute before the start.
    fn is_seen(&self, minute: &Minute, hours: &Hours) -> bool {
        if self.seen_us == i64::MIN {
            return false;
        }
        let seen = ExchangeTime::from_utc_us(self.seen_us);
        let seen_us = match hours.part(seen.of_day_us) {
            Some(_) => Period::Minute.slot(seen, hours).time_us,
            None => self.seen_us,
        };
        minute.end_us < seen_us
    }
}

impl Security {
    /// Takes a minute of history; returns whether it changes bars. [`stitch`](Self::stitch) comes
    /// after the last one.
    pub fn take_minute(
        &mut self,
        minute: &Minute,
        rules: &Rules<'_>,
        effects: &mut Effects,
    ) -> bool {
        let Some(joint) = &mut self.joint else { return false };
        if !joint.taken.add(minute) || joint.is_seen(minute, rules.hours) {
            return false;
        }
        let (totals, day) = (joint.taken.totals(), minute.start.day);
        let entry = Entry {
            moment: minute.start,
            minute: minute.prices,
            of_day: None,
            totals,
            quality_score: minute.quality_score,
            origin: minute.origin,
            is_assumed: self.watch.is_some() && minute.traded.volume == 0,
            fill: self.watch.map(|Watch { fill, .. }| {
                let is_same = fill.day == day;
                if is_same { Fill { from_us: i64::MIN, ..fill } } else { Fill::behind(day) }
            }),
        };
        match &mut joint.seam {
            Some(seam) if seam.takes(minute) => {
                let dirty = effects.dirty.len();
                seam.past.enter_minute(&entry, rules, effects);
                effects.dirty.truncate(dirty); // the last bars are those of the quotes
            }
            None if !joint.is_live => self.row.enter_minute(&entry, rules, effects),
            _ => return false,
        }
        true
    }

    /// Has days and longer follow from history, when no quote came to tell them.
    pub fn assume_day(&mut self, rules: &Rules<'_>, effects: &mut Effects) {
        let Some(joint) = self.joint.as_mut().filter(|joint| !joint.is_live) else { return };
        let Taken { day, last_us, prices, origin, .. } = joint.taken;
        let totals = joint.taken.totals();
        let is_known = std::mem::replace(&mut joint.assumed_us, last_us) == last_us;
        if is_known || !prices.are_valid() || self.row.day != day {
            return;
        }
        let entry = Entry {
            moment: ExchangeTime::from_utc_us(last_us - MINUTE_US),
            minute: Prices::flat(0.0),
            of_day: Some(prices),
            totals,
            quality_score: None,
            origin,
            is_assumed: true,
            fill: None,
        };
        self.row.enter(&entry, rules, effects);
    }
}

impl Row {
    fn enter_minute(&mut self, entry: &Entry, rules: &Rules<'_>, effects: &mut Effects) {
        match (rules.hours.part(entry.moment.of_day_us), rules.shape.auction) {
            (None, _) | (Some(Part::Auction), Auction::FirstBar) => {}
            (Some(Part::Auction), Auction::Drop) => self.trade(entry.moment.day, entry.totals),
            _ => self.enter(entry, rules, effects),
        }
    }
}
