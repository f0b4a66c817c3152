//! Blocks of ClickHouse's `Native` format: column after column, as the server keeps them.
//!
//! ```text
//! block  = number of columns │ number of rows │ column…
//! column = name │ type │ of a list: where each row ends, of a nullable: which are null │ values
//! ```
//!
//! Numbers of columns and rows and lengths of texts are varints, everything else is little-endian.

use crate::schema::Type;

/// One column of a block that is being filled.
#[derive(Debug)]
pub struct Column {
    kind: Type,
    /// Blocks have it; otherwise what is added to it goes nowhere.
    is_sent: bool,
    /// Name and type.
    head: Vec<u8>,
    /// Where the rows of a list end, or which rows are null.
    shape: Vec<u8>,
    values: Vec<u8>,
    items: u64,
}

impl Column {
    /// An empty column.
    pub fn new(name: &str, kind: Type) -> Self {
        let mut head = Vec::new();
        push_text(&mut head, &[name]);
        push_text(&mut head, &[kind.name()]);
        Self { kind, is_sent: true, head, shape: Vec::new(), values: Vec::new(), items: 0 }
    }

    /// The same for a table that lacks the column, unless `is_sent`.
    pub fn sent_if(self, is_sent: bool) -> Self {
        Self { is_sent, ..self }
    }

    /// Adds a text of several parts.
    #[inline]
    pub fn text(&mut self, parts: &[&str]) {
        push_text(&mut self.values, parts);
    }

    /// Adds a number.
    #[inline]
    pub fn number(&mut self, value: f64) {
        self.values.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds a count.
    #[inline]
    pub fn count(&mut self, value: u64) {
        self.values.extend_from_slice(&value.to_le_bytes());
    }

    /// Adds yes or no.
    #[inline]
    pub fn flag(&mut self, value: bool) {
        self.values.push(u8::from(value));
    }

    /// Adds a moment in microseconds since 1970 UTC, as exactly as the column's type can say it.
    #[inline]
    pub fn moment(&mut self, time_us: i64) {
        if self.kind == Type::Second {
            let seconds = time_us.div_euclid(1_000_000);
            let seconds = u32::try_from(seconds.max(0)).unwrap_or(u32::MAX);
            self.values.extend_from_slice(&seconds.to_le_bytes());
        } else {
            self.values.extend_from_slice(&time_us.to_le_bytes());
        }
    }

    /// Adds a list of prices.
    #[inline]
    pub fn prices(&mut self, levels: impl ExactSizeIterator<Item = f64>) {
        self.list(levels.len());
        levels.for_each(|price| self.number(price));
    }

    /// Adds a list of sizes.
    #[inline]
    pub fn sizes(&mut self, levels: impl ExactSizeIterator<Item = u64>) {
        self.list(levels.len());
        levels.for_each(|size| self.count(size));
    }

    /// Adds a score, or that there is none.
    #[inline]
    pub fn score(&mut self, value: Option<f32>) {
        self.shape.push(u8::from(value.is_none()));
        self.values.extend_from_slice(&value.unwrap_or_default().to_le_bytes());
    }

    fn list(&mut self, len: usize) {
        self.items += len as u64;
        self.shape.extend_from_slice(&self.items.to_le_bytes());
    }

    fn clear(&mut self) {
        self.shape.clear();
        self.values.clear();
        self.items = 0;
    }
}

/// Appends a block of those columns, which must all have that many rows, and empties them.
pub fn write_block(columns: &mut [Column], rows: u64, out: &mut Vec<u8>) {
    let bytes = |column: &Column| column.head.len() + column.shape.len() + column.values.len();
    out.reserve(20 + columns.iter().map(bytes).sum::<usize>());
    push_varint(out, columns.iter().filter(|column| column.is_sent).count() as u64);
    push_varint(out, rows);
    for column in columns {
        if column.is_sent {
            out.extend_from_slice(&column.head);
            out.extend_from_slice(&column.shape);
            out.extend_from_slice(&column.values);
        }
        column.clear();
    }
}

#[inline]
fn push_text(out: &mut Vec<u8>, parts: &[&str]) {
    push_varint(out, parts.iter().map(|part| part.len() as u64).sum());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

#[inline]
#[allow(clippy::cast_possible_truncation)] // seven bits at a time
fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_take_seven_bits_a_byte() {
        // value, its bytes
        let table: [(u64, &[u8]); 6] = [
            (0, &[0]),
            (0x7f, &[0x7f]),
            (0x80, &[0x80, 1]),
            (300, &[0xac, 2]),
            (1 << 14, &[0x80, 0x80, 1]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ];
        for (value, bytes) in table {
            let mut out = Vec::new();
            push_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn a_block_is_what_the_format_says_byte_for_byte() {
        let mut columns = [
            Column::new("s", Type::Text),
            Column::new("l", Type::Sizes),
            Column::new("q", Type::Score),
        ];
        for _ in 0..2 {
            columns[0].text(&["600000", ".", "SH"]);
            columns[0].text(&[""]);
            columns[1].sizes([7].into_iter());
            columns[1].sizes([].into_iter());
            columns[2].score(None);
            columns[2].score(Some(0.5));
            let mut out = Vec::new();
            write_block(&mut columns, 2, &mut out);
            let expected: &[&[u8]] = &[
                &[3, 2],
                b"\x01s\x06String\x09600000.SH\x00",
                b"\x01l\x0dArray(UInt64)",
                &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0],
                b"\x01q\x11Nullable(Float32)",
                &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0x3f],
            ];
            assert_eq!(out, expected.concat(), "and the columns start anew");
        }
    }

    #[test]
    fn moments_keep_what_their_type_can_say() {
        let moment = |kind, time_us| {
            let mut column = Column::new("t", kind);
            column.moment(time_us);
            column.values
        };
        let us = 1_638_321_301_234_567_i64;
        assert_eq!(moment(Type::Moment, us), us.to_le_bytes());
        assert_eq!(moment(Type::Second, us), 1_638_321_301_u32.to_le_bytes());
        assert_eq!(moment(Type::Second, -1), 0_u32.to_le_bytes());
        assert_eq!(moment(Type::Second, i64::MAX), u32::MAX.to_le_bytes());
    }
}
