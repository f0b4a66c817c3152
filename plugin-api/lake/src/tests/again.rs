//! What is committed and offered again, because the host did not hear of it.

use std::{fs, ops::Range};

use plugin_api::{BarRecord, Symbol, encode_bars};

use super::*;

const DAY_US: i64 = 86_400_000_000;

/// Quotes whose codes and numbers are those; every third belongs to the next day.
pub(super) fn quotes(numbers: Range<u32>, delivery: u64) -> Batch {
    let mut encoder = SpotListEncoder::new(0);
    for number in numbers {
        let code = format!("{number:06}");
        let spot = SpotRecord {
            market: "SH",
            code: &code,
            time_us: MORNING_US + if number % 3 == 0 { DAY_US } else { 0 },
            close: 10.0,
            source: "test",
            sequence: number.into(),
            ..SpotRecord::default()
        };
        encoder.push(&spot).unwrap();
    }
    offered(Batch::from_spots(&mut encoder, Round::MIDDLE), delivery)
}

pub(super) fn bars(numbers: Range<u32>, delivery: u64) -> Batch {
    let codes: Vec<_> = numbers.map(|number| format!("{number:06}")).collect();
    let bars = codes.iter().map(|code| BarRecord {
        symbol: Symbol { market: "SH", code },
        period: "1m",
        time_us: MORNING_US,
        open: 10.0,
        high: 10.0,
        low: 10.0,
        close: 10.0,
        amount_cny: 1.0,
        volume_shares: 1,
        closed: true,
        quality_score: None,
        source: "qq",
    });
    offered(Batch::from_bars(encode_bars(bars)).unwrap(), delivery)
}

/// As the host offers it; the place of its records begins anywhere.
fn offered(batch: Batch, delivery: u64) -> Batch {
    batch.numbered(9, delivery, delivery % 5).with_delivery(delivery)
}

/// Numbers in the finished files below `dir`, sorted; checks that each folder has them in order
/// and that every file of quotes says which it has.
pub(super) fn numbers(dir: &Path) -> Vec<u32> {
    let mut files = Vec::new();
    list(&dir.join("lake"), ".parquet", &mut files);
    files.sort();
    let mut numbers = Vec::new();
    let mut last = (String::new(), 0);
    for path in files {
        let codes = symbols(&path);
        // the path up to the moment in the name: folder and kind
        let stream = path.to_str().unwrap().rsplit_once("-test-").unwrap().0;
        let stream = stream.rsplit_once('-').unwrap().0.to_owned();
        for code in &codes {
            let text = || format!("{}: {code} after {last:?}", path.display());
            assert!(stream != last.0 || *code > last.1, "{}", text());
            last = (stream.clone(), *code);
        }
        if path.to_str().unwrap().contains("spot") {
            let said = format!(
                r#"{{"test":{{"first":{},"last":{}}}}}"#,
                codes.first().unwrap(),
                codes.last().unwrap()
            );
            assert_eq!(metadata_value(&path, "dataserver.sequences"), said, "{}", path.display());
        }
        numbers.extend(codes);
    }
    numbers.sort_unstable();
    numbers
}

fn symbols(path: &Path) -> Vec<u32> {
    use arrow::array::AsArray as _;
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let mut symbols = Vec::new();
    for batch in reader.build().unwrap() {
        let batch = batch.unwrap();
        let column = batch.column_by_name("symbol").unwrap().as_string::<i32>();
        symbols.extend(column.iter().map(|symbol| symbol.unwrap()[..6].parse::<u32>().unwrap()));
    }
    symbols
}

fn metadata_value(path: &Path, key: &str) -> String {
    let metadata = metadata(path);
    let entries = metadata.file_metadata().key_value_metadata().unwrap();
    entries.iter().find(|entry| entry.key == key).unwrap().value.clone().unwrap()
}

fn all(numbers: Range<u32>) -> Vec<u32> {
    numbers.collect()
}

#[test]
fn what_was_committed_is_not_taken_a_second_time() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    let batches = [quotes(1..5, 100), bars(5..8, 101), quotes(8..12, 107)];
    sink.write(&batches[..2]).unwrap();
    sink.flush().unwrap();
    sink.write(&batches[2..]).unwrap();
    drop(sink);
    // killed: the first two are safe, and the host offers all of them again
    let mut sink = lake.open(json!({}));
    assert_eq!(sink.write(&batches[..2]).unwrap(), Ack::Delivered, "nothing is missing");
    assert!(lake.logged("7 records that are here already were offered again"));
    assert_eq!(lake.host.counted("offered_again_total"), 7);
    assert_eq!(sink.write(&batches).unwrap(), Ack::Held);
    sink.close().unwrap();
    assert_eq!(numbers(lake.dir.path()), all(1..12));
}

#[test]
fn an_orderly_end_is_remembered_too() {
    let lake = Lake::new();
    for _ in 0..3 {
        let mut sink = lake.open(json!({}));
        sink.write(&[quotes(1..5, 100), quotes(5..9, 101)]).unwrap();
        sink.close().unwrap();
    }
    assert_eq!(numbers(lake.dir.path()), all(1..9));
    let mut sink = lake.open(json!({}));
    sink.write(&[quotes(5..9, 101), quotes(9..12, 102)]).unwrap();
    sink.close().unwrap();
    assert_eq!(numbers(lake.dir.path()), all(1..12));
}

#[test]
fn batches_without_a_number_are_always_taken() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[quotes(1..3, 100)]).unwrap();
    sink.close().unwrap();
    let mut sink = lake.open(json!({}));
    for _ in 0..2 {
        sink.write(&[spots([7])]).unwrap();
        sink.flush().unwrap();
    }
    sink.close().unwrap();
    let rows =
        lake.finished().iter().map(|path| metadata(path).file_metadata().num_rows()).sum::<i64>();
    assert_eq!(rows, 4);
}

#[test]
fn of_a_batch_in_parts_only_the_parts_that_are_safe_are_known() {
    let whole = quotes(1..10, 103);
    let (first, second) = whole.halves().unwrap().unwrap();
    let (second, third) = second.halves().unwrap().unwrap();
    for again in [vec![whole.clone()], vec![first.clone(), second.clone(), third.clone()]] {
        let lake = Lake::new();
        let mut sink = lake.open(json!({}));
        sink.write(std::slice::from_ref(&first)).unwrap();
        sink.write(std::slice::from_ref(&second)).unwrap();
        sink.flush().unwrap();
        sink.write(std::slice::from_ref(&third)).unwrap();
        drop(sink);
        let mut sink = lake.open(json!({}));
        sink.write(&again).unwrap();
        sink.write(&[quotes(10..12, 104)]).unwrap();
        sink.close().unwrap();
        assert_eq!(numbers(lake.dir.path()), all(1..12));
    }
}

#[test]
fn a_part_that_was_set_aside_does_not_come_back() {
    let lake = Lake::new();
    let whole = quotes(1..4, 103);
    let (first, second) = whole.halves().unwrap().unwrap();
    let (_, third) = second.halves().unwrap().unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&[first]).unwrap();
    sink.write(&[third]).unwrap();
    sink.flush().unwrap();
    drop(sink);
    let mut sink = lake.open(json!({}));
    sink.write(&[whole]).unwrap();
    sink.close().unwrap();
    assert_eq!(numbers(lake.dir.path()), [1, 3]);
}

#[test]
fn another_writer_that_recovers_the_lake_leaves_the_mark_to_its_owner() {
    let lake = Lake::new();
    let batches = [quotes(1..5, 100), quotes(8..12, 101)];
    let mut sink = lake.open(json!({}));
    sink.write(&batches[..1]).unwrap();
    sink.flush().unwrap();
    sink.write(&batches[1..]).unwrap();
    drop(sink);
    // a host with the same pipeline and a folder of its own; its numbers are none of ours
    let options = testing::options(with_path(json!({}))).unwrap();
    let mut other =
        Parquet::open_on(Box::new(FastDisk), &options, lake.context_of("other")).unwrap();
    assert_eq!(numbers(lake.dir.path()), all(1..5), "the dead writer's file is finished");
    other.write(&[quotes(5..8, 50)]).unwrap();
    other.close().unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&batches).unwrap();
    sink.close().unwrap();
    assert_eq!(numbers(lake.dir.path()), all(1..12));
}

#[test]
fn files_say_which_commit_wrote_them() {
    let lake = Lake::new();
    lake.host.set_now_us(5_000);
    let mut sink = lake.open(json!({}));
    sink.write(&[quotes(1..2, 100)]).unwrap();
    sink.close().unwrap();
    let owner = fs::read_to_string(lake.dir.path().join("state/writer.id")).unwrap();
    let path = lake.finished().pop().unwrap();
    assert_eq!(metadata_value(&path, "dataserver.commit"), format!("{}-5001", owner.trim_end()));
}
