//! What becomes of the quotes of a list.

use flatbuffers::FlatBufferBuilder;
use plugin_api::{
    SpotView, WireSpot,
    schemas::{
        flat::{Spot, SpotArgs, SpotList, SpotListArgs, root_as_spot_list},
        time::parse_exchange_time,
    },
};
use proptest::{prelude::*, test_runner::Config};

use super::*;
use crate::list::{Lists, Read, Refusal};

const TEN: &str = "2025-11-24 10:00:03";

fn read(bytes: Vec<u8>) -> Result<Read, PluginError> {
    Lists::new("bus").read(bytes, Round::WHOLE, NOW_US).map_err(|(error, _)| error)
}

/// A list of one quote, which the generic builder writes with whatever fields are given.
fn one(
    texts: [Option<&str>; 3],
    adjust: impl for<'a> FnOnce(&mut SpotArgs<'a>, &mut FlatBufferBuilder<'a>),
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let mut args = SpotArgs::default();
    let [market, code, datetime] = texts.map(|text| text.map(|it| builder.create_string(it)));
    (args.market, args.code, args.datetime) = (market, code, datetime);
    (args.close, args.amount, args.volume) = (10.5, 123.5, 77.0);
    adjust(&mut args, &mut builder);
    let spot = Spot::create(&mut builder, &args);
    let spots = builder.create_vector(&[spot]);
    let list = SpotList::create(&mut builder, &SpotListArgs { spot: Some(spots) });
    builder.finish(list, None);
    builder.finished_data().to_vec()
}

#[test]
fn symbols_are_read_as_hikyuu_reads_them() {
    let cases = [
        // market, code, as understood
        (Some("SH"), Some("600000"), Some("600000.SH")),
        (Some("sh"), Some("600000"), Some("600000.SH")),
        (Some("Sz"), Some("ab12"), Some("AB12.SZ")),
        (Some("HK"), Some("00700"), Some("00700.HK")),
        (Some(""), Some("SH600000"), Some("600000.SH")),
        (Some(""), Some("600000.sz"), Some("600000.SZ")),
        (Some(""), Some("600000"), None),
        (Some("SH"), Some("600000.SH"), None),
        (Some("SH"), Some(""), None),
        (Some("S H"), Some("600000"), None),
        (Some("SH"), Some("浦发"), None),
        (Some("SH"), None, None),
        (None, Some("SH600000"), None),
    ];
    for (market, code, expected) in cases {
        let read = read(one([market, code, Some(TEN)], |_, _| {})).unwrap();
        let symbols: Vec<_> =
            read.batch.spots().iter().map(|spot| spot.symbol().to_string()).collect();
        assert_eq!(symbols.first().map(String::as_str), expected, "{market:?} {code:?}");
        let refused = if expected.is_none() { vec![Refusal::BadSymbol] } else { vec![] };
        assert_eq!(read.refused, refused);
    }
}

#[test]
fn times_leave_in_the_one_form_that_every_reader_takes() {
    let cases = [
        // as sent, as passed on
        (Some(TEN), Some(TEN)),
        (Some("2025/11/24 10:00:03"), Some(TEN)),
        (Some("20251124 10:00:03.5"), Some("2025-11-24 10:00:03.500000")),
        (Some("2025-11-24 10:00:3.1234560"), Some("2025-11-24 10:00:03.123456")),
        (Some("2025-11-24"), Some("2025-11-24 00:00:00")),
        (Some("+infinity"), None),
        (Some("2025-11-24 25:00:00"), None),
        (Some(""), None),
        (None, None),
    ];
    for (text, expected) in cases {
        let read = read(one([Some("SH"), Some("600000"), text], |_, _| {})).unwrap();
        let spots = read.batch.spots();
        let spot = spots.iter().next();
        assert_eq!(spot.map(|spot| spot.datetime()), expected, "{text:?}");
        assert_eq!(spot.map(|spot| spot.0.time_us()), expected.and_then(parse_exchange_time));
        assert_eq!(read.refused.first(), expected.is_none().then_some(&Refusal::BadTime));
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    type Adjust = fn(&mut SpotArgs<'_>);
    let cases: [(Adjust, Option<Refusal>); 13] = [
        (|_| {}, None),
        (|spot| spot.close = f64::NAN, Some(Refusal::BadNumber)),
        (|spot| spot.yesterday_close = f64::INFINITY, Some(Refusal::BadNumber)),
        (|spot| spot.volume = -1.0, Some(Refusal::BadNumber)),
        (|spot| spot.amount = -0.5, Some(Refusal::BadNumber)),
        (|spot| spot.quality_score = Some(1.5), Some(Refusal::BadNumber)),
        (|spot| spot.quality_score = Some(0.5), None),
        (|spot| spot.amount_cny = Some(1_235_000.0), None),
        (|spot| spot.amount_cny = Some(1_235_001.0), Some(Refusal::Contradiction)),
        (|spot| spot.volume_shares = Some(7_700), None),
        (|spot| spot.volume_shares = Some(77), Some(Refusal::Contradiction)),
        (|spot| spot.time_us = 1_763_949_603_000_000, None),
        (|spot| spot.time_us = 1_763_949_603_000_001, Some(Refusal::Contradiction)),
    ];
    for (index, (adjust, expected)) in cases.into_iter().enumerate() {
        let bytes = one([Some("SH"), Some("600000"), Some(TEN)], |args, _| adjust(args));
        let read = read(bytes).unwrap();
        assert_eq!(read.refused.first().copied(), expected, "case {index}");
    }
    let nan = one([Some("SH"), Some("600000"), Some(TEN)], |args, builder| {
        args.ask = Some(builder.create_vector(&[1.0, f64::NAN]));
    });
    assert_eq!(read(nan).unwrap().refused, [Refusal::BadNumber]);
}

#[test]
fn one_unfit_quote_does_not_cost_the_others() {
    let mut encoder = SpotListEncoder::new(3);
    for (code, datetime) in [("600000", TEN), ("600001", "yesterday"), ("600002", TEN)] {
        let datetime = datetime.as_bytes();
        encoder
            .push_wire(&WireSpot { market: "SH", code, datetime, ..WireSpot::default() })
            .unwrap();
    }
    let read = read(encoder.finish()).unwrap();
    let codes: Vec<_> = read.batch.spots().iter().map(|spot| spot.code().to_owned()).collect();
    assert_eq!(codes, ["600000", "600002"]);
    assert_eq!(read.example.as_deref(), Some("600001.SH at \"yesterday\""));
}

#[test]
fn lists_that_crash_hikyuu_are_refused() {
    let mut builder = FlatBufferBuilder::new();
    let without = SpotList::create(&mut builder, &SpotListArgs { spot: None });
    builder.finish(without, None);
    let error = read(builder.finished_data().to_vec()).unwrap_err();
    assert!(error.message.contains("no `spot` vector"), "{error}");
    // an element that points nowhere
    let mut bytes = list(0..1)[TOPIC.len()..].to_vec();
    bytes[24..28].fill(0);
    assert!(read(bytes).is_ok_and(|read| read.batch.records() == 0 && read.refused.len() == 1));
    let empty = one([None, None, None], |_, _| {});
    assert_eq!(read(empty).unwrap().refused, [Refusal::BadSymbol]);
}

#[test]
fn other_publishers_get_what_they_do_not_send() {
    let mut lists = Lists::new("bus");
    for first in [1, 3] {
        let bytes = list(0..2)[TOPIC.len()..].to_vec();
        let read = lists.read(bytes, FIRST, NOW_US).unwrap();
        assert_eq!((read.batch.round(), read.refused.len()), (FIRST, 0));
        for (index, spot) in read.batch.spots().iter().enumerate() {
            assert_eq!((spot.source(), spot.sequence()), ("bus", first + index as u64));
            assert_eq!((spot.recv_time_us(), spot.datetime()), (NOW_US, TEN));
            assert_eq!(spot.0.time_us(), parse_exchange_time(TEN).unwrap());
            assert_eq!((spot.0.amount_cny(), spot.0.volume_shares()), (None, None));
            assert_eq!(spot.volume_shares(), 7_700);
        }
    }
}

#[test]
fn a_list_of_our_own_publisher_goes_on_byte_for_byte() {
    let bytes = own_list(1..20)[TOPIC.len()..].to_vec();
    let read = read(bytes.clone()).unwrap();
    assert_eq!(&read.batch.payload()[..], &bytes[..]);
}

#[test]
fn quotes_that_were_lost_on_the_way_are_told_by_their_numbers() {
    let mut publisher = RawPublisher::new();
    let mut bench = Bench::new(&publisher.address());
    bench.source.next(Duration::ZERO).unwrap();
    publisher.accept();
    for numbers in [1..3, 3..4, 9..11] {
        publisher.send(&own_list(numbers));
    }
    bench.records(5);
    assert_eq!(bench.host.counted("sequence_gaps_total"), 1);
    assert_eq!(bench.host.counted("sequence_missing_total"), 5);
    assert_eq!(bench.logged("5 quotes did not arrive"), 1);
}

/// What Hikyuu's reader would see, by the generated code alone.
fn plainly_read(bytes: &[u8]) -> Option<Vec<String>> {
    let list = root_as_spot_list(bytes).ok()?.spot()?;
    Some(list.iter().map(|spot| shown(&SpotView(spot))).collect())
}

/// Everything that the two must agree in; numbers by their bits.
fn shown(spot: &SpotView<'_>) -> String {
    let wire = spot.to_wire();
    let prices = [wire.yesterday_close, wire.open, wire.high, wire.low, wire.close];
    let sums = [wire.amount, wire.volume].map(f64::to_bits);
    let levels = [wire.bid, wire.bid_amount, wire.ask, wire.ask_amount]
        .map(|levels| levels.iter().map(f64::to_bits).collect::<Vec<_>>());
    let symbol = spot.symbol().to_string().to_uppercase();
    let time_us = parse_exchange_time(spot.datetime());
    let prices = prices.map(f64::to_bits);
    format!(
        "{symbol} {:?} {time_us:?} {prices:?} {sums:?} {levels:?} {:?} {:?} {:?}",
        wire.name, wire.amount_cny, wire.volume_shares, wire.quality_score
    )
}

/// How a message is damaged.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Word(usize, u32),
    Cut(usize),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let place = 0..1_000_000_usize;
    let damage = prop_oneof![
        (place.clone(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (place.clone(), prop_oneof![0..64_u32, any::<u32>(), Just(u32::MAX)])
            .prop_map(|(at, word)| Damage::Word(at, word)),
        place.clone().prop_map(Damage::Cut),
        (place.clone(), 1..64_usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (place, prop::collection::vec(any::<u8>(), 1..32))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ];
    prop::collection::vec(damage, 1..4)
}

fn damaged(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        let len = bytes.len().max(1);
        match damage {
            Damage::Flip(at, bits) => {
                if let Some(byte) = bytes.get_mut(at % len) {
                    *byte ^= bits;
                }
            }
            Damage::Word(at, word) => {
                let at = at % len / 4 * 4;
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
            }
            Damage::Cut(at) => bytes.truncate(at % len),
            Damage::Remove(at, count) => {
                let at = at % len;
                bytes.drain(at.min(bytes.len())..(at + count).min(bytes.len()));
            }
            Damage::Insert(at, more) => {
                let at = at % len;
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), more.iter().copied());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(Config { cases: 10_000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_damaged_list_gives_no_quote_that_is_not_in_it(
        kind in 0..3_u8,
        damages in damages(),
    ) {
        let whole = match kind {
            0 => list(0..5),
            1 => own_list(1..6),
            _ => [TOPIC, &one([Some("sz"), Some("000001"), Some("20251124 10:00:03")], |_, _| {})].concat(),
        };
        let bytes = damaged(whole[TOPIC.len()..].to_vec(), &damages);
        let plain = plainly_read(&bytes);
        match (read(bytes), plain) {
            (Ok(read), Some(plain)) => {
                let passed: Vec<_> = read.batch.spots().iter().map(|it| shown(&it)).collect();
                prop_assert_eq!(passed.len() + read.refused.len(), plain.len(), "all are accounted for");
                // in order, each is one of those that a plain reader sees, unchanged
                let mut rest = plain.iter();
                for quote in &passed {
                    prop_assert!(rest.any(|it| it == quote), "{} is not among {:?}", quote, plain);
                }
                prop_assert_eq!(read.example.is_some(), !read.refused.is_empty());
                for spot in read.batch.spots().iter() {
                    prop_assert!(!spot.market().is_empty() && !spot.code().is_empty());
                    prop_assert_eq!(parse_exchange_time(spot.datetime()), Some(spot.time_us()));
                    prop_assert!(spot.sequence() > 0 && !spot.source().is_empty());
                }
            }
            (Err(error), None) => prop_assert_eq!(error.kind, plugin_api::ErrorKind::BadData),
            (ours, plain) => prop_assert!(false, "ours {:?}, a plain reader {:?}", ours, plain),
        }
    }
}
