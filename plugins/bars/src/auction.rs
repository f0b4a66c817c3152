//! What quotes of a call auction tell: the match that would be is no trade.
//!
//! While an auction collects orders, a Level-1 quote carries the virtual match in its book: the first
//! bid and ask have the same price, the levels behind have none. Exchanges leave the last price as it
//! is, but terminals show the virtual one there.

use plugin_api::{
    SpotView,
    schemas::time::{ExchangeTime, SECOND_US},
};

/// The closing auction of all three exchanges and the seconds until its result, since local midnight.
const CLOSING_US: (i64, i64) = ((14 * 3_600 + 57 * 60) * SECOND_US, (15 * 3_600 + 30) * SECOND_US);

/// Whether the last price of a quote may be that of a match in the closing auction which is not made
/// yet; it is, when nothing was traded since the quote before.
pub fn may_be_virtual(spot: &SpotView<'_>, moment: ExchangeTime) -> bool {
    let (start_us, end_us) = CLOSING_US;
    if !(start_us..=end_us).contains(&moment.of_day_us)
        || !matches!(spot.market(), "SH" | "SZ" | "BJ")
    {
        return false;
    }
    let (mut bids, mut asks) = (spot.bid().iter(), spot.ask().iter());
    let best = [bids.next(), asks.next()].map(|price| price.unwrap_or(0.0));
    let price = spot.close();
    #[allow(clippy::float_cmp)] // the same number in three fields
    let is_match = price > 0.0 && best == [price; 2];
    is_match && bids.chain(asks).all(|price| price <= 0.0)
}
