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

    /// These and then those.
    pub fn and_then(self, next: Self) -> Self {
        Self {
            open: self.open,
            high: self.high.max(next.high),
            low: self.low.min(next.low),
            close: next.close,
        }
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
    pub fn at_least(self, floor: Self) -> Self {
        Self { amount: self.amount.max(floor.amount), volume: self.volume.max(floor.volume) }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
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
    /// No quote made it, and nothing that was traded: the first one that comes takes its place.
    pub is_assumed: bool,
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
    /// It is no quote: a bar that it begins is [assumed](Bar::is_assumed).
    pub is_assumed: bool,
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
            is_assumed: quote.is_assumed,
        }
    }

    /// A bar in which nothing was traded, at the price that those sources told before.
    pub fn empty(slot: Slot, day: i64, (price, origin): (f64, Origin), base: Totals) -> Self {
        Self {
            slot,
            prices: Prices::flat(price),
            day,
            base,
            until: base,
            quality_score: None,
            origin,
            is_closed: true,
            is_dirty: false,
            is_assumed: true,
        }
    }

    /// A further quote of the bar.
    pub fn merge(&mut self, period: Period, quote: &Contribution) {
        if self.is_assumed {
            let (is_closed, is_dirty) = (self.is_closed, self.is_dirty);
            *self = Self { is_closed, is_dirty, ..Self::begin(quote, self.base) };
            return;
        }
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
        self.prices = self.prices.and_then(quote.prices);
        self.quality_score = worse(self.quality_score, quote.quality_score);
        self.origin = self.origin.with(quote.origin);
    }

    /// Puts what was seen of the same bar before it in front; of what was traded this one knows.
    pub fn join(&mut self, before: &Self) {
        if before.is_assumed {
            return;
        }
        self.prices = before.prices.and_then(self.prices);
        self.quality_score = worse(before.quality_score, self.quality_score);
        self.origin = before.origin.with(self.origin);
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

/// The lower score of two.
fn worse(one: Option<f32>, other: Option<f32>) -> Option<f32> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
