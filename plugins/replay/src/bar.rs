//! Reads bars, in the columns of the `parquet` sink, from the cells of their rows.

use crate::{
    cell::Cell,
    columns::Header,
    fill::{Cells, Fault, at, read_price, read_quality, read_symbol, read_text, read_time},
    moment::MomentReader,
    row::BarRow,
    settings::Settings,
};

/// Where the fields of a bar stand.
#[derive(Debug, Clone)]
pub struct BarLayout {
    pub symbol: usize,
    pub period: usize,
    pub time: usize,
    pub open: usize,
    pub high: usize,
    pub low: usize,
    pub close: usize,
    pub amount: usize,
    pub volume: usize,
    pub closed: Option<usize>,
    pub quality_score: Option<usize>,
}

impl BarLayout {
    /// Whether a file holds bars rather than quotes.
    pub fn fits(header: &Header<'_>, settings: &Settings) -> bool {
        let has = |name| header.position(name).is_some();
        settings.columns.is_none() && has("period") && has("open") && !has("pre_close")
    }

    /// Finds the columns.
    ///
    /// # Errors
    /// A text with the file and the first name that it lacks or has twice.
    pub fn find(header: &Header<'_>) -> Result<Self, String> {
        let at = |name: &str| header.position(name).ok_or_else(|| header.lacks(name, ""));
        let layout = Self {
            symbol: at("symbol")?,
            period: at("period")?,
            time: at("time")?,
            open: at("open")?,
            high: at("high")?,
            low: at("low")?,
            close: at("close")?,
            amount: at("amount")?,
            volume: at("volume")?,
            closed: header.position("closed"),
            quality_score: header.position("quality_score"),
        };
        header.refuse_repeated(&layout.all())?;
        Ok(layout)
    }

    /// Every column that is read.
    pub fn all(&self) -> Vec<usize> {
        let needed = [
            self.symbol,
            self.period,
            self.time,
            self.open,
            self.high,
            self.low,
            self.close,
            self.amount,
            self.volume,
        ];
        needed.into_iter().chain(self.closed).chain(self.quality_score).collect()
    }
}

/// Reads bars from cells.
#[derive(Debug)]
pub struct BarCells {
    layout: BarLayout,
    times: MomentReader,
    key: String,
}

impl BarCells {
    pub fn new(layout: BarLayout, settings: &Settings) -> Self {
        Self { layout, times: MomentReader::new(settings.date), key: String::new() }
    }

    /// The time of a row.
    ///
    /// # Errors
    /// The cell at fault.
    pub fn time(&mut self, cells: &impl Cells) -> Result<i64, Fault> {
        read_time(&mut self.times, cells, None, self.layout.time)
    }

    /// Reads a row; false when the filter does not take it.
    ///
    /// # Errors
    /// The first cell at fault.
    pub fn read(
        &mut self,
        cells: &impl Cells,
        settings: &Settings,
        row: &mut BarRow,
    ) -> Result<bool, Fault> {
        row.market = read_symbol(cells, self.layout.symbol, None, settings.market, &mut row.code)?;
        if !settings.takes_symbol(row.market, &row.code, &mut self.key) {
            return Ok(false);
        }
        row.time_us = self.time(cells)?;
        if !settings.filter.takes_time(row.time_us) {
            return Ok(false);
        }
        let layout = &self.layout;
        read_text(cells, Some(layout.period), &mut row.period);
        row.open = read_price(cells, Some(layout.open))?;
        row.high = read_price(cells, Some(layout.high))?;
        row.low = read_price(cells, Some(layout.low))?;
        row.close = read_price(cells, Some(layout.close))?;
        row.amount_cny = read_price(cells, Some(layout.amount))?;
        row.volume_shares = at(layout.volume, cells.cell(layout.volume).shares(1))?.unwrap_or(0);
        let closed = layout.closed.map(|column| (column, cells.cell(column)));
        row.closed = match closed {
            None | Some((_, Cell::Empty)) => true,
            Some((column, cell)) => at(column, cell.truth())?,
        };
        row.quality_score = read_quality(cells, layout.quality_score)?;
        Ok(true)
    }
}
