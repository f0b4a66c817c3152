//! Which file a record lands in, and what files are called.

use super::*;
use crate::file::pages;

fn folders(lake: &Lake) -> Vec<String> {
    let relative = |path: &PathBuf| {
        let folder = path.parent().unwrap().strip_prefix(lake.path()).unwrap();
        folder.to_str().unwrap().to_owned()
    };
    lake.finished().iter().map(relative).collect()
}

#[test]
fn files_are_finished_at_exactly_so_many_records() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "roll_records": 100 }));
    assert_eq!(sink.write(&[spots(600_000..600_250)]).unwrap(), Ack::Delivered);
    assert_eq!(lake.finished().len(), 2);
    sink.close().unwrap();
    let files: Vec<_> = lake.finished().iter().map(|path| codes(path)).collect();
    assert_eq!(files, [texts(600_000..600_100), texts(600_100..600_200), texts(600_200..600_250)]);
}

#[test]
fn files_are_finished_by_size() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "roll_bytes": "1KiB" }));
    for code in 1..=3 {
        sink.write(&[spots([code])]).unwrap();
        sink.flush().unwrap();
        assert_eq!(lake.codes(), texts(1..=code));
    }
    assert_eq!(lake.finished().len(), 3);
}

#[test]
fn files_are_finished_by_age_and_sort_as_they_were_written() {
    let lake = Lake::new();
    lake.host.set_now_us(MORNING_US);
    let mut sink = lake.open(json!({ "roll_interval": "1h" }));
    sink.write(&[spots([1])]).unwrap();
    lake.host.set_now_us(MORNING_US + 3_599_999_999);
    sink.tick().unwrap();
    assert!(lake.finished().is_empty());
    lake.host.set_now_us(MORNING_US + 3_600_000_000);
    assert_eq!(sink.tick().unwrap(), Ack::Delivered);
    assert_eq!(lake.codes(), ["1"]);
    // the clock is put back; the next file still comes behind
    lake.host.set_now_us(MORNING_US - 3_600_000_000);
    for code in 2..=4 {
        sink.write(&[spots([code])]).unwrap();
        sink.close().unwrap();
        sink = lake.open(json!({}));
    }
    assert_eq!(lake.codes(), texts(1..=4));
    let first = lake.finished()[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(first, "spot-20211201T021500.999999Z-test-0.parquet");
}

#[test]
fn old_footers_are_dropped_from_a_finished_file() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    for code in 1..=30 {
        sink.write(&[spots([code])]).unwrap();
        sink.flush().unwrap();
    }
    let grown = lake.files(".tmp")[0].metadata().unwrap().len();
    sink.close().unwrap();
    let path = &lake.finished()[0];
    assert_eq!(codes(path), texts(1..=30));
    assert!(path.metadata().unwrap().len() < grown / 2);
    let metadata = metadata(path);
    let mut end = 4;
    for (ordinal, group) in metadata.row_groups().iter().enumerate() {
        assert_eq!((pages(group).0, group.ordinal()), (end, i32::try_from(ordinal).ok()));
        end = pages(group).1;
    }
}

#[test]
fn a_batch_over_midnight_is_split_by_local_date() {
    let lake = Lake::new();
    let midnight = 1_638_288_000_000_000; // 2021-12-01 00:00 in Shanghai
    let mut sink = lake.open(json!({}));
    let batches = [
        spots_at(midnight - 1, [1, 2]),
        spots_at(midnight, [3]),
        testing::bar_batch(),
        spots_at(0, [4]),
        spots_at(900_000_000_000_000_000, [5]),
        spots_at(midnight - 1, [6]),
    ];
    sink.write(&batches).unwrap();
    sink.close().unwrap();
    assert_eq!(
        folders(&lake),
        [
            "kind=bar/date=2021-12-01",
            "kind=spot/date=2021-11-30",
            "kind=spot/date=2021-12-01",
            "kind=spot/date=__HIVE_DEFAULT_PARTITION__",
        ]
    );
    let files = lake.finished();
    assert_eq!(codes(&files[1]), ["1", "2", "6"]);
    assert_eq!(codes(&files[2]), ["3"]);
    assert_eq!(codes(&files[3]), ["4", "5"]);
}

#[test]
fn kinds_that_share_a_folder_never_share_a_file() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "partition": ["date"] }));
    sink.write(&[testing::bar_batch(), spots([1]), testing::bar_batch(), spots([2])]).unwrap();
    sink.close().unwrap();
    assert_eq!(folders(&lake), ["date=2021-12-01"; 2]);
    let rows = lake.finished().into_iter().map(|path| metadata(&path).file_metadata().num_rows());
    assert_eq!(rows.collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn thousands_of_partitions_keep_each_symbol_in_order() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "partition": ["market", "symbol"] }));
    for round in 0..3 {
        let batches = [
            spots_at(MORNING_US + round, 600_000..600_300),
            spots_at(MORNING_US + round, 300_000..300_300),
        ];
        sink.write(&batches).unwrap();
    }
    sink.close().unwrap();
    let files = lake.finished();
    assert_eq!(files.len(), 600);
    assert!(folders(&lake).contains(&"market=SZ/symbol=300007.SZ".to_owned()));
    assert!(files.iter().all(|path| codes(path).len() == 3));
}

#[test]
fn a_file_that_has_the_name_already_is_not_replaced() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "partition": [] }));
    sink.write(&[spots([1])]).unwrap();
    sink.flush().unwrap();
    let unfinished = lake.files(".tmp")[0].file_name().unwrap().to_str().unwrap().to_owned();
    let name = unfinished.trim_start_matches('.').trim_end_matches(".tmp").to_owned();
    std::fs::write(lake.path().join(&name), "of somebody else").unwrap();
    sink.close().unwrap();
    assert_eq!(std::fs::read(lake.path().join(&name)).unwrap(), b"of somebody else");
    let ours = &lake.finished()[1];
    assert!(ours.to_str().unwrap().ends_with("-test-0~1.parquet"), "{ours:?}");
    assert_eq!(codes(ours), ["1"]);
}
