//! A quote as the rules see it: each field read once.

use plugin_api::{
    Levels, SpotView,
    schemas::{market_phase::MarketPhase, time::ExchangeTime},
};

use crate::board::Board;

/// One side of the book, best first.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Prices, CNY.
    pub prices: Levels<'a>,
    /// Sizes, lots.
    pub sizes: Levels<'a>,
}

impl Side<'_> {
    /// Best price; 0 when there is none.
    pub fn best(&self) -> f64 {
        self.prices.iter().next().unwrap_or(0.0)
    }

    /// Whether no level has a price.
    pub fn is_empty(&self) -> bool {
        !self.prices.iter().any(|price| price > 0.0)
    }
}

/// The fields of a quote, in base units but for the wire's own.
#[derive(Clone, Copy)]
pub struct Quote<'a> {
    view: SpotView<'a>,
    /// Exchange as it came.
    pub market: &'a str,
    /// Code as it came.
    pub code: &'a str,
    /// Exchange time, microseconds since 1970 UTC; 0 when it cannot be read.
    pub time_us: i64,
    /// The same on the exchange's clock.
    pub time: ExchangeTime,
    /// What the exchange did then. In auctions prices of the book are virtual.
    pub phase: MarketPhase,
    /// Time of receipt, microseconds since 1970 UTC; 0 when unknown.
    pub recv_time_us: i64,
    /// Close of the day before.
    pub pre_close: f64,
    /// First price of the day.
    pub open: f64,
    /// Highest price of the day.
    pub high: f64,
    /// Lowest price of the day.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Turnover of the day, CNY.
    pub amount: f64,
    /// Volume of the day, shares.
    pub volume: u64,
    /// Buyers.
    pub bid: Side<'a>,
    /// Sellers.
    pub ask: Side<'a>,
}

impl<'a> Quote<'a> {
    /// Reads a quote.
    pub fn read(view: SpotView<'a>) -> Self {
        let time_us = view.time_us();
        let time = ExchangeTime::from_utc_us(time_us);
        Self {
            view,
            market: view.market(),
            code: view.code(),
            time_us,
            time,
            phase: MarketPhase::at(view.symbol(), time),
            recv_time_us: view.recv_time_us(),
            pre_close: view.pre_close(),
            open: view.open(),
            high: view.high(),
            low: view.low(),
            close: view.close(),
            amount: view.amount_cny(),
            volume: view.volume_shares(),
            bid: Side { prices: view.bid(), sizes: view.bid_lots() },
            ask: Side { prices: view.ask(), sizes: view.ask_lots() },
        }
    }

    /// Display name; may be empty.
    pub fn name(&self) -> &'a str {
        self.view.name()
    }

    /// Time as text.
    pub fn datetime(&self) -> &'a str {
        self.view.datetime()
    }

    /// Kind of security.
    pub fn board(&self) -> Board {
        Board::of(self.market, self.code)
    }

    /// Volume and amount in the units of the wire, as every Hikyuu process reads them.
    pub fn on_wire(&self) -> [f64; 2] {
        [self.view.0.volume(), self.view.0.amount()]
    }

    /// Whether no side of the book has a price.
    pub fn has_empty_book(&self) -> bool {
        self.bid.is_empty() && self.ask.is_empty()
    }

    /// Whether anything was traded today, as far as the quote tells.
    pub fn has_traded(&self) -> bool {
        self.high > 0.0 || self.low > 0.0 || self.volume > 0 || self.amount > 0.0
    }
}
