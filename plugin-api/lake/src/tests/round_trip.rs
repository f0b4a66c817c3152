//! What stands in the columns.

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float32Type, Float64Type, TimestampMicrosecondType, UInt64Type},
};
use plugin_api::{BarRecord, WireSpot, encode_bars, serde_json};

use super::*;

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = Arc::clone(reader.schema());
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

/// The quotes of a lake's file as a source would send them again.
fn encoded_again(table: &RecordBatch) -> Vec<u8> {
    let text = |name: &str| table.column_by_name(name).unwrap().as_string::<i32>().clone();
    let number =
        |name: &str| table.column_by_name(name).unwrap().as_primitive::<Float64Type>().clone();
    let time = |name: &str| {
        table.column_by_name(name).unwrap().as_primitive::<TimestampMicrosecondType>().clone()
    };
    let prices = |name: &str, row| {
        let list = table.column_by_name(name).unwrap().as_list::<i32>().value(row);
        list.as_primitive::<Float64Type>().iter().flatten().collect::<Vec<_>>()
    };
    let volumes = |name: &str, row| {
        let list = table.column_by_name(name).unwrap().as_list::<i32>().value(row);
        list.as_primitive::<UInt64Type>().iter().flatten().collect::<Vec<_>>()
    };
    let volume = table.column_by_name("volume").unwrap().as_primitive::<UInt64Type>();
    let score = table.column_by_name("quality_score").unwrap().as_primitive::<Float32Type>();
    let value = |column: &arrow::array::TimestampMicrosecondArray, row| {
        if column.is_null(row) { 0 } else { column.value(row) }
    };
    let mut encoder = SpotListEncoder::new(table.num_rows());
    for row in 0..table.num_rows() {
        let [market, code, name, source] = ["market", "code", "name", "source"].map(text);
        let record = SpotRecord {
            market: market.value(row),
            code: code.value(row),
            name: if name.is_null(row) { "" } else { name.value(row) },
            time_us: value(&time("time"), row),
            recv_time_us: value(&time("recv_time"), row),
            pre_close: number("pre_close").value(row),
            open: number("open").value(row),
            high: number("high").value(row),
            low: number("low").value(row),
            close: number("close").value(row),
            amount_cny: number("amount").value(row),
            volume_shares: volume.value(row),
            bid: &prices("bid", row),
            bid_volume: &volumes("bid_volume", row),
            ask: &prices("ask", row),
            ask_volume: &volumes("ask_volume", row),
            source: source.value(row),
            sequence: row as u64 + 1,
            quality_score: (!score.is_null(row)).then(|| score.value(row)),
        };
        encoder.push(&record).unwrap();
    }
    encoder.finish()
}

/// Quotes with everything that a quote may have or lack.
pub fn varied() -> Batch {
    let mut encoder = SpotListEncoder::new(4);
    let full = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: MORNING_US + 123_456,
        recv_time_us: MORNING_US + 500_000,
        pre_close: 8.53,
        open: 8.5,
        high: 8.6,
        low: 8.4,
        close: 0.1 + 0.2,
        amount_cny: 123_456_789.01,
        volume_shares: (1 << 53) - 1,
        bid: &[8.52, 8.51, 8.5, 8.49, 8.48, 8.47],
        bid_volume: &[100, 7, 300, 400, 500, 600],
        ask: &[8.53, 0.0],
        ask_volume: &[1, 0],
        source: "qq",
        sequence: 1,
        quality_score: Some(0.875),
    };
    let bare = SpotRecord { market: "BJ", code: "430047", sequence: 2, ..SpotRecord::default() };
    let index = SpotRecord { code: "000001", sequence: 3, quality_score: None, ..full };
    let ten = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
    let deep = SpotRecord { bid: &ten, ask: &ten, name: "", sequence: 4, ..full };
    for record in [full, bare, index, deep] {
        encoder.push(&record).unwrap();
    }
    Batch::from_spots(&mut encoder, Round::WHOLE)
}

#[test]
fn quotes_can_be_sent_again_byte_for_byte() {
    for compression in ["zstd", "snappy", "lz4", "none"] {
        let lake = Lake::new();
        let batch = varied();
        let mut sink = lake.open(json!({ "partition": ["kind"], "compression": compression }));
        sink.write(std::slice::from_ref(&batch)).unwrap();
        sink.close().unwrap();
        let table = read(&lake.finished()[0]);
        assert_eq!(encoded_again(&table), batch.payload()[..], "{compression}");
        let names: Vec<_> =
            table.schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(
            names.join(" "),
            "symbol market code name time recv_time pre_close open high low \
            close amount volume bid bid_volume ask ask_volume source quality_score phase"
        );
        let phase = table.column_by_name("phase").unwrap().as_string::<i32>();
        assert_eq!((phase.value(0), phase.is_null(1)), ("auction", true), "null without a time");
        assert_eq!(table.column(0).as_string::<i32>().value(0), "600000.SH");
    }
}

#[test]
fn levels_are_padded_with_nulls_to_five_and_may_be_more() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "partition": ["kind"] }));
    sink.write(&[varied()]).unwrap();
    sink.close().unwrap();
    let table = read(&lake.finished()[0]);
    let levels = |name: &str, row| table.column_by_name(name).unwrap().as_list::<i32>().value(row);
    for (name, row, len, nulls) in [
        ("bid", 0, 6, 0),
        ("ask", 0, 5, 3),
        ("ask_volume", 1, 5, 5),
        ("bid", 3, 10, 0),
        ("bid_volume", 3, 6, 0),
    ] {
        assert_eq!(
            (levels(name, row).len(), levels(name, row).null_count()),
            (len, nulls),
            "{name} of {row}"
        );
    }
}

#[test]
fn quotes_of_other_publishers_are_brought_to_base_units() {
    let lake = Lake::new();
    let mut encoder = SpotListEncoder::new(1);
    let lots = [3.0];
    let spot = WireSpot {
        market: "SH",
        code: "600000",
        datetime: b"2021-12-01 09:15:01",
        amount: 1.5,
        volume: 12.0,
        bid_amount: lots[..].into(),
        ..WireSpot::default()
    };
    encoder.push_wire(&spot).unwrap();
    let mut sink = lake.open(json!({}));
    sink.write(&[Batch::from_spots(&mut encoder, Round::WHOLE)]).unwrap();
    sink.close().unwrap();
    let path = &lake.finished()[0];
    assert!(path.to_str().unwrap().contains("kind=spot/date=2021-12-01"), "{path:?}");
    let table = read(path);
    let amount = table.column_by_name("amount").unwrap().as_primitive::<Float64Type>();
    let volume = table.column_by_name("volume").unwrap().as_primitive::<UInt64Type>();
    let bid = table.column_by_name("bid_volume").unwrap().as_list::<i32>().value(0);
    assert_eq!((amount.values()[0].to_string().as_str(), volume.value(0)), ("15000", 1_200));
    assert_eq!(bid.as_primitive::<UInt64Type>().value(0), 300);
}

#[test]
fn bars_come_back_as_they_went_in() {
    let lake = Lake::new();
    let bar = BarRecord {
        symbol: plugin_api::Symbol { market: "SZ", code: "000001" },
        period: "5m",
        time_us: MORNING_US,
        open: 10.0,
        high: 10.2,
        low: 9.9,
        close: 10.1,
        amount_cny: 12_345.67,
        volume_shares: 1_234,
        closed: true,
        quality_score: Some(1.0),
        source: "qq",
    };
    let open = BarRecord { closed: false, quality_score: None, source: "", ..bar };
    let mut sink = lake.open(json!({}));
    sink.write(&[Batch::from_bars(encode_bars([bar, open])).unwrap()]).unwrap();
    sink.close().unwrap();
    let table = read(&lake.finished()[0]);
    assert_eq!(table.column_by_name("symbol").unwrap().as_string::<i32>().value(1), "000001.SZ");
    assert_eq!(table.column_by_name("period").unwrap().as_string::<i32>().value(0), "5m");
    assert_eq!(
        table.column_by_name("volume").unwrap().as_primitive::<UInt64Type>().value(0),
        1_234
    );
    let closed = table.column_by_name("closed").unwrap().as_boolean();
    assert_eq!((closed.value(0), closed.value(1)), (true, false));
    assert_eq!(table.column_by_name("quality_score").unwrap().null_count(), 1);
    let source = table.column_by_name("source").unwrap().as_string::<i32>();
    assert_eq!((source.value(0), source.is_null(1)), ("qq", true), "null when unknown");
}

#[test]
fn units_zone_and_sequences_stand_in_the_metadata() {
    let lake = Lake::new();
    let mut sink = lake.open(json!({ "partition": ["kind"] }));
    sink.write(&[varied()]).unwrap();
    sink.close().unwrap();
    let path = &lake.finished()[0];
    let metadata = metadata(path);
    let keys = metadata.file_metadata().key_value_metadata().unwrap();
    let value = |key: &str| {
        let entry = keys.iter().find(|entry| entry.key == key);
        entry.and_then(|entry| entry.value.clone()).unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!(value("dataserver.schema"), "spot");
    assert_eq!(value("dataserver.schema_version"), "1");
    assert_eq!(value("dataserver.zone"), "Asia/Shanghai");
    assert_eq!(value("dataserver.instance"), "test");
    let units: Value = serde_json::from_str(&value("dataserver.units")).unwrap();
    assert_eq!((&units["volume"], &units["amount"]), (&json!("shares"), &json!("CNY")));
    let sequences: Value = serde_json::from_str(&value("dataserver.sequences")).unwrap();
    assert_eq!(sequences["qq"], json!({ "first": 1, "last": 4 }));
    let table = read(path);
    assert_eq!(table.schema().field_with_name("bid").unwrap().metadata()["unit"], "CNY");
}
