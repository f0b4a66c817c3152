//! Lists of bars: what is encoded comes back, and no bytes are read that the verifier refuses.
#![allow(clippy::unwrap_used)] // a test

use proptest::prelude::*;
use schemas::{
    flat::{Bar, BarArgs, BarList, BarListArgs},
    records::{
        OwnedRecord, Record,
        bar::{BarRecord, OwnedBar, encode_bars},
    },
};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z0-9+]{1,9}", "[\u{4e00}-\u{4e20}]{1,6}"]
}

fn bar() -> impl Strategy<Value = OwnedBar> {
    (
        [text(), text(), text(), text()],
        any::<i64>(),
        prop::array::uniform5(-1e9..1e9),
        any::<(u64, bool)>(),
        prop::option::of(0.0_f32..1.0),
    )
        .prop_map(|(texts, time_us, numbers, (volume_shares, closed), quality_score)| {
            let [market, code, period, source] = texts;
            let [open, high, low, close, amount_cny] = numbers;
            OwnedBar {
                market,
                code,
                period,
                time_us,
                open,
                high,
                low,
                close,
                amount_cny,
                volume_shares,
                closed,
                quality_score,
                source,
            }
        })
}

fn encode(bars: &[OwnedBar]) -> Vec<u8> {
    encode_bars(bars.iter().map(|bar| bar.record(0)))
}

/// As builds before the field `source` wrote it.
fn encode_as_earlier(bars: &[OwnedBar]) -> Vec<u8> {
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let tables: Vec<_> = bars
        .iter()
        .map(|bar| {
            let args = BarArgs {
                market: Some(builder.create_shared_string(&bar.market)),
                code: Some(builder.create_string(&bar.code)),
                period: Some(builder.create_shared_string(&bar.period)),
                time_us: bar.time_us,
                open: bar.open,
                high: bar.high,
                low: bar.low,
                close: bar.close,
                amount: bar.amount_cny,
                volume: bar.volume_shares,
                closed: bar.closed,
                quality_score: bar.quality_score,
                source: None,
            };
            Bar::create(&mut builder, &args)
        })
        .collect();
    let vector = builder.create_vector(&tables);
    let list = BarList::create(&mut builder, &BarListArgs { bar: Some(vector) });
    builder.finish(list, None);
    builder.finished_data().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_encoded_reads_back_equal(bars in prop::collection::vec(bar(), 0..12)) {
        let bytes = encode(&bars);
        prop_assert_eq!(&OwnedBar::read_list(&bytes).unwrap(), &bars);
        let records = BarRecord::read_list(&bytes).unwrap();
        prop_assert_eq!(BarRecord::encode(records).unwrap(), bytes, "and the same bytes again");
    }

    #[test]
    fn lists_of_earlier_builds_are_read_and_are_those_of_bars_without_a_source(
        bars in prop::collection::vec(bar(), 0..12),
    ) {
        let bars: Vec<_> =
            bars.into_iter().map(|bar| OwnedBar { source: String::new(), ..bar }).collect();
        let earlier = encode_as_earlier(&bars);
        prop_assert_eq!(&OwnedBar::read_list(&earlier).unwrap(), &bars);
        prop_assert_eq!(encode(&bars), earlier);
    }

    #[test]
    fn damaged_lists_are_refused_or_read_without_a_panic(
        bars in prop::collection::vec(bar(), 0..5),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = encode(&bars);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        if let Ok(records) = BarRecord::read_list(&bytes) {
            let texts = records.map(|bar| bar.source.len() + bar.period.len()).sum::<usize>();
            prop_assert!(texts <= (64 << 10) + 16 * bytes.len(), "{} bytes of texts", texts);
        }
    }
}
