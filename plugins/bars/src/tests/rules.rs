//! Each rule of the bars, one by one.

use super::*;

const DAY: &str = "2021-12-01"; // a Wednesday

#[test]
fn the_first_bar_of_a_day_takes_the_call_auction() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.play(
        DAY,
        &[
            ("09:25:00", 10.0, 500),
            ("09:29:59", 10.0, 500),
            ("09:30:00", 10.1, 700),
            ("09:30:59", 10.0, 900),
        ],
    );
    assert_eq!(bench.volumes("1m"), [("2021-12-01 09:31:00", 900, false)]);
    let bar = bench.bar("600000 1m 2021-12-01 09:31:00");
    assert_eq!((bar.open, bar.high, bar.low, bar.close), (10.1, 10.1, 10.0, 10.0));
    assert_eq!(bar.amount.to_string(), "9000");
    assert_eq!(bench.volumes("day"), [("2021-12-01 00:00:00", 900, false)]);
    assert_eq!(bench.host.counted("outside_sessions_total"), 2);
}

#[test]
fn a_late_start_gives_the_first_bar_what_was_traded_before() {
    let mut bench = Bench::of(&["5m"]);
    bench.play(DAY, &[("13:05:00", 10.0, 5_000), ("13:10:00", 10.0, 5_300)]);
    assert_eq!(
        bench.volumes("5m"),
        [("2021-12-01 13:10:00", 5_000, true), ("2021-12-01 13:15:00", 300, false)]
    );
}

#[test]
fn a_gap_in_the_feed_makes_no_bars_and_loses_no_volume() {
    let mut bench = Bench::of(&["1m"]);
    bench.play(DAY, &[("10:00:00", 10.0, 100), ("10:07:30", 11.0, 900), ("10:08:00", 11.0, 950)]);
    assert_eq!(
        bench.volumes("1m"),
        [
            ("2021-12-01 10:01:00", 100, true),
            ("2021-12-01 10:08:00", 800, true),
            ("2021-12-01 10:09:00", 50, false),
        ]
    );
}

#[test]
fn lunch_and_the_close_end_their_bars_and_take_the_last_quotes() {
    let mut bench = Bench::of(&["1m", "60m"]);
    bench.play(
        DAY,
        &[
            ("11:29:58", 10.0, 100),
            ("11:30:00", 10.0, 150),
            ("11:30:30", 10.0, 160),
            ("11:30:31", 10.0, 999), // too late to count
            ("12:59:59", 10.0, 999),
            ("13:00:00", 10.0, 170),
            ("14:59:58", 10.0, 300),
            ("15:00:03", 10.5, 900), // the closing auction
            ("15:00:31", 10.5, 950),
            ("15:05:00", 10.5, 990), // after hours
        ],
    );
    assert_eq!(
        bench.volumes("1m"),
        [
            ("2021-12-01 11:30:00", 160, true),
            ("2021-12-01 13:01:00", 10, true),
            ("2021-12-01 15:00:00", 730, true),
        ]
    );
    assert_eq!(
        bench.volumes("60m"),
        [
            ("2021-12-01 11:30:00", 160, true),
            ("2021-12-01 14:00:00", 10, true),
            ("2021-12-01 15:00:00", 730, true),
        ]
    );
}

#[test]
fn totals_that_fall_add_nothing() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.play(
        DAY,
        &[
            ("10:00:00", 10.0, 500),
            ("10:01:00", 10.0, 400), // falls: nothing
            ("10:01:30", 10.0, 600), // and is right again
            ("10:02:00", 10.0, 0),
            ("10:03:00", 10.0, 650),
        ],
    );
    let volumes: Vec<_> = bench.volumes("1m").into_iter().map(|(_, volume, _)| volume).collect();
    assert_eq!(volumes, [500, 100, 0, 50]);
    assert_eq!(bench.volumes("day")[0].1, 650);
}

#[test]
fn a_quote_that_comes_late_changes_its_bar_if_it_is_the_last_and_no_other() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.play(
        DAY,
        &[
            ("10:00:30", 10.0, 500),
            ("10:00:10", 12.0, 450), // of the same bar, in order of arrival
            ("10:01:00", 11.0, 600),
            ("10:00:50", 99.0, 550), // of the bar before
        ],
    );
    let bar = bench.bar("600000 1m 2021-12-01 10:01:00");
    assert_eq!((bar.high, bar.close, bar.volume), (12.0, 12.0, 450));
    assert_eq!(bench.bar("600000 1m 2021-12-01 10:02:00").volume, 150);
    let day = bench.bar("600000 day 2021-12-01 00:00:00");
    assert_eq!((day.high, day.close, day.volume), (99.0, 99.0, 550), "the day takes every quote");
    assert_eq!(bench.host.counted("late_for_bar_total"), 1);
}

#[test]
fn a_new_day_begins_at_nothing_and_closes_the_one_before() {
    let mut bench = Bench::of(&["1m", "day"]);
    bench.play("2021-12-01", &[("14:59:00", 10.0, 5_000)]);
    bench.play("2021-12-02", &[("09:15:00", 10.0, 0), ("09:30:00", 10.0, 300)]);
    assert_eq!(
        bench.volumes("1m"),
        [("2021-12-01 15:00:00", 5_000, true), ("2021-12-02 09:31:00", 300, false)]
    );
    assert_eq!(
        bench.volumes("day"),
        [("2021-12-01 00:00:00", 5_000, true), ("2021-12-02 00:00:00", 300, false)]
    );
}

#[test]
fn bars_over_days_add_finished_days_to_the_day_that_goes_on() {
    let mut bench = Bench::of(&["week", "month", "quarter", "halfyear", "year"]);
    for (day, total) in [
        ("2021-11-30", 100), // Tuesday
        ("2021-12-01", 200),
        ("2021-12-03", 400), // Friday
        ("2021-12-06", 800), // Monday
    ] {
        bench.play(day, &[("09:30:00", 10.0, total / 2), ("15:00:00", 11.0, total)]);
    }
    assert_eq!(
        bench.volumes("week"),
        [("2021-12-03 00:00:00", 700, true), ("2021-12-10 00:00:00", 800, false)]
    );
    assert_eq!(
        bench.volumes("month"),
        [("2021-11-30 00:00:00", 100, true), ("2021-12-31 00:00:00", 1_400, false)]
    );
    for period in ["quarter", "halfyear", "year"] {
        assert_eq!(bench.volumes(period), [("2021-12-31 00:00:00", 1_500, false)], "{period}");
    }
    assert_eq!(bench.bar("600000 year 2021-12-31 00:00:00").amount.to_string(), "15000");
}

#[test]
fn a_security_without_a_price_has_no_bars_and_one_that_is_suspended_flat_ones() {
    let mut bench = Bench::of(&["1m", "day"]);
    let mut encoder = SpotListEncoder::new(2);
    for (code, close) in [("600001", 0.0), ("600002", 8.0)] {
        let time_us = us("2021-12-01 10:00:00");
        let record = SpotRecord { market: "SH", code, time_us, close, ..SpotRecord::default() };
        encoder.push(&record).unwrap();
    }
    bench.apply(&received(Batch::from_spots(&mut encoder, Round::WHOLE)));
    assert_eq!(bench.kept.keys().collect::<Vec<_>>(), ["600002 1m 2021-12-01 10:01:00"]);
    let flat = bench.bar("600002 1m 2021-12-01 10:01:00");
    assert_eq!((flat.low, flat.high, flat.volume, flat.amount), (8.0, 8.0, 0, 0.0));
}

#[test]
fn prices_that_hikyuu_refuses_make_no_day_bar() {
    for (open, high, low, close) in [
        (10.0, 9.0, 8.0, 8.5),
        (10.0, 11.0, 10.5, 10.7),
        (10.0, 11.0, 0.0, 10.7),
        (10.0, f64::INFINITY, 9.0, 10.0),
        (10.0, 11.0, 9.0, 12.0),
    ] {
        let mut bench = Bench::of(&["day"]);
        let mut encoder = SpotListEncoder::new(1);
        let time_us = us("2021-12-01 10:00:00");
        let record = SpotRecord {
            market: "SH",
            code: "1",
            time_us,
            open,
            high,
            low,
            close,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
        bench.apply(&received(Batch::from_spots(&mut encoder, Round::WHOLE)));
        assert!(bench.kept.is_empty(), "{open} {high} {low} {close}");
    }
}

#[test]
fn weekends_and_impossible_times_make_no_bars() {
    let mut bench = Bench::of(&["1m"]);
    bench.play("2021-12-04", &[("10:00:00", 10.0, 100)]);
    bench.play("2021-12-05", &[("10:00:00", 10.0, 100)]);
    assert!(bench.kept.is_empty());
    bench.play("2099-12-01", &[("10:00:00", 10.0, 100)]);
    assert_eq!(bench.host.told().dropped, [("bad_time".to_owned(), 1)]);
    bench.play("2021-12-06", &[("10:00:00", 10.0, 100)]);
    assert_eq!(bench.volumes("1m"), [("2021-12-06 10:01:00", 100, false)]);
    let mut all_days = Bench::new(json!({ "periods": ["1m"], "ignore_weekend": false }));
    all_days.play("2021-12-04", &[("10:00:00", 10.0, 100)]);
    assert_eq!(all_days.kept.len(), 1);
}

#[test]
fn a_silent_bar_is_closed_by_the_quotes_of_others() {
    let mut bench = Bench::of(&["1m"]);
    let quote = |code, time| Spot { code, time, price: 10.0, volume: 100 };
    bench.give(&[quote("600000", "2021-12-01 10:00:30")]);
    bench.give(&[quote("600001", "2021-12-01 10:01:29")]);
    assert!(!bench.bar("600000 1m 2021-12-01 10:01:00").closed, "30s are not over");
    bench.give(&[quote("600001", "2021-12-01 10:01:30")]);
    assert!(bench.bar("600000 1m 2021-12-01 10:01:00").closed);
    // what comes later still is added, and told again
    bench.give(&[Spot { code: "600000", time: "2021-12-01 10:00:59", price: 11.0, volume: 130 }]);
    let bar = bench.bar("600000 1m 2021-12-01 10:01:00");
    assert_eq!((bar.close, bar.volume, bar.closed), (11.0, 130, true));
}

#[test]
fn the_clock_closes_bars_of_a_live_feed_alone() {
    let mut live = Bench::of(&["1m", "day"]);
    live.host.set_now_us(us("2021-12-01 14:59:59"));
    live.play(DAY, &[("14:59:58", 10.0, 100)]);
    live.tick("2021-12-01 15:01:00");
    assert!(live.volumes("1m").iter().all(|(.., closed)| !closed), "30s after 15:00:30");
    live.tick("2021-12-01 15:01:01");
    assert!(live.volumes("1m").iter().all(|(.., closed)| *closed));
    assert!(live.volumes("day").iter().all(|(.., closed)| *closed));

    let mut recorded = Bench::of(&["1m"]);
    recorded.play(DAY, &[("14:59:58", 10.0, 100)]);
    recorded.tick("2021-12-21 00:00:00");
    assert!(recorded.volumes("1m").iter().all(|(.., closed)| !closed));
}

#[test]
fn a_recorded_feed_that_ends_leaves_no_bar_untold() {
    let quotes = [("14:58:58", 10.0, 100), ("14:59:58", 10.0, 200), ("15:00:00", 10.0, 300)];
    let mut bench = Bench::new(json!({ "periods": ["1m", "week"], "updates": false }));
    bench.play(DAY, &quotes);
    assert_eq!(bench.volumes("1m"), [("2021-12-01 14:59:00", 100, true)]);
    bench.end();
    assert_eq!(
        bench.volumes("1m"),
        [("2021-12-01 14:59:00", 100, true), ("2021-12-01 15:00:00", 200, true)]
    );
    assert_eq!(bench.volumes("week"), [("2021-12-03 00:00:00", 300, false)], "it is not over");
    assert_eq!(bench.heard.len(), 3, "each once");
}

#[test]
fn changes_are_told_once_a_batch_and_only_if_wanted() {
    let quotes =
        ["09:30:01", "09:30:04", "09:31:01", "09:31:04"].map(|time| format!("{DAY} {time}"));
    let spots: Vec<_> = quotes
        .iter()
        .zip(1..)
        .map(|(time, volume)| Spot { code: "600000", time, price: 10.0, volume })
        .collect();
    for (updates, heard) in [(true, vec![(2, true), (2, false)]), (false, vec![(2, true)])] {
        let mut bench = Bench::new(json!({ "periods": ["1m"], "updates": updates }));
        bench.give(&spots);
        let told: Vec<_> = bench.heard.iter().map(|(_, bar)| (bar.volume, bar.closed)).collect();
        assert_eq!(told, heard);
    }
}

#[test]
fn the_worst_quote_gives_a_bar_its_score() {
    let mut bench = Bench::of(&["1m"]);
    let mut scores = Vec::new();
    for score in [None, Some(1.0), Some(0.5), Some(0.75)] {
        let mut encoder = SpotListEncoder::new(1);
        let record = SpotRecord {
            market: "SH",
            code: "600000",
            time_us: us("2021-12-01 10:00:00"),
            close: 10.0,
            quality_score: score,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
        let mut output = Output::default();
        let batch = received(Batch::from_spots(&mut encoder, Round::MIDDLE));
        bench.bars.apply(&batch, &mut output).unwrap();
        scores.extend(output.into_batches()[0].bars().map(|bar| bar.quality_score));
    }
    assert_eq!(scores, [None, Some(1.0), Some(0.5), Some(0.5)]);
}

#[test]
fn there_is_room_for_so_many_securities_and_no_more() {
    let mut bench = Bench::new(json!({ "periods": ["1m"], "max_symbols": 2 }));
    for code in ["600000", "600001", "600002", "600000"] {
        bench.give(&[Spot { code, time: "2021-12-01 10:00:00", price: 10.0, volume: 1 }]);
    }
    assert_eq!(bench.kept.len(), 2);
    assert_eq!(bench.host.told().dropped, [("too_many_symbols".to_owned(), 1)]);
}

#[test]
fn a_feed_that_begins_anew_gives_its_day_again_and_a_stale_quote_changes_nothing() {
    let day = [
        ("09:30:00", 10.0, 100),
        ("09:30:20", 10.0, 110),
        ("09:30:40", 10.0, 120),
        ("09:31:00", 10.0, 130),
        ("09:31:20", 10.0, 140),
        ("10:00:00", 11.0, 300),
        ("15:00:00", 12.0, 900),
    ];
    let mut bench = Bench::of(&["1m"]);
    bench.play(DAY, &day);
    let once = bench.kept.clone();
    // stale ones, fewer than five in a row
    bench.play(DAY, &[("09:30:00", 9.0, 1), ("09:30:01", 9.0, 1), ("15:00:00", 12.0, 900)]);
    assert_eq!(bench.kept, once);
    // played again, without pause and after a restart
    bench.kept.clear();
    bench.play(DAY, &day);
    assert_eq!(bench.kept, once);
    bench.restart();
    bench.kept.clear();
    bench.play(DAY, &day);
    assert_eq!(bench.kept, once);
}
