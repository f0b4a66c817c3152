//! Which rows of a file are asked for.

use std::sync::Arc;

use arrow::{
    array::{Array as _, BooleanArray, RecordBatch, StringArray},
    error::ArrowError,
};
use kit::history::{Span, Wanted};
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ArrowPredicateFn, RowFilter},
    },
    file::{metadata::RowGroupMetaData, statistics::Statistics},
    schema::types::SchemaDescriptor,
};
use plugin_api::RecordKind;

use super::{
    columns::{self, texts},
    file::Opened,
};
use crate::{recover::key, schema::SCHEMA_KEY};

const TIME: &str = "time";
const SYMBOL: &str = "symbol";
const PERIOD: &str = "period";
/// What bars do not have.
const OF_QUOTES: &str = "pre_close";

/// Whether a file holds records of the kind that is asked for.
///
/// # Errors
/// What it lacks.
pub fn is_of_kind(opened: &Opened, kind: RecordKind) -> Result<bool, String> {
    let schema = opened.metadata().schema();
    let has = |name: &str| schema.column_with_name(name).is_some();
    let named = key(opened.metadata().metadata(), SCHEMA_KEY).and_then(RecordKind::named);
    // another writer may have written the columns anew without the footer's keys
    let guessed = match (has(OF_QUOTES), has(PERIOD)) {
        (true, false) => Some(RecordKind::Spot),
        (false, true) => Some(RecordKind::Bar),
        _ => None,
    };
    let Some(found) = named.or(guessed) else {
        return Err(format!("it has neither a column {OF_QUOTES} nor a column {PERIOD}"));
    };
    let needed =
        if kind == RecordKind::Bar { &[TIME, SYMBOL, PERIOD][..] } else { &[TIME, SYMBOL] };
    let missing = needed.iter().find(|name| !has(name));
    match missing {
        Some(name) if found == kind => Err(format!("it has no column {name}")),
        _ => Ok(found == kind),
    }
}

/// Whether a row group may have times that are asked for, by what its footer says of them.
pub fn may_have(group: &RowGroupMetaData, wanted: &Wanted) -> bool {
    let is_time = |path: &str| path == TIME;
    let column = group.columns().iter().find(|it| is_time(&it.column_path().string()));
    // other writers may count in other units
    let is_micros = |descriptor: &parquet::schema::types::ColumnDescriptor| {
        use parquet::basic::{LogicalType, TimeUnit};
        let kind = descriptor.logical_type_ref();
        kind.is_some_and(
            |kind| matches!(kind, LogicalType::Timestamp(it) if it.unit == TimeUnit::MICROS),
        )
    };
    let Some(column) = column.filter(|it| is_micros(it.column_descr())) else { return true };
    let Some(Statistics::Int64(told)) = column.statistics() else { return true };
    let (Some(least), Some(most)) = (told.min_opt(), told.max_opt()) else { return true };
    *least <= wanted.asked().to_us && *most >= wanted.asked().from_us
}

/// The columns that a choice is made by.
pub fn mask(schema: &SchemaDescriptor, wanted: &Wanted) -> ProjectionMask {
    columns::mask(schema, |name| match name {
        TIME => true,
        SYMBOL => wanted.names_symbols(),
        PERIOD => wanted.asked().period.is_some(),
        _ => false,
    })
}

/// Lets the reader unpack the other columns of those rows alone that are asked for and lie within
/// the span.
pub fn filter(schema: &SchemaDescriptor, wanted: &Arc<Wanted>, span: Span) -> RowFilter {
    let mask = mask(schema, wanted);
    let wanted = Arc::clone(wanted);
    let choose = move |rows: RecordBatch| chosen(&rows, &wanted, Some(span));
    RowFilter::new(vec![Box::new(ArrowPredicateFn::new(mask, choose))])
}

/// The times of rows that are asked for.
///
/// # Errors
/// When columns hold something else.
pub fn times(
    rows: &RecordBatch,
    wanted: &Wanted,
    mut note: impl FnMut(i64),
) -> Result<(), ArrowError> {
    let chosen = chosen(rows, wanted, None)?;
    let Some(times) = columns::times(rows, TIME)? else { return Ok(()) };
    let rows = (0..rows.num_rows()).filter(|row| chosen.value(*row));
    rows.for_each(|row| note(times.value(row)));
    Ok(())
}

fn chosen(
    rows: &RecordBatch,
    wanted: &Wanted,
    span: Option<Span>,
) -> Result<BooleanArray, ArrowError> {
    let times = columns::times(rows, TIME)?;
    let symbols = texts(rows, SYMBOL)?.filter(|_| wanted.names_symbols());
    let periods = texts(rows, PERIOD)?.filter(|_| wanted.asked().period.is_some());
    let is_chosen = |row: usize| {
        let time_us = times.as_ref().filter(|it| it.is_valid(row)).map(|it| it.value(row));
        time_us.is_some_and(|time_us| {
            wanted.takes_time(time_us)
                && span.is_none_or(|span| (span.from_us..=span.to_us).contains(&time_us))
        }) && symbols
            .as_ref()
            .is_none_or(|it| text(it, row).is_some_and(|it| wanted.takes_symbol(it)))
            && periods
                .as_ref()
                .is_none_or(|it| text(it, row).is_some_and(|it| wanted.takes_period(it)))
    };
    Ok((0..rows.num_rows()).map(|row| Some(is_chosen(row))).collect())
}

fn text(texts: &StringArray, row: usize) -> Option<&str> {
    texts.is_valid(row).then(|| texts.value(row))
}
