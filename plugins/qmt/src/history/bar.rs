//! Rows as the bars that leave.

use kit::history::Bar;

use super::row::Row;

/// The bar of a row.
pub fn bar_of(row: &Row, time_us: i64, volume_shares: u64, closed: bool) -> Bar {
    Bar {
        time_us,
        open: row.open,
        high: row.high,
        low: row.low,
        close: row.close,
        amount_cny: row.amount_cny(),
        volume_shares,
        closed,
    }
}
