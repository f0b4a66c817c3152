//! Whether the bars of a day's minutes add up to the day.
//!
//! The day is that of the last quote before fixed-price trading begins at 15:05, if that came after the
//! close, or else that of the bar of the day. That one may count fixed-price trades, of which no minute has anything: where there
//! is such trading, its day may be more than its minutes.
//!
//! The bar of the day itself is compared with the one that the ledger counted.

use std::collections::{BTreeMap, HashMap};

use ::days::{Day, SumFault};
use plugin_api::{Batch, schemas::symbol::Symbol};
use serde::Serialize;

/// Period of the bars that are added up, and of those that they are compared with.
const MINUTE: &str = "1m";
const DAY: &str = "day";
/// From midnight to the close, and to the begin of fixed-price trading.
const CLOSE_US: i64 = 15 * 60 * 60 * 1_000_000;
const FIXED_PRICE_US: i64 = (15 * 60 + 5) * 60 * 1_000_000;
/// Codes of boards that have it: STAR and ChiNext.
const WITH_FIXED_PRICE: [&str; 5] = ["688", "689", "300", "301", "302"];
/// Share by which turnovers may differ: vendors round each bar.
const TOLERANCE: f64 = 1e-4;

/// A bar of the day that is another one than came.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DayFault {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// Volume that the ledger counted, shares.
    pub counted_volume: u64,
    /// Volume that the store has, shares.
    pub stored_volume: u64,
    /// Turnover that the ledger counted, CNY.
    pub counted_amount: f64,
    /// Turnover that the store has, CNY.
    pub stored_amount: f64,
}

/// Volume in shares and turnover in CNY.
type Sum = (u64, f64);

/// Volumes and turnovers of a day, by security.
#[derive(Debug, Default)]
pub struct Sums(HashMap<String, Security>);

#[derive(Debug, Default)]
struct Security {
    /// Of 1m bars, by their end: the last version of each.
    minutes: BTreeMap<i64, Sum>,
    day: Option<Sum>,
    /// With the time of the quote.
    quoted: Option<(i64, Sum)>,
}

impl Sums {
    /// Takes what a batch says of that day.
    pub fn add(&mut self, day: Day, batch: &Batch) {
        for spot in batch.spots().iter() {
            let time_us = spot.time_us();
            if Day::of(time_us) != day || time_us >= day.start_us() + FIXED_PRICE_US {
                continue;
            }
            let quoted = &mut self.of(spot.symbol()).quoted;
            if quoted.is_none_or(|(last_us, _)| time_us >= last_us) {
                *quoted = Some((time_us, (spot.volume_shares(), spot.amount_cny())));
            }
        }
        for bar in batch.bars().filter(|bar| Day::of(bar.time_us) == day) {
            let sum = (bar.volume_shares, bar.amount_cny);
            match bar.period {
                MINUTE => {
                    self.of(bar.symbol).minutes.insert(bar.time_us, sum);
                }
                DAY => self.of(bar.symbol).day = Some(sum),
                _ => {}
            }
        }
    }

    /// Securities whose minutes do not add up to their day.
    pub fn faults(&self) -> Vec<SumFault> {
        let mut faults: Vec<_> =
            self.0.iter().filter_map(|(symbol, security)| security.fault(symbol)).collect();
        faults.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        faults
    }

    /// Bars of the day that are others than those that came. One that is not there is missed where
    /// records are counted.
    pub fn day_faults(&self, came: Vec<(String, u64, f64)>) -> Vec<DayFault> {
        let fault = |(symbol, counted_volume, counted_amount): (String, u64, f64)| {
            let (stored_volume, stored_amount) = self.0.get(&symbol)?.day?;
            let is_same = stored_volume == counted_volume && is_near(stored_amount, counted_amount);
            let fault =
                DayFault { symbol, counted_volume, stored_volume, counted_amount, stored_amount };
            (!is_same).then_some(fault)
        };
        let mut faults: Vec<_> = came.into_iter().filter_map(fault).collect();
        faults.sort_by(|one, other| one.symbol.cmp(&other.symbol));
        faults
    }

    fn of(&mut self, symbol: Symbol<'_>) -> &mut Security {
        self.0.entry(symbol.to_string()).or_default()
    }
}

impl Security {
    fn fault(&self, symbol: &str) -> Option<SumFault> {
        if self.minutes.is_empty() {
            return None;
        }
        let closed = self.quoted.filter(|(time_us, _)| is_after_close(*time_us));
        let (quoted, day) = (closed.map(|(_, sum)| sum), self.day);
        let (day_volume, day_amount) = quoted.or(day)?;
        let may_be_more = quoted.is_none() && has_fixed_price(symbol);
        let minutes = self.minutes.values();
        let (minutes_volume, minutes_amount) = minutes
            .fold((0_u64, 0.0), |(volume, amount), (of_one, in_cny)| {
                (volume + of_one, amount + in_cny)
            });
        let near = is_near(minutes_amount, day_amount);
        let is_equal = minutes_volume == day_volume && near;
        let is_less = minutes_volume <= day_volume && (near || minutes_amount < day_amount);
        let symbol = symbol.to_owned();
        let fault = SumFault { symbol, minutes_volume, day_volume, minutes_amount, day_amount };
        (!(is_equal || may_be_more && is_less)).then_some(fault)
    }
}

fn is_near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1.0 + TOLERANCE * other.abs()
}

fn is_after_close(time_us: i64) -> bool {
    time_us - Day::of(time_us).start_us() >= CLOSE_US
}

fn has_fixed_price(symbol: &str) -> bool {
    WITH_FIXED_PRICE.iter().any(|prefix| symbol.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use plugin_api::{BarRecord, Round, SpotListEncoder, SpotRecord, encode_bars};

    use super::*;

    const MINUTE_US: i64 = 60_000_000;

    fn today() -> Day {
        "2026-01-05".parse().unwrap()
    }

    /// Bars of a code: period, minute of the day, shares; a share costs 2 CNY.
    fn bars<'t>(code: &'t str, bars: &[(&'t str, i64, u64)]) -> Batch {
        let bar = |(period, minute, shares): &(&'t str, i64, u64)| BarRecord {
            symbol: Symbol { market: "SH", code },
            period,
            time_us: today().start_us() + minute * MINUTE_US,
            open: 2.0,
            high: 2.0,
            low: 2.0,
            close: 2.0,
            amount_cny: f64::from(u32::try_from(*shares).unwrap()) * 2.0,
            volume_shares: *shares,
            closed: true,
            quality_score: None,
            source: "",
        };
        Batch::from_bars(encode_bars(bars.iter().map(bar).collect::<Vec<_>>())).unwrap()
    }

    fn quote(code: &str, minute: i64, shares: u64) -> Batch {
        let mut encoder = SpotListEncoder::new(1);
        let amount_cny = f64::from(u32::try_from(shares).unwrap()) * 2.0;
        let time_us = today().start_us() + minute * MINUTE_US;
        let record = SpotRecord {
            market: "SH",
            code,
            time_us,
            volume_shares: shares,
            amount_cny,
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
        Batch::from_spots(&mut encoder, Round::WHOLE)
    }

    fn faults(batches: &[Batch]) -> Vec<(String, u64, u64)> {
        let mut sums = Sums::default();
        batches.iter().for_each(|batch| sums.add(today(), batch));
        let told = |it: SumFault| (it.symbol, it.minutes_volume, it.day_volume);
        sums.faults().into_iter().map(told).collect()
    }

    #[test]
    fn minutes_add_up_to_the_last_quote_of_the_day_before_fixed_price_trading() {
        let minutes = bars("688001", &[("1m", 571, 100), ("1m", 900, 50), ("5m", 575, 7)]);
        let quotes =
            [quote("688001", 901, 150), quote("688001", 570, 10), quote("688001", 930, 170)];
        let all = [minutes.clone()].into_iter().chain(quotes).collect::<Vec<_>>();
        assert_eq!(faults(&all), []);
        let less = bars("688001", &[("1m", 571, 100)]);
        let found = faults(&[less, quote("688001", 901, 150)]);
        assert_eq!(found, [("688001.SH".to_owned(), 100, 150)]);
    }

    #[test]
    fn without_quotes_the_bar_of_the_day_is_compared_with() {
        let day = |code: &str, shares| bars(code, &[("1m", 571, 100), ("day", 900, shares)]);
        assert_eq!(faults(&[day("600000", 100)]), []);
        assert_eq!(faults(&[day("600000", 120)]).len(), 1);
        assert_eq!(faults(&[day("688001", 120)]), [], "it may have traded at the fixed price");
        assert_eq!(faults(&[day("688001", 90)]).len(), 1);
        assert_eq!(faults(&[bars("600000", &[("1m", 571, 100)])]), [], "nothing to compare with");
    }

    #[test]
    fn a_bar_of_the_day_is_the_one_that_came() {
        let mut sums = Sums::default();
        let batch = bars("600000", &[("1m", 571, 150), ("day", 900, 1_500)]);
        sums.add(today(), &batch);
        sums.add(today(), &quote("600000", 901, 150));
        assert_eq!(sums.faults(), [], "the day is that of the quotes");
        let came = |volume: u64, amount| vec![("600000.SH".to_owned(), volume, amount)];
        let found = sums.day_faults(came(150, 300.0));
        assert_eq!((found[0].counted_volume, found[0].stored_volume), (150, 1_500));
        assert_eq!(sums.day_faults(came(1_500, 3_000.2)), []);
        assert_eq!(sums.day_faults(came(1_500, 6_000.0)).len(), 1, "another turnover");
        assert_eq!(sums.day_faults(vec![("600001.SH".to_owned(), 1, 1.0)]), []);
    }

    #[test]
    fn a_day_that_is_under_way_adds_up_to_nothing_yet() {
        let minutes = bars("600000", &[("1m", 571, 100)]);
        assert_eq!(faults(&[minutes.clone(), quote("600000", 572, 150)]), []);
        assert_eq!(faults(&[minutes, quote("600000", 900, 150)]).len(), 1);
    }

    #[test]
    fn the_last_version_of_a_bar_counts() {
        let corrected = [bars("600000", &[("1m", 571, 90)]), bars("600000", &[("1m", 571, 100)])];
        let all = corrected.into_iter().chain([quote("600000", 900, 100)]);
        assert_eq!(faults(&all.collect::<Vec<_>>()), []);
    }
}
