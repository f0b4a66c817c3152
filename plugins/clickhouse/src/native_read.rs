//! Reads blocks of ClickHouse's `Native` format, as [`native`](crate::native) writes them.

use kit::history::{Lists, Table, Texts, Values};

/// Names that records give the columns of a block, by their place.
pub type Expected<'a> = &'a [&'a str];

/// Reads the next block of those columns, and moves behind it; `None` at the end.
///
/// # Errors
/// What the bytes are instead.
pub fn read_block(
    bytes: &mut &[u8],
    expected: Expected<'_>,
) -> Result<Option<(usize, Table)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader(bytes);
    let (columns, rows) = (reader.len()?, reader.len()?);
    if columns != expected.len() {
        return Err(format!("a block of {columns} columns instead of {}", expected.len()));
    }
    let mut table = Table::new(rows);
    for name in expected {
        let _ = reader.text()?;
        let kind = reader.text()?;
        table.push(name, reader.values(name, kind, rows)?);
    }
    *bytes = reader.0;
    Ok(Some((rows, table)))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or("a block is cut short")?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Values of a fixed length.
    fn fixed<const N: usize>(&mut self, count: usize) -> Result<&'a [[u8; N]], String> {
        let len = count.checked_mul(N).ok_or("a block is cut short")?;
        Ok(self.bytes(len)?.as_chunks::<N>().0)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of a block does not end".to_owned())
    }

    fn len(&mut self) -> Result<usize, String> {
        usize::try_from(self.varint()?).map_err(|_| "a block is cut short".to_owned())
    }

    fn text(&mut self) -> Result<&'a str, String> {
        let len = self.len()?;
        std::str::from_utf8(self.bytes(len)?).map_err(|_| "a name that is no text".to_owned())
    }

    fn values(&mut self, name: &str, kind: &str, rows: usize) -> Result<Values, String> {
        Ok(match kind {
            "String" => {
                let mut texts = Texts::default();
                for _ in 0..rows {
                    let len = self.len()?;
                    // a table may hold any bytes
                    texts.push(&String::from_utf8_lossy(self.bytes(len)?));
                }
                Values::Texts(texts)
            }
            "Float64" => Values::Numbers(self.floats(rows)?),
            "UInt64" => Values::Counts(self.counts(rows)?),
            "Int64" => {
                let values = self.fixed(rows)?.iter();
                Values::Times(values.map(|bytes| i64::from_le_bytes(*bytes)).collect())
            }
            "UInt8" | "Bool" => {
                Values::Flags(self.bytes(rows)?.iter().map(|byte| *byte != 0).collect())
            }
            "Nullable(Float32)" => {
                let nulls = self.bytes(rows)?;
                let values = self.fixed(rows)?.iter().map(|bytes| f32::from_le_bytes(*bytes));
                let scores = nulls.iter().zip(values);
                Values::Scores(scores.map(|(null, it)| (*null == 0).then_some(it)).collect())
            }
            "Array(Float64)" => {
                let lengths = self.lengths(rows)?;
                let values = self.floats(lengths.iter().sum())?;
                Values::Prices(lists(&lengths, &values))
            }
            "Array(UInt64)" => {
                let lengths = self.lengths(rows)?;
                let values = self.counts(lengths.iter().sum())?;
                Values::Sizes(lists(&lengths, &values))
            }
            other => return Err(format!("column {name} comes as {other}")),
        })
    }

    fn floats(&mut self, count: usize) -> Result<Vec<f64>, String> {
        Ok(self.fixed(count)?.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }

    fn counts(&mut self, count: usize) -> Result<Vec<u64>, String> {
        Ok(self.fixed(count)?.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    /// Lengths of lists, which the format has as the places where they end. Their sum is what the
    /// last one says.
    fn lengths(&mut self, rows: usize) -> Result<Vec<usize>, String> {
        let ends = self.counts(rows)?;
        let mut before = 0;
        let lengths = ends.into_iter().map(|end| {
            let length = end.checked_sub(before).and_then(|it| usize::try_from(it).ok());
            before = end;
            length.ok_or_else(|| "lists of a block end before they begin".to_owned())
        });
        lengths.collect()
    }
}

fn lists<T: Copy>(lengths: &[usize], mut values: &[T]) -> Lists<T> {
    let mut lists = Lists::default();
    for length in lengths {
        let (list, rest) = values.split_at(*length);
        lists.push(list.iter().copied());
        values = rest;
    }
    lists
}

#[cfg(test)]
mod tests {
    use plugin_api::RecordKind;

    use super::*;
    use crate::{
        native::{Column, write_block},
        schema::Type,
    };

    fn block() -> Vec<u8> {
        let mut columns = [
            Column::new("symbol", Type::Text),
            Column::new("time_us", Type::Micros),
            Column::new("close", Type::Number),
            Column::new("volume", Type::Count),
            Column::new("bid", Type::Prices),
            Column::new("bid_volume", Type::Sizes),
            Column::new("quality_score", Type::Score),
            Column::new("closed", Type::Flag),
        ];
        let mut out = Vec::new();
        for (place, code) in ["600000", "600001", "600002"].iter().enumerate() {
            columns[0].text(&[code, ".SH"]);
            columns[1].moment(7 + i64::try_from(place).unwrap());
            columns[2].number(10.5);
            columns[3].count(100 + place as u64);
            columns[4].prices([[8.5, 8.4].as_slice(), &[], &[8.3]][place].iter().copied());
            columns[5].sizes([[1, 2].as_slice(), &[], &[3]][place].iter().copied());
            columns[6].score([Some(0.5), None, Some(1.0)][place]);
            columns[7].flag(place == 1);
        }
        write_block(&mut columns, 3, &mut out);
        out
    }

    const NAMES: [&str; 8] =
        ["symbol", "time", "close", "volume", "bid", "bid_volume", "quality_score", "closed"];

    #[test]
    fn a_block_that_was_written_is_read() {
        let twice = [block(), block()].concat();
        let mut bytes = &twice[..];
        for _ in 0..2 {
            let (rows, table) = read_block(&mut bytes, &NAMES).unwrap().unwrap();
            assert_eq!(rows, 3);
            let batch = table.batch(RecordKind::Spot).unwrap();
            let spots: Vec<_> = batch.spots().iter().collect();
            let codes: Vec<_> = spots.iter().map(|it| (it.code(), it.time_us())).collect();
            assert_eq!(codes, [("600000", 7), ("600001", 8), ("600002", 9)]);
            let bids: Vec<Vec<_>> = spots.iter().map(|it| it.bid().iter().collect()).collect();
            assert_eq!(bids, [vec![8.5, 8.4], vec![], vec![8.3]]);
            let scores: Vec<_> = spots.iter().map(|it| it.quality_score()).collect();
            assert_eq!(scores, [Some(0.5), None, Some(1.0)]);
            let bars = table.batch(RecordKind::Bar).unwrap();
            assert_eq!(bars.bars().map(|it| it.closed).collect::<Vec<_>>(), [false, true, false]);
        }
        assert_eq!(read_block(&mut bytes, &NAMES), Ok(None));
    }

    #[test]
    fn bytes_that_are_no_such_block_are_refused_wherever_they_end() {
        let whole = block();
        for len in 1..whole.len() {
            assert!(read_block(&mut &whole[..len], &NAMES).is_err(), "{len} bytes");
        }
        let text = b"Code: 241, e.displayText() = DB::Exception: Memory limit exceeded";
        let fault = read_block(&mut &text[..], &NAMES).unwrap_err();
        assert_eq!(fault, "a block of 67 columns instead of 8");
        // lengths that nobody can have
        for damage in [[0xff; 10], [0x7f; 10]] {
            for at in 0..whole.len() - 10 {
                let mut damaged = whole.clone();
                damaged[at..at + 10].copy_from_slice(&damage);
                let _ = read_block(&mut &damaged[..], &NAMES);
            }
        }
    }
}
