//! Whether the prices of a day's bars fit together.
//!
//! Within a bar no price lies outside of low and high. Where the minutes of a security add up to its day,
//! so that they have all that was traded, none of them lies outside of the day's, and the last one closes
//! as the day does.

use std::collections::{BTreeMap, HashMap};

use ::days::Day;
use plugin_api::{BarRecord, Batch};
use serde::Serialize;

/// Period of the bars that are compared, and of those that they are compared with.
const MINUTE: &str = "1m";
const DAY: &str = "day";
/// Share by which prices may differ: stores keep them in several forms.
const TOLERANCE: f64 = 1e-6;
const MINUTE_US: i64 = 60_000_000;

/// A bar whose prices cannot be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PriceFault {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// Period of the bar.
    pub period: String,
    /// Its time, as `2021-12-01T09:31+08:00`.
    pub at: String,
    /// What does not fit, for people.
    pub why: String,
}

#[derive(Debug, Clone, Copy)]
struct Bar {
    open: f64,
    high: f64,
    low: f64,
    close: f64,
    volume: u64,
}

/// Bars of a day, by security.
#[derive(Debug, Default)]
pub struct Prices(HashMap<String, Security>);

#[derive(Debug, Default)]
struct Security {
    /// The last version of each, by period and time.
    bars: BTreeMap<(String, i64), Bar>,
}

impl Prices {
    /// Takes what a batch says of that day.
    pub fn add(&mut self, day: Day, batch: &Batch) {
        let of_day = batch.bars().filter(|bar| bar.closed && Day::of(bar.time_us) == day);
        for bar in of_day {
            let security = self.0.entry(bar.symbol.to_string()).or_default();
            security.bars.insert((bar.period.to_owned(), bar.time_us), Bar::of(&bar));
        }
    }

    /// Bars that do not fit, by security, period and time.
    pub fn faults(&self, day: Day) -> Vec<PriceFault> {
        let mut found = Vec::new();
        for (symbol, security) in &self.0 {
            let faults = security.faults().into_iter();
            found.extend(faults.map(|((period, time_us), why)| PriceFault {
                symbol: symbol.clone(),
                period: period.clone(),
                at: at(day, *time_us),
                why,
            }));
        }
        found.sort();
        found
    }
}

impl Security {
    fn faults(&self) -> Vec<(&(String, i64), String)> {
        let own = self.bars.iter().filter_map(|(key, bar)| Some((key, bar.fault()?)));
        let mut found: Vec<_> = own.collect();
        let minutes: Vec<_> =
            self.bars.iter().filter(|((period, _), _)| period == MINUTE).collect();
        let volume: u64 = minutes.iter().map(|(_, bar)| bar.volume).sum();
        let days = self
            .bars
            .iter()
            .filter(|((period, _), bar)| period == DAY && bar.volume > 0 && bar.volume == volume);
        for (key, day) in days {
            for (minute, bar) in &minutes {
                if is_more(bar.high, day.high) || is_more(day.low, bar.low) {
                    let why = format!(
                        "{} to {}, and the day has {} to {}",
                        bar.low, bar.high, day.low, day.high
                    );
                    found.push((*minute, why));
                }
            }
            let last = minutes.last().map(|(_, bar)| bar.close);
            if let Some(close) = last.filter(|close| differ(*close, day.close)) {
                found.push((key, format!("closes at {}, its last minute at {close}", day.close)));
            }
        }
        found
    }
}

impl Bar {
    fn of(bar: &BarRecord<'_>) -> Self {
        let BarRecord { open, high, low, close, volume_shares: volume, .. } = *bar;
        Self { open, high, low, close, volume }
    }

    fn fault(&self) -> Option<String> {
        let Self { open, high, low, close, .. } = *self;
        let is_within = |price: f64| !is_more(low, price) && !is_more(price, high);
        let fits = is_within(open) && is_within(close);
        (!fits).then(|| format!("open {open}, high {high}, low {low}, close {close}"))
    }
}

/// Whether the first one is more, or either is no number.
fn is_more(one: f64, other: f64) -> bool {
    one.is_nan() || other.is_nan() || one > other + other.abs() * TOLERANCE
}

fn differ(one: f64, other: f64) -> bool {
    is_more(one, other) || is_more(other, one)
}

fn at(day: Day, time_us: i64) -> String {
    let minute = (time_us - day.start_us()).div_euclid(MINUTE_US);
    day.minute_text(u16::try_from(minute).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use plugin_api::{Symbol, encode_bars};

    use super::*;

    fn today() -> Day {
        "2026-01-05".parse().unwrap()
    }

    /// A bar: period, minute of the day, open, high, low and close, shares.
    type Given<'t> = (&'t str, i64, [f64; 4], u64);

    fn faults(bars: &[Given<'_>]) -> Vec<(String, String)> {
        let record = |(period, minute, prices, shares): &Given<'_>| {
            let [open, high, low, close] = *prices;
            plugin_api::Batch::from_bars(encode_bars([BarRecord {
                symbol: Symbol { market: "SH", code: "600000" },
                period,
                time_us: today().start_us() + minute * MINUTE_US,
                open,
                high,
                low,
                close,
                amount_cny: 0.0,
                volume_shares: *shares,
                closed: true,
                quality_score: None,
                source: "",
            }]))
            .unwrap()
        };
        let mut prices = Prices::default();
        bars.iter().for_each(|bar| prices.add(today(), &record(bar)));
        let told = |it: PriceFault| (format!("{} {}", it.period, &it.at[11..16]), it.why);
        prices.faults(today()).into_iter().map(told).collect()
    }

    const FIRST: Given<'static> = ("1m", 571, [10.0, 10.2, 9.9, 10.1], 100);
    const LAST: Given<'static> = ("1m", 900, [10.1, 10.3, 10.0, 10.2], 50);
    const WHOLE: Given<'static> = ("day", 900, [10.0, 10.4, 9.8, 10.2], 150);

    #[test]
    fn bars_of_a_sound_day_fit_together() {
        assert_eq!(faults(&[FIRST, LAST, WHOLE]), []);
        // a version that was corrected
        let doubled = ("1m", 900, [10.1, 10.3, 10.0, 20.4], 50);
        assert_eq!(faults(&[FIRST, doubled, LAST, WHOLE]), []);
    }

    #[test]
    fn a_doubled_close_is_told_in_whichever_bar_it_is() {
        let minute = ("1m", 571, [10.0, 10.2, 9.9, 20.2], 100);
        let found = faults(&[minute, LAST, WHOLE]);
        assert_eq!(
            found,
            [("1m 09:31".to_owned(), "open 10, high 10.2, low 9.9, close 20.2".to_owned())]
        );
        let day = ("day", 900, [10.0, 20.4, 9.8, 20.4], 150);
        let found = faults(&[FIRST, LAST, day]);
        let why = "closes at 20.4, its last minute at 10.2";
        assert_eq!(found, [("day 15:00".to_owned(), why.to_owned())]);
        let minute = ("1m", 571, [10.0, 20.2, 9.9, 20.2], 100);
        let found = faults(&[minute, LAST, WHOLE]);
        assert_eq!(found[0].1, "9.9 to 20.2, and the day has 9.8 to 10.4");
        assert_eq!(faults(&[("5m", 575, [f64::NAN; 4], 1)]).len(), 1, "no number");
    }

    #[test]
    fn minutes_that_lack_something_need_not_close_as_the_day() {
        let day = ("day", 900, [10.0, 10.1, 9.8, 10.0], 170);
        assert_eq!(faults(&[FIRST, LAST, day]), []);
    }
}
