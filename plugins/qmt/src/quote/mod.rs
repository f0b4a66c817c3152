//! A tick into a quote: units, and the faults of QMT that are known.
//!
//! A function of the tick alone, so that a frame that comes again gives the same quotes again.
//!
//! Seen in payloads of 2022 to 2026:
//!
//! - `volume` and book sizes are in lots of 100 shares. `pvolume` is in shares in miniQMT, repeats
//!   `volume` in the full terminal, and was 0 in some. What fits the turnover decides; for bonds, of
//!   which no traded one is recorded, it alone (see [`lots`](plugin_api::schemas::lots)).
//! - In the call auction some payloads have prices without sizes.
//! - Prices carry the noise of binary sums (10.620000000000001).
//! - `amount` was a hundred times too large after 15:30.
//! - In the after-hours phase from 15:05 `volume` and `amount` fall back to 0 while the prices stay.
//! - Bars have `close` instead of `lastPrice`; their volume is not that of the day.
//! - `openInt` is the phase of the day, not open interest.

mod turnover;
mod values;

use plugin_api::{
    SpotRecord, Symbol,
    schemas::{
        lots::Kind,
        time::{ExchangeTime, SECOND_US},
    },
};

use self::{
    turnover::{Day, Turnover},
    values::{is_same, is_zero, price, side, sum, time_us},
};
use crate::tick::{Coded, MOST_LEVELS};

/// Phases of after-hours trading at the closing price, under way and finished.
const AFTER_HOURS: [f64; 2] = [22.0, 23.0];
/// 15:30 on the exchange's clock.
const LATE_US: i64 = (15 * 60 + 30) * 60 * SECOND_US;

/// Why a tick gives no quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// No security of SH, SZ or BJ: futures, sectors, other markets.
    OtherMarket,
    /// A bar, whose volume is not that of the day.
    Bar,
    /// Volume and turnover fell back to nothing after hours.
    VolumeReset,
    /// No time, or none that exists.
    NoTime,
    /// Without one of the values that every quote has.
    Missing(&'static str),
    /// A value that cannot be meant.
    Malformed(&'static str),
}

impl Refusal {
    /// The reason under which it is counted.
    pub fn reason(self) -> &'static str {
        match self {
            Self::OtherMarket => "other_market",
            Self::Bar => "bar",
            Self::VolumeReset => "volume_reset",
            Self::NoTime => "no_time",
            Self::Missing(_) => "missing",
            Self::Malformed(_) => "malformed",
        }
    }

    /// Whether the tick deserves a look: it is none that QMT is known to send.
    pub fn is_odd(self) -> bool {
        matches!(self, Self::NoTime | Self::Missing(_) | Self::Malformed(_))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherMarket => f.write_str("no security of SH, SZ or BJ"),
            Self::Bar => f.write_str("a bar; subscribe to period=\"tick\""),
            Self::VolumeReset => f.write_str("volume fell back to 0 after hours"),
            Self::NoTime => f.write_str("`time`, `stime` and `timetag` give no time"),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::Malformed(field) => write!(f, "`{field}` is no value that can be meant"),
        }
    }
}

/// A quote in base units, with what was mended in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote<'a> {
    /// The security.
    pub symbol: Symbol<'a>,
    /// Exchange time, microseconds since 1970 UTC.
    pub time_us: i64,
    /// Close of the day before; 0 where the tick has none. CNY, as every price.
    pub pre_close: f64,
    /// First price of the day; 0 before the first trade, or where the tick has none.
    pub open: f64,
    /// Highest price; as `open`.
    pub high: f64,
    /// Lowest price; as `open`.
    pub low: f64,
    /// Last price; in the call auction the indicative one.
    pub close: f64,
    /// Turnover since the open, CNY.
    pub amount_cny: f64,
    /// Volume since the open, shares.
    pub volume_shares: u64,
    /// Bid prices, best first; levels that are empty are 0, as QMT gives them.
    pub bid: Levels<f64>,
    /// Bid sizes, shares; 0 where they are not known.
    pub bid_volume: Levels<u64>,
    /// Ask prices.
    pub ask: Levels<f64>,
    /// Ask sizes, as those of the bids.
    pub ask_volume: Levels<u64>,
    /// The turnover was a hundred times too large.
    pub is_amount_mended: bool,
}

/// Values of the levels of one side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels<T> {
    values: [T; MOST_LEVELS],
    len: usize,
}

impl<T> Levels<T> {
    /// The values, best first.
    pub fn as_slice(&self) -> &[T] {
        &self.values[..self.len]
    }
}

impl<'a> Quote<'a> {
    /// Reads a tick.
    ///
    /// # Errors
    /// Why it gives no quote.
    pub fn read(coded: &'a Coded<'_>) -> Result<Self, Refusal> {
        let tick = &coded.tick;
        let symbol = Symbol::parse(&coded.code, None).ok_or(Refusal::OtherMarket)?;
        if tick.is_bar && tick.last.is_nan() {
            return Err(Refusal::Bar);
        }
        let close = price(tick.last, "lastPrice")?.ok_or(Refusal::Missing("lastPrice"))?;
        let optional = |value, field| Ok(price(value, field)?.unwrap_or(0.0));
        let open = optional(tick.open, "open")?;
        let high = optional(tick.high, "high")?;
        let low = optional(tick.low, "low")?;
        let pre_close = optional(tick.pre_close, "lastClose")?;
        let time_us = time_us(tick)?;
        let amount = sum(tick.amount, "amount")?.ok_or(Refusal::Missing("amount"))?;
        let volume = sum(tick.volume, "volume")?;
        let pvolume = sum(tick.pvolume, "pvolume")?;

        let is_after_hours = AFTER_HOURS.iter().any(|phase| is_same(*phase, tick.phase));
        let is_nothing = volume.or(pvolume).is_some_and(is_zero) && is_zero(amount);
        if is_after_hours && is_nothing && !is_zero(high) {
            return Err(Refusal::VolumeReset);
        }
        let span = match (is_zero(low), is_zero(high)) {
            (false, false) => Some((low, high)),
            _ if !is_zero(close) => Some((close, close)),
            _ => None,
        };
        let day = Day {
            span,
            kind: Kind::of(symbol.market, symbol.code),
            is_late: ExchangeTime::from_utc_us(time_us).of_day_us >= LATE_US,
        };
        let turnover = Turnover::judge(volume, pvolume, amount, &day)?;
        let [ask, bid, ask_lots, bid_lots] = &tick.book;
        let unit = turnover.book_unit;
        let (bid, bid_volume) = side(bid, bid_lots, unit, ("bidPrice", "bidVol"))?;
        let (ask, ask_volume) = side(ask, ask_lots, unit, ("askPrice", "askVol"))?;
        Ok(Self {
            symbol,
            time_us,
            pre_close,
            open,
            high,
            low,
            close,
            amount_cny: turnover.amount,
            volume_shares: turnover.shares,
            bid,
            bid_volume,
            ask,
            ask_volume,
            is_amount_mended: turnover.is_amount_mended,
        })
    }

    /// The quote as the encoder takes it.
    pub fn record<'s>(
        &'s self,
        recv_time_us: i64,
        source: &'s str,
        sequence: u64,
    ) -> SpotRecord<'s> {
        SpotRecord {
            market: self.symbol.market,
            code: self.symbol.code,
            name: "",
            time_us: self.time_us,
            recv_time_us,
            pre_close: self.pre_close,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            amount_cny: self.amount_cny,
            volume_shares: self.volume_shares,
            bid: self.bid.as_slice(),
            bid_volume: self.bid_volume.as_slice(),
            ask: self.ask.as_slice(),
            ask_volume: self.ask_volume.as_slice(),
            source,
            sequence,
            quality_score: None,
        }
    }
}
