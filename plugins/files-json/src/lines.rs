//! Records as JSON lines.
//!
//! Prices and amounts are in CNY, volumes in shares, times on the exchange's clock. The keys are
//! those of the stores' columns, behind them `delivery`.

use plugin_api::{
    Batch, Column, ColumnType, Record, Symbol, Visitor, WithRecords,
    schemas::time::DatetimeText,
    serde_json::{self, Map, Value, json},
};

/// Appends one line a record.
pub fn append(batch: &Batch, lines: &mut Vec<u8>) {
    batch.with_records(Append { delivery: batch.delivery(), lines });
}

struct Append<'a> {
    delivery: u64,
    lines: &'a mut Vec<u8>,
}

impl WithRecords for Append<'_> {
    type Output = ();

    fn run<R: Record>(self, records: impl Iterator<Item = R>) {
        for record in records {
            let mut object = Object::default();
            record.visit(&mut object);
            object.0.insert("delivery".to_owned(), self.delivery.into());
            // a Vec takes every byte, and a value is always JSON
            let _ = serde_json::to_writer(&mut *self.lines, &object.0);
            self.lines.push(b'\n');
        }
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, column: &Column, value: Value) {
        self.0.insert(column.name.to_owned(), value);
    }
}

impl Visitor for Object {
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
        self.put(column, symbol.to_string().into());
    }

    fn text(&mut self, column: &'static Column, text: &str) {
        if column.kind != ColumnType::SymbolPart {
            self.put(column, text.into());
        }
    }

    /// RFC 3339 with the exchange's offset; `null` for a time that is not known.
    fn time(&mut self, column: &'static Column, time_us: i64) {
        let mut text = DatetimeText::default();
        let value = match time_us {
            0 => Value::Null,
            _ => {
                let text = String::from_utf8_lossy(text.format(time_us)).replace(' ', "T");
                format!("{text}+08:00").into()
            }
        };
        self.put(column, value);
    }

    fn number(&mut self, column: &'static Column, value: f64) {
        self.put(column, json!(value));
    }

    fn count(&mut self, column: &'static Column, value: u64) {
        self.put(column, value.into());
    }

    fn prices(&mut self, column: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        self.put(column, prices.collect());
    }

    fn sizes(&mut self, column: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        self.put(column, sizes.collect());
    }

    fn flag(&mut self, column: &'static Column, value: bool) {
        self.put(column, value.into());
    }

    fn score(&mut self, column: &'static Column, value: Option<f32>) {
        self.put(column, json!(value));
    }
}
