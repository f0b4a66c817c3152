//! The clock that freshness is measured by.

use plugin_api::schemas::time::DAY_US;

use super::*;

const TEN: i64 = MIDNIGHT_US + 36_000 * SECOND_US;

/// The quotes of both sources in the order in which they were received, `a` being away between.
fn recorded() -> Vec<Quote> {
    let quotes = |source: &'static str| {
        let seconds =
            (0..300).step_by(3).filter(move |it| source == "b" || !(60..150).contains(it));
        seconds.map(move |it| quote(source, TEN + it * SECOND_US, 1_000 * (it as u64 + 1)))
    };
    let mut all: Vec<_> = quotes("a").chain(quotes("b")).collect();
    all.sort_by_key(|quote| quote.time_us);
    all
}

#[test]
fn a_replay_decides_by_the_times_of_its_quotes_at_any_speed() {
    let mut outcomes = Vec::new();
    for size in [1, 7, 1_000] {
        let now_us = TEN + 1_000 * DAY_US;
        let mut bench = Bench::try_open(json!({}), now_us).unwrap();
        let mut passed = Vec::new();
        for part in recorded().chunks(size) {
            passed.extend(bench.give(now_us, part)); // all of it at one moment
        }
        passed.extend(bench.close());
        assert_eq!((bench.counted("switched"), bench.counted("stale")), (2, 1));
        outcomes.push(passed);
    }
    assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]), "the size of batches matters");
    let sources: Vec<_> = outcomes[0].iter().map(|(source, ..)| source.as_str()).collect();
    let runs: Vec<_> =
        sources.chunk_by(|one, next| one == next).map(|it| (it[0], it.len())).collect();
    // 20 quotes until the cut; when the newest is more than 6 seconds past the first that `a` lacks, the
    // one before it goes out
    assert_eq!((runs[0], runs[1].0, runs[2].0, runs.len()), (("a", 20), "b", "a", 3));
    assert_eq!((outcomes[0][20].1 - TEN) / SECOND_US, 66);
    // it came back with second 150, was believed with its fifth quote, when the newest of all was of second
    // 159, and then was fresh for 30 seconds
    assert_eq!((outcomes[0][20 + runs[1].1].1 - TEN) / SECOND_US, 189);
}

#[test]
fn a_live_feed_decides_by_the_clock_of_the_host() {
    let mut bench = Bench::open(json!({}));
    let first = quote("a", TEN, 1_000);
    bench.give(TEN, &[first, quote("b", TEN, 1_000)]);
    let next = quote("b", TEN + 3 * SECOND_US, 2_000);
    assert_eq!(bench.give(TEN + 4 * SECOND_US, &[next]), []);
    assert_eq!(bench.tick(TEN + 10 * SECOND_US), []);
    assert_eq!(bench.tick(TEN + 11 * SECOND_US), [out(next)]);
}

#[test]
fn quotes_of_yesterday_before_the_open_count_for_nothing_today() {
    let mut bench = Bench::open(json!({}));
    let close_us = at(15, 0, 0) - DAY_US;
    // both give what they had last, `b` a little more, well before the open
    for minute in 0..10 {
        let now_us = at(9, minute, 0);
        bench.give(now_us, &[quote("a", close_us, 5_000), quote("b", close_us + SECOND_US, 6_000)]);
    }
    let mut passed = Vec::new();
    for second in (0..30).step_by(3) {
        let time_us = at(9, 30, second);
        for source in ["a", "b"] {
            let it = quote(source, time_us, 100 * (second as u64 + 1));
            passed.extend(bench.give(time_us, &[it]));
        }
    }
    assert_eq!(passed.len(), 10, "{passed:?}");
    assert!(passed.iter().all(|(source, ..)| source == "a"), "{passed:?}");
}
