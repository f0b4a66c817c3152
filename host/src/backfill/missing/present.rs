//! Minutes of a day of which the ledger has something, and what that leaves of a gap.

use std::collections::{BTreeMap, BTreeSet};

use ::days::{Day, Ledger, MinuteCount};
use dataserver_backfill::{Gap, Series};

use super::MINUTE_US;

/// Minutes of one day and series of which something came.
#[derive(Debug)]
pub struct Present {
    day: Day,
    by_symbol: BTreeMap<String, BTreeSet<u16>>,
    /// Securities that have something of a minute.
    by_minute: BTreeMap<u16, u64>,
}

impl Present {
    /// What the ledger has of that.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(ledger: &Ledger, day: Day, series: &Series) -> Result<Self, String> {
        let mut present = Self::new(day);
        let mut add = |count: MinuteCount<'_>| {
            if count.kind == series.kind && count.period == series.period.as_deref() {
                present.add(count.symbol, count.minute);
            }
        };
        ledger.counts(day, &mut add).map_err(|error| error.to_string())?;
        Ok(present)
    }

    fn new(day: Day) -> Self {
        Self { day, by_symbol: BTreeMap::new(), by_minute: BTreeMap::new() }
    }

    fn add(&mut self, symbol: &str, minute: u16) {
        if self.by_symbol.entry(symbol.to_owned()).or_default().insert(minute) {
            *self.by_minute.entry(minute).or_default() += 1;
        }
    }

    /// Minutes of which that security has something.
    pub fn minutes_of(&self, symbol: &str) -> u64 {
        self.by_symbol.get(symbol).map_or(0, |minutes| minutes.len() as u64)
    }

    /// The minutes of a gap of which the ledger has nothing: what came live is kept, and a lost round
    /// within a minute cannot be told from the others of it.
    pub fn without(&self, gap: Gap) -> Vec<Gap> {
        let Some(present) = self.by_symbol.get(&gap.symbol) else { return vec![gap] };
        let minute_us = |minute: i64| self.day.start_us() + minute * MINUTE_US;
        let minutes = self.minutes(gap.from_us, gap.to_us);
        let all = minutes_in(&minutes);
        let mut left: Vec<Gap> = Vec::new();
        let is_there = |minute: &i64| u16::try_from(*minute).is_ok_and(|it| present.contains(&it));
        for minute in minutes.filter(|minute| !is_there(minute)) {
            let (from_us, to_us) = (minute_us(minute), minute_us(minute + 1) - 1);
            match left.last_mut() {
                Some(gap) if gap.to_us + 1 == from_us => gap.to_us = to_us,
                _ => left.push(Gap { symbol: gap.symbol.clone(), from_us, to_us, records: 0 }),
            }
        }
        for part in &mut left {
            let minutes = u64::try_from((part.to_us + 1 - part.from_us) / MINUTE_US).unwrap_or(1);
            part.records = (gap.records * minutes / all).max(1);
        }
        left
    }

    /// Records of a gap of the whole market that lie in minutes of which these securities have
    /// something, as most of its `all` securities do: those of rounds that were lost.
    pub fn lost(&self, gap: &Gap, symbols: &[&String], all: u64) -> u64 {
        let minutes = self.minutes(gap.from_us, gap.to_us);
        let cells = minutes_in(&minutes).saturating_mul(all.max(1));
        let minutes = minutes.filter_map(|minute| u16::try_from(minute).ok());
        let is_full = |minute: &u16| self.by_minute.get(minute).is_some_and(|it| it * 2 >= all);
        let having = |minute| symbols.iter().filter(|it| self.has(it, minute)).count() as u64;
        let there = minutes.filter(is_full).map(having);
        match there.sum::<u64>() {
            0 => 0,
            there => (gap.records.saturating_mul(there) / cells).max(1),
        }
    }

    fn has(&self, symbol: &str, minute: u16) -> bool {
        self.by_symbol.get(symbol).is_some_and(|minutes| minutes.contains(&minute))
    }

    /// First and last minute of a gap.
    fn minutes(&self, from_us: i64, to_us: i64) -> std::ops::RangeInclusive<i64> {
        let of_day = |us: i64| (us - self.day.start_us()).div_euclid(MINUTE_US);
        of_day(from_us)..=of_day(to_us)
    }
}

fn minutes_in(minutes: &std::ops::RangeInclusive<i64>) -> u64 {
    u64::try_from(minutes.end() - minutes.start() + 1).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> Day {
        "2026-01-05".parse().unwrap()
    }

    fn gap(symbol: &str, from: i64, to: i64, records: u64) -> Gap {
        let at = |minute: i64| day().start_us() + minute * MINUTE_US;
        Gap { symbol: symbol.to_owned(), from_us: at(from), to_us: at(to + 1) - 1, records }
    }

    #[test]
    fn minutes_of_which_something_came_are_not_asked_for() {
        let of = |minutes: &[u16]| {
            let mut present = Present::new(day());
            minutes.iter().for_each(|minute| present.add("600000.SH", *minute));
            present.without(gap("600000.SH", 600, 609, 100))
        };
        let gap = |from, to, records| gap("600000.SH", from, to, records);
        assert_eq!(of(&[]), [gap(600, 609, 100)]);
        assert_eq!(of(&[599, 603, 604, 610]), [gap(600, 602, 30), gap(605, 609, 50)]);
        assert_eq!(of(&(600..610).collect::<Vec<_>>()), []);
    }

    #[test]
    fn a_round_that_was_lost_within_a_minute_is_out_of_reach() {
        let symbols: Vec<_> = (0..4).map(|n| format!("60000{n}.SH")).collect();
        let all: Vec<_> = symbols.iter().collect();
        let mut present = Present::new(day());
        symbols.iter().for_each(|symbol| present.add(symbol, 600));
        let lost = |gap: &Gap, of: &[&String]| present.lost(gap, of, 4);
        assert_eq!(lost(&gap("*", 600, 600, 40), &all), 40);
        assert_eq!(lost(&gap("*", 600, 600, 40), &all[..1]), 10, "of a security that was named");
        assert_eq!(lost(&gap("*", 600, 600, 1), &all[..1]), 1, "never nothing");
        // beside minutes of which nothing came, which can be asked for
        assert_eq!(lost(&gap("*", 599, 602, 160), &all), 40);
        assert_eq!(lost(&gap("*", 601, 602, 80), &all), 0);
    }

    #[test]
    fn the_few_who_have_a_minute_that_the_market_lacks_lost_nothing() {
        let symbols: Vec<_> = (0..4).map(|n| format!("60000{n}.SH")).collect();
        let mut present = Present::new(day());
        present.add(&symbols[0], 600);
        assert_eq!(
            present.lost(&gap("*", 600, 600, 40), &symbols.iter().collect::<Vec<_>>(), 4),
            0
        );
    }
}
