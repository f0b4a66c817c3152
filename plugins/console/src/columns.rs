//! The columns of quotes and bars, and how each is written as JSON.
//!
//! Prices are in CNY, volumes in shares, amounts in CNY, times on the exchange's clock. What is
//! unknown, and numbers that JSON cannot write, are `null`.

use plugin_api::{
    BarRecord, Levels, SpotView,
    schemas::{spot::shares, time::DatetimeText},
    serde_json, terminal,
};

/// A column: its name, and what writes its value.
pub type Column<Write> = (&'static str, Write);
/// Writes a value of a quote.
pub type WriteSpot = fn(&SpotView<'_>, &mut Vec<u8>);
/// Writes a value of a bar.
pub type WriteBar = fn(&BarRecord<'_>, &mut Vec<u8>);

/// Columns of a quote.
pub const SPOT_COLUMNS: [Column<WriteSpot>; 19] = [
    ("symbol", |spot, line| text(line, &spot.symbol().to_string())),
    ("market", |spot, line| text(line, spot.market())),
    ("code", |spot, line| text(line, spot.code())),
    ("name", |spot, line| text(line, spot.name())),
    ("time", |spot, line| time(line, spot.time_us())),
    ("recv_time", |spot, line| time(line, spot.recv_time_us())),
    ("pre_close", |spot, line| json(line, &spot.pre_close())),
    ("open", |spot, line| json(line, &spot.open())),
    ("high", |spot, line| json(line, &spot.high())),
    ("low", |spot, line| json(line, &spot.low())),
    ("close", |spot, line| json(line, &spot.close())),
    ("amount", |spot, line| json(line, &spot.amount_cny())),
    ("volume", |spot, line| json(line, &spot.volume_shares())),
    ("bid", |spot, line| levels(line, spot.bid(), |price| price)),
    ("bid_volume", |spot, line| levels(line, spot.bid_lots(), shares)),
    ("ask", |spot, line| levels(line, spot.ask(), |price| price)),
    ("ask_volume", |spot, line| levels(line, spot.ask_lots(), shares)),
    ("source", |spot, line| text(line, spot.source())),
    ("quality_score", |spot, line| json(line, &spot.quality_score())),
];

/// Columns of a bar; its time is its end.
pub const BAR_COLUMNS: [Column<WriteBar>; 11] = [
    ("symbol", |bar, line| text(line, &bar.symbol.to_string())),
    ("period", |bar, line| text(line, bar.period)),
    ("time", |bar, line| time(line, bar.time_us)),
    ("open", |bar, line| json(line, &bar.open)),
    ("high", |bar, line| json(line, &bar.high)),
    ("low", |bar, line| json(line, &bar.low)),
    ("close", |bar, line| json(line, &bar.close)),
    ("amount", |bar, line| json(line, &bar.amount_cny)),
    ("volume", |bar, line| json(line, &bar.volume_shares)),
    ("closed", |bar, line| json(line, &bar.closed)),
    ("quality_score", |bar, line| json(line, &bar.quality_score)),
];

fn json<T: plugin_api::serde::Serialize + ?Sized>(line: &mut Vec<u8>, value: &T) {
    // a Vec takes every byte, and neither text nor number can fail to serialize
    let _ = serde_json::to_writer(line, value);
}

/// A text from outside, in which a terminal finds nothing to obey.
fn text(line: &mut Vec<u8>, text: &str) {
    let json = serde_json::Value::from(text).to_string();
    line.extend_from_slice(terminal::escaped_json(&json).as_bytes());
}

/// RFC 3339 with the exchange's offset, e.g. `2021-12-01T09:15:01+08:00`.
fn time(line: &mut Vec<u8>, utc_us: i64) {
    if utc_us == 0 {
        return line.extend_from_slice(b"null");
    }
    let mut text = DatetimeText::default();
    let text = text.format(utc_us);
    line.push(b'"');
    line.extend_from_slice(&text[..10]);
    line.push(b'T');
    line.extend_from_slice(&text[11..]);
    line.extend_from_slice(b"+08:00\"");
}

fn levels<T: plugin_api::serde::Serialize>(
    line: &mut Vec<u8>,
    levels: Levels<'_>,
    value: impl Fn(f64) -> T,
) {
    line.push(b'[');
    for (index, level) in levels.iter().enumerate() {
        if index > 0 {
            line.push(b',');
        }
        json(line, &value(level));
    }
    line.push(b']');
}
