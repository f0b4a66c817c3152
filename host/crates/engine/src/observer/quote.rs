//! A quote as the observer keeps it.

use plugin_api::{Levels, SpotView, schemas::spot::shares};

/// Levels of each side of the book that are kept.
pub const LEVELS: usize = 5;

/// One side of the book, best first: price in CNY and volume in shares; 0 where there is no level.
pub type Side = [(f64, u64); LEVELS];

/// A quote without its names, in base units: prices and amounts in CNY, volumes in shares, times in
/// microseconds since 1970 UTC. A price or a time that is not known is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Quote {
    /// Exchange time.
    pub time_us: i64,
    /// When the host received it; a recording has older times of its own.
    pub recv_time_us: i64,
    /// Close of the day before.
    pub prev_close: f64,
    /// First price of the day.
    pub open: f64,
    /// Highest price of the day.
    pub high: f64,
    /// Lowest price of the day.
    pub low: f64,
    /// Last price.
    pub price: f64,
    /// Volume since the open.
    pub volume: u64,
    /// Turnover since the open.
    pub amount: f64,
    /// What is bid.
    pub bid: Side,
    /// What is asked.
    pub ask: Side,
}

impl Quote {
    /// The quote of a batch that the host received at that time.
    pub fn of(spot: &SpotView<'_>, received_us: i64) -> Self {
        Self {
            time_us: spot.time_us(),
            recv_time_us: received_us,
            prev_close: spot.pre_close(),
            open: spot.open(),
            high: spot.high(),
            low: spot.low(),
            price: spot.close(),
            volume: spot.volume_shares(),
            amount: spot.amount_cny(),
            bid: side(spot.bid(), spot.bid_lots()),
            ask: side(spot.ask(), spot.ask_lots()),
        }
    }
}

fn side(prices: Levels<'_>, lots: Levels<'_>) -> Side {
    let mut side = Side::default();
    let levels = prices.iter().zip(lots.iter().chain(std::iter::repeat(0.0)));
    for (level, (price, lots)) in side.iter_mut().zip(levels) {
        *level = (price, shares(lots));
    }
    side
}

#[cfg(test)]
mod tests {
    use plugin_api::{Round, testing::spot_batch};

    use super::*;

    #[test]
    fn a_quote_is_kept_in_base_units() {
        let batch = spot_batch(2, Round::WHOLE);
        let quotes: Vec<_> = batch.spots().iter().map(|spot| Quote::of(&spot, 7)).collect();
        let second = quotes[1];
        assert_eq!((second.price, second.volume, second.amount), (10.01, 1_000, 10_010.0));
        assert_eq!((second.bid[0], second.ask[0]), ((10.01, 100), (10.02, 300)));
        assert_eq!((second.bid[2], second.ask[1]), ((0.0, 0), (0.0, 0)));
        assert_eq!(second.recv_time_us, 7, "the source of the test says none");
    }
}
