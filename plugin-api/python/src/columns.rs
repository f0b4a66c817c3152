//! Records into columns, in one pass.

use std::collections::{HashMap, HashSet};

use arrow::array::RecordBatch;
use lake::{Rows, ZONE, schema};
use plugin_api::{
    Batch, PluginError, Record, RecordKind, Symbol, WithRecords,
    schemas::{records::bar::BarRecord, verify},
};

use crate::frame::Frame;

/// Which securities are taken.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Exchanges by code; empty for every security.
    markets_by_code: HashMap<String, HashSet<String>>,
}

impl Chosen {
    /// Those of that list, in any common spelling; all without a list.
    ///
    /// # Errors
    /// `Config` that names what is no security.
    pub fn new(symbols: Option<Vec<String>>) -> Result<Self, PluginError> {
        let mut chosen = Self::default();
        let Some(symbols) = symbols else { return Ok(chosen) };
        if symbols.is_empty() {
            return Err(PluginError::config(
                "symbols is empty; name some, or leave it out for all",
            ));
        }
        for text in &symbols {
            let Some(Symbol { market, code }) = Symbol::parse(text, None) else {
                let fault = format!("symbols: \"{text}\" is no security; write e.g. 600000.SH");
                return Err(PluginError::config(fault));
            };
            chosen.markets_by_code.entry(code.to_owned()).or_default().insert(market.to_owned());
        }
        Ok(chosen)
    }

    fn takes(&self, symbol: Symbol<'_>) -> bool {
        self.markets_by_code.is_empty()
            || self.markets_by_code.get(symbol.code).is_some_and(|it| it.contains(symbol.market))
    }
}

/// Records of one kind on their way into columns.
pub struct Columns {
    kind: RecordKind,
    rows: Rows,
    /// The latest time, microseconds since 1970 UTC; 0 without one.
    pub latest_us: i64,
}

impl Columns {
    /// None yet.
    pub fn new(kind: RecordKind) -> Self {
        Self { kind, rows: Rows::new(kind.columns()), latest_us: 0 }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds those records of a batch, which is of the same kind, that are chosen.
    pub fn push(&mut self, batch: &Batch, chosen: &Chosen) {
        batch.with_records(Push { columns: self, chosen });
    }

    /// The columns; starts anew.
    ///
    /// # Errors
    /// `Fatal` when columns and schema do not fit, which is a defect.
    pub fn finish(&mut self) -> Result<Frame, PluginError> {
        self.latest_us = 0;
        let schema = schema(self.kind, ZONE);
        let rows = self.rows.finish(&schema, true);
        rows.map(Frame::of).map_err(|error| PluginError::fatal(format!("{error}; report this")))
    }

    fn add(&mut self, record: &impl Record) {
        self.latest_us = self.latest_us.max(record.time_us());
        self.rows.push(record);
    }
}

/// The columns of a payload, which is verified first.
///
/// # Errors
/// `BadData` when the bytes are no list of that kind.
pub fn of_payload(kind: RecordKind, payload: &[u8]) -> Result<Frame, PluginError> {
    let mut columns = Columns::new(kind);
    match kind {
        RecordKind::Spot => {
            verify::complete_spot_list(payload)?.iter().for_each(|spot| columns.add(&spot));
        }
        _ => bars(payload)?.for_each(|bar| columns.add(&bar)),
    }
    columns.finish()
}

/// Number of records of a payload, which is verified.
///
/// # Errors
/// `BadData` when the bytes are no list of that kind.
pub fn count(kind: RecordKind, payload: &[u8]) -> Result<usize, PluginError> {
    match kind {
        RecordKind::Spot => Ok(verify::complete_spot_list(payload)?.len()),
        _ => Ok(bars(payload)?.len()),
    }
}

/// The payload of rows.
///
/// # Errors
/// `BadData` when a column holds something else, or there are more rows than one list takes.
pub fn to_batch(kind: RecordKind, rows: &RecordBatch) -> Result<Batch, PluginError> {
    let table = lake::table(rows, kind);
    table.map_err(|error| PluginError::bad_data(error.to_string()))?.batch(kind)
}

fn bars(payload: &[u8]) -> Result<impl ExactSizeIterator<Item = BarRecord<'_>>, PluginError> {
    BarRecord::read_list(payload)
        .map_err(|error| PluginError::bad_data(format!("not a list of bars: {error}")))
}

struct Push<'a> {
    columns: &'a mut Columns,
    chosen: &'a Chosen,
}

impl WithRecords for Push<'_> {
    type Output = ();

    fn run<R: Record>(self, records: impl Iterator<Item = R>) {
        records
            .filter(|record| self.chosen.takes(record.symbol()))
            .for_each(|record| self.columns.add(&record));
    }
}
