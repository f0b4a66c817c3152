//! What there is of a day: records counted by security and minute, and how two counts differ.
//!
//! Quotes are counted one by one. A closed bar counts once however often it was corrected, because some
//! stores keep the last version alone. A record belongs to the minute of its own time: to that in
//! which a quote was made, and to that at which a bar ends.
//!
//! With one exception, as the ledger has it: a source that goes round gives a quiet security with an
//! old time, and such a quote speaks for the minute in which it was received. A store does not keep
//! which sources go round, so what it has is counted both ways, and of each security that one holds
//! which is nearer to the ledger: where nothing is missing one of them is the same.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
};

use ::days::Day;
use plugin_api::{Batch, RecordKind, schemas::symbol::Symbol};
use serde::Serialize;

const MINUTE_US: i64 = 60_000_000;
/// A quote that is older when it is received speaks for that moment, if its source goes round.
const OLD_US: i64 = 60_000_000;

/// What records of one kind are called: `spot` has no period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Series {
    /// `spot` or `bar`.
    pub kind: String,
    /// Period of bars, as `1m`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

/// Records by minute of the day, in its order.
type Minutes = Vec<(u16, u32)>;

/// Records of a day by series, security and minute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<Series, HashMap<String, Minutes>>);

/// Of which moment a quote speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// Of its exchange time.
    Own,
    /// Of the moment when it was received, if it was old then.
    Answer,
}

/// A stretch of minutes of which the store has another number of records than the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The security, as `600000.SH`.
    pub symbol: String,
    /// What differs.
    #[serde(flatten)]
    pub series: Series,
    /// First minute, as `2021-12-01T09:31+08:00`.
    pub from: String,
    /// Last minute.
    pub to: String,
    /// Records that the ledger counted in these minutes.
    pub counted: u64,
    /// Records that the store has in them.
    pub stored: u64,
}

impl Series {
    /// Quotes.
    pub fn spots() -> Self {
        Self { kind: RecordKind::Spot.as_str().to_owned(), period: None }
    }

    /// Bars of that period.
    pub fn bars(period: &str) -> Self {
        Self { kind: RecordKind::Bar.as_str().to_owned(), period: Some(period.to_owned()) }
    }

    /// `spot`, or `bar 1m`
    pub fn text(&self) -> String {
        match &self.period {
            Some(period) => format!("{} {period}", self.kind),
            None => self.kind.clone(),
        }
    }
}

impl Tally {
    /// Sets what there is of a security in a minute.
    pub fn set(&mut self, series: &Series, symbol: &str, minute: u16, records: u32) {
        let securities = self.0.entry(series.clone()).or_default();
        *at(securities, symbol, minute) = records;
    }

    /// Counts the records of a batch that lie on that day; others are left out, and bars that may
    /// change still.
    pub fn add(&mut self, day: Day, placing: Placing, batch: &Batch) {
        let mut name = String::new();
        if batch.kind() == RecordKind::Spot {
            let securities = self.0.entry(Series::spots()).or_default();
            for spot in batch.spots().iter() {
                let (time_us, received_us) = (spot.time_us(), spot.recv_time_us());
                let is_old = received_us.saturating_sub(time_us) > OLD_US;
                let is_moved = placing == Placing::Answer && is_old;
                let moment_us = if is_moved { received_us } else { time_us };
                if let Some(minute) = minute_of(day, moment_us) {
                    *at(securities, written(&mut name, spot.symbol()), minute) += 1;
                }
            }
        }
        for bar in batch.bars().filter(|bar| bar.closed) {
            if let Some(minute) = minute_of(day, bar.time_us) {
                let securities = self.0.entry(Series::bars(bar.period)).or_default();
                *at(securities, written(&mut name, bar.symbol), minute) = 1;
            }
        }
    }

    /// What it has, with the number of records.
    pub fn series(&self) -> Vec<(Series, u64)> {
        let all = self.0.keys().map(|series| (series.clone(), self.records_of(series)));
        all.filter(|(_, records)| *records > 0).collect()
    }

    /// Records of a series.
    pub fn records_of(&self, series: &Series) -> u64 {
        let securities = self.0.get(series).into_iter().flat_map(HashMap::values);
        securities.flatten().map(|(_, records)| u64::from(*records)).sum()
    }

    /// Securities of a series of which something is there.
    pub fn symbols_of(&self, series: &Series) -> impl Iterator<Item = &str> {
        self.0.get(series).into_iter().flat_map(HashMap::keys).map(String::as_str)
    }

    /// Where a store differs from this in a series, by security and time. What it has was counted in
    /// some ways, of which the nearest holds for each security.
    pub fn differences(&self, day: Day, series: &Series, stored: &[Self]) -> Vec<Difference> {
        let all = stored.iter().chain([self]);
        let symbols: BTreeSet<_> = all.flat_map(|tally| tally.symbols_of(series)).collect();
        let mut found = Vec::new();
        for symbol in symbols {
            let counted = self.minutes_of(series, symbol);
            let ways = stored.iter().map(|it| runs(counted, it.minutes_of(series, symbol)));
            let nearest = ways.min_by_key(|runs| runs.iter().map(Run::size).sum::<u64>());
            for Run { from, to, counted, stored } in nearest.unwrap_or_default() {
                let [from, to] = [from, to].map(|minute| day.minute_text(minute));
                let (symbol, series) = (symbol.to_owned(), series.clone());
                found.push(Difference { symbol, series, from, to, counted, stored });
            }
        }
        found
    }

    fn minutes_of(&self, series: &Series, symbol: &str) -> &[(u16, u32)] {
        self.0.get(series).and_then(|it| it.get(symbol)).map_or(&[], Vec::as_slice)
    }
}

/// Minutes one behind the other that differ in the same direction.
struct Run {
    from: u16,
    to: u16,
    counted: u64,
    stored: u64,
}

impl Run {
    fn is_less(&self) -> bool {
        self.stored < self.counted
    }

    fn size(&self) -> u64 {
        self.stored.abs_diff(self.counted)
    }
}

fn runs(counted: &[(u16, u32)], stored: &[(u16, u32)]) -> Vec<Run> {
    let mut by_minute: BTreeMap<u16, (u32, u32)> = BTreeMap::new();
    for (minute, records) in counted {
        by_minute.entry(*minute).or_default().0 += records;
    }
    for (minute, records) in stored {
        by_minute.entry(*minute).or_default().1 += records;
    }
    let mut runs: Vec<Run> = Vec::new();
    for (minute, (counted, stored)) in
        by_minute.into_iter().filter(|(_, (one, other))| one != other)
    {
        let next = Run { from: minute, to: minute, counted: counted.into(), stored: stored.into() };
        match runs.last_mut() {
            Some(run) if run.to + 1 == minute && run.is_less() == next.is_less() => {
                run.to = minute;
                run.counted += next.counted;
                run.stored += next.stored;
            }
            _ => runs.push(next),
        }
    }
    runs
}

/// The count of a minute.
fn at<'s>(securities: &'s mut HashMap<String, Minutes>, symbol: &str, minute: u16) -> &'s mut u32 {
    if !securities.contains_key(symbol) {
        securities.insert(symbol.to_owned(), Vec::new());
    }
    let minutes = securities.entry(symbol.to_owned()).or_default();
    // most records come in the order of time
    let is_last = minutes.last().is_some_and(|(last, _)| *last == minute);
    let found = match is_last {
        true => Ok(minutes.len() - 1),
        false => minutes.binary_search_by_key(&minute, |(minute, _)| *minute),
    };
    let place = found.unwrap_or_else(|place| {
        minutes.insert(place, (minute, 0));
        place
    });
    &mut minutes[place].1
}

/// The minute of that day, 0 to 1439, in which a moment lies.
fn minute_of(day: Day, at_us: i64) -> Option<u16> {
    let minute = at_us.checked_sub(day.start_us())?.div_euclid(MINUTE_US);
    u16::try_from(minute).ok().filter(|minute| *minute < 1_440)
}

/// A security as text, in a place that is used again.
fn written<'n>(name: &'n mut String, symbol: Symbol<'_>) -> &'n str {
    name.clear();
    // writing to a string cannot fail
    let _ = write!(name, "{symbol}");
    name
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        Round, encode_bars,
        schemas::{
            encode::{SpotListEncoder, SpotRecord},
            records::bar::BarRecord,
        },
    };

    use super::*;

    fn day() -> Day {
        "2026-01-05".parse().unwrap()
    }

    /// Quotes at seconds after 09:30.
    fn spots(quotes: &[(&'static str, i64)]) -> Batch {
        let mut encoder = SpotListEncoder::new(quotes.len());
        for (code, second) in quotes {
            let time_us = day().start_us() + (570 * 60 + second) * 1_000_000;
            let record = SpotRecord { market: "SH", code, time_us, ..SpotRecord::default() };
            encoder.push(&record).unwrap();
        }
        Batch::from_spots(&mut encoder, Round::WHOLE)
    }

    fn bar(period: &str, minute: i64) -> BarRecord<'_> {
        BarRecord {
            symbol: Symbol { market: "SZ", code: "000001" },
            period,
            time_us: day().start_us() + minute * MINUTE_US,
            open: 1.0,
            high: 1.0,
            low: 1.0,
            close: 1.0,
            amount_cny: 1.0,
            volume_shares: 1,
            closed: true,
            quality_score: None,
        }
    }

    fn tally(quotes: &[(&'static str, i64)]) -> Tally {
        let mut tally = Tally::default();
        tally.add(day(), Placing::Own, &spots(quotes));
        tally
    }

    fn told(differences: &[Difference]) -> Vec<String> {
        let told = |it: &Difference| {
            let [from, to] = [&it.from, &it.to].map(|text| &text[11..16]);
            format!("{} {} {from}-{to} {}/{}", it.symbol, it.series.text(), it.stored, it.counted)
        };
        differences.iter().map(told).collect()
    }

    #[test]
    fn what_differs_is_named_by_security_and_minutes() {
        let whole = [
            ("600000", 0),
            ("600000", 3),
            ("600000", 61),
            ("600000", 125),
            ("600000", 400),
            ("600001", 0),
        ];
        let ledger = tally(&whole);
        let series = Series::spots();
        assert_eq!(ledger.series(), [(series.clone(), 6)]);
        assert!(ledger.differences(day(), &series, &[ledger.clone()]).is_empty());
        let cut = tally(&[whole[0], whole[3], ("600002", 0)]);
        let expected = [
            "600000.SH spot 09:30-09:31 1/3",
            "600000.SH spot 09:36-09:36 0/1",
            "600001.SH spot 09:30-09:30 0/1",
            "600002.SH spot 09:30-09:30 1/0",
        ];
        assert_eq!(told(&ledger.differences(day(), &series, &[cut])), expected);
        // what is there twice stands apart from what is missing beside it
        let twice = tally(&[whole[0], whole[1], whole[2], whole[2], whole[4], whole[5]]);
        let expected = ["600000.SH spot 09:31-09:31 2/1", "600000.SH spot 09:32-09:32 0/1"];
        assert_eq!(told(&ledger.differences(day(), &series, &[twice])), expected);
    }

    #[test]
    fn a_store_without_a_series_lacks_all_of_it() {
        let ledger = tally(&[("600000", 0), ("600000", 61)]);
        let differences = ledger.differences(day(), &Series::spots(), &[Tally::default()]);
        assert_eq!(told(&differences), ["600000.SH spot 09:30-09:31 0/2"]);
    }

    #[test]
    fn a_bar_counts_once_and_by_its_period() {
        let mut ledger = Tally::default();
        let open = BarRecord { closed: false, ..bar("1m", 573) };
        let bars = [bar("1m", 571), bar("1m", 571), bar("1m", 572), open, bar("5m", 575)];
        ledger.add(day(), Placing::Own, &Batch::from_bars(encode_bars(bars)).unwrap());
        assert_eq!(ledger.series(), [(Series::bars("1m"), 2), (Series::bars("5m"), 1)]);
        let mut store = Tally::default();
        store.add(day(), Placing::Own, &Batch::from_bars(encode_bars([bar("1m", 572)])).unwrap());
        let differences = ledger.differences(day(), &Series::bars("1m"), &[store]);
        assert_eq!(told(&differences), ["000001.SZ bar 1m 09:31-09:31 0/1"]);
    }

    #[test]
    fn a_quiet_security_of_a_polled_source_is_found_where_its_answers_are() {
        let start_us = day().start_us() + 570 * MINUTE_US;
        let mut encoder = SpotListEncoder::new(3);
        // traded at 09:30:00, and given again each minute
        for minute in 0..3 {
            let recv_time_us = start_us + minute * MINUTE_US + 1_000_000;
            let record = SpotRecord {
                market: "SH",
                code: "600000",
                time_us: start_us,
                recv_time_us,
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
        }
        let batch = Batch::from_spots(&mut encoder, Round::WHOLE);
        let ways = [Placing::Own, Placing::Answer].map(|placing| {
            let mut tally = Tally::default();
            tally.add(day(), placing, &batch);
            tally
        });
        let series = Series::spots();
        // of a polled source, and of a file of which the same would be read late
        let polled = tally(&[("600000", 0), ("600000", 61), ("600000", 121)]);
        assert!(polled.differences(day(), &series, &ways).is_empty());
        let recorded = tally(&[("600000", 0), ("600000", 0), ("600000", 0)]);
        assert!(recorded.differences(day(), &series, &ways).is_empty());
        let more = tally(&[("600000", 0), ("600000", 61), ("600000", 121), ("600000", 181)]);
        let expected = ["600000.SH spot 09:33-09:33 0/1"];
        assert_eq!(told(&more.differences(day(), &series, &ways)), expected);
    }

    #[test]
    fn records_of_other_days_are_left_out_and_the_order_is_no_matter() {
        let day_us = 86_400;
        let mixed = [("600000", 61), ("600000", 0), ("600000", day_us), ("600000", -day_us)];
        assert_eq!(tally(&mixed), tally(&[("600000", 0), ("600000", 61)]));
        let mut set = Tally::default();
        set.set(&Series::spots(), "600000.SH", 571, 1);
        set.set(&Series::spots(), "600000.SH", 570, 1);
        assert_eq!(set, tally(&mixed));
        assert_eq!((minute_of(day(), i64::MIN), minute_of(day(), i64::MAX)), (None, None));
    }
}
