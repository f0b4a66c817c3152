//! Which records of an answer are kept: those that were asked for, each key once.
//!
//! A bar is known by security and end. Of quotes several may have one time, so a minute that an
//! earlier answer has quotes of is that answer's alone.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write,
};

use plugin_api::{BarRecord, Batch, PluginError, Record, RecordKind, Round, Symbol, WithRecords};

use super::{
    outcome::Tally,
    plan::{Piece, Series},
};

const MINUTE_US: i64 = 60_000_000;

/// What of a piece has come.
#[derive(Debug)]
pub struct Keeping<'a> {
    piece: &'a Piece,
    series: &'a Series,
    place_by_symbol: HashMap<&'a str, u32>,
    /// Records that were kept, by the place of the security in the piece.
    kept: Vec<u64>,
    /// Whether a store has something of the piece already, by that place.
    known: Vec<bool>,
    /// Minutes of quotes that are seen, by that place.
    minutes: Vec<i64>,
    /// Ends of bars, or minutes of quotes, with the place of the security.
    seen: HashSet<(u32, i64)>,
    /// Minutes of quotes of the answer that is being read; they are seen when it has ended.
    of_this: HashSet<(u32, i64)>,
    /// For names of securities.
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    NotAskedFor,
    Present,
    Padding,
}

impl<'a> Keeping<'a> {
    /// Nothing has come yet.
    pub fn new(piece: &'a Piece, series: &'a Series) -> Self {
        let places = (0_u32..).zip(&piece.symbols);
        Self {
            piece,
            series,
            place_by_symbol: places.map(|(place, symbol)| (symbol.as_str(), place)).collect(),
            kept: vec![0; piece.symbols.len()],
            known: vec![false; piece.symbols.len()],
            minutes: vec![0; piece.symbols.len()],
            seen: HashSet::new(),
            of_this: HashSet::new(),
            name: String::new(),
        }
    }

    /// A store has these records already: no answer gives them again. A minute of which it has quotes
    /// stays as it is.
    pub fn know(&mut self, batch: &Batch) {
        for bar in batch.bars().filter(|bar| bar.closed) {
            if self.series.period.as_deref() == Some(bar.period) {
                self.know_at(bar.symbol, bar.time_us, bar.time_us);
            }
        }
        if !self.series.is_bars() {
            for spot in batch.spots().iter() {
                let time_us = spot.time_us();
                self.know_at(spot.symbol(), time_us, time_us.div_euclid(MINUTE_US));
            }
        }
    }

    fn know_at(&mut self, symbol: Symbol<'_>, time_us: i64, key: i64) {
        let Some(place) = self.asked(symbol, time_us).filter(|_| self.piece.holds(time_us)) else {
            return;
        };
        let is_new = self.seen.insert((place, key));
        let place = place as usize;
        if let (Some(known), Some(minutes)) =
            (self.known.get_mut(place), self.minutes.get_mut(place))
        {
            *known = true;
            *minutes += i64::from(is_new);
        }
    }

    /// The records of a batch that are kept, if any; the others are counted with their reason.
    ///
    /// # Errors
    /// Never in practice: fewer records need less room than the list they come from.
    pub fn keep(&mut self, batch: &Batch, tally: &mut Tally) -> Result<Option<Batch>, PluginError> {
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(batch.records() as usize);
        match batch.kind() {
            RecordKind::Bar => verdicts.extend(batch.bars().map(|bar| self.of_bar(&bar))),
            RecordKind::Spot => verdicts.extend(
                batch.spots().iter().map(|spot| self.of_spot(spot.symbol(), spot.time_us())),
            ),
            _ => verdicts.resize(batch.records() as usize, Verdict::NotAskedFor),
        }
        tally.received += verdicts.len() as u64;
        let mut kept = 0;
        for verdict in &verdicts {
            *match verdict {
                Verdict::Kept => &mut kept,
                Verdict::NotAskedFor => &mut tally.not_asked_for,
                Verdict::Present => &mut tally.present,
                Verdict::Padding => &mut tally.refused_as_padding,
            } += 1;
        }
        tally.written += kept;
        if kept == 0 {
            return Ok(None);
        }
        if kept == verdicts.len() as u64 {
            return Ok(Some(batch.clone().with_round(Round::MIDDLE)));
        }
        let list = batch.with_records(Only(&verdicts))?;
        Batch::from_untrusted(batch.kind(), list, Round::MIDDLE).map(Some)
    }

    /// The answer that was read has ended.
    pub fn end_answer(&mut self) {
        for minute in self.of_this.drain() {
            if let Some(minutes) = self.minutes.get_mut(minute.0 as usize) {
                *minutes += i64::from(self.seen.insert(minute));
            }
        }
    }

    /// Places of the securities that lack something still.
    pub fn lacking(&self) -> Vec<usize> {
        let all: i64 = self.piece.spans.iter().map(|(from, to)| (to - from) / MINUTE_US + 1).sum();
        let lacks = |place: &usize| {
            self.kept[*place] < self.piece.records
                && (self.series.is_bars() || self.minutes[*place] < all)
        };
        (0..self.kept.len()).filter(lacks).collect()
    }

    /// Securities of which nothing has come, and of which no store has anything.
    pub fn without_any(&self) -> u64 {
        let both = self.kept.iter().zip(&self.known);
        both.filter(|(kept, known)| **kept == 0 && !**known).count() as u64
    }

    fn of_bar(&mut self, bar: &BarRecord<'_>) -> Verdict {
        let is_series = self.series.period.as_deref() == Some(bar.period) && bar.closed;
        let Some(place) = self.asked(bar.symbol, bar.time_us).filter(|_| is_series) else {
            return Verdict::NotAskedFor;
        };
        // a bar of a security that did not trade has prices, too
        if bar.open.max(bar.high).max(bar.low).max(bar.close) <= 0.0 {
            return Verdict::Padding;
        }
        if !self.piece.holds(bar.time_us) || !self.seen.insert((place, bar.time_us)) {
            return Verdict::Present;
        }
        self.count(place)
    }

    fn of_spot(&mut self, symbol: Symbol<'_>, time_us: i64) -> Verdict {
        let is_series = !self.series.is_bars();
        let Some(place) = self.asked(symbol, time_us).filter(|_| is_series) else {
            return Verdict::NotAskedFor;
        };
        let minute = (place, time_us.div_euclid(MINUTE_US));
        if !self.piece.holds(time_us) || self.seen.contains(&minute) {
            return Verdict::Present;
        }
        self.of_this.insert(minute);
        self.count(place)
    }

    fn count(&mut self, place: u32) -> Verdict {
        if let Some(kept) = self.kept.get_mut(place as usize) {
            *kept += 1;
        }
        Verdict::Kept
    }

    /// Place of a security that was asked for at a time within the first and the last one.
    fn asked(&mut self, symbol: Symbol<'_>, time_us: i64) -> Option<u32> {
        let (from_us, to_us) = self.piece.hull();
        if !(from_us..=to_us).contains(&time_us) {
            return None;
        }
        self.name.clear();
        write!(self.name, "{symbol}").ok()?;
        self.place_by_symbol.get(self.name.as_str()).copied()
    }
}

/// The records with that verdict, encoded.
struct Only<'a>(&'a [Verdict]);

impl WithRecords for Only<'_> {
    type Output = Result<Vec<u8>, PluginError>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Self::Output {
        let kept = records.zip(self.0).filter(|(_, verdict)| **verdict == Verdict::Kept);
        let kept: Vec<R> = kept.map(|(record, _)| record).collect();
        Ok(R::encode(kept.into_iter())?)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{MINUTE_US, T, bars, piece, spots},
        *,
    };

    #[test]
    fn what_was_not_asked_for_is_left_out_and_counted() {
        let piece = piece(&["600000.SH"], &[(0, 2), (5, 6)], 5);
        let series = Series::bars("1m");
        let (mut keeping, mut tally) = (Keeping::new(&piece, &series), Tally::default());
        // (security, minute, close); the minutes 3 and 4 are no gap
        let given = [
            ("600000.SH", -1, 10.0),
            ("600000.SH", 0, 10.0),
            ("600000.SH", 3, 10.0),
            ("600001.SH", 1, 10.0),
            ("600000.SH", 5, 0.0),
            ("600000.SH", 6, 10.0),
            ("600000.SH", 7, 10.0),
            ("600000.SH", 0, 11.0),
        ];
        let kept = keeping.keep(&bars("1m", &given), &mut tally).unwrap().unwrap();
        let times: Vec<_> = kept.bars().map(|bar| (bar.time_us - T) / MINUTE_US).collect();
        assert_eq!(times, [0, 6]);
        let expected = Tally {
            received: 8,
            written: 2,
            not_asked_for: 3,
            present: 2,
            refused_as_padding: 1,
            ..Tally::default()
        };
        assert_eq!(tally, expected);
        let other = bars("5m", &[("600000.SH", 1, 10.0)]);
        assert!(keeping.keep(&other, &mut tally).unwrap().is_none(), "another period");
        let quotes = spots(&[("600000.SH", 1)]);
        assert!(keeping.keep(&quotes, &mut tally).unwrap().is_none(), "another kind");
        assert_eq!((tally.not_asked_for, keeping.lacking()), (5, vec![0]));
    }

    #[test]
    fn what_a_store_has_already_is_not_kept_again_and_not_missing() {
        let piece = piece(&["600000.SH", "600001.SH"], &[(0, 9)], 1);
        let series = Series::bars("1m");
        let (mut keeping, mut tally) = (Keeping::new(&piece, &series), Tally::default());
        keeping.know(&bars("1m", &[("600000.SH", 0, 10.0), ("600000.SH", 1, 10.0)]));
        keeping.know(&bars("5m", &[("600001.SH", 0, 10.0)]));
        assert_eq!(keeping.without_any(), 1);
        let given = bars("1m", &[("600000.SH", 0, 11.0), ("600000.SH", 2, 10.0)]);
        let kept = keeping.keep(&given, &mut tally).unwrap().unwrap();
        let times: Vec<_> = kept.bars().map(|bar| (bar.time_us - T) / MINUTE_US).collect();
        assert_eq!((times, tally.present), (vec![2], 1));

        let series = Series::spots();
        let (mut keeping, mut tally) = (Keeping::new(&piece, &series), Tally::default());
        keeping.know(&spots(&[("600000.SH", 0)]));
        let given = spots(&[("600000.SH", 0), ("600000.SH", 1)]);
        assert_eq!(keeping.keep(&given, &mut tally).unwrap().unwrap().records(), 1);
    }

    #[test]
    fn a_minute_of_quotes_comes_from_one_answer() {
        let piece = piece(&["600000.SH", "600001.SH"], &[(0, 1)], 40);
        let series = Series::spots();
        let (mut keeping, mut tally) = (Keeping::new(&piece, &series), Tally::default());
        let first = spots(&[("600000.SH", 0), ("600000.SH", 0), ("600001.SH", 1)]);
        let kept = keeping.keep(&first, &mut tally).unwrap().unwrap();
        assert_eq!(kept.payload().as_ptr(), first.payload().as_ptr(), "nothing is copied");
        keeping.end_answer();
        assert_eq!(keeping.lacking(), [0, 1]);
        let second = spots(&[("600000.SH", 0), ("600000.SH", 1), ("600001.SH", 0)]);
        let kept = keeping.keep(&second, &mut tally).unwrap().unwrap();
        assert_eq!((kept.records(), tally.present), (2, 1));
        keeping.end_answer();
        assert!(keeping.lacking().is_empty(), "every minute is there");
        assert_eq!(keeping.without_any(), 0);
    }
}
