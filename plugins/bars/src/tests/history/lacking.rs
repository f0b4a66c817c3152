//! History that lacks something, or is none of this day or source.

use super::*;

#[test]
fn a_security_that_history_does_not_know_has_the_bars_of_quotes_alone() {
    let rows = recorded(FOUR);
    let options = options(json!({}));
    let start = rows.len() / 2;
    let (expected, known) = whole(&rows, &options, &[start]);
    let minutes: Vec<_> = known[0].iter().filter(|told| told.code != "300122").cloned().collect();
    let found = finish(late(&rows, &options, start, start, &[history(&minutes)]), &rows);
    let alone = finish(late(&rows, &options, start, start, &[]), &rows);
    for (key, bar) in &found {
        let others = if key.starts_with("300122") { &alone } else { &expected };
        assert_eq!(others.get(key), Some(bar), "{key}");
    }
    assert!(alone.len() < found.len() && found.len() < expected.len());
}

#[test]
fn history_that_ends_early_leaves_a_gap_that_is_told() {
    let rows = recorded(ONE);
    let options = options(json!({}));
    let start = rows.len() / 2;
    let (expected, known) = whole(&rows, &options, &[start]);
    let minutes = &known[0][..known[0].len() - 8]; // one of them under way
    let mut bench = late(&rows, &options, start, start, &[history(minutes)]);
    bench.tick("2023-02-01 15:42:00");
    assert_eq!(bench.host.counted("bars_history_gap_minutes_total"), 7);
    assert_eq!(bench.host.counted("bars_history_minutes_total"), minutes.len() as u64);
    assert!(bench.host.told().logs.iter().any(|(_, it)| it.contains("7 minutes of 1 securities")));
    bench.apply(&history(&known[0]));
    let found = finish(bench, &rows);
    let of = |period: &str| expected.keys().filter(|key| key.contains(period)).count();
    let missing: Vec<_> = expected.keys().filter(|key| !found.contains_key(*key)).collect();
    assert_eq!(missing.iter().filter(|key| key.contains(" 1m ")).count(), 7, "{missing:?}");
    let sum = |kept: &BTreeMap<Key, Kept>| -> u64 {
        kept.iter().filter(|(key, _)| key.contains(" 1m ")).map(|(_, bar)| bar.volume).sum()
    };
    assert_eq!(sum(&found), sum(&expected), "the next bar has it");
    assert_eq!(found.keys().filter(|key| key.contains(" day ")).count(), of(" day "));
}

#[test]
fn history_alone_makes_the_bars_of_a_day_until_a_quote_tells_them() {
    let rows = recorded(ONE);
    let options = options(json!({}));
    let (expected, _) = whole(&rows, &options, &[]);
    let minutes = minutes_of(&expected);
    let now_us = us("2023-02-01 16:00:00");
    let mut bench = bench_at(options.clone(), now_us);
    bench.apply(&history(&minutes));
    for seconds in [61, 62, 200] {
        bench.host.set_now_us(now_us + seconds * SECOND_US);
        let mut output = Output::default();
        bench.bars.tick(&mut output).unwrap();
        bench.hear(output);
    }
    assert_eq!(bench.heard.iter().filter(|(key, _)| key.contains(" day ")).count(), 1, "once");
    assert_eq!(bench.kept.len(), expected.len());
    for (key, bar) in &bench.kept {
        let other = &expected[key];
        assert_eq!((bar.volume, bar.close), (other.volume, other.close), "{key}");
        assert!(bar.high <= other.high && bar.low >= other.low, "{key}");
    }
    // the quotes of the next day know the day before as over
    bench.host.set_now_us(us("2023-02-02 09:30:03"));
    bench.play("2023-02-02", &[("09:30:02", 1_840.0, 100)]);
    assert!(bench.bar("600519 day 2023-02-01 00:00:00").closed);
}

#[test]
fn a_history_without_turnover_has_that_of_the_quotes_from_them_on() {
    let rows = recorded(ONE);
    let options = options(json!({}));
    let start = rows.len() / 2;
    let (expected, known) = whole(&rows, &options, &[start]);
    let closed = known[0].iter().filter(|told| told.bar.closed).cloned();
    let minutes: Vec<_> =
        closed.map(|told| Told { bar: Kept { amount: 0.0, ..told.bar }, ..told }).collect();
    for comes in [start, start + 300] {
        let found = finish(late(&rows, &options, start, comes, &[history(&minutes)]), &rows);
        let mut estimated = 0;
        for (key, bar) in expected.iter().filter(|(key, _)| key.contains(" 1m ")) {
            let it = &found[key];
            assert_eq!(it.volume, bar.volume, "{key}");
            let is_told = minutes.iter().any(|told| key.ends_with(&time_text(told.time_us)));
            if is_told {
                assert_eq!(it.amount.to_bits(), 0.0_f64.to_bits());
            } else if it.amount.to_bits() != bar.amount.to_bits() {
                estimated += 1;
                assert!((it.amount / bar.amount - 1.0).abs() < 0.01, "{key} {it:?} {bar:?}");
            }
        }
        assert!(estimated <= 1, "the minute under way alone: {estimated}");
    }
}

#[test]
fn what_is_no_history_of_today_is_left_out() {
    let rows = recorded(ONE);
    let (expected, known) = whole(&rows, &options(json!({})), &[2_000]);
    let minute = &known[0][0];
    let bar = Told { time_us: minute.time_us + MINUTE_US, ..minute.clone() };
    let odd = [
        Told { time_us: minute.time_us - 86_400 * SECOND_US, ..minute.clone() },
        Told { time_us: minute.time_us + 86_400 * SECOND_US, ..minute.clone() },
        Told { time_us: minute.time_us + 600 * MINUTE_US, ..minute.clone() },
        Told { time_us: minute.time_us + SECOND_US, ..minute.clone() },
        Told { bar: Kept { high: 0.0, ..minute.bar.clone() }, ..bar.clone() },
        Told { bar: Kept { amount: f64::NAN, ..minute.bar.clone() }, ..bar },
    ];
    let mut bench = bench_at(options(json!({})), rows[2_000].time_us);
    bench.apply(&history(&odd));
    assert_eq!(bench.host.told().dropped, [("bad_history".to_owned(), 6)]);
    assert!(bench.heard.is_empty());
    bench.apply(&history(&known[0]));
    feed(&mut bench, &rows[2_000..]);
    assert_same(&finish(bench, &rows), &expected, "all the same");
}

#[test]
fn bars_of_other_sources_pass_and_without_the_option_all_do() {
    let rows = recorded(ONE);
    let (_, known) = whole(&rows, &options(json!({})), &[2_000]);
    let batch = history(&known[0]);
    for (options, source, passes) in [
        (json!({ "history": "past" }), "past", false),
        (json!({ "history": "past" }), "other", true),
        (json!({}), "past", true),
    ] {
        let mut bench = bench_at(options, rows[2_000].time_us);
        let mut output = Output::default();
        let batch = batch.clone().with_provenance(Provenance::of_source(source));
        bench.bars.apply(&batch, &mut output).unwrap();
        let passed = output.into_batches();
        let is_same = passed[0].payload().as_ptr() == batch.payload().as_ptr();
        assert_eq!(is_same, passes, "{source}");
    }
}
