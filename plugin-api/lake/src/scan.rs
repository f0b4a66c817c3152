//! Rows of a lake as columns, for analysis.
//!
//! Folders and names tell which files may hold what is asked for, footers which row groups; of these
//! only the columns that a choice is made by are unpacked for every row, and the others for rows that
//! were chosen. Rows come in the order of writing, file by file, earlier days first; those of the file
//! that is being written are there as far as they are committed.

use std::{path::Path, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array},
    compute::cast,
    datatypes::{Field, Schema, SchemaRef},
    error::ArrowError,
};
use kit::history::{Span, Wanted};
use plugin_api::{Ask, PluginError};

use crate::{
    schema::{ZONE, schema},
    source::{
        choose, columns,
        file::{self, Opened, contained, in_file},
        listing,
    },
};

/// Rows that are unpacked at a time.
const UNPACKED_ROWS: usize = 65_536;

/// What was found.
#[derive(Debug)]
pub struct Scan {
    /// The columns, times in the exchange's [zone](ZONE).
    pub schema: SchemaRef,
    /// The rows.
    pub rows: Vec<RecordBatch>,
    /// Files that could not be read, each as a text with the remedy; no row of them is there.
    pub refused: Vec<String>,
}

/// Reads what is asked for, of the columns that are named or of all.
///
/// A column that a file does not have is null there; other types are converted where they can be.
/// Everything that is found is held in memory.
///
/// # Errors
/// `Config` for what cannot be asked, a column that there is not, and a folder that is none; `Retry`
/// for one that cannot be listed.
pub fn scan(lake: &Path, ask: &Ask, names: Option<&[String]>) -> Result<Scan, PluginError> {
    let wanted = Arc::new(Wanted::read(Some(ask))?);
    if !lake.is_dir() {
        let text = format!("{} is no folder; name that of a lake", lake.display());
        return Err(PluginError::config(text));
    }
    let groups = listing::groups(lake, &wanted).map_err(|(folder, error)| {
        let text = format!("cannot list {}: {error}; let this user read it", folder.display());
        PluginError::retry(text)
    })?;
    let mut scan = Scan { schema: chosen(&wanted, names)?, rows: Vec::new(), refused: Vec::new() };
    for listed in groups.iter().flatten() {
        let opened = file::open(lake, listed);
        let rows = opened.and_then(|opened| {
            let Some(opened) = opened else { return Ok(Vec::new()) };
            read(&opened, &wanted, &scan.schema).map_err(|fault| in_file(&listed.path, &fault))
        });
        match rows {
            Ok(rows) => scan.rows.extend(rows),
            Err(fault) => scan.refused.push(fault),
        }
    }
    Ok(scan)
}

/// The columns that are named, in that order, or all.
fn chosen(wanted: &Wanted, names: Option<&[String]>) -> Result<SchemaRef, PluginError> {
    let all = schema(wanted.kind(), ZONE);
    let nullable = |field: &Field| field.clone().with_nullable(true);
    let Some(names) = names else {
        let fields = all.fields().iter().map(|field| nullable(field));
        return Ok(Arc::new(Schema::new(fields.collect::<Vec<_>>())));
    };
    let fields = names.iter().map(|name| {
        let found = all.field_with_name(name).map(nullable);
        found.map_err(|_| {
            let known: Vec<_> = all.fields().iter().map(|field| field.name().as_str()).collect();
            let plural = wanted.kind().plural();
            let known = known.join(", ");
            PluginError::config(format!("{plural} have no column `{name}`; choose of {known}"))
        })
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, _>>()?)))
}

fn read(
    opened: &Opened,
    wanted: &Arc<Wanted>,
    schema: &SchemaRef,
) -> Result<Vec<RecordBatch>, String> {
    if !choose::is_of_kind(opened, wanted.kind())? {
        return Ok(Vec::new());
    }
    let groups = opened.metadata().metadata().row_groups().iter().enumerate();
    let groups: Vec<_> =
        groups.filter(|(_, it)| choose::may_have(it, wanted)).map(|(place, _)| place).collect();
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let reader = opened.reader().map_err(|error| error.to_string())?;
    let (from_us, to_us) = (wanted.asked().from_us, wanted.asked().to_us);
    let filter = choose::filter(reader.parquet_schema(), wanted, Span { from_us, to_us, rows: 0 });
    let is_wanted = |name: &str| schema.column_with_name(name).is_some();
    let mask = columns::mask(reader.parquet_schema(), is_wanted);
    let reader = reader
        .with_row_groups(groups)
        .with_batch_size(UNPACKED_ROWS)
        .with_projection(mask)
        .with_row_filter(filter);
    contained(|| {
        let rows = reader.build()?.map(|rows| shaped(&rows?, schema));
        rows.collect::<Result<Vec<_>, ArrowError>>()
    })
}

/// The rows in the columns of that schema.
fn shaped(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |field: &Arc<Field>| -> Result<ArrayRef, ArrowError> {
        match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()),
            None => Ok(new_null_array(field.data_type(), rows.num_rows())),
        }
    };
    let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}
