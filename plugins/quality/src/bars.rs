//! The rules for bars: those that need no other record.

use plugin_api::BarRecord;

use crate::{
    board::Board,
    checks::{fits, high_low, is_amount, is_price, is_volume},
    rule::{Rule, Rules},
};

/// Every rule that the bar breaks.
#[allow(clippy::cast_precision_loss)] // exact enough for a bound
pub fn check(bar: &BarRecord<'_>) -> Rules {
    let prices = [bar.open, bar.high, bar.low, bar.close];
    let mut broken = Rules::NONE;
    let texts = [bar.symbol.market, bar.symbol.code, bar.period];
    let lacks = texts.iter().any(|text| text.is_empty())
        || bar.time_us == 0
        || !prices.iter().any(|price| *price > 0.0);
    broken.add_if(lacks, Rule::Fields);
    broken.add_if(!prices.into_iter().all(is_price), Rule::Price);
    let has_sizes = is_amount(bar.amount_cny) && is_volume(bar.volume_shares as f64);
    broken.add_if(!has_sizes, Rule::Volume);
    if !broken.is_empty() {
        return broken;
    }
    broken = high_low(prices);
    broken.add_if(prices.iter().any(|price| *price <= 0.0), Rule::Zero);
    let is_off = !fits(bar.amount_cny, bar.volume_shares, [bar.low, bar.high]);
    let board = Board::of(bar.symbol.market, bar.symbol.code);
    broken.add_if(is_off && board.trades_in_shares(), Rule::Amount);
    broken
}
