//! What of a quote is compared.

use plugin_api::{
    Batch, PluginError, Round, SpotListEncoder, SpotView, WireSpot,
    schemas::time::{ExchangeTime, SECOND_US},
    serde::{Deserialize, Serialize},
};

/// Sources that count in lots cut off what is less, shares.
const LOT: u64 = 100;
/// Below the finest step of a price, CNY.
const PRICE_NOISE: f64 = 5e-4;

/// When a quote was made, and what it says of the trading of its day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(crate = "plugin_api::serde")]
pub struct Facts {
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Volume of the day so far, shares.
    pub volume: u64,
    /// Last price, CNY; 0 when there is none.
    pub price: f64,
}

impl Facts {
    /// Those of a quote with that exchange time.
    pub fn of(spot: &SpotView<'_>, time_us: i64) -> Self {
        let price = Some(spot.close()).filter(|price| price.is_finite() && *price > 0.0);
        Self { time_us, volume: spot.volume_shares(), price: price.unwrap_or(0.0) }
    }

    /// Whether the other says the same of the trading, whenever it was made: volumes that differ by
    /// less than a lot, and prices that do not differ where both have one.
    pub fn says_same(&self, other: &Self) -> bool {
        let has_prices = self.price > 0.0 && other.price > 0.0;
        self.is_of_volume(other) && !(has_prices && self.is_priced_apart(other))
    }

    /// Whether the other has the same volume, up to what a source that counts in lots cuts off.
    pub fn is_of_volume(&self, other: &Self) -> bool {
        self.volume.abs_diff(other.volume) < LOT
    }

    /// How far the prices are apart, as a share of the other's, if both are of one exchange second or of
    /// one volume of one day.
    pub fn deviation(&self, other: &Self) -> Option<f64> {
        let second = |it: &Self| it.time_us.div_euclid(SECOND_US);
        let day = |it: &Self| ExchangeTime::from_utc_us(it.time_us).day;
        let has_prices = self.price > 0.0 && other.price > 0.0;
        let is_one_moment = second(self) == second(other)
            || self.volume > 0 && self.is_of_volume(other) && day(self) == day(other);
        (has_prices && is_one_moment).then(|| (self.price - other.price).abs() / other.price)
    }

    fn is_priced_apart(&self, other: &Self) -> bool {
        (self.price - other.price).abs() > PRICE_NOISE
    }
}

/// A quote that is kept for later.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What of it is compared.
    pub facts: Facts,
    /// The quote, alone in its list.
    pub batch: Batch,
}

impl Kept {
    /// Keeps a quote; one that names no source gets that of its batch.
    ///
    /// # Errors
    /// Never in practice: one quote needs less room than the list it comes from.
    pub fn new(facts: Facts, spot: &SpotView<'_>, source: &str) -> Result<Self, PluginError> {
        let wire = spot.to_wire();
        let source = if wire.source.is_empty() { source } else { wire.source };
        let mut encoder = SpotListEncoder::new(1);
        encoder.push_wire(&WireSpot { source, ..wire })?;
        Ok(Self { facts, batch: Batch::from_spots(&mut encoder, Round::MIDDLE) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(seconds: i64, volume: u64, price: f64) -> Facts {
        // 2021-12-01 10:00 in Shanghai
        Facts { time_us: 1_638_324_000_000_000 + seconds * SECOND_US, volume, price }
    }

    #[test]
    fn quotes_say_the_same_when_only_what_sources_cut_off_differs() {
        let quote = facts(0, 12_345, 10.2);
        let cases = [
            // another quote, whether it says the same
            (facts(3, 12_345, 10.2), true),
            (facts(3, 12_300, 10.2), true),
            (facts(3, 12_345, 0.0), true),
            (facts(0, 12_445, 10.2), false),
            (facts(0, 12_345, 10.21), false),
        ];
        for (other, same) in cases {
            assert_eq!(
                (quote.says_same(&other), other.says_same(&quote)),
                (same, same),
                "{other:?}"
            );
        }
    }

    #[test]
    fn prices_are_compared_at_one_moment_only() {
        let quote = facts(0, 1_000, 10.0);
        let day_us = 86_400;
        for (other, apart) in [
            (facts(0, 2_000, 10.0), Some(0.0)),
            (facts(7, 1_000, 8.0), Some(0.25)),
            (facts(7, 2_000, 8.0), None),
            (facts(day_us, 1_000, 8.0), None),
            (facts(0, 1_000, 0.0), None),
        ] {
            let found = quote.deviation(&other);
            assert_eq!(found.map(|it| (it * 1e6).round()), apart.map(|it: f64| it * 1e6));
        }
        assert_eq!(facts(0, 0, 10.0).deviation(&facts(7, 0, 8.0)), None, "nothing was traded");
    }
}
