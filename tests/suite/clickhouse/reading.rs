//! What the source reads back of real tables.

use std::time::Duration;

use dataserver::loader::SourceInstance;
use harness::{Bench, ClickHouse, DAYS};
use plugin_api::{
    BarRecord, Batch, ErrorKind, Polled, Round, SpotListEncoder, SpotRecord, Symbol, WireSpot,
    encode_bars, testing::spot_batch,
};
use serde_json::{Value, json};

use super::{Desk, write};

/// 2021-12-01 09:15:01 in Shanghai.
const MORNING_US: i64 = 1_638_321_301_000_000;

fn ask(kind: &str, more: Value) -> Value {
    let period = if kind == "bar" { json!("1m") } else { Value::Null };
    let mut ask = json!({
        "symbols": [], "from": "2021-12-01", "to": "2021-12-01 23:59:59.999999", "kind": kind,
        "period": period,
    });
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "ask": ask })
}

/// Batches to the end; faults that pass are handed to `heal`.
fn read_all(
    source: &mut Box<dyn SourceInstance>,
    mut heal: impl FnMut(usize, &plugin_api::PluginError),
) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut faults = 0;
    loop {
        match source.next(Duration::from_millis(20)) {
            Ok(Polled::Batch(batch)) => batches.push(batch),
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => break,
            Err(error) => {
                faults += 1;
                assert_eq!(error.kind, ErrorKind::Retry, "{error}");
                heal(faults, &error);
            }
        }
    }
    source.close().unwrap();
    batches
}

fn read(desk: &Desk, more: Value) -> Vec<Batch> {
    let mut source = desk.source(more).unwrap();
    read_all(&mut source, |_, error| panic!("{error}"))
}

fn wires(batches: &[Batch]) -> Vec<WireSpot<'_>> {
    batches.iter().flat_map(|batch| batch.spots().iter().map(|spot| spot.to_wire())).collect()
}

/// Quotes with all there is and with next to nothing.
fn varied() -> Batch {
    let ten = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    let full = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: MORNING_US + 250_000,
        recv_time_us: MORNING_US + 500_001,
        pre_close: 8.51,
        open: 8.5,
        high: 8.6,
        low: 8.4,
        close: 0.1 + 0.2,
        amount_cny: 3_429_770.0,
        volume_shares: (1 << 53) - 1,
        bid: &ten,
        bid_volume: &[100, 200, 301],
        ask: &[8.55],
        ask_volume: &[700],
        source: "qq",
        sequence: 42,
        quality_score: Some(0.5),
    };
    let bare = SpotRecord {
        market: "SZ",
        code: "000001",
        time_us: MORNING_US,
        source: "qq",
        sequence: 43,
        ..SpotRecord::default()
    };
    let mut encoder = SpotListEncoder::new(2);
    encoder.push(&bare).unwrap();
    encoder.push(&full).unwrap();
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

fn bar(period: &str, minute: i64, close: f64, received_at_us: i64) -> Batch {
    let bar = BarRecord {
        symbol: Symbol { market: "SH", code: "600000" },
        period,
        time_us: MORNING_US + minute * 60_000_000,
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close,
        amount_cny: 12_345.0,
        volume_shares: 1_200,
        closed: true,
        quality_score: Some(0.5),
        source: "",
    };
    let batch = Batch::from_bars(encode_bars([bar])).unwrap();
    let mut provenance = batch.provenance().clone();
    provenance.received_at_us = received_at_us;
    batch.with_provenance(provenance)
}

#[test]
fn quotes_come_back_value_by_value_and_once_though_they_are_not_merged() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({})).unwrap();
    let batch = varied();
    // parts of their own, which the server merges when it likes
    for _ in 0..3 {
        write(&mut sink, std::slice::from_ref(&batch));
    }
    let batches = read(&desk, ask("spot", json!({})));
    assert_eq!(wires(&batches), wires(std::slice::from_ref(&batch)));
    let one = read(&desk, ask("spot", json!({ "symbols": ["SZ000001"] })));
    assert_eq!(wires(&one), wires(std::slice::from_ref(&batch))[..1]);
    let later = json!({ "from": "2021-12-01 09:15:01.25", "to": "2021-12-01 09:15:01.25" });
    assert_eq!(wires(&read(&desk, ask("spot", later))), wires(std::slice::from_ref(&batch))[1..]);
    for nothing in [json!({ "symbols": ["600001.SH"] }), json!({ "from": "2021-12-01 10:00:00" })] {
        assert!(read(&desk, ask("spot", nothing)).is_empty(), "a store may have nothing");
    }
}

#[test]
fn of_bars_the_last_version_of_the_period_comes_back() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let mut sink = desk.open(json!({})).unwrap();
    write(&mut sink, &[bar("1m", 2, 10.2, 1), bar("1m", 1, 10.3, 9)]);
    // offered again, after a later one
    write(&mut sink, &[bar("1m", 1, 10.1, 5), bar("5m", 5, 11.0, 5)]);
    let batches = read(&desk, ask("bar", json!({})));
    let bars: Vec<_> = batches.iter().flat_map(Batch::bars).collect();
    let expected = [bar("1m", 1, 10.3, 9), bar("1m", 2, 10.2, 1)];
    assert_eq!(bars, expected.iter().flat_map(Batch::bars).collect::<Vec<_>>());
    let five = read(&desk, ask("bar", json!({ "period": "5m" })));
    assert_eq!(five.iter().map(Batch::records).sum::<u32>(), 1);
}

#[test]
fn a_recorded_day_comes_back_whole_each_security_in_the_order_of_time() {
    let server = ClickHouse::start();
    for (index, day) in DAYS.iter().enumerate() {
        let bench = Bench::new(&["replay", "clickhouse"]);
        let database = format!("day{index}");
        bench.pipeline(&format!(
            "{}\n[sinks.store]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"{}\"\n\
             database = \"{database}\"\n",
            day.source(),
            server.http_url()
        ));
        bench.run(&["run"]).assert(0, &[]);
        let desk = Desk::new(&server.http_url());
        let mut more = ask("spot", json!({ "from": "1990-01-01", "to": "2100-01-01" }));
        more["database"] = json!(database);
        let batches = read(&desk, more);
        assert_eq!(batches.iter().map(|it| u64::from(it.records())).sum::<u64>(), day.records);
        let mut last_by_symbol = std::collections::HashMap::new();
        for spot in batches.iter().flat_map(|batch| batch.spots().iter()) {
            let last = last_by_symbol.insert(spot.symbol(), spot.time_us());
            assert!(last.is_none_or(|last| last <= spot.time_us()), "{}", spot.symbol());
        }
    }
}

/// More than is read at once, and a server that is gone in the middle.
#[test]
fn a_server_that_is_killed_under_way_gives_nothing_twice() {
    let mut server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    desk.open(json!({})).unwrap();
    server.query(
        "INSERT INTO market.spots (symbol, market, code, time, time_us, source, sequence) \
         SELECT concat(toString(600000 + number % 50), '.SH'), 'SH', \
         toString(600000 + number % 50), toDateTime(1638321301 + intDiv(number, 50)), \
         (1638321301 + intDiv(number, 50)) * 1000000, 'feed', number + 1 FROM numbers(250000)",
    );
    let mut more = ask("spot", json!({}));
    more["batch_records"] = json!(7_000);
    more["timeout"] = json!("5s");
    let mut source = desk.source(more).unwrap();
    let mut batches = Vec::new();
    while batches.is_empty() {
        if let Polled::Batch(batch) = source.next(Duration::from_millis(20)).unwrap() {
            batches.push(batch);
        }
    }
    server.signal("KILL");
    batches.extend(read_all(&mut source, |faults, _| {
        if faults == 1 {
            server.restart();
        }
    }));
    let mut numbers: Vec<_> = wires(&batches).iter().map(|spot| spot.sequence).collect();
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=250_000), "{} records", numbers.len());
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let server = ClickHouse::start();
    let desk = Desk::new(&server.http_url());
    let error = desk.source(ask("spot", json!({}))).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Retry);
    assert!(error.message.contains("there is no table spots; correct `database`"), "{error}");
}

#[test]
fn of_several_replicas_one_that_is_there_is_used() {
    let server = ClickHouse::start();
    // nothing listens on port 1
    let desk = Desk::new("http://127.0.0.1:1");
    let urls = json!({ "url": ["http://127.0.0.1:1", server.http_url()] });
    let mut sink = desk.open(urls.clone()).unwrap();
    write(&mut sink, &[spot_batch(3, Round::MIDDLE)]);
    let mut more = ask("spot", json!({}));
    more["url"] = urls["url"].clone();
    assert_eq!(read(&desk, more).iter().map(Batch::records).sum::<u32>(), 3);
}
