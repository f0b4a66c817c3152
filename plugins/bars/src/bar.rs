//! One bar and how a quote changes it.

use crate::{
    origin::Origin,
    period::{Period, Slot},
};

/// Prices of a quote as they enter a bar, CNY.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
}

impl Prices {
    /// Of a quote that counts with its last price alone.
    pub fn flat(price: f64) -> Self {
        Self { open: price, high: price, low: price, close: price }
    }

    /// Whether Hikyuu takes a bar with these prices.
    pub fn are_valid(self) -> bool {
        let Self { open, high, low, close } = self;
        [open, high, low, close].iter().all(|price| price.is_finite())
            && low > 0.0
            && (low..=high).contains(&open)
            && (low..=high).contains(&close)
    }
}

/// What was traded since the day began.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Totals {
    /// CNY.
    pub amount: f64,
    /// Shares.
    pub volume: u64,
}

impl Totals {
    /// The larger of each: a total that falls adds nothing.
    fn at_least(self, floor: Self) -> Self {
        Self { amount: self.amount.max(floor.amount), volume: self.volume.max(floor.volume) }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            amount: self.amount + other.amount,
            volume: self.volume.saturating_add(other.volume),
        }
    }
}

/// The last bar of one security and period.
///
/// What was traded within it is the difference of two totals, so that nothing is rounded twice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub slot: Slot,
    pub prices: Prices,
    /// Day of the last quote, counted from 1970-01-01.
    pub day: i64,
    /// Totals that belong to earlier bars; of a bar over days, what its finished days traded.
    pub base: Totals,
    /// Totals up to the last quote.
    pub until: Totals,
    /// Lowest score of its quotes; `None` if none was judged.
    pub quality_score: Option<f32>,
    /// The sources of its quotes.
    pub origin: Origin,
    /// Readers were told that it is complete.
    pub is_closed: bool,
    /// It changed since it was sent on.
    pub is_dirty: bool,
}

/// What a quote brings to a bar.
#[derive(Debug, Clone, Copy)]
pub struct Contribution {
    pub slot: Slot,
    pub prices: Prices,
    pub day: i64,
    pub totals: Totals,
    pub quality_score: Option<f32>,
    pub origin: Origin,
}

impl Bar {
    /// The first quote of a bar; `base` is what earlier bars of the day have.
    pub fn begin(quote: &Contribution, base: Totals) -> Self {
        Self {
            slot: quote.slot,
            prices: quote.prices,
            day: quote.day,
            base,
            until: quote.totals.at_least(base),
            quality_score: quote.quality_score,
            origin: quote.origin,
            is_closed: false,
            is_dirty: false,
        }
    }

    /// A further quote of the bar.
    pub fn merge(&mut self, period: Period, quote: &Contribution) {
        if period.is_over_days() {
            if quote.day > self.day {
                (self.base, self.day) = (self.until, quote.day);
            }
            self.until = self.base.plus(quote.totals);
        } else if period == Period::Day {
            self.until = quote.totals;
        } else {
            self.until = quote.totals.at_least(self.base);
        }
        self.prices = Prices {
            open: self.prices.open,
            high: self.prices.high.max(quote.prices.high),
            low: self.prices.low.min(quote.prices.low),
            close: quote.prices.close,
        };
        self.quality_score = match (self.quality_score, quote.quality_score) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.origin = self.origin.with(quote.origin);
    }

    /// Traded within the bar, CNY.
    pub fn amount(&self, period: Period) -> f64 {
        if period.is_over_days() { self.until.amount } else { self.until.amount - self.base.amount }
    }

    /// Traded within the bar, shares.
    pub fn volume(&self, period: Period) -> u64 {
        if period.is_over_days() { self.until.volume } else { self.until.volume - self.base.volume }
    }
}
