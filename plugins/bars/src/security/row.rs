//! The last bar of each period of one security, and what enters them.

use plugin_api::schemas::time::ExchangeTime;

use crate::{
    bar::{Bar, Contribution, Prices, Totals},
    options::Rules,
    origin::Origin,
    period::{Period, Slot},
    security::fill::Fill,
};

/// The last bars, and what was traded up to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Day of the last quote that counted, and what was traded up to then.
    pub day: i64,
    pub totals: Totals,
    /// Last bars, in the order of the settings' periods.
    pub bars: Vec<Option<Bar>>,
}

/// What a quote, or a minute of history, brings to the bars.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub moment: ExchangeTime,
    /// Prices for periods within a day.
    pub minute: Prices,
    /// Prices for days and longer; `None` leaves them as they are.
    pub of_day: Option<Prices>,
    /// What was traded since the day began.
    pub totals: Totals,
    pub quality_score: Option<f32>,
    /// Its source.
    pub origin: Origin,
    /// It is no quote, and a bar that it begins is taken over by the first one.
    pub is_assumed: bool,
    /// What becomes of the minutes before it of which nothing came; `None`: no bars.
    pub fill: Option<Fill>,
}

/// What a quote did to bars, by the place of their period.
#[derive(Debug, Default)]
pub struct Effects {
    /// Bars that are complete now, oldest first.
    pub closed: Vec<(usize, Bar)>,
    /// Bars that have changed.
    pub dirty: Vec<usize>,
    /// Bars that it came too late for.
    pub late: u64,
}

impl Row {
    /// No bar of so many periods.
    pub fn new(periods: usize) -> Self {
        Self { day: i64::MIN, totals: Totals::default(), bars: vec![None; periods] }
    }

    /// Enters what was traded up to a moment that counts.
    pub fn enter(&mut self, entry: &Entry, rules: &Rules<'_>, effects: &mut Effects) {
        for (place, &period) in rules.periods.iter().enumerate() {
            let prices = if period.is_within_day() { Some(entry.minute) } else { entry.of_day };
            if let Some(prices) = prices.filter(|prices| prices.are_valid()) {
                let contribution = Contribution {
                    slot: period.slot(entry.moment, rules.hours),
                    prices,
                    day: entry.moment.day,
                    totals: entry.totals,
                    quality_score: entry.quality_score,
                    origin: entry.origin,
                    is_assumed: entry.is_assumed,
                };
                self.contribute(place, &contribution, entry.fill.as_ref(), rules, effects);
            }
        }
        if entry.minute.are_valid() {
            self.trade(entry.moment.day, entry.totals);
        }
    }

    /// Notes what was traded on that day, without a bar.
    pub fn trade(&mut self, day: i64, totals: Totals) {
        if day >= self.day {
            (self.day, self.totals) = (day, totals);
        }
    }

    fn contribute(
        &mut self,
        place: usize,
        quote: &Contribution,
        fill: Option<&Fill>,
        rules: &Rules<'_>,
        effects: &mut Effects,
    ) {
        let period = rules.periods[place];
        match &mut self.bars[place] {
            Some(bar)
                if quote.slot.time_us < bar.slot.time_us
                    || (period.is_over_days() && quote.day < bar.day) =>
            {
                effects.late += 1;
                return;
            }
            Some(bar) if quote.slot.time_us == bar.slot.time_us => bar.merge(period, quote),
            last => {
                // a late quote changed it since it was closed, or changed hours left it open
                if let Some(bar) = last.as_mut().filter(|bar| !bar.is_closed || bar.is_dirty) {
                    (bar.is_closed, bar.is_dirty) = (true, false);
                    effects.closed.push((place, *bar));
                }
                if let Some(fill) = fill {
                    let is_before = |slot: &Slot| slot.time_us < quote.slot.time_us;
                    self.fill(place, fill, rules, is_before, &mut effects.closed);
                }
                let base = self.base(place, period, quote.day);
                self.bars[place] = Some(Bar::begin(quote, base));
            }
        }
        self.is_changed(place, effects);
    }

    /// Has a bar sent on, once.
    pub fn is_changed(&mut self, place: usize, effects: &mut Effects) {
        if let Some(bar) = &mut self.bars[place]
            && !bar.is_dirty
        {
            bar.is_dirty = true;
            effects.dirty.push(place);
        }
    }

    /// What was traded on that day before a new bar of the period.
    pub fn base(&self, place: usize, period: Period, day: i64) -> Totals {
        if !period.is_within_day() {
            return Totals::default();
        }
        match &self.bars[place] {
            Some(bar) if bar.day == day => bar.until,
            // of a period that was added within the day, or an auction that has no bar
            _ if self.day == day => self.totals,
            _ => Totals::default(),
        }
    }

    /// The last price of that day that a bar has.
    pub fn last_price(&self, day: i64) -> Option<f64> {
        let of_day = self.bars.iter().flatten().filter(|bar| bar.day == day);
        of_day.max_by_key(|bar| bar.slot.end_us).map(|bar| bar.prices.close)
    }

    /// Closes the bars that cannot change any more at that moment.
    pub fn close(&mut self, at_us: i64, closed: &mut Vec<(usize, Bar)>) {
        self.close_if(|bar| bar.slot.due_us <= at_us, closed);
    }

    /// Closes open bars that fulfil a condition; returns the earliest due time of the others.
    pub fn close_if(
        &mut self,
        is_over: impl Fn(&Bar) -> bool,
        closed: &mut Vec<(usize, Bar)>,
    ) -> i64 {
        let mut next_due_us = i64::MAX;
        for (place, bar) in self.bars.iter_mut().enumerate() {
            let Some(bar) = bar.as_mut().filter(|bar| !bar.is_closed) else { continue };
            if is_over(bar) {
                (bar.is_closed, bar.is_dirty) = (true, false);
                closed.push((place, *bar));
            } else {
                next_due_us = next_due_us.min(bar.slot.due_us);
            }
        }
        next_due_us
    }
}
