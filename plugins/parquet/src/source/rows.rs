//! Rows of a file into records.

use arrow::{array::RecordBatch, error::ArrowError};
use plugin_api::{
    Batch, Column, ColumnType, PluginError, Record, RecordKind, Round, SpotListEncoder, SpotRecord,
    encode_bars,
    schemas::records::{OwnedRecord, ValueSource, bar::OwnedBar},
};

use super::columns::{Columns, Counts, Flags, Numbers, Scores, Texts, Times};

/// Why rows are no records.
#[derive(Debug)]
pub enum RowFault {
    /// A column holds something else.
    Column(ArrowError),
    /// The rows make no batch.
    Batch(PluginError),
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Column(error) => error.fmt(f),
            Self::Batch(error) => error.fmt(f),
        }
    }
}

impl From<ArrowError> for RowFault {
    fn from(error: ArrowError) -> Self {
        Self::Column(error)
    }
}

/// A batch of those rows, which are of that kind.
///
/// # Errors
/// What is wrong with them.
pub fn batch(rows: &RecordBatch, kind: RecordKind) -> Result<Batch, RowFault> {
    match kind {
        RecordKind::Spot => quotes(rows),
        _ => bars(rows),
    }
}

fn quotes(rows: &RecordBatch) -> Result<Batch, RowFault> {
    let columns = Columns(rows);
    let [symbol, market, code] =
        [columns.texts("symbol")?, columns.texts("market")?, columns.texts("code")?];
    let [name, source] = [columns.texts("name")?, columns.texts("source")?];
    let [time, recv_time] = [columns.times("time")?, columns.times("recv_time")?];
    let number = |name| columns.numbers(name);
    let (pre_close, open, high) = (number("pre_close")?, number("open")?, number("high")?);
    let (low, close, amount) = (number("low")?, number("close")?, number("amount")?);
    let volume = columns.counts("volume")?;
    let (bids, bid_volumes) = (columns.prices("bid")?, columns.sizes("bid_volume")?);
    let (asks, ask_volumes) = (columns.prices("ask")?, columns.sizes("ask_volume")?);
    let score = columns.scores("quality_score")?;
    let (mut bid, mut bid_volume, mut ask, mut ask_volume) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut encoder = SpotListEncoder::new(rows.num_rows());
    for row in 0..rows.num_rows() {
        bids.fill(row, &mut bid);
        bid_volumes.fill(row, &mut bid_volume);
        asks.fill(row, &mut ask);
        ask_volumes.fill(row, &mut ask_volume);
        let (market, code) = match (market.get(row), code.get(row)) {
            ("", "") => parts(symbol.get(row)),
            given => given,
        };
        let record = SpotRecord {
            market,
            code,
            name: name.get(row),
            time_us: time.get(row),
            recv_time_us: recv_time.get(row),
            pre_close: pre_close.get(row),
            open: open.get(row),
            high: high.get(row),
            low: low.get(row),
            close: close.get(row),
            amount_cny: amount.get(row),
            volume_shares: volume.get(row),
            bid: &bid,
            bid_volume: &bid_volume,
            ask: &ask,
            ask_volume: &ask_volume,
            source: source.get(row),
            // the lake keeps none
            sequence: 0,
            quality_score: score.get(row),
        };
        encoder.push(&record).map_err(|full| RowFault::Batch(full.into()))?;
    }
    Ok(Batch::from_spots(&mut encoder, Round::MIDDLE))
}

fn bars(rows: &RecordBatch) -> Result<Batch, RowFault> {
    let columns = Columns(rows);
    let described = <<OwnedBar as OwnedRecord>::Record<'static> as Record>::COLUMNS;
    let cells = described.iter().map(|column| Cells::of(&columns, column));
    let cells = cells.collect::<Result<Vec<_>, _>>()?;
    let mut bars = vec![OwnedBar::default(); rows.num_rows()];
    for (row, bar) in bars.iter_mut().enumerate() {
        let Ok(()) = bar.read(&mut Row { cells: cells.iter(), row });
    }
    Batch::from_bars(encode_bars(bars.iter().map(|bar| bar.record(0)))).map_err(RowFault::Batch)
}

/// Market and code of `600000.SH`.
fn parts(symbol: &str) -> (&str, &str) {
    symbol.rsplit_once('.').map_or(("", symbol), |(code, market)| (market, code))
}

/// A column by its type.
enum Cells {
    Texts(Texts),
    Times(Times),
    Numbers(Numbers),
    Counts(Counts),
    Flags(Flags),
    Scores(Scores),
    /// Sides of a book, which only quotes have.
    None,
}

impl Cells {
    fn of(columns: &Columns<'_>, column: &Column) -> Result<Self, ArrowError> {
        let name = column.name;
        Ok(match column.kind {
            ColumnType::Time => Self::Times(columns.times(name)?),
            ColumnType::Price | ColumnType::Amount => Self::Numbers(columns.numbers(name)?),
            ColumnType::Volume => Self::Counts(columns.counts(name)?),
            ColumnType::Flag => Self::Flags(columns.flags(name)?),
            ColumnType::Score => Self::Scores(columns.scores(name)?),
            ColumnType::Prices | ColumnType::Sizes => Self::None,
            _ => Self::Texts(columns.texts(name)?),
        })
    }
}

/// The cells of one row, in the order of the record's columns.
struct Row<'a> {
    cells: std::slice::Iter<'a, Cells>,
    row: usize,
}

impl Row<'_> {
    fn text_cell(&mut self) -> &str {
        match self.cells.next() {
            Some(Cells::Texts(cells)) => cells.get(self.row),
            _ => "",
        }
    }
}

impl ValueSource for Row<'_> {
    type Error = std::convert::Infallible;

    fn symbol(
        &mut self,
        _: &'static Column,
        market: &mut String,
        code: &mut String,
    ) -> Result<(), Self::Error> {
        let (of_market, of_code) = parts(self.text_cell());
        of_market.clone_into(market);
        of_code.clone_into(code);
        Ok(())
    }

    fn text(&mut self, _: &'static Column, text: &mut String) -> Result<(), Self::Error> {
        self.text_cell().clone_into(text);
        Ok(())
    }

    fn time(&mut self, _: &'static Column) -> Result<i64, Self::Error> {
        Ok(match self.cells.next() {
            Some(Cells::Times(cells)) => cells.get(self.row),
            _ => 0,
        })
    }

    fn number(&mut self, _: &'static Column) -> Result<f64, Self::Error> {
        Ok(match self.cells.next() {
            Some(Cells::Numbers(cells)) => cells.get(self.row),
            _ => 0.0,
        })
    }

    fn count(&mut self, _: &'static Column) -> Result<u64, Self::Error> {
        Ok(match self.cells.next() {
            Some(Cells::Counts(cells)) => cells.get(self.row),
            _ => 0,
        })
    }

    fn flag(&mut self, _: &'static Column) -> Result<bool, Self::Error> {
        Ok(match self.cells.next() {
            Some(Cells::Flags(cells)) => cells.get(self.row),
            _ => true,
        })
    }

    fn score(&mut self, _: &'static Column) -> Result<Option<f32>, Self::Error> {
        Ok(match self.cells.next() {
            Some(Cells::Scores(cells)) => cells.get(self.row),
            _ => None,
        })
    }
}
