//! Quotes with a wrong time among real ones change no bar.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use plugin_api::schemas::time::{DAY_US, ExchangeTime, SECOND_US};

use super::{
    random::Seeded,
    recorded::{FOUR, MANY, ONE, Row, list_of, recorded},
    *,
};

const DAY: &str = "2021-12-01";
/// Quotes in a batch at most.
const MOST: usize = 50;
/// Half past nine, since local midnight.
const OPEN_US: i64 = (9 * 60 + 30) * 60 * SECOND_US;
const MINUTES: [(&str, f64, u64); 7] = [
    ("13:58:10", 10.0, 1_000),
    ("13:59:10", 10.1, 2_000),
    ("14:00:10", 10.2, 3_000),
    ("14:01:10", 10.3, 4_000),
    ("14:02:10", 10.2, 5_000),
    ("14:03:10", 10.1, 6_000),
    ("14:04:10", 10.0, 7_000),
];

/// The bars of minute quotes with a stray one of that time before one of them.
fn bars_with(stray: &str, place: usize, is_live: bool) -> BTreeMap<Key, Kept> {
    let mut bench = Bench::of(&["1m", "5m", "60m", "day", "week"]);
    for (at, &(time, price, volume)) in MINUTES.iter().enumerate() {
        let received_us = us(&format!("{DAY} {time}")) + SECOND_US;
        if is_live {
            bench.host.set_now_us(received_us);
        }
        if at == place {
            let volume = 1_002_000;
            let spot = Spot { code: "600000", time: stray, price: 10.2, volume };
            bench.apply(&batch(&[spot]));
        }
        bench.replay(DAY, &[(time, price, volume)]);
    }
    bench.end();
    bench.kept
}

#[test]
fn one_stray_time_changes_no_bar_wherever_it_stands() {
    for is_live in [true, false] {
        let expected = bars_with(DAY, usize::MAX, is_live);
        assert_eq!(expected["600000 1m 2021-12-01 14:04:00"].volume, 1_000);
        for stray in [
            "2021-12-01 19:00:00",
            "2021-12-01 14:59:00",
            "2021-12-01 14:10:00",
            "2021-12-01 09:30:00",
            "2021-12-01 00:00:00",
            "2021-12-02 10:00:00", // tomorrow
            "2021-12-06 14:00:30", // Monday
            "2021-11-30 14:00:30",
            "2020-12-01 14:00:30",
        ] {
            // a live feed may begin with the old quote of a security that trades rarely
            let is_old = us(stray) < us("2021-12-01 13:58:00");
            for place in usize::from(is_live && is_old)..MINUTES.len() {
                let found = bars_with(stray, place, is_live);
                assert_eq!(found, expected, "{stray} before {place}, live {is_live}");
            }
        }
    }
}

#[test]
fn a_stray_time_is_counted_and_closes_nothing() {
    let mut bench = Bench::of(&["day"]);
    bench.replay(DAY, &MINUTES[..3]);
    bench.replay("2021-12-03", &[("10:00:00", 10.0, 1)]);
    bench.replay(DAY, &MINUTES[3..]);
    assert_eq!(bench.volumes("day"), [("2021-12-01 00:00:00", 7_000, false)]);
    assert_eq!(bench.host.counted("stray_times_total"), 1);
}

#[test]
fn quotes_that_wait_for_others_outlive_the_instance() {
    for is_swap in [true, false] {
        let mut bench = Bench::of(&["1m"]);
        for quote in MINUTES.chunks(1) {
            bench.replay(DAY, quote);
            if is_swap {
                bench.swap(json!({ "periods": ["1m"] }));
            }
        }
        bench.replay(DAY, &[("14:59:00", 10.0, 8_000)]);
        if is_swap {
            bench.swap(json!({ "periods": ["1m"] }));
        } else {
            bench.restart();
        }
        bench.replay(DAY, &[("14:59:20", 10.0, 8_100)]);
        bench.end();
        assert_eq!(bench.bar("600000 1m 2021-12-01 15:00:00").volume, 1_100, "{is_swap}");
        assert_eq!(bench.kept.len(), 8);
    }
}

#[test]
fn a_recorded_feed_that_falls_silent_keeps_no_quote_to_itself() {
    let mut bench = Bench::of(&["1m"]);
    bench.replay(DAY, &[("14:56:58", 10.0, 100), ("14:56:59", 10.0, 110), ("14:57:00", 10.0, 120)]);
    bench.replay(DAY, &[("15:00:03", 10.1, 500)]);
    assert!(!bench.kept.contains_key("600000 1m 2021-12-01 15:00:00"));
    bench.tick("2021-12-20 00:05:01");
    assert_eq!(bench.bar("600000 1m 2021-12-01 15:00:00").volume, 380);
}

#[test]
fn a_security_that_trades_once_an_hour_and_a_feed_with_gaps_have_all_their_bars() {
    let mut bench = Bench::of(&["1m"]);
    let quotes = [
        ("09:30:05", 10.0, 100),
        ("10:40:00", 10.0, 200),
        ("11:29:59", 10.0, 300),
        ("13:45:00", 10.0, 400),
        ("14:59:59", 10.0, 500),
    ];
    for day in ["2021-12-01", "2021-12-02", "2021-12-03"] {
        bench.replay(day, &quotes);
    }
    bench.end();
    assert_eq!(bench.kept.len(), 15);
    assert!(bench.kept.values().all(|bar| bar.volume == 100));
}

/// The bars of those quotes, a random number of them at a time, and how many were refuted.
fn kept_of(
    options: &Value,
    rows: &[Row],
    is_live: bool,
    sizes: &mut impl FnMut() -> usize,
) -> (BTreeMap<Key, Kept>, u64) {
    let mut bench = Bench::new(options.clone());
    bench.host.set_now_us(us("2026-12-20 00:00:00"));
    let first = rows.iter().find(|row| !row.is_stray()).unwrap();
    let (mut rest, mut newest_us) = (rows, first.time_us);
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(sizes().min(rest.len()));
        if is_live {
            // received a second after the real ones among them, which are close to each other
            let real = batch.iter().filter(|row| !row.is_stray());
            newest_us = real.map(|row| row.time_us).max().unwrap_or(newest_us);
            let received_us = newest_us + SECOND_US;
            let mut provenance = Provenance::of_source("live");
            provenance.received_at_us = received_us;
            bench.host.set_now_us(received_us);
            bench.apply(&list_of(batch).with_provenance(provenance));
        } else {
            bench.apply(&list_of(batch));
        }
        rest = later;
    }
    bench.end();
    (bench.kept, bench.host.counted("stray_times_total"))
}

impl Row {
    /// Marked by what no recorded quote has.
    fn is_stray(&self) -> bool {
        self.bid.is_empty()
    }
}

/// A wrong time instead of that one: another day, another year, another session, or any. Before the
/// open nothing is known that could refute some of the same later session.
fn wrong_time(time_us: i64, is_open: bool, random: &mut Seeded) -> i64 {
    let day_us = time_us - time_us.rem_euclid(DAY_US);
    let of_day_us = i64::try_from(random.below(86_400)).unwrap() * SECOND_US;
    match random.below(if is_open { 7 } else { 4 }) {
        0 => time_us + DAY_US,
        1 => us("2099-12-31 10:00:00") + of_day_us,
        2 => time_us - 365 * DAY_US,
        3 => day_us + random.signed(400) * DAY_US + of_day_us,
        4 => time_us + 4 * 3_600 * SECOND_US,
        5 => time_us - 2 * 3_600 * SECOND_US,
        _ => day_us + of_day_us,
    }
}

/// The day with strays in it: up to four in a row, of any time but those close to the real ones, of
/// known and unknown securities, with other totals; the last quotes stay as they are.
fn with_strays(rows: &[Row], is_live: bool, random: &mut Seeded) -> Vec<Row> {
    let mut latest: HashMap<&str, i64> = HashMap::new();
    let mut all = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let is_due = at == 0 || at < rows.len() - 100 && random.below(60) == 0;
        for _ in 0..if is_due { 1 + random.below(4) } else { 0 } {
            let mut stray = rows[random.below(rows.len().min(at + 1))].clone();
            if random.below(4) == 0 {
                stray.code = format!("9{:05}", random.below(100_000));
            }
            let is_open = ExchangeTime::from_utc_us(row.time_us).of_day_us >= OPEN_US;
            stray.time_us = wrong_time(row.time_us, is_open, random);
            (stray.bid, stray.ask) = (Vec::new(), Vec::new());
            let known_us = latest.get(&*stray.code).copied();
            // until its batch has ended, what was known before may still be what is known, and what
            // comes before the time of receipt may be real
            let before_us = rows[at.saturating_sub(MOST)].time_us;
            let received_us = rows[(at + MOST).min(rows.len() - 1)].time_us;
            let until_us = if is_live { received_us } else { row.time_us } + 70 * SECOND_US;
            // what is late by less than half an hour counts, as in Hikyuu
            let from_us = known_us.unwrap_or(row.time_us).min(before_us) - 1_810 * SECOND_US;
            let around = from_us..until_us;
            // a live feed may begin with the old quote of a security that trades rarely
            let is_first = is_live && known_us.is_none() && stray.time_us < row.time_us;
            if around.contains(&stray.time_us) || is_first {
                continue;
            }
            let factor = [0.0, 0.5, 1.0, 10.0][random.below(4)];
            stray.numbers[4] *= factor;
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss
            )]
            let volume = (stray.volume as f64 * factor) as u64;
            stray.volume = volume;
            all.push(stray);
        }
        latest.insert(&row.code, row.time_us);
        all.push(row.clone());
    }
    all
}

#[test]
fn a_stray_beside_what_was_known_before_the_open_changes_no_bar_of_it() {
    let rows = recorded(ONE);
    let options = json!({ "periods": ["1m"] });
    let (expected, _) = kept_of(&options, &rows, true, &mut || MOST);
    let place = rows.iter().position(|row| row.time_us == us("2023-02-01 09:30:17")).unwrap();
    let mut stray = rows[place].clone();
    stray.time_us = us("2023-02-01 08:58:31");
    stray.numbers = [0.0; 5];
    stray.volume = 0;
    (stray.bid, stray.ask) = (Vec::new(), Vec::new());
    let mut with_stray = rows.clone();
    with_stray.insert(place, stray);
    for size in 1..20 {
        let (found, _) = kept_of(&options, &with_stray, true, &mut || size);
        assert_eq!(found, expected, "{size} at a time");
    }
}

#[test]
fn a_suspended_security_makes_no_bar_of_its_last_day_once_more() {
    let mut bench = Bench::of(&["1m", "day"]);
    for (at, (code, time)) in [
        ("600000", "2021-12-01 10:00:00"),
        ("600001", "2021-11-05 15:00:00"),
        ("600000", "2021-12-01 10:00:03"),
        ("600001", "2021-11-05 15:00:00"),
        ("600000", "2021-12-01 10:00:06"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut provenance = Provenance::of_source("live");
        provenance.received_at_us =
            us("2021-12-01 10:00:00") + i64::try_from(at).unwrap() * 3 * SECOND_US;
        bench.host.set_now_us(provenance.received_at_us);
        let spot = Spot { code, time, price: 10.0, volume: 1_000 };
        bench.apply(&batch(&[spot]).with_provenance(provenance));
    }
    bench.end();
    assert!(bench.kept.keys().all(|key| key.starts_with("600000 ")), "{:?}", bench.kept);
    assert_eq!(bench.kept.len(), 2);
}

#[test]
fn strays_in_recorded_days_change_no_bar() {
    // a xorshift never leaves zero
    let seed = fixtures::seed(RandomState::new().build_hasher().finish()) | 1;
    let mut random = Seeded(seed);
    let periods = ["1m", "5m", "60m", "day", "month"];
    let plain = json!({ "periods": periods });
    let drawn = json!({
        "periods": periods,
        "empty_minutes": "previous",
        "auction": "own_bar",
        "after_hours": "own",
    });
    for day in [MANY, ONE, FOUR] {
        let rows = recorded(day);
        for (options, is_live) in [(&plain, false), (&plain, true), (&drawn, true)] {
            let (expected, _) = kept_of(options, &rows, is_live, &mut || MOST);
            for _ in 0..2 {
                let rows = with_strays(&rows, is_live, &mut random);
                let most = [1, 20, MOST][random.below(3)];
                let (found, strays) =
                    kept_of(options, &rows, is_live, &mut || 1 + random.below(most));
                let differ: Vec<_> = found
                    .iter()
                    .filter(|(key, bar)| expected.get(*key) != Some(bar))
                    .chain(expected.iter().filter(|(key, _)| !found.contains_key(*key)))
                    .collect();
                let some = &differ[..differ.len().min(3)];
                assert!(differ.is_empty(), "{} {options} {is_live}: {some:?}", day.file);
                assert!(strays > 0);
            }
        }
    }
}
