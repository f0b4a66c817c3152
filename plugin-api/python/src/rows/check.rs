//! A table, column by column.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray as _, RecordBatch, RecordBatchOptions, StringArray},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, Float64Type, Schema},
};
use plugin_api::{Column, ColumnType, PluginError, RecordKind, Symbol};

use super::{is_derived, is_required, wanted};

/// What pandas calls the index of a table that has no other name.
const INDEX: &str = "__index_level_";

/// The columns that records of that kind are made of, in their types.
///
/// # Errors
/// `BadData` that names the column, what is wrong with it, and the remedy.
pub fn checked(kind: RecordKind, rows: &RecordBatch) -> Result<RecordBatch, PluginError> {
    for field in rows.schema().fields() {
        let name = field.name();
        let is_known = kind.columns().iter().any(|column| column.name == name);
        if !is_known && !name.starts_with(INDEX) {
            return Err(PluginError::bad_data(format!(
                "{} have no column `{name}`; drop it, as what it holds would be lost",
                kind.plural()
            )));
        }
    }
    let types = lake::schema(kind, lake::ZONE);
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for (column, field) in kind.columns().iter().zip(types.fields()) {
        if is_derived(column) {
            continue;
        }
        let Some(given) = rows.column_by_name(column.name) else {
            if is_required(column) {
                return Err(missing(column));
            }
            continue;
        };
        fields.push(Field::new(column.name, field.data_type().clone(), true));
        columns.push(converted(column, given, field.data_type())?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
        .map_err(|error| PluginError::bad_data(error.to_string()))
}

fn converted(column: &Column, given: &ArrayRef, kind: &DataType) -> Result<ArrayRef, PluginError> {
    if matches!(given.data_type(), DataType::Timestamp(_, None)) {
        return Err(fault(
            column,
            "has times without a zone; say which they have, in pandas by \
             .dt.tz_localize(\"Asia/Shanghai\"), in polars by .dt.replace_time_zone(\"Asia/Shanghai\")",
        ));
    }
    if !suits(column.kind, given.data_type()) {
        let given = given.data_type();
        return Err(fault(column, &format!("holds {given}; give {}", wanted(column))));
    }
    let nulls = given.logical_nulls().filter(|_| is_required(column));
    if let Some(row) = nulls.and_then(|nulls| (0..nulls.len()).find(|row| nulls.is_null(*row))) {
        return Err(fault(column, &format!("is empty in row {row}; fill it, or drop the row")));
    }
    whole(column, given)?;
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let made = cast_with_options(given, kind, &options)
        .map_err(|error| fault(column, &format!("{error}; give {}", wanted(column))))?;
    match column.kind {
        ColumnType::Symbol => symbols(column, made.as_string::<i32>()),
        ColumnType::Price | ColumnType::Amount => {
            let numbers = made.as_primitive::<Float64Type>().values();
            match numbers.iter().position(|number| !number.is_finite()) {
                None => Ok(made),
                Some(row) => {
                    let number = numbers[row];
                    Err(fault(
                        column,
                        &format!("is {number} in row {row}; fill it, or drop the row"),
                    ))
                }
            }
        }
        _ => Ok(made),
    }
}

/// Whether values of that type can be what the column holds. What text says is not guessed.
fn suits(column: ColumnType, given: &DataType) -> bool {
    let is_text =
        |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match column {
        // of a column without a value nobody knows the type
        _ if *given == DataType::Null => true,
        ColumnType::Time => matches!(given, DataType::Timestamp(_, Some(_))),
        ColumnType::Price | ColumnType::Amount | ColumnType::Volume | ColumnType::Score => {
            given.is_numeric()
        }
        ColumnType::Prices | ColumnType::Sizes => match given {
            DataType::List(level)
            | DataType::LargeList(level)
            | DataType::FixedSizeList(level, _) => {
                level.data_type().is_numeric() || *level.data_type() == DataType::Null
            }
            _ => false,
        },
        ColumnType::Flag => *given == DataType::Boolean || given.is_integer(),
        _ => match given {
            DataType::Dictionary(_, values) => is_text(values),
            given => is_text(given),
        },
    }
}

/// Refuses volumes with a fraction, which a conversion would cut off.
fn whole(column: &Column, given: &ArrayRef) -> Result<(), PluginError> {
    let (ColumnType::Volume, Some(numbers)) =
        (column.kind, given.as_primitive_opt::<Float64Type>())
    else {
        return Ok(());
    };
    match numbers.iter().position(|it| it.is_some_and(|it| it.fract() != 0.0 || it.is_nan())) {
        None => Ok(()),
        Some(row) => {
            let number = numbers.value(row);
            Err(fault(column, &format!("is {number} in row {row}; give {}", wanted(column))))
        }
    }
}

/// Securities in one spelling.
fn symbols(column: &Column, given: &StringArray) -> Result<ArrayRef, PluginError> {
    let spelled = given.iter().enumerate().map(|(row, text)| {
        let text = text.unwrap_or_default();
        let is_name =
            |it: &str| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // of the three exchanges the rule is known; others are taken as they are
        let known = Symbol::parse(text, None);
        let other = text.split_once('.').map(|(code, market)| Symbol { market, code });
        let other = other.filter(|it| is_name(it.code) && is_name(it.market));
        let symbol = known.or(other).ok_or_else(|| {
            fault(column, &format!("is {text:?} in row {row}; give {}", wanted(column)))
        })?;
        Ok(symbol.to_string())
    });
    let spelled: Result<StringArray, PluginError> =
        spelled.collect::<Result<Vec<_>, _>>().map(StringArray::from);
    Ok(Arc::new(spelled?))
}

/// A column that must be there and is not.
pub fn missing(column: &Column) -> PluginError {
    PluginError::bad_data(format!(
        "the column `{}` is missing; add it: {}",
        column.name,
        wanted(column)
    ))
}

fn fault(column: &Column, what: &str) -> PluginError {
    PluginError::bad_data(format!("the column `{}` {what}", column.name))
}
