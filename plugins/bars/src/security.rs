//! One security and its last bar of each period.

use plugin_api::{SpotView, schemas::time::ExchangeTime};

use crate::{
    bar::{Bar, Contribution, Prices, Totals},
    hours::Hours,
    origin::Origin,
    period::Period,
};

/// A believed quote that is older than the last by more than this is of a feed that began anew; what
/// is less only came late.
const REWIND_US: i64 = 30 * 60 * 1_000_000;
/// The same for the first quote after a restart.
const REWIND_AT_START_US: i64 = 60 * 1_000_000;

/// What is known of a security.
#[derive(Debug, Clone, PartialEq)]
pub struct Security {
    pub market: Box<str>,
    pub code: Box<str>,
    /// Time of its newest quote, microseconds since 1970 UTC.
    pub latest_us: i64,
    /// Day of the last quote that counted, and what was traded up to then.
    pub day: i64,
    pub totals: Totals,
    /// Last bars, in the order of the settings' periods.
    pub bars: Vec<Option<Bar>>,
    /// It comes from a checkpoint, and no quote came since.
    pub is_loaded: bool,
}

/// What bars need of a quote.
#[derive(Debug, Clone, Copy)]
pub struct Quote {
    pub time_us: i64,
    pub moment: ExchangeTime,
    /// Its moment lies within the sessions.
    pub counts: bool,
    pub of_day: Prices,
    pub totals: Totals,
    pub quality_score: Option<f32>,
    /// Its source.
    pub origin: Origin,
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

impl Quote {
    /// Reads a quote of that source that was made at that moment.
    pub fn new(
        spot: &SpotView<'_>,
        origin: Origin,
        time_us: i64,
        moment: ExchangeTime,
        counts: bool,
    ) -> Self {
        let amount = spot.amount_cny();
        Self {
            time_us,
            moment,
            counts,
            of_day: Prices {
                open: spot.open(),
                high: spot.high(),
                low: spot.low(),
                close: spot.close(),
            },
            totals: Totals {
                amount: if amount.is_finite() { amount.max(0.0) } else { 0.0 },
                volume: spot.volume_shares(),
            },
            quality_score: spot.quality_score(),
            origin,
        }
    }
}

impl Security {
    /// One of which nothing is known.
    pub fn new(market: &str, code: &str, periods: usize) -> Self {
        Self {
            market: market.into(),
            code: code.into(),
            latest_us: i64::MIN,
            day: i64::MIN,
            totals: Totals::default(),
            bars: vec![None; periods],
            is_loaded: false,
        }
    }

    /// Takes a quote.
    pub fn take(
        &mut self,
        quote: &Quote,
        periods: &[Period],
        hours: &Hours,
        effects: &mut Effects,
    ) {
        if self.is_rewound_by(quote) {
            *self = Self::new(&self.market, &self.code, periods.len());
        }
        self.is_loaded = false;
        self.latest_us = self.latest_us.max(quote.time_us);
        self.close(quote.time_us, &mut effects.closed);
        if !quote.counts {
            return;
        }
        for (place, &period) in periods.iter().enumerate() {
            let prices = if period.is_within_day() {
                Prices::flat(quote.of_day.close)
            } else {
                quote.of_day
            };
            if prices.are_valid() {
                let contribution = Contribution {
                    slot: period.slot(quote.moment, hours),
                    prices,
                    day: quote.moment.day,
                    totals: quote.totals,
                    quality_score: quote.quality_score,
                    origin: quote.origin,
                };
                self.contribute(place, period, &contribution, effects);
            }
        }
        if quote.of_day.close > 0.0 && quote.moment.day >= self.day {
            (self.day, self.totals) = (quote.moment.day, quote.totals);
        }
    }

    fn is_rewound_by(&self, quote: &Quote) -> bool {
        let most_us = if self.is_loaded { REWIND_AT_START_US } else { REWIND_US };
        self.latest_us.saturating_sub(quote.time_us) > most_us
    }

    fn contribute(
        &mut self,
        place: usize,
        period: Period,
        quote: &Contribution,
        effects: &mut Effects,
    ) {
        let base = self.base(place, period, quote.day);
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
                if let Some(bar) = last.take_if(|bar| !bar.is_closed || bar.is_dirty) {
                    effects.closed.push((place, Bar { is_closed: true, is_dirty: false, ..bar }));
                }
                *last = Some(Bar::begin(quote, base));
            }
        }
        if let Some(bar) = &mut self.bars[place]
            && !bar.is_dirty
        {
            bar.is_dirty = true;
            effects.dirty.push(place);
        }
    }

    /// What was traded on that day before a new bar of the period.
    fn base(&self, place: usize, period: Period, day: i64) -> Totals {
        if !period.is_within_day() {
            return Totals::default();
        }
        match &self.bars[place] {
            Some(bar) if bar.day == day => bar.until,
            // a period that was added within the day
            None if self.day == day => self.totals,
            _ => Totals::default(),
        }
    }

    /// Closes the bars that cannot change any more at that moment; returns when the next one cannot.
    pub fn close(&mut self, at_us: i64, closed: &mut Vec<(usize, Bar)>) -> i64 {
        self.close_if(|bar| bar.slot.due_us <= at_us, closed)
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
