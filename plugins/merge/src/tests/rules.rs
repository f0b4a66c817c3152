//! Who serves, and what passes.

use plugin_api::{Round, testing::bar_batch};

use super::*;

const TEN: i64 = MIDNIGHT_US + 36_000 * SECOND_US;

/// A moment so many seconds after ten.
fn s(seconds: i64) -> i64 {
    TEN + seconds * SECOND_US
}

/// Both sources bring a new quote every three seconds from one moment to another, `b` after `a`, each
/// received within a second. Returns what came out.
fn both(bench: &mut Bench, from: i64, to: i64) -> Vec<Out> {
    let mut all = Vec::new();
    for second in (from..to).step_by(3) {
        all.extend(a(bench, second));
        all.extend(b(bench, second));
    }
    all
}

fn volume(second: i64) -> u64 {
    10_000 + 1_000 * u64::try_from(second).unwrap()
}

fn a(bench: &mut Bench, second: i64) -> Vec<Out> {
    bench.give(s(second) + 200_000, &[quote("a", s(second), volume(second))])
}

fn b(bench: &mut Bench, second: i64) -> Vec<Out> {
    bench.give(s(second) + 700_000, &[quote("b", s(second), volume(second))])
}

fn all_of(source: &'static str, from: i64, to: i64) -> Vec<Out> {
    (from..to).step_by(3).map(|it| out(quote(source, s(it), volume(it)))).collect()
}

#[test]
fn the_first_choice_serves_and_equal_quotes_pass_once() {
    let mut bench = Bench::open(json!({}));
    assert_eq!(both(&mut bench, 0, 60), all_of("a", 0, 60));
    assert_eq!((bench.counted("repeated"), bench.counted("switched")), (20, 0));
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(1.0));
    // of another volume at the same time: what is not less passes, of the source that serves
    let time_us = s(60);
    let given =
        [quote("a", time_us, 80_000), quote("a", time_us, 90_000), quote("a", time_us, 80_000)];
    assert_eq!(bench.give(time_us, &given), [out(given[0]), out(given[1])]);
    assert_eq!(bench.give(time_us, &[quote("b", time_us, 90_050)]), [], "b counts in lots");
}

#[test]
fn a_source_that_is_cut_off_is_replaced_after_stale_after_and_comes_back_after_hold() {
    let mut bench = Bench::open(json!({}));
    both(&mut bench, 0, 30);
    // `a` had the quote of second 27; that of second 30 it lacks from 30.7 on
    let mut passed: Vec<_> = (30..37).step_by(3).flat_map(|it| b(&mut bench, it)).collect();
    assert_eq!((passed.as_slice(), bench.counted("standby")), (&[][..], 3));
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(1.0));
    passed = bench.tick(s(36) + 800_000);
    assert_eq!(passed, all_of("b", 36, 37), "the newest that stood by, without another quote");
    passed = (39..90).step_by(3).flat_map(|it| b(&mut bench, it)).collect();
    assert_eq!(passed, all_of("b", 39, 90));
    assert_eq!((bench.counted("switched"), bench.counted("stale")), (1, 1));
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(0.0));
    assert!(bench.log().contains("a, the first of `prefer`, lacks quotes"), "{}", bench.log());
    let away = "a, the first of `prefer`, is away: others serve".to_owned();
    assert_eq!(bench.degraded(), [None, Some(away.clone())]);
    // it is there again, and has to be fresh for 30 seconds
    let mut passed = both(&mut bench, 90, 150);
    let back = passed.iter().position(|(source, ..)| source == "a").unwrap();
    assert_eq!(passed.split_off(back), all_of("a", 120, 150));
    assert_eq!(passed, all_of("b", 90, 120));
    assert_eq!((bench.counted("switched"), bench.counted("stale")), (2, 1));
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(1.0));
    assert!(bench.log().contains("serves again"), "{}", bench.log());
    assert_eq!(bench.degraded(), [None, Some(away), None]);
}

#[test]
fn sources_that_disagree_are_reported_by_security_whoever_of_them_serves() {
    let mut bench = Bench::open(json!({}));
    let theirs = |second: i64| quote("b", s(second), 500).price(11.0);
    for second in [0, 3] {
        bench.give(s(second), &[quote("a", s(second), 500), theirs(second)]);
    }
    bench.give(s(6), &[theirs(6), quote("a", s(6), 500)]);
    let reported = bench.host.told().reports.into_iter().filter_map(|report| match report {
        Report::Deviation { symbol, text, count } => Some((symbol, text, count)),
        Report::Degraded { .. } => None,
    });
    let reported: Vec<_> = reported.collect();
    let text = "prices of a and b are further apart than `tolerance`";
    assert!(reported.iter().all(|it| it.0 == "600000.SH" && it.1 == text), "{reported:?}");
    let total: u64 = reported.iter().map(|it| it.2).sum();
    assert_eq!(total, bench.counted("deviations"));
    assert!(total >= 2, "{reported:?}");
}

#[test]
fn once_a_source_is_silent_others_serve_each_security_at_once() {
    let mut bench = Bench::open(json!({}));
    let quiet = |source, second: i64| quote(source, s(second), 500).code("600001");
    bench.give(s(0), &[quiet("a", 0)]);
    bench.give(s(0), &[quiet("b", 0)]);
    both(&mut bench, 0, 30);
    (30..60).step_by(3).for_each(|it| drop(b(&mut bench, it)));
    // the first quote of the quiet one since
    let news = Quote { volume: 700, ..quiet("b", 60) };
    assert_eq!(bench.give(s(60), &[news]), [out(news)]);
}

#[test]
fn a_security_in_which_nobody_trades_is_nobodys_fault() {
    let mut bench = Bench::open(json!({}));
    let first = quote("a", s(0), 500);
    assert_eq!(bench.give(s(0), &[first]), [out(first)]);
    // `b` is asked again and again, and stamps what it says anew
    for second in (1..600).step_by(3) {
        assert_eq!(bench.give(s(second), &[quote("b", s(second), 500)]), []);
    }
    // a trade, which `b` has first
    assert_eq!(bench.give(s(600), &[quote("b", s(600), 900)]), []);
    let second = quote("a", s(600), 900);
    assert_eq!(bench.give(s(601), &[second]), [out(second)]);
    assert_eq!(bench.counted("switched"), 0);
}

#[test]
fn a_server_that_repeats_itself_for_ever_is_stale() {
    let mut bench = Bench::open(json!({}));
    both(&mut bench, 0, 30);
    let mut passed = Vec::new();
    for second in (30..60).step_by(3) {
        // the quote of second 27 again
        passed.extend(bench.give(s(second), &[quote("a", s(27), volume(27))]));
        passed.extend(b(&mut bench, second));
    }
    assert_eq!(passed, all_of("b", 36, 60), "those before stood by");
}

#[test]
fn a_source_that_is_late_by_a_quarter_of_an_hour_keeps_nobody_from_serving() {
    let mut bench = Bench::open(json!({}));
    let mut passed = Vec::new();
    let theirs = |second| quote("b", s(second), volume(second + 900));
    for second in (0..300).step_by(3) {
        passed.extend(bench.give(s(second), &[quote("a", s(second - 900), volume(second))]));
        passed.extend(bench.give(s(second), &[theirs(second)]));
    }
    let expected: Vec<_> = (9..300).step_by(3).map(|it| out(theirs(it))).collect();
    assert!(passed.ends_with(&expected), "{passed:?}");
}

#[test]
fn the_last_quote_of_a_day_goes_out_though_the_source_that_serves_is_gone() {
    let mut bench = Bench::open(json!({}));
    let before = quote("a", at(14, 59, 57), 1_000);
    bench.give(at(14, 59, 57), &[before, quote("b", at(14, 59, 57), 1_000)]);
    let last = quote("b", at(15, 0, 3), 9_000);
    assert_eq!(bench.give(at(15, 0, 5), &[last]), []);
    assert_eq!(bench.tick(at(15, 0, 11)), []);
    assert_eq!(bench.tick(at(15, 0, 12)), [out(last)]);
    assert_eq!(bench.tick(at(15, 0, 13)), []);
    // and at the end of all
    let more = quote("a", at(15, 0, 20), 9_500);
    assert_eq!(bench.give(at(15, 0, 20), &[more]), []);
    assert_eq!(bench.close(), [out(more)]);
}

#[test]
fn outside_of_the_sessions_nobody_becomes_stale() {
    let mut bench = Bench::open(json!({}));
    let noon = |source, minute, volume| quote(source, at(11, minute, 0), volume);
    bench.give(at(11, 29, 0), &[noon("a", 29, 1_000), noon("b", 29, 1_000)]);
    for minute in 31..59 {
        // what `b` says changes, after the session
        assert_eq!(bench.give(at(11, minute, 0), &[noon("b", minute, 2_000)]), []);
    }
    let next = quote("a", at(13, 0, 0), 3_000);
    assert_eq!(bench.give(at(13, 0, 1), &[next]), [out(next)]);
    assert_eq!(bench.counted("switched"), 0);
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(1.0));
}

#[test]
fn the_first_choice_takes_over_at_once_when_it_only_came_second() {
    let mut bench = Bench::open(json!({}));
    let mut passed = b(&mut bench, 0);
    passed.extend(both(&mut bench, 3, 9));
    assert_eq!(passed, [all_of("b", 0, 3), all_of("a", 3, 9)].concat());
    let mut bench = Bench::open(json!({}));
    (0..60).step_by(3).for_each(|it| drop(b(&mut bench, it)));
    assert_eq!(bench.gauge("merge_first_choice_fresh"), Some(0.0), "it never came");
    let passed = both(&mut bench, 60, 99);
    assert_eq!(passed, [all_of("b", 60, 90), all_of("a", 90, 99)].concat());
}

#[test]
fn the_best_that_is_fresh_serves() {
    let mut bench = Bench::open(json!({}));
    let c = |bench: &mut Bench, it| bench.give(s(it) + 900_000, &[quote("c", s(it), volume(it))]);
    for second in (0..30).step_by(3) {
        both(&mut bench, second, second + 1);
        c(&mut bench, second);
    }
    // `a` goes, then `b`
    let mut passed = Vec::new();
    for second in (30..90).step_by(3) {
        if second < 60 {
            passed.extend(b(&mut bench, second));
        }
        passed.extend(c(&mut bench, second));
    }
    assert_eq!(passed, [all_of("b", 36, 60), all_of("c", 66, 90)].concat());
}

#[test]
fn a_quote_older_than_what_went_out_never_passes() {
    let mut bench = Bench::open(json!({}));
    let given = [("a", 10), ("a", 7), ("b", 4), ("a", 13), ("a", 12)];
    let given = given.map(|(source, second)| quote(source, s(second), volume(second)));
    assert_eq!(bench.give(s(13), &given), [out(given[0]), out(given[3])]);
    assert_eq!(bench.counted("older"), 3);
}

#[test]
fn prices_that_are_apart_are_counted_once_and_shown() {
    let mut bench = Bench::open(json!({ "tolerance": 0.01 }));
    for (second, price) in [(0, 10.05), (3, 10.2), (6, 0.0), (9, 10.3)] {
        let theirs = quote("b", s(second), volume(second)).price(price);
        a(&mut bench, second);
        // asked twice
        bench.give(s(second), &[theirs, theirs]);
    }
    assert_eq!(bench.counted("deviations"), 2);
    let log = bench.log();
    let line = "600000.SH: b has 10.2 and a has 10, which is 2.00 % apart";
    assert!(log.contains(line) && log.lines().count() == 2, "{log}");
    for second in 10..100 {
        a(&mut bench, second);
        bench.give(s(second), &[quote("b", s(second), volume(second)).price(20.0)]);
    }
    assert_eq!(bench.counted("deviations"), 92);
    assert!(bench.log().lines().count() < 8, "{}", bench.log());
}

#[test]
fn who_is_not_preferred_comes_last_and_is_told_of_once() {
    let mut bench = Bench::open(json!({}));
    let stranger = |second| quote("x", s(second), volume(second));
    assert_eq!(bench.give(s(0), &[stranger(0)]), [out(stranger(0))]);
    assert_eq!(both(&mut bench, 3, 9), all_of("a", 3, 9));
    assert_eq!(bench.give(s(9), &[stranger(9)]), []);
    assert_eq!(bench.counted("unnamed"), 2);
    let log = bench.log();
    assert!(log.contains("quotes of \"x\" (taken in by \"component\")"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

#[test]
fn a_quote_without_a_source_is_of_that_of_its_batch() {
    let mut bench = Bench::open(json!({ "prefer": ["component", "b"] }));
    let nameless = |second| quote("", s(second), volume(second));
    assert_eq!(bench.give(s(0), &[nameless(0)]), [out(nameless(0))]);
    assert_eq!(b(&mut bench, 0), []);
    assert_eq!(b(&mut bench, 3), []);
    assert_eq!(bench.give(s(4), &[nameless(3)]), [out(nameless(3))]);
    assert_eq!(bench.counted("unnamed"), 0);
}

#[test]
fn what_passes_whole_is_not_copied_and_marks_of_rounds_come_through() {
    let mut bench = Bench::open(json!({}));
    bench.host.set_now_us(s(0));
    let given = batch(&[quote("a", s(0), 1), quote("a", s(0), 1).code("600001")], s(0));
    let passed = bench.apply(&given);
    assert_eq!(passed[0].payload().as_ptr(), given.payload().as_ptr());
    for round in [Round::WHOLE, Round { first: true, last: false }] {
        let passed = bench.apply(&given.clone().with_round(round));
        assert_eq!((passed.len(), passed[0].records(), passed[0].round()), (1, 0, round));
    }
    assert_eq!(bench.apply(&given).len(), 0);
    let bars = bar_batch();
    assert_eq!(bench.apply(&bars)[0].payload().as_ptr(), bars.payload().as_ptr());
}

#[test]
fn securities_beyond_the_most_are_dropped_and_counted() {
    let mut bench = Bench::open(json!({ "max_symbols": 1 }));
    let given = [quote("a", s(0), 1), quote("a", s(0), 1).code("600001")];
    assert_eq!(bench.give(s(0), &given), [out(given[0])]);
    assert_eq!(bench.host.told().dropped, [("too_many_symbols".to_owned(), 1)]);
    assert!(bench.log().contains("raise max_symbols"), "{}", bench.log());
}
