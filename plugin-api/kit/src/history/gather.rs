//! Sorts what was read of a span, and makes batches of it.

use std::{collections::HashSet, hash::Hash};

use plugin_api::{
    BarRecord, Batch, PluginError, RecordKind, Round, SpotListEncoder, SpotView, WireSpot,
    encode_bars,
};

/// Collects records of one kind, as encoded lists, until they are complete.
#[derive(Debug)]
pub struct Gather {
    kind: RecordKind,
    batch_records: usize,
    instance: String,
    parts: Vec<Batch>,
    /// Number of the last quote that had none of its own.
    sequence: u64,
}

impl Gather {
    /// For records of that kind, in batches of at most so many. Quotes without a source get the
    /// name of the instance.
    pub fn new(kind: RecordKind, batch_records: usize, instance: &str) -> Self {
        let instance = instance.to_owned();
        Self { kind, batch_records: batch_records.max(1), instance, parts: Vec::new(), sequence: 0 }
    }

    /// Takes records in; those of another kind are left out.
    pub fn push(&mut self, part: Batch) {
        if part.kind() == self.kind && part.records() > 0 {
            self.parts.push(part);
        }
    }

    /// Records that were taken in since the last [`finish`](Self::finish).
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| u64::from(part.records())).sum()
    }

    /// All records in the order of time, those of one time as they came; starts anew.
    ///
    /// Of bars with one security, period and time the last stays, and of quotes with one security,
    /// time, source and number there. A quote without a number gets the next one.
    ///
    /// # Errors
    /// Never in practice: fewer records need less room than the lists they come from.
    pub fn finish(&mut self) -> Result<Vec<Batch>, PluginError> {
        let parts = std::mem::take(&mut self.parts);
        match self.kind {
            RecordKind::Spot => self.quotes(&parts),
            RecordKind::Bar => self.bars(&parts),
            other => {
                let text = format!("records of kind {} cannot be read back", other.as_str());
                Err(PluginError::config(text))
            }
        }
    }

    fn quotes(&mut self, parts: &[Batch]) -> Result<Vec<Batch>, PluginError> {
        let mut quotes: Vec<SpotView<'_>> = Vec::new();
        parts.iter().for_each(|part| quotes.extend(part.spots().iter()));
        quotes.sort_by_key(SpotView::time_us);
        let quotes = last_of_each(quotes, |quote| {
            let key = (quote.time_us(), quote.symbol(), quote.source(), quote.sequence());
            (quote.sequence() > 0).then_some(key)
        });
        let mut encoder = SpotListEncoder::new(self.batch_records.min(quotes.len()));
        let mut batches = Vec::new();
        for chunk in quotes.chunks(self.batch_records) {
            for quote in chunk {
                let mut wire: WireSpot<'_> = quote.to_wire();
                if wire.sequence == 0 {
                    self.sequence += 1;
                    wire.sequence = self.sequence;
                }
                if wire.source.is_empty() {
                    wire.source = &self.instance;
                }
                encoder.push_wire(&wire)?;
            }
            batches.push(Batch::from_spots(&mut encoder, Round::MIDDLE));
        }
        Ok(batches)
    }

    fn bars(&self, parts: &[Batch]) -> Result<Vec<Batch>, PluginError> {
        let mut bars: Vec<BarRecord<'_>> = Vec::new();
        parts.iter().for_each(|part| bars.extend(part.bars()));
        bars.sort_by_key(|bar| bar.time_us);
        let bars = last_of_each(bars, |bar| Some((bar.time_us, bar.symbol, bar.period)));
        let chunks = bars.chunks(self.batch_records);
        chunks.map(|chunk| Batch::from_bars(encode_bars(chunk.iter().copied()))).collect()
    }
}

/// Leaves of rows with one key the last; those without a key stay.
fn last_of_each<T, K: Hash + Eq>(rows: Vec<T>, key: impl Fn(&T) -> Option<K>) -> Vec<T> {
    let mut seen = HashSet::new();
    let is_last = |row: &T| key(row).is_none_or(|key| seen.insert(key));
    let mut kept: Vec<_> = rows.into_iter().rev().filter(is_last).collect();
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use plugin_api::{SpotRecord, Symbol, testing::bar_batch};

    use super::*;

    fn quotes(rows: &[(i64, &str, u64)]) -> Batch {
        let mut encoder = SpotListEncoder::new(rows.len());
        for (time_us, code, sequence) in rows {
            let record = SpotRecord {
                market: "SH",
                code,
                time_us: 1_638_321_301_000_000 + time_us,
                sequence: *sequence,
                source: if *sequence > 0 { "feed" } else { "" },
                ..SpotRecord::default()
            };
            encoder.push(&record).unwrap();
        }
        Batch::from_spots(&mut encoder, Round::WHOLE)
    }

    fn told(batches: &[Batch]) -> Vec<(i64, String, u64, String)> {
        let told = |quote: SpotView<'_>| {
            let time_us = quote.time_us() - 1_638_321_301_000_000;
            (time_us, quote.code().to_owned(), quote.sequence(), quote.source().to_owned())
        };
        batches.iter().flat_map(|it| it.spots().iter().map(told).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn quotes_leave_in_time_order_and_get_what_they_lack() {
        let mut gather = Gather::new(RecordKind::Spot, 2, "lake");
        gather.push(quotes(&[(3, "a", 0), (1, "b", 0)]));
        gather.push(bar_batch());
        gather.push(quotes(&[(1, "a", 0), (1, "b", 0)]));
        let batches = gather.finish().unwrap();
        assert_eq!(batches.iter().map(Batch::records).collect::<Vec<_>>(), [2, 2]);
        let row =
            |time_us, code: &str, number| (time_us, code.to_owned(), number, "lake".to_owned());
        let expected = [row(1, "b", 1), row(1, "a", 2), row(1, "b", 3), row(3, "a", 4)];
        assert_eq!(told(&batches), expected);
        // numbers go on
        gather.push(quotes(&[(4, "a", 0)]));
        assert_eq!(told(&gather.finish().unwrap()), [row(4, "a", 5)]);
        assert!(gather.finish().unwrap().is_empty());
    }

    #[test]
    fn a_quote_with_a_number_is_given_once() {
        let mut gather = Gather::new(RecordKind::Spot, 10, "db");
        gather.push(quotes(&[(1, "a", 7), (1, "a", 8), (1, "b", 7), (2, "a", 7)]));
        gather.push(quotes(&[(1, "a", 7)]));
        let row =
            |time_us, code: &str, number| (time_us, code.to_owned(), number, "feed".to_owned());
        let expected = [row(1, "a", 8), row(1, "b", 7), row(1, "a", 7), row(2, "a", 7)];
        assert_eq!(told(&gather.finish().unwrap()), expected);
    }

    #[test]
    fn of_a_bar_that_was_corrected_the_last_stays() {
        let batch = bar_batch();
        let Some(bar) = batch.bars().next() else { panic!("a bar") };
        let corrected = BarRecord { close: 99.0, ..bar };
        let others = [
            BarRecord { period: "5m", ..bar },
            BarRecord { symbol: Symbol { market: "SZ", code: "000001" }, ..bar },
            BarRecord { time_us: bar.time_us - 60_000_000, ..bar },
        ];
        let mut gather = Gather::new(RecordKind::Bar, 10, "lake");
        gather.push(batch.clone());
        gather.push(Batch::from_bars(encode_bars(others.into_iter().chain([corrected]))).unwrap());
        let batches = gather.finish().unwrap();
        let read: Vec<_> = batches.iter().flat_map(Batch::bars).collect();
        assert_eq!(read, [others[2], others[0], others[1], corrected]);
    }
}
