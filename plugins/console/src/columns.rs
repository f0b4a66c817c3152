//! The values of a record, each written as JSON.
//!
//! Prices are in CNY, volumes in shares, amounts in CNY, times on the exchange's clock. What is
//! unknown, and numbers that JSON cannot write, are `null`.

use plugin_api::{
    Column, Record, Symbol, Visitor, schemas::time::DatetimeText, serde::Serialize, serde_json,
    terminal,
};

/// The values of one record, in the order of its columns.
#[derive(Debug, Default)]
pub struct Cells {
    text: Vec<u8>,
    /// Where each value ends.
    ends: Vec<usize>,
}

impl Cells {
    /// Writes every value of a record.
    pub fn fill(&mut self, record: &impl Record) {
        self.text.clear();
        self.ends.clear();
        record.visit(self);
    }

    /// The value of the column at that place.
    pub fn value(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let end = self.ends.get(place).copied().unwrap_or_default();
        self.text.get(start.unwrap_or(0)..end).unwrap_or_default()
    }

    fn end(&mut self) {
        self.ends.push(self.text.len());
    }

    fn json(&mut self, value: &impl Serialize) {
        // a Vec takes every byte, and neither text nor number can fail to serialize
        let _ = serde_json::to_writer(&mut self.text, value);
        self.end();
    }

    fn list<T: Serialize>(&mut self, levels: impl Iterator<Item = T>) {
        self.text.push(b'[');
        for (index, level) in levels.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            let _ = serde_json::to_writer(&mut self.text, &level);
        }
        self.text.push(b']');
        self.end();
    }
}

impl Visitor for Cells {
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
        self.text(column, &symbol.to_string());
    }

    /// A text from outside, in which a terminal finds nothing to obey.
    fn text(&mut self, _: &'static Column, text: &str) {
        let json = serde_json::Value::from(text).to_string();
        self.text.extend_from_slice(terminal::escaped_json(&json).as_bytes());
        self.end();
    }

    /// RFC 3339 with the exchange's offset, e.g. `2021-12-01T09:15:01+08:00`.
    fn time(&mut self, _: &'static Column, time_us: i64) {
        if time_us == 0 {
            self.text.extend_from_slice(b"null");
            return self.end();
        }
        let mut text = DatetimeText::default();
        let text = text.format(time_us);
        self.text.push(b'"');
        self.text.extend_from_slice(&text[..10]);
        self.text.push(b'T');
        self.text.extend_from_slice(&text[11..]);
        self.text.extend_from_slice(b"+08:00\"");
        self.end();
    }

    fn number(&mut self, _: &'static Column, value: f64) {
        self.json(&value);
    }

    fn count(&mut self, _: &'static Column, value: u64) {
        self.json(&value);
    }

    fn prices(&mut self, _: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        self.list(prices);
    }

    fn sizes(&mut self, _: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        self.list(sizes);
    }

    fn flag(&mut self, _: &'static Column, value: bool) {
        self.json(&value);
    }

    fn score(&mut self, _: &'static Column, value: Option<f32>) {
        self.json(&value);
    }
}
