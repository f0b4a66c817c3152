//! From gaps to pieces: what is asked for at once.

use std::collections::BTreeMap;

use plugin_api::{Ask, RecordKind, schemas::time::DatetimeText, schemas::time::ExchangeTime};
use serde::{Deserialize, Serialize};

/// Most securities of a piece: what vendors answer at once.
const MAX_SYMBOLS: usize = 200;
/// A piece has no more records than that, as far as they can be told before: they are a page on
/// disk, and their times are in memory.
const MAX_RECORDS: u64 = 100_000;

/// First and last moment of stretches, in order and apart; microseconds since 1970 UTC.
type Spans = Vec<(i64, i64)>;

/// What is asked for, whoever lacks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// `spot` or `bar`.
    pub kind: String,
    /// Period of bars, e.g. `1m`; of quotes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

impl Series {
    /// Bars of that period.
    pub fn bars(period: &str) -> Self {
        Self { kind: RecordKind::Bar.as_str().to_owned(), period: Some(period.to_owned()) }
    }

    /// Quotes.
    pub fn spots() -> Self {
        Self { kind: RecordKind::Spot.as_str().to_owned(), period: None }
    }

    /// Whether it is bars.
    pub fn is_bars(&self) -> bool {
        self.period.is_some()
    }
}

/// A stretch of time in which a security lacks records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The security, e.g. `600000.SH`.
    pub symbol: String,
    /// First moment, microseconds since 1970 UTC.
    pub from_us: i64,
    /// Last moment, inclusive.
    pub to_us: i64,
    /// Records that are missing, about.
    pub records: u64,
}

/// Securities that lack the same stretches of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The securities, e.g. `600000.SH`.
    pub symbols: Vec<String>,
    /// First and last moment of each stretch, in order and apart; microseconds since 1970 UTC.
    pub spans: Vec<(i64, i64)>,
    /// Records that each security lacks, about.
    pub records: u64,
}

impl Piece {
    /// Records that are missing, about.
    pub fn missing(&self) -> u64 {
        self.records.saturating_mul(self.symbols.len() as u64)
    }

    /// Whether a moment lies in one of the stretches.
    pub fn holds(&self, time_us: i64) -> bool {
        let next = self.spans.partition_point(|(_, to_us)| *to_us < time_us);
        self.spans.get(next).is_some_and(|(from_us, _)| *from_us <= time_us)
    }

    /// First and last moment of all.
    pub fn hull(&self) -> (i64, i64) {
        let first = self.spans.first().map_or(0, |span| span.0);
        (first, self.spans.last().map_or(first, |span| span.1))
    }

    /// What a source is asked for of these securities.
    pub fn ask(&self, symbols: Vec<String>, series: &Series) -> Ask {
        let (from_us, to_us) = self.hull();
        let (kind, period) = (series.kind.clone(), series.period.clone());
        Ask { symbols, from: text(from_us), to: text(to_us), kind, period }
    }
}

/// A moment as sources read it.
fn text(time_us: i64) -> String {
    String::from_utf8_lossy(DatetimeText::default().format(time_us)).into_owned()
}

/// The pieces that fill these gaps, the oldest first. Each security and moment is in one of them.
pub fn plan(gaps: &[Gap]) -> Vec<Piece> {
    let mut by_symbol: BTreeMap<(i64, &str), Vec<&Gap>> = BTreeMap::new();
    for gap in gaps.iter().filter(|gap| gap.from_us <= gap.to_us) {
        let day = ExchangeTime::from_utc_us(gap.from_us).day;
        by_symbol.entry((day, &gap.symbol)).or_default().push(gap);
    }
    let mut alike: BTreeMap<(i64, Spans), Vec<(&str, u64)>> = BTreeMap::new();
    for ((day, symbol), gaps) in by_symbol {
        let records = gaps.iter().map(|gap| gap.records).sum::<u64>().max(1);
        alike.entry((day, joined(gaps))).or_default().push((symbol, records));
    }
    let mut pieces = Vec::new();
    for ((_, spans), lacking) in alike {
        let mut rest = lacking.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest));
            pieces.push(Piece {
                symbols: now.iter().map(|(symbol, _)| (*symbol).to_owned()).collect(),
                spans: spans.clone(),
                records: now.iter().map(|(_, records)| *records).max().unwrap_or(1),
            });
            rest = later;
        }
    }
    pieces
}

/// Stretches in order; what touches or overlaps is one.
fn joined(mut gaps: Vec<&Gap>) -> Vec<(i64, i64)> {
    gaps.sort_by_key(|gap| gap.from_us);
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for gap in gaps {
        match spans.last_mut() {
            Some(last) if gap.from_us <= last.1.saturating_add(1) => last.1 = last.1.max(gap.to_us),
            _ => spans.push((gap.from_us, gap.to_us)),
        }
    }
    spans
}

/// How many of these securities go into one piece, at least one.
fn fitting(lacking: &[(&str, u64)]) -> usize {
    let mut records = 0_u64;
    let fits = |(_, more): &&(&str, u64)| {
        records = records.saturating_add(*more);
        records <= MAX_RECORDS
    };
    lacking.iter().take(MAX_SYMBOLS).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;
    /// 2026-01-05 09:31 in Shanghai.
    const T: i64 = 1_767_576_660_000_000;
    const MIN: i64 = 60_000_000;

    fn gap(symbol: &str, from: i64, to: i64, records: u64) -> Gap {
        let (from_us, to_us) = (T + from * MIN, T + to * MIN);
        Gap { symbol: symbol.to_owned(), from_us, to_us, records }
    }

    #[test]
    fn who_lacks_the_same_is_asked_for_together_and_stretches_are_joined() {
        let gaps = [
            gap("600001.SH", 0, 5, 5),
            gap("600000.SH", 3, 5, 3),
            gap("600000.SH", 0, 4, 2),
            gap("000001.SZ", 0, 1, 1),
            gap("000001.SZ", 9, 9, 1),
            gap("600000.SH", 2_000, 2_000, 7),
            gap("600000.SH", 8, 7, 1),
        ];
        let pieces = plan(&gaps);
        let of = |symbols: &[&str], spans: &[(i64, i64)], records| Piece {
            symbols: symbols.iter().map(|it| (*it).to_owned()).collect(),
            spans: spans.iter().map(|(from, to)| (T + from * MIN, T + to * MIN)).collect(),
            records,
        };
        let expected = [
            of(&["000001.SZ"], &[(0, 1), (9, 9)], 2),
            of(&["600000.SH", "600001.SH"], &[(0, 5)], 5),
            of(&["600000.SH"], &[(2_000, 2_000)], 7),
        ];
        assert_eq!(pieces, expected);
        let holds = |minute: i64| pieces[0].holds(T + minute * MIN);
        assert_eq!([0, 1, 2, 8, 9, 10].map(holds), [true, true, false, false, true, false]);
        assert!(!pieces[0].holds(T - 1));
    }

    #[test]
    fn a_piece_is_bounded_in_securities_and_records() {
        let of_market = |records| -> Vec<_> {
            (0..5_500).map(|n| gap(&format!("{:06}.SH", 600_000 + n), 0, 240, records)).collect()
        };
        for (records, most) in [(1, MAX_SYMBOLS), (240, MAX_SYMBOLS), (4_800, 20), (1 << 40, 1)] {
            let pieces = plan(&of_market(records));
            assert!(pieces.iter().all(|it| it.symbols.len() <= most), "{records}");
            assert_eq!(pieces.iter().map(|it| it.symbols.len()).sum::<usize>(), 5_500);
        }
        assert!(plan(&[]).is_empty());
    }

    #[test]
    fn a_source_is_asked_in_exchange_time() {
        let piece = plan(&[gap("600000.SH", 0, 1, 2)]).remove(0);
        let ask = piece.ask(piece.symbols.clone(), &Series::bars("1m"));
        assert_eq!(
            (ask.from.as_str(), ask.to.as_str()),
            ("2026-01-05 09:31:00", "2026-01-05 09:32:00")
        );
        let asked = ask.read().unwrap();
        assert_eq!((asked.from_us, asked.to_us, asked.kind), (T, T + MIN, RecordKind::Bar));
        let late = Piece { spans: vec![(T, T + DAY_US - 1)], ..piece };
        let asked = late.ask(Vec::new(), &Series::spots()).read().unwrap();
        assert_eq!((asked.to_us, asked.kind), (T + DAY_US - 1, RecordKind::Spot));
    }
}
