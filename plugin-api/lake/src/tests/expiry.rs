//! Days that are removed because they are too old.

use plugin_api::schemas::time::DAY_US;

use super::*;

/// Days since the first, as folders' names say them.
fn days(lake: &Lake) -> Vec<String> {
    let mut days: Vec<_> = lake
        .files("")
        .iter()
        .filter_map(|path| path.iter().find_map(|part| part.to_str()?.strip_prefix("date=")))
        .map(str::to_owned)
        .collect();
    days.dedup();
    days
}

/// Writes a quote for each of so many days, and finishes their files.
fn write_days(lake: &Lake, more: Value, count: i64) {
    let mut sink = lake.open(more);
    for day in 0..count {
        sink.write(&[spots_at(MORNING_US + day * DAY_US, [1])]).unwrap();
    }
    sink.close().unwrap();
}

#[test]
fn days_that_are_too_old_go_at_the_start_and_each_day() {
    for partition in [json!(["kind", "date"]), json!(["date", "market"]), json!(["symbol", "date"])]
    {
        let lake = Lake::new();
        let options = json!({ "partition": partition, "keep_days": 2 });
        write_days(&lake, json!({ "partition": partition }), 5);
        // the last of the five days
        lake.host.set_now_us(MORNING_US + 4 * DAY_US);
        let mut sink = lake.open(options);
        assert_eq!(days(&lake), ["2021-12-03", "2021-12-04", "2021-12-05"], "{partition}");
        assert_eq!(lake.host.counted("expired_files_total"), 2);
        assert!(lake.logged("removed 2 files that are older than 2 days; gone are 2021-12-01"));
        // 23:59 of that day, and midnight
        let midnight_us = MORNING_US + 5 * DAY_US - (9 * 3_600 + 15 * 60 + 1) * 1_000_000;
        lake.host.set_now_us(midnight_us - 1);
        sink.tick().unwrap();
        assert_eq!(days(&lake).len(), 3);
        lake.host.set_now_us(midnight_us);
        sink.tick().unwrap();
        assert_eq!(days(&lake), ["2021-12-04", "2021-12-05"], "{partition}");
        assert!(!lake.path().join("kind=spot/date=2021-12-03").exists());
    }
}

#[test]
fn a_day_that_is_ahead_and_one_that_is_no_day_stay() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({}));
    sink.write(&[spots_at(0, [1]), spots_at(MORNING_US + 900 * DAY_US, [1])]).unwrap();
    sink.close().unwrap();
    lake.host.set_now_us(MORNING_US + 800 * DAY_US);
    lake.open(json!({ "keep_days": 1 }));
    assert_eq!(lake.finished().len(), 2);
    assert_eq!(lake.host.counted("expired_files_total"), 0);
}

#[test]
fn what_is_not_the_lakes_stays_and_is_told_once() {
    let lake = Lake::new();
    write_days(&lake, json!({}), 1);
    let folder = lake.path().join("kind=spot/date=2021-12-01");
    std::fs::write(folder.join("notes.txt"), "mine").unwrap();
    std::fs::write(folder.join("part-0.parquet"), "another tool's").unwrap();
    std::fs::create_dir(lake.path().join("kind=spot/date=2021-11-30")).unwrap();
    // a link leads to what is not the lake's
    let elsewhere = lake.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("spot-20211201T011501.000000Z-lake-0.parquet"), "mine").unwrap();
    std::os::unix::fs::symlink(&elsewhere, lake.path().join("kind=spot/date=2021-10-01")).unwrap();
    lake.host.set_now_us(MORNING_US + 9 * DAY_US);
    let mut sink = lake.open(json!({ "keep_days": 1 }));
    lake.host.set_now_us(MORNING_US + 10 * DAY_US);
    sink.tick().unwrap();
    let mut left: Vec<_> = folder.read_dir().unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "part-0.parquet"]);
    assert_eq!(elsewhere.read_dir().unwrap().count(), 1);
    assert!(!lake.path().join("kind=spot/date=2021-11-30").exists(), "an empty day goes");
    let told = lake.host.told().logs;
    assert_eq!(told.iter().filter(|(_, line)| line.contains("they stay")).count(), 1, "{told:?}");
}

#[test]
fn a_file_that_is_being_written_stays_until_it_is_finished() {
    let lake = Lake::new();
    lake.host.set_now_us(MORNING_US);
    let mut other = lake.open(json!({}));
    other.write(&[spots([1])]).unwrap();
    other.flush().unwrap();
    lake.host.set_now_us(MORNING_US + 9 * DAY_US);
    let options = testing::options(with_path(json!({ "keep_days": 1 }))).unwrap();
    let mut sink =
        Parquet::open_on(Box::new(FastDisk), &options, lake.context_of("second")).unwrap();
    assert_eq!(lake.files(".tmp").len(), 1);
    other.close().unwrap();
    assert_eq!(lake.finished().len(), 1);
    lake.host.set_now_us(MORNING_US + 10 * DAY_US);
    sink.tick().unwrap();
    assert!(lake.finished().is_empty());
}

#[test]
fn a_reader_that_has_a_file_open_reads_it_to_its_end() {
    let lake = Lake::new();
    write_days(&lake, json!({}), 1);
    let open = File::open(&lake.finished()[0]).unwrap();
    lake.host.set_now_us(MORNING_US + 9 * DAY_US);
    lake.open(json!({ "keep_days": 1 }));
    assert!(lake.finished().is_empty());
    let reader = ParquetRecordBatchReaderBuilder::try_new(open).unwrap().build().unwrap();
    assert_eq!(reader.map(|rows| rows.unwrap().num_rows()).sum::<usize>(), 1);
}

#[test]
fn what_cannot_be_removed_is_told_and_tried_again() {
    let lake = Lake::new();
    write_days(&lake, json!({}), 1);
    // a folder in the place of a file cannot be removed as one, whoever asks
    let folder = lake.path().join("kind=spot/date=2021-12-01/market=SH");
    std::fs::create_dir(&folder).unwrap();
    let busy = folder.join("spot-20211201T011501.000000Z-lake-0.parquet");
    std::fs::create_dir(&busy).unwrap();
    lake.host.set_now_us(MORNING_US + 9 * DAY_US);
    let mut sink = lake.open(json!({ "keep_days": 1 }));
    assert!(lake.logged("they stay"), "{:?}", lake.host.told().logs);
    std::fs::remove_dir(&busy).unwrap();
    lake.host.set_now_us(MORNING_US + 10 * DAY_US);
    assert_eq!(sink.write(&[spots_at(MORNING_US + 10 * DAY_US, [1])]).unwrap(), Ack::Held);
    assert!(!lake.path().join("kind=spot/date=2021-12-01").exists());
}

#[test]
fn days_can_be_kept_only_where_there_are_folders_of_days() {
    let lake = Lake::new();
    let wrong = json!({ "partition": ["kind"], "keep_days": 0 });
    let error = Parquet::open(testing::options(with_path(wrong)).unwrap(), lake.context());
    let error = error.err().unwrap();
    assert!(error.message.contains("`keep_days` is 0; allowed is 1 to 36500"), "{error}");
    assert!(error.message.contains("add \"date\" to it"), "{error}");
}
