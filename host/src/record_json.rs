//! Records as JSON objects, without books, scores and what else takes room.

use plugin_api::{
    Batch, Column, ColumnType, Record, Symbol, Visitor, WithRecords, schemas::time::DatetimeText,
};
use serde_json::{Map, Value};

/// The first records of a batch, up to so many.
pub fn objects(batch: &Batch, most: usize) -> Vec<Value> {
    batch.with_records(Objects { most })
}

/// A time as exchanges write it: in Shanghai, to the second.
pub fn exchange_time(time_us: i64) -> String {
    String::from_utf8_lossy(DatetimeText::default().format(time_us)).into_owned()
}

struct Objects {
    most: usize,
}

impl WithRecords for Objects {
    type Output = Vec<Value>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Vec<Value> {
        let object = |record: R| {
            let mut object = Object::default();
            record.visit(&mut object);
            if let Some((_, sequence)) = record.origin() {
                object.0.insert("sequence".to_owned(), sequence.into());
            }
            Value::Object(object.0)
        };
        records.take(self.most).map(object).collect()
    }
}

#[derive(Default)]
struct Object(Map<String, Value>);

impl Object {
    fn put(&mut self, column: &Column, value: impl Into<Value>) {
        self.0.insert(column.name.to_owned(), value.into());
    }
}

impl Visitor for Object {
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
        self.put(column, symbol.to_string());
    }

    fn text(&mut self, column: &'static Column, text: &str) {
        if column.kind != ColumnType::SymbolPart {
            self.put(column, text);
        }
    }

    /// The record's own time; when it was received is told beside it.
    fn time(&mut self, column: &'static Column, time_us: i64) {
        if column.name == "time" {
            self.put(column, exchange_time(time_us));
        }
    }

    fn number(&mut self, column: &'static Column, value: f64) {
        self.put(column, value);
    }

    fn count(&mut self, column: &'static Column, value: u64) {
        self.put(column, value);
    }

    fn prices(&mut self, _: &'static Column, _: impl ExactSizeIterator<Item = f64>) {}

    fn sizes(&mut self, _: &'static Column, _: impl ExactSizeIterator<Item = u64>) {}

    fn flag(&mut self, column: &'static Column, value: bool) {
        self.put(column, value);
    }

    fn score(&mut self, _: &'static Column, _: Option<f32>) {}
}
