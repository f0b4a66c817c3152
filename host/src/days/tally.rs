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

mod differ;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
};

use ::days::Day;
use plugin_api::{Batch, RecordKind, schemas::symbol::Symbol};
use serde::Serialize;

use self::differ::{Run, runs};

pub use self::differ::Difference;

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
