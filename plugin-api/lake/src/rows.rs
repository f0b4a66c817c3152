//! Fills columns straight from payloads, without an allocation per record.

use std::{fmt::Write as _, sync::Arc};

use arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BooleanBuilder, Float32Builder, Float64Array, ListArray,
        NullBufferBuilder, PrimitiveArray, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
        UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Float64Type, SchemaRef, UInt64Type},
    error::ArrowError,
};
use plugin_api::{Column, ColumnType, Record, Symbol, Visitor};

use crate::schema::level;

/// Book levels of each side that every row has; absent ones are null.
const LEAST_LEVELS: usize = 5;

/// Rows of one kind that are not encoded yet, column by column.
pub struct Rows {
    columns: Vec<Values>,
    rows: usize,
    variable_bytes: usize,
}

/// The values of one column.
enum Values {
    Texts(StringBuilder),
    Times(TimestampMicrosecondBuilder),
    Numbers(Vec<f64>),
    Counts(Vec<u64>),
    Prices(LevelColumn<Float64Type>),
    Sizes(LevelColumn<UInt64Type>),
    Flags(BooleanBuilder),
    Scores(Float32Builder),
}

impl Rows {
    /// No rows of those columns. There is no room yet: the default is 5 KB for texts, too much for
    /// thousands of partitions.
    pub fn new(columns: &[Column]) -> Self {
        let values = |column: &Column| match column.kind {
            ColumnType::Symbol
            | ColumnType::SymbolPart
            | ColumnType::Text
            | ColumnType::OptionalText
            | ColumnType::Source => Values::Texts(StringBuilder::with_capacity(0, 0)),
            ColumnType::Time => Values::Times(TimestampMicrosecondBuilder::with_capacity(0)),
            ColumnType::Price | ColumnType::Amount => Values::Numbers(Vec::new()),
            ColumnType::Volume => Values::Counts(Vec::new()),
            ColumnType::Prices => Values::Prices(LevelColumn::default()),
            ColumnType::Sizes => Values::Sizes(LevelColumn::default()),
            ColumnType::Flag => Values::Flags(BooleanBuilder::with_capacity(0)),
            ColumnType::Score => Values::Scores(Float32Builder::with_capacity(0)),
        };
        Self { columns: columns.iter().map(values).collect(), rows: 0, variable_bytes: 0 }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Text and levels in them, bytes; what a bound on memory needs.
    pub fn variable_bytes(&self) -> usize {
        self.variable_bytes
    }

    /// Adds a record of the kind that the columns are of.
    #[inline]
    pub fn push(&mut self, record: &impl Record) {
        let mut row = Row { columns: self.columns.iter_mut(), variable_bytes: 0 };
        record.visit(&mut row);
        self.variable_bytes += row.variable_bytes;
        self.rows += 1;
    }

    /// The rows as columns of that [`schema`](crate::schema()); starts anew, with room for as many if
    /// `more` of them will follow.
    ///
    /// # Errors
    /// When that schema is of another kind of record.
    pub fn finish(&mut self, schema: &SchemaRef, more: bool) -> Result<RecordBatch, ArrowError> {
        let room = if more { self.rows } else { 0 };
        (self.rows, self.variable_bytes) = (0, 0);
        let typed = self.columns.iter_mut().zip(schema.fields());
        let columns = typed.map(|(column, field)| column.finish(room, field.data_type()));
        RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
    }
}

impl Values {
    fn finish(&mut self, room: usize, kind: &DataType) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Texts(column) => Arc::new(column.finish()),
            Self::Times(column) => Arc::new(column.finish().with_data_type(kind.clone())),
            Self::Numbers(column) => Arc::new(Float64Array::from(renewed(column, room))),
            Self::Counts(column) => Arc::new(UInt64Array::from(renewed(column, room))),
            Self::Prices(column) => column.finish(room)?,
            Self::Sizes(column) => column.finish(room)?,
            Self::Flags(column) => Arc::new(column.finish()),
            Self::Scores(column) => Arc::new(column.finish()),
        })
    }
}

/// A row on its way into the columns.
struct Row<'a> {
    columns: std::slice::IterMut<'a, Values>,
    variable_bytes: usize,
}

impl Visitor for Row<'_> {
    /// `600000.SH`
    #[inline]
    fn symbol(&mut self, _: &'static Column, symbol: Symbol<'_>) {
        if let Some(Values::Texts(column)) = self.columns.next() {
            // writing to a builder cannot fail
            let _ = column.write_str(symbol.code);
            let _ = column.write_char('.');
            let _ = column.write_str(symbol.market);
            column.append_value("");
        }
        self.variable_bytes += symbol.market.len() + symbol.code.len();
    }

    #[inline]
    fn text(&mut self, column: &'static Column, text: &str) {
        let is_null = column.kind == ColumnType::OptionalText && text.is_empty();
        if let Some(Values::Texts(column)) = self.columns.next() {
            column.append_option((!is_null).then_some(text));
        }
        self.variable_bytes += text.len();
    }

    /// A moment; 0 stands for an unknown one.
    #[inline]
    fn time(&mut self, _: &'static Column, time_us: i64) {
        if let Some(Values::Times(column)) = self.columns.next() {
            column.append_option((time_us != 0).then_some(time_us));
        }
    }

    #[inline]
    fn number(&mut self, _: &'static Column, value: f64) {
        if let Some(Values::Numbers(column)) = self.columns.next() {
            column.push(value);
        }
    }

    #[inline]
    fn count(&mut self, _: &'static Column, value: u64) {
        if let Some(Values::Counts(column)) = self.columns.next() {
            column.push(value);
        }
    }

    #[inline]
    fn prices(&mut self, _: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        self.variable_bytes += 8 * prices.len();
        if let Some(Values::Prices(column)) = self.columns.next() {
            column.push(prices);
        }
    }

    #[inline]
    fn sizes(&mut self, _: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        self.variable_bytes += 8 * sizes.len();
        if let Some(Values::Sizes(column)) = self.columns.next() {
            column.push(sizes);
        }
    }

    #[inline]
    fn flag(&mut self, _: &'static Column, value: bool) {
        if let Some(Values::Flags(column)) = self.columns.next() {
            column.append_value(value);
        }
    }

    #[inline]
    fn score(&mut self, _: &'static Column, value: Option<f32>) {
        if let Some(Values::Scores(column)) = self.columns.next() {
            column.append_option(value);
        }
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

/// The values; leaves an empty column with that room.
fn renewed<T>(column: &mut Vec<T>, room: usize) -> Vec<T> {
    std::mem::replace(column, Vec::with_capacity(room))
}
