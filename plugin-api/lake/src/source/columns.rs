//! Columns of a file by their names, in the types that this source reads.
//!
//! Other writers may have other types for the same values: what can be converted is.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, ArrowPrimitiveType, AsArray as _, LargeListArray, PrimitiveArray,
        RecordBatch, StringArray, TimestampMicrosecondArray,
    },
    compute::cast,
    datatypes::{
        DataType, Field, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
    },
    error::ArrowError,
};
use kit::history::{Lists, Table, Texts, Values};
use parquet::{arrow::ProjectionMask, schema::types::SchemaDescriptor};
use plugin_api::{ColumnType, RecordKind};

use crate::schema::UTC;

/// Columns of a file, by their names.
pub fn mask(schema: &SchemaDescriptor, is_chosen: impl Fn(&str) -> bool) -> ProjectionMask {
    let roots = schema.root_schema().get_fields().iter().enumerate();
    let chosen = roots.filter(|(_, field)| is_chosen(field.name()));
    ProjectionMask::roots(schema, chosen.map(|(place, _)| place).collect::<Vec<_>>())
}

/// Rows as records of that kind; a column that is not there counts as empty.
///
/// # Errors
/// When a column holds something else.
pub fn table(rows: &RecordBatch, kind: RecordKind) -> Result<Table, ArrowError> {
    let mut table = Table::new(rows.num_rows());
    for column in kind.columns() {
        if let Some(found) = rows.column_by_name(column.name) {
            table.push(column.name, values(found, column.kind)?);
        }
    }
    Ok(table)
}

/// Moments of a column, if it is there.
///
/// # Errors
/// When it holds something else.
pub fn times(
    rows: &RecordBatch,
    name: &str,
) -> Result<Option<TimestampMicrosecondArray>, ArrowError> {
    let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
    let column = rows.column_by_name(name).map(|column| cast(column, &kind)).transpose()?;
    Ok(column.map(|it| it.as_primitive::<TimestampMicrosecondType>().clone()))
}

/// Texts of a column, if it is there.
///
/// # Errors
/// When it holds something else.
pub fn texts(rows: &RecordBatch, name: &str) -> Result<Option<StringArray>, ArrowError> {
    let column = rows.column_by_name(name).map(|column| cast(column, &DataType::Utf8));
    Ok(column.transpose()?.map(|it| it.as_string::<i32>().clone()))
}

fn values(column: &ArrayRef, kind: ColumnType) -> Result<Values, ArrowError> {
    Ok(match kind {
        ColumnType::Time => {
            let kind = DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()));
            Values::Times(numbers(cast(column, &kind)?.as_primitive::<TimestampMicrosecondType>()))
        }
        ColumnType::Price | ColumnType::Amount => {
            let column = cast(column, &DataType::Float64)?;
            Values::Numbers(numbers(column.as_primitive::<Float64Type>()))
        }
        ColumnType::Volume => {
            let column = cast(column, &DataType::UInt64)?;
            Values::Counts(numbers(column.as_primitive::<UInt64Type>()))
        }
        ColumnType::Prices => {
            let column = lists(column, DataType::Float64)?;
            Values::Prices(levels(&column, column.values().as_primitive::<Float64Type>()))
        }
        ColumnType::Sizes => {
            let column = lists(column, DataType::UInt64)?;
            Values::Sizes(levels(&column, column.values().as_primitive::<UInt64Type>()))
        }
        ColumnType::Flag => {
            let column = cast(column, &DataType::Boolean)?;
            // one that was not recorded is set
            Values::Flags(column.as_boolean().iter().map(|flag| flag.unwrap_or(true)).collect())
        }
        ColumnType::Score => {
            let column = cast(column, &DataType::Float32)?;
            Values::Scores(column.as_primitive::<Float32Type>().iter().collect())
        }
        _ => {
            let column = cast(column, &DataType::Utf8)?;
            let mut texts = Texts::default();
            let found = column.as_string::<i32>().iter();
            found.for_each(|text| texts.push(text.unwrap_or_default()));
            Values::Texts(texts)
        }
    })
}

/// Values; 0 where null.
fn numbers<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>) -> Vec<T::Native> {
    column.iter().map(Option::unwrap_or_default).collect()
}

fn lists(column: &ArrayRef, item: DataType) -> Result<LargeListArray, ArrowError> {
    let item = Arc::new(Field::new("element", item, true));
    Ok(cast(column, &DataType::LargeList(item))?.as_list::<i64>().clone())
}

/// The levels of each row, without those that pad it.
fn levels<T: ArrowPrimitiveType>(
    lists: &LargeListArray,
    values: &PrimitiveArray<T>,
) -> Lists<T::Native> {
    let mut levels = Lists::default();
    for row in 0..lists.len() {
        let at = |place: usize| usize::try_from(lists.value_offsets()[place]).unwrap_or_default();
        let range = if lists.is_null(row) { 0..0 } else { at(row)..at(row + 1) };
        levels.push(range.map_while(|at| values.is_valid(at).then(|| values.value(at))));
    }
    levels
}
