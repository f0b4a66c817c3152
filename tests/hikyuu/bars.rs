//! Bars of Hikyuu and of ours, and how they compare.

use std::collections::BTreeMap;

use serde_json::Value;

/// Security, type and time, as Hikyuu writes them.
pub type Key = (String, String, String);

/// Prices in CNY, amount in CNY, volume in shares.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bar {
    pub prices: [f64; 4],
    pub amount: f64,
    pub volume: f64,
}

/// Bars by key, in order of time.
pub type Bars = BTreeMap<Key, Bar>;

/// Hikyuu's names of our periods.
const TYPES: [(&str, &str); 7] = [
    ("day", "DAY"),
    ("1m", "MIN"),
    ("5m", "MIN5"),
    ("15m", "MIN15"),
    ("30m", "MIN30"),
    ("60m", "MIN60"),
    ("2h", "HOUR2"),
];

/// Reads the answer to `bars`: amounts in 10,000 CNY, volumes of days in lots, others in shares.
pub fn of_hikyuu(answer: &Value) -> Bars {
    let mut bars = Bars::new();
    for (symbol, by_type) in answer.as_object().unwrap() {
        for (ktype, rows) in by_type.as_object().unwrap() {
            let shares = if ktype == "DAY" { 100.0 } else { 1.0 };
            for row in rows.as_array().unwrap() {
                let number = |place: usize| row[place].as_f64().unwrap();
                let bar = Bar {
                    prices: [1, 2, 3, 4].map(number),
                    amount: number(5) * 10_000.0,
                    volume: number(6) * shares,
                };
                let time = row[0].as_str().unwrap().to_owned();
                bars.insert((symbol.clone(), ktype.clone(), time), bar);
            }
        }
    }
    bars
}

/// Reads what `console` printed of `bars`; of a bar that was shown again, the last.
pub fn of_console(lines: &str) -> Bars {
    let mut bars = Bars::new();
    for line in lines.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let number = |name: &str| row[name].as_f64().unwrap();
        let symbol = text("symbol");
        let (code, market) = symbol.split_once('.').unwrap();
        let period = text("period");
        let ktype = TYPES.iter().find(|(ours, _)| *ours == period).unwrap().1;
        let time = text("time")[..19].replace('T', " ");
        let bar = Bar {
            prices: ["open", "high", "low", "close"].map(number),
            amount: number("amount"),
            volume: number("volume"),
        };
        bars.insert((format!("{market}{code}"), ktype.to_owned(), time), bar);
    }
    bars
}

/// What was traded in all bars of each security and type.
pub fn totals(bars: &Bars) -> BTreeMap<(String, String), (f64, f64)> {
    let mut totals = BTreeMap::new();
    for ((symbol, ktype, _), bar) in bars {
        let total: &mut (f64, f64) = totals.entry((symbol.clone(), ktype.clone())).or_default();
        *total = (total.0 + bar.amount, total.1 + bar.volume);
    }
    totals
}

/// Whether both have traded the same in all: Hikyuu has taken every quote in.
pub fn have_same_totals(theirs: &Bars, ours: &Bars) -> bool {
    let (theirs, ours) = (totals(theirs), totals(ours));
    theirs.len() == ours.len()
        && ours.iter().all(|(key, ours)| {
            let theirs = theirs.get(key).copied().unwrap_or_default();
            is_near(theirs.0, ours.0, ours.0) && is_near(theirs.1, ours.1, ours.1)
        })
}

/// Asserts that both are the same bars. Prices must be the same to the bit. Hikyuu computes what was
/// traded with differences of sums in 10,000 CNY and lots, so that may differ in the last digits of
/// the day's total.
#[track_caller]
pub fn assert_same(theirs: &Bars, ours: &Bars) {
    let missing: Vec<_> = ours.keys().filter(|key| !theirs.contains_key(*key)).collect();
    let surplus: Vec<_> = theirs.keys().filter(|key| !ours.contains_key(*key)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "only ours {missing:?}, theirs {surplus:?}");
    let totals = totals(ours);
    for (key, our) in ours {
        let (their, total) = (&theirs[key], totals[&(key.0.clone(), key.1.clone())]);
        let is_same = their.prices.map(f64::to_bits) == our.prices.map(f64::to_bits)
            && is_near(their.amount, our.amount, total.0)
            && is_near(their.volume, our.volume, total.1);
        assert!(is_same, "{key:?}: theirs {their:?}, ours {our:?}");
    }
}

fn is_near(one: f64, other: f64, total: f64) -> bool {
    (one - other).abs() <= total.abs() * 1e-12 + 1e-6
}
