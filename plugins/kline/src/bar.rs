//! Rows as the bars that leave.

use kit::history::Bar;
use plugin_api::schemas::{lots::Kind, time::SECOND_US};

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

/// The bar of a row that was asked for at that moment (microseconds since 1970 UTC).
///
/// # Errors
/// A text, when the volume cannot be told in shares.
pub fn bar_of(
    row: &Row,
    market: &str,
    code: &str,
    question: &Question,
    asked_us: i64,
) -> Result<Bar, String> {
    let kind = Kind::of(market, code);
    let is_adjusted = question.plain_key().is_some();
    Ok(Bar {
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

/// When trading in a bar ends.
fn end_us(time_us: i64, market: &str, code: &str, period: Period) -> i64 {
    let Period::Day = period else { return time_us };
    let has_after_hours =
        Kind::of(market, code) == Kind::Star || (market == "SZ" && code.starts_with("30"));
    time_us + CLOSE_US + if has_after_hours { AFTER_HOURS_US } else { 0 }
}
