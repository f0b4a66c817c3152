//! Tables as text: a header line, then one quote a line.

use std::{io::Read, path::Path, sync::Arc};

use csv::{ByteRecord, ErrorKind, ReaderBuilder, WriterBuilder};
use plugin_api::schemas::qq::decode;

use crate::{
    cell::Cell,
    columns::{Header, Layout},
    fill::{Cells, Fault, SpotCells},
    reader::{BadRow, OpenFault, Reader, Step, TimeReader, excerpt, in_file},
    row::SpotRow,
    settings::Settings,
    text::{describe, open_text},
};

/// The rows of a CSV file.
pub struct CsvReader {
    file: Arc<Path>,
    rows: csv::Reader<Box<dyn Read>>,
    names: Vec<String>,
    record: ByteRecord,
    cells: SpotCells,
    settings: Arc<Settings>,
}

impl CsvReader {
    /// Opens a file and finds its columns.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    pub fn open(path: &Path, settings: &Arc<Settings>) -> Result<Self, OpenFault> {
        let failed = |error| OpenFault::Unreadable(in_file(path, describe(&error)));
        let text = open_text(path).map_err(failed)?;
        let mut rows = ReaderBuilder::new()
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(Box::new(text) as Box<dyn Read>);
        let header = rows.byte_headers();
        let header = header.map_err(|error| OpenFault::Unreadable(failure(path, &error)))?;
        if header.is_empty() {
            return Err(OpenFault::Unreadable(in_file(path, "is empty")));
        }
        let names: Vec<String> = header.iter().map(|name| decode(name).trim().to_owned()).collect();
        let found = Header { file: path, names: &names, lists: &[] };
        let cells =
            SpotCells::new(Layout::find(&found, settings).map_err(OpenFault::Columns)?, settings);
        let (file, record) = (Arc::from(path), ByteRecord::new());
        Ok(Self { file, rows, names, record, cells, settings: Arc::clone(settings) })
    }

    fn advance(&mut self) -> Result<bool, String> {
        let read = self.rows.read_byte_record(&mut self.record);
        read.map_err(|error| failure(&self.file, &error))
    }

    fn bad_row(&self, column: String, value: &str, why: String) -> Step {
        let mut raw = WriterBuilder::new().flexible(true).from_writer(Vec::new());
        let line = raw.write_byte_record(&self.record).ok().and_then(|()| raw.into_inner().ok());
        let row = self.record.position().map_or(0, csv::Position::line);
        let (value, raw) = (excerpt(value), line.unwrap_or_default());
        Step::Bad(Box::new(BadRow { row, column, value, why, raw }))
    }

    fn fault(&self, fault: Fault) -> Step {
        let value = self.record.cell(fault.column).text();
        self.bad_row(self.names[fault.column].clone(), &value, fault.why.to_owned())
    }

    /// Whether the row has the cells that the header announces, but for empty ones at its end.
    fn is_complete(&self) -> bool {
        let (cells, columns) = (self.record.len(), self.names.len());
        cells == columns
            || (cells > columns && self.record.iter().skip(columns).all(<[u8]>::is_empty))
    }
}

impl Reader<SpotRow> for CsvReader {
    fn next(&mut self, row: &mut SpotRow) -> Result<Step, String> {
        if !self.advance()? {
            return Ok(Step::End);
        }
        if !self.is_complete() {
            let why =
                format!("has {} cells, the header has {}", self.record.len(), self.names.len());
            return Ok(self.bad_row(String::new(), "", why));
        }
        match self.cells.read(&self.record, &self.settings, row) {
            Ok(true) => Ok(Step::Row),
            Ok(false) => Ok(Step::Skipped),
            Err(fault) => Ok(self.fault(fault)),
        }
    }
}

impl TimeReader for CsvReader {
    fn next_time(&mut self) -> Result<Option<i64>, String> {
        while self.advance()? {
            if self.is_complete()
                && let Ok(time_us) = self.cells.time(&self.record)
            {
                return Ok(Some(time_us));
            }
        }
        Ok(None)
    }
}

impl Cells for ByteRecord {
    fn cell(&self, column: usize) -> Cell<'_> {
        self.get(column).map_or(Cell::Empty, Cell::from_text)
    }

    fn element(&self, _: usize, _: usize) -> Option<Cell<'_>> {
        None
    }
}

fn failure(path: &Path, error: &csv::Error) -> String {
    let line = error.position().map(|position| format!(" at line {}", position.line()));
    match error.kind() {
        ErrorKind::Io(error) => in_file(path, describe(error)),
        _ => in_file(path, format!("is no CSV{}: {error}", line.unwrap_or_default())),
    }
}
