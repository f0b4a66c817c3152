//! Quotes against those before them.

use super::*;
use crate::history::MAX_SYMBOLS;

/// A good quote of another second, with another volume in lots; the amount fits it.
fn then(time_us: i64, lots: u32) -> SpotRecord<'static> {
    SpotRecord {
        time_us,
        recv_time_us: time_us,
        volume_shares: u64::from(lots) * 100,
        amount_cny: f64::from(lots) * 1_015.0,
        ..good()
    }
}

#[test]
fn volume_and_amount_never_fall_within_a_day() {
    let mut bench = Bench::open(all("mark"));
    let next_day = at(24 + 9, 30, 0);
    let steps: [(SpotRecord<'_>, &[&str]); 9] = [
        // quote, what it breaks
        (then(at(10, 0, 0), 1_000), &[]),
        (then(at(10, 0, 3), 1_000), &[]),
        (then(at(10, 0, 6), 900), &["falling"]),
        // what it fell to is the measure from then on
        (then(at(10, 0, 9), 950), &[]),
        (SpotRecord { amount_cny: 900_000.0, ..then(at(10, 0, 12), 960) }, &["falling"]),
        // another source cuts off what is less than a lot
        (SpotRecord { volume_shares: 95_901, ..then(at(10, 0, 15), 960) }, &[]),
        (SpotRecord { code: "600001", ..then(at(10, 0, 15), 1) }, &[]),
        (SpotRecord { market: "SZ", ..then(at(10, 0, 15), 1) }, &["zero"; 0]),
        (then(next_day, 5), &[]),
    ];
    for (index, (record, expected)) in steps.iter().enumerate() {
        assert_eq!(bench.found(record), *expected, "step {index}");
    }
}

#[test]
fn an_amount_that_is_off_is_no_measure_for_the_next_one() {
    let mut bench = Bench::open(all("mark"));
    assert!(bench.found(&then(at(10, 0, 0), 1_000)).is_empty());
    let off = SpotRecord { amount_cny: 101_500_000.0, ..then(at(10, 0, 3), 1_000) };
    assert_eq!(bench.found(&off), ["amount"]);
    assert!(bench.found(&then(at(10, 0, 6), 1_001)).is_empty());
}

#[test]
fn a_volume_that_is_off_before_the_close_costs_no_quote_after_it() {
    let mut bench = Bench::open(json!({}));
    let off = SpotRecord { volume_shares: 10_000_000, ..then(at(15, 4, 0), 1_000) };
    assert_eq!(bench.found(&off), ["amount"]);
    assert!(bench.found(&then(at(15, 6, 0), 1_000)).is_empty());
    assert_eq!(bench.found(&off), ["time_back", "amount"]);
    assert_eq!(bench.dropped(), []);
}

#[test]
fn zeroes_after_the_close_are_a_reset_and_are_dropped() {
    let mut bench = Bench::open(json!({}));
    let steps: [(SpotRecord<'_>, &[&str]); 6] = [
        // quote, what it breaks
        (then(at(14, 59, 59), 1_000), &[]),
        (then(at(15, 4, 59), 1_100), &[]),
        (SpotRecord { close: 10.0, ..then(at(15, 5, 0), 0) }, &["reset", "zero"]),
        // trades at the closing price count from zero
        (then(at(15, 20, 0), 7), &["reset"]),
        (then(at(15, 30, 0), 1_107), &[]),
        (then(at(15, 31, 0), 1_100), &["reset"]),
    ];
    for (index, (record, expected)) in steps.iter().enumerate() {
        assert_eq!(bench.found(record), *expected, "step {index}");
    }
    assert_eq!(bench.dropped(), vec![("reset".to_owned(), 1); 3]);
}

#[test]
fn the_time_of_a_security_never_goes_back() {
    let mut bench = Bench::open(all("mark"));
    let steps: [(i64, &[&str]); 8] = [
        // time, what it breaks
        (at(10, 0, 0), &[]),
        (at(10, 0, 0), &[]),
        (at(9, 59, 59), &["time_back"]),
        (at(9, 59, 59), &["time_back"]),
        (at(10, 0, 1), &[]),
        (at(24 + 10, 0, 0), &[]),
        // an earlier day begins anew
        (at(10, 0, 0), &["time_back"]),
        (at(10, 0, 1), &[]),
    ];
    for (index, (time_us, expected)) in steps.into_iter().enumerate() {
        assert_eq!(bench.found(&then(time_us, 1_000)), expected, "step {index}");
    }
}

#[test]
fn one_quote_with_a_wrong_time_does_not_condemn_the_rest_of_the_day() {
    let mut bench = Bench::open(all("mark"));
    // from the future by its receipt: never a measure
    let future = SpotRecord { recv_time_us: at(10, 0, 0), ..then(at(14, 0, 0), 1_000) };
    assert_eq!(bench.found(&future), ["future"]);
    assert!(bench.found(&then(at(10, 0, 3), 1_000)).is_empty());
    for second in 4..9 {
        assert!(bench.found(&then(at(10, 0, second), 1_000)).is_empty());
    }
    // with the time of receipt unknown: the next quote is measured by those before it
    let stray = |time_us| SpotRecord { recv_time_us: 0, ..then(time_us, 5_000) };
    for times in [
        &[at(14, 0, 0)][..],
        &[at(19, 0, 0), at(14, 30, 0)],
        &[at(14, 59, 0), at(14, 59, 3), at(24 + 10, 0, 0)],
    ] {
        times.iter().for_each(|time_us| drop(bench.found(&stray(*time_us))));
        for second in 10..40 {
            let found = bench.found(&then(at(10, 0, second), 1_000));
            assert!(found.is_empty(), "{second} after {times:?}: {found:?}");
        }
        bench = Bench::open(all("mark"));
        for second in 0..9 {
            bench.found(&then(at(10, 0, second), 1_000));
        }
    }
}

#[test]
fn a_first_quote_with_a_wrong_time_costs_the_next_one_a_mark_and_no_more() {
    let mut bench = Bench::open(all("mark"));
    let stray = SpotRecord { recv_time_us: 0, ..then(at(14, 0, 0), 5_000) };
    assert!(bench.found(&stray).is_empty());
    assert_eq!(bench.found(&then(at(10, 0, 0), 1_000)), ["time_back"]);
    for second in 1..30 {
        assert!(bench.found(&then(at(10, 0, second), 1_000)).is_empty(), "{second}");
    }
}

#[test]
fn memory_is_bounded_and_the_newest_day_has_room() {
    let mut bench = Bench::open(all("mark"));
    let day = |time_us: i64, first: usize, count: usize| {
        let codes: Vec<_> = (first..first + count).map(|code| code.to_string()).collect();
        let records: Vec<_> =
            codes.iter().map(|code| SpotRecord { code, ..then(time_us, 100) }).collect();
        batch(&records)
    };
    bench.apply(&day(at(10, 0, 0), 1_000_000, MAX_SYMBOLS));
    assert_eq!(bench.transform.history.len(), MAX_SYMBOLS);
    // full of this day: one more is checked by itself alone
    bench.apply(&day(at(10, 0, 1), 2_000_000, 10));
    assert_eq!(bench.transform.history.len(), MAX_SYMBOLS);
    // the next day's push the old ones out
    bench.apply(&day(at(24 + 10, 0, 0), 2_000_000, 10));
    assert_eq!(bench.transform.history.len(), 10);
    let back = SpotRecord { code: "2000003", ..then(at(24 + 9, 0, 0), 100) };
    assert_eq!(bench.found(&back), ["time_back"]);
}
