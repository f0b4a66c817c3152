//! What quotes of a call auction tell: the match that would be is no trade.
//!
//! While an auction collects orders, a Level-1 quote carries the virtual match in its book: the first
//! bid and ask have the same price, the levels behind have none. Exchanges leave the last price as it
//! is, but terminals show the virtual one there. A quote may tell the last trades before the auction,
//! too: then its price is theirs if they were made at about that price.

use plugin_api::{SpotView, schemas::time::ExchangeTime};

use crate::{
    bar::Totals,
    hours::{GRACE_US, MINUTE_US},
};

/// The closing auction of all three exchanges and the moments after it, since local midnight.
const CLOSING_US: (i64, i64) = ((14 * 60 + 57) * MINUTE_US, 15 * 60 * MINUTE_US + GRACE_US);
/// How far the mean price of new trades may be from the last one, as a part of it.
const NEAR: f64 = 0.001;

/// Whether what was traded meanwhile was traded at about that price.
pub fn is_traded_at(price: f64, before: Totals, now: Totals) -> bool {
    #[allow(clippy::cast_precision_loss)] // shares of some seconds
    let volume = now.volume.saturating_sub(before.volume) as f64;
    volume > 0.0 && ((now.amount - before.amount) / volume - price).abs() <= NEAR * price
}

/// Whether the last price of a quote may be that of a match in the closing auction which is not made
/// yet.
pub fn may_be_virtual(spot: &SpotView<'_>, moment: ExchangeTime) -> bool {
    if !(CLOSING_US.0..=CLOSING_US.1).contains(&moment.of_day_us)
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
