//! Quotes as readers see them: base units, no absent strings.

use flatbuffers::Vector;

use crate::{
    encode::{Levels, WireSpot},
    flat,
    market_phase::MarketPhase,
    time::parse_exchange_time,
    units::{CNY_PER_WIRE_AMOUNT, SHARES_PER_LOT, shares_per_wire_volume, to_shares},
};

pub use crate::symbol::{Symbol, market_name};

/// A checked list of quotes.
#[derive(Clone, Copy, Default)]
pub struct SpotListReader<'a> {
    spots: Option<Vector<'a, flatbuffers::ForwardsUOffset<flat::Spot<'a>>>>,
}

impl<'a> SpotListReader<'a> {
    /// Reads a list that [`verify`](crate::verify) accepted.
    pub fn new(list: flat::SpotList<'a>) -> Self {
        Self { spots: list.spot() }
    }

    /// Number of quotes.
    pub fn len(&self) -> usize {
        self.spots.map_or(0, |spots| spots.len())
    }

    /// Whether the list holds no quote.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The quotes in the list's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = SpotView<'a>> + use<'a> {
        self.spots.into_iter().flat_map(|spots| spots.iter()).map(SpotView)
    }
}

/// One quote of a list, in base units: prices and amounts in CNY, volumes in shares.
#[derive(Clone, Copy)]
pub struct SpotView<'a>(pub flat::Spot<'a>);

impl<'a> SpotView<'a> {
    /// Exchange in upper case, e.g. `SH`.
    pub fn market(&self) -> &'a str {
        self.0.market().unwrap_or_default()
    }

    /// Code without the exchange, e.g. `600000`.
    pub fn code(&self) -> &'a str {
        self.0.code().unwrap_or_default()
    }

    /// Display name; empty when the source gave none.
    pub fn name(&self) -> &'a str {
        self.0.name().unwrap_or_default()
    }

    /// What tells one security from all others.
    pub fn symbol(&self) -> Symbol<'a> {
        Symbol { market: self.market(), code: self.code() }
    }

    /// Exchange time as text, e.g. `2021-12-01 09:15:01`.
    pub fn datetime(&self) -> &'a str {
        self.0.datetime().unwrap_or_default()
    }

    /// Exchange time in microseconds since 1970 UTC; parsed from the text when another publisher
    /// sent only that, 0 when that cannot be read.
    pub fn time_us(&self) -> i64 {
        match self.0.time_us() {
            0 => parse_exchange_time(self.datetime()).unwrap_or(0),
            time_us => time_us,
        }
    }

    /// What the exchange did at that time; `None` when it is unknown.
    pub fn phase(&self) -> Option<MarketPhase> {
        MarketPhase::of(self.symbol(), self.time_us())
    }

    /// When the source received the quote, microseconds since 1970 UTC; 0 when unknown.
    pub fn recv_time_us(&self) -> i64 {
        self.0.recv_time_us()
    }

    /// Close of the day before, CNY.
    pub fn pre_close(&self) -> f64 {
        self.0.yesterday_close()
    }

    /// First price of the day, CNY; 0 before the first trade.
    pub fn open(&self) -> f64 {
        self.0.open()
    }

    /// Highest price of the day, CNY; 0 before the first trade.
    pub fn high(&self) -> f64 {
        self.0.high()
    }

    /// Lowest price of the day, CNY; 0 before the first trade.
    pub fn low(&self) -> f64 {
        self.0.low()
    }

    /// Last price, CNY; 0 before the first trade.
    pub fn close(&self) -> f64 {
        self.0.close()
    }

    /// Turnover since the open, CNY.
    pub fn amount_cny(&self) -> f64 {
        self.0.amount_cny().unwrap_or_else(|| self.0.amount() * CNY_PER_WIRE_AMOUNT)
    }

    /// Volume since the open, shares.
    pub fn volume_shares(&self) -> u64 {
        self.0.volume_shares().unwrap_or_else(|| {
            to_shares(self.0.volume(), shares_per_wire_volume(self.market(), self.code()))
        })
    }

    /// Bid prices, best first, CNY.
    pub fn bid(&self) -> Levels<'a> {
        self.0.bid().into()
    }

    /// Bid sizes, best first, **lots** as on the wire; see [`shares`].
    pub fn bid_lots(&self) -> Levels<'a> {
        self.0.bid_amount().into()
    }

    /// Ask prices, best first, CNY.
    pub fn ask(&self) -> Levels<'a> {
        self.0.ask().into()
    }

    /// Ask sizes, best first, **lots** as on the wire; see [`shares`].
    pub fn ask_lots(&self) -> Levels<'a> {
        self.0.ask_amount().into()
    }

    /// Id of the source that took the quote in; empty when unknown.
    pub fn source(&self) -> &'a str {
        self.0.source().unwrap_or_default()
    }

    /// Number of the record at its source, from 1; 0 when unknown.
    pub fn sequence(&self) -> u64 {
        self.0.sequence()
    }

    /// Share of quality rules passed, 0 to 1; `None` while nobody judged.
    pub fn quality_score(&self) -> Option<f32> {
        self.0.quality_score()
    }

    /// The quote as the encoder takes it, unit by unit what came in.
    pub fn to_wire(&self) -> WireSpot<'a> {
        let spot = &self.0;
        WireSpot {
            market: self.market(),
            code: self.code(),
            name: self.name(),
            datetime: self.datetime().as_bytes(),
            yesterday_close: spot.yesterday_close(),
            open: spot.open(),
            high: spot.high(),
            low: spot.low(),
            close: spot.close(),
            amount: spot.amount(),
            volume: spot.volume(),
            bid: self.bid(),
            bid_amount: self.bid_lots(),
            ask: self.ask(),
            ask_amount: self.ask_lots(),
            time_us: spot.time_us(),
            recv_time_us: spot.recv_time_us(),
            amount_cny: spot.amount_cny(),
            volume_shares: spot.volume_shares(),
            source: self.source(),
            sequence: spot.sequence(),
            quality_score: spot.quality_score(),
        }
    }
}

/// Whole shares of a book size in lots.
pub fn shares(lots: f64) -> u64 {
    to_shares(lots, SHARES_PER_LOT)
}
