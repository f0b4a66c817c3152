//! A late start with history gives the bars of a whole day.

use super::*;

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
