//! What the tables are and what they do with records that come again.

use harness::ClickHouse;
use plugin_api::{
    BarRecord, Batch, Round, Symbol, encode_bars,
    testing::{bar_batch, spot_batch},
};
use serde_json::json;

use super::{Desk, write};

/// A bar of a minute or of another period, received at that moment.
fn bar(period: &str, close: f64, closed: bool, received_at_us: i64) -> Batch {
    let bar = BarRecord {
        symbol: Symbol { market: "SH", code: "600000" },
        period,
        time_us: 1_638_322_260_000_000,
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close,
        amount_cny: 12_345.0,
        volume_shares: 1_200,
        closed,
        quality_score: Some(0.5),
        source: "qq",
    };
    let batch = Batch::from_bars(encode_bars([bar])).unwrap();
    let mut provenance = batch.provenance().clone();
    provenance.received_at_us = received_at_us;
    batch.with_provenance(provenance)
}

#[test]
fn the_sink_keeps_its_contract() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({})).unwrap();
    let inputs = [
        spot_batch(3, Round { first: true, last: false }),
        spot_batch(2, Round::MIDDLE),
        spot_batch(0, Round { first: false, last: true }),
        spot_batch(1, Round::WHOLE),
        bar_batch(),
    ];
    write(&mut sink, &[]);
    for input in &inputs {
        write(&mut sink, std::slice::from_ref(input));
    }
    write(&mut sink, &inputs);
    sink.tick().unwrap();
    for _ in 0..2 {
        sink.flush().unwrap();
    }
    sink.close().unwrap();
    // the batches share their first records
    assert_eq!(server.query("SELECT count() FROM market.spots FINAL"), "3\n");
    assert_eq!(server.query("SELECT count() FROM market.minute_bars FINAL"), "1\n");
}

#[test]
fn columns_say_what_they_hold_and_in_which_unit() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.open(json!({})).unwrap();
    let comments = |table: &str| {
        server.query(&format!(
            "SELECT name, type, comment FROM system.columns \
             WHERE database = 'market' AND table = '{table}'"
        ))
    };
    let spots = comments("spots");
    for line in [
        "amount\tFloat64\tturnover since the open, CNY\n",
        "volume\tUInt64\tvolume since the open, shares\n",
        "time\tDateTime(\\'Asia/Shanghai\\')\texchange time; 1970 when unknown\n",
        "time_us\tInt64\ttime in microseconds since 1970 UTC; 0 when unknown\n",
        "ask_volume\tArray(UInt64)\task sizes, best first, shares\n",
    ] {
        assert!(spots.contains(line), "{line:?} is not in\n{spots}");
    }
    assert!(spots.lines().chain(comments("minute_bars").lines()).all(|it| !it.ends_with('\t')));
}

#[test]
fn a_bar_that_still_changes_is_replaced_by_the_one_that_came_last() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({ "bar_table": "bars" })).unwrap();
    write(&mut sink, &[bar("1m", 10.1, false, 1_000_000)]);
    write(&mut sink, &[bar("1m", 10.2, true, 2_000_000), bar("day", 11.0, false, 2_000_000)]);
    // offered again, after a later one
    write(&mut sink, &[bar("1m", 10.1, false, 1_000_000)]);
    let shown =
        server.query("SELECT symbol, time, close, closed, quality_score FROM market.bars_1m");
    assert_eq!(shown, "600000.SH\t2021-12-01 09:31:00\t10.2\t1\t0.5\n");
    assert_eq!(server.query("SELECT count() FROM market.bars FINAL"), "2\n");
}

#[test]
fn records_that_are_offered_again_are_kept_once() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({})).unwrap();
    // records without numbers of their own, many of one security and second
    let mut encoder = plugin_api::SpotListEncoder::new(0);
    for volume_shares in 0..100 {
        let spot = plugin_api::SpotRecord {
            market: "SZ",
            code: "000001",
            time_us: 1_638_321_301_000_000,
            volume_shares,
            ..Default::default()
        };
        encoder.push(&spot).unwrap();
    }
    let batch = Batch::from_spots(&mut encoder, Round::MIDDLE).numbered(1, 5, 0).with_delivery(77);
    let (first, second) = batch.halves().unwrap().unwrap();
    for again in [&batch, &first, &second, &batch] {
        write(&mut sink, std::slice::from_ref(again));
    }
    let found = server.query("SELECT count(), sum(volume) FROM market.spots FINAL");
    assert_eq!(found, "100\t4950\n");
}
