//! Reads records in the columns of the `parquet` sink from the cells of their rows.

use std::marker::PhantomData;

use plugin_api::{
    Column, ColumnType, Record,
    schemas::records::{OwnedRecord, ValueSource},
};

use crate::{
    cell::Cell,
    columns::Header,
    fill::{
        CellReader, Cells, Fault, at, read_price, read_quality, read_symbol, read_text, read_time,
    },
    moment::MomentReader,
    row::Row,
    settings::Settings,
};

/// Reads records of one kind from cells.
#[derive(Debug)]
pub struct OwnCells<R> {
    /// Where the file has each column of the record. Only flags, scores and optional texts may be missing.
    columns: Vec<Option<usize>>,
    time: usize,
    times: MomentReader,
    key: String,
    rows: PhantomData<R>,
}

impl<R: OwnedRecord + Row> CellReader for OwnCells<R> {
    type Row = R;

    fn find(header: &Header<'_>, settings: &Settings) -> Result<Self, String> {
        let columns = <R::Record<'static> as Record>::COLUMNS;
        let place = |column: &Column| match (header.position(column.name), column.kind) {
            (None, ColumnType::Flag | ColumnType::Score | ColumnType::OptionalText) => Ok(None),
            (None, _) => Err(header.lacks(column.name, "")),
            found => Ok(found.0),
        };
        let places = columns.iter().map(place).collect::<Result<Vec<_>, _>>()?;
        let time = columns.iter().position(|column| column.kind == ColumnType::Time);
        let cells = Self {
            time: time.and_then(|place| places[place]).unwrap_or_default(),
            columns: places,
            times: MomentReader::new(settings.date),
            key: String::new(),
            rows: PhantomData,
        };
        header.refuse_repeated(&cells.columns())?;
        Ok(cells)
    }

    fn time_columns(&self) -> Vec<usize> {
        vec![self.time]
    }

    fn columns(&self) -> Vec<usize> {
        self.columns.iter().copied().flatten().collect()
    }

    fn time(&mut self, cells: &impl Cells) -> Result<i64, Fault> {
        read_time(&mut self.times, cells, None, self.time)
    }

    fn read(
        &mut self,
        cells: &impl Cells,
        settings: &Settings,
        row: &mut R,
    ) -> Result<bool, Fault> {
        let Self { columns, times, key, .. } = self;
        let mut values = Values { columns: columns.iter(), times, key, cells, settings };
        match row.read(&mut values) {
            Ok(()) => Ok(true),
            Err(Stop::Passed) => Ok(false),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }
}

/// Why a row is not read to its end.
enum Stop {
    /// The filter does not take it.
    Passed,
    Fault(Fault),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The cells of one row in the order of the record's columns.
struct Values<'a, C> {
    columns: std::slice::Iter<'a, Option<usize>>,
    times: &'a mut MomentReader,
    key: &'a mut String,
    cells: &'a C,
    settings: &'a Settings,
}

impl<C> Values<'_, C> {
    fn next(&mut self) -> Option<usize> {
        self.columns.next().copied().flatten()
    }
}

impl<C: Cells> ValueSource for Values<'_, C> {
    type Error = Stop;

    fn symbol(
        &mut self,
        _: &'static Column,
        market: &mut String,
        code: &mut String,
    ) -> Result<(), Stop> {
        let Some(column) = self.next() else { return Ok(()) };
        let read = read_symbol(self.cells, column, None, self.settings.market, code)?;
        market.clear();
        market.push_str(read);
        let is_taken = self.settings.takes_symbol(read, code, self.key);
        if is_taken { Ok(()) } else { Err(Stop::Passed) }
    }

    fn text(&mut self, _: &'static Column, text: &mut String) -> Result<(), Stop> {
        read_text(self.cells, self.next(), text);
        Ok(())
    }

    fn time(&mut self, _: &'static Column) -> Result<i64, Stop> {
        let Some(column) = self.next() else { return Ok(0) };
        let time_us = read_time(self.times, self.cells, None, column)?;
        if self.settings.filter.takes_time(time_us) { Ok(time_us) } else { Err(Stop::Passed) }
    }

    fn number(&mut self, _: &'static Column) -> Result<f64, Stop> {
        Ok(read_price(self.cells, self.next())?)
    }

    fn count(&mut self, _: &'static Column) -> Result<u64, Stop> {
        let Some(column) = self.next() else { return Ok(0) };
        Ok(at(column, self.cells.cell(column).shares(1))?.unwrap_or(0))
    }

    /// A flag that was not recorded is set.
    fn flag(&mut self, _: &'static Column) -> Result<bool, Stop> {
        Ok(match self.next().map(|column| (column, self.cells.cell(column))) {
            None | Some((_, Cell::Empty)) => true,
            Some((column, cell)) => at(column, cell.truth())?,
        })
    }

    fn score(&mut self, _: &'static Column) -> Result<Option<f32>, Stop> {
        Ok(read_quality(self.cells, self.next())?)
    }
}
