//! When records are confirmed.

use plugin_api::Ack::{Delivered, Held};

use super::*;

fn write(sink: &mut Parquet, batch: Batch) -> Ack {
    sink.write(&[batch]).unwrap()
}

#[test]
fn records_are_held_until_a_row_group_is_full() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "row_group_records": 5 }));
    assert_eq!(sink.write(&[]).unwrap(), Delivered, "nothing is missing");
    assert_eq!(write(&mut sink, spots(1..=4)), Held);
    assert_eq!(sink.write(&[]).unwrap(), Held);
    assert_eq!(write(&mut sink, spots(5..=6)), Delivered);
    assert_eq!(sink.tick().unwrap(), Delivered);
    assert_eq!(codes(&lake.files(".tmp")[0]), texts(1..=6));
    assert!(lake.finished().is_empty());
}

#[test]
fn records_wait_no_longer_than_the_flush_interval() {
    let lake = Lake::new();
    lake.host.set_now_us(MORNING_US);
    let mut sink = lake.open(json!({ "flush_interval": "10s" }));
    assert_eq!(write(&mut sink, spots(1..=2)), Held);
    lake.host.set_now_us(MORNING_US + 9_999_999);
    assert_eq!(sink.tick().unwrap(), Held);
    assert_eq!(write(&mut sink, spots(3..=3)), Held);
    lake.host.set_now_us(MORNING_US + 10_000_000);
    assert_eq!(sink.tick().unwrap(), Delivered);
    // the wait counts from the first record after that
    assert_eq!(write(&mut sink, spots(4..=4)), Held);
    lake.host.set_now_us(MORNING_US + 20_000_000);
    assert_eq!(write(&mut sink, spots(5..=5)), Delivered);
    // a clock that is put back keeps nothing waiting
    assert_eq!(write(&mut sink, spots(6..=6)), Held);
    lake.host.set_now_us(MORNING_US);
    assert_eq!(sink.tick().unwrap(), Delivered);
    assert_eq!(codes(&lake.files(".tmp")[0]), texts(1..=6));
}

#[test]
fn all_partitions_are_confirmed_together() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "row_group_records": 4 }));
    assert_eq!(write(&mut sink, testing::bar_batch()), Held);
    assert_eq!(write(&mut sink, spots(1..=3)), Delivered);
    let rows =
        lake.files(".tmp").into_iter().map(|path| metadata(&path).file_metadata().num_rows());
    assert_eq!(rows.collect::<Vec<_>>(), [1, 3], "bars and spots");
}

#[test]
fn one_call_may_bring_more_than_a_row_group() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "row_group_records": 100 }));
    assert_eq!(write(&mut sink, spots(600_000..600_250)), Delivered);
    let path = &lake.files(".tmp")[0];
    let rows = metadata(path).row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>();
    assert_eq!(rows, [100, 100, 50]);
    assert_eq!(codes(path), texts(600_000..600_250));
}

#[test]
fn a_flush_interval_of_zero_confirms_every_call() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "flush_interval": "0s" }));
    assert_eq!(write(&mut sink, spots(1..=1)), Delivered);
    assert_eq!(write(&mut sink, spots(2..=2)), Delivered);
}

#[test]
fn flush_confirms_and_the_file_goes_on() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for code in 1..=3 {
        assert_eq!(write(&mut sink, spots([code])), Held);
        sink.flush().unwrap();
        assert_eq!(codes(&lake.files(".tmp")[0]), texts(1..=code));
    }
    sink.close().unwrap();
    assert_eq!(lake.codes(), texts(1..=3));
    assert_eq!(lake.finished().len(), 1);
}

#[test]
fn a_file_that_somebody_removed_is_told_and_replaced() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    write(&mut sink, spots([1]));
    sink.flush().unwrap();
    std::fs::remove_dir_all(lake.path().join("kind=spot")).unwrap();
    write(&mut sink, spots([2]));
    sink.flush().unwrap();
    sink.close().unwrap();
    assert_eq!(lake.codes(), ["2"]);
    assert!(lake.logged("removed by somebody, with its 1 rows"));
}
