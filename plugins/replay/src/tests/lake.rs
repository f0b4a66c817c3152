//! Files as the `parquet` sink writes them.

use arrow::{
    array::{
        ArrayRef, BooleanArray, Float32Array, Float64Array, ListArray, StringArray,
        TimestampMicrosecondArray, UInt64Array,
    },
    datatypes::{ArrowPrimitiveType, Float64Type, UInt64Type},
    record_batch::RecordBatch,
};
use parquet::arrow::ArrowWriter;
use plugin_api::{SpotView, schemas::spot::shares};

use super::*;

/// At least five levels, absent ones null.
fn lists<T: ArrowPrimitiveType>(levels: impl Iterator<Item = Vec<T::Native>>) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<T, _, _>(levels.map(|levels| {
        let missing = 5_usize.saturating_sub(levels.len());
        let levels = levels.into_iter().map(Some).chain(std::iter::repeat_n(None, missing));
        Some(levels.collect::<Vec<_>>())
    })))
}

fn write(file: &Path, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(fs::File::create(file).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// A file of quotes, as earlier builds wrote it, or with the column that came later.
fn write_spots(file: &Path, spots: &[SpotView<'_>], has_phase: bool) {
    let texts = |get: &dyn Fn(&SpotView<'_>) -> String| -> ArrayRef {
        Arc::new(spots.iter().map(|spot| Some(get(spot))).collect::<StringArray>())
    };
    let times = |get: &dyn Fn(&SpotView<'_>) -> i64| -> ArrayRef {
        let times: TimestampMicrosecondArray = spots.iter().map(|spot| Some(get(spot))).collect();
        Arc::new(times.with_timezone("UTC"))
    };
    let numbers = |get: &dyn Fn(&SpotView<'_>) -> f64| -> ArrayRef {
        Arc::new(spots.iter().map(|spot| Some(get(spot))).collect::<Float64Array>())
    };
    let name = spots.iter().map(|spot| Some(spot.name()).filter(|name| !name.is_empty()));
    let volume = spots.iter().map(|spot| Some(spot.volume_shares()));
    let quality = spots.iter().map(SpotView::quality_score);
    let phase = has_phase.then(|| {
        texts(&|spot| spot.phase().map_or_else(String::new, |phase| phase.as_str().to_owned()))
    });
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", texts(&|spot| spot.symbol().to_string())),
        ("market", texts(&|spot| spot.market().to_owned())),
        ("code", texts(&|spot| spot.code().to_owned())),
        ("name", Arc::new(name.collect::<StringArray>())),
        ("time", times(&|spot| spot.time_us())),
        ("recv_time", times(&|spot| spot.recv_time_us())),
        ("pre_close", numbers(&|spot| spot.pre_close())),
        ("open", numbers(&|spot| spot.open())),
        ("high", numbers(&|spot| spot.high())),
        ("low", numbers(&|spot| spot.low())),
        ("close", numbers(&|spot| spot.close())),
        ("amount", numbers(&|spot| spot.amount_cny())),
        ("volume", Arc::new(volume.collect::<UInt64Array>())),
        ("bid", lists::<Float64Type>(spots.iter().map(|spot| spot.bid().iter().collect()))),
        (
            "bid_volume",
            lists::<UInt64Type>(
                spots.iter().map(|spot| spot.bid_lots().iter().map(shares).collect()),
            ),
        ),
        ("ask", lists::<Float64Type>(spots.iter().map(|spot| spot.ask().iter().collect()))),
        (
            "ask_volume",
            lists::<UInt64Type>(
                spots.iter().map(|spot| spot.ask_lots().iter().map(shares).collect()),
            ),
        ),
        ("source", texts(&|spot| spot.source().to_owned())),
        ("quality_score", Arc::new(quality.collect::<Float32Array>())),
    ];
    columns.extend(phase.map(|phase| ("phase", phase)));
    write(file, columns);
}

#[test]
fn a_replay_of_the_lake_is_the_replay_that_filled_it() {
    let dir = tempfile::tempdir().unwrap();
    for options in [sse_2021(), sse_2023(), szse_2022()] {
        let original = play(&options, &samples());
        let spots: Vec<SpotView<'_>> = original
            .batches
            .iter()
            .flat_map(|batch| batch.spots().iter().collect::<Vec<_>>())
            .collect();
        // rolled in the midst of a round
        let (first, second) = spots.split_at(spots.len() / 2 + 1);
        // and filled by an earlier build first
        write_spots(&dir.path().join("part.parquet"), first, false);
        write_spots(&dir.path().join("part~1.parquet"), second, true);
        let host = Arc::<TestHost>::default();
        let context = testing::context(&host, dir.path());
        let options = json!({ "path": ".", "speed": 0 });
        let again = testing::check_source::<Replay>(&options, context, usize::MAX);
        let again: Vec<&[u8]> = again.iter().map(|batch| &batch.payload()[..]).collect();
        assert!(again == original.payloads(), "the payloads differ");
    }
}

#[test]
fn names_scores_and_times_of_reception_are_restored() {
    let dir = tempfile::tempdir().unwrap();
    let mut encoder = plugin_api::SpotListEncoder::new(2);
    for (sequence, name, quality_score) in [(1, "浦发银行", Some(0.1_f32)), (2, "", None)] {
        let record = plugin_api::SpotRecord {
            market: "SH",
            code: "600000",
            name,
            time_us: 1_638_321_301_000_000,
            recv_time_us: 1_638_321_301_234_567,
            amount_cny: 0.1 + 0.2,
            bid: &[9.39, 0.0, 9.37],
            bid_volume: &[150],
            source: "quotes",
            sequence,
            quality_score,
            ..Default::default()
        };
        encoder.push(&record).unwrap();
    }
    let batch = Batch::from_spots(&mut encoder, plugin_api::Round::WHOLE);
    write_spots(&dir.path().join("a.parquet"), &batch.spots().iter().collect::<Vec<_>>(), true);
    let played = play(&json!({ "path": "a.parquet", "speed": 0 }), dir.path());
    assert_eq!(played.payloads(), [&batch.payload()[..]]);
}

#[test]
fn bars_are_played_as_bars_beside_quotes() {
    let dir = tempfile::tempdir().unwrap();
    write_own(dir.path(), "spots.csv", &["09:31:00,600000,1", "09:32:00,600000,2"]);
    let time_us = 1_638_322_260_000_000; // 09:31:00
    let times = TimestampMicrosecondArray::from(vec![time_us, time_us, time_us + 60_000_000]);
    let number = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value; 3])) };
    // as an earlier build wrote it, without a source
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("symbol", Arc::new(StringArray::from(vec!["600000.SH", "600001.SH", "600000.SH"]))),
        ("period", Arc::new(StringArray::from(vec!["1m"; 3]))),
        ("time", Arc::new(times.with_timezone("Asia/Shanghai"))),
        ("open", number(1.1)),
        ("high", number(1.4)),
        ("low", number(1.0)),
        ("close", number(1.2)),
        ("amount", number(123.45)),
        ("volume", Arc::new(UInt64Array::from(vec![100; 3]))),
        ("closed", Arc::new(BooleanArray::from(vec![true, true, false]))),
        ("quality_score", Arc::new(Float32Array::from(vec![None, Some(1.0), None]))),
    ];
    let file = dir.path().join("bars.parquet");
    write(&file, columns.clone());
    let played = play(&own("."), dir.path());
    let shape: Vec<_> =
        played.batches.iter().map(|batch| (batch.kind().as_str(), batch.records())).collect();
    assert_eq!(shape, [("spot", 1), ("bar", 2), ("spot", 1), ("bar", 1)]);
    let bars: Vec<_> = played.batches[1].bars().collect();
    assert_eq!((bars[1].symbol.code, bars[1].period, bars[1].time_us), ("600001", "1m", time_us));
    assert_eq!((bars[1].open, bars[1].amount_cny, bars[1].volume_shares), (1.1, 123.45, 100));
    assert_eq!((bars[1].closed, bars[1].quality_score), (true, Some(1.0)));
    assert!(!played.batches[3].bars().next().unwrap().closed);
    assert_eq!(bars[1].source, "");
    let source = StringArray::from(vec![None, Some("qmt"), None]);
    columns.push(("source", Arc::new(source)));
    write(&file, columns);
    let played = play(&own("."), dir.path());
    let sources: Vec<_> = played.batches[1].bars().map(|bar| bar.source).collect();
    assert_eq!(sources, ["", "qmt"]);
}

#[test]
fn vendor_columns_of_any_type_are_read() {
    use arrow::array::{
        Date32Array, DictionaryArray, Int32Array, Int64Array, Time64MicrosecondArray,
    };

    let dir = tempfile::tempdir().unwrap();
    let texts: DictionaryArray<arrow::datatypes::Int32Type> = ["N浦发"; 4].into_iter().collect();
    let scale = |digits: i128| Some(digits);
    let decimals = arrow::array::Decimal128Array::from_iter([940, 941, 942, 943].map(scale));
    write(
        &dir.path().join("day.parquet"),
        vec![
            ("ID", Arc::new(Int32Array::from(vec![1, 1, 600, 1]))),
            ("Day", Arc::new(Date32Array::from(vec![18_962; 4]))), // 2021-12-01
            ("Clock", Arc::new(Time64MicrosecondArray::from(vec![34_200_000_000; 4]))),
            ("Name", Arc::new(texts)),
            ("Last", Arc::new(Float32Array::from(vec![10.1, f32::NAN, 10.2, 10.3]))),
            ("Mean", Arc::new(decimals.with_precision_and_scale(10, 2).unwrap())),
            ("Lots", Arc::new(Int64Array::from(vec![Some(7), Some(1), None, Some(-7)]))),
        ],
    );
    let columns = json!({
        "code": "ID", "date": "Day", "time": "Clock", "name": "Name", "close": "Last",
        "open": "Mean", "volume": "Lots",
    });
    let options = json!({
        "path": "day.parquet", "speed": 0, "market": "SZ", "columns": columns, "units": { "volume": "lots" },
    });
    let played = play(&options, dir.path());
    let spots: Vec<_> =
        played.batches.iter().flat_map(|batch| batch.spots().iter().collect::<Vec<_>>()).collect();
    let seen: Vec<_> = spots
        .iter()
        .map(|spot| {
            (
                spot.code(),
                spot.name(),
                spot.datetime(),
                spot.close(),
                spot.open(),
                spot.volume_shares(),
            )
        })
        .collect();
    let nine_thirty = "2021-12-01 09:30:00";
    assert_eq!(
        seen,
        [
            ("000001", "N浦发", nine_thirty, 10.1, 9.4, 700),
            ("000600", "N浦发", nine_thirty, 10.2, 9.42, 0)
        ]
    );
    let letters = played.host.told().dead_letters;
    assert!(letters[0].0.ends_with("row 2, column Last: \"NaN\" is not finite"), "{letters:?}");
    assert!(letters[1].0.ends_with("row 4, column Lots: \"-7\" is negative"), "{letters:?}");
    let raw: Value = plugin_api::serde_json::from_slice(&letters[1].1).unwrap();
    assert_eq!((&raw["ID"], &raw["Lots"]), (&json!("1"), &json!("-7")));
}

#[test]
fn a_flag_or_a_list_is_no_number() {
    use arrow::array::{Float64Builder, ListBuilder};

    let mut nested = ListBuilder::new(ListBuilder::new(Float64Builder::new()));
    nested.append_null();
    nested.values().values().append_value(9.3);
    nested.values().append(true);
    nested.append(true);
    let list = ListArray::from_iter_primitive::<Float64Type, _, _>([None, Some(vec![Some(9.4)])]);
    let cases: [(&str, ArrayRef, &str); 5] = [
        ("close", Arc::new(BooleanArray::from(vec![None, Some(true)])), "true"),
        ("volume", Arc::new(BooleanArray::from(vec![None, Some(true)])), "true"),
        ("close", Arc::new(list.clone()), "9.4"),
        ("volume", Arc::new(list), "9.4"),
        ("bid", Arc::new(nested.finish()), ""),
    ];
    for (name, column, value) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("symbol", Arc::new(StringArray::from(vec!["600000.SH"; 2]))),
            ("time", Arc::new(StringArray::from(vec!["2021-12-01 09:30:00"; 2]))),
        ];
        if name != "close" {
            columns.push(("close", Arc::new(Float64Array::from(vec![9.4; 2]))));
        }
        columns.push((name, column));
        write(&dir.path().join("day.parquet"), columns);
        let played = play(&own("day.parquet"), dir.path());
        assert_eq!(played.rows().len(), 1, "nothing was recorded in the first row");
        let letters = played.host.told().dead_letters;
        let why = format!("row 2, column {name}: {value:?} is no number");
        assert!(letters[0].0.ends_with(&why), "{letters:?}");
    }
}

#[test]
fn damage_within_a_file_ends_that_file_alone() {
    let dir = tempfile::tempdir().unwrap();
    let original = play(&sse_2023(), &samples());
    let spots: Vec<SpotView<'_>> = original
        .batches
        .iter()
        .flat_map(|batch| batch.spots().iter().collect::<Vec<_>>())
        .collect();
    let file = dir.path().join("a.parquet");
    write_spots(&file, &spots[..500], true);
    let whole = fs::read(&file).unwrap();
    write_own(dir.path(), "b.csv", &["2023-02-01 23:59:59,600000,1"]);
    for at in (4..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[at..(at + 24).min(whole.len())].fill(0xa5);
        fs::write(&file, bytes).unwrap();
        let options = json!({ "path": ".", "speed": 0, "market": "SH" });
        let host = Arc::<TestHost>::default();
        let mut source = match Replay::open(
            testing::options(options).unwrap(),
            testing::context(&host, dir.path()),
        ) {
            Ok(source) => source,
            Err(error) => {
                assert!(error.message.contains("a.parquet"), "{at}: {error}");
                continue;
            }
        };
        let mut others_go_on = false;
        loop {
            match source.next(Duration::from_secs(1)).unwrap() {
                Polled::Batch(batch) => {
                    others_go_on |= batch.spots().iter().any(|spot| spot.code() == "600000");
                }
                Polled::Idle => {}
                Polled::End => break,
            }
        }
        assert!(others_go_on, "damage at {at}");
    }
}
