//! Bars of the stretches in which nothing was traded.
//!
//! A bar is made of quotes; where none came, a chart has a hole, or a flat bar at the price before.
//! The flat ones are made once the time of a stretch is over, and where a later quote shows a gap.
//! What nobody watched is not filled when something was traded meanwhile: its bars are not known.

use plugin_api::schemas::time::ExchangeTime;

use crate::{
    bar::Bar,
    hours::Hours,
    options::Rules,
    period::{Slot, midnight_us},
    security::Quote,
    security::fill::Fill,
    security::row::Row,
};

/// How one security is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Watch {
    /// How the stretches of the day are filled.
    pub fill: Fill,
    /// Nobody watched between the last bar and the next quote.
    pub is_hole: bool,
}

impl Watch {
    /// Nothing was seen.
    pub fn new() -> Self {
        Self { fill: Fill::behind(i64::MIN), is_hole: true }
    }

    /// Takes a quote before it enters a bar; `row` is what was traded until then, and all quotes are
    /// watched since `started_us`, microseconds since 1970 UTC.
    pub fn note(&mut self, quote: &Quote, row: &Row, started_us: i64) {
        let day = quote.moment.day;
        if day > self.fill.day {
            let price = if quote.pre_close.is_finite() { quote.pre_close } else { 0.0 };
            let fill = Fill { price, origin: quote.origin, ..Fill::behind(day) };
            *self = Self { fill, is_hole: true };
        }
        if day == self.fill.day && std::mem::take(&mut self.is_hole) {
            let has_price = row.last_price(day).is_some();
            let known = if row.day == day { row.totals.volume } else { 0 };
            if quote.totals.volume > known {
                let watched_us = if has_price { started_us } else { quote.time_us };
                self.fill.from_us = watched_us.min(quote.time_us);
            }
        }
    }

    /// Takes the price of the auction from a quote that comes before the first session.
    pub fn note_auction(&mut self, quote: &Quote, hours: &Hours) {
        let Quote { moment, of_day, totals, .. } = quote;
        let is_early = hours.open_of_day().is_some_and(|open_us| moment.of_day_us < open_us);
        let is_traded = totals.volume > 0 && of_day.close > 0.0 && of_day.close.is_finite();
        if is_early && is_traded && moment.day == self.fill.day {
            (self.fill.price, self.fill.origin) = (of_day.close, quote.origin);
        }
    }
}

impl Row {
    /// Fills the stretches of a period after its last bar as far as they are wanted; returns when
    /// the next one can change no more.
    pub fn fill(
        &mut self,
        place: usize,
        fill: &Fill,
        rules: &Rules<'_>,
        is_wanted: impl Fn(&Slot) -> bool,
        closed: &mut Vec<(usize, Bar)>,
    ) -> i64 {
        let period = rules.periods[place];
        let last = self.bars[place].filter(|bar| bar.day >= fill.day);
        let (price, origin) =
            last.map_or((fill.price, fill.origin), |bar| (bar.prices.close, bar.origin));
        let is_over = last.is_some_and(|bar| bar.day > fill.day);
        if !period.is_within_day() || is_over || price <= 0.0 {
            return i64::MAX;
        }
        let midnight_us = midnight_us(fill.day);
        let mut at_us = last.map_or(0, |bar| bar.slot.end_us - midnight_us);
        let base = self.base(place, period, fill.day);
        while let Some(of_day_us) = rules.hours.next_open(at_us) {
            let slot = period.slot(ExchangeTime { day: fill.day, of_day_us }, rules.hours);
            if !is_wanted(&slot) {
                return slot.due_us;
            }
            at_us = slot.end_us - midnight_us;
            if period.start_us(slot.time_us, rules.hours) >= fill.from_us {
                let bar = Bar::empty(slot, fill.day, (price, origin), base);
                let before = self.bars[place].replace(bar);
                // a late quote changed it since it was closed
                if let Some(before) = before.filter(|bar| !bar.is_closed || bar.is_dirty) {
                    closed.push((place, Bar { is_closed: true, is_dirty: false, ..before }));
                }
                closed.push((place, bar));
            }
        }
        i64::MAX
    }

    /// The same for every period.
    pub fn fill_all(
        &mut self,
        fill: &Fill,
        rules: &Rules<'_>,
        is_wanted: impl Fn(&Slot) -> bool,
        closed: &mut Vec<(usize, Bar)>,
    ) -> i64 {
        let places = 0..rules.periods.len();
        places
            .map(|place| self.fill(place, fill, rules, &is_wanted, closed))
            .min()
            .unwrap_or(i64::MAX)
    }
}
