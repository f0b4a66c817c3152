//! Bars of a vendor as they leave.

use plugin_api::{BarRecord, Symbol};

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
    /// Turnover, CNY; 0 where the vendor does not tell it.
    pub amount_cny: f64,
    /// Volume, shares.
    pub volume_shares: u64,
    /// It can change no more.
    pub closed: bool,
}

impl Bar {
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
