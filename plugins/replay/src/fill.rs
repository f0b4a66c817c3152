//! Reads quotes from the cells of their rows.

use plugin_api::schemas::symbol::{market_name, parse_symbol};

use crate::{
    cell::{Cell, Why},
    columns::{Header, Layout, LevelColumns},
    list,
    moment::{MomentReader, Part},
    row::{Levels, Row, SpotRow},
    settings::Settings,
};

/// The cells of one row.
pub trait Cells {
    /// The cell of a column.
    fn cell(&self, column: usize) -> Cell<'_>;
    /// An element of a column of lists; `None` behind its end.
    fn element(&self, column: usize, index: usize) -> Option<Cell<'_>>;
}

/// A cell that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub column: usize,
    pub why: Why,
}

/// Reads rows of one kind from their cells.
pub trait CellReader: Sized {
    /// What is read.
    type Row: Row;

    /// Finds the columns of a file.
    ///
    /// # Errors
    /// A text with the file and what it lacks or has twice.
    fn find(header: &Header<'_>, settings: &Settings) -> Result<Self, String>;

    /// The columns that times are made of.
    fn time_columns(&self) -> Vec<usize>;

    /// Every column that is read.
    fn columns(&self) -> Vec<usize>;

    /// The time of a row.
    ///
    /// # Errors
    /// The cell at fault.
    fn time(&mut self, cells: &impl Cells) -> Result<i64, Fault>;

    /// Reads a row; false when the filter does not take it.
    ///
    /// # Errors
    /// The first cell at fault.
    fn read(
        &mut self,
        cells: &impl Cells,
        settings: &Settings,
        row: &mut Self::Row,
    ) -> Result<bool, Fault>;
}

/// Reads quotes from cells.
#[derive(Debug)]
pub struct SpotCells {
    layout: Layout,
    times: MomentReader,
    recv_times: MomentReader,
    key: String,
}

impl CellReader for SpotCells {
    type Row = SpotRow;

    fn find(header: &Header<'_>, settings: &Settings) -> Result<Self, String> {
        Ok(Self {
            layout: Layout::find(header, settings)?,
            times: MomentReader::new(settings.date),
            recv_times: MomentReader::new(settings.date),
            key: String::new(),
        })
    }

    fn time_columns(&self) -> Vec<usize> {
        self.layout.of_time()
    }

    fn columns(&self) -> Vec<usize> {
        self.layout.all()
    }

    fn time(&mut self, cells: &impl Cells) -> Result<i64, Fault> {
        read_time(&mut self.times, cells, self.layout.date, self.layout.time)
    }

    fn read(
        &mut self,
        cells: &impl Cells,
        settings: &Settings,
        row: &mut SpotRow,
    ) -> Result<bool, Fault> {
        let market = self.layout.market;
        row.market = read_symbol(cells, self.layout.code, market, settings.market, &mut row.code)?;
        if !settings.takes_symbol(row.market, &row.code, &mut self.key) {
            return Ok(false);
        }
        row.time_us = self.time(cells)?;
        if !settings.filter.takes_time(row.time_us) {
            return Ok(false);
        }
        self.read_values(cells, settings, row)?;
        Ok(true)
    }
}

impl SpotCells {
    fn read_values(
        &mut self,
        cells: &impl Cells,
        settings: &Settings,
        row: &mut SpotRow,
    ) -> Result<(), Fault> {
        let layout = &self.layout;
        // an empty cell of a file that keeps receive times is one that was not known
        row.recv_time_us = match layout.recv_time {
            Some(column) if cells.cell(column) == Cell::Empty => 0,
            Some(column) => read_time(&mut self.recv_times, cells, layout.date, column)?,
            None => row.time_us,
        };
        read_text(cells, layout.name, &mut row.name);
        read_text(cells, layout.source, &mut row.source);
        row.quality_score = read_quality(cells, layout.quality_score)?;
        row.pre_close = read_price(cells, layout.pre_close)?;
        row.open = read_price(cells, layout.open)?;
        row.high = read_price(cells, layout.high)?;
        row.low = read_price(cells, layout.low)?;
        row.close = read_price(cells, layout.close)?;
        row.amount_cny = read_amount(cells, layout.amount, settings)?;
        row.volume_shares = read_volume(cells, layout.volume, settings)?;
        let per_unit = settings.shares_per_unit();
        let price = |cell: Cell<'_>| cell.float();
        read_levels(cells, &layout.bid, settings.levels, &mut row.bid, price)?;
        read_levels(cells, &layout.ask, settings.levels, &mut row.ask, price)?;
        let shares = |cell: Cell<'_>| cell.shares(per_unit);
        read_levels(cells, &layout.bid_volume, settings.levels, &mut row.bid_volume, shares)?;
        read_levels(cells, &layout.ask_volume, settings.levels, &mut row.ask_volume, shares)
    }
}

pub fn at<T>(column: usize, result: Result<T, Why>) -> Result<T, Fault> {
    result.map_err(|why| Fault { column, why })
}

/// Reads code and exchange.
pub fn read_symbol(
    cells: &impl Cells,
    column: usize,
    market_column: Option<usize>,
    default_market: Option<&'static str>,
    code: &mut String,
) -> Result<&'static str, Fault> {
    let market = match market_column.map(|column| (column, cells.cell(column).text())) {
        Some((column, text)) if !text.is_empty() => {
            let market = market_name(&text);
            Some(market.ok_or(Fault { column, why: "is no exchange; SH, SZ and BJ are" })?)
        }
        _ => default_market,
    };
    let text = cells.cell(column).text();
    let (market, digits) =
        parse_symbol(&text, market).map_err(|fault| Fault { column, why: fault.why() })?;
    code.clear();
    code.push_str(digits.as_str());
    Ok(market)
}

pub fn read_time(
    times: &mut MomentReader,
    cells: &impl Cells,
    date: Option<usize>,
    time: usize,
) -> Result<i64, Fault> {
    let date_cell = date.map(|column| cells.cell(column));
    times.read(date_cell, cells.cell(time)).map_err(|(part, why)| Fault {
        column: if part == Part::Date { date.unwrap_or(time) } else { time },
        why,
    })
}

pub fn read_text(cells: &impl Cells, column: Option<usize>, text: &mut String) {
    text.clear();
    if let Some(column) = column {
        text.push_str(&cells.cell(column).text());
    }
}

pub fn read_price(cells: &impl Cells, column: Option<usize>) -> Result<f64, Fault> {
    let Some(column) = column else { return Ok(0.0) };
    Ok(at(column, cells.cell(column).float())?.unwrap_or(0.0))
}

#[allow(clippy::cast_possible_truncation)] // recorded from such a float
pub fn read_quality(cells: &impl Cells, column: Option<usize>) -> Result<Option<f32>, Fault> {
    let Some(column) = column else { return Ok(None) };
    Ok(at(column, cells.cell(column).float())?.map(|score| score as f32))
}

fn read_amount(
    cells: &impl Cells,
    column: Option<usize>,
    settings: &Settings,
) -> Result<f64, Fault> {
    let Some(column) = column else { return Ok(0.0) };
    Ok(at(column, cells.cell(column).scaled(settings.amount_exponent()))?.unwrap_or(0.0))
}

fn read_volume(
    cells: &impl Cells,
    column: Option<usize>,
    settings: &Settings,
) -> Result<u64, Fault> {
    let Some(column) = column else { return Ok(0) };
    Ok(at(column, cells.cell(column).shares(settings.shares_per_unit()))?.unwrap_or(0))
}

fn read_levels<T: Copy + Default>(
    cells: &impl Cells,
    columns: &LevelColumns,
    most: usize,
    levels: &mut Levels<T>,
    read: impl Fn(Cell<'_>) -> Result<Option<T>, Why>,
) -> Result<(), Fault> {
    levels.clear();
    match columns {
        LevelColumns::Columns(columns) => {
            for (level, column) in columns.iter().enumerate() {
                if let Some(value) = at(*column, read(cells.cell(*column)))? {
                    levels.set(level, value);
                }
            }
        }
        LevelColumns::List(column) => match cells.cell(*column) {
            Cell::Text(text) => {
                for (level, item) in at(*column, list::items(text))?.take(most).enumerate() {
                    if let Some(value) = at(*column, read(item))? {
                        levels.set(level, value);
                    }
                }
            }
            Cell::List => {
                for level in 0..most {
                    let Some(cell) = cells.element(*column, level) else { break };
                    if let Some(value) = at(*column, read(cell))? {
                        levels.set(level, value);
                    }
                }
            }
            // an empty cell gives no level
            best => levels.fill(at(*column, read(best))?),
        },
    }
    Ok(())
}
