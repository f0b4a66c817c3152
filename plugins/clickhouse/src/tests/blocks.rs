//! Blocks are read back by a reader that knows the format alone.

use plugin_api::{
    Batch, RecordKind, Round, SpotListEncoder, SpotRecord,
    serde_json::json,
    testing::{bar_batch, spot_batch},
};

use super::target;
use crate::{body::Body, ddl::Plan, schema::Precision, shard_key::ShardKey, table::Table};

/// 2021-12-01 09:15:01.25 in Shanghai.
const MOMENT_US: i64 = 1_638_321_301_250_000;

/// A column that was read: name, type, and its values as texts.
type Read = (String, String, Vec<String>);

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        bytes
    }

    fn varint(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.bytes(1)[0];
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }

    fn text(&mut self) -> String {
        let len = self.varint();
        String::from_utf8(self.bytes(len).to_vec()).unwrap()
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes(8).try_into().unwrap())
    }

    fn value(&mut self, kind: &str) -> String {
        match kind {
            "String" => self.text(),
            "Float64" => f64::from_bits(self.u64()).to_string(),
            "UInt64" => self.u64().to_string(),
            "Int64" | "DateTime64(6, 'Asia/Shanghai')" => self.u64().cast_signed().to_string(),
            "DateTime('Asia/Shanghai')" => {
                u32::from_le_bytes(self.bytes(4).try_into().unwrap()).to_string()
            }
            "UInt8" => self.bytes(1)[0].to_string(),
            "Float32" => f32::from_le_bytes(self.bytes(4).try_into().unwrap()).to_string(),
            kind => panic!("unknown type {kind}"),
        }
    }

    fn column(&mut self, rows: usize) -> Read {
        let (name, kind) = (self.text(), self.text());
        let inner = |of: &str| kind.strip_prefix(of)?.strip_suffix(')').map(str::to_owned);
        let values = if let Some(item) = inner("Array(") {
            let ends: Vec<_> = (0..rows).map(|_| self.u64()).collect();
            let starts = [0].into_iter().chain(ends.iter().copied());
            let lengths: Vec<_> = ends.iter().zip(starts).map(|(end, start)| end - start).collect();
            let list = |len| (0..len).map(|_| self.value(&item)).collect::<Vec<_>>().join(" ");
            lengths.into_iter().map(list).collect()
        } else if let Some(item) = inner("Nullable(") {
            let nulls = self.bytes(rows);
            let values: Vec<_> = (0..rows).map(|_| self.value(&item)).collect();
            let value =
                |(null, value): (&u8, String)| if *null == 1 { "null".to_owned() } else { value };
            nulls.iter().zip(values).map(value).collect()
        } else {
            (0..rows).map(|_| self.value(&kind)).collect()
        };
        (name, kind, values)
    }
}

/// The columns of a block; nothing may be left of it.
fn read(block: &[u8]) -> Vec<Read> {
    let mut reader = Reader(block);
    let read = read_block(&mut reader);
    assert_eq!(reader.0.len(), 0, "bytes are left");
    read
}

fn read_block(reader: &mut Reader<'_>) -> Vec<Read> {
    let (columns, rows) = (reader.varint(), reader.varint());
    (0..columns).map(|_| reader.column(rows)).collect()
}

fn spots_of(precision: Precision, batches: &[Batch]) -> Vec<Read> {
    let mut table = Table::new(&Plan::of(RecordKind::Spot, &target(json!({})), precision));
    let mut body = Body::new(false);
    batches.iter().for_each(|batch| table.push(None, batch, &mut body));
    table.finish(&mut body);
    read(body.bytes())
}

fn values<'a>(columns: &'a [Read], name: &str) -> Vec<&'a str> {
    let column = columns.iter().find(|(it, ..)| it == name);
    column.unwrap_or_else(|| panic!("no {name}")).2.iter().map(String::as_str).collect()
}

/// A quote with all there is and one with next to nothing.
fn two_spots() -> Batch {
    let full = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: MOMENT_US,
        recv_time_us: MOMENT_US + 1,
        pre_close: 8.51,
        open: 8.5,
        high: 8.6,
        low: 8.4,
        close: 8.55,
        amount_cny: 3_429_770.0,
        volume_shares: 401_234,
        bid: &[8.54, 8.53, 8.52, 8.51, 8.5],
        bid_volume: &[100, 200, 301, 400, 500],
        ask: &[8.55],
        ask_volume: &[700],
        source: "qq",
        sequence: 42,
        quality_score: Some(0.5),
    };
    let mut encoder = SpotListEncoder::new(2);
    encoder.push(&full).unwrap();
    encoder.push(&SpotRecord { market: "SZ", code: "399001", ..SpotRecord::default() }).unwrap();
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

#[test]
fn quotes_keep_every_value_in_base_units() {
    let columns = spots_of(Precision::Micros, &[two_spots()]);
    let expected = [
        ("symbol", "String", ["600000.SH", "399001.SZ"]),
        ("market", "String", ["SH", "SZ"]),
        ("code", "String", ["600000", "399001"]),
        ("name", "String", ["浦发银行", ""]),
        ("time", "DateTime64(6, 'Asia/Shanghai')", ["1638321301250000", "0"]),
        ("recv_time", "DateTime64(6, 'Asia/Shanghai')", ["1638321301250001", "0"]),
        ("pre_close", "Float64", ["8.51", "0"]),
        ("open", "Float64", ["8.5", "0"]),
        ("high", "Float64", ["8.6", "0"]),
        ("low", "Float64", ["8.4", "0"]),
        ("close", "Float64", ["8.55", "0"]),
        ("amount", "Float64", ["3429770", "0"]),
        ("volume", "UInt64", ["401234", "0"]),
        ("bid", "Array(Float64)", ["8.54 8.53 8.52 8.51 8.5", ""]),
        ("bid_volume", "Array(UInt64)", ["100 200 301 400 500", ""]),
        ("ask", "Array(Float64)", ["8.55", ""]),
        ("ask_volume", "Array(UInt64)", ["700", ""]),
        ("source", "String", ["qq", ""]),
        ("quality_score", "Nullable(Float32)", ["0.5", "null"]),
        ("phase", "String", ["auction", ""]),
        ("sequence", "UInt64", ["42", "1"]),
    ];
    for ((name, kind, values), read) in expected.iter().zip(&columns) {
        let values = values.map(str::to_owned).to_vec();
        assert_eq!(read, &((*name).to_owned(), (*kind).to_owned(), values));
    }
    assert_eq!(columns.len(), expected.len());
}

#[test]
fn where_times_end_at_seconds_the_microseconds_stand_beside_them() {
    let columns = spots_of(Precision::Seconds, &[two_spots()]);
    assert_eq!(values(&columns, "time"), ["1638321301", "0"]);
    assert_eq!(values(&columns, "time_us"), ["1638321301250000", "0"]);
    assert_eq!(values(&columns, "recv_time_us"), ["1638321301250001", "0"]);
}

#[test]
fn quotes_without_a_number_get_the_same_one_again_in_halves_too() {
    let mut encoder = SpotListEncoder::new(0);
    for code in ["600000", "600001", "600002"] {
        let spot = SpotRecord { market: "SH", code, source: "own", ..SpotRecord::default() };
        encoder.push(&spot).unwrap();
    }
    let provenance = plugin_api::Provenance::of_source("feed");
    let batch = Batch::from_spots(&mut encoder, Round::MIDDLE)
        .with_provenance(provenance)
        .numbered(9, 3, 10);
    let whole = spots_of(Precision::Micros, std::slice::from_ref(&batch));
    assert_eq!(values(&whole, "source"), ["feed"; 3]);
    let sequences: Vec<_> = (0..3).map(|index| ((3 << 20) + 10 + index).to_string()).collect();
    assert_eq!(values(&whole, "sequence"), sequences);
    let (first, second) = batch.halves().unwrap().unwrap();
    assert_eq!(spots_of(Precision::Micros, &[first, second]), whole);
}

#[test]
fn several_batches_make_one_block_and_the_next_starts_anew() {
    let mut table = Table::new(&Plan::of(RecordKind::Spot, &target(json!({})), Precision::Micros));
    let mut body = Body::new(false);
    for _ in 0..2 {
        body.clear();
        table.push(None, &spot_batch(3, Round::MIDDLE), &mut body);
        table.push(None, &bar_batch(), &mut body);
        table.push(None, &spot_batch(2, Round::MIDDLE), &mut body);
        table.finish(&mut body);
        let columns = read(body.bytes());
        assert_eq!(values(&columns, "sequence"), ["1", "2", "3", "1", "2"]);
        assert_eq!(values(&columns, "bid")[4], "10.01 10");
    }
}

#[test]
fn every_record_is_of_one_shard() {
    let batch = spot_batch(100, Round::MIDDLE);
    let key = ShardKey::new(&[1, 2]).unwrap();
    let mut numbers = Vec::new();
    for shard in 0..2 {
        let mut table =
            Table::new(&Plan::of(RecordKind::Spot, &target(json!({})), Precision::Micros));
        let mut body = Body::new(false);
        table.push(Some((&key, shard)), &batch, &mut body);
        table.finish(&mut body);
        let columns = read(body.bytes());
        let of_shard = values(&columns, "sequence");
        assert!((10..90).contains(&of_shard.len()), "{} of shard {shard}", of_shard.len());
        numbers.extend(of_shard.iter().map(|it| it.parse::<u64>().unwrap()));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=100));
}

#[test]
fn many_records_make_several_blocks_without_losing_one() {
    let mut table = Table::new(&Plan::of(RecordKind::Spot, &target(json!({})), Precision::Micros));
    let mut body = Body::new(false);
    for _ in 0..2 {
        table.push(None, &spot_batch(10_000, Round::MIDDLE), &mut body);
    }
    table.finish(&mut body);
    let mut reader = Reader(body.bytes());
    let mut sequences = Vec::new();
    while !reader.0.is_empty() {
        let columns = read_block(&mut reader);
        sequences.extend(values(&columns, "sequence").into_iter().map(str::to_owned));
    }
    let expected = (1..=10_000).chain(1..=10_000).map(|number| number.to_string());
    assert!(sequences.into_iter().eq(expected));
}

#[test]
fn bars_carry_when_they_were_received_so_that_the_last_one_stays() {
    let mut table = Table::new(&Plan::of(RecordKind::Bar, &target(json!({})), Precision::Micros));
    let mut provenance = plugin_api::Provenance::of_source("bars");
    provenance.received_at_us = MOMENT_US;
    let mut body = Body::new(false);
    table.push(None, &bar_batch().with_provenance(provenance), &mut body);
    table.finish(&mut body);
    let columns = read(body.bytes());
    let row: Vec<_> = columns.iter().map(|(name, _, values)| (&name[..], &values[0][..])).collect();
    assert_eq!(
        row,
        [
            ("symbol", "600000.SH"),
            ("period", "1m"),
            ("time", "1638322260000000"),
            ("open", "10"),
            ("high", "10.2"),
            ("low", "9.9"),
            ("close", "10.1"),
            ("amount", "12345"),
            ("volume", "1200"),
            ("closed", "1"),
            ("quality_score", "null"),
            ("source", "test"),
            ("version", "1638321301250000"),
        ]
    );
}

#[test]
fn a_column_that_the_table_lacks_is_in_no_block() {
    let mut plan = Plan::of(RecordKind::Bar, &target(json!({})), Precision::Micros);
    let whole = names_of(&plan);
    plan.leave_out(|_| false);
    let expected: Vec<_> = whole.into_iter().filter(|name| name != "source").collect();
    assert_eq!(names_of(&plan), expected);
}

/// The columns of a block with a bar.
fn names_of(plan: &Plan) -> Vec<String> {
    let (mut table, mut body) = (Table::new(plan), Body::new(false));
    table.push(None, &bar_batch(), &mut body);
    table.finish(&mut body);
    let columns = read(body.bytes());
    assert_eq!(values(&columns, "close"), ["10.1"]);
    columns.into_iter().map(|(name, ..)| name).collect()
}
