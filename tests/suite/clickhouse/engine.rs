//! The very bytes that are sent, read by the engine of a current ClickHouse.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use dataserver::loader::SourceInstance;
use harness::{Bench, DAYS, Python, python, sample};
use plugin_api::{
    Batch, ErrorKind, Polled, Round, SpotListEncoder, SpotRecord,
    testing::{bar_batch, spot_batch},
};
use serde_json::json;
use tempfile::TempDir;

use super::{Desk, write};

/// The engine behind an HTTP interface.
struct Engine {
    url: String,
    _process: Python,
    _folder: TempDir,
}

impl Engine {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = python("clickhouse_engine.py", &[&folder.path().display().to_string()]);
        let url = process.line();
        assert!(url.starts_with("http://"), "{url}");
        Self { url, _process: process, _folder: folder }
    }

    fn query(&self, sql: &str) -> String {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "POST / HTTP/1.0\r\ncontent-length: {}\r\n\r\n{sql}", sql.len()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{sql}: {body}");
        body.to_owned()
    }
}

/// One record of each of so many months.
fn months(count: i64) -> Batch {
    const MONTH_US: i64 = 31 * 86_400 * 1_000_000;
    let mut encoder = SpotListEncoder::new(0);
    for month in 0..count {
        let spot = SpotRecord { market: "SH", code: "600000", ..SpotRecord::default() };
        encoder.push(&SpotRecord { time_us: month * MONTH_US, ..spot }).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

#[test]
fn every_record_of_every_day_is_in_the_table_of_a_current_engine() {
    let engine = Engine::start();
    for (index, day) in DAYS.iter().enumerate() {
        let bench = Bench::new(&["replay", "clickhouse"]);
        let database = format!("day{index}");
        bench.pipeline(&format!(
            "{}\n[sinks.store]\nplugin = \"clickhouse\"\ninputs = [\"day\"]\nurl = \"{}\"\n\
             database = \"{database}\"\n",
            day.source(),
            engine.url
        ));
        let run = bench.run(&["run"]);
        run.assert(0, &[]);
        assert_eq!(run.summary("store", "out"), day.records);
        let table = format!("{database}.spots");
        let recorded = sample(day.file).display().to_string();
        let checked = python("clickhouse_check.py", &[&engine.url, &table, &recorded]);
        assert_eq!(checked.finish().trim(), format!("{} rows", day.records));
    }
}

#[test]
fn an_insert_that_is_repeated_is_recognised_before_rows_are_merged() {
    let engine = Engine::start();
    let desk = Desk::new(&engine.url);
    let mut sink = desk.open(json!({})).unwrap();
    engine.query("SYSTEM STOP MERGES");
    let numbered = |sequence| {
        let spots = spot_batch(3, Round::MIDDLE).numbered(1, sequence, 0);
        let bars = bar_batch().numbered(1, sequence, 3);
        [spots.with_delivery(100 + sequence), bars.with_delivery(100 + sequence)]
    };
    for sequence in [1, 1, 2, 1, 2] {
        write(&mut sink, &numbered(sequence));
    }
    // another instance, as after a restart
    write(&mut desk.open(json!({})).unwrap(), &numbered(2));
    assert_eq!(engine.query("SELECT count() FROM market.spots"), "6\n");
    assert_eq!(engine.query("SELECT count() FROM market.minute_bars"), "2\n");
    assert_eq!(engine.query("SELECT count() FROM market.spots FINAL"), "3\n");
}

/// More records than a block takes, of several months: parts of their own.
#[test]
fn a_large_insert_that_is_repeated_is_recognised_in_all_its_parts() {
    let engine = Engine::start();
    let mut sink = Desk::new(&engine.url).open(json!({})).unwrap();
    engine.query("SYSTEM STOP MERGES");
    let large = spot_batch(40_000, Round::MIDDLE).numbered(1, 1, 0).with_delivery(1);
    let months = months(3).numbered(1, 2, 0).with_delivery(2);
    for _ in 0..2 {
        write(&mut sink, &[large.clone(), months.clone()]);
    }
    assert_eq!(engine.query("SELECT count() FROM market.spots"), "40003\n");
}

#[test]
fn a_new_table_is_precise_described_and_forgets_by_age() {
    let engine = Engine::start();
    Desk::new(&engine.url).open(json!({ "ttl_days": 10_000 })).unwrap();
    let made = engine.query("SHOW CREATE TABLE market.spots");
    for part in [
        "`time` DateTime64(6, \\'Asia/Shanghai\\') COMMENT \\'exchange time; 1970 when unknown\\'",
        "`volume` UInt64 COMMENT \\'volume since the open, shares\\'",
        "ENGINE = ReplacingMergeTree\\nPARTITION BY toYYYYMM(time)\\n",
        "ORDER BY (symbol, time, source, sequence)\\nTTL toDateTime(time) + toIntervalDay(10000)\\n",
        "non_replicated_deduplication_window = 1000",
    ] {
        assert!(made.contains(part), "{part}\nis not in\n{made}");
    }
    assert!(engine.query("SHOW TABLES FROM market").contains("minute_bars_1m"));
}

#[test]
fn tables_that_are_there_are_made_to_forget_by_age() {
    let engine = Engine::start();
    let desk = Desk::new(&engine.url);
    desk.open(json!({})).unwrap();
    for days in [9_000, 9_001, 9_001] {
        desk.open(json!({ "keep_days": days })).unwrap();
        for table in ["spots", "minute_bars"] {
            let made = engine.query(&format!("SHOW CREATE TABLE market.{table}"));
            let ttl = format!("TTL toDateTime(time) + toIntervalDay({days})\\n");
            assert!(made.contains(&ttl), "{made}");
        }
    }
    // what is not said any more stays as it is
    desk.open(json!({})).unwrap();
    assert!(engine.query("SHOW CREATE TABLE market.spots").contains("toIntervalDay(9001)"));
}

#[test]
fn what_was_written_is_read_back_before_rows_are_merged() {
    let engine = Engine::start();
    let desk = Desk::new(&engine.url);
    let mut sink = desk.open(json!({})).unwrap();
    engine.query("SYSTEM STOP MERGES");
    let batch = spot_batch(3, Round::MIDDLE);
    for _ in 0..2 {
        write(&mut sink, &[batch.clone(), bar_batch()]);
    }
    let read = |kind: &str, period: Option<&str>| {
        let ask = json!({
            "symbols": [], "from": "2021-12-01", "to": "2021-12-02", "kind": kind,
            "period": period,
        });
        read_all(&mut desk.source(json!({ "ask": ask })).unwrap())
    };
    let wires = |batch: &Batch| -> Vec<String> {
        batch.spots().iter().map(|spot| format!("{:?}", spot.to_wire())).collect()
    };
    let quotes = read("spot", None);
    assert_eq!(quotes.iter().flat_map(wires).collect::<Vec<_>>(), wires(&batch));
    let bars = read("bar", Some("1m"));
    let read_back: Vec<_> = bars.iter().flat_map(Batch::bars).collect();
    assert_eq!(read_back, bar_batch().bars().collect::<Vec<_>>());
}

fn read_all(source: &mut Box<dyn SourceInstance>) -> Vec<Batch> {
    let mut batches = Vec::new();
    loop {
        match source.next(std::time::Duration::from_millis(20)).unwrap() {
            Polled::Batch(batch) => batches.push(batch),
            Polled::Idle => {}
            Polled::End => return batches,
        }
    }
}

#[test]
fn tables_of_the_users_own_types_take_the_same_values() {
    let engine = Engine::start();
    let desk = Desk::new(&engine.url);
    desk.open(json!({})).unwrap();
    for change in [
        "market.spots MODIFY COLUMN name LowCardinality(String)",
        "market.spots MODIFY COLUMN recv_time DateTime64(6, 'UTC')",
        "market.minute_bars MODIFY COLUMN closed Bool",
    ] {
        engine.query(&format!("ALTER TABLE {change}"));
    }
    let mut sink = desk.open(json!({})).unwrap();
    write(&mut sink, &[spot_batch(1, Round::MIDDLE), bar_batch()]);
    let found = engine.query("SELECT name, toString(recv_time) FROM market.spots");
    assert_eq!(found, "测试\t1970-01-01 00:00:00.000000\n");
    assert_eq!(engine.query("SELECT closed FROM market.minute_bars_1m"), "true\n");
    let ask = json!({ "symbols": [], "from": "2021-12-01", "to": "2021-12-02", "kind": "spot" });
    let batches = read_all(&mut desk.source(json!({ "ask": ask })).unwrap());
    let names: Vec<_> =
        batches.iter().flat_map(|it| it.spots().iter()).map(|it| it.name()).collect();
    assert_eq!(names, ["测试"]);
}

#[test]
fn a_table_of_an_older_server_is_gone_on_with_after_an_upgrade() {
    let engine = Engine::start();
    let desk = Desk::new(&engine.url);
    engine.query("CREATE DATABASE market");
    engine.query(
        "CREATE TABLE market.spots (symbol String, time DateTime, sequence UInt64) \
         ENGINE = ReplacingMergeTree ORDER BY (symbol, time, sequence)",
    );
    let error = desk.refused(json!({}));
    assert!(error.message.contains("column time_us is missing, needs Int64"), "{error}");
    engine.query(error.message.split_once("; run ").unwrap().1);
    write(&mut desk.open(json!({})).unwrap(), &[spot_batch(1, Round::MIDDLE)]);
    let found = engine.query("SELECT toUnixTimestamp(time), time_us FROM market.spots");
    assert_eq!(found, "1638321301\t1638321301000000\n");
}

/// An insert may touch a hundred partitions.
#[test]
fn records_of_too_many_months_are_taken_in_parts() {
    let engine = Engine::start();
    let mut sink = Desk::new(&engine.url).open(json!({})).unwrap();
    let batch = months(150);
    let error = sink.write(std::slice::from_ref(&batch)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadData, "the host takes it apart: {error}");
    let (first, second) = batch.halves().unwrap().unwrap();
    write(&mut sink, &[first]);
    write(&mut sink, &[second]);
    assert_eq!(engine.query("SELECT count() FROM market.spots FINAL"), "150\n");
}
