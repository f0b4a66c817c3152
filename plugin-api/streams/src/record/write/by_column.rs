//! Any record as fields, by its columns: their names are those of the columns but for a few that
//! older consumers know under other names.

use plugin_api::{Column, ColumnType, Symbol, Visitor, schemas::encode::MAX_LEVELS};

use super::{Fields, LEVELS, Writer, list, quality};
use crate::server::resp;

/// Columns whose fields have another name.
const RENAMED: [(&str, &str); 5] = [
    ("time", "frame"),
    ("recv_time", "timestamp"),
    ("volume", "vol"),
    ("bid_volume", "bid_vol"),
    ("ask_volume", "ask_vol"),
];

/// Name of a column's field.
pub fn field_of(column: &Column) -> &'static str {
    let renamed = RENAMED.iter().find(|(name, _)| *name == column.name);
    renamed.map_or(column.name, |(_, field)| field)
}

/// Writes the values of a record.
pub struct ByColumn<'a, F> {
    pub writer: &'a mut Writer,
    pub out: &'a mut F,
}

impl<F: Fields> Visitor for ByColumn<'_, F> {
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
        self.out.text(field_of(column), self.writer.symbol(symbol.code, symbol.market));
    }

    fn text(&mut self, column: &'static Column, text: &str) {
        if column.kind != ColumnType::SymbolPart {
            self.out.text(field_of(column), text);
        }
    }

    /// The time of the record; every entry says when its batch was received, in another form.
    fn time(&mut self, column: &'static Column, time_us: i64) {
        if field_of(column) == "frame" {
            self.writer.frame(time_us, self.out);
        }
    }

    fn number(&mut self, column: &'static Column, value: f64) {
        self.out.float(field_of(column), value);
    }

    fn count(&mut self, column: &'static Column, value: u64) {
        self.out.whole(field_of(column), value);
    }

    fn prices(&mut self, column: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        let (count, prices) = (prices.len().clamp(LEVELS, MAX_LEVELS), prices.take(MAX_LEVELS));
        self.out.plain(field_of(column), |buffer| list(buffer, prices, 0, count, resp::float));
    }

    fn sizes(&mut self, column: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        let (count, sizes) = (sizes.len().clamp(LEVELS, MAX_LEVELS), sizes.take(MAX_LEVELS));
        self.out.plain(field_of(column), |buffer| list(buffer, sizes, 0, count, resp::number));
    }

    fn flag(&mut self, column: &'static Column, value: bool) {
        self.out.truth(field_of(column), value);
    }

    fn score(&mut self, _: &'static Column, value: Option<f32>) {
        quality(value, self.out);
    }
}
