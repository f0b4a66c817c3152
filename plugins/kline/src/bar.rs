//! Bars as they leave.

use plugin_api::{
    BarRecord, Symbol,
    schemas::{lots::Kind, time::SECOND_US},
};

use crate::{
    question::{Period, Question},
    row::Row,
};

const MINUTE_US: i64 = 60 * SECOND_US;
/// From the first moment of a day to the close.
const CLOSE_US: i64 = 15 * 60 * MINUTE_US;
/// How long STAR and ChiNext trade after the close, at its price.
const AFTER_HOURS_US: i64 = 30 * MINUTE_US;
/// How long after its end a bar may still change: quotes come late, and the service puts them in.
const GRACE_US: i64 = 30 * SECOND_US;

/// A bar of a security that is told beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    /// End of the bar, of a day its first moment, microseconds since 1970 UTC.
    pub time_us: i64,
    /// First price, CNY.
    pub open: f64,
    /// Highest price, CNY.
    pub high: f64,
    /// Lowest price, CNY.
    pub low: f64,
    /// Last price, CNY.
    pub close: f64,
    /// Turnover, CNY; 0 where the service does not tell it.
    pub amount_cny: f64,
    /// Volume, shares.
    pub volume_shares: u64,
    /// It can change no more.
    pub closed: bool,
}

impl Bar {
    /// The bar of a row that was asked for at that moment (microseconds since 1970 UTC).
    ///
    /// # Errors
    /// A text, when the volume cannot be told in shares.
    pub fn of(
        row: &Row,
        market: &str,
        code: &str,
        question: &Question,
        asked_us: i64,
    ) -> Result<Self, String> {
        let kind = Kind::of(market, code);
        let is_adjusted = question.plain_key().is_some();
        Ok(Self {
            time_us: row.time_us,
            open: row.open,
            high: row.high,
            low: row.low,
            close: row.close,
            amount_cny: row.amount_cny.unwrap_or_default(),
            volume_shares: row.shares(kind, is_adjusted)?,
            closed: asked_us >= end_us(row.time_us, market, code, question.period) + GRACE_US,
        })
    }

    /// The record of the bar, from that source.
    pub fn record<'a>(
        &self,
        symbol: Symbol<'a>,
        period: &'a str,
        source: &'a str,
    ) -> BarRecord<'a> {
        BarRecord {
            symbol,
            period,
            time_us: self.time_us,
            open: self.open,
            high: self.high,
            low: self.low,
            close: self.close,
            amount_cny: self.amount_cny,
            volume_shares: self.volume_shares,
            closed: self.closed,
            quality_score: None,
            source,
        }
    }
}

/// When trading in a bar ends.
fn end_us(time_us: i64, market: &str, code: &str, period: Period) -> i64 {
    let Period::Day = period else { return time_us };
    let has_after_hours =
        Kind::of(market, code) == Kind::Star || (market == "SZ" && code.starts_with("30"));
    time_us + CLOSE_US + if has_after_hours { AFTER_HOURS_US } else { 0 }
}
