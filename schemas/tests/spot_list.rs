//! The specialised encoder and verifier against the general ones of the flatbuffers crate.
#![allow(clippy::unwrap_used)] // a test

use flatbuffers::FlatBufferBuilder;
use proptest::prelude::*;
use schemas::{
    encode::{SpotListEncoder, SpotRecord, WireSpot},
    flat::{
        Spot, SpotArgs, SpotList, SpotListArgs, root_as_spot_list, root_as_spot_list_with_opts,
    },
    spot::SpotView,
    verify,
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[A-Z0-9]{1,9}", "[\u{4e00}-\u{4e20}]{1,6}"]
}

fn levels() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(0.0..1e6, 0..7)
}

/// A quote with its own memory.
#[derive(Debug, Clone)]
struct OwnedSpot {
    strings: [String; 5],
    levels: [Vec<f64>; 4],
    prices: [f64; 7],
    times: (i64, i64, u64),
    optional: (Option<f64>, Option<u64>, Option<f32>),
}

fn owned_spot() -> impl Strategy<Value = OwnedSpot> {
    (
        [text(), text(), text(), text(), text()],
        [levels(), levels(), levels(), levels()],
        prop::array::uniform7(-1e9..1e9),
        any::<(i64, i64, u64)>(),
        (prop::option::of(-1e9..1e9), any::<Option<u64>>(), prop::option::of(0.0_f32..1.0)),
    )
        .prop_map(|(strings, levels, prices, times, optional)| OwnedSpot {
            strings,
            levels,
            prices,
            times,
            optional,
        })
}

impl OwnedSpot {
    fn wire(&self) -> WireSpot<'_> {
        let [market, code, name, datetime, source] = &self.strings;
        let [bid, bid_amount, ask, ask_amount] = &self.levels;
        WireSpot {
            market,
            code,
            name,
            datetime: datetime.as_bytes(),
            yesterday_close: self.prices[0],
            open: self.prices[1],
            high: self.prices[2],
            low: self.prices[3],
            close: self.prices[4],
            amount: self.prices[5],
            volume: self.prices[6],
            bid: bid.as_slice().into(),
            bid_amount: bid_amount.as_slice().into(),
            ask: ask.as_slice().into(),
            ask_amount: ask_amount.as_slice().into(),
            time_us: self.times.0,
            recv_time_us: self.times.1,
            amount_cny: self.optional.0,
            volume_shares: self.optional.1,
            source,
            sequence: self.times.2,
            quality_score: self.optional.2,
        }
    }

    /// The same quote by the general builder, which leaves out what is absent.
    fn general<'a>(&self, builder: &mut FlatBufferBuilder<'a>) -> flatbuffers::WIPOffset<Spot<'a>> {
        let present = |text: &String| (!text.is_empty()).then(|| text.clone());
        let [market, code, name, datetime, source] = &self.strings;
        let args = SpotArgs {
            market: Some(builder.create_string(market)),
            code: Some(builder.create_string(code)),
            name: present(name).map(|name| builder.create_string(&name)),
            datetime: Some(builder.create_string(datetime)),
            bid: Some(builder.create_vector(&self.levels[0])),
            bid_amount: Some(builder.create_vector(&self.levels[1])),
            ask: Some(builder.create_vector(&self.levels[2])),
            ask_amount: Some(builder.create_vector(&self.levels[3])),
            yesterday_close: self.prices[0],
            open: self.prices[1],
            high: self.prices[2],
            low: self.prices[3],
            close: self.prices[4],
            amount: self.prices[5],
            volume: self.prices[6],
            time_us: self.times.0,
            recv_time_us: self.times.1,
            amount_cny: self.optional.0,
            volume_shares: self.optional.1,
            source: present(source).map(|source| builder.create_shared_string(&source)),
            sequence: self.times.2,
            quality_score: self.optional.2,
        };
        Spot::create(builder, &args)
    }
}

fn general_list(spots: &[OwnedSpot]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let tables: Vec<_> = spots.iter().map(|spot| spot.general(&mut builder)).collect();
    let vector = builder.create_vector(&tables);
    let list = SpotList::create(&mut builder, &SpotListArgs { spot: Some(vector) });
    builder.finish(list, None);
    builder.finished_data().to_vec()
}

fn encode(spots: &[OwnedSpot], expected: usize) -> Vec<u8> {
    let mut encoder = SpotListEncoder::new(expected);
    for spot in spots {
        encoder.push_wire(&spot.wire()).unwrap();
    }
    encoder.finish()
}

/// Both verifiers must say the same of these bytes.
fn assert_same_verdict(bytes: &[u8]) {
    let general = root_as_spot_list_with_opts(&verify::limits(bytes), bytes)
        .map(|list| list.spot().map(|spots| spots.len()));
    let ours = verify::spot_list(bytes).map(|list| list.spot().map(|spots| spots.len()));
    assert_eq!(ours, general);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_encoded_reads_back_equal(spots in prop::collection::vec(owned_spot(), 0..12), expected in 0_usize..20) {
        let bytes = encode(&spots, expected);
        let list = root_as_spot_list(&bytes).unwrap().spot().unwrap();
        prop_assert_eq!(list.len(), spots.len());
        for (read, spot) in list.iter().zip(&spots) {
            prop_assert_eq!(SpotView(read).to_wire(), spot.wire());
        }
        let general_bytes = general_list(&spots);
        let general = root_as_spot_list(&general_bytes).unwrap().spot().unwrap();
        for (read, other) in list.iter().zip(general) {
            prop_assert_eq!(SpotView(read).to_wire(), SpotView(other).to_wire());
        }
    }

    #[test]
    fn bytes_depend_on_the_records_alone(spots in prop::collection::vec(owned_spot(), 0..12), expected in 0_usize..40) {
        let mut reused = SpotListEncoder::new(3);
        for _ in 0..2 {
            for spot in &spots {
                reused.push_wire(&spot.wire()).unwrap();
            }
            prop_assert_eq!(&reused.finish(), &encode(&spots, expected));
        }
    }

    #[test]
    fn both_verifiers_agree_on_damaged_lists(
        spots in prop::collection::vec(owned_spot(), 0..5),
        ours in any::<bool>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = if ours { encode(&spots, 4) } else { general_list(&spots) };
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        assert_same_verdict(&bytes);
    }

    #[test]
    fn both_verifiers_agree_on_small_changes_of_offsets(
        spot in owned_spot(), ours in any::<bool>(), at in any::<prop::sample::Index>(), by in -9_i8..9,
    ) {
        let mut bytes = if ours { encode(&[spot], 1) } else { general_list(&[spot]) };
        let at = at.index(bytes.len());
        bytes[at] = bytes[at].wrapping_add_signed(by);
        assert_same_verdict(&bytes);
    }

    #[test]
    fn both_verifiers_agree_on_noise(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_same_verdict(&bytes);
    }
}

#[test]
fn every_single_changed_byte_gets_the_same_verdict() {
    let record = SpotRecord {
        market: "SH",
        code: "600000",
        name: "浦发银行",
        time_us: 1_638_321_301_000_000,
        bid: &[8.51, 8.5],
        bid_volume: &[100, 250],
        ask: &[8.52],
        ask_volume: &[300],
        source: "quotes",
        sequence: 1,
        ..SpotRecord::default()
    };
    let mut encoder = SpotListEncoder::new(2);
    encoder.push(&record).unwrap();
    encoder.push(&SpotRecord { name: "", quality_score: Some(1.0), ..record }).unwrap();
    let bytes = encoder.finish();
    assert!(verify::complete_spot_list(&bytes).is_ok());
    for at in 0..bytes.len() {
        for value in [0, 1, 2, 4, 5, 8, 127, 128, 255] {
            let mut damaged = bytes.clone();
            damaged[at] = value;
            assert_same_verdict(&damaged);
        }
        assert_same_verdict(&bytes[..at]);
    }
}

#[test]
fn lists_that_crash_hikyuu_are_refused() {
    let list_without_vector = {
        let mut builder = FlatBufferBuilder::new();
        let list = SpotList::create(&mut builder, &SpotListArgs { spot: None });
        builder.finish(list, None);
        builder.finished_data().to_vec()
    };
    assert!(root_as_spot_list(&list_without_vector).is_ok());
    assert_eq!(
        verify::complete_spot_list(&list_without_vector).err().unwrap().to_string(),
        "the list has no `spot` vector"
    );

    let mut builder = FlatBufferBuilder::new();
    let code = Some(builder.create_string("600000"));
    let spot = Spot::create(&mut builder, &SpotArgs { market: code, code, ..SpotArgs::default() });
    let vector = builder.create_vector(&[spot]);
    let list = SpotList::create(&mut builder, &SpotListArgs { spot: Some(vector) });
    builder.finish(list, None);
    assert_eq!(
        verify::complete_spot_list(builder.finished_data()).err().unwrap().to_string(),
        "spot 0 has no `datetime`"
    );
}
