//! Several files, and which of their records are played.

use super::*;

#[test]
fn files_of_a_folder_are_joined_by_time_then_file_then_row() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("days");
    fs::create_dir_all(folder.join("deep")).unwrap();
    write_own(
        &folder,
        "day-2.csv",
        &["09:30:00,600002,1", "09:30:03,600002,1", "09:30:03,600002,2"],
    );
    write_own(&folder, "day-10.csv", &["09:30:00,600010,1", "09:30:03,600010,1"]);
    write_own(&folder.join("deep"), "x.csv", &["09:30:01,600003,1"]);
    write_own(&folder, "_unfinished.csv", &["09:30:01,600009,1"]);
    fs::write(folder.join("README.md"), "notes").unwrap();
    let expected = [
        "09:30:00 600002",
        "09:30:00 600010",
        "09:30:01 600003",
        "09:30:03 600002",
        "09:30:03 600002",
        "09:30:03 600010",
    ];
    for path in ["days", "days/**/*.csv"] {
        let played = play(&own(path), dir.path());
        let brief: Vec<_> =
            played.brief().into_iter().filter(|row| !row.ends_with("600009")).collect();
        assert_eq!(brief, expected, "{path}");
    }
    let rounds: Vec<u32> =
        play(&own("days"), dir.path()).batches.iter().map(Batch::records).collect();
    assert_eq!(rounds, [2, 1, 3], "one round a time");
}

#[test]
fn an_unsorted_file_is_sorted_and_keeps_the_order_of_equal_times() {
    let dir = tempfile::tempdir().unwrap();
    write_own(
        dir.path(),
        "by_code.csv",
        &[
            "09:30:03,600001,1",
            "09:30:06,600001,2",
            "09:30:03,600000,3",
            "x,600000,4",
            "09:30:00,600000,5",
        ],
    );
    let played = play(&own("by_code.csv"), dir.path());
    let closes: Vec<f64> = played.rows().into_iter().map(|(.., close)| close).collect();
    assert_eq!(closes, [5.0, 1.0, 3.0, 2.0]);
    assert!(
        played.log().contains("by_code.csv is not sorted by time: sorted 4 rows"),
        "{}",
        played.log()
    );
    assert!(played.log().contains("replay ended: 1 files (0 not readable to their end), 4 rows read, 4 played, 1 bad, 2 symbols"), "{}", played.log());
    assert_eq!(played.host.counted("source_bad_rows_total"), 1);
}

#[test]
fn large_rounds_leave_in_several_batches() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..4_500).map(|n| format!("09:30:00,{},1", 600_000 + n)).collect();
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    lines.push("09:30:03,600000,1");
    write_own(dir.path(), "all.csv", &lines);
    let played = play(&own("all.csv"), dir.path());
    let shape: Vec<_> =
        played.batches.iter().map(|batch| (batch.records(), batch.round())).collect();
    let round = |first, last| plugin_api::Round { first, last };
    assert_eq!(
        shape,
        [
            (2_000, round(true, false)),
            (2_000, round(false, false)),
            (500, round(false, true)),
            (1, round(true, true)),
        ]
    );
}

#[test]
fn from_and_to_are_inclusive() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        "2021-11-30 15:00:00,600000,1",
        "2021-12-01 09:30:00,600000,2",
        "2021-12-01 11:30:00,600000,3",
        "2021-12-02 09:30:00,600000,4",
    ];
    write_own(dir.path(), "days.csv", &lines);
    let cases: [(Value, &[f64]); 6] = [
        (json!({}), &[1.0, 2.0, 3.0, 4.0]),
        (json!({ "from": "2021-12-01" }), &[2.0, 3.0, 4.0]),
        (json!({ "to": "2021-12-01" }), &[1.0, 2.0, 3.0]),
        (json!({ "from": "2021-12-01 09:30", "to": "2021-12-01 11:30:00" }), &[2.0, 3.0]),
        (json!({ "from": "09:30", "to": "09:30:00" }), &[2.0, 4.0]),
        (json!({ "from": "2021-12-01 09:30:00.5", "to": "14:00" }), &[3.0, 4.0]),
    ];
    for (range, expected) in cases {
        let options = with(json!({ "path": "days.csv", "speed": 0, "market": "SH" }), range);
        let closes: Vec<f64> =
            play(&options, dir.path()).rows().into_iter().map(|(.., close)| close).collect();
        assert_eq!(closes, expected, "{options}");
    }
}

#[test]
fn symbols_are_taken_in_any_spelling_and_missed_ones_are_named() {
    let dir = tempfile::tempdir().unwrap();
    write_own(
        dir.path(),
        "a.csv",
        &["09:30:00,600000,1", "09:30:00,sz000001,2", "09:30:00,1,3", "09:30:00,600004.SH,4"],
    );
    let symbols = json!(["600000", "SZ000001", "600009.sh"]);
    let played = play(&with(own("a.csv"), json!({ "symbols": symbols })), dir.path());
    assert_eq!(played.brief(), ["09:30:00 600000", "09:30:00 000001"]);
    assert!(played.log().contains("no record of symbols 600009.SH"), "{}", played.log());
    // a column of numbers loses zeros
    let played = play(&with(own("a.csv"), json!({ "symbols": ["000001"] })), dir.path());
    assert_eq!(played.rows()[0].0, "000001.SH");
}

#[test]
fn a_loop_starts_over_and_goes_on_counting() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "a.csv", &["09:30:00,600000,1", "09:30:03,600000,2"]);
    let host = Arc::<TestHost>::default();
    let options = with(own("a.csv"), json!({ "loop": true }));
    let batches = testing::check_source::<Replay>(&options, testing::context(&host, dir.path()), 7);
    let spots = batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>());
    let seen: Vec<_> = spots.map(|spot| (spot.sequence(), spot.close())).collect();
    assert_eq!(seen[..4], [(1, 1.0), (2, 2.0), (3, 1.0), (4, 2.0)]);
    let nothing = with(options, json!({ "symbols": ["600009"] }));
    assert!(play(&nothing, dir.path()).batches.is_empty(), "a loop over nothing ends");
}

#[test]
fn files_that_are_out_of_range_are_not_even_opened() {
    let dir = tempfile::tempdir().unwrap();
    write_own(
        dir.path(),
        "1.csv",
        &["2021-12-01 09:30:00,600000,bad", "2021-12-01 09:30:03,600000,bad"],
    );
    write_own(dir.path(), "2.csv", &["2021-12-02 09:30:00,600000,1"]);
    let options = json!({ "path": "*.csv", "speed": 0, "market": "SH", "from": "2021-12-02" });
    let played = play(&options, dir.path());
    assert_eq!((played.rows().len(), played.host.counted("source_bad_rows_total")), (1, 0));
}
