//! A minute of history, as a bar tells it.

use plugin_api::{BarRecord, schemas::time::ExchangeTime};

use crate::{
    bar::{Prices, Totals},
    hours::MINUTE_US,
    origin::Origin,
    period::Period,
};

/// A minute of history.
#[derive(Debug, Clone, Copy)]
pub struct Minute {
    /// Its end, microseconds since 1970 UTC.
    pub end_us: i64,
    /// Its start on the exchange's clock.
    pub start: ExchangeTime,
    /// CNY.
    pub prices: Prices,
    /// Traded within it.
    pub traded: Totals,
    /// Share of quality rules passed.
    pub quality_score: Option<f32>,
    /// Who told it.
    pub origin: Origin,
}

impl Minute {
    /// Reads a bar of that source that is named by its end; `None` when it is no minute, or its
    /// numbers are none.
    pub fn read(bar: &BarRecord<'_>, origin: Origin) -> Option<Self> {
        let BarRecord { open, high, low, close, amount_cny, .. } = *bar;
        let prices = Prices { open, high, low, close };
        let is_minute = bar.period == Period::Minute.as_str() && bar.time_us % MINUTE_US == 0;
        let is_sound = prices.are_valid() && amount_cny.is_finite() && amount_cny >= 0.0;
        (is_minute && is_sound && bar.time_us > 0).then(|| Self {
            end_us: bar.time_us,
            start: ExchangeTime::from_utc_us(bar.time_us - MINUTE_US),
            prices,
            traded: Totals { amount: amount_cny, volume: bar.volume_shares },
            quality_score: bar.quality_score,
            origin,
        })
    }
}
