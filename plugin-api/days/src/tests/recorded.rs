//! Days that were recorded, with something taken out: exactly that is named.
//!
//! What is expected is found from the records alone, by a count of its own: a minute of a session in
//! which a security that came has no record. Lost rounds are chosen so that they can be seen, and placed:
//! the rounds beside them are five seconds apart, and none lies at the edge of its minute.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
};

use schemas::symbol::parse_symbol;

use super::*;
use crate::Rounds;

/// A recorded day.
struct Recorded {
    file: &'static str,
    date: &'static str,
    time: &'static str,
    volume: &'static str,
    amount: &'static str,
    pre_close: &'static str,
    open: &'static str,
    /// Minutes of which everything was recorded.
    minutes: std::ops::Range<u16>,
}

const DAYS: [Recorded; 3] = [
    Recorded {
        file: "sse_20211201_0915_1030_20stocks_l1.csv.gz",
        date: "2021-12-01",
        time: "DateTime",
        volume: "TotalVolumeTrade",
        amount: "TotalValueTrade",
        pre_close: "PreClosePx",
        open: "OpenPx",
        minutes: 570..629,
    },
    Recorded {
        file: "sse_20230201_600519_l1.csv.gz",
        date: "2023-02-01",
        time: "UpdateTime",
        volume: "TradVolume",
        amount: "Turnover",
        pre_close: "PreCloPrice",
        open: "OpenPrice",
        minutes: 570..900,
    },
    Recorded {
        file: "szse_20220601_4stocks_l1.csv.gz",
        date: "2022-06-01",
        time: "MDTime",
        volume: "TotalVolumeTrade",
        amount: "TotalValueTrade",
        pre_close: "PreClosePx",
        open: "OpenPx",
        minutes: 570..900,
    },
];

#[derive(Debug, Clone)]
struct Row {
    symbol: String,
    time_us: i64,
    /// Seconds of the day.
    second: u32,
    volume: u64,
    amount: f64,
    pre_close: f64,
    open: f64,
}

impl Row {
    fn minute(&self) -> u16 {
        u16::try_from(self.second / 60).unwrap()
    }

    /// Which of the windows of three seconds it lies in, as a source that goes round would see it.
    fn round(&self) -> u32 {
        self.second / 3
    }
}

impl Recorded {
    fn rows(&self) -> Vec<Row> {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples").join(self.file);
        let mut text = String::new();
        let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        let mut lines = text.trim_start_matches('\u{feff}').lines();
        let header: Vec<_> = lines.next().unwrap().split(',').collect();
        let place = |name: &str| header.iter().position(|it| *it == name).unwrap();
        let places = ["SecurityID", self.time, self.volume, self.amount, self.pre_close, self.open]
            .map(place);
        let market = if self.file.starts_with("sse") { "SH" } else { "SZ" };
        let rows = lines.map(|line| {
            let cells: Vec<_> = line.split(',').collect();
            let [symbol, time, volume, amount, pre_close, open] = places.map(|at| cells[at]);
            let (market, code) = parse_symbol(symbol, Some(market)).unwrap();
            let time = time.rsplit('T').next().unwrap();
            let time_us = us(&format!("{} {time}", self.date));
            Row {
                symbol: format!("{}.{market}", code.as_str()),
                time_us,
                second: crate::day::second_of(time_us),
                volume: volume.split('.').next().unwrap().parse().unwrap(),
                amount: amount.parse().unwrap(),
                pre_close: pre_close.parse().unwrap(),
                open: open.parse().unwrap(),
            }
        });
        rows.collect()
    }
}

/// What the ledger says of those rows.
fn judged(
    day: &Recorded,
    rows: &[Row],
    universe: &BTreeSet<String>,
) -> (BTreeSet<(String, u16)>, Rounds) {
    let mut desk = Desk::new();
    desk.writer.expect(universe);
    let mut rounds: BTreeMap<u32, i64> = BTreeMap::new();
    for row in rows {
        let (code, market) = row.symbol.split_once('.').unwrap();
        desk.quote(&Quote {
            symbol: Symbol { market, code },
            time_us: row.time_us,
            recv_time_us: 0,
            pre_close: row.pre_close,
            open: row.open,
            volume: row.volume,
            amount: row.amount,
            is_doubtful: false,
            source: "recorded",
            is_polled: true,
        });
        let latest = rounds.entry(row.round()).or_default();
        *latest = row.time_us.max(*latest);
    }
    for at_us in rounds.into_values() {
        desk.writer.count_round(at_us, desk.now_us).unwrap();
    }
    let report = desk.report(day.date);
    // sealed, it says the same
    desk.seal();
    assert_eq!(desk.report(day.date).gaps, report.gaps, "{}", day.date);
    (by_minute(&report), report.rounds)
}

/// Minutes of the sessions without a record: of a security, or of all.
fn counted(rows: &[Row], universe: &BTreeSet<String>) -> BTreeSet<(String, u16)> {
    let there: BTreeSet<_> = rows.iter().map(|row| (row.symbol.as_str(), row.minute())).collect();
    let mut absent = BTreeSet::new();
    for minute in (570..690).chain(780..900) {
        let lacking: Vec<_> =
            universe.iter().filter(|symbol| !there.contains(&(symbol.as_str(), minute))).collect();
        if lacking.len() == universe.len() {
            absent.insert(("*".to_owned(), minute));
        } else {
            absent.extend(lacking.into_iter().map(|symbol| (symbol.clone(), minute)));
        }
    }
    for minute in 555..565 {
        if !there.iter().any(|(_, at)| *at == minute) {
            absent.insert(("*".to_owned(), minute));
        }
    }
    absent
}

/// Rounds whose loss shows, away from everything else that is taken out.
fn visible_rounds(rows: &[Row], day: &Recorded) -> Vec<u32> {
    let mut latest: BTreeMap<u32, u32> = BTreeMap::new();
    for row in rows {
        let second = latest.entry(row.round()).or_default();
        *second = row.second.max(*second);
    }
    let rounds: Vec<_> = latest.into_iter().collect();
    let is_visible = |three: &&[(u32, u32)]| {
        let [before, at, after] = [three[0].1, three[1].1, three[2].1];
        let minute = u16::try_from(at / 60).unwrap();
        day.minutes.contains(&minute)
            && !(690..780).contains(&minute)
            && minute < 897
            && after - before >= 5
            && after - before <= 8
            && (6..54).contains(&(at % 60))
    };
    rounds.windows(3).filter(is_visible).map(|three| three[1].0).collect()
}

#[test]
fn recorded_days_lack_what_was_not_recorded_and_nothing_else() {
    for day in &DAYS {
        let rows = day.rows();
        let universe: BTreeSet<_> = rows.iter().map(|row| row.symbol.clone()).collect();
        let (found, rounds) = judged(day, &rows, &universe);
        let mut expected = counted(&rows, &universe);
        if day.date == "2021-12-01" {
            // the recording ends with two securities at 10:30:00
            expected.insert(("*".to_owned(), 630));
        } else {
            assert!(expected.is_empty(), "{expected:?}");
            assert_eq!(rounds.expected, rounds.received, "{}", day.date);
        }
        assert_eq!(found, expected, "{}", day.date);
    }
}

#[test]
fn what_is_taken_out_of_recorded_days_is_named_exactly() {
    const VARIANTS: u64 = 50;
    let days: Vec<_> = DAYS.iter().map(|day| (day, day.rows())).collect();
    for seed in 1..=VARIANTS {
        let mut random = Random(seed);
        let (day, rows) = &days[random.below(days.len())];
        let universe: BTreeSet<_> = rows.iter().map(|row| row.symbol.clone()).collect();
        let symbols: Vec<_> = universe.iter().collect();
        let minutes: Vec<u16> =
            day.minutes.clone().filter(|minute| !(690..780).contains(minute)).collect();
        // minutes of all
        let mut taken_minutes: BTreeSet<u16> = BTreeSet::new();
        for _ in 0..random.below(4) {
            let from = random.below(minutes.len());
            let length = 1 + random.below(6);
            taken_minutes.extend(minutes.iter().skip(from).take(length));
        }
        // minutes of single securities
        let mut taken: BTreeSet<(&str, u16)> = BTreeSet::new();
        for _ in 0..random.below(6) {
            let symbol = symbols[random.below(symbols.len())].as_str();
            let from = random.below(minutes.len());
            let length = 1 + random.below(30);
            taken.extend(minutes.iter().skip(from).take(length).map(|minute| (symbol, *minute)));
        }
        // whole securities, but for one
        let gone = random.below(3).min(symbols.len() - 1);
        let gone: BTreeSet<_> = symbols.iter().take(gone).map(|it| it.as_str()).collect();
        let mut left: Vec<_> = rows
            .iter()
            .filter(|row| {
                let symbol = row.symbol.as_str();
                let minute = row.minute();
                !(taken_minutes.contains(&minute)
                    || taken.contains(&(symbol, minute))
                    || gone.contains(symbol))
            })
            .cloned()
            .collect();
        // rounds, one in a minute
        let rounds = visible_rounds(&left, day);
        let mut lost: BTreeMap<u16, u32> = BTreeMap::new();
        for _ in 0..random.below(5) {
            if !rounds.is_empty() {
                let round = rounds[random.below(rounds.len())];
                lost.entry(u16::try_from(round * 3 / 60).unwrap()).or_insert(round);
            }
        }
        left.retain(|row| !lost.values().any(|round| *round == row.round()));

        let mut expected = counted(&left, &universe);
        for minute in lost.keys() {
            expected.insert(("*".to_owned(), *minute));
        }
        if day.date == "2021-12-01" {
            expected.insert(("*".to_owned(), 630));
        }
        let (found, _) = judged(day, &left, &universe);
        let differ: Vec<_> = found.symmetric_difference(&expected).collect();
        assert!(
            differ.is_empty(),
            "seed {seed}, {}: {differ:?}; minutes {taken_minutes:?}, securities {gone:?}, rounds {lost:?}",
            day.date
        );
    }
}
