//! Quotes with a wrong time among real ones change no bar.

use std::{
    collections::HashMap,
    fs::File,
    hash::{BuildHasher, Hasher, RandomState},
    io::Read,
    path::Path,
};

use flate2::read::MultiGzDecoder;
use plugin_api::schemas::time::{DAY_US, SECOND_US};

use super::*;

const DAY: &str = "2021-12-01";
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

/// A quote of a recorded day.
#[derive(Debug, Clone)]
struct Row {
    code: String,
    time_us: i64,
    /// Open, high, low, close, amount.
    numbers: [f64; 5],
    volume: u64,
}

/// The quotes of a recorded day in the order of their times.
fn recorded(file: &str, date: &str, columns: [&str; 7]) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples").join(file);
    let mut text = String::new();
    MultiGzDecoder::new(File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let head: Vec<_> = lines.next().unwrap().split(',').collect();
    let places = columns.map(|name| head.iter().position(|it| *it == name).unwrap());
    let mut rows: Vec<_> = lines
        .map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            let number = |at: usize| cells[places[at]].parse().unwrap_or(0.0);
            Row {
                code: cells[0].to_owned(),
                time_us: parse_exchange_time(&format!("{date}{}", cells[places[0]])).unwrap(),
                numbers: [number(1), number(2), number(3), number(4), number(5)],
                volume: cells[places[6]].parse().unwrap_or(0),
            }
        })
        .collect();
    rows.sort_by_key(|row| row.time_us);
    rows
}

fn kept_of(rows: &[Row], sizes: &mut impl FnMut() -> usize) -> BTreeMap<Key, Kept> {
    let mut bench = Bench::of(&["1m", "5m", "60m", "day", "month"]);
    bench.host.set_now_us(us("2026-12-20 00:00:00"));
    let mut rest = rows;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(sizes().min(rest.len()));
        let mut encoder = SpotListEncoder::new(batch.len());
        for row in batch {
            let [open, high, low, close, amount_cny] = row.numbers;
            let record = SpotRecord {
                market: "SH",
                code: &row.code,
                time_us: row.time_us,
                open,
                high,
                low,
                close,
                amount_cny,
                volume_shares: row.volume,
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
        }
        bench.apply(&Batch::from_spots(&mut encoder, Round::MIDDLE));
        rest = later;
    }
    bench.end();
    bench.kept
}

/// Numbers that look random and are the same for one seed (xorshift64*).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33).unwrap() % limit
    }

    fn signed(&mut self, limit: usize) -> i64 {
        i64::try_from(self.below(2 * limit)).unwrap() - i64::try_from(limit).unwrap()
    }
}

/// The day with strays in it: up to four in a row, of any time of any day but those close to the real
/// ones, of known and unknown securities, with other totals; the last quotes stay as they are.
fn with_strays(rows: &[Row], random: &mut Seeded) -> Vec<Row> {
    let mut latest: HashMap<&str, i64> = HashMap::new();
    let mut all = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let is_due = at == 0 || at < rows.len() - 100 && random.below(60) == 0;
        for _ in 0..if is_due { 1 + random.below(4) } else { 0 } {
            let mut stray = rows[random.below(rows.len().min(at + 1))].clone();
            if random.below(4) == 0 {
                stray.code = format!("9{:05}", random.below(100_000));
            }
            let day = row.time_us - row.time_us.rem_euclid(DAY_US);
            let days = if random.below(2) == 0 { 0 } else { random.signed(400) };
            let of_day = i64::try_from(random.below(86_400)).unwrap() * SECOND_US;
            stray.time_us = day + days * DAY_US + of_day;
            let known_us = latest.get(&*stray.code).copied().unwrap_or(row.time_us);
            // what is late by less than half an hour counts, as in Hikyuu
            let around =
                known_us.min(row.time_us) - 1_810 * SECOND_US..row.time_us + 70 * SECOND_US;
            if around.contains(&stray.time_us) {
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
fn strays_in_recorded_days_change_no_bar() {
    // a xorshift never leaves zero
    let seed = fixtures::seed(RandomState::new().build_hasher().finish()) | 1;
    let mut random = Seeded(seed);
    let many =
        ["DateTime", "OpenPx", "HighPx", "LowPx", "LastPx", "TotalValueTrade", "TotalVolumeTrade"];
    let one =
        ["UpdateTime", "OpenPrice", "HighPrice", "LowPrice", "LastPrice", "Turnover", "TradVolume"];
    for (file, date, columns) in [
        ("sse_20211201_0915_1030_20stocks_l1.csv.gz", "", many),
        ("sse_20230201_600519_l1.csv.gz", "2023-02-01 ", one),
    ] {
        let rows = recorded(file, date, columns);
        let expected = kept_of(&rows, &mut || 50);
        for _ in 0..3 {
            let rows = with_strays(&rows, &mut random);
            let most = [1, 20, 2_000][random.below(3)];
            let found = kept_of(&rows, &mut || 1 + random.below(most));
            let differ: Vec<_> = found
                .iter()
                .filter(|(key, bar)| expected.get(*key) != Some(bar))
                .chain(expected.iter().filter(|(key, _)| !found.contains_key(*key)))
                .collect();
            assert!(differ.is_empty(), "{file}: {differ:?}");
        }
    }
}
