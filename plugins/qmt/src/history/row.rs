//! Rows of bars as xtquant has them.

use plugin_api::schemas::{
    lots::{Kind, Unit},
    number::whole_shares,
    time::{ExchangeTime, SECOND_US},
};

/// Columns of a row.
pub const COLUMNS: usize = 9;
/// Decimals of the finest price that is quoted, of indices; more is the noise of binary sums.
const PRICE_SCALE: f64 = 10_000.0;
/// 2000-01-01 and 2100-01-01, milliseconds since 1970 UTC.
const TIMES_MS: std::ops::Range<f64> = 946_684_800_000.0..4_102_444_800_000.0;
/// Shares in a lot, wherever it was measured.
const LOT: u32 = 100;

/// One row; what is absent is NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// Label, milliseconds since 1970 UTC: the end of a minute bar, the first moment of a day.
    pub time_ms: f64,
    /// First price, CNY.
    pub open: f64,
    /// Highest price, CNY.
    pub high: f64,
    /// Lowest price, CNY.
    pub low: f64,
    /// Last price, CNY.
    pub close: f64,
    /// In lots; of bonds in a unit that was not measured.
    pub volume: f64,
    /// CNY.
    pub amount: f64,
}

impl Row {
    /// A row of columns `time open high low close volume amount preClose suspendFlag`. The last two are
    /// rubbish in some live bars, so nothing is concluded from them.
    pub fn of([time_ms, open, high, low, close, volume, amount, ..]: [f64; COLUMNS]) -> Self {
        let price = |value: f64| (value * PRICE_SCALE).round() / PRICE_SCALE;
        let [open, high, low, close] = [open, high, low, close].map(price);
        Self { time_ms, open, high, low, close, volume, amount }
    }

    /// The label, microseconds since 1970 UTC.
    #[allow(clippy::cast_possible_truncation)] // in range
    pub fn time_us(&self) -> Option<i64> {
        TIMES_MS.contains(&self.time_ms).then(|| (self.time_ms * 1_000.0).round() as i64)
    }

    /// The day of the label, counted from 1970.
    pub fn day(&self) -> Option<i64> {
        self.time_us().map(|us| ExchangeTime::from_utc_us(us).day)
    }

    /// Microseconds from midnight to the label.
    pub fn of_day_us(&self) -> i64 {
        self.time_us().map_or(0, |us| ExchangeTime::from_utc_us(us).of_day_us)
    }

    /// Whether nothing was traded: a minute without a trade, a suspension, or padding, which look the
    /// same. A place holder has no numbers at all.
    pub fn is_blank(&self) -> bool {
        let is_nothing = |value: f64| value.is_nan() || value.abs() <= 0.0;
        is_nothing(self.volume) && is_nothing(self.amount)
    }

    /// Why a row that is not blank cannot be used.
    pub fn fault(&self) -> Option<String> {
        let prices = [self.open, self.high, self.low, self.close];
        if self.time_us().is_none() {
            return Some("its `time` is no time".to_owned());
        }
        if !prices.iter().all(|price| price.is_finite() && *price > 0.0) {
            return Some(format!("open, high, low and close are {prices:?}"));
        }
        if self.low > self.open.min(self.close) || self.open.max(self.close) > self.high {
            let (open, close) = (self.open, self.close);
            let text = format!(
                "open {open} and close {close} are not within {} to {}",
                self.low, self.high
            );
            return Some(text);
        }
        if !(self.volume.is_finite() && self.volume > 0.0) {
            return Some(format!("its volume is {}", self.volume));
        }
        (self.amount < 0.0 || self.amount.is_infinite())
            .then(|| format!("its turnover is {}", self.amount))
    }

    /// Turnover; 0 when absent.
    pub fn amount_cny(&self) -> f64 {
        if self.amount.is_nan() { 0.0 } else { self.amount }
    }

    /// Volume in shares of so many in a unit.
    ///
    /// # Errors
    /// A text, when these are no whole shares.
    pub fn shares(&self, unit: u32) -> Result<u64, String> {
        whole_shares(self.volume, unit)
            .map_err(|why| format!("volume {} {}", self.volume, why.why()))
    }

    /// Puts another row behind this one, with its label.
    pub fn join(&self, later: &Self) -> Self {
        Self {
            open: self.open,
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            volume: self.volume + later.volume,
            amount: self.amount_cny() + later.amount_cny(),
            ..*later
        }
    }
}

/// Shares in a unit of the volume of rows, which are all of one security.
///
/// The turnover proves it where it can; else it is a lot, and of bonds not known.
///
/// # Errors
/// A text, when no unit fits.
pub fn unit(kind: Kind, rows: &[Row]) -> Result<u32, String> {
    let amount: f64 = rows.iter().map(Row::amount_cny).sum();
    let volume: f64 = rows.iter().filter(|row| row.amount_cny() > 0.0).map(|row| row.volume).sum();
    let low = rows.iter().map(|row| row.low).fold(f64::INFINITY, f64::min);
    let high = rows.iter().map(|row| row.high).fold(0.0, f64::max);
    let is_measured = matches!(kind.tencent_unit(), Unit::Pieces(_));
    if !(amount > 0.0 && kind.has_turnover_at_price()) {
        return if is_measured || rows.is_empty() {
            Ok(LOT)
        } else {
            Err("the unit of its volume is not known without a turnover".to_owned())
        };
    }
    let fits = |unit: &u32| kind.fits(amount, volume * f64::from(*unit), (low, high));
    let units: &[u32] = if is_measured { &[LOT, 1] } else { &[10, 1, 100] };
    units.iter().copied().find(fits).ok_or_else(|| {
        format!("turnover {amount} CNY fits no unit of volume {volume} at {low} to {high}")
    })
}

/// So many minutes of the exchange's clock, as microseconds from midnight.
pub const fn at(hour: i64, minute: i64) -> i64 {
    (hour * 60 + minute) * 60 * SECOND_US
}
