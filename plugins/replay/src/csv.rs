//! Tables as text: a header line, then one record a line.

use std::{path::Path, sync::Arc};

use plugin_api::schemas::qq::decode;

use crate::{
    cell::Cell,
    columns::Header,
    fill::{CellReader, Cells, Fault},
    lines::Lines,
    reader::{BadRow, OpenFault, Reader, Step, TimeReader, Timed, clean, excerpt, in_file},
    records::{Damage, Found, Records},
    settings::Settings,
    text::{describe, open_text},
};

/// The rows of a file.
struct Table {
    file: Arc<Path>,
    names: Vec<String>,
    records: Records,
}

/// Reads rows of one kind.
pub struct Text<C> {
    table: Table,
    cells: C,
    settings: Arc<Settings>,
}

/// Hands the header of a file over; its fault is one of the columns.
///
/// # Errors
/// When the file cannot be read, and that fault.
pub fn with_header<T>(
    path: &Path,
    read: impl FnOnce(&Header<'_>) -> Result<T, String>,
) -> Result<T, OpenFault> {
    read(&Table::open(path)?.header()).map_err(OpenFault::Columns)
}

impl<C: CellReader> Text<C> {
    /// Opens a file.
    ///
    /// # Errors
    /// When the file cannot be read or lacks a column.
    pub fn open(path: &Path, settings: &Arc<Settings>) -> Result<Self, OpenFault> {
        let table = Table::open(path)?;
        let cells = C::find(&table.header(), settings).map_err(OpenFault::Columns)?;
        Ok(Self { table, cells, settings: Arc::clone(settings) })
    }
}

impl Table {
    fn open(path: &Path) -> Result<Self, OpenFault> {
        let mut records = Records::new(Lines::new(open_text(path)?));
        match records.read_header() {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err(OpenFault::Unreadable(in_file(path, "is empty"))),
            Ok(Err(fault)) => return Err(OpenFault::Unreadable(in_file(path, fault))),
            Err(error) => return Err(OpenFault::Unreadable(in_file(path, describe(&error)))),
        }
        let names = (0..records.len()).filter_map(|index| records.cell(index));
        let names = names.map(|name| decode(name).trim().to_owned()).collect();
        Ok(Self { file: Arc::from(path), names, records })
    }

    fn header(&self) -> Header<'_> {
        Header { file: &self.file, names: &self.names, lists: &[] }
    }

    /// Goes to the next row; `Some` with what is no row, or with the end.
    fn advance(&mut self) -> Result<Option<Step>, String> {
        Ok(match self.records.read().map_err(|error| in_file(&self.file, describe(&error)))? {
            Found::End => Some(Step::End),
            Found::Damage(damage) => Some(damaged(damage)),
            Found::Record if self.records.is_complete() => None,
            Found::Record => {
                let (cells, columns) = (self.records.len(), self.names.len());
                let why = format!("has {cells} cells, the header has {columns}; give it as many");
                Some(self.bad_row(String::new(), "", why))
            }
        })
    }

    fn bad_row(&self, column: String, value: &str, why: String) -> Step {
        let raw = [self.records.raw(), b"\n"].concat();
        let (row, value) = (self.records.number(), excerpt(value));
        Step::Bad(Box::new(BadRow { row, lines: 1, column, value, why, raw }))
    }

    fn step(&self, read: Result<bool, Fault>) -> Step {
        match read {
            Ok(true) => Step::Row,
            Ok(false) => Step::Skipped,
            Err(fault) => {
                let value = self.cell(fault.column).text();
                self.bad_row(clean(&self.names[fault.column]), &value, fault.why.to_owned())
            }
        }
    }
}

impl Cells for Table {
    fn cell(&self, column: usize) -> Cell<'_> {
        self.records.cell(column).map_or(Cell::Empty, Cell::from_text)
    }

    fn element(&self, _: usize, _: usize) -> Option<Cell<'_>> {
        None
    }
}

impl<C: CellReader> Reader<C::Row> for Text<C> {
    fn next(&mut self, row: &mut C::Row) -> Result<Step, String> {
        if let Some(step) = self.table.advance()? {
            return Ok(step);
        }
        let read = self.cells.read(&self.table, &self.settings, row);
        Ok(self.table.step(read))
    }
}

impl<C: CellReader> TimeReader for Text<C> {
    fn next_time(&mut self) -> Result<Timed, String> {
        Ok(match self.table.advance()? {
            Some(Step::End) => Timed::End,
            Some(_) => Timed::Unreadable,
            None => self.cells.time(&self.table).into(),
        })
    }
}

fn damaged(damage: Damage) -> Step {
    let Damage { first, lines, bytes, why, raw, next } = damage;
    let goes_on = match next {
        Some(next) => format!("reading goes on with row {next}"),
        None => "no row follows".to_owned(),
    };
    let count = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    let why = format!("{why}: {count} of {bytes} bytes set aside, {goes_on}; mend row {first}");
    Step::Bad(Box::new(BadRow {
        row: first,
        lines,
        column: String::new(),
        value: String::new(),
        why,
        raw,
    }))
}
