//! Fills columns straight from payloads, without an allocation per record.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BooleanBuilder, Float32Builder, Float64Array, ListArray,
        NullBufferBuilder, PrimitiveArray, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
        UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{Float64Type, SchemaRef, UInt64Type},
    error::ArrowError,
};
use plugin_api::{BarRecord, SpotView, Symbol, schemas::spot::shares};

use crate::schema::{UTC, level};

/// Book levels of each side that every row has; absent ones are null.
const LEAST_LEVELS: usize = 5;

/// Rows of one kind that are not encoded yet.
pub trait Rows {
    /// Number of rows.
    fn len(&self) -> usize;
    /// Text and levels in them, bytes; what a bound on memory needs.
    fn variable_bytes(&self) -> usize;
    /// The rows as columns; starts anew, with room for as many if `more` of them will follow.
    fn finish(&mut self, schema: &SchemaRef, more: bool) -> Result<RecordBatch, ArrowError>;
}

/// Quotes, column by column.
pub struct SpotRows {
    symbol: StringBuilder,
    market: StringBuilder,
    code: StringBuilder,
    name: StringBuilder,
    time: TimestampMicrosecondBuilder,
    recv_time: TimestampMicrosecondBuilder,
    pre_close: Vec<f64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    amount: Vec<f64>,
    volume: Vec<u64>,
    bid: LevelColumn<Float64Type>,
    bid_volume: LevelColumn<UInt64Type>,
    ask: LevelColumn<Float64Type>,
    ask_volume: LevelColumn<UInt64Type>,
    source: StringBuilder,
    quality_score: Float32Builder,
    variable_bytes: usize,
}

impl Default for SpotRows {
    fn default() -> Self {
        Self {
            symbol: texts(),
            market: texts(),
            code: texts(),
            name: texts(),
            time: times(),
            recv_time: times(),
            pre_close: Vec::new(),
            open: Vec::new(),
            high: Vec::new(),
            low: Vec::new(),
            close: Vec::new(),
            amount: Vec::new(),
            volume: Vec::new(),
            bid: LevelColumn::default(),
            bid_volume: LevelColumn::default(),
            ask: LevelColumn::default(),
            ask_volume: LevelColumn::default(),
            source: texts(),
            quality_score: Float32Builder::with_capacity(0),
            variable_bytes: 0,
        }
    }
}

impl SpotRows {
    /// Adds a quote whose time was read already.
    pub fn push(&mut self, spot: &SpotView<'_>, time_us: i64) {
        let (market, code, name, source) = (spot.market(), spot.code(), spot.name(), spot.source());
        push_symbol(&mut self.symbol, Symbol { market, code });
        self.market.append_value(market);
        self.code.append_value(code);
        self.name.append_option(Some(name).filter(|name| !name.is_empty()));
        self.time.append_option(known(time_us));
        self.recv_time.append_option(known(spot.recv_time_us()));
        self.pre_close.push(spot.pre_close());
        self.open.push(spot.open());
        self.high.push(spot.high());
        self.low.push(spot.low());
        self.close.push(spot.close());
        self.amount.push(spot.amount_cny());
        self.volume.push(spot.volume_shares());
        let levels = [spot.bid(), spot.bid_lots(), spot.ask(), spot.ask_lots()];
        let [bid, bid_lots, ask, ask_lots] = levels;
        self.bid.push(bid.iter());
        self.bid_volume.push(bid_lots.iter().map(shares));
        self.ask.push(ask.iter());
        self.ask_volume.push(ask_lots.iter().map(shares));
        self.source.append_value(source);
        self.quality_score.append_option(spot.quality_score());
        self.variable_bytes += 2 * (market.len() + code.len())
            + name.len()
            + source.len()
            + levels.iter().map(|side| 8 * side.len()).sum::<usize>();
    }
}

impl Rows for SpotRows {
    fn len(&self) -> usize {
        self.volume.len()
    }

    fn variable_bytes(&self) -> usize {
        self.variable_bytes
    }

    fn finish(&mut self, schema: &SchemaRef, more: bool) -> Result<RecordBatch, ArrowError> {
        let room = if more { self.len() } else { 0 };
        self.variable_bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.symbol.finish()),
            Arc::new(self.market.finish()),
            Arc::new(self.code.finish()),
            Arc::new(self.name.finish()),
            Arc::new(self.time.finish().with_timezone(UTC)),
            Arc::new(self.recv_time.finish().with_timezone(UTC)),
            numbers(&mut self.pre_close, room),
            numbers(&mut self.open, room),
            numbers(&mut self.high, room),
            numbers(&mut self.low, room),
            numbers(&mut self.close, room),
            numbers(&mut self.amount, room),
            volumes(&mut self.volume, room),
            self.bid.finish(room)?,
            self.bid_volume.finish(room)?,
            self.ask.finish(room)?,
            self.ask_volume.finish(room)?,
            Arc::new(self.source.finish()),
            Arc::new(self.quality_score.finish()),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// Bars, column by column.
pub struct BarRows {
    symbol: StringBuilder,
    period: StringBuilder,
    time: TimestampMicrosecondBuilder,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    amount: Vec<f64>,
    volume: Vec<u64>,
    closed: BooleanBuilder,
    quality_score: Float32Builder,
    variable_bytes: usize,
}

impl Default for BarRows {
    fn default() -> Self {
        Self {
            symbol: texts(),
            period: texts(),
            time: times(),
            open: Vec::new(),
            high: Vec::new(),
            low: Vec::new(),
            close: Vec::new(),
            amount: Vec::new(),
            volume: Vec::new(),
            closed: BooleanBuilder::with_capacity(0),
            quality_score: Float32Builder::with_capacity(0),
            variable_bytes: 0,
        }
    }
}

impl BarRows {
    /// Adds a bar.
    pub fn push(&mut self, bar: &BarRecord<'_>) {
        push_symbol(&mut self.symbol, bar.symbol);
        self.period.append_value(bar.period);
        self.time.append_option(known(bar.time_us));
        self.open.push(bar.open);
        self.high.push(bar.high);
        self.low.push(bar.low);
        self.close.push(bar.close);
        self.amount.push(bar.amount_cny);
        self.volume.push(bar.volume_shares);
        self.closed.append_value(bar.closed);
        self.quality_score.append_option(bar.quality_score);
        self.variable_bytes += bar.symbol.market.len() + bar.symbol.code.len() + bar.period.len();
    }
}

impl Rows for BarRows {
    fn len(&self) -> usize {
        self.volume.len()
    }

    fn variable_bytes(&self) -> usize {
        self.variable_bytes
    }

    fn finish(&mut self, schema: &SchemaRef, more: bool) -> Result<RecordBatch, ArrowError> {
        let room = if more { self.len() } else { 0 };
        self.variable_bytes = 0;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(self.symbol.finish()),
            Arc::new(self.period.finish()),
            Arc::new(self.time.finish().with_timezone(UTC)),
            numbers(&mut self.open, room),
            numbers(&mut self.high, room),
            numbers(&mut self.low, room),
            numbers(&mut self.close, room),
            numbers(&mut self.amount, room),
            volumes(&mut self.volume, room),
            Arc::new(self.closed.finish()),
            Arc::new(self.quality_score.finish()),
        ];
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

/// One side of the book: a list for each row.
struct LevelColumn<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    present: NullBufferBuilder,
    lengths: Vec<usize>,
}

impl<T: ArrowPrimitiveType> Default for LevelColumn<T> {
    fn default() -> Self {
        Self { values: Vec::new(), present: NullBufferBuilder::new(0), lengths: Vec::new() }
    }
}

impl<T: ArrowPrimitiveType> LevelColumn<T> {
    #[inline]
    fn push(&mut self, levels: impl ExactSizeIterator<Item = T::Native>) {
        let given = levels.len();
        self.values.extend(levels);
        self.present.append_n_non_nulls(given);
        let absent = LEAST_LEVELS.saturating_sub(given);
        if absent > 0 {
            self.values.resize(self.values.len() + absent, T::default_value());
            self.present.append_n_nulls(absent);
        }
        self.lengths.push(given + absent);
    }

    fn finish(&mut self, room: usize) -> Result<ArrayRef, ArrowError> {
        let values = renewed(&mut self.values, room * LEAST_LEVELS);
        let offsets = OffsetBuffer::from_lengths(self.lengths.drain(..));
        let values = PrimitiveArray::<T>::try_new(values.into(), self.present.finish())?;
        let list = ListArray::try_new(level(T::DATA_TYPE), offsets, Arc::new(values), None)?;
        Ok(Arc::new(list))
    }
}

/// A column of texts without room yet: the default is 5 KB, too much for thousands of partitions.
fn texts() -> StringBuilder {
    StringBuilder::with_capacity(0, 0)
}

/// A column of moments without room yet.
fn times() -> TimestampMicrosecondBuilder {
    TimestampMicrosecondBuilder::with_capacity(0)
}

/// `600000.SH`
#[inline]
fn push_symbol(column: &mut StringBuilder, symbol: Symbol<'_>) {
    // writing to a builder cannot fail
    let _ = column.write_str(symbol.code);
    let _ = column.write_char('.');
    let _ = column.write_str(symbol.market);
    column.append_value("");
}

/// A moment; 0 stands for an unknown one.
fn known(time_us: i64) -> Option<i64> {
    (time_us != 0).then_some(time_us)
}

fn numbers(column: &mut Vec<f64>, room: usize) -> ArrayRef {
    Arc::new(Float64Array::from(renewed(column, room)))
}

fn volumes(column: &mut Vec<u64>, room: usize) -> ArrayRef {
    Arc::new(UInt64Array::from(renewed(column, room)))
}

/// The values; leaves an empty column with that room.
fn renewed<T>(column: &mut Vec<T>, room: usize) -> Vec<T> {
    std::mem::replace(column, Vec::with_capacity(room))
}
