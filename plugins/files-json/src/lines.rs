//! Records as JSON lines.
//!
//! Prices and amounts are in CNY, volumes in shares, times on the exchange's clock. The keys are
//! those of the stores' columns, behind them `delivery`.

use plugin_api::{
    BarRecord, Batch, RecordKind, SpotView,
    schemas::{spot::shares, time::DatetimeText},
    serde_json::{self, Value, json},
};

/// Appends one line a record.
pub fn append(batch: &Batch, lines: &mut Vec<u8>) {
    let delivery = batch.delivery();
    match batch.kind() {
        RecordKind::Spot => batch.spots().iter().for_each(|it| line(&spot(&it, delivery), lines)),
        RecordKind::Bar => batch.bars().for_each(|it| line(&bar(&it, delivery), lines)),
    }
}

fn line(record: &Value, lines: &mut Vec<u8>) {
    // a Vec takes every byte, and a value is always JSON
    let _ = serde_json::to_writer(&mut *lines, record);
    lines.push(b'\n');
}

fn spot(spot: &SpotView<'_>, delivery: u64) -> Value {
    json!({
        "symbol": spot.symbol().to_string(),
        "name": spot.name(),
        "time": time(spot.time_us()),
        "recv_time": time(spot.recv_time_us()),
        "pre_close": spot.pre_close(),
        "open": spot.open(),
        "high": spot.high(),
        "low": spot.low(),
        "close": spot.close(),
        "amount": spot.amount_cny(),
        "volume": spot.volume_shares(),
        "bid": spot.bid().iter().collect::<Vec<_>>(),
        "bid_volume": spot.bid_lots().iter().map(shares).collect::<Vec<_>>(),
        "ask": spot.ask().iter().collect::<Vec<_>>(),
        "ask_volume": spot.ask_lots().iter().map(shares).collect::<Vec<_>>(),
        "source": spot.source(),
        "quality_score": spot.quality_score(),
        "delivery": delivery,
    })
}

fn bar(bar: &BarRecord<'_>, delivery: u64) -> Value {
    json!({
        "symbol": bar.symbol.to_string(),
        "period": bar.period,
        "time": time(bar.time_us),
        "open": bar.open,
        "high": bar.high,
        "low": bar.low,
        "close": bar.close,
        "amount": bar.amount_cny,
        "volume": bar.volume_shares,
        "closed": bar.closed,
        "quality_score": bar.quality_score,
        "delivery": delivery,
    })
}

/// RFC 3339 with the exchange's offset; `null` for a time that is not known.
fn time(utc_us: i64) -> Value {
    if utc_us == 0 {
        return Value::Null;
    }
    let mut text = DatetimeText::default();
    let text = String::from_utf8_lossy(text.format(utc_us)).replace(' ', "T");
    format!("{text}+08:00").into()
}
