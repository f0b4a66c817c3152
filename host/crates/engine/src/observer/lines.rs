//! Records as lines of JSON.

use std::io::Write;

use plugin_api::{Column, Record, RecordKind, Symbol, Visitor, WithRecords};
use serde::Serialize;

/// Appends records as JSON, one a line: `{"kind":"spot","component":"qq","symbol":…}`, with the
/// columns of stores. What is not known is null.
pub struct Lines<'a, F> {
    /// What the records are.
    pub kind: RecordKind,
    /// Who gave them.
    pub component: &'a str,
    /// The columns that are written; all when there are none.
    pub fields: &'a [String],
    /// Which securities are written.
    pub wants: F,
    /// Most lines.
    pub most: u64,
    /// No further line is begun when there are so many bytes.
    pub max_bytes: usize,
    /// Where they are written.
    pub out: &'a mut Vec<u8>,
}

/// What became of the records that are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines that were written.
    pub lines: u64,
    /// Records for which there was no room.
    pub left_out: u64,
}

impl<F: Fn(Symbol<'_>) -> bool> WithRecords for Lines<'_, F> {
    type Output = Written;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Written {
        let mut head = Vec::new();
        head.extend_from_slice(b"{\"kind\":");
        put(&mut head, self.kind.as_str());
        head.extend_from_slice(b",\"component\":");
        put(&mut head, self.component);
        let mut written = Written::default();
        for record in records {
            if written.lines == self.most {
                break;
            }
            if !(self.wants)(record.symbol()) {
                continue;
            }
            if self.out.len() >= self.max_bytes {
                written.left_out += 1;
                continue;
            }
            self.out.extend_from_slice(&head);
            record.visit(&mut Object { fields: self.fields, out: &mut *self.out });
            self.out.extend_from_slice(b"}\n");
            written.lines += 1;
        }
        written
    }
}

/// Appends JSON; numbers that are none as null.
fn put(out: &mut Vec<u8>, value: impl Serialize) {
    // neither a write into memory nor a value without maps can fail
    let _ = serde_json::to_writer(out, &value);
}

/// The rest of an object.
struct Object<'a> {
    fields: &'a [String],
    out: &'a mut Vec<u8>,
}

impl Object<'_> {
    fn put(&mut self, column: &Column, value: impl Serialize) {
        if self.begin(column) {
            put(self.out, value);
        }
    }

    /// Writes the name of a column; false when it is not wanted.
    fn begin(&mut self, column: &Column) -> bool {
        let is_wanted = self.fields.is_empty() || self.fields.iter().any(|it| it == column.name);
        if is_wanted {
            // names of columns need no escapes, and writing into memory cannot fail
            let _ = write!(self.out, ",\"{}\":", column.name);
        }
        is_wanted
    }

    fn list(&mut self, column: &Column, values: impl Iterator<Item = impl Serialize>) {
        if !self.begin(column) {
            return;
        }
        self.out.push(b'[');
        for (at, value) in values.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            put(self.out, value);
        }
        self.out.push(b']');
    }
}

impl Visitor for Object<'_> {
    fn symbol(&mut self, column: &'static Column, symbol: Symbol<'_>) {
        self.put(column, format_args!("{symbol}"));
    }

    fn text(&mut self, column: &'static Column, text: &str) {
        self.put(column, text);
    }

    fn time(&mut self, column: &'static Column, time_us: i64) {
        self.put(column, (time_us != 0).then_some(time_us));
    }

    fn number(&mut self, column: &'static Column, value: f64) {
        self.put(column, value);
    }

    fn count(&mut self, column: &'static Column, value: u64) {
        self.put(column, value);
    }

    fn prices(&mut self, column: &'static Column, prices: impl ExactSizeIterator<Item = f64>) {
        self.list(column, prices);
    }

    fn sizes(&mut self, column: &'static Column, sizes: impl ExactSizeIterator<Item = u64>) {
        self.list(column, sizes);
    }

    fn flag(&mut self, column: &'static Column, value: bool) {
        self.put(column, value);
    }

    fn score(&mut self, column: &'static Column, value: Option<f32>) {
        self.put(column, value);
    }
}

#[cfg(test)]
mod tests {
    use plugin_api::{
        Batch, Round, SpotListEncoder, SpotRecord,
        testing::{bar_batch, spot_batch},
    };
    use serde_json::{Value, json};

    use super::*;

    fn write(batch: &Batch, fields: &[String], most: u64, max_bytes: usize) -> (Vec<u8>, Written) {
        let (kind, component) = (batch.kind(), "day");
        let wants = |symbol: Symbol<'_>| symbol.code != "600001";
        let mut out = Vec::new();
        let work = Lines { kind, component, fields, wants, most, max_bytes, out: &mut out };
        let written = batch.with_records(work);
        (out, written)
    }

    fn lines(batch: &Batch, fields: &[&str], most: u64) -> Vec<Value> {
        let fields: Vec<_> = fields.iter().map(|it| (*it).to_owned()).collect();
        let (out, written) = write(batch, &fields, most, usize::MAX);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len() as u64, written.left_out), (written.lines, 0));
        lines
    }

    #[test]
    fn a_line_has_all_columns_of_its_kind_by_their_names() {
        for batch in [spot_batch(2, Round::WHOLE), bar_batch()] {
            let lines = lines(&batch, &[], 9);
            assert_eq!(lines.len(), 1, "one of the two is not wanted");
            let object = lines[0].as_object().unwrap();
            assert_eq!(object["kind"], batch.kind().as_str());
            assert_eq!(object["component"], "day");
            assert_eq!(object["symbol"], "600000.SH");
            for column in batch.kind().columns() {
                assert!(object.contains_key(column.name), "{}", column.name);
            }
            assert_eq!(object.len(), batch.kind().columns().len() + 2);
        }
        let spot = &lines(&spot_batch(1, Round::WHOLE), &[], 1)[0];
        assert_eq!(spot["time"], 1_638_321_301_000_000_i64);
        assert_eq!((&spot["recv_time"], &spot["quality_score"]), (&Value::Null, &Value::Null));
        assert_eq!((&spot["bid"], &spot["bid_volume"]), (&json!([10.0, 9.99]), &json!([100, 200])));
    }

    #[test]
    fn only_the_fields_that_are_asked_for_are_written_up_to_the_limit() {
        let batch = spot_batch(5, Round::WHOLE);
        let lines = lines(&batch, &["close", "symbol"], 2);
        let shown: Vec<_> = lines.iter().map(|it| (&it["symbol"], &it["close"])).collect();
        let expected = [(&json!("600000.SH"), &json!(10.0)), (&json!("600002.SH"), &json!(10.02))];
        assert_eq!(shown, expected);
        assert!(
            lines.iter().all(|it| it.as_object().unwrap().len() == 4),
            "with its kind and giver"
        );
    }

    #[test]
    fn whatever_stands_in_a_record_a_line_is_one_object() {
        let mut encoder = SpotListEncoder::new(1);
        let record = SpotRecord {
            market: "S\"H",
            code: "6\n0",
            name: "<script>alert(\"x\")</script>\u{2028}\\",
            close: f64::NAN,
            amount_cny: f64::INFINITY,
            bid: &[f64::NEG_INFINITY],
            bid_volume: &[0],
            ..SpotRecord::default()
        };
        encoder.push(&record).unwrap();
        let batch = Batch::from_spots(&mut encoder, Round::WHOLE);
        let line = &lines(&batch, &[], 9)[0];
        assert_eq!((&line["symbol"], &line["name"]), (&json!("6\n0.S\"H"), &json!(record.name)));
        assert_eq!((&line["close"], &line["bid"]), (&Value::Null, &json!([null])));
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let batch = spot_batch(5, Round::WHOLE);
        let (out, written) = write(&batch, &[], u64::MAX, 1);
        assert_eq!(written, Written { lines: 1, left_out: 3 }, "one of the five is not wanted");
        assert!(out.ends_with(b"}\n"));
        let (out, written) = write(&batch, &[], u64::MAX, 0);
        assert_eq!((out.len(), written), (0, Written { lines: 0, left_out: 4 }));
    }
}
