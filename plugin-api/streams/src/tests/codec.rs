//! Records into fields and back.

use plugin_api::{
    BarRecord, Batch, Provenance, Record, Round, SpotListEncoder, SpotRecord, Symbol, WithRecords,
    encode_bars, schemas::units::to_shares,
};
use proptest::{collection::vec, option, prelude::*};

use crate::{
    record::{self, Book, Content, Json, Resp, Writer},
    server::{Entry, EntryId},
};

/// The fields as an entry has them when Redis gives it back.
fn entry(fields: &Resp) -> Entry {
    let mut wire = format!("*{}\r\n", fields.arguments).into_bytes();
    wire.extend_from_slice(&fields.bytes);
    let redis::Value::Array(items) = redis::parse_redis_value(&wire).unwrap() else { panic!() };
    let fields = items.into_iter().map(|item| match item {
        redis::Value::BulkString(bytes) => bytes,
        other => panic!("{other:?}"),
    });
    Entry { id: EntryId { ms: 5, number: 6 }, fields: fields.collect() }
}

fn spot_entry(batch: &Batch) -> Entry {
    let mut fields = Resp::default();
    let spot = batch.spots().iter().next().unwrap();
    Writer::default().spot(&spot, batch.provenance(), &mut fields);
    entry(&fields)
}

fn one_spot(record: &SpotRecord<'_>) -> Batch {
    let mut encoder = SpotListEncoder::new(1);
    encoder.push(record).unwrap();
    Batch::from_spots(&mut encoder, Round::MIDDLE)
}

/// Whatever a double can be but what no price is.
fn price() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0_u32..10_000_000).prop_map(|cents| f64::from(cents) / 100.0),
        any::<f64>().prop_filter("no number", |value| value.is_finite()),
    ]
}

/// Exchanges, under the names that this project gives them.
fn market() -> impl Strategy<Value = String> {
    "[A-Z]{2}".prop_filter("another name of Shanghai", |market| market != "SS")
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("浦发银行".to_owned()), ".{0,12}"]
}

/// Times that have a text: years 1970 to 9999.
fn time_us() -> impl Strategy<Value = i64> {
    1_i64..250_000_000_000_000_000
}

proptest! {
    #[test]
    fn quotes_come_back_as_they_were(
        (market, code, name) in (market(), "[0-9]{6}", name()),
        (time_us, recv_time_us) in (time_us(), time_us()),
        prices in [price(), price(), price(), price(), price(), price()],
        volume_shares in 0_u64..1 << 50,
        (bid, ask) in (vec(price(), 0..=10), vec(price(), 0..=10)),
        (bid_volume, ask_volume) in (vec(0_u64..1 << 40, 0..=10), vec(0_u64..1 << 40, 0..=10)),
        (source, sequence) in ("[a-z]{1,8}", 1_u64..),
        quality_score in option::of(any::<f32>().prop_filter("no number", |it| it.is_finite())),
    ) {
        let [pre_close, open, high, low, close, amount_cny] = prices;
        let record = SpotRecord {
            market: &market, code: &code, name: &name, time_us, recv_time_us, pre_close, open, high,
            low, close, amount_cny, volume_shares, bid: &bid, bid_volume: &bid_volume, ask: &ask,
            ask_volume: &ask_volume, source: &source, sequence, quality_score,
        };
        let batch = one_spot(&record);
        let entry = spot_entry(&batch);
        prop_assert_eq!(record::content(&entry), Content::Spot);
        let mut book = Book::default();
        let read = record::spot(&entry, "stream", &mut book).unwrap();
        prop_assert_eq!(read, record);
        // and so the next host has the same bytes
        let again = one_spot(&read);
        prop_assert_eq!(&again.payload()[..], &batch.payload()[..]);
    }

    #[test]
    fn bars_come_back_as_they_were(
        (market, code, period) in (market(), "[0-9]{6}", "[0-9]{0,2}[a-z]{1,4}"),
        time_us in time_us(),
        prices in [price(), price(), price(), price(), price()],
        (volume_shares, closed) in any::<(u64, bool)>(),
        quality_score in option::of(0.0_f32..=1.0),
        source in "[a-z]{0,4}",
    ) {
        let [open, high, low, close, amount_cny] = prices;
        let symbol = Symbol { market: &market, code: &code };
        let bar = BarRecord {
            symbol, period: &period, time_us, open, high, low, close, amount_cny, volume_shares,
            closed, quality_score, source: &source,
        };
        let batch = Batch::from_bars(encode_bars([bar])).unwrap();
        let mut fields = Resp::default();
        Writer::default().bar(&batch.bars().next().unwrap(), batch.provenance(), &mut fields);
        let entry = entry(&fields);
        prop_assert_eq!(record::content(&entry), Content::Bar);
        prop_assert_eq!(record::bar(&entry).unwrap(), bar);
    }

    /// Nothing that somebody writes into a stream makes the source do anything but say what is
    /// wrong.
    #[test]
    fn whatever_is_in_an_entry_is_read_or_refused(
        fields in vec((prop_oneof![
            Just("symbol"), Just("frame"), Just("open"), Just("high"), Just("low"), Just("close"),
            Just("vol"), Just("amount"), Just("bid"), Just("bid_vol"), Just("levels"),
            Just("timestamp"), Just("quality_score"), Just("seq"), Just("closed"), Just("bid_more"),
        ], prop_oneof![
            vec(any::<u8>(), 0..12),
            "[-0-9.,:e ]{0,14}".prop_map(String::into_bytes),
            Just(b"600000.SH".to_vec()),
            Just(b"2025-06-05 10:30:00".to_vec()),
        ]), 0..24),
    ) {
        let fields = fields.into_iter().flat_map(|(name, value)| [name.as_bytes().to_vec(), value]);
        let entry = Entry { id: EntryId::default(), fields: fields.collect() };
        let mut book = Book::default();
        if let Ok(record) = record::spot(&entry, "stream", &mut book) {
            prop_assert_eq!(one_spot(&record).records(), 1);
        }
        let _ = record::bar(&entry);
    }
}

#[test]
fn an_entry_reads_as_consumers_know_it() {
    let batch = one_spot(&SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发\"银行",
        time_us: 1_638_321_301_000_000,
        recv_time_us: 1_638_321_301_500_001,
        pre_close: 8.5,
        open: 8.51,
        high: 8.6,
        low: 8.4,
        close: 8.55,
        amount_cny: 3_429_770.0,
        volume_shares: 123_400,
        bid: &[8.55, 8.54],
        bid_volume: &[100, 250],
        ask: &[8.56; 7],
        ask_volume: &[100; 7],
        source: "quotes",
        sequence: 7,
        quality_score: None,
    });
    let entry = spot_entry(&batch);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let lines: Vec<_> =
        entry.pairs().map(|(name, value)| format!("{}={}", text(name), text(value))).collect();
    assert_eq!(
        lines,
        [
            "symbol=600000.SH",
            "name=浦发\"银行",
            "frame=2021-12-01 09:15:01",
            "pre_close=8.5",
            "open=8.51",
            "high=8.6",
            "low=8.4",
            "close=8.55",
            "vol=123400",
            "amount=3429770",
            "bid=8.55,8.54,0,0,0",
            "bid_vol=100,250,0,0,0",
            "ask=8.56,8.56,8.56,8.56,8.56",
            "ask_vol=100,100,100,100,100",
            "levels=2,2,7,7",
            "bid_more=",
            "bid_vol_more=",
            "ask_more=8.56,8.56",
            "ask_vol_more=100,100",
            "timestamp=1638321301.500001",
            "quality_score=1",
            "source=quotes",
            "seq=7",
            "phase=auction",
        ]
    );
    let mut json = Json::default();
    let spot = batch.spots().iter().next().unwrap();
    Writer::default().spot(&spot, batch.provenance(), &mut json);
    let json: plugin_api::serde_json::Value =
        plugin_api::serde_json::from_slice(json.finish()).unwrap();
    assert_eq!((&json["name"], &json["close"]), (&"浦发\"银行".into(), &8.55.into()));
    assert_eq!((&json["vol"], &json["bid"]), (&123_400.into(), &"8.55,8.54,0,0,0".into()));
    assert_eq!(to_shares(2.5, 100.0), 250);
}

/// What producers in Python write, and what is no record.
#[test]
fn entries_of_others_are_read_strictly() {
    let fields = |more: &[(&str, &str)]| {
        let mut fields = vec![
            ("symbol", "000001.SZ"),
            ("frame", "2025-06-05 10:30:00"),
            ("open", "11.5"),
            ("high", "11.52"),
            ("low", "11.49"),
            ("close", "11.5"),
            ("vol", "12300.0"),
            ("amount", "141450.0"),
            ("timestamp", "1749090600.1234567"),
            ("quality_score", "0.95"),
        ];
        for (name, value) in more {
            fields.retain(|(known, _)| known != name);
            if *value != "(none)" {
                fields.push((name, value));
            }
        }
        let fields = fields.into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
        Entry { id: EntryId { ms: 3, number: 1 }, fields: fields.collect() }
    };
    let plain = fields(&[]);
    assert_eq!(record::content(&plain), Content::Bar);
    let bar = record::bar(&plain).unwrap();
    assert_eq!((bar.period, bar.closed, bar.volume_shares), ("1m", true, 12_300));
    assert_eq!(bar.quality_score, Some(0.95));
    let mut book = Book::default();
    let entry = fields(&[("bid", "1.0, 2.0"), ("name", "x")]);
    let spot = record::spot(&entry, "stream", &mut book).unwrap();
    assert_eq!((spot.source, spot.sequence), ("stream", 3 << 22 | 1));
    assert_eq!((spot.recv_time_us, spot.bid), (1_749_090_600_123_456, &[1.0, 2.0][..]));
    for (name, value, text) in [
        ("symbol", "(none)", "`symbol` is missing"),
        ("symbol", "平安", "not a code and an exchange"),
        ("symbol", "ABC.SH", "not a code and an exchange"),
        ("symbol", "600519SH", "not a code and an exchange"),
        ("symbol", "1.XSHG.0", "not a code and an exchange"),
        ("frame", "yesterday", "\"yesterday\", not a time"),
        ("frame", "2025-06-05 10:30:00 CST", "not a time"),
        ("open", "nan", "\"nan\", not a number"),
        ("close", "NaN", "\"NaN\", not a number"),
        ("high", "inf", "\"inf\", not a number"),
        ("amount", "1e999", "\"1e999\", not a number"),
        ("vol", "nan", "a whole number of shares"),
        ("quality_score", "nan", "\"nan\", not a number"),
        ("close", "(none)", "`close` is missing"),
        ("close", "1,5", "\"1,5\", not a number"),
        ("vol", "1.5", "a whole number of shares"),
        ("vol", "-1", "a whole number of shares"),
        ("closed", "maybe", "not 1 or 0"),
    ] {
        let error = record::bar(&fields(&[(name, value)])).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
    for (name, value, text) in [
        ("bid", "1,x", "numbers joined by commas"),
        ("ask", "1,nan", "numbers joined by commas"),
        ("pre_close", "-inf", "\"-inf\", not a number"),
        ("bid", "1,2,3,4,5,6,7,8,9,10,11", "at most ten levels"),
        ("levels", "1,2", "four counts"),
        ("timestamp", "now", "seconds since 1970"),
        ("seq", "-1", "a number"),
    ] {
        let error = record::spot(&fields(&[(name, value)]), "s", &mut book).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
}

/// What `replay` understands, so does this.
#[test]
fn times_with_a_zone_and_exchanges_by_other_names_are_understood() {
    let entry = |symbol: &str, frame: &str| {
        let fields = [
            ("symbol", symbol),
            ("frame", frame),
            ("open", "1"),
            ("high", "1"),
            ("low", "1"),
            ("close", "1"),
            ("vol", "1.0"),
            ("amount", "1"),
        ];
        let fields = fields.into_iter().flat_map(|(name, value)| [name.into(), value.into()]);
        Entry { id: EntryId { ms: 3, number: 1 }, fields: fields.collect() }
    };
    for frame in [
        "2024-01-03 09:30:00",
        "2024-01-03T01:30:00Z",
        "2024-01-03 01:30:00+00:00",
        "2024-01-03T09:30:00+08:00",
        "2024-01-03T09:30:00.000+0800",
        "2024-01-03 01:30:00 UTC",
        "1704245400",
        "1704245400000",
    ] {
        let entry = entry("600519.XSHG", frame);
        let bar = record::bar(&entry).unwrap();
        assert_eq!(bar.symbol, Symbol { market: "SH", code: "600519" });
        assert_eq!(bar.time_us, 1_704_245_400_000_000, "{frame}");
    }
    for (symbol, market) in [("000001.SZSE", "SZ"), ("sz.000001", "SZ"), ("00700.HK", "HK")] {
        let entry = entry(symbol, "2024-01-03 09:30:00");
        assert_eq!(record::bar(&entry).unwrap().symbol.market, market);
    }
}

/// The writers of quotes and bars are written by hand; each must name every column.
#[test]
fn every_column_has_its_field() {
    let level = [8.5, 8.4, 8.3, 8.2, 8.1];
    let record = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: 1_638_321_301_000_000,
        pre_close: 8.51,
        open: 8.5,
        high: 8.6,
        low: 8.4,
        close: 8.55,
        amount_cny: 3_429_770.0,
        volume_shares: 401_234,
        bid: &level,
        bid_volume: &[100, 200, 300, 400, 500],
        ask: &level,
        ask_volume: &[600, 700, 800, 900, 1_000],
        source: "quotes",
        quality_score: Some(0.5),
        ..SpotRecord::default()
    };
    for batch in [one_spot(&record), plugin_api::testing::bar_batch()] {
        let mut by_hand = Vec::new();
        let took = Writer::default().each(&batch, &mut Resp::default(), |_, _, fields| {
            by_hand.push(entry(fields));
            Ok::<_, ()>(())
        });
        took.unwrap();
        let by_column = batch.with_records(ByColumn(batch.provenance()));
        assert_eq!((by_hand.len(), by_column.len()), (1, 1));
        for (name, value) in by_column[0].pairs() {
            let name = str::from_utf8(name).unwrap();
            assert_eq!(by_hand[0].field(name), Some(value), "{name} of {}", batch.kind().as_str());
        }
        assert_eq!(by_hand[0].fields.len(), by_column[0].fields.len());
    }
}

struct ByColumn<'a>(&'a Provenance);

impl WithRecords for ByColumn<'_> {
    type Output = Vec<Entry>;

    fn run<R: Record>(self, records: impl Iterator<Item = R>) -> Vec<Entry> {
        let written = records.map(|record| {
            let mut fields = Resp::default();
            Writer::default().record(&record, self.0, &mut fields);
            entry(&fields)
        });
        written.collect()
    }
}
