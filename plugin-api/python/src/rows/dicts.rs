//! Dicts as a table.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Float32Builder, Float64Builder, ListBuilder, RecordBatch,
        RecordBatchOptions, StringBuilder, TimestampMicrosecondBuilder, UInt64Builder,
    },
    datatypes::{Field, Schema},
};
use plugin_api::{Column, ColumnType, PluginError, RecordKind};
use pyo3::{prelude::*, types::PyDict};

use super::{check::missing, is_derived, is_required, wanted};
use crate::errors::{bad_data, exception};

/// The rows that an iterable of dicts gives. A key that no dict has is no column; one that some have is
/// empty in the others.
///
/// # Errors
/// `BadData` that names row and column, and what the iterable raises.
pub fn of_dicts(
    kind: RecordKind,
    dicts: &Bound<'_, PyAny>,
    microseconds: &Bound<'_, PyAny>,
) -> PyResult<RecordBatch> {
    let py = dicts.py();
    let taken = || kind.columns().iter().filter(|column| !is_derived(column));
    let mut columns: Vec<_> =
        taken().map(|column| (column, Values::new(column.kind), false)).collect();
    let mut count = 0;
    for (row, dict) in dicts.try_iter()?.enumerate() {
        let dict = dict?;
        let Ok(dict) = dict.cast::<PyDict>() else {
            let given = dict.get_type();
            return Err(bad_data(
                py,
                &format!(
                    "row {row} is {given}; give dicts, or a table of pandas, polars or pyarrow"
                ),
            ));
        };
        known_keys(kind, dict, row)?;
        for (column, values, is_there) in &mut columns {
            let value = dict.get_item(column.name)?.filter(|value| !value.is_none());
            match value {
                Some(value) => {
                    *is_there = true;
                    values.push(&value, microseconds).map_err(|error| {
                        let cause = error.value(py).to_string();
                        bad_data(
                            py,
                            &format!(
                                "`{}` of row {row} is {}: {cause}; give {}",
                                column.name,
                                shown(&value),
                                wanted(column)
                            ),
                        )
                    })?;
                }
                None if is_required(column) => return Err(exception(py, &of_row(column, row))),
                None => values.push_none(),
            }
        }
        count = row + 1;
    }
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (column, values, is_there) in columns {
        if is_there || is_required(column) {
            let array = values.finish();
            fields.push(Field::new(column.name, array.data_type().clone(), true));
            arrays.push(array);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    let rows = RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options);
    rows.map_err(|error| bad_data(py, &error.to_string()))
}

fn known_keys(kind: RecordKind, dict: &Bound<'_, PyDict>, row: usize) -> PyResult<()> {
    for key in dict.keys() {
        let key = key.str()?;
        let key = key.to_string();
        if !kind.columns().iter().any(|column| column.name == key) {
            let plural = kind.plural();
            let text = format!(
                "{plural} have no `{key}`, which row {row} has; drop it, as it would be lost"
            );
            return Err(bad_data(dict.py(), &text));
        }
    }
    Ok(())
}

fn of_row(column: &Column, row: usize) -> PluginError {
    let missing = missing(column);
    PluginError { message: format!("row {row}: {}", missing.message), ..missing }
}

/// The beginning of a value, for people.
fn shown(value: &Bound<'_, PyAny>) -> String {
    value
        .repr()
        .map_or_else(|_| "of no use".to_owned(), |it| it.to_string().chars().take(40).collect())
}

/// The values of one column so far.
enum Values {
    Texts(StringBuilder),
    Times(TimestampMicrosecondBuilder),
    Numbers(Float64Builder),
    Counts(UInt64Builder),
    Flags(BooleanBuilder),
    Scores(Float32Builder),
    Prices(ListBuilder<Float64Builder>),
    Sizes(ListBuilder<UInt64Builder>),
}

impl Values {
    fn new(kind: ColumnType) -> Self {
        match kind {
            ColumnType::Time => {
                Self::Times(TimestampMicrosecondBuilder::new().with_timezone(lake::ZONE))
            }
            ColumnType::Price | ColumnType::Amount => Self::Numbers(Float64Builder::new()),
            ColumnType::Volume => Self::Counts(UInt64Builder::new()),
            ColumnType::Flag => Self::Flags(BooleanBuilder::new()),
            ColumnType::Score => Self::Scores(Float32Builder::new()),
            ColumnType::Prices => Self::Prices(ListBuilder::new(Float64Builder::new())),
            ColumnType::Sizes => Self::Sizes(ListBuilder::new(UInt64Builder::new())),
            _ => Self::Texts(StringBuilder::new()),
        }
    }

    fn push(&mut self, value: &Bound<'_, PyAny>, microseconds: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Texts(values) => values.append_value(value.extract::<String>()?),
            Self::Times(values) => values.append_value(microseconds.call1((value,))?.extract()?),
            Self::Numbers(values) => values.append_value(value.extract()?),
            Self::Counts(values) => values.append_value(value.extract()?),
            Self::Flags(values) => values.append_value(value.extract()?),
            Self::Scores(values) => values.append_value(value.extract()?),
            Self::Prices(values) => {
                let levels: Vec<Option<f64>> = value.extract()?;
                levels.into_iter().for_each(|level| values.values().append_option(level));
                values.append(true);
            }
            Self::Sizes(values) => {
                let levels: Vec<Option<u64>> = value.extract()?;
                levels.into_iter().for_each(|level| values.values().append_option(level));
                values.append(true);
            }
        }
        Ok(())
    }

    fn push_none(&mut self) {
        match self {
            Self::Texts(values) => values.append_null(),
            Self::Times(values) => values.append_null(),
            Self::Numbers(values) => values.append_null(),
            Self::Counts(values) => values.append_null(),
            Self::Flags(values) => values.append_null(),
            Self::Scores(values) => values.append_null(),
            Self::Prices(values) => values.append(false),
            Self::Sizes(values) => values.append(false),
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Texts(mut values) => Arc::new(values.finish()),
            Self::Times(mut values) => Arc::new(values.finish()),
            Self::Numbers(mut values) => Arc::new(values.finish()),
            Self::Counts(mut values) => Arc::new(values.finish()),
            Self::Flags(mut values) => Arc::new(values.finish()),
            Self::Scores(mut values) => Arc::new(values.finish()),
            Self::Prices(mut values) => Arc::new(values.finish()),
            Self::Sizes(mut values) => Arc::new(values.finish()),
        }
    }
}
