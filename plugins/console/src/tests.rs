use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use plugin_api::{
    BarRecord, Batch, ErrorKind, Round, SpotListEncoder, SpotRecord, Symbol, encode_bars,
    serde_json::{self, Value, json},
    testing,
};

use super::{Console, deliver, printer::Printer};

fn print(options: Value, batch: &Batch) -> Vec<Value> {
    let mut lines = Vec::new();
    Printer::new(&testing::options(options).unwrap()).unwrap().print(batch, &mut lines);
    let text = String::from_utf8(lines).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn spot(record: &SpotRecord<'_>) -> Batch {
    let mut encoder = SpotListEncoder::new(1);
    encoder.push(record).unwrap();
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

const NINE_FIFTEEN_US: i64 = 1_638_321_301_000_000; // 2021-12-01 09:15:01 in Shanghai

#[test]
fn the_sink_keeps_its_contract() {
    let context = testing::context(&Arc::default(), Path::new("."));
    testing::check_sink::<Console>(&json!({ "fields": ["symbol"], "limit": 1 }), context);
}

#[test]
fn a_quote_is_printed_in_base_units() {
    let batch = spot(&SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发\"银行\"\n",
        time_us: NINE_FIFTEEN_US,
        recv_time_us: NINE_FIFTEEN_US + 250_000,
        pre_close: 8.5,
        open: 8.51,
        high: 8.6,
        low: 8.4,
        close: 8.55,
        amount_cny: 1_234_567.89,
        volume_shares: 123_456,
        bid: &[8.54, 8.53],
        bid_volume: &[150, 200],
        ask: &[],
        ask_volume: &[],
        source: "qq",
        sequence: 1,
        quality_score: Some(0.5),
    });
    let expected = json!({
        "symbol": "600000.SH", "market": "SH", "code": "600000", "name": "浦发\"银行\"\n",
        "time": "2021-12-01T09:15:01+08:00", "recv_time": "2021-12-01T09:15:01.250000+08:00",
        "pre_close": 8.5, "open": 8.51, "high": 8.6, "low": 8.4, "close": 8.55,
        "amount": 1_234_567.89, "volume": 123_456, "bid": [8.54, 8.53], "bid_volume": [150, 200],
        "ask": [], "ask_volume": [], "source": "qq", "quality_score": 0.5, "phase": "auction",
    });
    assert_eq!(print(json!({}), &batch), [expected]);
}

#[test]
fn a_name_that_a_terminal_would_obey_is_printed_as_json_escapes_it() {
    let name = "浦发\u{1b}]0;x\u{7}\u{7f}\u{9b}2J\u{202e}";
    let quote = SpotRecord {
        market: "SH",
        code: "600000",
        name,
        time_us: NINE_FIFTEEN_US,
        ..SpotRecord::default()
    };
    let mut lines = Vec::new();
    let options = testing::options(json!({ "fields": ["name"] })).unwrap();
    Printer::new(&options).unwrap().print(&spot(&quote), &mut lines);
    let line = String::from_utf8(lines).unwrap();
    assert!(!line.contains(plugin_api::terminal::is_unsafe), "{line:?}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["name"], name);
}

#[test]
fn a_bar_is_printed_in_base_units() {
    let bar = BarRecord {
        symbol: Symbol { market: "SZ", code: "000001" },
        period: "5m",
        time_us: NINE_FIFTEEN_US,
        open: 1.0,
        high: 2.0,
        low: 0.5,
        close: 1.5,
        amount_cny: 12_345.0,
        volume_shares: 1_200,
        closed: true,
        quality_score: None,
        source: "qq",
    };
    let expected = json!({
        "symbol": "000001.SZ", "period": "5m", "time": "2021-12-01T09:15:01+08:00", "open": 1.0,
        "high": 2.0, "low": 0.5, "close": 1.5, "amount": 12_345.0, "volume": 1_200, "closed": true,
        "quality_score": null, "source": "qq",
    });
    assert_eq!(print(json!({}), &Batch::from_bars(encode_bars([bar])).unwrap()), [expected]);
}

#[test]
fn what_json_cannot_write_is_null() {
    let batch = spot(&SpotRecord {
        market: "SH",
        code: "600000",
        close: f64::NAN,
        high: f64::INFINITY,
        bid: &[f64::NEG_INFINITY, 1.0],
        quality_score: Some(f32::NAN),
        ..SpotRecord::default()
    });
    let line = &print(json!({}), &batch)[0];
    for field in ["close", "high", "quality_score", "recv_time"] {
        assert_eq!(line[field], Value::Null, "{field}");
    }
    assert_eq!(line["bid"], json!([null, 1.0]));
}

#[test]
fn limit_counts_within_each_batch() {
    let batch = testing::spot_batch(5, Round::WHOLE);
    for (limit, printed) in [(0, 5), (1, 1), (5, 5), (9, 5)] {
        assert_eq!(print(json!({ "limit": limit }), &batch).len(), printed, "limit {limit}");
    }
}

#[test]
fn fields_choose_columns_and_their_order() {
    let mut lines = Vec::new();
    let options = testing::options(json!({ "fields": ["close", "symbol", "bid"] })).unwrap();
    let printer = Printer::new(&options).unwrap();
    printer.print(&testing::spot_batch(1, Round::WHOLE), &mut lines);
    printer.print(&testing::bar_batch(), &mut lines);
    let expected = concat!(
        r#"{"close":10.0,"symbol":"600000.SH","bid":[10.0,9.99]}"#,
        "\n",
        r#"{"close":10.1,"symbol":"600000.SH"}"#,
        "\n",
    );
    assert_eq!(String::from_utf8(lines).unwrap(), expected);
    assert!(print(json!({ "fields": ["bid"] }), &testing::bar_batch()).is_empty());
}

#[test]
fn every_unknown_field_is_named_with_those_there_are() {
    let options = testing::options(json!({ "fields": ["last", "close", "vol"] })).unwrap();
    let error = Printer::new(&options).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
    for text in ["\"last\"", "\"vol\"", "pre_close", "period"] {
        assert!(error.message.contains(text), "{text} is missing in: {error}");
    }
}

/// Fails every write with that error.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_sink_without_a_panic() {
    let error = deliver(&mut Broken(io::ErrorKind::BrokenPipe), b"{}\n").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(error.message.contains("has gone"), "{error}");
    let error = deliver(&mut Broken(io::ErrorKind::StorageFull), b"{}\n").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fatal);
    assert!(deliver(&mut Broken(io::ErrorKind::BrokenPipe), b"").is_ok(), "nothing to write");
}
