//! What the source reads back.

use plugin_api::{
    BarRecord, ErrorKind, PluginError, Polled, Source, Symbol, encode_bars, schemas::time::DAY_US,
};

use super::*;
use crate::source::LakeSource;

const DAY: &str = "2021-12-01";
const SECOND_US: i64 = 1_000_000;

fn ask(kind: &str, more: Value) -> Value {
    let period = if kind == "bar" { json!("1m") } else { Value::Null };
    let mut ask = json!({
        "symbols": [], "from": format!("{DAY} 00:00:00"), "to": format!("{DAY} 23:59:59.999999"),
        "kind": kind, "period": period,
    });
    ask.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask
}

fn source(lake: &Lake, ask: Value, batch_records: usize) -> Result<LakeSource, PluginError> {
    let options = json!({ "path": "lake", "ask": ask, "batch_records": batch_records });
    LakeSource::open(testing::options(options).unwrap(), lake.context())
}

/// Batches to the end, and what was told of files that cannot be read.
fn read_all(source: &mut LakeSource) -> (Vec<Batch>, Vec<String>) {
    let (mut batches, mut refused) = (Vec::new(), Vec::new());
    loop {
        match source.next(std::time::Duration::ZERO) {
            Ok(Polled::Batch(batch)) => batches.push(batch),
            Ok(Polled::Idle) => {}
            Ok(Polled::End) => return (batches, refused),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::BadData, "{error}");
                refused.push(error.message);
            }
        }
    }
}

/// Everything of a kind, which must be readable.
fn read(lake: &Lake, kind: &str, more: Value) -> Vec<Batch> {
    let mut source = source(lake, ask(kind, more), 7).unwrap();
    let (batches, refused) = read_all(&mut source);
    assert_eq!(refused, Vec::<String>::new());
    source.close().unwrap();
    batches
}

/// Times since the morning, seconds, and codes.
fn rows(batches: &[Batch]) -> Vec<(i64, String)> {
    let of_batch = |batch: &Batch| {
        let row = |spot: plugin_api::SpotView<'_>| {
            ((spot.time_us() - MORNING_US) / SECOND_US, spot.code().to_owned())
        };
        batch.spots().iter().map(row).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of_batch).collect()
}

fn row(second: i64, code: u32) -> (i64, String) {
    (second, code.to_string())
}

fn at(second: i64, codes: impl IntoIterator<Item = u32>) -> Batch {
    spots_at(MORNING_US + second * SECOND_US, codes)
}

fn bar(code: &'static str, minute: i64, period: &'static str, close: f64) -> BarRecord<'static> {
    BarRecord {
        symbol: Symbol { market: "SH", code },
        period,
        time_us: MORNING_US + minute * 60 * SECOND_US,
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close,
        source: "",
        amount_cny: 12_345.67,
        volume_shares: 1_234,
        closed: true,
        quality_score: Some(0.5),
    }
}

fn bars(bars: impl IntoIterator<Item = BarRecord<'static>>) -> Batch {
    Batch::from_bars(encode_bars(bars)).unwrap()
}

#[test]
fn quotes_come_back_value_by_value() {
    let lake = Lake::new();
    let batch = round_trip::varied();
    let mut sink = lake.open(json!({}));
    sink.write(std::slice::from_ref(&batch)).unwrap();
    sink.close().unwrap();
    let mut source = source(&lake, ask("spot", json!({})), 100).unwrap();
    let (batches, _) = read_all(&mut source);
    // the one without a time cannot be asked for; numbers are counted anew
    let timed: Vec<_> = batch.spots().iter().filter(|spot| spot.time_us() > 0).collect();
    let read: Vec<_> =
        batches.iter().flat_map(|it| it.spots().iter().collect::<Vec<_>>()).collect();
    assert_eq!((timed.len(), read.len()), (3, 3));
    for (place, (written, read)) in timed.iter().zip(&read).enumerate() {
        let numbered = plugin_api::WireSpot { sequence: place as u64 + 1, ..written.to_wire() };
        assert_eq!(read.to_wire(), numbered);
    }
}

#[test]
fn the_source_keeps_its_contract() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[at(0, 600_000..600_020), at(3, 600_000..600_020)]).unwrap();
    sink.close().unwrap();
    let options = json!({ "path": "lake", "ask": ask("spot", json!({})), "batch_records": 15 });
    let batches = testing::check_source::<LakeSource>(&options, lake.context(), 10);
    assert_eq!(batches.iter().map(Batch::records).collect::<Vec<_>>(), [15, 15, 10]);
}

#[test]
fn only_what_was_asked_for_is_read() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for second in [0, 1, 2] {
        sink.write(&[at(second, [600_000, 600_001])]).unwrap();
    }
    sink.write(&[
        spots_at(MORNING_US - DAY_US, [600_000]),
        spots_at(MORNING_US + DAY_US, [600_000]),
    ])
    .unwrap();
    sink.write(&[testing::bar_batch()]).unwrap();
    sink.close().unwrap();
    let everything = (0..3).flat_map(|second| [row(second, 600_000), row(second, 600_001)]);
    assert_eq!(rows(&read(&lake, "spot", json!({}))), everything.collect::<Vec<_>>());
    let one = json!({
        "symbols": ["600001.SH"], "from": "2021-12-01 09:15:02", "to": "2021-12-01 09:15:03",
    });
    assert_eq!(rows(&read(&lake, "spot", one)), [row(1, 600_001), row(2, 600_001)]);
    let absent = json!({ "symbols": ["600002.SH"] });
    assert_eq!(rows(&read(&lake, "spot", absent)), [], "a store may have nothing");
    let earlier = json!({ "from": "2021-11-01", "to": "2021-11-29" });
    assert_eq!(rows(&read(&lake, "spot", earlier)), []);
}

#[test]
fn files_that_overlap_in_time_come_out_in_order() {
    // levels of folders
    for partition in
        [json!(["kind", "date"]), json!(["date", "market"]), json!(["symbol"]), json!([])]
    {
        let lake = Lake::new();
        let mut sink = lake.open(json!({ "partition": partition, "row_group_records": 4 }));
        for seconds in [[0, 1, 9], [5, 5, 2], [8, 3, 4]] {
            seconds.iter().for_each(|second| {
                sink.write(&[at(*second, [600_000, 1])]).unwrap();
            });
            sink.close().unwrap();
            sink = lake.open(json!({ "partition": partition, "row_group_records": 4 }));
        }
        let read = rows(&read(&lake, "spot", json!({})));
        assert!(read.is_sorted_by_key(|(second, _)| *second), "{partition}: {read:?}");
        assert_eq!(read.len(), 18, "{partition}");
        let of_one: Vec<_> = read.iter().filter(|(_, code)| code == "1").map(|it| it.0).collect();
        assert_eq!(of_one, [0, 1, 2, 3, 4, 5, 5, 8, 9], "{partition}");
    }
}

#[test]
fn more_rows_than_fit_into_memory_come_in_spans() {
    // as many as two spans and a half, with a row of the first second in each row group
    const SECONDS: i64 = 250;
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for second in 0..SECONDS {
        sink.write(&[at(second, 600_000..600_999), at(0, [1])]).unwrap();
        sink.flush().unwrap();
    }
    sink.close().unwrap();
    let mut source = source(&lake, ask("spot", json!({})), 10_000).unwrap();
    let (mut last_us, mut count, mut most) = (0, 0, 0);
    loop {
        match source.next(std::time::Duration::ZERO).unwrap() {
            Polled::Batch(batch) => {
                for spot in batch.spots().iter() {
                    assert!(spot.time_us() >= last_us);
                    last_us = spot.time_us();
                    count += 1;
                }
            }
            Polled::Idle => most = most.max(source.rows_in_memory()),
            Polled::End => break,
        }
    }
    assert_eq!(count, SECONDS * 1_000);
    assert!((1..=kit::history::SPAN_ROWS).contains(&most), "{most} rows at once");
}

#[test]
fn bars_are_given_by_period_and_once_a_key() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    let (first, corrected) = (bar("600000", 1, "1m", 10.1), bar("600000", 1, "1m", 10.3));
    let others = [bar("600000", 5, "5m", 10.2), bar("600001", 1, "1m", 7.0)];
    sink.write(&[bars([bar("600000", 2, "1m", 10.2), first]), bars(others)]).unwrap();
    sink.close().unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&[bars([corrected])]).unwrap();
    sink.close().unwrap();
    let batches = read(&lake, "bar", json!({}));
    let read_back: Vec<_> = batches.iter().flat_map(Batch::bars).collect();
    assert_eq!(read_back, [others[1], corrected, bar("600000", 2, "1m", 10.2)]);
    let five = read(&lake, "bar", json!({ "period": "5m" }));
    assert_eq!(five.iter().flat_map(Batch::bars).collect::<Vec<_>>(), [others[0]]);
}

#[test]
fn of_a_file_that_is_being_written_the_commits_count_that_hold() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[at(0, [1])]).unwrap();
    assert_eq!(rows(&read(&lake, "spot", json!({}))), [], "held");
    sink.flush().unwrap();
    sink.write(&[at(1, [2])]).unwrap();
    assert_eq!(rows(&read(&lake, "spot", json!({}))), [row(0, 1)]);
    sink.flush().unwrap();
    assert_eq!(rows(&read(&lake, "spot", json!({}))), [row(0, 1), row(1, 2)]);
    // the next append is cut off in the middle, or has no record yet
    let path = lake.files(".tmp")[0].clone();
    let whole = std::fs::read(&path).unwrap();
    let lock = lake.files(".lock")[0].clone();
    let before = std::fs::read(&lock).unwrap();
    sink.write(&[at(2, [3])]).unwrap();
    sink.flush().unwrap();
    let grown = std::fs::read(&path).unwrap();
    for len in [whole.len() + 1, usize::midpoint(whole.len(), grown.len()), grown.len() - 1] {
        std::fs::write(&path, &grown[..len]).unwrap();
        assert_eq!(rows(&read(&lake, "spot", json!({}))), [row(0, 1), row(1, 2)], "{len}");
    }
    std::fs::write(&path, &grown).unwrap();
    assert_eq!(read(&lake, "spot", json!({})).iter().map(Batch::records).sum::<u32>(), 3);
    std::fs::write(&lock, before).unwrap();
    assert_eq!(rows(&read(&lake, "spot", json!({}))), [row(0, 1), row(1, 2)], "no record");
}

#[test]
fn a_file_may_be_finished_while_it_is_read() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for second in 0..40 {
        sink.write(&[at(second, [1])]).unwrap();
        sink.flush().unwrap();
    }
    let mut source = source(&lake, ask("spot", json!({})), 100).unwrap();
    // opened, and looked through in part
    for _ in 0..5 {
        assert!(matches!(source.next(std::time::Duration::ZERO).unwrap(), Polled::Idle));
    }
    sink.write(&[at(50, [1])]).unwrap();
    sink.close().unwrap();
    assert_eq!(lake.files(".tmp"), Vec::<PathBuf>::new());
    let (batches, refused) = read_all(&mut source);
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(rows(&batches), (0..40).map(|second| row(second, 1)).collect::<Vec<_>>());
}

#[test]
fn a_damaged_file_is_named_left_out_and_makes_the_end_a_failure() {
    let lake = Lake::new();
    for second in 0..2 {
        let mut sink = lake.open(json!({}));
        sink.write(&[at(second, [1, 2])]).unwrap();
        sink.close().unwrap();
    }
    let damaged = lake.finished()[0].clone();
    let whole = std::fs::read(&damaged).unwrap();
    // cut off; nothing; another content; pages that are not what they were
    let mut spoilt = whole.clone();
    spoilt[200..400].fill(0xff);
    for bytes in [&whole[..whole.len() / 2], b"", b"no parquet at all", &spoilt] {
        std::fs::write(&damaged, bytes).unwrap();
        let mut source = source(&lake, ask("spot", json!({})), 100).unwrap();
        let (batches, refused) = read_all(&mut source);
        assert_eq!(rows(&batches), [row(1, 1), row(1, 2)]);
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(refused[0].contains(damaged.to_str().unwrap()), "{refused:?}");
        let error = source.close().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Fatal);
        assert!(error.message.contains(damaged.to_str().unwrap()), "{error}");
    }
}

#[test]
fn files_that_pandas_wrote_anew_are_read_and_strange_ones_are_refused() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[at(0, [1, 2, 3])]).unwrap();
    sink.close().unwrap();
    let script = r#"
import sys
import pandas, pyarrow as pa, pyarrow.parquet as pq
path = sys.argv[1]
table = pq.ParquetFile(path).read()
rows = table.to_pandas()
kept = pa.Table.from_pandas(rows[rows["code"] != "2"], preserve_index=False)
pq.write_table(kept.replace_schema_metadata(None), path, coerce_timestamps="ms")
pq.write_table(pa.table({"x": [1]}), path.replace("spot-", "other-"))
"#;
    python::python(script, &lake.finished()[0]);
    let mut source = source(&lake, ask("spot", json!({})), 100).unwrap();
    let (batches, refused) = read_all(&mut source);
    assert_eq!(rows(&batches), [row(0, 1), row(0, 3)]);
    let spot = batches[0].spots().iter().next().unwrap();
    assert_eq!((spot.bid().len(), spot.ask().len(), spot.market()), (2, 0, "SZ"));
    assert_eq!(refused.len(), 1);
    assert!(
        refused[0].contains("other-") && refused[0].contains("neither a column"),
        "{refused:?}"
    );
}

#[test]
fn options_without_a_lake_or_a_question_are_faults() {
    let lake = Lake::new();
    let error = source(&lake, ask("spot", json!({})), 1).err().unwrap();
    assert!(error.message.contains("is no folder"), "{error}");
    drop(lake.open(json!({})));
    let error = source(&lake, Value::Null, 1).err().unwrap();
    assert!(error.message.contains("`ask` is missing"), "{error}");
    let error = source(&lake, ask("spot", json!({})), 0).err().unwrap();
    assert!(error.message.contains("`batch_records` is 0"), "{error}");
    // a source that only answers questions may stand in the pipeline
    let options = testing::options(json!({ "path": "lake" })).unwrap();
    LakeSource::check(&options, &lake.context()).unwrap();
}
