//! What is read back when it is asked for.

use plugin_api::{
    BarRecord, Batch, ErrorKind, Polled, RecordKind, Round, Sink, Source, SpotListEncoder,
    SpotRecord, Symbol, encode_bars,
    serde_json::{Value, json},
    testing::{check_source, options},
};

use super::{Bench, Server, with};
use crate::reading::StreamSource;

/// 2021-12-01 09:30:00 in Shanghai.
const OPEN_US: i64 = 1_638_322_200_000_000;
const SECOND_US: i64 = 1_000_000;

fn ask(kind: &str, more: Value) -> Value {
    let period = if kind == "bar" { json!("1m") } else { Value::Null };
    let mut ask = json!({
        "symbols": [], "from": "2021-12-01", "to": "2021-12-01 23:59:59", "kind": kind,
        "period": period,
    });
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask
}

/// Quotes of a code, at seconds since the open, as a batch that arrived then.
fn quotes(code: &str, seconds: &[i64]) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for second in seconds {
        let record = SpotRecord {
            market: "SH",
            code,
            time_us: OPEN_US + second * SECOND_US,
            close: 10.5,
            bid: &[10.4, 10.3],
            bid_volume: &[100, 200],
            source: "feed",
            sequence: second.unsigned_abs() + 1,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

fn bars(closes: &[(i64, f64)]) -> Batch {
    let bar = |(minute, close): &(i64, f64)| BarRecord {
        symbol: Symbol { market: "SH", code: "600000" },
        period: "1m",
        time_us: OPEN_US + minute * 60 * SECOND_US,
        open: 10.0,
        high: 11.0,
        low: 9.0,
        close: *close,
        source: "",
        amount_cny: 1.5,
        volume_shares: 100,
        closed: true,
        quality_score: None,
    };
    Batch::from_bars(encode_bars(closes.iter().map(bar))).unwrap()
}

/// Numbered as the host numbers them, by the time of arrival.
fn numbered(batches: impl IntoIterator<Item = Batch>) -> Vec<Batch> {
    let number = |(batch, number): (Batch, u64)| {
        let arrived = OPEN_US.unsigned_abs() + number * 1_000_000;
        batch.numbered(1, number, 0).with_delivery(arrived)
    };
    batches.into_iter().zip(1..).map(number).collect()
}

fn read(bench: &Bench, server: &Server, more: &Value) -> (Vec<Batch>, Vec<String>) {
    let options = options(with(server, more)).unwrap();
    let mut source = StreamSource::open(options, bench.context()).unwrap();
    let (mut batches, mut refused) = (Vec::new(), Vec::new());
    loop {
        match source.next(std::time::Duration::from_millis(20)) {
            Ok(Polled::Batch(batch)) => batches.push(batch),
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => break,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::BadData, "{error}");
                refused.push(error.message);
            }
        }
    }
    assert_eq!(source.close().is_err(), !refused.is_empty());
    (batches, refused)
}

fn seconds(batches: &[Batch]) -> Vec<(i64, String)> {
    let of_batch = |batch: &Batch| {
        let spot = |it: plugin_api::SpotView<'_>| {
            ((it.time_us() - OPEN_US) / SECOND_US, it.code().to_owned())
        };
        batch.spots().iter().map(spot).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of_batch).collect()
}

#[test]
fn what_was_asked_for_comes_back_in_time_order_and_changes_nothing() {
    for more in [
        json!({}),
        json!({ "format": "flatbuffers" }),
        json!({ "shards": 4 }),
        json!({ "format": "flatbuffers", "shards": 3 }),
    ] {
        let (bench, server) = (Bench::new(), Server::start(&[]));
        let written = numbered([
            quotes("600000", &[0, 3, 6]),
            quotes("600001", &[0, 3, 6]),
            // what was written late
            quotes("600000", &[1, 2]),
            bars(&[(1, 10.1), (2, 10.2), (1, 10.3)]),
            quotes("600000", &[90_000]),
        ]);
        let mut sink = bench.sink(&server, &more);
        sink.write(&written).unwrap();
        let keys: Vec<String> = server.ask("KEYS *");
        // the host hands over what both know
        let mut asked = json!({ "ask": ask("spot", json!({})) });
        asked["shards"] = more.get("shards").cloned().unwrap_or(json!(0));
        let (batches, refused) = read(&bench, &server, &asked);
        assert_eq!(refused, Vec::<String>::new());
        let mut read_back = seconds(&batches);
        assert!(read_back.is_sorted_by_key(|(second, _)| *second), "{more}: {read_back:?}");
        read_back.sort_by_key(|(second, code)| (code.clone(), *second));
        let expected = [(0, "600000"), (1, "600000"), (2, "600000"), (3, "600000"), (6, "600000")];
        let expected = expected.into_iter().chain([(0, "600001"), (3, "600001"), (6, "600001")]);
        let expected: Vec<_> = expected.map(|(it, code)| (it, code.to_owned())).collect();
        assert_eq!(read_back, expected, "{more}");
        let spot = batches[0].spots().iter().next().unwrap();
        assert_eq!((spot.source(), spot.bid_lots().len()), ("feed", 2));

        asked["ask"] = ask("bar", json!({}));
        let (batches, _) = read(&bench, &server, &asked);
        let closes: Vec<_> = batches.iter().flat_map(Batch::bars).map(|bar| bar.close).collect();
        assert_eq!(closes, [10.3, 10.2], "the last of a key stays: {more}");
        assert!(batches.iter().all(|it| it.kind() == RecordKind::Bar));
        assert_eq!(server.ask::<Vec<String>>("KEYS *").len(), keys.len());
        let groups: Vec<redis::Value> = server.ask(&format!("XINFO GROUPS {}", keys[0]));
        assert_eq!(groups, [], "no group was made");
    }
}

#[test]
fn only_the_span_and_the_securities_are_given() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let all = numbered([quotes("600000", &[0, 3, 6]), quotes("600001", &[0, 3, 6])]);
    bench.sink(&server, &json!({ "stream": "quotes" })).write(&all).unwrap();
    let some = json!({ "symbols": ["SH600001"], "from": "2021-12-01 09:30:03" });
    let options = json!({ "stream": "quotes", "ask": ask("spot", some) });
    let (batches, _) = read(&bench, &server, &options);
    assert_eq!(seconds(&batches), [(3, "600001".to_owned()), (6, "600001".to_owned())]);
    let absent = json!({ "stream": "nothing", "ask": ask("spot", json!({})) });
    assert!(read(&bench, &server, &absent).0.is_empty(), "a store may have nothing");
}

#[test]
fn the_asked_source_keeps_its_contract() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let second = |second: i64| quotes("600000", &[second]);
    bench.sink(&server, &json!({})).write(&numbered((0..50).map(second))).unwrap();
    let more = json!({ "ask": ask("spot", json!({})), "batch_records": 20 });
    let batches = check_source::<StreamSource>(&with(&server, &more), bench.context(), 10);
    assert_eq!(batches.iter().map(Batch::records).collect::<Vec<_>>(), [20, 20, 10]);
}

#[test]
fn entries_that_are_no_records_are_told_and_the_others_given() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    bench.sink(&server, &json!({})).write(&numbered([quotes("600000", &[0])])).unwrap();
    server.ask::<String>("XADD spot_stream * pre_close x symbol 600000.SH");
    let (batches, refused) = read(&bench, &server, &json!({ "ask": ask("spot", json!({})) }));
    assert_eq!(seconds(&batches), [(0, "600000".to_owned())]);
    assert_eq!(refused.len(), 1);
    assert!(refused[0].contains("1 entries of spot_stream are no records"), "{refused:?}");
}

#[test]
fn a_cut_connection_is_made_anew_and_nothing_comes_twice() {
    let (bench, server) = (Bench::new(), Server::start(&[]));
    let second = |second: i64| quotes("600000", &[second]);
    bench.sink(&server, &json!({})).write(&numbered((0..2_500).map(second))).unwrap();
    let options = options(with(&server, &json!({ "ask": ask("spot", json!({})) }))).unwrap();
    let mut source = StreamSource::open(options, bench.context()).unwrap();
    let (mut batches, mut faults) = (Vec::new(), 0);
    loop {
        match source.next(std::time::Duration::ZERO) {
            Ok(Polled::Batch(batch)) => batches.push(batch),
            Ok(Polled::Idle) if faults < 2 => {
                server.ask::<u64>("CLIENT KILL TYPE normal SKIPME yes");
            }
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => break,
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Retry, "{error}");
                faults += 1;
            }
        }
    }
    assert!(faults >= 2);
    let expected: Vec<_> = (0..2_500).map(|second| (second, "600000".to_owned())).collect();
    assert_eq!(seconds(&batches), expected);
}
