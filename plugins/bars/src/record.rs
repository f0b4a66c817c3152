//! A bar as readers get it.

use plugin_api::{BarRecord, Symbol};

use crate::{bar::Bar, options::Settings, security::Security, shape::Label};

/// The record of a security's bar of that source, whose period stands at that place of the settings.
pub fn record<'a>(
    security: &'a Security,
    settings: &Settings,
    place: usize,
    bar: &Bar,
    source: &'a str,
) -> BarRecord<'a> {
    let period = settings.periods[place];
    let time_us = match settings.shape.label {
        Label::End => bar.slot.time_us,
        Label::Start => {
            let hours = settings.hours_of(&security.market, &security.code);
            period.start_us(bar.slot.time_us, hours)
        }
    };
    BarRecord {
        symbol: Symbol { market: &security.market, code: &security.code },
        period: period.as_str(),
        time_us,
        open: bar.prices.open,
        high: bar.prices.high,
        low: bar.prices.low,
        close: bar.prices.close,
        amount_cny: bar.amount(period),
        volume_shares: bar.volume(period),
        closed: bar.is_closed,
        quality_score: bar.quality_score,
        source,
    }
}
