//! History and instances that come and go.

use super::*;

#[test]
fn what_waits_for_history_outlives_the_instance() {
    let rows = recorded(FOUR);
    let options = options(json!({}));
    let (start, swap, comes) = (5_000, 5_400, 6_000);
    let (expected, known) = whole(&rows, &options, &[comes]);
    for is_swap in [true, false] {
        let mut bench = bench_at(options.clone(), rows[start].time_us);
        feed(&mut bench, &rows[start..swap]);
        if is_swap {
            bench.swap(options.clone());
        } else {
            bench.restart();
        }
        feed(&mut bench, &rows[swap..comes]);
        let (one, other) = known[0].split_at(known[0].len() / 2);
        bench.apply(&history(one));
        bench.swap(options.clone());
        bench.apply(&history(other));
        feed(&mut bench, &rows[comes..]);
        assert_same(&finish(bench, &rows), &expected, &format!("swap {is_swap}"));
    }
}

/// The host is away from 10:00 to 10:20, and history tells what it missed.
#[test]
fn after_a_restart_history_fills_what_was_missed() {
    for (day, rows) in days() {
        let date = &time_text(rows[0].time_us)[..10];
        let at = |time: &str| {
            let time_us = us(&format!("{date} {time}"));
            rows.iter().position(|row| row.time_us >= time_us).unwrap()
        };
        let (gone, back) = (at("10:00:20"), at("10:20:10"));
        let options = options(json!({}));
        let (expected, known) = whole(&rows, &options, &[back, back + 100]);
        for (comes, minutes) in [back, back + 100].into_iter().zip(known) {
            let mut bench = bench_at(options.clone(), rows[0].time_us);
            feed(&mut bench, &rows[..gone]);
            bench.restart();
            let seen = bench.heard.len();
            bench.host.set_now_us(rows[back].time_us);
            feed(&mut bench, &rows[back..comes]);
            bench.apply(&history(&minutes));
            let early = bench.heard[seen..].iter().filter(|(key, _)| key.contains(":00:00 1m 09:"));
            assert_eq!(early.count(), 0, "what quotes told stays as it is");
            feed(&mut bench, &rows[comes..]);
            assert_same(&finish(bench, &rows), &expected, &format!("{} at {comes}", day.file));
        }
    }
}
