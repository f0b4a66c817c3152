//! Tables of columns: those of the `parquet` sink and those of any vendor.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use arrow::{datatypes::SchemaRef, record_batch::RecordBatch};
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};
use plugin_api::serde_json;

use crate::{
    array::Column,
    cell::Cell,
    columns::Header,
    fill::{CellReader, Cells, Fault},
    foreign,
    reader::{BadRow, OpenFault, Reader, Step, TimeReader, Timed, clean, excerpt, in_file, shown},
    settings::Settings,
};

/// Rows that are unpacked at a time.
const UNPACKED_ROWS: usize = 2_048;

/// What a file is to be opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Times,
    Rows,
}

/// Rows of a file, unpacked a part at a time.
struct Table {
    file: Arc<Path>,
    names: Vec<String>,
    parts: ParquetRecordBatchReader,
    /// Columns of the part, by their place in the file.
    columns: Vec<Column>,
    rows: usize,
    /// The row within the part; the first call of `advance` makes it 0.
    next_row: usize,
    /// Number of the row in the file, from 1.
    number: u64,
}

/// Reads rows of one kind.
pub struct Columnar<C> {
    table: Table,
    cells: C,
    settings: Arc<Settings>,
}

type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Hands the header of a file over; its fault is one of the columns.
///
/// # Errors
/// When the file cannot be read, and that fault.
pub fn with_header<T>(
    path: &Path,
    read: impl FnOnce(&Header<'_>) -> Result<T, String>,
) -> Result<T, OpenFault> {
    let builder = builder(path)?;
    let (names, lists) = header(builder.schema());
    let header = Header { file: path, names: &names, lists: &lists };
    read(&header).map_err(OpenFault::Columns)
}

impl<C: CellReader> Columnar<C> {
    /// Opens a file.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    pub fn open(
        path: &Path,
        settings: &Arc<Settings>,
        purpose: Purpose,
    ) -> Result<Self, OpenFault> {
        let builder = builder(path)?;
        let (names, lists) = header(builder.schema());
        let header = Header { file: path, names: &names, lists: &lists };
        let cells = C::find(&header, settings).map_err(OpenFault::Columns)?;
        let used = if purpose == Purpose::Times { cells.time_columns() } else { cells.columns() };
        let table = Table::open(path, builder, names, &used)?;
        Ok(Self { table, cells, settings: Arc::clone(settings) })
    }
}

impl Table {
    fn open(
        path: &Path,
        builder: Builder,
        names: Vec<String>,
        used: &[usize],
    ) -> Result<Self, OpenFault> {
        let mask = ProjectionMask::roots(builder.parquet_schema(), used.iter().copied());
        let builder = builder.with_projection(mask).with_batch_size(UNPACKED_ROWS);
        let parts = contained(|| builder.build()).map_err(|error| unopened(path, &error))?;
        Ok(Self {
            file: Arc::from(path),
            columns: names.iter().map(|_| Column::Absent).collect(),
            names,
            parts,
            rows: 0,
            next_row: 0,
            number: 0,
        })
    }

    /// Goes to the next row; false at the end.
    fn advance(&mut self) -> Result<bool, String> {
        self.number += 1;
        self.next_row += 1;
        while self.next_row >= self.rows {
            let parts = &mut self.parts;
            let Some(part) = contained(|| parts.next().transpose()).transpose() else {
                return Ok(false);
            };
            let part = part.map_err(|error| {
                format!(
                    "{}, behind row {}: {}",
                    shown(&self.file),
                    self.number - 1,
                    unreadable(&error)
                )
            })?;
            self.load(&part)?;
        }
        Ok(true)
    }

    fn load(&mut self, part: &RecordBatch) -> Result<(), String> {
        for (field, array) in part.schema().fields().iter().zip(part.columns()) {
            let column = Column::new(array).map_err(|error| {
                in_file(&self.file, format!("column {}: {error}", excerpt(field.name())))
            })?;
            if let Some(index) = self.names.iter().position(|name| name == field.name()) {
                self.columns[index] = column;
            }
        }
        (self.rows, self.next_row) = (part.num_rows(), 0);
        Ok(())
    }

    fn bad_row(&self, fault: Fault) -> Step {
        let used = self.names.iter().zip(&self.columns);
        let raw: BTreeMap<_, _> = used
            .filter(|(_, column)| !matches!(column, Column::Absent))
            .map(|(name, column)| (name, column.text(self.next_row)))
            .collect();
        Step::Bad(Box::new(BadRow {
            row: self.number,
            lines: 1,
            column: clean(&self.names[fault.column]),
            value: excerpt(&self.columns[fault.column].text(self.next_row)),
            why: fault.why.to_owned(),
            raw: serde_json::to_vec(&raw).unwrap_or_default(),
        }))
    }

    fn step(&self, read: Result<bool, Fault>) -> Step {
        match read {
            Ok(true) => Step::Row,
            Ok(false) => Step::Skipped,
            Err(fault) => self.bad_row(fault),
        }
    }
}

impl Cells for Table {
    fn cell(&self, column: usize) -> Cell<'_> {
        self.columns[column].cell(self.next_row)
    }

    fn element(&self, column: usize, index: usize) -> Option<Cell<'_>> {
        self.columns[column].element(self.next_row, index)
    }
}

impl<C: CellReader> Reader<C::Row> for Columnar<C> {
    fn next(&mut self, row: &mut C::Row) -> Result<Step, String> {
        if !self.table.advance()? {
            return Ok(Step::End);
        }
        let read = self.cells.read(&self.table, &self.settings, row);
        Ok(self.table.step(read))
    }
}

impl<C: CellReader> TimeReader for Columnar<C> {
    fn next_time(&mut self) -> Result<Timed, String> {
        let is_row = self.table.advance()?;
        Ok(if is_row { self.cells.time(&self.table).into() } else { Timed::End })
    }
}

fn builder(path: &Path) -> Result<Builder, OpenFault> {
    let failed = |error| OpenFault::Unreadable(in_file(path, error));
    let mut file = kit::file::open(path).map_err(|error| failed(error.to_string()))?;
    let mut start = [0; 512];
    let read = file.read(&mut start).map_err(|error| failed(error.to_string()))?;
    if !start.starts_with(b"PAR1")
        && let Some(what) = foreign::instead_of_parquet(&start[..read])
    {
        return Err(failed(what));
    }
    contained(|| Builder::try_new(file)).map_err(|error| unopened(path, &error))
}

/// Runs a call into the parquet crate, which panics on some damaged files.
fn contained<T, E: std::fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    // what the call worked on is not used again after an error
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("its content contradicts itself".to_owned()),
    }
}

fn unopened(path: &Path, error: &dyn std::fmt::Display) -> OpenFault {
    OpenFault::Unreadable(in_file(path, unreadable(error)))
}

fn unreadable(error: &dyn std::fmt::Display) -> String {
    format!("{error}: the file is truncated, damaged or still being written")
}

fn header(schema: &SchemaRef) -> (Vec<String>, Vec<bool>) {
    let fields = schema.fields().iter();
    fields.map(|field| (field.name().clone(), Column::is_list(field.data_type()))).unzip()
}
