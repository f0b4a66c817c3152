//! Rows of a store, column by column, and the records that they are.

use std::convert::Infallible;

use plugin_api::{
    Batch, Column, PluginError, Record, RecordKind, Round, SpotListEncoder, SpotRecord,
    encode_bars,
    schemas::records::{OwnedRecord, ValueSource, bar::OwnedBar},
};

/// Values of one column, a row behind the other.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Texts; empty where there is none.
    Texts(Texts),
    /// Moments, microseconds since 1970 UTC; 0 where there is none.
    Times(Vec<i64>),
    /// Prices or amounts, CNY.
    Numbers(Vec<f64>),
    /// Volumes in shares, or numbers of records.
    Counts(Vec<u64>),
    /// Yes or no.
    Flags(Vec<bool>),
    /// Scores, or none.
    Scores(Vec<Option<f32>>),
    /// Prices of one side of the book, best first.
    Prices(Lists<f64>),
    /// Sizes of one side of the book, best first, shares.
    Sizes(Lists<u64>),
}

/// Texts of rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Texts {
    bytes: String,
    ends: Vec<usize>,
}

impl Texts {
    /// Adds that of the next row.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &str {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[row]]
    }
}

/// Lists of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Lists<T> {
    values: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { values: Vec::new(), ends: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// Adds that of the next row.
    pub fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.values.extend(list);
        self.ends.push(self.values.len());
    }

    /// That of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &[T] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.values[start..self.ends[row]]
    }
}

/// Rows by the names of their columns, as [`Record::COLUMNS`] has them. What is not there counts as
/// empty; a bar that does not say whether it is closed is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    rows: usize,
    columns: Vec<(String, Values)>,
}

impl Table {
    /// So many rows without a column.
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// Adds a column; all have a value for each row.
    pub fn push(&mut self, name: &str, values: Values) {
        self.columns.push((name.to_owned(), values));
    }

    /// The records of that kind. Quotes without a column `sequence` have no number.
    ///
    /// # Errors
    /// When there are more than one list takes.
    pub fn batch(&self, kind: RecordKind) -> Result<Batch, PluginError> {
        match kind {
            RecordKind::Spot => self.quotes(),
            _ => self.bars(),
        }
    }

    fn values(&self, name: &str) -> Option<&Values> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, values)| values)
    }

    fn quotes(&self) -> Result<Batch, PluginError> {
        let [symbol, market, code, name, source] =
            ["symbol", "market", "code", "name", "source"].map(|it| self.values(it));
        let [time, recv_time] = ["time", "recv_time"].map(|it| self.values(it));
        let [pre_close, open, high, low, close, amount] =
            ["pre_close", "open", "high", "low", "close", "amount"].map(|it| self.values(it));
        let [volume, sequence] = ["volume", "sequence"].map(|it| self.values(it));
        let [bid, bid_volume, ask, ask_volume] =
            ["bid", "bid_volume", "ask", "ask_volume"].map(|it| self.values(it));
        let score = self.values("quality_score");
        let mut encoder = SpotListEncoder::new(self.rows);
        for row in 0..self.rows {
            let (market, code) = match (text(market, row), text(code, row)) {
                ("", "") => parts(text(symbol, row)),
                given => given,
            };
            encoder.push(&SpotRecord {
                market,
                code,
                name: text(name, row),
                time_us: time_us(time, row),
                recv_time_us: time_us(recv_time, row),
                pre_close: number(pre_close, row),
                open: number(open, row),
                high: number(high, row),
                low: number(low, row),
                close: number(close, row),
                amount_cny: number(amount, row),
                volume_shares: count(volume, row),
                bid: prices(bid, row),
                bid_volume: sizes(bid_volume, row),
                ask: prices(ask, row),
                ask_volume: sizes(ask_volume, row),
                source: text(source, row),
                sequence: count(sequence, row),
                quality_score: self::score(score, row),
            })?;
        }
        Ok(Batch::from_spots(&mut encoder, Round::MIDDLE))
    }

    fn bars(&self) -> Result<Batch, PluginError> {
        let columns = <<OwnedBar as OwnedRecord>::Record<'static> as Record>::COLUMNS;
        let values: Vec<_> = columns.iter().map(|column| self.values(column.name)).collect();
        let mut bars = vec![OwnedBar::default(); self.rows];
        for (row, bar) in bars.iter_mut().enumerate() {
            let Ok(()) = bar.read(&mut Row { values: values.iter(), row });
        }
        Batch::from_bars(encode_bars(bars.iter().map(|bar| bar.record(0))))
    }
}

/// Market and code of `600000.SH`.
fn parts(symbol: &str) -> (&str, &str) {
    symbol.rsplit_once('.').map_or(("", symbol), |(code, market)| (market, code))
}

fn text(values: Option<&Values>, row: usize) -> &str {
    if let Some(Values::Texts(texts)) = values { texts.get(row) } else { "" }
}

fn time_us(values: Option<&Values>, row: usize) -> i64 {
    if let Some(Values::Times(times)) = values { times[row] } else { 0 }
}

fn number(values: Option<&Values>, row: usize) -> f64 {
    if let Some(Values::Numbers(numbers)) = values { numbers[row] } else { 0.0 }
}

fn count(values: Option<&Values>, row: usize) -> u64 {
    if let Some(Values::Counts(counts)) = values { counts[row] } else { 0 }
}

fn flag(values: Option<&Values>, row: usize) -> bool {
    if let Some(Values::Flags(flags)) = values { flags[row] } else { true }
}

fn score(values: Option<&Values>, row: usize) -> Option<f32> {
    if let Some(Values::Scores(scores)) = values { scores[row] } else { None }
}

fn prices(values: Option<&Values>, row: usize) -> &[f64] {
    if let Some(Values::Prices(lists)) = values { lists.get(row) } else { &[] }
}

fn sizes(values: Option<&Values>, row: usize) -> &[u64] {
    if let Some(Values::Sizes(lists)) = values { lists.get(row) } else { &[] }
}

/// The values of one row, in the order of the record's columns.
struct Row<'a> {
    values: std::slice::Iter<'a, Option<&'a Values>>,
    row: usize,
}

impl<'a> Row<'a> {
    fn next(&mut self) -> Option<&'a Values> {
        self.values.next().copied().flatten()
    }
}

impl ValueSource for Row<'_> {
    type Error = Infallible;

    fn symbol(
        &mut self,
        _: &'static Column,
        market: &mut String,
        code: &mut String,
    ) -> Result<(), Infallible> {
        let (of_market, of_code) = parts(text(self.next(), self.row));
        of_market.clone_into(market);
        of_code.clone_into(code);
        Ok(())
    }

    fn text(&mut self, _: &'static Column, to: &mut String) -> Result<(), Infallible> {
        text(self.next(), self.row).clone_into(to);
        Ok(())
    }

    fn time(&mut self, _: &'static Column) -> Result<i64, Infallible> {
        Ok(time_us(self.next(), self.row))
    }

    fn number(&mut self, _: &'static Column) -> Result<f64, Infallible> {
        Ok(number(self.next(), self.row))
    }

    fn count(&mut self, _: &'static Column) -> Result<u64, Infallible> {
        Ok(count(self.next(), self.row))
    }

    fn flag(&mut self, _: &'static Column) -> Result<bool, Infallible> {
        Ok(flag(self.next(), self.row))
    }

    fn score(&mut self, _: &'static Column) -> Result<Option<f32>, Infallible> {
        Ok(score(self.next(), self.row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Values {
        let mut texts = Texts::default();
        values.iter().for_each(|text| texts.push(text));
        Values::Texts(texts)
    }

    #[test]
    fn a_column_that_is_not_there_is_empty() {
        let mut table = Table::new(2);
        table.push("symbol", texts(&["600000.SH", "000001.SZ"]));
        table.push("time", Values::Times(vec![7, 8]));
        let mut bids = Lists::default();
        bids.push([8.5, 8.4]);
        bids.push([]);
        table.push("bid", Values::Prices(bids));
        table.push("unknown", Values::Counts(vec![1, 2]));
        let quotes = table.batch(RecordKind::Spot).unwrap();
        let read: Vec<_> = quotes
            .spots()
            .iter()
            .map(|it| (it.symbol().to_string(), it.time_us(), it.bid().len(), it.close()))
            .collect();
        let expected = [("600000.SH".to_owned(), 7, 2, 0.0), ("000001.SZ".to_owned(), 8, 0, 0.0)];
        assert_eq!(read, expected);
        let bars = table.batch(RecordKind::Bar).unwrap();
        let read: Vec<_> = bars.bars().map(|it| (it.symbol.code, it.time_us, it.closed)).collect();
        assert_eq!(read, [("600000", 7, true), ("000001", 8, true)]);
    }

    #[test]
    fn columns_of_bars_are_found_by_their_names_in_any_order() {
        let mut table = Table::new(1);
        table.push("closed", Values::Flags(vec![false]));
        table.push("close", Values::Numbers(vec![10.5]));
        table.push("volume", Values::Counts(vec![300]));
        table.push("quality_score", Values::Scores(vec![Some(0.5)]));
        table.push("period", texts(&["5m"]));
        table.push("symbol", texts(&["600000.SH"]));
        let batch = table.batch(RecordKind::Bar).unwrap();
        let Some(bar) = batch.bars().next() else { panic!("a bar") };
        assert_eq!((bar.period, bar.close.to_string().as_str()), ("5m", "10.5"));
        assert_eq!((bar.volume_shares, bar.closed), (300, false));
        assert_eq!(bar.quality_score, Some(0.5));
    }
}
