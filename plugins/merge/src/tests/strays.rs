//! One quote with a wrong time decides nothing.

use plugin_api::schemas::time::DAY_US;

use super::*;

const TEN: i64 = MIDNIGHT_US + 36_000 * SECOND_US;

/// A stray in the middle of a live feed of `a` and `b`; what came out.
fn with_stray(stray_us: i64, source: &'static str) -> (Vec<Out>, Bench) {
    let mut bench = Bench::open(json!({}));
    let mut passed = Vec::new();
    for second in (0..120).step_by(3) {
        let (time_us, volume) = (TEN + second * SECOND_US, 1_000 * (second as u64 + 1));
        for it in ["a", "b"] {
            passed.extend(bench.give(time_us, &[quote(it, time_us, volume)]));
        }
        if second == 60 {
            passed.extend(bench.give(time_us, &[quote(source, stray_us, 61_500)]));
        }
    }
    passed.extend(bench.close());
    (passed, bench)
}

#[test]
fn a_stray_time_never_becomes_what_went_out_last() {
    let year_2099 = MIDNIGHT_US + 77 * 365 * DAY_US;
    for stray_us in [year_2099, TEN + DAY_US, at(14, 59, 0), at(19, 0, 0), at(10, 30, 0), 0] {
        for source in ["a", "b"] {
            let (passed, bench) = with_stray(stray_us, source);
            let expected: Vec<_> = (0..120)
                .step_by(3)
                .map(|it| quote("a", TEN + it * SECOND_US, 1_000 * (it as u64 + 1)))
                .map(out)
                .collect();
            assert_eq!(passed, expected, "{stray_us} of {source}");
            assert_eq!(bench.counted("switched"), 0);
            let dropped: u64 = bench.host.told().dropped.iter().map(|(_, by)| by).sum();
            assert_eq!(dropped + bench.host.counted("stray_times_total"), 1, "{stray_us}");
        }
    }
}

#[test]
fn quotes_whose_time_is_confirmed_come_out_in_their_order() {
    // a recorded feed: the first ones wait for each other
    let mut bench = Bench::try_open(json!({}), at(10, 0, 0) + 1_000 * DAY_US).unwrap();
    let now_us = at(10, 0, 0) + 1_000 * DAY_US;
    let given: Vec<_> =
        (0..4).map(|it| quote("a", TEN + it * 3 * SECOND_US, 1_000 + it as u64)).collect();
    let mut passed = bench.give(now_us, &given[..2]);
    assert_eq!(passed, []);
    passed = bench.give(now_us, &given[2..]);
    assert_eq!(passed, given.iter().copied().map(out).collect::<Vec<_>>());
}

#[test]
fn a_quote_that_nothing_refutes_comes_out_at_the_end_or_after_a_while() {
    let now_us = at(20, 0, 0);
    for closes in [true, false] {
        let mut bench = Bench::try_open(json!({}), now_us).unwrap();
        let last = quote("a", at(15, 0, 3), 1_000);
        assert_eq!(bench.give(now_us, &[last]), []);
        let passed = if closes { bench.close() } else { bench.tick(now_us + 301 * SECOND_US) };
        assert_eq!(passed, [out(last)]);
    }
}
