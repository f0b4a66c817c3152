//! Quotes out of JSON lines.

use std::borrow::Cow;

use plugin_api::{
    SpotListEncoder, SpotRecord, Symbol, schemas::time::parse_exchange_time, serde::Deserialize,
    serde_json,
};

/// A line. What it does not say is 0 or empty; keys beside these are let pass.
#[derive(Deserialize)]
#[serde(crate = "plugin_api::serde")]
struct Quote<'a> {
    #[serde(borrow)]
    symbol: Cow<'a, str>,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(default)]
    pre_close: f64,
    #[serde(default)]
    open: f64,
    #[serde(default)]
    high: f64,
    #[serde(default)]
    low: f64,
    #[serde(default)]
    close: f64,
    #[serde(default)]
    amount: f64,
    #[serde(default)]
    volume: u64,
    #[serde(default)]
    bid: Vec<f64>,
    #[serde(default)]
    bid_volume: Vec<u64>,
    #[serde(default)]
    ask: Vec<f64>,
    #[serde(default)]
    ask_volume: Vec<u64>,
}

/// Adds the quote of a line to a list.
///
/// # Errors
/// What is wrong with the line.
pub fn read_line(
    line: &[u8],
    source: &str,
    recv_time_us: i64,
    sequence: u64,
    list: &mut SpotListEncoder,
) -> Result<(), String> {
    let quote: Quote<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let symbol = Symbol::parse(&quote.symbol, None)
        .ok_or_else(|| format!("symbol \"{}\" is none such as 600000.SH", quote.symbol))?;
    let time_us = parse_exchange_time(&quote.time).ok_or_else(|| {
        format!("time \"{}\" is none such as 2021-12-01T09:15:01+08:00", quote.time)
    })?;
    let record = SpotRecord {
        market: symbol.market,
        code: symbol.code,
        name: &quote.name,
        time_us,
        recv_time_us,
        pre_close: quote.pre_close,
        open: quote.open,
        high: quote.high,
        low: quote.low,
        close: quote.close,
        amount_cny: quote.amount,
        volume_shares: quote.volume,
        bid: &quote.bid,
        bid_volume: &quote.bid_volume,
        ask: &quote.ask,
        ask_volume: &quote.ask_volume,
        source,
        sequence,
        quality_score: None,
    };
    list.push(&record).map_err(|full| full.to_string())
}
