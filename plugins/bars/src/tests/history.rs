//! Minutes that a source of history tells are joined to those of the quotes without a seam.
//!
//! History here kept the bars of a whole run with their own source, which is that of the quotes: so
//! bars are compared to the last byte, their source included. What bars say whose history is of
//! another source, [`bars_name_the_sources_of_both_sides`] tells.

use plugin_api::{BarRecord, Symbol, encode_bars, schemas::time::SECOND_US};

use super::{
    random::Seeded,
    recorded::{Day, FOUR, MANY, ONE, Row, feed, market_of, recorded, thinned},
    *,
};

const MINUTE_US: i64 = 60 * SECOND_US;

/// A minute as a source of history gives it.
#[derive(Debug, Clone)]
pub struct Told {
    pub code: String,
    pub time_us: i64,
    pub bar: Kept,
}

/// The minutes that a reader of a whole run knows, in the order of securities and time.
fn minutes_of(kept: &BTreeMap<Key, Kept>) -> Vec<Told> {
    let told = kept.iter().filter_map(|(key, bar)| {
        let (code, rest) = key.split_once(' ')?;
        let time = rest.strip_prefix("1m ")?;
        Some(Told { code: code.to_owned(), time_us: us(time), bar: bar.clone() })
    });
    told.collect()
}

/// A batch of the source of history.
pub fn history(minutes: &[Told]) -> Batch {
    let bars = minutes.iter().map(|Told { code, time_us, bar }| BarRecord {
        symbol: Symbol { market: market_of(code), code },
        period: "1m",
        time_us: *time_us,
        open: bar.open,
        high: bar.high,
        low: bar.low,
        close: bar.close,
        amount_cny: bar.amount,
        volume_shares: bar.volume,
        closed: bar.closed,
        quality_score: None,
        source: &bar.source,
    });
    let batch = Batch::from_bars(encode_bars(bars)).unwrap();
    batch.with_provenance(Provenance::of_source("past"))
}

/// Options of a transform that may be told history.
fn options(more: Value) -> Value {
    let mut options = json!({
        "periods": ["1m", "3m", "5m", "30m", "60m", "2h", "day", "year"],
        "history": "past",
    });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    options
}

/// A transform at the start of a live feed.
fn bench_at(options: Value, time_us: i64) -> Bench {
    let bench = Bench::new(options);
    bench.host.set_now_us(time_us);
    bench
}

/// Ends a live feed: the clock closes what is over.
fn finish(mut bench: Bench, rows: &[Row]) -> BTreeMap<Key, Kept> {
    let last_us = rows.last().unwrap().time_us;
    for minutes in [2, 40] {
        bench.host.set_now_us(last_us + minutes * MINUTE_US);
        let mut output = Output::default();
        bench.bars.tick(&mut output).unwrap();
        bench.hear(output);
    }
    bench.end();
    bench.kept
}

/// What a transform emits that sees all quotes, and what its reader knows after so many of them.
fn whole(
    rows: &[Row],
    options: &Value,
    moments: &[usize],
) -> (BTreeMap<Key, Kept>, Vec<Vec<Told>>) {
    let mut bench = bench_at(options.clone(), rows[0].time_us);
    let (mut known, mut from) = (Vec::new(), 0);
    for &moment in moments {
        feed(&mut bench, &rows[from..moment]);
        known.push(minutes_of(&bench.kept));
        from = moment;
    }
    feed(&mut bench, &rows[from..]);
    (finish(bench, rows), known)
}

/// What a transform emits that starts late: history comes before the quote `comes`.
fn late(rows: &[Row], options: &Value, start: usize, comes: usize, batches: &[Batch]) -> Bench {
    let mut bench = bench_at(options.clone(), rows[start].time_us);
    feed(&mut bench, &rows[start..comes]);
    for batch in batches {
        bench.apply(batch);
    }
    feed(&mut bench, &rows[comes..]);
    bench
}

fn assert_same(found: &BTreeMap<Key, Kept>, expected: &BTreeMap<Key, Kept>, about: &str) {
    let differ: Vec<_> = expected
        .iter()
        .filter(|(key, bar)| found.get(*key) != Some(bar))
        .map(|(key, bar)| (key, bar, found.get(key)))
        .collect();
    assert!(differ.is_empty(), "{about}: {} differ: {:?}", differ.len(), &differ[..1]);
    let more: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(more.is_empty(), "{about}: nobody else has {more:?}");
}

/// Where a day can be cut: behind the opening auction.
fn moments(rows: &[Row], count: usize, random: &mut Seeded) -> Vec<usize> {
    let open =
        rows.iter().position(|row| row.time_us % (86_400 * SECOND_US) >= us("1970-01-01 09:31:00"));
    let open = open.unwrap();
    let mut moments: Vec<_> =
        (0..count).map(|_| open + random.below(rows.len() - open - 200)).collect();
    moments.sort_unstable();
    moments
}

fn days() -> impl Iterator<Item = (Day, Vec<Row>)> {
    [MANY, ONE, FOUR].into_iter().map(|day| (day, recorded(day)))
}

#[test]
fn a_late_start_gives_the_bars_of_the_whole_day() {
    let mut random = Seeded(20);
    for (day, rows) in days() {
        let options = options(json!({}));
        let moments = moments(&rows, 20, &mut random);
        let (expected, known) = whole(&rows, &options, &moments);
        for (start, minutes) in moments.into_iter().zip(known) {
            // the minute under way is among them, as far as it is known
            let bench = late(&rows, &options, start, start, &[history(&minutes)]);
            assert_same(&finish(bench, &rows), &expected, &format!("{} from {start}", day.file));
        }
    }
}

#[test]
fn history_that_comes_late_corrects_what_was_told() {
    let mut random = Seeded(21);
    for (day, rows) in days() {
        let options = options(json!({}));
        let starts = moments(&rows, 12, &mut random);
        for start in starts {
            let comes = start + 1 + random.below((rows.len() - start - 100).min(5_000));
            let (expected, known) = whole(&rows, &options, &[comes]);
            let about = format!("{} from {start}, told at {comes}", day.file);
            // in one batch, in two, and each of them twice
            let minutes = &known[0];
            let (one, other) = minutes.split_at(random.below(minutes.len()));
            let batches = [history(one), history(one), history(other), history(minutes)];
            for batches in [&[history(minutes)][..], &batches] {
                let bench = late(&rows, &options, start, comes, batches);
                assert_same(&finish(bench, &rows), &expected, &about);
            }
        }
    }
}

/// Two runs that know one side of the joint each say which bars are of which side.
#[test]
fn bars_name_the_sources_of_both_sides() {
    let mut random = Seeded(26);
    let mut seen = [0; 3];
    for (day, rows) in days() {
        let options = options(json!({}));
        let moments = moments(&rows, 3, &mut random);
        let (expected, known) = whole(&rows, &options, &moments);
        for (start, mut minutes) in moments.into_iter().zip(known) {
            minutes.iter_mut().for_each(|told| told.bar.source.clear());
            let told = [history(&minutes)];
            let mut past = bench_at(options.clone(), rows[start].time_us);
            past.apply(&told[0]);
            let live = finish(late(&rows, &options, start, start, &[]), &rows);
            for comes in [start, start + 150] {
                let about = format!("{} from {start}, told at {comes}", day.file);
                let mut found = finish(late(&rows, &options, start, comes, &told), &rows);
                for (key, bar) in &mut found {
                    let sides = [&live, &past.kept].map(|kept| kept.contains_key(key));
                    let (source, place) = match sides {
                        [true, true] => ("live+past", 0),
                        [true, false] => ("live", 1),
                        _ => ("past", 2),
                    };
                    assert_eq!(bar.source, source, "{about}: {key}");
                    seen[place] += 1;
                    bar.source = "live".to_owned();
                }
                assert_same(&found, &expected, &format!("{about}: all but the source"));
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}

#[test]
fn closed_minutes_are_enough_for_a_start_between_two_minutes() {
    let mut random = Seeded(22);
    for (day, rows) in days() {
        let options = options(json!({}));
        let starts = moments(&rows, 20, &mut random).into_iter().map(|start| {
            let end_us = rows[start].time_us / MINUTE_US * MINUTE_US;
            (rows.partition_point(|row| row.time_us < end_us), end_us)
        });
        let starts: Vec<_> = starts.collect();
        let moments: Vec<_> = starts.iter().map(|(start, _)| *start).collect();
        let (expected, known) = whole(&rows, &options, &moments);
        for ((start, end_us), minutes) in starts.into_iter().zip(known) {
            assert!(minutes.iter().all(|told| told.time_us <= end_us));
            let bench = late(&rows, &options, start, start, &[history(&minutes)]);
            assert_same(&finish(bench, &rows), &expected, &format!("{} from {start}", day.file));
        }
    }
}

#[test]
fn of_closed_minutes_alone_the_minute_under_way_has_the_prices_since_the_start() {
    let mut random = Seeded(25);
    let rows = recorded(ONE);
    let options = options(json!({}));
    let is_within = |at: &usize| rows[*at - 1].time_us / MINUTE_US == rows[*at].time_us / MINUTE_US;
    let moments: Vec<_> = moments(&rows, 30, &mut random).into_iter().filter(is_within).collect();
    let (expected, known) = whole(&rows, &options, &moments);
    let mut others = 0;
    for (start, minutes) in moments.into_iter().zip(known) {
        let is_over = |told: &Told| told.bar.closed || told.time_us <= rows[start].time_us;
        let closed: Vec<_> = minutes.into_iter().filter(is_over).collect();
        let found = finish(late(&rows, &options, start, start, &[history(&closed)]), &rows);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, bar) in &expected {
            let it = &found[key];
            let traded = |bar: &Kept| (bar.volume, bar.amount.to_bits(), bar.close.to_bits());
            assert_eq!(traded(it), traded(bar), "from {start}: {key}");
            assert!(it.high <= bar.high && it.low >= bar.low, "{key}");
            others += usize::from(it != bar && key.contains(" 1m "));
        }
    }
    assert!((1..=30).contains(&others), "one minute a start: {others}");
}

#[test]
fn options_that_draw_bars_otherwise_join_as_well() {
    let mut random = Seeded(23);
    let cases = [
        // options of the whole run, options of the source of history
        (json!({ "auction": "own_bar" }), json!({ "auction": "own_bar" })),
        (json!({ "auction": "drop" }), json!({ "auction": "own_bar" })),
        (json!({}), json!({ "auction": "own_bar" })),
        (json!({ "label": "start" }), json!({})),
        (json!({ "after_hours": "last_bar" }), json!({})),
    ];
    for (day, rows) in days() {
        for (drawn, told) in &cases {
            let moments = moments(&rows, 3, &mut random);
            let (expected, _) = whole(&rows, &options(drawn.clone()), &[]);
            let (_, known) = whole(&rows, &options(told.clone()), &moments);
            for (start, minutes) in moments.into_iter().zip(known) {
                let bench =
                    late(&rows, &options(drawn.clone()), start, start, &[history(&minutes)]);
                let about = format!("{} from {start} {drawn}", day.file);
                assert_same(&finish(bench, &rows), &expected, &about);
            }
        }
    }
}

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

fn time_text(time_us: i64) -> String {
    String::from_utf8(DatetimeText::default().format(time_us).to_vec()).unwrap()
}

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

#[test]
fn flat_minutes_join_when_history_comes_a_little_later() {
    let mut random = Seeded(24);
    let rows = thinned(&recorded(MANY));
    let options = options(json!({ "empty_minutes": "previous" }));
    let (expected, _) = whole(&rows, &options, &[]);
    for start in moments(&rows, 8, &mut random) {
        let comes_us = rows[start].time_us + 200 * SECOND_US;
        let comes = rows.iter().position(|row| row.time_us >= comes_us).unwrap_or(rows.len());
        if comes + 100 > rows.len() {
            continue;
        }
        let until_us = comes_us - 60 * SECOND_US;
        let minutes = minutes_of(&expected);
        let minutes: Vec<_> = minutes.into_iter().filter(|it| it.time_us <= until_us).collect();
        let found = finish(late(&rows, &options, start, comes, &[history(&minutes)]), &rows);
        // which flat minutes had a quote after all, history does not say: longer bars may begin with it
        let minutes = |kept: &BTreeMap<Key, Kept>| -> BTreeMap<_, _> {
            let minutes = kept.iter().filter(|(key, _)| key.contains(" 1m "));
            minutes.map(|(key, bar)| (key.clone(), bar.clone())).collect()
        };
        assert_same(&minutes(&found), &minutes(&expected), &format!("from {start}"));
        for (key, bar) in &expected {
            let (it, traded) = (&found[key], |bar: &Kept| (bar.volume, bar.amount.to_bits()));
            assert_eq!((traded(it), it.closed), (traded(bar), bar.closed), "from {start}: {key}");
            assert_eq!(it.close.to_bits(), bar.close.to_bits(), "from {start}: {key}");
        }
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
