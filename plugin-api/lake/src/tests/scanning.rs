//! What a scan finds, and what it leaves alone.

use std::fs;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use plugin_api::{Ask, ErrorKind, testing::bar_batch};

use super::*;
use crate::{Scan, scan};

const DAY: &str = "2021-12-01";
const DAY_US: i64 = 86_400_000_000;

fn ask(kind: &str, symbols: &[&str]) -> Ask {
    Ask {
        symbols: symbols.iter().map(|&it| it.to_owned()).collect(),
        from: format!("{DAY} 00:00:00"),
        to: format!("{DAY} 23:59:59.999999"),
        kind: kind.to_owned(),
        period: (kind == "bar").then(|| "1m".to_owned()),
    }
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|&it| it.to_owned()).collect()
}

fn codes_of(scan: &Scan) -> Vec<String> {
    let of_part = |rows: &RecordBatch| {
        let codes = rows.column_by_name("code").unwrap().as_string::<i32>();
        codes.iter().map(|code| code.unwrap().to_owned()).collect::<Vec<_>>()
    };
    scan.rows.iter().flat_map(of_part).collect()
}

/// Two days of quotes in a finished file each, a bar, and later quotes that are committed and not
/// finished.
fn in_use() -> (Lake, Parquet) {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[spots(600_000..600_003), spots_at(MORNING_US + DAY_US, [600_009])]).unwrap();
    sink.write(&[bar_batch()]).unwrap();
    sink.close().unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&[spots([600_003, 1])]).unwrap();
    sink.flush().unwrap();
    (lake, sink)
}

#[test]
fn rows_of_finished_files_and_of_committed_ones_are_found() {
    let (lake, _sink) = in_use();
    let found = scan(&lake.path(), &ask("spot", &[]), None).unwrap();
    assert_eq!(codes_of(&found), ["600000", "600001", "600002", "600003", "1"]);
    assert_eq!(found.schema.fields().len(), plugin_api::RecordKind::Spot.columns().len());
    let time = found.schema.field_with_name("time").unwrap().data_type().to_string();
    assert!(time.contains("Asia/Shanghai"), "{time}");
    assert_eq!(found.refused, Vec::<String>::new());
    assert_eq!(
        codes_of(&scan(&lake.path(), &ask("spot", &["600001.SH"]), None).unwrap()),
        ["600001"]
    );
}

#[test]
fn columns_come_in_the_order_asked_and_one_that_a_file_lacks_is_null() {
    let (lake, _sink) = in_use();
    let found = scan(&lake.path(), &ask("spot", &[]), Some(&named(&["close", "symbol"]))).unwrap();
    let rows = &found.rows[0];
    assert_eq!((rows.num_columns(), rows.schema().field(0).name().as_str()), (2, "close"));
    let error = scan(&lake.path(), &ask("spot", &[]), Some(&named(&["price"]))).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Config);
    assert!(error.message.contains("quotes have no column `price`; choose of symbol"), "{error}");

    // another writer kept four columns
    let columns = named(&["symbol", "time", "pre_close", "close"]);
    let kept = scan(&lake.path(), &ask("spot", &[]), Some(&columns)).unwrap();
    let folder = lake.dir.path().join("other/kind=spot").join(format!("date={DAY}"));
    fs::create_dir_all(&folder).unwrap();
    let file = File::create(folder.join("theirs.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, kept.schema.clone(), None).unwrap();
    kept.rows.iter().for_each(|rows| writer.write(rows).unwrap());
    writer.close().unwrap();
    let read = scan(&lake.dir.path().join("other"), &ask("spot", &[]), None).unwrap();
    let rows: usize = read.rows.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 5);
    assert!(
        read.rows.iter().all(|it| it.column_by_name("bid").unwrap().null_count() == it.num_rows())
    );
}

#[test]
fn files_that_cannot_be_read_are_told_and_those_of_other_days_are_not_opened() {
    let (lake, _sink) = in_use();
    let spots = lake.path().join("kind=spot");
    let damaged = spots.join(format!("date={DAY}")).join("damaged.parquet");
    fs::write(&damaged, b"no Parquet").unwrap();
    fs::write(spots.join("date=2021-12-02/damaged.parquet"), b"no Parquet").unwrap();
    let found = scan(&lake.path(), &ask("spot", &[]), None).unwrap();
    assert_eq!(codes_of(&found).len(), 5);
    assert_eq!(found.refused.len(), 1);
    assert!(found.refused[0].contains(damaged.to_str().unwrap()), "{:?}", found.refused);
    let error = scan(&lake.path().join("absent"), &ask("spot", &[]), None).unwrap_err();
    assert!(error.message.contains("is no folder; name that of a lake"), "{error}");
}
