//! Hikyuu's rules once more, in the plainest way, against random days.
//!
//! The model keeps every bar of the day and adds them up for each quote, as the rules are written;
//! the transform keeps one and two totals.

use plugin_api::schemas::time::{DAY_US, ExchangeTime, SECOND_US};
use proptest::prelude::*;

use super::*;

const MINUTES: [(&str, i64); 10] = [
    ("1m", 1),
    ("3m", 3),
    ("5m", 5),
    ("15m", 15),
    ("30m", 30),
    ("60m", 60),
    ("2h", 120),
    ("4h", 240),
    ("6h", 360),
    ("12h", 720),
];
const MINUTE_US: i64 = 60 * SECOND_US;

/// A quote of one security.
#[derive(Debug, Clone, Copy)]
pub struct Quote {
    pub time_us: i64,
    /// Hundredths of CNY.
    pub price: u32,
    pub volume: u64,
}

#[derive(Debug, Clone)]
struct ModelBar {
    day: i64,
    end: i64,
    kept: Kept,
}

fn of_day(hour: i64, minute: i64, second: i64) -> i64 {
    (hour * 3_600 + minute * 60 + second) * SECOND_US
}

/// Whether a quote lies within the sessions.
fn counts(quote: &Quote) -> bool {
    let of_day_us = ExchangeTime::from_utc_us(quote.time_us).of_day_us;
    let morning = of_day(9, 30, 0)..=of_day(11, 30, 30);
    let afternoon = of_day(13, 0, 0)..=of_day(15, 0, 30);
    morning.contains(&of_day_us) || afternoon.contains(&of_day_us)
}

/// Bars of one period within days.
fn within_day(quotes: &[Quote], minutes: i64) -> Vec<ModelBar> {
    let mut bars: Vec<ModelBar> = Vec::new();
    for quote in quotes {
        let ExchangeTime { day, of_day_us } = ExchangeTime::from_utc_us(quote.time_us);
        if !counts(quote) || quote.price == 0 {
            continue;
        }
        let gap = minutes * MINUTE_US;
        let mut end = of_day_us - of_day_us % gap + gap;
        if end > of_day(15, 0, 0) {
            end = of_day(15, 0, 0);
        }
        if end > of_day(11, 30, 0) && end < of_day(13, 0, 0) {
            end = of_day(11, 30, 0);
        }
        let sum: u64 = bars
            .iter()
            .filter(|bar| bar.day == day && bar.end < end)
            .map(|bar| bar.kept.volume)
            .sum();
        let volume = match quote.volume {
            total if total > sum => total - sum,
            total if sum == 0 => total,
            _ => 0,
        };
        let price = f64::from(quote.price) / 100.0;
        #[allow(clippy::cast_precision_loss)]
        let amount = volume as f64 * 10.0;
        let new = Kept {
            open: price,
            high: price,
            low: price,
            close: price,
            amount,
            volume,
            closed: false,
            source: String::new(),
        };
        match bars.last_mut() {
            Some(last) if (day, end) < (last.day, last.end) => {}
            Some(last) if (day, end) == (last.day, last.end) => {
                let kept = &mut last.kept;
                *kept = Kept {
                    open: kept.open,
                    high: kept.high.max(price),
                    low: kept.low.min(price),
                    ..new
                };
            }
            _ => bars.push(ModelBar { day, end, kept: new }),
        }
    }
    bars
}

/// Random days: short and long steps, steps back by less than what makes a time doubtful, totals that
/// sometimes fall, moments at which rules change. The first quotes lie close to each other, as nothing
/// else tells a first one from a stray.
pub fn quotes() -> impl Strategy<Value = Vec<Quote>> {
    let edges = [
        (9, 29, 59),
        (9, 30, 0),
        (9, 31, 0),
        (11, 29, 59),
        (11, 30, 0),
        (11, 30, 30),
        (11, 30, 31),
        (12, 59, 59),
        (13, 0, 0),
        (14, 59, 59),
        (15, 0, 0),
        (15, 0, 30),
        (15, 0, 31),
        (23, 59, 59),
    ];
    let step = prop_oneof![
        4 => (0..400_i64).prop_map(|seconds| (seconds, None)),
        1 => (-50..0_i64).prop_map(|seconds| (seconds, None)),
        2 => prop::sample::select(edges.to_vec()).prop_map(|edge| (0, Some(edge))),
        1 => (1_800..80_000_i64).prop_map(|seconds| (seconds, None)),
    ];
    let quote = (step, 0..2_000_u32, 0..1_000_u64, 0..20_u8);
    prop::collection::vec(quote, 1..60).prop_map(|steps| {
        let (mut time_us, mut total) = (us("2021-11-29 09:30:02"), 0_u64);
        let mut quotes: Vec<_> = (0..3)
            .map(|second| time_us - (2 - second) * SECOND_US)
            .map(|time_us| Quote { time_us, price: 1_000, volume: 0 })
            .collect();
        let mut newest_us = time_us;
        for ((seconds, edge), price, traded, luck) in steps {
            let before = ExchangeTime::from_utc_us(time_us).day;
            time_us = (time_us + seconds * SECOND_US).max(newest_us - 60 * SECOND_US);
            if let Some((hour, minute, second)) = edge {
                let moment = ExchangeTime::from_utc_us(time_us);
                let at = time_us - moment.of_day_us + of_day(hour, minute, second);
                time_us = if at < time_us { at + DAY_US } else { at };
            }
            // no weekends: the model knows none
            while (ExchangeTime::from_utc_us(time_us).day + 3).rem_euclid(7) >= 5 {
                time_us += DAY_US;
            }
            if ExchangeTime::from_utc_us(time_us).day > before {
                total = 0;
            }
            newest_us = newest_us.max(time_us);
            total += traded;
            let volume = if luck == 0 { total / 2 } else { total };
            quotes.push(Quote { time_us, price, volume });
        }
        quotes
    })
}

pub fn list(quotes: &[Quote]) -> Batch {
    let mut encoder = SpotListEncoder::new(quotes.len());
    for quote in quotes {
        let price = f64::from(quote.price) / 100.0;
        #[allow(clippy::cast_precision_loss)]
        let amount_cny = quote.volume as f64 * 10.0;
        let record = SpotRecord {
            market: "SH",
            code: "600000",
            time_us: quote.time_us,
            open: price,
            high: price,
            low: price,
            close: price,
            amount_cny,
            volume_shares: quote.volume,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// All periods.
pub fn every_period() -> Value {
    json!({
        "periods": ["1m", "3m", "5m", "15m", "30m", "60m", "2h", "4h", "6h", "12h",
                    "day", "week", "month", "quarter", "halfyear", "year"],
    })
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 1_000, failure_persistence: None, ..proptest::test_runner::Config::default()
    })]

    #[test]
    fn bars_are_those_of_the_rules_however_quotes_are_batched(
        quotes in quotes(),
        sizes in prop::collection::vec(1..10_usize, 1..6),
    ) {
        let mut bench = Bench::new(every_period());
        bench.host.set_now_us(us("2022-12-01 00:00:00"));
        // a last day of one quote is none
        let last = quotes.iter().rfind(|quote| counts(quote));
        let quotes: Vec<_> = quotes.iter().chain(last).copied().collect();
        let (mut rest, mut sizes) = (quotes.as_slice(), sizes.into_iter().cycle());
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(sizes.next().unwrap().min(rest.len()));
            bench.apply(&list(batch));
            rest = later;
        }
        bench.end();
        let mut text = DatetimeText::default();
        for (period, minutes) in MINUTES {
            let expected: Vec<_> = within_day(&quotes, minutes)
                .into_iter()
                .map(|bar| {
                    let time_us = bar.day * DAY_US - 8 * 60 * MINUTE_US + bar.end;
                    let time = String::from_utf8(text.format(time_us).to_vec()).unwrap();
                    (format!("600000 {period} {time}"), bar.kept)
                })
                .collect();
            let prefix = format!("600000 {period} ");
            let mut found: Vec<_> = bench
                .kept
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix))
                .map(|(key, bar)| (key.clone(), Kept { closed: false, ..bar.clone() }))
                .collect();
            found.sort_by(|one, other| one.0.cmp(&other.0));
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn all_but_the_last_bar_of_a_period_are_complete(quotes in quotes()) {
        let mut bench = Bench::new(every_period());
        bench.host.set_now_us(us("2022-12-01 00:00:00"));
        for quote in &quotes {
            bench.apply(&list(&[*quote]));
        }
        let mut last_by_period: BTreeMap<String, (String, bool)> = BTreeMap::new();
        for (key, bar) in &bench.kept {
            let (period, time) = key["600000 ".len()..].split_once(' ').unwrap();
            let last = last_by_period.insert(period.to_owned(), (time.to_owned(), bar.closed));
            prop_assert!(last.is_none_or(|(_, closed)| closed), "a bar before {} is open", key);
        }
    }
}
